"""Short stays: days per entry, days in a moving window, or no limit, by nationality and the local date of entry (border-rules B4, C)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.declaration import Direction
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.stay import Stay
from gate_agent.policy.rulebook import Rule, Rulebook, RuleNotFound
from gate_agent.policy.stay_counting import control, days_from

_LIMITS = ("visa_free_stay", "stay_in_window")


@dataclass(frozen=True, slots=True)
class AllowedStay:
    """How long somebody may stay who enters now: `days` of them, the last of which is `last_day`; 0 days: he has used them up."""

    days: int
    last_day: date
    rule: Rule


def stay_rule(rulebook: Rulebook, nationality: str, entered_on: date) -> Rule | RuleNotFound:
    """Return the rule of a nationality at its day of entry: one for this very nationality goes before one for any, then the newer one."""
    found = [rulebook.find(subject, entered_on, person_kind=nationality) for subject in _LIMITS]
    rules = [rule for rule in found if isinstance(rule, Rule)]
    if not rules:
        return RuleNotFound(_LIMITS[0])
    return max(rules, key=lambda rule: (rule.person_kind == nationality, rule.effective_from))


def is_unlimited(rulebook: Rulebook, nationality: str, on: date) -> bool:
    """Tell whether holders of a nationality may stay as long as they like: own citizens and those of agreements."""
    return isinstance(rulebook.find("unlimited_stay", on, person_kind=nationality), Rule)


def allowed_stay(rulebook: Rulebook, rule: Rule, entered_on: date, history: Iterable[Stay] = ()) -> AllowedStay:
    """Return how long a stay may last that begins on `entered_on`; `history` are the holder's stays, which only a window looks at."""
    if rule.subject == "stay_in_window":
        earlier = [stay for stay in history if stay.entered_on < entered_on]
        days = days_from(earlier, entered_on, rule.value, rule.parameter("window_days"))
        return AllowedStay(days, entered_on + timedelta(days=days - 1), rule)
    days = rule.value if rulebook.options["entry_day_counts"] else rule.value + 1
    return AllowedStay(days, entered_on + timedelta(days=days - 1), rule)


def last_day(rulebook: Rulebook, rule: Rule, entered_on: date, history: Iterable[Stay] = ()) -> date:
    """Return the last legal day of a stay that begins on `entered_on`; the day before it when there is none."""
    return allowed_stay(rulebook, rule, entered_on, history).last_day


def check_stay(
    direction: Direction,
    nationality: str,
    stays: Sequence[Stay],
    today: date,
    rulebook: Rulebook,
) -> CheckResult:
    """Judge a stay at entry (is there a rule, and a day left?) or exit (was it kept?).

    `stays` are those of the document's holder that the gate knows of. Orphans are for a guard; nobody is punished by machine.
    """
    if is_unlimited(rulebook, nationality, today):
        return _result(CheckOutcome.SUCCESSFUL)
    if direction is Direction.ENTRY:
        return _at_entry(nationality, stays, today, rulebook)
    stay = open_stay(stays, today)
    if stay is None:  # no entry that this exit could close
        return _result(CheckOutcome.UNDETERMINED, Reason(ReasonCode.STAY_NO_ENTRY_RECORD))
    rule = stay_rule(rulebook, nationality, stay.entered_on)
    if isinstance(rule, RuleNotFound):
        return _result(CheckOutcome.UNDETERMINED, Reason(ReasonCode.STAY_NO_RULE, {"nationality": nationality}))
    deadline = last_day(rulebook, rule, stay.entered_on, stays)
    compared = Compared("date_of_exit", today.isoformat(), f"<= {deadline.isoformat()}")
    if today <= deadline:
        return _result(CheckOutcome.SUCCESSFUL, compared=compared)
    days = (today - deadline).days
    if rule.subject == "stay_in_window":  # days on which old ones had left the window again are none too many
        shown = control(stays, today, rule.value, rule.parameter("window_days"))
        days = len([day for day in shown.overstayed_on if day >= stay.entered_on])
    return _result(CheckOutcome.FAILED, Reason(ReasonCode.STAY_OVERSTAYED, {"days": str(days)}), compared=compared)


def open_stay(stays: Iterable[Stay], today: date) -> Stay | None:
    """Return the latest stay that has begun and not ended, None when there is none."""
    begun = [stay for stay in stays if stay.exited_on is None and stay.entered_on <= today]
    return max(begun, key=lambda stay: stay.entered_on, default=None)


def _at_entry(nationality: str, stays: Sequence[Stay], today: date, rulebook: Rulebook) -> CheckResult:
    rule = stay_rule(rulebook, nationality, today)
    if isinstance(rule, RuleNotFound):
        return _result(CheckOutcome.UNDETERMINED, Reason(ReasonCode.STAY_NO_RULE, {"nationality": nationality}))
    is_open = open_stay(stays, today) is not None
    still_open = (Reason(ReasonCode.STAY_OPEN_ENTRY_EXISTS),) if is_open else ()
    if rule.subject != "stay_in_window":
        return _result(CheckOutcome.SUCCESSFUL, *still_open)
    allowed = allowed_stay(rulebook, rule, today, stays)
    compared = Compared("days_of_stay", str(allowed.days), ">= 1")
    if allowed.days:
        return _result(CheckOutcome.SUCCESSFUL, *still_open, compared=compared)
    if is_open:  # his own open stay, which may be an exit that nobody recorded, uses the days up
        return _result(CheckOutcome.UNDETERMINED, *still_open, compared=compared)
    used_up = Reason(ReasonCode.STAY_DAYS_USED, {"days": str(rule.value), "window": str(rule.parameter("window_days"))})
    return _result(CheckOutcome.FAILED, used_up, compared=compared)


def _result(outcome: CheckOutcome, *reasons: Reason, compared: Compared | None = None) -> CheckResult:
    return CheckResult(CheckName.STAY, outcome, reasons, (compared,) if compared else ())
