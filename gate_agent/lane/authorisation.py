"""What an officer may do at a gate, and the proof that one did: signed authorisations, verified inside the agent.

The console only carries them; the agent believes nothing but the signature, the role table below and its own clock, and neither does the
border post, to which an unlock travels with its authorisation. The list of authorisers is a list, so a second officer is policy
(`minimum_officers`), not code.

The payload's fields are those of `web.lane_api_messages.Authorisation`; the floors of the house forbid this room to import the
web, and a test holds the two equal.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from central_sync import strict_json
from central_sync.errors import StrictJsonError
from gate_agent.clock import Clock
from gate_agent.closing_order import ClosingOrder
from gate_agent.errors import AuthorityRefused

LONGEST_VALIDITY = timedelta(seconds=60)
"""An authorisation that claims to be good for longer is refused."""

CLOCK_SKEW = timedelta(seconds=2)
"""How far ahead the console's clock may be."""

LONGEST_PAYLOAD_BYTES = 16_384
_DEPTH = 5


class OfficerRole(StrEnum):
    """What an officer is at this gate."""

    GUARD = "guard"
    SUPERVISOR = "supervisor"
    CUSTOMS_INSPECTOR = "customs_inspector"
    HEALTH_OFFICER = "health_officer"
    QUARANTINE_OFFICER = "quarantine_officer"
    TECHNICIAN = "technician"


class AuthorisedAction(StrEnum):
    """What can be authorised; equal to `web.lane_api_messages.GuardAction`."""

    RELEASE = "release"
    HAND_OVER = "hand_over"
    SUSPEND_LANE = "suspend_lane"
    RESUME_LANE = "resume_lane"
    ACKNOWLEDGE_ALARM = "acknowledge_alarm"
    CLOSE_CUSTOMS_TASK = "close_customs_task"
    NOTE_APPEAL = "note_appeal"
    CORRECT_READING = "correct_reading"
    LOCKDOWN_LANE = "lockdown_lane"
    END_LOCKDOWN = "end_lockdown"
    UNLOCK_SEAL = "unlock_seal"
    CORRECT_STAY = "correct_stay"
    BEGIN_FALLBACK = "begin_fallback"
    END_FALLBACK = "end_fallback"


_GUARD_ACTIONS = frozenset(
    {
        AuthorisedAction.RELEASE,
        AuthorisedAction.HAND_OVER,
        AuthorisedAction.CORRECT_READING,
        AuthorisedAction.ACKNOWLEDGE_ALARM,
        AuthorisedAction.CORRECT_STAY,
        AuthorisedAction.LOCKDOWN_LANE,  # anybody at the console may stop; who ends it is another matter
        AuthorisedAction.CLOSE_CUSTOMS_TASK,  # the border's own: `app.customs_desk` looks whose task it is
    },
)
_LANE_ACTIONS = frozenset({AuthorisedAction.SUSPEND_LANE, AuthorisedAction.RESUME_LANE})
FALLBACK_ACTIONS = frozenset({AuthorisedAction.BEGIN_FALLBACK, AuthorisedAction.END_FALLBACK})
"""What is ordered for all gates of a post at once."""

ROLE_ACTIONS: Mapping[OfficerRole, frozenset[AuthorisedAction]] = MappingProxyType(
    {
        OfficerRole.GUARD: _GUARD_ACTIONS,
        OfficerRole.SUPERVISOR: _GUARD_ACTIONS | _LANE_ACTIONS | FALLBACK_ACTIONS | {AuthorisedAction.END_LOCKDOWN},
        OfficerRole.CUSTOMS_INSPECTOR: frozenset(
            {AuthorisedAction.CLOSE_CUSTOMS_TASK, AuthorisedAction.NOTE_APPEAL, AuthorisedAction.UNLOCK_SEAL}
        ),
        OfficerRole.HEALTH_OFFICER: frozenset({AuthorisedAction.CLOSE_CUSTOMS_TASK}),
        OfficerRole.QUARANTINE_OFFICER: frozenset({AuthorisedAction.CLOSE_CUSTOMS_TASK}),
        OfficerRole.TECHNICIAN: _LANE_ACTIONS,
    },
)
"""The one place that says which role may do what."""

ROLES_FOR_TRUST = frozenset({OfficerRole.SUPERVISOR, OfficerRole.TECHNICIAN})
"""Who may sign trust bundles and import certificates."""

TRANSACTION_ACTIONS = frozenset(
    {AuthorisedAction.RELEASE, AuthorisedAction.HAND_OVER, AuthorisedAction.CORRECT_READING}
)
"""Actions that must name a transaction."""

SUBJECT_ACTIONS = frozenset(
    {
        AuthorisedAction.ACKNOWLEDGE_ALARM,
        AuthorisedAction.CLOSE_CUSTOMS_TASK,
        AuthorisedAction.NOTE_APPEAL,
        AuthorisedAction.CORRECT_STAY,
    }
)
"""Actions that must name an alarm, a customs task or a stay."""


class RefusalCode(StrEnum):
    """Why an authorisation was not accepted: stable codes of `AuthorityRefused`."""

    UNSIGNED = "EG-AUT-010"
    FORGED = "EG-AUT-011"
    UNKNOWN_OFFICER = "EG-AUT-012"
    WRONG_GATE = "EG-AUT-013"
    EXPIRED = "EG-AUT-014"
    VALID_TOO_LONG = "EG-AUT-015"
    NOT_YET_VALID = "EG-AUT-016"
    REPLAYED = "EG-AUT-017"
    ROLE_MAY_NOT = "EG-AUT-018"
    MALFORMED = "EG-AUT-019"
    TOO_FEW_OFFICERS = "EG-AUT-020"
    SAME_OFFICER_TWICE = "EG-AUT-021"


class Authorisation(BaseModel):
    """What was signed. Unknown fields, wrong types and times without a zone are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    authorisation_id: uuid.UUID
    source: str = Field(max_length=80)
    """The gate it is for, `country/site/gate`: officers are known in the whole country, and gates of all sites are called alike."""
    lane_id: int = Field(strict=True)
    action: AuthorisedAction
    transaction_id: uuid.UUID | None = None
    subject_id: uuid.UUID | None = None
    reason_code: str = Field(min_length=1, max_length=64)
    reason_text: str = Field("", max_length=500)
    face_assessment: Literal["same", "different", "unsure"] | None = None
    lines: tuple[Annotated[str, Field(max_length=64)], ...] = Field((), max_length=3)
    seal_id: str = Field("", max_length=64)
    closing: ClosingOrder | None = None
    stay_correction: Literal["add_entry", "add_exit", "void"] | None = None
    stay_day: date | None = None
    fallback_number: int | None = Field(None, ge=1, le=2**53, strict=True)
    session_id: str = Field(min_length=8, max_length=64)
    nonce: str = Field(min_length=16, max_length=64)
    issued_at: AwareDatetime
    expires_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class OfficerRecord:
    """An officer as the gate knows one: raw Ed25519 public key (32 bytes), role and the name shown to colleagues."""

    public_key: bytes
    role: OfficerRole
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class AuthorisingOfficer:
    """One officer whose signature held."""

    officer_id: str
    role: OfficerRole
    display_name: str


@dataclass(frozen=True, slots=True)
class VerifiedAuthorisation:
    """An authorisation to act on, once, and the officers who gave it in the order they signed.

    `payload` and `signatures` are what they signed, for whoever has to verify it again.
    """

    authorisation: Authorisation
    officers: tuple[AuthorisingOfficer, ...]
    payload: str = field(default="", repr=False)
    signatures: tuple[tuple[str, str], ...] = field(default=(), repr=False)


RememberNonce = Callable[[str, datetime], Awaitable[bool]]
"""Durably remember a nonce until a time; answer False when it was known already."""


def _refused(code: RefusalCode, message: str) -> AuthorityRefused:
    return AuthorityRefused(message, code=code.value)


@dataclass(frozen=True, slots=True)
class AuthorisationVerifier:
    """Decides whether a signed authorisation is one.

    `source` is this gate, `country/site/gate`. `officers` may be a live view that changes with the officers' bundle. `minimum_officers` says how many distinct officers an
    action needs (1 where it says nothing).
    """

    source: str
    officers: Mapping[str, OfficerRecord]
    clock: Clock
    remember_nonce: RememberNonce
    minimum_officers: Mapping[AuthorisedAction, int] = field(default_factory=dict)

    async def verify(self, payload: str, signatures: Sequence[tuple[str, str]]) -> VerifiedAuthorisation:
        """Return what was authorised and by whom, as `judge` does.

        The nonce is consumed last, so that a refused authorisation can be signed by a second officer.
        """
        now = self.clock.now()
        verified = judge(payload, signatures, self.source, self.officers, now, self.minimum_officers)
        authorisation = verified.authorisation
        if not await self.remember_nonce(authorisation.nonce, authorisation.expires_at + CLOCK_SKEW):
            raise _refused(RefusalCode.REPLAYED, "the authorisation was presented before")
        return verified


def judge(
    payload: str,
    signatures: Sequence[tuple[str, str]],
    source: str,
    officers: Mapping[str, OfficerRecord],
    now: datetime,
    minimum_officers: Mapping[AuthorisedAction, int] = MappingProxyType({}),
) -> VerifiedAuthorisation:
    """Return what was authorised at this gate and by whom, valid at `now` (aware); whether it is new is the caller's to say.

    `signatures` are (officer id, hexadecimal Ed25519 signature over the UTF-8 bytes of `payload`). Raises `AuthorityRefused`
    with a `RefusalCode`.
    """
    signers = _signers(payload, signatures, officers)
    authorisation = parse_authorisation(payload)
    if authorisation.source != source:
        raise _refused(RefusalCode.WRONG_GATE, "the authorisation is for another gate")
    _refuse_time(authorisation, now.astimezone(UTC))
    for officer in signers:
        if authorisation.action not in ROLE_ACTIONS[officer.role]:
            raise _refused(
                RefusalCode.ROLE_MAY_NOT, f"the role {officer.role} may not authorise {authorisation.action}"
            )
    needed = minimum_officers.get(authorisation.action, 1)
    if len(signers) < needed:
        raise _refused(RefusalCode.TOO_FEW_OFFICERS, f"{authorisation.action} needs {needed} officers")
    return VerifiedAuthorisation(authorisation, signers, payload, tuple(signatures))


def _signers(
    payload: str, signatures: Sequence[tuple[str, str]], officers: Mapping[str, OfficerRecord]
) -> tuple[AuthorisingOfficer, ...]:
    if not signatures:
        raise _refused(RefusalCode.UNSIGNED, "the authorisation carries no signature")
    signed = payload.encode("utf-8", "surrogatepass")
    signers: dict[str, AuthorisingOfficer] = {}
    for officer_id, signature_hex in signatures:
        record = officers.get(officer_id)
        if record is None:
            raise _refused(RefusalCode.UNKNOWN_OFFICER, "the officer is not known here")
        if officer_id in signers or any(
            officers[known].public_key == record.public_key for known in signers if known in officers
        ):
            raise _refused(RefusalCode.SAME_OFFICER_TWICE, "one officer cannot sign twice")
        try:
            Ed25519PublicKey.from_public_bytes(record.public_key).verify(bytes.fromhex(signature_hex), signed)
        except (InvalidSignature, ValueError) as error:
            raise _refused(RefusalCode.FORGED, "the signature does not fit the authorisation") from error
        signers[officer_id] = AuthorisingOfficer(officer_id, record.role, record.display_name)
    return tuple(signers.values())


def _refuse_time(authorisation: Authorisation, now: datetime) -> None:
    validity = authorisation.expires_at - authorisation.issued_at
    if validity > LONGEST_VALIDITY or validity <= timedelta(0):
        raise _refused(RefusalCode.VALID_TOO_LONG, "an authorisation is valid for one to sixty seconds")
    if authorisation.issued_at > now + CLOCK_SKEW:
        raise _refused(RefusalCode.NOT_YET_VALID, "the authorisation comes from the future: check the clocks")
    if authorisation.expires_at <= now:
        raise _refused(RefusalCode.EXPIRED, "the authorisation has expired")


def parse_authorisation(payload: str) -> Authorisation:
    """Return what a payload says, whoever signed it. Raises `AuthorityRefused`."""
    try:
        fields = strict_json.load_object(payload, max_bytes=LONGEST_PAYLOAD_BYTES, max_depth=_DEPTH)
        authorisation = Authorisation.model_validate(fields)
    except StrictJsonError as error:
        raise _refused(RefusalCode.MALFORMED, f"the authorisation is malformed: {error}") from error
    except ValidationError as error:
        wrong = ", ".join(".".join(str(part) for part in item["loc"]) for item in error.errors())
        raise _refused(RefusalCode.MALFORMED, f"the authorisation is malformed at {wrong}") from error
    if authorisation.action in TRANSACTION_ACTIONS and authorisation.transaction_id is None:
        raise _refused(RefusalCode.MALFORMED, f"{authorisation.action} must name a transaction")
    if authorisation.action in SUBJECT_ACTIONS and authorisation.subject_id is None:
        raise _refused(RefusalCode.MALFORMED, f"{authorisation.action} must name its alarm, task or stay")
    if (authorisation.action is AuthorisedAction.CORRECT_READING) is not bool(authorisation.lines):
        raise _refused(RefusalCode.MALFORMED, "printed lines go with their correction, and with nothing else")
    if (authorisation.action is AuthorisedAction.UNLOCK_SEAL) is not bool(authorisation.seal_id):
        raise _refused(RefusalCode.MALFORMED, "a seal goes with its unlocking, and with nothing else")
    if (authorisation.action is AuthorisedAction.CLOSE_CUSTOMS_TASK) is not (authorisation.closing is not None):
        raise _refused(RefusalCode.MALFORMED, "a finding goes with the closing of a task, and with nothing else")
    if (authorisation.action is AuthorisedAction.CORRECT_STAY) is not (authorisation.stay_correction is not None):
        raise _refused(
            RefusalCode.MALFORMED, "what is corrected goes with the correction of a stay, and with nothing else"
        )
    if (authorisation.stay_correction in {"add_entry", "add_exit"}) is not (authorisation.stay_day is not None):
        raise _refused(RefusalCode.MALFORMED, "a day goes with an end of a stay that is added, and with nothing else")
    if (authorisation.action in FALLBACK_ACTIONS) is not (authorisation.fallback_number is not None):
        raise _refused(RefusalCode.MALFORMED, "a number goes with an order about the fallback, and with nothing else")
    return authorisation
