"""What is asked without a draft: "am I over the limit?" and "do I need to declare at all?". Nothing of it is kept anywhere."""

from __future__ import annotations

from datetime import date
from functools import partial

from gate_agent.domain.declaration import DeclaredGoods, Direction, TravelMode
from gate_agent.domain.money import Money
from gate_agent.policy.rulebook import Rulebook
from gate_agent.web import number_entry
from gate_agent.web.number_entry import EntryRefused
from gate_agent.web.portal import entry
from gate_agent.web.portal.answers import VALUED_IN
from gate_agent.web.portal.draft import CARRIED
from gate_agent.web.portal.forms import Form, Reading, Wrong
from gate_agent.web.portal.meter import Luggage

GOODS_ROWS = 4
CASH_ROWS = 3

LIMIT_FIELDS = (
    "direction", "mode", "days", "on_day", "on_month", "on_year",
    *(f"{name}_{row}" for row in range(1, GOODS_ROWS + 1) for name in ("kind", "quantity", "value", "mass")),
    *(f"{name}_{row}" for row in range(1, CASH_ROWS + 1) for name in ("currency", "amount")),
)  # fmt: skip
"""Fields of the page "am I over the limit?"."""


def luggage(form: Form, rulebook: Rulebook | None, today: date) -> tuple[Luggage | None, list[Wrong]]:
    """Return what "am I over the limit?" asks about, or what is wrong with it. Blank goods or cash are simply not asked about."""
    reading = Reading(form)
    direction, mode = reading.chosen("direction", Direction), reading.chosen("mode", TravelMode)
    days = reading.field("days", _days) if form.is_filled("days") else None
    on = _crossing_day(form, today, reading)
    lines = [line for row in range(1, GOODS_ROWS + 1) if (line := _goods_row(form, reading, row, rulebook)) is not None]
    amounts: list[Money] = []
    for row in range(1, CASH_ROWS + 1):
        if form.is_filled(f"amount_{row}", f"currency_{row}"):
            money = reading.money(f"amount_{row}", f"currency_{row}", "limit.amount", row)
            amounts += [money] if money is not None else []
    if reading.wrongs or direction is None or mode is None:
        return None, reading.wrongs
    return Luggage(direction, mode, tuple(lines), tuple(amounts), days, on), []


def _goods_row(form: Form, reading: Reading, row: int, rulebook: Rulebook | None) -> DeclaredGoods | None:
    names = [f"{name}_{row}" for name in ("quantity", "value", "mass")]
    kind = form.one(f"kind_{row}")
    known = rulebook.goods_kinds if rulebook is not None else {}
    if not form.is_filled(*names, f"kind_{row}"):
        return None
    if kind and kind not in known:
        reading.wrongs.append(Wrong(f"kind_{row}", "choose_kind"))
        return None
    value = reading.field(names[1], lambda text: number_entry.money(text, VALUED_IN), "limit.value", row)
    mass_g = reading.field(names[2], number_entry.mass_g, "limit.mass", row)
    count = None
    if form.is_filled(names[0]):
        unit = known[kind].unit if kind else "piece"
        count = reading.field(names[0], partial(entry.quantity, unit=unit), "limit.quantity", row)
    if value is None or mass_g is None:
        return None
    return DeclaredGoods(kind or "goods", value, mass_g, kind, count)


def _crossing_day(form: Form, today: date, reading: Reading) -> date:
    """Return the day of crossing, today when it was left empty."""
    parts = [form.one(name) for name in ("on_day", "on_month", "on_year")]
    if not any(part.strip() for part in parts):
        return today
    try:
        return entry.day_of(*parts)
    except EntryRefused as refused:
        reading.wrongs.append(Wrong("on_day", refused.key))
        return today


def _days(text: str) -> int:
    clean = number_entry.tidy(text)
    if not (clean.isascii() and clean.isdecimal() and len(clean) <= 4):
        raise EntryRefused("days_malformed")
    return int(clean)


def exceptions(form: Form) -> tuple[frozenset[str] | None, list[Wrong]]:
    """Return which exceptions of "do I need to declare?" apply: none of them is an answer too, an empty form is not."""
    chosen = frozenset(form.every("applies"))
    if not chosen or not chosen <= {*CARRIED, "absence", "none"}:
        return None, [Wrong("applies", "choose_applies")]
    if "none" in chosen and len(chosen) > 1:
        return None, [Wrong("applies", "choose_one_kind")]
    return chosen - {"none"}, []
