"""Short stays, first version: visa-free days per entry by nationality, counted from the crossing (border-rules B4, C)."""

from __future__ import annotations

from datetime import date, timedelta

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.declaration import Direction
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.stay import Stay
from gate_agent.policy.rulebook import Rule, Rulebook, RuleNotFound


def stay_rule(rulebook: Rulebook, nationality: str, entered_on: date) -> Rule | RuleNotFound:
    """Return the rule of a nationality at its day of entry; nationalities that the table does not name have none."""
    return rulebook.find("visa_free_stay", entered_on, person_kind=nationality)


def is_unlimited(rulebook: Rulebook, nationality: str, on: date) -> bool:
    """Tell whether holders of a nationality may stay as long as they like: own citizens and those of agreements."""
    return isinstance(rulebook.find("unlimited_stay", on, person_kind=nationality), Rule)


def last_day(rulebook: Rulebook, rule: Rule, entered_on: date) -> date:
    """Return the last legal day of a stay."""
    days = rule.value - 1 if rulebook.options["entry_day_counts"] else rule.value
    return entered_on + timedelta(days=days)


def check_stay(
    direction: Direction, nationality: str, stay: Stay | None, today: date, rulebook: Rulebook
) -> CheckResult:
    """Judge a stay at entry (is there a rule?) or exit (was it kept?). Orphans are for a guard; nobody is punished by machine."""
    if is_unlimited(rulebook, nationality, today):
        return _result(CheckOutcome.SUCCESSFUL)
    if direction is Direction.ENTRY:
        rule = stay_rule(rulebook, nationality, today)
        if isinstance(rule, RuleNotFound):
            return _result(CheckOutcome.UNDETERMINED, Reason(ReasonCode.STAY_NO_RULE, {"nationality": nationality}))
        is_open = stay is not None and stay.exited_on is None
        open_stay = (Reason(ReasonCode.STAY_OPEN_ENTRY_EXISTS),) if is_open else ()
        return _result(CheckOutcome.SUCCESSFUL, *open_stay)
    if stay is None or stay.exited_on is not None or stay.entered_on > today:  # no entry that this exit could close
        return _result(CheckOutcome.UNDETERMINED, Reason(ReasonCode.STAY_NO_ENTRY_RECORD))
    rule = stay_rule(rulebook, nationality, stay.entered_on)
    if isinstance(rule, RuleNotFound):
        return _result(CheckOutcome.UNDETERMINED, Reason(ReasonCode.STAY_NO_RULE, {"nationality": nationality}))
    deadline = last_day(rulebook, rule, stay.entered_on)
    compared = Compared("date_of_exit", today.isoformat(), f"<= {deadline.isoformat()}")
    if today > deadline:
        reason = Reason(ReasonCode.STAY_OVERSTAYED, {"days": str((today - deadline).days)})
        return _result(CheckOutcome.FAILED, reason, compared=compared)
    return _result(CheckOutcome.SUCCESSFUL, compared=compared)


def _result(outcome: CheckOutcome, *reasons: Reason, compared: Compared | None = None) -> CheckResult:
    return CheckResult(CheckName.STAY, outcome, reasons, (compared,) if compared else ())
