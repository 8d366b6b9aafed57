"""From an officer's click to a signed authorisation: built here, signed with the unlocked key, carried to the agent, answered once.

An action is idempotent by its id: the page makes the id, a repeated request gets the first answer, and the agent sees one nonce.
"""

from __future__ import annotations

import secrets
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Literal

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gate_agent.clock import Clock
from gate_agent.closing_order import ClosingOrder
from gate_agent.web.auth import Session
from gate_agent.web.guard.action_reasons import ACTION_REASONS, OTHER
from gate_agent.web.guard.lane_link import LaneLink, LaneLinkDown
from gate_agent.web.guard.view import Assessment, needs_assessment
from gate_agent.web.lane_api_messages import (
    ActionAnswer,
    Authorisation,
    GateSnapshot,
    GuardAction,
    OfficerSignature,
    ReferralView,
    SignedAuthorisation,
)

_log = structlog.get_logger()

VALIDITY = timedelta(seconds=30)
ANSWERS_KEPT = 256
ASSESSMENTS_KEPT = 512

_OF_POST = frozenset({GuardAction.BEGIN_FALLBACK, GuardAction.END_FALLBACK})

_EmptyIsNone = BeforeValidator(lambda text: None if text == "" else text)


class ActionRequest(BaseModel):
    """What the page posts, as JSON or as a form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action_id: uuid.UUID
    action: GuardAction
    lane_id: int = Field(ge=0, le=32)
    transaction_id: Annotated[uuid.UUID | None, _EmptyIsNone] = None
    subject_id: Annotated[uuid.UUID | None, _EmptyIsNone] = None
    reason_code: str = Field(max_length=64)
    reason_text: str = Field("", max_length=500)
    lines: tuple[Annotated[str, Field(max_length=64)], ...] = Field((), max_length=3, repr=False)
    seal_id: str = Field("", max_length=64)
    closing: ClosingOrder | None = None
    stay_correction: Annotated[Literal["add_entry", "add_exit", "void"] | None, _EmptyIsNone] = None
    stay_day: Annotated[date | None, _EmptyIsNone] = None
    second_officer_id: str = Field("", max_length=64)
    second_password: str = Field("", max_length=1024, repr=False)
    csrf: str = Field("", max_length=64)


@dataclass(frozen=True, slots=True)
class SecondOfficer:
    """A second officer's unlocked key, for one signature."""

    officer_id: str
    key: Ed25519PrivateKey


class Assessments:
    """Each officer's first answer about each pair of portraits; survives reloads and a new sign-in, dies with the process."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, uuid.UUID], Assessment] = OrderedDict()

    def give(self, officer_id: str, transaction_id: uuid.UUID, assessment: Assessment) -> Assessment:
        """Keep the first answer and return it; a change of mind after the reveal shows in the decision, not here."""
        kept = self._answers.setdefault((officer_id, transaction_id), assessment)
        while len(self._answers) > ASSESSMENTS_KEPT:
            self._answers.popitem(last=False)
        return kept

    def of(self, officer_id: str) -> dict[uuid.UUID, Assessment]:
        """Return one officer's answers by transaction."""
        return {
            transaction: answer for (officer, transaction), answer in self._answers.items() if officer == officer_id
        }


def find_referral(snapshot: GateSnapshot | None, transaction_id: uuid.UUID | None) -> ReferralView | None:
    """Return the open referral of a transaction."""
    if snapshot is None or transaction_id is None:
        return None
    return next(
        (
            lane.referral
            for lane in snapshot.lanes
            if lane.referral is not None and lane.referral.transaction_id == transaction_id
        ),
        None,
    )


async def act(
    link: LaneLink,
    clock: Clock,
    assessments: Assessments,
    session: Session,
    wanted: ActionRequest,
    second: SecondOfficer | None = None,
) -> ActionAnswer:
    """Sign what the officer wants and return the agent's answer; refusals of the console itself have codes without `EG-`."""
    async with session.acting:
        known = session.answers.get(wanted.action_id)
        if known is not None:
            return known
        answer = await _carried_out(link, clock, assessments, session, wanted, second)
        if answer.accepted:
            session.answers[wanted.action_id] = answer
            while len(session.answers) > ANSWERS_KEPT:
                del session.answers[next(iter(session.answers))]
        _log.info("guard_action", action=wanted.action.value, accepted=answer.accepted, code=answer.code)
        return answer


async def _carried_out(
    link: LaneLink,
    clock: Clock,
    assessments: Assessments,
    session: Session,
    wanted: ActionRequest,
    second: SecondOfficer | None,
) -> ActionAnswer:
    reason_text = wanted.reason_text.strip()
    if wanted.reason_code not in ACTION_REASONS[wanted.action]:
        return ActionAnswer.refused("reason_unknown", "the reason is not in the list of this action")
    if wanted.reason_code == OTHER and not reason_text:
        return ActionAnswer.refused("text_needed", "this reason needs words")
    if link.snapshot is None:
        return ActionAnswer.refused("gate_unreachable", "the gate does not answer")
    assessment = None
    if wanted.transaction_id is not None:
        assessment = assessments.of(session.officer.officer_id).get(wanted.transaction_id)
        referral = find_referral(link.snapshot, wanted.transaction_id)
        if referral is None:
            return ActionAnswer.refused("gone", "this transaction waits for no guard")
        if needs_assessment(referral) and assessment is None:
            return ActionAnswer.refused("face_first", "compare the two pictures first")
    now = clock.now()
    authorised = Authorisation(
        authorisation_id=wanted.action_id,
        source=link.snapshot.source,
        lane_id=wanted.lane_id,
        action=wanted.action,
        transaction_id=wanted.transaction_id,
        subject_id=wanted.subject_id,
        reason_code=wanted.reason_code,
        reason_text=reason_text,
        face_assessment=assessment,
        lines=tuple(line.strip().upper() for line in wanted.lines),
        seal_id=wanted.seal_id,
        closing=wanted.closing,
        stay_correction=wanted.stay_correction,
        stay_day=wanted.stay_day,
        fallback_number=_next_number(link.snapshot) if wanted.action in _OF_POST else None,
        session_id=session.session_id,
        nonce=secrets.token_urlsafe(24),
        issued_at=now,
        expires_at=now + VALIDITY,
    )
    # A post of an older release knows no such field, and takes none where there is nothing to say.
    unsaid = {"fallback_number"} if authorised.fallback_number is None else set()
    payload = authorised.model_dump_json(exclude=unsaid)
    signatures = [_signature(session.officer.officer_id, session.key, payload)]
    if second is not None:
        signatures.append(_signature(second.officer_id, second.key, payload))
    try:
        return await link.act(SignedAuthorisation(payload=payload, authorisers=signatures))
    except LaneLinkDown:
        return ActionAnswer.refused("gate_unreachable", "the gate does not answer")


def _next_number(snapshot: GateSnapshot) -> int:
    """Return the number of an order for the whole post: the one after the last that this console shows."""
    return 1 + (snapshot.fallback.number if snapshot.fallback is not None else 0)


def _signature(officer_id: str, key: Ed25519PrivateKey, payload: str) -> OfficerSignature:
    return OfficerSignature(officer_id=officer_id, signature_hex=key.sign(payload.encode()).hex())
