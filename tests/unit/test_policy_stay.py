"""Short stays: the last legal day on both sides, and orphans that a guard sees and nobody is punished for."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.declaration import Direction
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.stay import Stay
from gate_agent.policy.rulebook import Rule, RuleNotFound
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.policy.stay_check import check_stay
from gate_agent.policy.stay_rules import last_day, stay_rule

BOOK = parse_rulebook(json.loads(packaged_rulebook_bytes()))
ENTRY, EXIT = Direction.ENTRY, Direction.EXIT
S, F, U = CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED
ENTERED = date(2026, 11, 1)


def codes(result):
    return [reason.code for reason in result.reasons]


def rule_for(nationality, day=ENTERED):
    rule = stay_rule(BOOK, nationality, day)
    assert isinstance(rule, Rule)
    return rule


@pytest.mark.parametrize(("nationality", "days"), [("UTO", 30), ("KGZ", 60), ("USA", 30), ("D", 30)])
def test_visa_free_days(nationality, days):
    assert rule_for(nationality).value == days


def test_a_rule_starts_on_its_day():
    assert isinstance(stay_rule(BOOK, "USA", date(2025, 12, 31)), RuleNotFound)
    assert rule_for("USA", date(2026, 1, 1)).rule_id == "uz.stay.usa"


@pytest.mark.parametrize(("entry_day_counts", "expected"), [(True, date(2026, 11, 30)), (False, date(2026, 12, 1))])
def test_counting_of_the_entry_day_is_configuration(entry_day_counts, expected):
    book = replace(BOOK, options={**BOOK.options, "entry_day_counts": entry_day_counts})
    assert last_day(book, rule_for("UTO"), ENTERED) == expected


@pytest.mark.parametrize(
    ("exit_on", "outcome", "days"),
    [
        (date(2026, 11, 1), S, None),
        (date(2026, 11, 30), S, None),
        (date(2026, 12, 1), F, "1"),
        (date(2027, 1, 1), F, "32"),
    ],
)
def test_exit_on_both_sides_of_the_last_day(exit_on, outcome, days):
    result = check_stay(EXIT, "UTO", [Stay(ENTERED, None, "gate")], exit_on, BOOK)
    assert (result.check, result.outcome) == (CheckName.STAY, outcome)
    assert [reason.parameters.get("days") for reason in result.reasons] == ([days] if days else [])
    assert [(pair.found, pair.expected) for pair in result.compared] == [(exit_on.isoformat(), "<= 2026-11-30")]


def test_the_rule_of_the_day_of_entry_counts():
    older = replace(rule_for("UTO"), value=10, rule_id="older", effective_to=date(2026, 10, 31))
    newer = replace(rule_for("UTO"), rule_id="newer", effective_from=date(2026, 11, 1))
    book = replace(BOOK, rules=(older, newer))
    assert check_stay(EXIT, "UTO", [Stay(date(2026, 10, 31), None, "gate")], date(2026, 11, 20), book).outcome is F
    assert check_stay(EXIT, "UTO", [Stay(date(2026, 11, 1), None, "gate")], date(2026, 11, 20), book).outcome is S


@pytest.mark.parametrize(
    "stays",
    [[], [Stay(ENTERED, date(2026, 11, 5), "gate")], [Stay(date(2026, 12, 24), None, "gate")]],
    ids=["none", "already closed", "entered after today"],
)
def test_an_exit_without_an_entry_that_it_closes_is_for_a_guard(stays):
    result = check_stay(EXIT, "UTO", stays, date(2026, 11, 20), BOOK)
    assert (result.outcome, codes(result)) == (U, [ReasonCode.STAY_NO_ENTRY_RECORD])


@pytest.mark.parametrize("direction", [ENTRY, EXIT])
@pytest.mark.parametrize("nationality", ["XXX", "", "any", "uto", "U"])
def test_a_nationality_without_rule_is_for_a_guard(direction, nationality):
    result = check_stay(direction, nationality, [Stay(ENTERED, None, "gate")], date(2026, 11, 2), BOOK)
    expected = ReasonCode.VISA_MISSING if direction is ENTRY else ReasonCode.STAY_NO_RULE
    assert (result.outcome, codes(result)) == (U, [expected])


def test_an_entry_with_an_open_entry_is_marked_and_not_punished():
    opened = check_stay(ENTRY, "UTO", [Stay(ENTERED, None, "gate")], date(2026, 11, 20), BOOK)
    assert (opened.outcome, codes(opened)) == (S, [ReasonCode.STAY_OPEN_ENTRY_EXISTS])
    for stays in ([], [Stay(ENTERED, date(2026, 11, 5), "gate")]):
        plain = check_stay(ENTRY, "UTO", stays, date(2026, 11, 20), BOOK)
        assert (plain.outcome, codes(plain)) == (S, [])


@given(st.dates(date(2018, 1, 1), date(2100, 1, 1)), st.integers(0, 400))
def test_only_days_beyond_the_last_are_overstay(entered_on, days):
    result = check_stay(EXIT, "UTO", [Stay(entered_on, None, "gate")], entered_on + timedelta(days=days), BOOK)
    assert result.outcome is (F if days > 29 else S)
    if result.outcome is F:
        assert result.reasons[0].parameters["days"] == str(days - 29)
