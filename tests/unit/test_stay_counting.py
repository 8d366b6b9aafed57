"""Days in a moving window: the worked examples of the Swiss migration office's calculator, and what holds for all stays."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.declaration import Direction
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.stay import Stay
from gate_agent.policy.registration import RegistrationDeadline, registration_deadline
from gate_agent.policy.rulebook import RuleNotFound
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.policy.stay_check import check_stay
from gate_agent.policy.stay_counting import control, days_from, presences
from gate_agent.policy.stay_rules import allowed_stay, stay_rule

UZBEKISTAN = parse_rulebook(json.loads(packaged_rulebook_bytes()))
ATLANTIS = parse_rulebook(json.loads(packaged_rulebook_bytes("atlantis")))
ENTRY, EXIT = Direction.ENTRY, Direction.EXIT


def stays(*spans):
    return [Stay(date.fromisoformat(begin), date.fromisoformat(end) if end else None, "gate") for begin, end in spans]


FIRST = stays(("2014-08-15", "2014-09-30"))
FOURTH = stays(("2013-08-15", "2013-09-30"), ("2014-01-01", "2014-01-30"))


def test_the_first_example():
    shown = control(FIRST, date(2014, 9, 30), 90, 180)
    assert (shown.window_from, shown.used_days, shown.overstayed_on) == (date(2014, 4, 4), 47, ())
    assert days_from(FIRST, date(2015, 1, 1), 90, 180) == 90


def test_the_fourth_example_where_allowed_less_used_would_be_wrong():
    shown = control(FOURTH, date(2014, 1, 30), 90, 180)
    assert (shown.window_from, shown.used_days) == (date(2013, 8, 4), 77)
    days = days_from(FOURTH, date(2014, 1, 31), 90, 180)
    assert days == 60
    assert date(2014, 1, 31) + timedelta(days=days - 1) == date(2014, 3, 31)


def test_the_ninety_first_day_is_the_first_over():
    stay = stays(("2026-01-01", "2026-04-02"))
    assert control(stay, date(2026, 3, 31), 90, 180).overstayed_on == ()
    assert control(stay, date(2026, 4, 2), 90, 180).overstayed_on == (date(2026, 4, 1), date(2026, 4, 2))


def test_days_are_counted_once_and_open_stays_up_to_the_day():
    overlapping = stays(
        ("2026-01-01", "2026-01-10"), ("2026-01-05", "2026-01-12"), ("2026-01-13", "2026-01-13"), ("2026-03-01", None)
    )
    assert [(date.fromordinal(a), date.fromordinal(b)) for a, b in presences(overlapping, date(2026, 3, 2))] == [
        (date(2026, 1, 1), date(2026, 1, 13)),
        (date(2026, 3, 1), date(2026, 3, 2)),
    ]
    assert control(overlapping, date(2026, 3, 2), 90, 180).used_days == 15
    backwards = stays(("2026-05-02", "2026-05-01"))
    assert presences(backwards, date(2026, 6, 1)) == []


def test_a_window_that_limits_nothing_is_refused():
    with pytest.raises(ValueError, match="limits nothing"):
        days_from([], date(2026, 1, 1), 180, 180)


days = st.dates(date(2024, 1, 1), date(2026, 12, 31))
some_stays = st.lists(
    st.builds(lambda begin, length: Stay(begin, begin + timedelta(days=length), "gate"), days, st.integers(0, 120)),
    max_size=5,
)


@given(some_stays, days, st.randoms())
def test_the_order_of_stays_does_not_matter(history, day, random):
    shuffled = random.sample(history, len(history))
    assert control(history, day, 90, 180) == control(shuffled, day, 90, 180)
    assert days_from(history, day, 90, 180) == days_from(shuffled, day, 90, 180)


@given(some_stays, days, st.builds(Stay, days, days, st.just("gate")))
def test_one_more_old_stay_never_lengthens_the_plan(history, day, more):
    assert days_from([*history, more], day, 90, 180) <= days_from(history, day, 90, 180)


@given(some_stays, days)
def test_what_is_planned_can_be_stayed_and_not_one_day_more(history, day):
    earlier = [stay for stay in history if stay.exited_on < day]
    planned = days_from(earlier, day, 90, 180)
    assert 0 <= planned <= 90
    if planned:
        last = day + timedelta(days=planned - 1)
        kept = control([*earlier, Stay(day, last, "plan")], last, 90, 180)
        assert not [one for one in kept.overstayed_on if one >= day]
    longer = control(
        [*earlier, Stay(day, day + timedelta(days=planned), "plan")], day + timedelta(days=planned), 90, 180
    )
    assert day + timedelta(days=planned) in longer.overstayed_on


@given(some_stays, days)
def test_ninety_days_away_restore_ninety(history, day):
    gone = [stay for stay in history if stay.exited_on < day - timedelta(days=90)]
    assert (
        days_from([stay for stay in gone if control(gone, stay.exited_on, 90, 180).overstayed_on == ()], day, 90, 180)
        == 90
    )


# ---- through the rulebook --------------------------------------------------------------------------------------------------


def test_a_rule_for_this_nationality_goes_before_the_window_for_all():
    on = date(2026, 6, 1)
    assert stay_rule(ATLANTIS, "UTO", on).rule_id == "at.stay.uto"
    window = stay_rule(ATLANTIS, "D", on)
    assert window.rule_id == "at.stay"
    assert allowed_stay(ATLANTIS, window, date(2014, 1, 31), FOURTH).last_day == date(2014, 3, 31)


def test_a_window_is_judged_at_entry_and_at_exit():
    used_up = stays(("2026-01-01", "2026-03-31"))  # ninety days
    refused = check_stay(ENTRY, "D", used_up, date(2026, 4, 10), ATLANTIS)
    assert (refused.outcome, [reason.code for reason in refused.reasons]) == (
        CheckOutcome.FAILED,
        [ReasonCode.STAY_DAYS_USED],
    )
    assert check_stay(ENTRY, "D", used_up, date(2026, 6, 30), ATLANTIS).outcome is CheckOutcome.SUCCESSFUL
    still_in = stays(("2026-01-01", None))
    assert check_stay(ENTRY, "D", still_in, date(2026, 4, 10), ATLANTIS).outcome is CheckOutcome.UNDETERMINED
    assert check_stay(EXIT, "D", still_in, date(2026, 3, 31), ATLANTIS).outcome is CheckOutcome.SUCCESSFUL
    over = check_stay(EXIT, "D", still_in, date(2026, 4, 3), ATLANTIS)
    assert (over.outcome, over.reasons[0].parameters["days"]) == (CheckOutcome.FAILED, "3")


# ---- registration ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nationality", "crossed_on", "expected"),
    [
        ("UTO", "2026-11-30", "2026-12-03"),  # Monday: Tuesday, Wednesday, Thursday
        ("UTO", "2026-11-27", "2026-12-01"),  # Friday: Saturday, not Sunday, Monday, Tuesday
        ("UTO", "2026-12-05", "2026-12-10"),  # Saturday: Monday, not the holiday on Tuesday, Wednesday, Thursday
        ("UTO", "2026-03-20", "2026-03-25"),  # Friday: not the holiday on Saturday, not Sunday, Monday to Wednesday
        ("RUS", "2026-11-30", "2026-12-15"),  # fifteen days of any kind
    ],
)
def test_registration_in_uzbekistan(nationality, crossed_on, expected):
    found = registration_deadline(UZBEKISTAN, nationality, date.fromisoformat(crossed_on))
    assert isinstance(found, RegistrationDeadline)
    assert found.last_day.isoformat() == expected
    assert found.last_day.weekday() != 6 or nationality == "RUS"


def test_registration_elsewhere_is_other_data_and_the_same_code():
    found = registration_deadline(ATLANTIS, "D", date(2026, 11, 30))
    assert isinstance(found, RegistrationDeadline)
    assert (found.last_day, found.rule.rule_id) == (date(2026, 12, 4), "at.registration")


def test_without_a_rule_an_officer_is_asked():
    assert registration_deadline(UZBEKISTAN, "UTO", date(2018, 5, 28)) == RuleNotFound("registration")
    assert isinstance(registration_deadline(UZBEKISTAN, "UTO", date(2018, 5, 29)), RegistrationDeadline)
