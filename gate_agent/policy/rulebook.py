"""The rulebook: one country's dated rules, exchange rates and holidays, resolved by the local date of crossing.

A rule applies from `effective_from` up to and including `effective_to`; among those that apply the newest wins. Where none applies the
answer is `RuleNotFound`, which always means an officer: never zero, never unlimited. `rulebook_format` reads one from JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from gate_agent.domain.agency import Agency
from gate_agent.domain.crossing import RuleUse
from gate_agent.domain.money import Money

ANY = "any"
_MOST_REMEMBERED = 512
"""How many answers of one kind a rulebook keeps at hand; a gate asks about one day, and a replay about one after another."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One dated rule.

    `person_kind` is `any` or a nationality (ICAO three-letter code). `goods_kind` is `any` or one of the rulebook's kinds; it is `any`
    for everything that is not about goods. `document_kind` (a document or a permit) and `issuing_state` are `any` or the ones that the rule
    is for. `parameters` holds the further whole numbers that some subjects need.
    """

    rule_id: str
    subject: str
    direction: str
    mode: str
    person_kind: str
    value: int
    unit: str
    effective_from: date
    effective_to: date | None
    source: str
    certainty: str
    note: str
    goods_kind: str = ANY
    parameters: tuple[tuple[str, int], ...] = ()
    document_kind: str = ANY
    issuing_state: str = ANY

    def __hash__(self) -> int:
        """Return the hash of its name: decisions ask often which of their rules are the same, and no two of a rulebook share a name."""
        return hash(self.rule_id)

    @property
    def use(self) -> RuleUse:
        """Say that the rule took part in a decision."""
        return RuleUse(self.rule_id, self.effective_from, self.certainty)

    @property
    def precision(self) -> tuple[bool, ...]:
        """Return how narrow the case is that the rule is for; of two rules the one that compares greater goes first."""
        return tuple(
            part != ANY for part in (self.person_kind, self.issuing_state, self.document_kind, self.goods_kind)
        )

    def parameter(self, name: str) -> int:
        """Return one of the further numbers; the reader of rulebooks saw to it that it is there."""
        return dict(self.parameters)[name]

    def applies_on(self, on: date) -> bool:
        """Tell whether the rule is in force on a local date."""
        return self.effective_from <= on and (self.effective_to is None or on <= self.effective_to)


@dataclass(frozen=True, slots=True)
class RuleNotFound:
    """No rule of this subject applies: an officer decides."""

    subject: str


@dataclass(frozen=True, slots=True)
class GoodsKind:
    """A kind of goods that rules name; `unit` is what its quantities are counted in (`ml`, `g`, `piece`, `pack`)."""

    kind: str
    unit: str


@dataclass(frozen=True, slots=True)
class Rate:
    """The central bank's rate of a day: minor units of the national currency for one whole unit of another.

    `minor_digits`: how many decimal digits the other currency's minor unit has (ISO 4217: 2 for most, 0 for the yen, 3 for the dinar).
    """

    currency: str
    on: date
    national_minor_per_unit: int
    source: str
    minor_digits: int = 2


@dataclass(frozen=True, slots=True)
class Holiday:
    """A day that is no working day, besides the weekly days of rest."""

    on: date
    name: str
    source: str
    certainty: str


@dataclass(frozen=True, slots=True)
class DeskRule:
    """Whose task a corridor reason opens after the passage; no agencies: it opens none. `goods_kind` is `any` or the kind that the reason names."""

    rule_id: str
    reason: str
    goods_kind: str
    agencies: tuple[Agency, ...]
    effective_from: date
    effective_to: date | None
    source: str
    certainty: str
    note: str

    def applies_on(self, on: date) -> bool:
        """Tell whether the rule is in force on a local date."""
        return self.effective_from <= on and (self.effective_to is None or on <= self.effective_to)


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A whole rulebook. `find`, `rate` and `in_national` answer for a local date.

    `valuation_currency`: in which goods are valued and charged. `national_currency`: in which cash is added up; rates lead to it.
    """

    version: int
    title: str
    country: str
    valuation_currency: str
    national_currency: str
    rules: tuple[Rule, ...]
    rates: tuple[Rate, ...]
    options: Mapping[str, object]
    goods_kinds: Mapping[str, GoodsKind] = field(default_factory=dict)
    holidays: Mapping[date, Holiday] = field(default_factory=dict)
    desk_rules: tuple[DeskRule, ...] = ()
    _by_subject: dict[str, list[Rule]] = field(init=False, repr=False, compare=False, default_factory=dict)
    _rates_of: dict[str, list[Rate]] = field(init=False, repr=False, compare=False, default_factory=dict)
    _found: dict[tuple[str | date, ...], Rule | RuleNotFound] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _about_goods: dict[tuple[str | date, ...], dict[str, Rule]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        for rule in self.rules:
            self._by_subject.setdefault(rule.subject, []).append(rule)
        for rate in sorted(self.rates, key=lambda rate: rate.on, reverse=True):
            self._rates_of.setdefault(rate.currency, []).append(rate)

    def find(
        self,
        subject: str,
        on: date,
        *,
        direction: str = ANY,
        mode: str = ANY,
        person_kind: str = ANY,
        goods_kind: str = ANY,
        document_kind: str = ANY,
        issuing_state: str = ANY,
    ) -> Rule | RuleNotFound:
        """Return the rule in force.

        One for this very person kind goes before one for any; then for this issuing state, this document kind, this goods kind.
        """
        case = (subject, on, direction, mode, person_kind, goods_kind, document_kind, issuing_state)
        if (known := self._found.get(case)) is not None:
            return known
        if len(self._found) >= _MOST_REMEMBERED:
            self._found.clear()
        found = self._found[case] = self._newest(*case)
        return found

    def _newest(
        self,
        subject: str,
        on: date,
        direction: str,
        mode: str,
        person_kind: str,
        goods_kind: str,
        document_kind: str,
        issuing_state: str,
    ) -> Rule | RuleNotFound:
        applying = [
            rule
            for rule in self._by_subject.get(subject, ())
            if rule.direction in {ANY, direction}
            and rule.mode in {ANY, mode}
            and rule.person_kind in {ANY, person_kind}
            and rule.goods_kind in {ANY, goods_kind}
            and rule.document_kind in {ANY, document_kind}
            and rule.issuing_state in {ANY, issuing_state}
            and rule.applies_on(on)
        ]
        if not applying:
            return RuleNotFound(subject)
        return max(applying, key=lambda rule: (*rule.precision, rule.effective_from, rule.rule_id))

    def about_goods(self, subject: str, on: date, *, direction: str = ANY, mode: str = ANY) -> dict[str, Rule]:
        """Return the rules of a subject in force, by the goods kind that each names."""
        case = (subject, on, direction, mode)
        if (known := self._about_goods.get(case)) is not None:
            return known
        if len(self._about_goods) >= _MOST_REMEMBERED:
            self._about_goods.clear()
        found = self._about_goods[case] = {}
        for kind in dict.fromkeys(rule.goods_kind for rule in self._by_subject.get(subject, ())):
            rule = self.find(subject, on, direction=direction, mode=mode, goods_kind=kind)
            if isinstance(rule, Rule) and rule.goods_kind == kind:
                found[kind] = rule
        return found

    def rate(self, currency: str, on: date) -> Rate | None:
        """Return the newest rate not after `on`, None when there is none."""
        return next((rate for rate in self._rates_of.get(currency, ()) if rate.on <= on), None)

    def in_national(self, amount: Money, on: date) -> tuple[Money, Rate | None] | None:
        """Return an amount in the national currency, rounded down, and the rate used; None when no rate is known."""
        if amount.currency == self.national_currency:
            return amount, None
        rate = self.rate(amount.currency, on)
        if rate is None:
            return None
        minor = amount.amount_minor * rate.national_minor_per_unit // 10**rate.minor_digits
        return Money(minor, self.national_currency), rate

    def in_valuation(self, amount: Money, on: date) -> tuple[Money, tuple[Rate, ...]] | None:
        """Return an amount in the currency of valuation, rounded half up to its minor unit, and the rates used; None without a rate."""
        if amount.currency == self.valuation_currency:
            return amount, ()
        rates = []
        numerator, denominator = amount.amount_minor, 1
        if amount.currency != self.national_currency:
            rate = self.rate(amount.currency, on)
            if rate is None:
                return None
            numerator, denominator = numerator * rate.national_minor_per_unit, 10**rate.minor_digits
            rates.append(rate)
        if self.valuation_currency != self.national_currency:
            rate = self.rate(self.valuation_currency, on)
            if rate is None:
                return None
            numerator, denominator = numerator * 10**rate.minor_digits, denominator * rate.national_minor_per_unit
            rates.append(rate)
        return Money(half_up(numerator, denominator), self.valuation_currency), tuple(rates)


def half_up(numerator: int, denominator: int) -> int:
    """Return a quotient rounded half up; both are not negative."""
    return (2 * numerator + denominator) // (2 * denominator)
