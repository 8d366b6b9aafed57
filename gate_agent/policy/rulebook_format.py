"""A rulebook from decoded JSON, format 2: strict about every member, and each refusal names the place.

Values are whole numbers: money in minor units (`valuation_minor`, `national_minor`), shares in basis points, spans in days. What a rule is
about, and in which unit it counts, is `rulebook_subjects.SUBJECTS`. docs/rules.md explains the file to those who write it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from importlib import resources

from gate_agent.domain.agency import Agency
from gate_agent.domain.declaration import Direction, TravelMode
from gate_agent.domain.reasons import ReasonCode
from gate_agent.policy.document_words import UNTIL_EXPIRY
from gate_agent.policy.errors import RulebookRefused
from gate_agent.policy.rulebook import ANY, DeskRule, GoodsKind, Holiday, Rate, Rule, Rulebook
from gate_agent.policy.rulebook_subjects import QUANTITY, SUBJECTS, Subject, refuse_impossible

FORMAT = 2
CERTAINTIES = ("high", "medium", "low")
GOODS_UNITS = ("ml", "g", "piece", "pack")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


_MEMBERS = {
    "format", "version", "title", "country", "valuation_currency", "national_currency", "options", "goods_kinds", "rules", "holidays", "rates",
}  # fmt: skip
_EXTRA_MEMBERS = {"desk_rules"}
_RULE_MEMBERS = {
    "id", "subject", "direction", "mode", "person_kind", "value", "unit", "effective_from", "effective_to", "source",
    "certainty", "note",
}  # fmt: skip
_RULE_EXTRAS = {"goods_kind", "parameters", "document_kind", "issuing_state"}
_RATE_MEMBERS = {"currency", "date", "national_minor_per_unit", "source"}
_DESK_RULE_MEMBERS = {
    "id", "reason", "goods_kind", "agencies", "effective_from", "effective_to", "source", "certainty", "note",
}  # fmt: skip
_HOLIDAY_MEMBERS = {"date", "name", "source", "certainty"}
_DIRECTIONS = (ANY, *(direction.value for direction in Direction))
_MODES = (ANY, *(mode.value for mode in TravelMode))
_PERSON_KIND = re.compile(r"any|[A-Z]{1,3}")
_COUNTRY = re.compile(r"[A-Z]{3}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOST_DAYS = 36_600
"""Largest value of a rule counted in days; more is a slip, and would leave the calendar."""
_OPTIONS: Mapping[str, Sequence[object]] = {
    "excess_basis": ("excess", "whole_item", "whole_value"),
    "allowance_order": ("highest_charge_first", "as_entered"),
    "floor_applies": ("to_total", "to_each_item"),
    "floor_mass_basis": ("share_of_excess", "whole_mass"),
    "limited_goods_count": (True, False),
    "family_pooling": (True, False),
    "duty_rounding": ("half_up_minor",),
    "entry_day_counts": (True, False),
    "registration_clock": ("day_after_crossing", "day_of_crossing"),
}


def packaged_rulebook_bytes(name: str = "uzbekistan") -> bytes:
    """Return the JSON text of a rulebook that ships with the software, for signing."""
    return resources.files("gate_agent.policy").joinpath("rulebooks", f"{name}.json").read_bytes()


def parse_rulebook(body: Mapping[str, object]) -> Rulebook:
    """Return the rulebook in a decoded JSON object. Raises `RulebookRefused` naming the member that is wrong."""
    _members("rulebook", body, _MEMBERS, _EXTRA_MEMBERS)
    if _integer("format", body["format"], least=1) != FORMAT:
        raise RulebookRefused(f"rulebook.format: only format {FORMAT} is known")
    kinds = [_goods_kind(index, entry) for index, entry in enumerate(_list("goods_kinds", body["goods_kinds"]))]
    _refuse_doubled("goods_kinds: given twice", (kind.kind for kind in kinds))
    goods_kinds = {kind.kind: kind for kind in kinds}
    rules = tuple(_rule(index, entry, goods_kinds) for index, entry in enumerate(_list("rules", body["rules"])))
    _refuse_doubled("rules: id used twice", (rule.rule_id for rule in rules))
    rates = tuple(_rate(index, entry) for index, entry in enumerate(_list("rates", body["rates"])))
    _refuse_doubled("rates: given twice", (f"{rate.currency} on {rate.on.isoformat()}" for rate in rates))
    holidays = [_holiday(index, entry) for index, entry in enumerate(_list("holidays", body["holidays"]))]
    _refuse_doubled("holidays: given twice", (holiday.on.isoformat() for holiday in holidays))
    desk_rules = tuple(
        _desk_rule(index, entry, goods_kinds)
        for index, entry in enumerate(_list("desk_rules", body.get("desk_rules", [])))
    )
    _refuse_doubled("desk_rules: id used twice", (rule.rule_id for rule in desk_rules))
    _refuse_contradictions(rules)
    options = _options(body["options"])
    _refuse_floor_on_kinds(options, rules)
    return Rulebook(
        version=_integer("version", body["version"], least=1),
        title=_text("title", body["title"]),
        country=_like("country", body["country"], _COUNTRY, "a three-letter code"),
        valuation_currency=_like("valuation_currency", body["valuation_currency"], _CURRENCY, "an ISO 4217 code"),
        national_currency=_like("national_currency", body["national_currency"], _CURRENCY, "an ISO 4217 code"),
        rules=rules,
        rates=rates,
        options=options,
        goods_kinds=goods_kinds,
        holidays={holiday.on: holiday for holiday in holidays},
        desk_rules=desk_rules,
    )


def _refuse_contradictions(rules: Sequence[Rule]) -> None:
    """Two rules for the same case from the same day on would leave the answer to chance."""
    cases: dict[tuple[object, ...], str] = {}
    for rule in rules:
        case = (
            rule.subject, rule.direction, rule.mode, rule.person_kind, rule.goods_kind, rule.document_kind, rule.issuing_state,
            rule.effective_from,
        )  # fmt: skip
        if case in cases:
            raise RulebookRefused(f"rules: {cases[case]} and {rule.rule_id} begin on the same day for the same case")
        cases[case] = rule.rule_id


def _refuse_floor_on_kinds(options: Mapping[str, object], rules: Iterable[Rule]) -> None:
    """Refuse a floor on the total beside several charges, or beside whole items.

    With which charge would it be compared; and a share of the mass that belongs to no item can fall when goods are added.
    """
    if options["floor_applies"] == "to_total":
        if options["excess_basis"] == "whole_item":
            raise RulebookRefused("options.floor_applies: whole items need to_each_item")
        for rule in rules:
            if rule.subject in {"charge_on_excess", "charge_floor"} and rule.goods_kind != ANY:
                raise RulebookRefused(
                    f"options.floor_applies: {rule.rule_id} is for one kind of goods: to_each_item is needed"
                )


def _goods_kind(index: int, entry: object) -> GoodsKind:
    where = f"goods_kinds[{index}]"
    members = _members(where, entry, {"kind", "unit"})
    kind = _like(f"{where}.kind", members["kind"], _KIND, "a name in small letters")
    if kind == ANY:
        raise RulebookRefused(f"{where}.kind: {ANY} stands for all kinds")
    return GoodsKind(kind, _one_of(f"{where}.unit", members["unit"], GOODS_UNITS))


def _rule(index: int, entry: object, goods_kinds: Mapping[str, GoodsKind]) -> Rule:
    where = f"rules[{index}]"
    members = _members(where, entry, _RULE_MEMBERS, _RULE_EXTRAS)
    name = _text(f"{where}.subject", members["subject"])
    if name not in SUBJECTS:
        raise RulebookRefused(f"{where}.subject: {name!r} is not known")
    subject = SUBJECTS[name]
    goods_kind = _about_goods(where, name, subject, members, goods_kinds)
    unit = _unit(where, name, subject, members, goods_kinds.get(goods_kind))
    value = _integer(f"{where}.value", members["value"], least=0)
    if unit.endswith("days") and value > _MOST_DAYS:
        raise RulebookRefused(f"{where}.value: at most {_MOST_DAYS} days are expected")
    if unit == "flag" and value > 1:
        raise RulebookRefused(f"{where}.value: 1 (it is so) or 0 (it is so no longer) is expected")
    if unit == UNTIL_EXPIRY and value:
        raise RulebookRefused(f"{where}.value: 0 is expected with {UNTIL_EXPIRY}")
    start, end = _span(where, members)
    rule = Rule(
        rule_id=_text(f"{where}.id", members["id"]),
        subject=name,
        direction=_one_of(f"{where}.direction", members["direction"], _DIRECTIONS),
        mode=_one_of(f"{where}.mode", members["mode"], _MODES),
        person_kind=_like(f"{where}.person_kind", members["person_kind"], _PERSON_KIND, "any or a nationality"),
        value=value,
        unit=unit,
        effective_from=start,
        effective_to=end,
        source=_text(f"{where}.source", members["source"]),
        certainty=_one_of(f"{where}.certainty", members["certainty"], CERTAINTIES),
        note=_text(f"{where}.note", members["note"], least=0),
        goods_kind=goods_kind,
        parameters=_parameters(where, name, subject, members, value),
        document_kind=_about_document(where, name, subject, members),
        issuing_state=_about_issuer(where, name, subject, members),
    )
    refuse_impossible(where, rule)
    return rule


def _about_goods(
    where: str, name: str, subject: Subject, members: Mapping[str, object], kinds: Mapping[str, GoodsKind]
) -> str:
    kind = members.get("goods_kind", ANY)
    if kind == ANY:
        if subject.names_goods:
            raise RulebookRefused(f"{where}.goods_kind: a rule about {name} names a kind of goods")
        return ANY
    if subject.names_goods is False:
        raise RulebookRefused(f"{where}.goods_kind: a rule about {name} names no kind of goods")
    if not isinstance(kind, str) or kind not in kinds:
        raise RulebookRefused(f"{where}.goods_kind: none of goods_kinds")
    return kind


def _about_document(where: str, name: str, subject: Subject, members: Mapping[str, object]) -> str:
    kind = members.get("document_kind", ANY)
    if kind == ANY:
        if subject.names_document:
            raise RulebookRefused(f"{where}.document_kind: a rule about {name} names a kind of permit")
        return ANY
    if not subject.document_kinds:
        raise RulebookRefused(f"{where}.document_kind: a rule about {name} names no kind of document")
    return _one_of(f"{where}.document_kind", kind, subject.document_kinds)


def _about_issuer(where: str, name: str, subject: Subject, members: Mapping[str, object]) -> str:
    state = members.get("issuing_state", ANY)
    if state != ANY and not subject.names_issuer:
        raise RulebookRefused(f"{where}.issuing_state: a rule about {name} names no issuing state")
    return _like(f"{where}.issuing_state", state, _PERSON_KIND, "any or an issuing state")


def _unit(where: str, name: str, subject: Subject, members: Mapping[str, object], kind: GoodsKind | None) -> str:
    units = tuple(kind.unit if unit == QUANTITY and kind is not None else unit for unit in subject.units)
    unit = _text(f"{where}.unit", members["unit"])
    if unit not in units:
        raise RulebookRefused(f"{where}.unit: {name} is counted in {' or '.join(units)}, not {unit}")
    return unit


def _parameters(
    where: str, name: str, subject: Subject, members: Mapping[str, object], value: int
) -> tuple[tuple[str, int], ...]:
    given = _members(f"{where}.parameters", members.get("parameters", {}), set(subject.parameters))
    found = {key: _integer(f"{where}.parameters.{key}", given[key], least=1) for key in subject.parameters}
    if name == "stay_in_window" and not value < found["window_days"] <= _MOST_DAYS:
        raise RulebookRefused(
            f"{where}.parameters.window_days: more than the {value} days and at most {_MOST_DAYS} are expected"
        )
    return tuple(found.items())


def _rate(index: int, entry: object) -> Rate:
    where = f"rates[{index}]"
    members = _members(where, entry, _RATE_MEMBERS, {"minor_digits"})
    digits = _integer(f"{where}.minor_digits", members.get("minor_digits", 2), least=0)
    if digits > 3:
        raise RulebookRefused(f"{where}.minor_digits: 0 to 3 are expected")
    return Rate(
        _like(f"{where}.currency", members["currency"], _CURRENCY, "an ISO 4217 code"),
        _date(f"{where}.date", members["date"]),
        _integer(f"{where}.national_minor_per_unit", members["national_minor_per_unit"], least=1),
        _text(f"{where}.source", members["source"]),
        digits,
    )


def _holiday(index: int, entry: object) -> Holiday:
    where = f"holidays[{index}]"
    members = _members(where, entry, _HOLIDAY_MEMBERS)
    return Holiday(
        _date(f"{where}.date", members["date"]),
        _text(f"{where}.name", members["name"]),
        _text(f"{where}.source", members["source"]),
        _one_of(f"{where}.certainty", members["certainty"], CERTAINTIES),
    )


def _desk_rule(index: int, entry: object, goods_kinds: Mapping[str, GoodsKind]) -> DeskRule:
    where = f"desk_rules[{index}]"
    members = _members(where, entry, _DESK_RULE_MEMBERS)
    kind = members["goods_kind"]
    if kind != ANY and (not isinstance(kind, str) or kind not in goods_kinds):
        raise RulebookRefused(f"{where}.goods_kind: any or one of goods_kinds is expected")
    agencies = [
        Agency(_one_of(f"{where}.agencies", agency, tuple(Agency)))
        for agency in _list(f"{where}.agencies", members["agencies"])
    ]
    _refuse_doubled(f"{where}.agencies: given twice", agencies)
    start, end = _span(where, members)
    return DeskRule(
        rule_id=_text(f"{where}.id", members["id"]),
        reason=_one_of(f"{where}.reason", members["reason"], tuple(ReasonCode)),
        goods_kind=str(kind),
        agencies=tuple(agencies),
        effective_from=start,
        effective_to=end,
        source=_text(f"{where}.source", members["source"]),
        certainty=_one_of(f"{where}.certainty", members["certainty"], CERTAINTIES),
        note=_text(f"{where}.note", members["note"], least=0),
    )


def _span(where: str, members: Mapping[str, object]) -> tuple[date, date | None]:
    """Return the first day and the last, None for one without end."""
    start = _date(f"{where}.effective_from", members["effective_from"])
    end = None if members["effective_to"] is None else _date(f"{where}.effective_to", members["effective_to"])
    if end is not None and end < start:
        raise RulebookRefused(f"{where}.effective_to: lies before effective_from")
    return start, end


def _options(value: object) -> Mapping[str, object]:
    members = _members("options", value, {*_OPTIONS, "weekly_rest"})
    for name, allowed in _OPTIONS.items():
        if not any(type(members[name]) is type(value) and members[name] == value for value in allowed):
            raise RulebookRefused(f"options.{name}: one of {list(allowed)} is expected")
    rest = _list("options.weekly_rest", members["weekly_rest"])
    days = [_one_of("options.weekly_rest", day, WEEKDAYS) for day in rest]
    if len(set(days)) != len(days) or len(days) == len(WEEKDAYS):
        raise RulebookRefused("options.weekly_rest: different days of the week, and not all seven, are expected")
    return members


def _members(
    where: str, value: object, names: set[str], extras: AbstractSet[str] = frozenset()
) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise RulebookRefused(f"{where}: an object is expected")
    wrong = sorted((set(value) ^ names) - (extras & set(value)), key=str)
    if wrong:
        raise RulebookRefused(f"{where}: missing or unknown: {', '.join(map(str, wrong))}")
    return value


def _list(where: str, value: object) -> list[object]:
    if not isinstance(value, list):
        raise RulebookRefused(f"{where}: a list is expected")
    return value


def _refuse_doubled(what: str, keys: Iterable[str]) -> None:
    doubled = sorted(key for key, times in Counter(keys).items() if times > 1)
    if doubled:
        raise RulebookRefused(f"{what}: {', '.join(doubled)}")


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
