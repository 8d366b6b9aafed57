"""The rulebook: dated rules and exchange rates, strictly parsed from decoded JSON, resolved by the local date of crossing.

A rule applies from `effective_from` up to and including `effective_to`; among those that apply the newest wins. Where none applies the
answer is `RuleNotFound`, which always means an officer: never zero, never unlimited.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import resources

from gate_agent.domain.crossing import RuleUse
from gate_agent.domain.declaration import Direction, TravelMode
from gate_agent.domain.money import Money
from gate_agent.policy.errors import RulebookRefused

ANY = "any"
CERTAINTIES = ("high", "medium", "low")
SUBJECTS = {
    "value_allowance": "usd_cents",
    "minimum_absence": "days",
    "charge_on_excess": "basis_points",
    "charge_floor": "usd_cents_per_kg",
    "cash_declaration": "uzs_tiyin",
    "visa_free_stay": "days",
    "registration": "working_days",
    "unlimited_stay": "days",
    "own_declaration_age": "years",
}
"""What a rule can be about, with its unit. Values are integers."""

_RULE_MEMBERS = {
    "id", "subject", "direction", "mode", "person_kind", "value", "unit", "effective_from", "effective_to", "source",
    "certainty", "note",
}  # fmt: skip
_DIRECTIONS = (ANY, *(direction.value for direction in Direction))
_MODES = (ANY, *(mode.value for mode in TravelMode))
_PERSON_KIND = re.compile(r"any|[A-Z]{1,3}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOST_DAYS = 36_600
"""Largest value of a rule counted in days; more is a slip, and would leave the calendar."""
_RATE_MEMBERS = {"currency", "date", "uzs_tiyin_per_unit", "source"}
_OPTIONS: Mapping[str, Sequence[object]] = {
    "excess_basis": ("excess", "whole_value"),
    "floor_mass_basis": ("share_of_excess", "whole_mass"),
    "duty_rounding": ("half_up_cent",),
    "entry_day_counts": (True, False),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One dated rule. `person_kind` is `any` or a nationality (ICAO three-letter code)."""

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

    @property
    def use(self) -> RuleUse:
        """Say that the rule took part in a decision."""
        return RuleUse(self.rule_id, self.effective_from, self.certainty)


@dataclass(frozen=True, slots=True)
class RuleNotFound:
    """No rule of this subject applies: an officer decides."""

    subject: str


@dataclass(frozen=True, slots=True)
class Rate:
    """The central bank's rate of a day: tiyin (1/100 UZS) for one whole unit of the currency."""

    currency: str
    on: date
    uzs_tiyin_per_unit: int
    source: str


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A whole rulebook. `find` and `rate` answer for a local date."""

    version: int
    title: str
    rules: tuple[Rule, ...]
    rates: tuple[Rate, ...]
    options: Mapping[str, object]

    def find(
        self, subject: str, on: date, *, direction: str = ANY, mode: str = ANY, person_kind: str = ANY
    ) -> Rule | RuleNotFound:
        """Return the rule in force; one for this very person kind goes before one for any."""
        applying = [
            rule
            for rule in self.rules
            if rule.subject == subject
            and rule.direction in {ANY, direction}
            and rule.mode in {ANY, mode}
            and rule.person_kind in {ANY, person_kind}
            and rule.effective_from <= on
            and (rule.effective_to is None or on <= rule.effective_to)
        ]
        if not applying:
            return RuleNotFound(subject)
        return max(applying, key=lambda rule: (rule.person_kind != ANY, rule.effective_from, rule.rule_id))

    def rate(self, currency: str, on: date) -> Rate | None:
        """Return the newest rate not after `on`, None when there is none."""
        known = [rate for rate in self.rates if rate.currency == currency and rate.on <= on]
        return max(known, key=lambda rate: rate.on) if known else None

    def in_uzs(self, amount: Money, on: date) -> tuple[Money, Rate | None] | None:
        """Return an amount in tiyin, rounded down, and the rate used; None when no rate is known."""
        if amount.currency == "UZS":
            return amount, None
        rate = self.rate(amount.currency, on)
        if rate is None:
            return None
        return Money(amount.amount_minor * rate.uzs_tiyin_per_unit // 100, "UZS"), rate


def packaged_rulebook_bytes() -> bytes:
    """Return the JSON text of the rulebook that ships with the software, for signing."""
    return resources.files("gate_agent.policy").joinpath("rulebooks", "uzbekistan.json").read_bytes()


def parse_rulebook(body: Mapping[str, object]) -> Rulebook:
    """Return the rulebook in a decoded JSON object. Raises `RulebookRefused` naming the member that is wrong."""
    _members("rulebook", body, {"format", "version", "title", "options", "rules", "rates"})
    if _integer("format", body["format"], least=1) != 1:
        raise RulebookRefused("rulebook.format: only format 1 is known")
    rules = tuple(_rule(index, entry) for index, entry in enumerate(_list("rules", body["rules"])))
    doubled = _doubled(rule.rule_id for rule in rules)
    if doubled:
        raise RulebookRefused(f"rules: id used twice: {', '.join(doubled)}")
    rates = tuple(_rate(index, entry) for index, entry in enumerate(_list("rates", body["rates"])))
    doubled = _doubled(f"{rate.currency} on {rate.on.isoformat()}" for rate in rates)
    if doubled:
        raise RulebookRefused(f"rates: given twice: {', '.join(doubled)}")
    _refuse_contradictions(rules)
    return Rulebook(
        version=_integer("version", body["version"], least=1),
        title=_text("title", body["title"]),
        rules=rules,
        rates=rates,
        options=_options(body["options"]),
    )


def _refuse_contradictions(rules: Sequence[Rule]) -> None:
    """Two rules for the same case from the same day on would leave the answer to chance."""
    cases: dict[tuple[object, ...], str] = {}
    for rule in rules:
        case = (rule.subject, rule.direction, rule.mode, rule.person_kind, rule.effective_from)
        if case in cases:
            raise RulebookRefused(f"rules: {cases[case]} and {rule.rule_id} begin on the same day for the same case")
        cases[case] = rule.rule_id


def _rule(index: int, entry: object) -> Rule:
    where = f"rules[{index}]"
    members = _members(where, entry, _RULE_MEMBERS)
    subject = _text(f"{where}.subject", members["subject"])
    if subject not in SUBJECTS:
        raise RulebookRefused(f"{where}.subject: {subject!r} is not known")
    unit = _text(f"{where}.unit", members["unit"])
    if unit != SUBJECTS[subject]:
        raise RulebookRefused(f"{where}.unit: {subject} is counted in {SUBJECTS[subject]}, not {unit}")
    certainty = _one_of(f"{where}.certainty", members["certainty"], CERTAINTIES)
    value = _integer(f"{where}.value", members["value"], least=0)
    if unit.endswith("days") and value > _MOST_DAYS:
        raise RulebookRefused(f"{where}.value: at most {_MOST_DAYS} days are expected")
    start = _date(f"{where}.effective_from", members["effective_from"])
    end = None if members["effective_to"] is None else _date(f"{where}.effective_to", members["effective_to"])
    if end is not None and end < start:
        raise RulebookRefused(f"{where}.effective_to: lies before effective_from")
    return Rule(
        rule_id=_text(f"{where}.id", members["id"]),
        subject=subject,
        direction=_one_of(f"{where}.direction", members["direction"], _DIRECTIONS),
        mode=_one_of(f"{where}.mode", members["mode"], _MODES),
        person_kind=_like(f"{where}.person_kind", members["person_kind"], _PERSON_KIND, "any or a nationality"),
        value=value,
        unit=unit,
        effective_from=start,
        effective_to=end,
        source=_text(f"{where}.source", members["source"]),
        certainty=certainty,
        note=_text(f"{where}.note", members["note"], least=0),
    )


def _rate(index: int, entry: object) -> Rate:
    where = f"rates[{index}]"
    members = _members(where, entry, _RATE_MEMBERS)
    return Rate(
        _like(f"{where}.currency", members["currency"], _CURRENCY, "an ISO 4217 code"),
        _date(f"{where}.date", members["date"]),
        _integer(f"{where}.uzs_tiyin_per_unit", members["uzs_tiyin_per_unit"], least=1),
        _text(f"{where}.source", members["source"]),
    )


def _options(value: object) -> Mapping[str, object]:
    members = _members("options", value, set(_OPTIONS))
    for name, allowed in _OPTIONS.items():
        if not any(type(members[name]) is type(value) and members[name] == value for value in allowed):
            raise RulebookRefused(f"options.{name}: one of {list(allowed)} is expected")
    return members


def _members(where: str, value: object, names: set[str]) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise RulebookRefused(f"{where}: an object is expected")
    if set(value) != names:
        wrong = sorted(set(value) ^ names, key=str)
        raise RulebookRefused(f"{where}: missing or unknown: {', '.join(map(str, wrong))}")
    return value


def _list(where: str, value: object) -> list[object]:
    if not isinstance(value, list):
        raise RulebookRefused(f"{where}: a list is expected")
    return value


def _doubled(keys: Iterable[str]) -> list[str]:
    return sorted(key for key, times in Counter(keys).items() if times > 1)


def _text(where: str, value: object, *, least: int = 1) -> str:
    if not isinstance(value, str) or not least <= len(value) <= 400:
        raise RulebookRefused(f"{where}: a text of {least} to 400 characters is expected")
    return value


def _one_of(where: str, value: object, allowed: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise RulebookRefused(f"{where}: one of {', '.join(allowed)} is expected")
    return value


def _like(where: str, value: object, pattern: re.Pattern[str], expected: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise RulebookRefused(f"{where}: {expected} is expected")
    return value


def _integer(where: str, value: object, *, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 10**15:
        raise RulebookRefused(f"{where}: a whole number from {least} on is expected")
    return value


def _date(where: str, value: object) -> date:
    written = _like(where, value, _DAY, "a date YYYY-MM-DD")
    try:
        return date.fromisoformat(written)
    except ValueError as error:
        raise RulebookRefused(f"{where}: a date YYYY-MM-DD is expected") from error
