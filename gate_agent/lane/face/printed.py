"""The printed portrait against the chip's (TR-03135-1 table 5.52): the picture of the page beside DG2, by the face models."""

from __future__ import annotations

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import InferenceFault
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.ports import Capture, FaceMatcher
from models.results import ComparisonDecision, FaceFinding

_PORTRAIT = {"image": "portrait"}


async def compare_printed(matcher: FaceMatcher, borrowed: Borrowed) -> CheckResult:
    """Compare the printed portrait of this transaction with its reference, which is the chip's."""
    if borrowed.printed_portrait is None:
        return _result(CheckOutcome.NOT_SUPPORTED, Reason(ReasonCode.IMAGE_MISSING, _PORTRAIT))
    try:
        capture = await matcher.picture(borrowed.transaction_id, bytes(borrowed.printed_portrait))
    except InferenceFault:
        return _result(CheckOutcome.ABORTED, Reason(ReasonCode.FACE_ENGINE_FAULT))
    return judge(capture)


def judge(capture: Capture) -> CheckResult:
    """Return what the look at the printed portrait says; a picture without one face says nothing about the document."""
    if capture.sample.finding is not FaceFinding.FOUND:
        return _result(CheckOutcome.UNDETERMINED, Reason(ReasonCode.IMAGE_UNUSABLE, _PORTRAIT))
    comparison = capture.comparison
    if comparison is None:
        return _result(CheckOutcome.UNDETERMINED, Reason(ReasonCode.FACE_NO_CALIBRATION))
    compared = Compared("comparison_score", f"{comparison.comparison_score:.2f}", f">= {comparison.threshold:.2f}")
    match comparison.decision:
        case ComparisonDecision.MATCH:
            return _result(CheckOutcome.SUCCESSFUL, compared=(compared,))
        case ComparisonDecision.NON_MATCH:
            return _result(CheckOutcome.FAILED, Reason(ReasonCode.PORTRAIT_DIFFERS), compared=(compared,))
        case _:
            return _result(CheckOutcome.UNDETERMINED, Reason(ReasonCode.PORTRAIT_UNDETERMINED), compared=(compared,))


def _result(outcome: CheckOutcome, *reasons: Reason, compared: tuple[Compared, ...] = ()) -> CheckResult:
    return CheckResult(CheckName.PORTRAIT_AGAINST_DG2, outcome, reasons, compared)
