"""What officers decide about whoever waits for a guard: a release, a hand-over, or the printed lines read by eye."""

from __future__ import annotations

import uuid

from gate_agent.domain import events as ev
from gate_agent.domain.crossing import Admission, Officer
from gate_agent.domain.document_events import ReadingCorrected
from gate_agent.domain.mrz import read_mrz
from gate_agent.lane.authorisation import VerifiedAuthorisation
from gate_agent.lane.controller import LaneController
from gate_agent.lane.presented import is_right
from gate_agent.web.lane_api_messages import ActionAnswer

NOT_POSSIBLE_NOW, DIGITS_WRONG = "EG-LAN-002", "EG-LAN-004"


async def decide(lane: LaneController, transaction_id: uuid.UUID, verified: VerifiedAuthorisation) -> ActionAnswer:
    """Release or hand over, if the transaction waits for a guard."""
    order = verified.authorisation
    officers = tuple(Officer(one.officer_id, one.role.value, order.authorisation_id) for one in verified.officers)
    admission = Admission(order.action.value)
    decided = ev.GuardDecided(transaction_id, admission, officers, order.reason_code, order.reason_text)
    if await lane.guard(decided):
        return ActionAnswer.done()
    return ActionAnswer.refused(NOT_POSSIBLE_NOW, _why_not(lane, transaction_id))


async def correct(lane: LaneController, transaction_id: uuid.UUID, verified: VerifiedAuthorisation) -> ActionAnswer:
    """Take lines that an officer read by eye, if their check digits are right."""
    lines = verified.authorisation.lines
    if not is_right(read_mrz(lines, lane.today)):
        return ActionAnswer.refused(DIGITS_WRONG, "the check digits of these lines do not fit")
    officers = tuple(officer.officer_id for officer in verified.officers)
    if await lane.guard(ReadingCorrected(transaction_id, lines, officers)):
        return ActionAnswer.done()
    return ActionAnswer.refused(NOT_POSSIBLE_NOW, "the lines are not what this referral waits for")


def _why_not(lane: LaneController, transaction_id: uuid.UUID) -> str:
    if lane.state.transaction_id != transaction_id:
        return "this transaction is over"
    if lane.state.occupancy > 1:
        return "more than one person is inside: hand over"
    return "the transaction is not waiting for a guard"
