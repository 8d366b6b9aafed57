"""What a boarding pass is worth: a hint for routing and for filling a form in, never evidence of identity.

Hardly any pass is signed in a way that a gate could verify, and anybody can print one. So the best result is undetermined.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.inspection.boarding_pass_format import BoardingPass, parse_boarding_pass


@dataclass(frozen=True, slots=True)
class PassInspection:
    """A judged pass: never successful. What `boarding_pass` says may be wrong or made up."""

    result: CheckResult
    boarding_pass: BoardingPass


def inspect_boarding_pass(payload: bytes | str, today: date) -> PassInspection:
    """Judge the characters of one symbol: malformed ones have failed, with what and where; all others are undetermined. Never raises."""
    started_s = time.perf_counter()
    found = parse_boarding_pass(payload, today)
    if found.problem:
        outcome, reason = CheckOutcome.FAILED, Reason(ReasonCode.BOARDING_PASS_MALFORMED, {"detail": found.problem})
    else:
        outcome, reason = CheckOutcome.UNDETERMINED, Reason(ReasonCode.BOARDING_PASS_UNSIGNED)
    duration_ms = (time.perf_counter() - started_s) * 1000
    return PassInspection(CheckResult(CheckName.BOARDING_PASS, outcome, (reason,), (), duration_ms), found)
