"""A stay judged at the gate: at entry (is there a rule, and a day left?) and at exit (was it kept?)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.declaration import Direction
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.stay import Stay
from gate_agent.policy.entitlement import Entitlement, Entry, entitlement
from gate_agent.policy.rulebook import Rule, Rulebook, RuleNotFound
from gate_agent.policy.stay_counting import control
from gate_agent.policy.stay_rules import EVERY_PAPER, Paper, counted, is_unlimited, last_day, open_stay, stay_rule


def check_stay(
    direction: Direction,
    nationality: str,
    stays: Sequence[Stay],
    today: date,
    rulebook: Rulebook,
    *,
    paper: Paper = EVERY_PAPER,
    entitled: Entitlement | None = None,
) -> CheckResult:
    """Judge a stay. `stays` are those of the document's holder that the gate knows of; `entitled`: on what he enters, where that is known.

    Orphans are for a guard; nobody is punished by machine.
    """
    if direction is Direction.ENTRY:
        known = entitled or entitlement(rulebook, Entry(nationality, today, paper=paper, stays=stays))
        return _at_entry(known, nationality, stays, today)
    if is_unlimited(rulebook, nationality, today, paper):
        return _result(CheckOutcome.SUCCESSFUL)
    stay = open_stay(stays, today)
    if stay is None:  # no entry that this exit could close
        return _result(CheckOutcome.UNDETERMINED, Reason(ReasonCode.STAY_NO_ENTRY_RECORD))
    rule = stay_rule(rulebook, nationality, stay.entered_on, paper)
    if stay.permit_kind and stay.last_day is not None:
        return _kept(stay.last_day, today)
    if isinstance(rule, RuleNotFound):
        return _result(CheckOutcome.UNDETERMINED, Reason(ReasonCode.STAY_NO_RULE, {"nationality": nationality}))
    deadline = last_day(rulebook, rule, stay.entered_on, stays)
    if today > deadline and rule.subject == "stay_in_window":
        # days on which old ones had left the window again are none too many
        shown = control(counted(rulebook, stays), today, rule.value, rule.parameter("window_days"))
        return _kept(deadline, today, len([day for day in shown.overstayed_on if day >= stay.entered_on]))
    return _kept(deadline, today)


def _kept(deadline: date, today: date, days_over: int | None = None) -> CheckResult:
    compared = Compared("date_of_exit", today.isoformat(), f"<= {deadline.isoformat()}")
    if today <= deadline:
        return _result(CheckOutcome.SUCCESSFUL, compared=compared)
    days = (today - deadline).days if days_over is None else days_over
    return _result(CheckOutcome.FAILED, Reason(ReasonCode.STAY_OVERSTAYED, {"days": str(days)}), compared=compared)


def _at_entry(entitled: Entitlement, nationality: str, stays: Sequence[Stay], today: date) -> CheckResult:
    if entitled.is_unlimited:
        return _result(CheckOutcome.SUCCESSFUL)
    rule, allowed = entitled.rule, entitled.allowed
    if allowed is None:
        reason = Reason(ReasonCode.STAY_NO_RULE, {"nationality": nationality})
        if isinstance(rule, Rule):  # a visa is required, and what is wrong with it the eligibility says
            reason = Reason(ReasonCode.VISA_MISSING, {"nationality": nationality})
        return _result(CheckOutcome.UNDETERMINED, *(entitled.problems or (reason,)))
    is_open = open_stay(stays, today) is not None
    still_open = (Reason(ReasonCode.STAY_OPEN_ENTRY_EXISTS),) if is_open else ()
    if allowed.rule.subject != "stay_in_window":
        compared = Compared("days_of_stay", str(allowed.days), ">= 1") if entitled.permit is not None else None
        return _result(CheckOutcome.SUCCESSFUL, *still_open, compared=compared)
    compared = Compared("days_of_stay", str(allowed.days), ">= 1")
    if allowed.days:
        return _result(CheckOutcome.SUCCESSFUL, *still_open, compared=compared)
    if is_open:  # his own open stay, which may be an exit that nobody recorded, uses the days up
        return _result(CheckOutcome.UNDETERMINED, *still_open, compared=compared)
    window = allowed.rule
    used_up = Reason(
        ReasonCode.STAY_DAYS_USED, {"days": str(window.value), "window": str(window.parameter("window_days"))}
    )
    return _result(CheckOutcome.FAILED, used_up, compared=compared)


def _result(outcome: CheckOutcome, *reasons: Reason, compared: Compared | None = None) -> CheckResult:
    return CheckResult(CheckName.STAY, outcome, reasons, (compared,) if compared else ())
