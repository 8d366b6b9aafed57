"""Until when a visitor's address has to be registered: working days of the rulebook's calendar, or plain days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from gate_agent.policy.rulebook import Holiday, Rule, Rulebook, RuleNotFound
from gate_agent.policy.stay_rules import EVERY_PAPER, Paper

_MOST_CALENDAR_DAYS = 400
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class RegistrationDeadline:
    """The last day, the rule, and the holidays that moved it."""

    last_day: date
    rule: Rule
    holidays: tuple[Holiday, ...] = ()


def registration_deadline(
    rulebook: Rulebook, nationality: str, crossed_on: date, paper: Paper = EVERY_PAPER
) -> RegistrationDeadline | RuleNotFound:
    """Return the deadline of somebody who crosses on a local date; no rule, or a calendar without working days: an officer is asked."""
    rule = rulebook.find(
        "registration", crossed_on, person_kind=nationality, document_kind=paper.kind, issuing_state=paper.issuing_state
    )
    if isinstance(rule, RuleNotFound):
        return rule
    starts_next_day = rulebook.options["registration_clock"] == "day_after_crossing"
    first = crossed_on + timedelta(days=1) if starts_next_day else crossed_on
    if rule.unit == "days":
        return RegistrationDeadline(first + timedelta(days=max(rule.value, 1) - 1), rule)
    rest, left, moved = _rest(rulebook), max(rule.value, 1), []
    for offset in range(_MOST_CALENDAR_DAYS):
        day = first + timedelta(days=offset)
        holiday = rulebook.holidays.get(day)
        if day.weekday() in rest:
            continue
        if holiday is not None:
            moved.append(holiday)
            continue
        left -= 1
        if left == 0:
            return RegistrationDeadline(day, rule, tuple(moved))
    return RuleNotFound(rule.subject)


def _rest(rulebook: Rulebook) -> frozenset[int]:
    named = rulebook.options["weekly_rest"]
    return frozenset(_WEEKDAYS.index(day) for day in named) if isinstance(named, list) else frozenset()
