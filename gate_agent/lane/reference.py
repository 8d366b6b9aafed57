"""The biometric reference: the portrait that the document reader (later: the chip) delivers, decoded and sampled out of process."""

from __future__ import annotations

from gate_agent.domain import events as ev
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import InferenceFault
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.ports import FaceMatcher
from models.results import FaceFinding


async def take_reference(matcher: FaceMatcher, borrowed: Borrowed, content: bytes | bytearray) -> ev.Event | None:
    """Have the worker keep the reference of this transaction and put its picture into `borrowed`.

    Answers that it is ready, or why the document has to be presented again; None when another document was read meanwhile.
    """
    borrowed.reference_requested = True
    round_ = borrowed.reference_round
    try:
        capture = await matcher.reference(borrowed.transaction_id, content)
    except InferenceFault:
        return _aborted(ReasonCode.FACE_ENGINE_FAULT)
    if borrowed.reference_round != round_:
        return None
    sample = capture.sample
    if sample.finding is FaceFinding.FOUND:
        borrowed.reference_ready = True
        borrowed.reference_jpeg = bytearray(capture.portrait_jpeg or b"")
        return ev.ReferenceReady()
    refused = sample.finding is FaceFinding.REFUSED
    return _aborted(ReasonCode.REFERENCE_PORTRAIT_REFUSED if refused else ReasonCode.REFERENCE_PORTRAIT_MISSING)


def _aborted(code: ReasonCode) -> ev.Event:
    return ev.StepAborted(ev.Step.DOCUMENT, Reason(code))
