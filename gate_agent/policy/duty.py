"""Value allowance, quantity limits and the charge on what is over: integer money, one rounding, every line with the rule it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from gate_agent.domain.declaration import DeclaredGoods, Direction, TravelMode
from gate_agent.domain.money import Money
from gate_agent.policy.charge import SCALE, Amount, Exact, Item, amount, charged, total
from gate_agent.policy.rulebook import ANY, Rate, Rule, Rulebook, RuleNotFound, half_up

_SHARE, _FLOOR = "charge_on_excess", "charge_floor"


class DutyLine(NamedTuple):  # a dozen are made for each basket: see `charge.Item`
    """One line of the explanation: what it is, its amount, and the rule behind it (None for sums of what was declared).

    `goods` is the place of the declared line that it speaks of, None for the whole basket.
    """

    name: str
    amount: int
    unit: str
    rule: Rule | None = None
    goods: int | None = None


@dataclass(frozen=True, slots=True)
class DutyAnswer:
    """What is charged and what is due, in the currency of valuation, with its explanation.

    `is_over_value`: some of it is over the value allowance, and not only over the quantity of its kind.

    An officer decides where `missing` names rules that were not found, `without_rate` currencies that nobody gave a rate for, or
    `without_quantity` kinds of goods that are limited and of which no quantity was said; the amounts leave those lines out.
    """

    value: Money
    allowance: Money
    excess: Money
    due: Money
    lines: tuple[DutyLine, ...]
    missing: tuple[RuleNotFound, ...] = ()
    without_rate: tuple[str, ...] = ()
    without_quantity: tuple[str, ...] = ()
    rates: tuple[Rate, ...] = ()
    is_over_value: bool = False

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules used, each once."""
        return tuple(dict.fromkeys(line.rule for line in self.lines if line.rule is not None))

    @property
    def is_for_an_officer(self) -> bool:
        """Whether something is not known that the amounts depend on."""
        return bool(self.missing or self.without_rate or self.without_quantity)


class _Charge(NamedTuple):
    """What one kind of goods is charged by; `missing` are the rules without which that cannot be told."""

    share: Rule | RuleNotFound
    floor: Rule | RuleNotFound
    missing: tuple[RuleNotFound, ...]


class _Line(NamedTuple):
    """One declared line that counts: as the charge sees it, where it stands on the declaration, whose it is, and what it is charged by."""

    item: Item
    place: int
    owner: int
    charge: _Charge


class _Basket:
    """The goods of one declaration at one crossing, sorted out: what counts, what is exempt, and what nobody can value."""

    def __init__(self, rulebook: Rulebook, direction: Direction, mode: TravelMode, on: date) -> None:
        self._rulebook = rulebook
        self._on = on
        self._direction, self._mode = direction.value, mode.value
        self._limits = self._about_goods("quantity_allowance")
        self._exempt = self._about_goods("goods_exempt")
        self._shares = self._about_goods(_SHARE)
        self._floors = self._about_goods(_FLOOR)
        self._charges: dict[str, _Charge] = {}
        self._quantities: dict[str, int] = {}
        self.lines: list[_Line] = []
        self.notes: list[DutyLine] = []
        self.without_rate: dict[str, None] = {}
        self.without_quantity: dict[str, None] = {}
        self.rates: dict[Rate, None] = {}

    def find(self, subject: str) -> Rule | RuleNotFound:
        """Return the rule of this crossing."""
        return self._rulebook.find(subject, self._on, direction=self._direction, mode=self._mode)

    def _about_goods(self, subject: str) -> Mapping[str, Rule]:
        return self._rulebook.about_goods(subject, self._on, direction=self._direction, mode=self._mode)

    def add(self, place: int, goods: DeclaredGoods) -> None:
        """Sort one declared line."""
        converted = self._rulebook.in_valuation(goods.value, self._on)
        if converted is None:
            self.without_rate[goods.value.currency] = None
            return
        value, rates = converted
        if rates:
            self.rates.update(dict.fromkeys(rates))
        exempt = self._exempt.get(goods.kind)
        if exempt is not None and exempt.value:
            self.notes.append(DutyLine("goods_exempt", value.amount_minor, "valuation_minor", exempt, place))
            return
        limit = self._limits.get(goods.kind)
        if limit is not None and goods.quantity is None:
            self.without_quantity[goods.kind] = None
            return
        if limit is not None:
            self._quantities[goods.kind] = self._quantities.get(goods.kind, 0) + (goods.quantity or 0)
        charge = self._charges.get(goods.kind) or self._charge(goods.kind)
        share, floor = charge.share, charge.floor
        item = Item(
            value.amount_minor,
            goods.mass_g,
            share.value if isinstance(share, Rule) else 0,
            floor.value if isinstance(floor, Rule) else 0,
            goods.kind,
            goods.quantity or 0,
            None if limit is None else limit.value,
        )
        self.lines.append(_Line(item, place, goods.owner, charge))

    def _charge(self, goods_kind: str) -> _Charge:
        share = self._shares.get(goods_kind) or self._shares.get(ANY) or RuleNotFound(_SHARE)
        floor = self._floors.get(goods_kind) or self._floors.get(ANY) or RuleNotFound(_FLOOR)
        missing = tuple(rule for rule in (share, floor) if isinstance(rule, RuleNotFound))
        charge = self._charges[goods_kind] = _Charge(share, floor, missing)
        return charge

    def quantities(self, travellers: int) -> list[DutyLine]:
        """Explain the limits of the kinds that are there."""
        found = []
        for kind, limit in self._limits.items():
            if declared := self._quantities.get(kind):
                found.append(DutyLine("quantity", declared, limit.unit))
                found.append(DutyLine("quantity_allowance", limit.value * travellers, limit.unit, limit))
        return found


class _Outcome(NamedTuple):
    """What is charged of each line that counts, the value of that, whether any of it is over the value allowance, and the charge."""

    parts: tuple[Exact, ...]
    excess: Exact
    is_over_value: bool
    amount: Amount


def duty(
    rulebook: Rulebook,
    direction: Direction,
    mode: TravelMode,
    on: date,
    goods: Sequence[DeclaredGoods],
    days_abroad: int | None = None,
    *,
    travellers: int = 1,
) -> DutyAnswer:
    """Return allowance, excess and charge. `days_abroad` None: the minimum absence is not judged.

    `travellers`: how many members of a family stand on the declaration. Each has the allowance for the goods that he owns; where the
    rulebook pools them, the family has all its allowances for all its goods, if that is better for it.
    """
    basket = _Basket(rulebook, direction, mode, on)
    for place, line in enumerate(goods):
        basket.add(place, line)
    currency, unit = rulebook.valuation_currency, "valuation_minor"
    value = Money(sum([line.item.value for line in basket.lines]), currency)
    notes = [
        DutyLine("customs_value", value.amount_minor, unit),
        DutyLine("mass", sum([line.item.mass_g for line in basket.lines]), "g"),
        *basket.notes,
        *basket.quantities(travellers),
    ]
    limit = basket.find("value_allowance")
    if isinstance(limit, RuleNotFound):
        nothing = Money(0, currency)
        return _answer(basket, value, nothing, nothing, nothing, notes, (limit,))
    notes.append(DutyLine("value_allowance", limit.value, limit.unit, limit))
    each = limit.value
    absence = basket.find("minimum_absence")
    if isinstance(absence, Rule) and days_abroad is not None and days_abroad < absence.value:
        each = 0
        notes.append(DutyLine("minimum_absence_not_reached", absence.value, absence.unit, absence))
    if travellers > 1:
        notes.append(DutyLine("travellers", travellers, "persons"))
    outcome, is_pooled = _outcome(rulebook.options, basket.lines, each, travellers)
    if is_pooled:
        notes.append(DutyLine("allowances_pooled", each * travellers, unit))
    excess = _rounded(outcome.excess)
    notes.append(DutyLine("excess", excess, unit))
    charged_lines = [line for line, part in zip(basket.lines, outcome.parts, strict=True) if part]
    missing = tuple(dict.fromkeys(rule for line in charged_lines for rule in line.charge.missing))
    due = 0 if missing else _scaled_back(outcome.amount.due)
    if charged_lines and not missing:
        notes += _charge_notes(rulebook.options, basket.lines, outcome)
        notes.append(DutyLine("due", due, unit))
    return _answer(
        basket,
        value,
        Money(each * travellers, currency),
        Money(excess, currency),
        Money(due, currency),
        notes,
        missing,
        is_over_value=outcome.is_over_value,
    )


def _outcome(
    options: Mapping[str, object], lines: Sequence[_Line], each: int, travellers: int
) -> tuple[_Outcome, bool]:
    """Return the outcome, and whether it is that of a family's allowances together."""
    if travellers == 1:
        return _one(options, [line.item for line in lines], each), False
    parts: list[Exact] = [0] * len(lines)
    excess: Exact = 0
    is_over_value, due = False, Amount(0, 0, 0)
    for owner in sorted({line.owner for line in lines}):
        places = [place for place, line in enumerate(lines) if line.owner == owner]
        own = _one(options, [lines[place].item for place in places], each)
        for place, part in zip(places, own.parts, strict=True):
            parts[place] = part
        excess += own.excess
        is_over_value = is_over_value or own.is_over_value
        due += own.amount
    apart = _Outcome(tuple(parts), excess, is_over_value, due)
    if not options["family_pooling"]:
        return apart, False
    items = [line.item for line in lines]
    pooled = _one(
        options,
        [item if item.limit is None else item._replace(limit=item.limit * travellers) for item in items],
        each * travellers,
    )
    return (pooled, True) if pooled.amount.due < apart.amount.due else (apart, False)


def _one(options: Mapping[str, object], items: Sequence[Item], allowance: int) -> _Outcome:
    laid_out = charged(
        items,
        allowance,
        basis=str(options["excess_basis"]),
        order=str(options["allowance_order"]),
        limited_goods_count=bool(options["limited_goods_count"]),
    )
    applies, mass_basis = str(options["floor_applies"]), str(options["floor_mass_basis"])
    excess = laid_out.excess + total([item.value for item in items], laid_out.over_quantity)
    due = amount(items, laid_out, floor_applies=applies, floor_mass_basis=mass_basis)
    return _Outcome(laid_out.parts, excess, any(laid_out.over_value), due)


def _charge_notes(options: Mapping[str, object], lines: Sequence[_Line], outcome: _Outcome) -> list[DutyLine]:
    """Explain the charge: its two sides on the total, or what each line costs and by which of its rules."""
    unit = "valuation_minor"
    if options["floor_applies"] == "to_total":
        first = next(line for line, part in zip(lines, outcome.parts, strict=True) if part)
        return [
            DutyLine(_SHARE, _scaled_back(outcome.amount.share), unit, _rule(first.charge.share)),
            DutyLine(_FLOOR, _scaled_back(outcome.amount.floor), unit, _rule(first.charge.floor)),
        ]
    notes = []
    for line, part in zip(lines, outcome.parts, strict=True):
        if not part:
            continue
        is_share = line.item.scaled_charge == line.item.value * line.item.share_bp
        name, rule = (_SHARE, line.charge.share) if is_share else (_FLOOR, line.charge.floor)
        notes.append(DutyLine(name, _scaled_back(line.item.scaled_charge * part), unit, _rule(rule), line.place))
    return notes


def _answer(
    basket: _Basket,
    value: Money,
    allowance: Money,
    excess: Money,
    due: Money,
    notes: Sequence[DutyLine],
    missing: tuple[RuleNotFound, ...],
    *,
    is_over_value: bool = False,
) -> DutyAnswer:
    return DutyAnswer(
        value,
        allowance,
        excess,
        due,
        tuple(notes),
        missing,
        tuple(basket.without_rate),
        tuple(basket.without_quantity),
        tuple(basket.rates),
        is_over_value,
    )


def _rule(found: Rule | RuleNotFound) -> Rule | None:
    return found if isinstance(found, Rule) else None


def _rounded(exact: Exact) -> int:
    return half_up(exact.numerator, exact.denominator)


def _scaled_back(scaled: Exact) -> int:
    return half_up(scaled.numerator, scaled.denominator * SCALE)
