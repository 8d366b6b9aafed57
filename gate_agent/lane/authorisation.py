"""What an officer may do at a gate, and the proof that one did: signed authorisations, verified inside the agent.

The console only carries them; the agent believes nothing but the signature, the role table below and its own clock. The list of
authorisers is a list, so a second officer is policy (`minimum_officers`), not code.

The payload's fields are those of `web.lane_api_messages.Authorisation`; the floors of the house forbid this room to import the
web, and a test holds the two equal.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from central_sync import strict_json
from central_sync.errors import StrictJsonError
from gate_agent.clock import Clock
from gate_agent.errors import AuthorityRefused

LONGEST_VALIDITY = timedelta(seconds=60)
"""An authorisation that claims to be good for longer is refused."""

CLOCK_SKEW = timedelta(seconds=2)
"""How far ahead the console's clock may be."""

LONGEST_PAYLOAD_BYTES = 8192


class OfficerRole(StrEnum):
    """What an officer is at this gate."""

    GUARD = "guard"
    SUPERVISOR = "supervisor"
    CUSTOMS_INSPECTOR = "customs_inspector"
    TECHNICIAN = "technician"


class AuthorisedAction(StrEnum):
    """What can be authorised; equal to `web.lane_api_messages.GuardAction`."""

    RELEASE = "release"
    HAND_OVER = "hand_over"
    SUSPEND_LANE = "suspend_lane"
    RESUME_LANE = "resume_lane"
    ACKNOWLEDGE_ALARM = "acknowledge_alarm"
    CLOSE_CUSTOMS_TASK = "close_customs_task"
    CORRECT_READING = "correct_reading"
    LOCKDOWN_LANE = "lockdown_lane"
    UNLOCK_SEAL = "unlock_seal"


_GUARD_ACTIONS = frozenset(
    {
        AuthorisedAction.RELEASE,
        AuthorisedAction.HAND_OVER,
        AuthorisedAction.CORRECT_READING,
        AuthorisedAction.ACKNOWLEDGE_ALARM,
        AuthorisedAction.LOCKDOWN_LANE,  # anybody at the console may stop; who resumes is another matter
    },
)
_LANE_ACTIONS = frozenset({AuthorisedAction.SUSPEND_LANE, AuthorisedAction.RESUME_LANE})

ROLE_ACTIONS: Mapping[OfficerRole, frozenset[AuthorisedAction]] = MappingProxyType(
    {
        OfficerRole.GUARD: _GUARD_ACTIONS,
        OfficerRole.SUPERVISOR: _GUARD_ACTIONS | _LANE_ACTIONS,
        OfficerRole.CUSTOMS_INSPECTOR: frozenset({AuthorisedAction.CLOSE_CUSTOMS_TASK, AuthorisedAction.UNLOCK_SEAL}),
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

SUBJECT_ACTIONS = frozenset({AuthorisedAction.ACKNOWLEDGE_ALARM, AuthorisedAction.CLOSE_CUSTOMS_TASK})
"""Actions that must name an alarm or a customs task."""


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
    gate_id: str
    lane_id: int = Field(strict=True)
    action: AuthorisedAction
    transaction_id: uuid.UUID | None = None
    subject_id: uuid.UUID | None = None
    reason_code: str = Field(min_length=1, max_length=64)
    reason_text: str = Field("", max_length=500)
    face_assessment: Literal["same", "different", "unsure"] | None = None
    lines: tuple[Annotated[str, Field(max_length=64)], ...] = Field((), max_length=3)
    seal_id: str = Field("", max_length=64)
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
    """An authorisation the agent may act on, once, and the officers who gave it in the order they signed."""

    authorisation: Authorisation
    officers: tuple[AuthorisingOfficer, ...]


RememberNonce = Callable[[str, datetime], Awaitable[bool]]
"""Durably remember a nonce until a time; answer False when it was known already."""


def _refused(code: RefusalCode, message: str) -> AuthorityRefused:
    return AuthorityRefused(message, code=code.value)


@dataclass(frozen=True, slots=True)
class AuthorisationVerifier:
    """Decides whether a signed authorisation is one.

    `officers` may be a live view that changes with the officers' bundle. `minimum_officers` says how many distinct officers an
    action needs (1 where it says nothing).
    """

    gate_id: str
    officers: Mapping[str, OfficerRecord]
    clock: Clock
    remember_nonce: RememberNonce
    minimum_officers: Mapping[AuthorisedAction, int] = field(default_factory=dict)

    async def verify(self, payload: str, signatures: Sequence[tuple[str, str]]) -> VerifiedAuthorisation:
        """Return what was authorised and by whom.

        `signatures` are (officer id, hexadecimal Ed25519 signature over the UTF-8 bytes of `payload`). Raises `AuthorityRefused`
        with a `RefusalCode`. The nonce is consumed last, so that a refused authorisation can be signed by a second officer.
        """
        officers = self._signers(payload, signatures)
        authorisation = _parsed(payload)
        if authorisation.gate_id != self.gate_id:
            raise _refused(RefusalCode.WRONG_GATE, "the authorisation is for another gate")
        self._refuse_time(authorisation)
        for officer in officers:
            if authorisation.action not in ROLE_ACTIONS[officer.role]:
                raise _refused(
                    RefusalCode.ROLE_MAY_NOT, f"the role {officer.role} may not authorise {authorisation.action}"
                )
        needed = self.minimum_officers.get(authorisation.action, 1)
        if len(officers) < needed:
            raise _refused(RefusalCode.TOO_FEW_OFFICERS, f"{authorisation.action} needs {needed} officers")
        if not await self.remember_nonce(authorisation.nonce, authorisation.expires_at + CLOCK_SKEW):
            raise _refused(RefusalCode.REPLAYED, "the authorisation was presented before")
        return VerifiedAuthorisation(authorisation, officers)

    def _signers(self, payload: str, signatures: Sequence[tuple[str, str]]) -> tuple[AuthorisingOfficer, ...]:
        if not signatures:
            raise _refused(RefusalCode.UNSIGNED, "the authorisation carries no signature")
        signed = payload.encode("utf-8", "surrogatepass")
        signers: dict[str, AuthorisingOfficer] = {}
        for officer_id, signature_hex in signatures:
            record = self.officers.get(officer_id)
            if record is None:
                raise _refused(RefusalCode.UNKNOWN_OFFICER, "this gate does not know the officer")
            if officer_id in signers or any(
                self.officers[known].public_key == record.public_key for known in signers if known in self.officers
            ):
                raise _refused(RefusalCode.SAME_OFFICER_TWICE, "one officer cannot sign twice")
            try:
                Ed25519PublicKey.from_public_bytes(record.public_key).verify(bytes.fromhex(signature_hex), signed)
            except (InvalidSignature, ValueError) as error:
                raise _refused(RefusalCode.FORGED, "the signature does not fit the authorisation") from error
            signers[officer_id] = AuthorisingOfficer(officer_id, record.role, record.display_name)
        return tuple(signers.values())

    def _refuse_time(self, authorisation: Authorisation) -> None:
        now = self.clock.now().astimezone(UTC)
        validity = authorisation.expires_at - authorisation.issued_at
        if validity > LONGEST_VALIDITY or validity <= timedelta(0):
            raise _refused(RefusalCode.VALID_TOO_LONG, "an authorisation is valid for one to sixty seconds")
        if authorisation.issued_at > now + CLOCK_SKEW:
            raise _refused(RefusalCode.NOT_YET_VALID, "the authorisation comes from the future: check the clocks")
        if authorisation.expires_at <= now:
            raise _refused(RefusalCode.EXPIRED, "the authorisation has expired")


def _parsed(payload: str) -> Authorisation:
    try:
        fields = strict_json.load_object(payload, max_bytes=LONGEST_PAYLOAD_BYTES, max_depth=2)
        authorisation = Authorisation.model_validate(fields)
    except StrictJsonError as error:
        raise _refused(RefusalCode.MALFORMED, f"the authorisation is malformed: {error}") from error
    except ValidationError as error:
        wrong = ", ".join(".".join(str(part) for part in item["loc"]) for item in error.errors())
        raise _refused(RefusalCode.MALFORMED, f"the authorisation is malformed at {wrong}") from error
    if authorisation.action in TRANSACTION_ACTIONS and authorisation.transaction_id is None:
        raise _refused(RefusalCode.MALFORMED, f"{authorisation.action} must name a transaction")
    if authorisation.action in SUBJECT_ACTIONS and authorisation.subject_id is None:
        raise _refused(RefusalCode.MALFORMED, f"{authorisation.action} must name its alarm or task")
    if (authorisation.action is AuthorisedAction.CORRECT_READING) is not bool(authorisation.lines):
        raise _refused(RefusalCode.MALFORMED, "printed lines go with their correction, and with nothing else")
    if (authorisation.action is AuthorisedAction.UNLOCK_SEAL) is not bool(authorisation.seal_id):
        raise _refused(RefusalCode.MALFORMED, "a seal goes with its unlocking, and with nothing else")
    return authorisation
