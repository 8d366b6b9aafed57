"""The rulebook: strict about every member, resolved by the local date, and the one that ships is clean."""

import contextlib
import copy
import json
import time
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.money import Money
from gate_agent.policy.errors import RulebookRefused
from gate_agent.policy.rulebook import Rule, RuleNotFound
from gate_agent.policy.rulebook_format import SUBJECTS, packaged_rulebook_bytes, parse_rulebook

PACKAGED = json.loads(packaged_rulebook_bytes())
RULE = {
    "id": "r.1",
    "subject": "value_allowance",
    "direction": "entry",
    "mode": "air",
    "person_kind": "any",
    "value": 100,
    "unit": "valuation_minor",
    "effective_from": "2020-01-01",
    "effective_to": None,
    "source": "source",
    "certainty": "high",
    "note": "",
}
RATE = {"currency": "USD", "date": "2025-04-25", "national_minor_per_unit": 1_292_717, "source": "central bank"}
OPTIONS = PACKAGED["options"]
HOLIDAY = {"date": "2026-03-21", "name": "Navruz", "source": "Labour Code", "certainty": "high"}
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def book(*rules, rates=(RATE,), **changes):
    return {
        "format": 2, "version": 1, "title": "t", "country": "XAT", "valuation_currency": "USD", "national_currency": "UZS",
        "options": OPTIONS, "goods_kinds": [{"kind": "tea", "unit": "g"}], "rules": list(rules or [RULE]), "holidays": [],
        "rates": list(rates),
    } | changes  # fmt: skip


def rule(**changes):
    return RULE | changes


def without(members, name):
    return {key: value for key, value in members.items() if key != name}


def test_the_packaged_rulebook_parses_with_every_rule():
    parsed = parse_rulebook(PACKAGED)
    assert len(parsed.rules) == len(PACKAGED["rules"]) > 30
    assert {entry.subject for entry in parsed.rules} <= set(SUBJECTS)
    assert all(entry.source for entry in parsed.rules)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (book(unknown=1), "rulebook: missing or unknown: unknown"),
        (without(book(), "rates"), "rulebook: missing or unknown: rates"),
        (book(format=1), "rulebook.format"),
        (book(format=True), "format"),
        (book(format=1.0), "format"),
        (book(version=0), "version"),
        (book(version="1"), "version"),
        (book(version=True), "version"),
        (book(title=""), "title"),
        (book(rules={}), "rules: a list"),
        ((book() | {"rates": None}), "rates: a list"),
        (book(options={}), "options: missing"),
        (book(options=OPTIONS | {"excess_basis": "whatever"}), "options.excess_basis"),
        (book(options=OPTIONS | {"excess_basis": []}), "options.excess_basis"),
        (book(options=OPTIONS | {"entry_day_counts": 1}), "options.entry_day_counts"),
        (book(options=OPTIONS | {"excess_basis": "whole_item"}), "options.floor_applies: whole items"),
        (book(options=OPTIONS | {"extra": 1}), "options: missing or unknown: extra"),
        (book(7), "rules[0]: an object"),
        (book(rule(extra=1)), "rules[0]: missing or unknown: extra"),
        (book(without(RULE, "note")), "rules[0]: missing or unknown: note"),
        (book(rule(subject="tea")), "rules[0].subject"),
        (book(rule(unit="national_minor")), "rules[0].unit: value_allowance is counted in valuation_minor"),
        (book(rule(direction="enrty")), "rules[0].direction"),
        (book(rule(mode="boat")), "rules[0].mode"),
        (book(rule(person_kind="utopian")), "rules[0].person_kind"),
        (book(rule(certainty="sure")), "rules[0].certainty"),
        (book(rule(certainty=["high"])), "rules[0].certainty"),
        (book(rule(value=-1)), "rules[0].value"),
        (book(rule(value=1.5)), "rules[0].value"),
        (book(rule(value=True)), "rules[0].value"),
        (book(rule(value=10**15)), "rules[0].value"),
        (book(rule(subject="visa_free_stay", unit="days", value=36_601)), "rules[0].value: at most"),
        (book(rule(note={})), "rules[0].note"),
        (book(rule(source="")), "rules[0].source"),
        (book(rule(source="x" * 401)), "rules[0].source"),
        (book(rule(effective_from=None)), "rules[0].effective_from"),
        (book(rule(effective_from=20250101)), "rules[0].effective_from"),
        (book(rule(effective_from="20250101")), "rules[0].effective_from"),
        (book(rule(effective_from="2025-W01-1")), "rules[0].effective_from"),
        (book(rule(effective_from="2025-02-30")), "rules[0].effective_from"),
        (book(rule(effective_to="2019-12-31")), "rules[0].effective_to: lies before"),
        (book(RULE, rule(value=2)), "rules: id used twice: r.1"),
        (book(rule(goods_kind="tea")), "rules[0].goods_kind: a rule about value_allowance names no kind"),
        (
            book(rule(subject="prohibited", unit="flag", value=1)),
            "rules[0].goods_kind: a rule about prohibited names a kind",
        ),
        (book(rule(subject="prohibited", unit="flag", value=1, goods_kind="coffee")), "rules[0].goods_kind: none of"),
        (book(rule(subject="prohibited", unit="flag", value=2, goods_kind="tea")), "rules[0].value: 1"),
        (
            book(rule(subject="quantity_allowance", unit="ml", goods_kind="tea")),
            "rules[0].unit: quantity_allowance is counted in g",
        ),
        (book(rule(subject="charge_floor", unit="valuation_minor_per_kg", goods_kind="tea")), "options.floor_applies"),
        (
            book(rule(subject="stay_in_window", unit="days", value=90)),
            "rules[0].parameters: missing or unknown: window_days",
        ),
        (
            book(rule(subject="stay_in_window", unit="days", value=90, parameters={"window_days": 90})),
            "rules[0].parameters.window_days: more than the 90 days",
        ),
        (book(rule(parameters={"window_days": 180})), "rules[0].parameters: missing or unknown: window_days"),
        (book(country="Utopia"), "country"),
        (book(valuation_currency="usd"), "valuation_currency"),
        (book(goods_kinds=[{"kind": "any", "unit": "g"}]), "goods_kinds[0].kind: any"),
        (book(goods_kinds=[{"kind": "Tea", "unit": "g"}]), "goods_kinds[0].kind"),
        (book(goods_kinds=[{"kind": "tea", "unit": "cup"}]), "goods_kinds[0].unit"),
        (book(goods_kinds=[{"kind": "tea", "unit": "g"}] * 2), "goods_kinds: given twice: tea"),
        (book(holidays=[HOLIDAY, HOLIDAY]), "holidays: given twice: 2026-03-21"),
        (book(holidays=[HOLIDAY | {"date": "21 March"}]), "holidays[0].date"),
        (book(options=OPTIONS | {"weekly_rest": ["someday"]}), "options.weekly_rest"),
        (book(options=OPTIONS | {"weekly_rest": ["sunday", "sunday"]}), "options.weekly_rest"),
        (book(options=OPTIONS | {"weekly_rest": WEEKDAYS}), "options.weekly_rest"),
        (book(rates=[RATE | {"minor_digits": 4}]), "rates[0].minor_digits"),
        (book(rates=[RATE | {"currency": "usd"}]), "rates[0].currency"),
        (book(rates=[RATE | {"national_minor_per_unit": 0}]), "rates[0].national_minor_per_unit"),
        (book(rates=[RATE | {"date": "25.04.2025"}]), "rates[0].date"),
        (book(rates=[RATE | {"extra": 0}]), "rates[0]: missing or unknown: extra"),
        (book(rates=[RATE, RATE | {"national_minor_per_unit": 5}]), "rates: given twice: USD on 2025-04-25"),
    ],
)
def test_what_is_wrong_is_refused_and_named(body, place):
    with pytest.raises(RulebookRefused) as caught:
        parse_rulebook(body)
    assert place in str(caught.value)
    assert caught.value.code == "EG-POL-001"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.data(), json_values)
def test_one_replaced_member_is_read_or_refused_never_a_crash(data, value):
    body = copy.deepcopy(book(RULE, rule(id="r.2")))
    inside = data.draw(st.sampled_from([body, body["rules"][0], body["rates"][0], body["options"]]))
    inside[data.draw(st.sampled_from(sorted(inside)))] = value
    with contextlib.suppress(RulebookRefused):
        assert parse_rulebook(body).version >= 1


def test_contradictory_rules_are_refused():
    with pytest.raises(RulebookRefused, match="begin on the same day"):
        parse_rulebook(book(rule(id="one"), rule(id="other")))


def test_a_large_rulebook_is_read_quickly():
    days = [date(1970, 1, 1) + timedelta(days=number) for number in range(20_000)]
    body = book(*(rule(id=f"r.{number}", effective_from=day.isoformat()) for number, day in enumerate(days)))
    start = time.process_time()
    assert len(parse_rulebook(body).rules) == 20_000
    assert time.process_time() - start < 5


def test_the_newest_rule_in_force_wins_and_both_ends_count():
    parsed = parse_rulebook(
        book(
            rule(id="old", effective_to="2025-04-30"),
            rule(id="new", effective_from="2025-05-01"),
            rule(id="short", effective_from="2026-01-01", effective_to="2026-01-02"),
        )
    )

    def found(day):
        answer = parsed.find("value_allowance", day, direction="entry", mode="air")
        return answer.rule_id if isinstance(answer, Rule) else None

    assert found(date(2019, 12, 31)) is None
    assert [found(date(2025, 4, 30)), found(date(2025, 5, 1))] == ["old", "new"]
    days = [date(2025, 12, 31) + timedelta(days=step) for step in range(4)]
    assert [found(day) for day in days] == ["new", "short", "short", "new"]


@pytest.mark.parametrize(
    "asked", [{"direction": "exit", "mode": "air"}, {"direction": "entry", "mode": "road"}, {"direction": "entry"}, {}]
)
def test_a_rule_for_another_case_is_not_found(asked):
    assert parse_rulebook(book()).find("value_allowance", date(2026, 1, 1), **asked) == RuleNotFound("value_allowance")


def test_a_rule_for_this_nationality_goes_before_a_newer_one_for_any():
    stay = {"subject": "visa_free_stay", "unit": "days", "direction": "any", "mode": "any"}
    own = rule(id="own", person_kind="UTO", **stay)
    parsed = parse_rulebook(book(own, rule(id="any", effective_from="2025-01-01", **stay)))
    for kind, expected in (("UTO", "own"), ("XXX", "any")):
        found = parsed.find("visa_free_stay", date(2026, 1, 1), person_kind=kind)
        assert isinstance(found, Rule)
        assert (found.rule_id, found.use.rule_id) == (expected, expected)


def test_rates_by_date():
    parsed = parse_rulebook(book(rates=[RATE, RATE | {"date": "2025-05-01", "national_minor_per_unit": 3}]))
    assert parsed.rate("USD", date(2025, 4, 24)) is None
    assert parsed.in_national(Money(100, "USD"), date(2025, 4, 30)) == (Money(1_292_717, "UZS"), parsed.rates[0])
    assert parsed.in_national(Money(99, "USD"), date(2025, 5, 1)) == (Money(2, "UZS"), parsed.rates[1])
    assert parsed.in_national(Money(7, "UZS"), date(2000, 1, 1)) == (Money(7, "UZS"), None)
    assert parsed.in_national(Money(7, "XXX"), date(2026, 1, 1)) is None
