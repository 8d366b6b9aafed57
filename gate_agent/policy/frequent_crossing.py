"""Frequent crossers: a pattern over many days, found by counting; it may raise the random probability and accuses nobody.

Counted are confirmed passages, of this gate and of those whose facts it was told. A day full of passages is no pattern: the rule names on
how many different days they must lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from gate_agent.domain.selection import AppealSubject, HolderHistory
from gate_agent.policy.rulebook import Rule, Rulebook
from gate_agent.policy.trust_category import FACTOR

SUBJECT = "frequent_crosser"
PARAMETERS = ("window_days", "least_days", FACTOR, "appeal_days")
LEAST_DAYS = 2
"""A rulebook cannot ask for fewer different days than this: single events never punish."""


@dataclass(frozen=True, slots=True)
class Frequency:
    """How often a holder crossed within the rule's window, on how many days, and whether that is the rule's pattern."""

    crossings: int
    days: int
    is_frequent: bool


def window_start(rulebook: Rulebook, on: date) -> date:
    """Return the first day whose crossings count."""
    rule = rulebook.find(SUBJECT, on)
    return on - timedelta(days=rule.parameter("window_days") - 1) if isinstance(rule, Rule) else on


def frequency_of(rulebook: Rulebook, on: date, history: HolderHistory) -> Frequency:
    """Count a holder's crossings up to a local date. Without a rule nobody is a frequent crosser."""
    rule = rulebook.find(SUBJECT, on)
    if not isinstance(rule, Rule):
        return Frequency(0, 0, is_frequent=False)
    start = window_start(rulebook, on)
    counted = [day for day in history.crossing_days if start <= day <= on]
    days = len(set(counted))
    is_frequent = (
        len(counted) >= rule.value
        and days >= max(LEAST_DAYS, rule.parameter("least_days"))
        and not _is_excused(rule, on, history)
    )
    return Frequency(len(counted), days, is_frequent)


def _is_excused(rule: Rule, on: date, history: HolderHistory) -> bool:
    """Tell whether an upheld appeal still stands: the inspector knows why this person crosses so often."""
    upheld = history.upheld.get(AppealSubject.FREQUENT_CROSSER)
    return upheld is not None and (on - upheld).days < rule.parameter("appeal_days")
