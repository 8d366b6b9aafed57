"""The biometric reference: the portrait that the chip or the document reader delivers, decoded and sampled out of process."""

from __future__ import annotations

from gate_agent.domain import events as ev
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import InferenceFault
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.ports import FaceMatcher
from models.results import FaceFinding


async def take_reference(
    matcher: FaceMatcher, borrowed: Borrowed, content: bytes | bytearray, step: ev.Step = ev.Step.DOCUMENT
) -> ev.Event | None:
    """Have the worker keep the reference of this transaction and put its picture into `borrowed`.

    Answers that it is ready, or why `step` has to be repeated; None when another document was read meanwhile.
    """
    borrowed.reference_requested = True
    round_ = borrowed.reference_round
    try:
        capture = await matcher.reference(borrowed.transaction_id, content)
    except InferenceFault:
        return _aborted(step, ReasonCode.FACE_ENGINE_FAULT)
    if borrowed.reference_round != round_:
        return None
    sample = capture.sample
    if sample.finding is FaceFinding.FOUND:
        borrowed.reference_ready = True
        borrowed.reference_jpeg = bytearray(capture.portrait_jpeg or b"")
        return ev.ReferenceReady()
    refused = sample.finding is FaceFinding.REFUSED
    return _aborted(step, ReasonCode.REFERENCE_PORTRAIT_REFUSED if refused else ReasonCode.REFERENCE_PORTRAIT_MISSING)


def _aborted(step: ev.Step, code: ReasonCode) -> ev.Event:
    return ev.StepAborted(step, Reason(code))
