"""What a posted page says: put into the draft when it answers the question, or returned as what is wrong, field by field."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from gate_agent.domain.declaration import DeclaredGoods, Direction, TravelMode
from gate_agent.domain.money import Money
from gate_agent.inspection.token_format import MAXIMUM_LINES, MAXIMUM_SEALS
from gate_agent.web.portal import entry
from gate_agent.web.portal.draft import Draft
from gate_agent.web.portal.entry import EntryRefused
from gate_agent.web.portal.meter import Luggage

MOST_FIELDS = 40
CARRIED = ("goods", "cash", "seals")


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing to mend: the field, the sentence's key, the label's key for sentences that name the field."""

    field: str
    key: str
    label: str = ""


class Form:
    """The fields of one posted form."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    @classmethod
    def parse(cls, body: bytes) -> Form:
        """Read `application/x-www-form-urlencoded`. Raises `ValueError` for too many fields."""
        text = body.decode("ascii", "replace")
        return cls(urllib.parse.parse_qs(text, keep_blank_values=True, errors="replace", max_num_fields=MOST_FIELDS))

    def one(self, name: str) -> str:
        """Return the first value of a field as typed, "" when it is not there."""
        return self._fields.get(name, [""])[0]

    def every(self, name: str) -> list[str]:
        """Return all values of a field (checkboxes)."""
        return self._fields.get(name, [])


Answer = Callable[[Draft, Form], list[Wrong]]
Read = TypeVar("Read")


class _Reading:
    """Reads fields and collects what is wrong with them, so that a page names all of it at once."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self.wrongs: list[Wrong] = []

    def field(self, name: str, read: Callable[[str], Read], label: str = "") -> Read | None:
        try:
            return read(self._form.one(name))
        except EntryRefused as refused:
            self.wrongs.append(Wrong(name, refused.key, label))
            return None

    def chosen(self, name: str, read: Callable[[str], Read]) -> Read | None:
        try:
            return read(self._form.one(name))
        except ValueError:
            self.wrongs.append(Wrong(name, f"choose_{name}"))
            return None

    def money(self, amount: str, currency: str, amount_label: str) -> Money | None:
        try:
            return entry.money(self._form.one(amount), self._form.one(currency))
        except EntryRefused as refused:
            if refused.key == "currency_missing":
                self.wrongs.append(Wrong(currency, refused.key))
            else:
                self.wrongs.append(Wrong(amount, refused.key, amount_label))
            return None


def trip(draft: Draft, form: Form) -> list[Wrong]:
    """Direction and mode."""
    reading = _Reading(form)
    direction, mode = reading.chosen("direction", Direction), reading.chosen("mode", TravelMode)
    if direction is not None and mode is not None:
        draft.direction, draft.mode = direction, mode
    return reading.wrongs


def document(draft: Draft, form: Form) -> list[Wrong]:
    """Issuing state and document number."""
    reading = _Reading(form)
    state = reading.field("issuing_state", entry.issuing_state)
    number = reading.field("document_number", entry.document_number)
    if state is not None and number is not None:
        draft.issuing_state, draft.document_number = state, number
    return reading.wrongs


def children(draft: Draft, form: Form) -> list[Wrong]:
    """Children under 7 who travel along."""
    reading = _Reading(form)
    count = reading.field("small_children", entry.small_children)
    if count is not None:
        draft.small_children = count
    return reading.wrongs


def carry(draft: Draft, form: Form) -> list[Wrong]:
    """Kinds that are declared, or nothing. Lines of a kind that is no longer declared are forgotten."""
    chosen = frozenset(form.every("carry"))
    if not chosen or not chosen <= {*CARRIED, "nothing"}:
        return [Wrong("carry", "choose_carry")]
    if "nothing" in chosen and len(chosen) > 1:
        return [Wrong("carry", "choose_one_kind")]
    draft.carries = chosen - {"nothing"}
    if "goods" not in chosen:
        draft.goods.clear()
    if "cash" not in chosen:
        draft.cash.clear()
    if "seals" not in chosen:
        draft.seal_ids.clear()
    return []


def goods(draft: Draft, form: Form) -> list[Wrong]:
    """One more line of goods, or one less."""
    if _is_removal(draft.goods, form):
        return []
    if _is_finished(draft.goods, form, ("description", "value", "mass")):
        return []
    reading = _Reading(form)
    what = reading.field("description", entry.description)
    value = reading.field("value", lambda text: entry.money(text, "USD"), "goods.value")
    mass_g = reading.field("mass", entry.mass_g, "goods.mass")
    if len(draft.goods) >= MAXIMUM_LINES:
        return [Wrong("description", "lines_many")]
    if what is not None and value is not None and mass_g is not None:
        draft.goods.append(DeclaredGoods(what, value, mass_g))
    return reading.wrongs


def cash(draft: Draft, form: Form) -> list[Wrong]:
    """One more currency, or one less."""
    if _is_removal(draft.cash, form) or _is_finished(draft.cash, form, ("currency", "amount")):
        return []
    reading = _Reading(form)
    money = reading.money("amount", "currency", "cash.amount")
    if len(draft.cash) >= MAXIMUM_LINES:
        return [Wrong("currency", "lines_many")]
    if money is not None and money.currency in {other.currency for other in draft.cash}:
        return [Wrong("currency", "same_currency")]
    if money is not None:
        draft.cash.append(money)
    return reading.wrongs


def seals(draft: Draft, form: Form) -> list[Wrong]:
    """One more electronic seal, or one less."""
    if _is_removal(draft.seal_ids, form) or _is_finished(draft.seal_ids, form, ("seal",)):
        return []
    reading = _Reading(form)
    seal = reading.field("seal", entry.seal_id)
    if seal is not None and seal not in draft.seal_ids:
        if len(draft.seal_ids) >= MAXIMUM_SEALS:
            return [Wrong("seal", "lines_many")]
        draft.seal_ids.append(seal)
    return reading.wrongs


def luggage(form: Form) -> tuple[Luggage | None, list[Wrong]]:
    """Return what "am I over the limit?" asks about, or what is wrong with it. Blank goods or cash are simply not asked about."""
    reading = _Reading(form)
    direction, mode = reading.chosen("direction", Direction), reading.chosen("mode", TravelMode)
    days = reading.field("days", _days) if form.one("days").strip() else None
    lines: list[DeclaredGoods] = []
    if form.one("value").strip() or form.one("mass").strip():
        value = reading.field("value", lambda text: entry.money(text, "USD"), "limit.goods_value")
        mass_g = reading.field("mass", entry.mass_g, "limit.goods_mass")
        if value is not None and mass_g is not None:
            lines.append(DeclaredGoods("goods", value, mass_g))
    amounts = []
    for number in ("1", "2"):
        if form.one(f"amount_{number}").strip() or form.one(f"currency_{number}"):
            label = "limit.first_amount" if number == "1" else "limit.second_amount"
            money = reading.money(f"amount_{number}", f"currency_{number}", label)
            amounts += [money] if money is not None else []
    if reading.wrongs or direction is None or mode is None:
        return None, reading.wrongs
    return Luggage(direction, mode, tuple(lines), tuple(amounts), days), []


def _days(text: str) -> int:
    clean = entry.tidy(text)
    if not (clean.isascii() and clean.isdecimal() and len(clean) <= 4):
        raise EntryRefused("days_malformed")
    return int(clean)


def _is_removal(lines: list[Read], form: Form) -> bool:
    """Remove the line that was asked to go, if one was; a line that is gone already stays gone."""
    wanted = form.one("remove")
    if not wanted:
        return False
    if wanted.isascii() and wanted.isdecimal() and len(wanted) <= 3 and int(wanted) < len(lines):
        del lines[int(wanted)]
    return True


def _is_finished(lines: list[Read], form: Form, fields: tuple[str, ...]) -> bool:
    """Say whether the traveller goes on with what is in the list, leaving the fields empty."""
    return bool(lines) and form.one("action") == "continue" and not any(form.one(name).strip() for name in fields)
