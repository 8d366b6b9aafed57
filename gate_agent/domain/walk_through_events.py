"""What can happen in a walk-through lane (events) and what it asks to be done (effects). Plain values; `domain.walk_through` gives them meaning."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum

from gate_agent.domain import events
from gate_agent.domain.crossing import Admission, DecidedBy, Officer, PassageOutcome, PolicyAnswer
from gate_agent.domain.reasons import Reason


class FaceStanding(StrEnum):
    """What the matcher says of one followed face; the words of `models.track_identity.Standing`."""

    UNPROVEN = "unproven"
    IDENTIFIED = "identified"
    CONTESTED = "contested"
    CONTRADICTED = "contradicted"
    EXHAUSTED = "exhausted"
    CONSUMED = "consumed"


@dataclass(frozen=True, slots=True)
class SeenFace:
    """One face in one frame. `proof` names the unbroken evidence; `transaction_id` whom it points to, proved only when IDENTIFIED."""

    track_id: int
    proof: int
    standing: FaceStanding
    transaction_id: uuid.UUID | None
    in_zone: bool


# Events ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A traveller was enrolled at the kiosk: every check but the face is done, and his reference is in the gallery."""

    transaction_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class FacesSeen:
    """All faces of one frame taken at `t_mono_s`."""

    t_mono_s: float
    faces: tuple[SeenFace, ...]


@dataclass(frozen=True, slots=True)
class SightLost:
    """Camera or matcher gives no answer: nobody is seen until the next frame."""


@dataclass(frozen=True, slots=True)
class ZoneChanged:
    """The barrier's inputs at one moment; `occupancy` counts bodies in the release zone, `exit_passages` only grows (mod 65536)."""

    exit_open: bool
    occupancy: int
    exit_passages: int
    fire: bool
    tamper: bool
    emergency_stop: bool = False


@dataclass(frozen=True, slots=True)
class PolicyAnswered:
    """Policy combined what is known of a traveller, his face included."""

    transaction_id: uuid.UUID
    answer: PolicyAnswer


@dataclass(frozen=True, slots=True)
class DecisionCommitted:
    """Decision number `number` of a transaction is on disk."""

    transaction_id: uuid.UUID
    number: int


@dataclass(frozen=True, slots=True)
class CommitFailed:
    """The store refused a record of a transaction."""

    transaction_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class StoreReturned:
    """The store takes records again."""


@dataclass(frozen=True, slots=True)
class EntryConsumed:
    """The gallery entry was used up at `t_mono_s` for the very proof that was decided on; `is_granted` False: that proof is gone."""

    transaction_id: uuid.UUID
    is_granted: bool
    t_mono_s: float


@dataclass(frozen=True, slots=True)
class ReleaseAnswered:
    """The barrier confirmed a release, or did not."""

    transaction_id: uuid.UUID
    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class CrossingCommitted:
    """The crossing record of a transaction is on disk."""

    transaction_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class PassageTimedOut:
    """Nobody used the release in time."""

    transaction_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class ExpectationTimedOut:
    """An enrolled traveller did not come."""

    transaction_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class GuardDecided:
    """A guard's verified decision about a referred traveller (release or hand over)."""

    transaction_id: uuid.UUID
    admission: Admission
    officers: tuple[Officer, ...]
    reason_code: str
    reason_text: str


@dataclass(frozen=True, slots=True)
class GuardCleared:
    """A guard dealt with whoever stood there without a transaction; the lane goes on."""


Event = (
    Enrolled
    | FacesSeen
    | SightLost
    | ZoneChanged
    | PolicyAnswered
    | DecisionCommitted
    | CommitFailed
    | StoreReturned
    | EntryConsumed
    | ReleaseAnswered
    | CrossingCommitted
    | PassageTimedOut
    | ExpectationTimedOut
    | GuardDecided
    | GuardCleared
)


# Effects --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AskPolicy:
    """Combine what is known of a traveller; `proof` is the face's evidence, None without any.

    With `referral` the answer can only be to refer, for these reasons first.
    """

    transaction_id: uuid.UUID
    proof: int | None
    referral: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class CommitDecision:
    """Make decision number `number` of a transaction durable; answers with DecisionCommitted or CommitFailed."""

    transaction_id: uuid.UUID
    number: int
    decided_by: DecidedBy
    answer: PolicyAnswer
    officers: tuple[Officer, ...] = ()
    reason_text: str = ""


@dataclass(frozen=True, slots=True)
class ConsumeEntry:
    """Use the gallery entry up for this proof; answers with EntryConsumed."""

    transaction_id: uuid.UUID
    proof: int


@dataclass(frozen=True, slots=True)
class OpenExit:
    """Release the exit for one passage of one traveller, with the lane's time to live."""

    transaction_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class SecureExit:
    """End a running release."""


@dataclass(frozen=True, slots=True)
class StartPassageTimer:
    """Start waiting for this traveller's passage."""

    transaction_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class CommitCrossing:
    """Make the crossing of a traveller durable; answers with CrossingCommitted or CommitFailed."""

    transaction_id: uuid.UUID
    passage: PassageOutcome


@dataclass(frozen=True, slots=True)
class CallGuard:
    """A guard has to act; None: on somebody of whom there is no transaction."""

    transaction_id: uuid.UUID | None
    reasons: tuple[Reason, ...]


# The same three effects as in the mantrap; closing also takes the traveller's reference out of the gallery.
RaiseAlarm = events.RaiseAlarm
ClearAlarm = events.ClearAlarm
CloseTransaction = events.CloseTransaction


Effect = (
    AskPolicy
    | CommitDecision
    | ConsumeEntry
    | OpenExit
    | SecureExit
    | StartPassageTimer
    | CommitCrossing
    | CallGuard
    | RaiseAlarm
    | ClearAlarm
    | CloseTransaction
)
