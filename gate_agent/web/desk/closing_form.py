"""The form in which a task is closed: what was typed, turned into a signed order's fields or into the sentences that say what to mend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from gate_agent.closing_order import (
    LARGEST_AMOUNT_MINOR,
    MOST_DAYS_ABROAD,
    MOST_LINES,
    MOST_QUANTITY,
    Amount,
    ClosingOrder,
    GoodsLine,
)
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.money import Money, minor_digits
from gate_agent.web.desk_messages import StopView
from gate_agent.web.number_entry import (
    CURRENCIES,
    EntryRefused,
    mass_g,
    money,
    scaled_number,
    tidy,
    typed_mass,
    typed_money,
)

Value = TypeVar("Value")

SPARE_LINES = 2
"""Empty lines below the declared ones, for what was found besides."""
LONGEST_DESCRIPTION = 200
_FIELDS = ("what", "amount", "currency", "mass", "kind", "quantity", "owner", "temporary")


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing to mend: the field it stands in and the sentence's name (`error.<key>`)."""

    field: str
    key: str


@dataclass(slots=True)
class ClosingForm:
    """The first step: finding, goods as found, act number. `values` are what was typed, for showing the form again."""

    values: Mapping[str, str]
    wrong: list[Wrong] = field(default_factory=list)
    finding: InspectionFinding | None = None
    goods: tuple[GoodsLine, ...] | None = None
    days_abroad: int | None = None
    act_number: str = ""

    def order(self, duty: Amount | None = None, duty_reason: str = "") -> ClosingOrder:
        """Return the order of a form in which nothing is wrong. `ValueError` (pydantic's) for what only the order's limits refuse."""
        assert self.finding is not None, "a form with nothing wrong has a finding"
        return ClosingOrder(
            finding=self.finding,
            goods=self.goods,
            duty=duty,
            duty_reason=duty_reason,
            days_abroad=self.days_abroad,
            act_number=self.act_number,
        )


def line_values(stop: StopView) -> dict[str, str]:
    """Return the declared lines as the form's fields hold them."""
    return {
        f"{name}-{place}": value for place, line in enumerate(stop.goods) for name, value in _as_typed(line).items()
    }


def places(stop: StopView) -> range:
    """Return the lines of the form: the declared ones and spare ones, as many as an order holds."""
    return range(max(len(stop.goods), min(len(stop.goods) + SPARE_LINES, MOST_LINES)))


def offered_kinds(stop: StopView) -> list[str]:
    """Return the kinds of goods to choose from: the rulebook's, and those that were declared under another one."""
    return list(dict.fromkeys([*stop.goods_kinds, *(line.kind for line in stop.goods if line.kind)]))


def offered_currencies(stop: StopView) -> list[str]:
    """Return the currencies to choose from, those of the declaration among them."""
    return list(dict.fromkeys([*CURRENCIES, *(line.value.currency for line in stop.goods)]))


def _as_typed(line: GoodsLine) -> dict[str, str]:
    return {
        "what": tidy(line.description),
        "amount": typed_money(line.value.money),
        "currency": line.value.currency,
        "mass": typed_mass(line.mass_g),
        "kind": line.kind,
        "quantity": "" if line.quantity is None else str(line.quantity),
        "owner": str(line.owner),
        "temporary": "yes" if line.is_temporary else "",
    }


def read_form(values: Mapping[str, str], stop: StopView, *, with_goods: bool) -> ClosingForm:
    """Return what was typed. Lines that say what the declaration says are no amendment."""
    form = ClosingForm(values)
    wanted = values.get("finding", "")
    if wanted in {finding.value for finding in InspectionFinding}:
        form.finding = InspectionFinding(wanted)
    else:
        form.wrong.append(Wrong("finding", "finding_missing"))
    form.act_number = tidy(values.get("act_number", ""))
    if len(form.act_number) > 40 or any(not (one.isalnum() or one in " _./№-") for one in form.act_number):
        form.wrong.append(Wrong("act_number", "act_number_malformed"))
    elif not form.act_number and form.finding not in {None, InspectionFinding.NOTHING_FOUND}:
        form.wrong.append(Wrong("act_number", "act_number_needed"))
    if not with_goods:
        return form
    goods = tuple(line for place in places(stop) if (line := _line(form, place, stop)) is not None)
    form.days_abroad = _count(form, "days_abroad", MOST_DAYS_ABROAD)
    if not form.wrong and goods != tuple(stop.goods):
        form.goods = goods
    if form.finding is InspectionFinding.NOTHING_FOUND and form.goods is not None:
        form.wrong.append(Wrong("finding", "lines_contradict"))
    if form.finding is InspectionFinding.AMENDED and form.goods is None and not form.wrong:
        form.wrong.append(Wrong("finding", "lines_needed"))
    return form


def read_amount(text: str, currency: str) -> Amount:
    """Return an amount, zero included. Raises `EntryRefused`."""
    amount_minor = scaled_number(text, minor_digits(currency))
    return Amount(amount_minor=min(amount_minor, LARGEST_AMOUNT_MINOR), currency=currency)


def _line(form: ClosingForm, place: int, stop: StopView) -> GoodsLine | None:
    """Return a line; what the officer left as it was shown is what was declared, whatever the form takes from people."""
    declared = stop.goods[place] if place < len(stop.goods) else None
    shown = _as_typed(declared) if declared is not None else {}
    sent = {name: tidy(form.values.get(f"{name}-{place}", "")) for name in _FIELDS}
    changed = {name for name, text in sent.items() if text != tidy(shown.get(name, ""))}
    if declared is not None and not changed:
        return declared
    typed = {name: tidy(form.values.get(f"{name}-{place}", "")) for name in ("what", "amount", "mass")}
    if not any(typed.values()):
        return None  # an empty line, or one that was taken away
    kind, currency = form.values.get(f"kind-{place}", ""), form.values.get(f"currency-{place}", "")
    if not typed["what"] or len(typed["what"]) > LONGEST_DESCRIPTION:
        form.wrong.append(Wrong(f"what-{place}", "description"))
    if kind and kind not in offered_kinds(stop):
        form.wrong.append(Wrong(f"kind-{place}", "kind"))
    value: Money | None
    if declared is not None and not changed & {"amount", "currency"}:
        value = declared.value.money
    else:
        value = _read(form, f"amount-{place}", lambda: money(typed["amount"], currency))
    mass = declared.mass_g if declared is not None and "mass" not in changed else None
    if mass is None:
        mass = _read(form, f"mass-{place}", lambda: mass_g(typed["mass"]))
    quantity = _count(form, f"quantity-{place}", MOST_QUANTITY)
    owner = form.values.get(f"owner-{place}", "0")
    if value is None or mass is None or form.wrong:
        return None
    return GoodsLine(
        description=declared.description if declared is not None and "what" not in changed else typed["what"],
        value=Amount.of(value),
        mass_g=mass,
        kind=kind,
        quantity=quantity,
        is_temporary=form.values.get(f"temporary-{place}") == "yes",
        owner=int(owner) if owner.isascii() and owner.isdecimal() and int(owner) <= 9 else 0,
    )


def _read(form: ClosingForm, name: str, read: Callable[[], Value]) -> Value | None:
    try:
        return read()
    except EntryRefused as refused:
        form.wrong.append(Wrong(name, refused.key))
        return None


def _count(form: ClosingForm, name: str, most: int) -> int | None:
    text = tidy(form.values.get(name, ""))
    if not text:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= 12 and int(text) <= most:
        return int(text)
    form.wrong.append(Wrong(name, "count"))
    return None
