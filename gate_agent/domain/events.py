"""What can happen to a transaction (events) and what it asks to be done (effects). Plain values; `domain.transaction` gives them meaning."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum

from gate_agent.domain.check import CheckResult
from gate_agent.domain.crossing import Admission, DecidedBy, Officer, Outcome, PassageOutcome, PolicyAnswer
from gate_agent.domain.document_events import DocumentEffect, DocumentEvent
from gate_agent.domain.door_effects import DoorEffect, DoorName
from gate_agent.domain.party_events import PartyEffect, PartyEvent
from gate_agent.domain.reasons import Reason, ReasonCode


class Step(StrEnum):
    """Steps that a device fault can abort; each is repeated once, then the guard is called."""

    DOCUMENT = "document"
    CHIP = "chip"
    PAGE = "page"
    REFERENCE = "reference"
    FACE = "face"


class Timer(StrEnum):
    """Timers the machine starts; the lane's settings say how long each runs."""

    IDLE = "idle"
    CHIP = "chip"
    INSPECTION = "inspection"
    ENTRY = "entry"
    PASSAGE = "passage"
    LEAVE = "leave"


# Events ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DocumentPresented:
    """A document lies on the reader. `transaction_id` is used when it begins a transaction."""

    transaction_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class DocumentRemoved:
    """The document left the reader."""


@dataclass(frozen=True, slots=True)
class MrzChecked:
    """One read of the machine readable zone was parsed; equal `reading_key` means the same lines."""

    reading_key: str
    result: CheckResult


@dataclass(frozen=True, slots=True)
class ReferenceReady:
    """The reference portrait was decoded and holds one face."""


@dataclass(frozen=True, slots=True)
class ReferenceDropped:
    """The reference came with a document that could not be read, and another presentation could: it has to come again."""


@dataclass(frozen=True, slots=True)
class DocumentChanged:
    """Another document was read than the one that this transaction is about."""


@dataclass(frozen=True, slots=True)
class TokenPresented:
    """A declaration token is being verified. It begins a transaction when none runs."""

    transaction_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class CheckCompleted:
    """A check terminated (or was aborted for good)."""

    result: CheckResult


@dataclass(frozen=True, slots=True)
class ChecksCompleted:
    """Checks that one step answered together, so that none is judged without the others."""

    results: tuple[CheckResult, ...]


@dataclass(frozen=True, slots=True)
class NotServed:
    """The traveller cannot be served here (family with small children, minor alone, opt-out)."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class StepAborted:
    """A device failed in mid-step; says nothing about the traveller."""

    step: Step
    reason: Reason


@dataclass(frozen=True, slots=True)
class HelpRequested:
    """The traveller pressed the help button."""

    transaction_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class MoreTimeRequested:
    """The traveller asked for more time."""


@dataclass(frozen=True, slots=True)
class BarrierChanged:
    """The barrier's inputs at one moment. `transaction_id` is used when an unexpected person begins a transaction."""

    transaction_id: uuid.UUID
    entrance_open: bool
    exit_open: bool
    occupancy: int
    entrance_passages: int
    exit_passages: int
    fire: bool
    tamper: bool
    emergency_stop: bool = False
    irregularities: frozenset[ReasonCode] = frozenset()


@dataclass(frozen=True, slots=True)
class PolicyAnswered:
    """Policy combined what is known."""

    answer: PolicyAnswer


@dataclass(frozen=True, slots=True)
class EntranceCommitted:
    """The permit to enter is on disk."""


@dataclass(frozen=True, slots=True)
class DecisionCommitted:
    """Decision number `number` of this transaction is on disk."""

    number: int


@dataclass(frozen=True, slots=True)
class CommitFailed:
    """The store refused a record of this transaction."""


@dataclass(frozen=True, slots=True)
class CrossingCommitted:
    """The crossing record is on disk."""


@dataclass(frozen=True, slots=True)
class ReleaseConfirmed:
    """The barrier confirmed a release command."""

    door: DoorName


@dataclass(frozen=True, slots=True)
class ReleaseFailed:
    """The barrier did not confirm a release command."""

    door: DoorName


@dataclass(frozen=True, slots=True)
class GuardDecided:
    """A guard's verified decision about this transaction."""

    transaction_id: uuid.UUID
    admission: Admission
    officers: tuple[Officer, ...]
    reason_code: str
    reason_text: str


@dataclass(frozen=True, slots=True)
class TimerExpired:
    """A timer that this transaction started ran out."""

    timer: Timer
    transaction_id: uuid.UUID | None


@dataclass(frozen=True, slots=True)
class Hold:
    """The lane must not begin new transactions for this cause."""

    cause: ReasonCode


@dataclass(frozen=True, slots=True)
class Unhold:
    """The cause is gone."""

    cause: ReasonCode


@dataclass(frozen=True, slots=True)
class LockdownOrdered:
    """An officer ordered a lockdown: no door is released until it is lifted."""


@dataclass(frozen=True, slots=True)
class LockdownLifted:
    """An officer lifted the lockdown."""


Event = (
    DocumentPresented
    | DocumentRemoved
    | MrzChecked
    | ReferenceReady
    | ReferenceDropped
    | DocumentChanged
    | TokenPresented
    | CheckCompleted
    | ChecksCompleted
    | NotServed
    | StepAborted
    | HelpRequested
    | MoreTimeRequested
    | BarrierChanged
    | PolicyAnswered
    | EntranceCommitted
    | DecisionCommitted
    | CommitFailed
    | CrossingCommitted
    | ReleaseConfirmed
    | ReleaseFailed
    | GuardDecided
    | TimerExpired
    | Hold
    | Unhold
    | LockdownOrdered
    | LockdownLifted
    | DocumentEvent
    | PartyEvent
)


# Effects --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BeginTransaction:
    """Bind the lane to a new transaction."""

    transaction_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class ReadDocumentAgain:
    """Ask the reader for another read of the same document."""


@dataclass(frozen=True, slots=True)
class StartFaceCapture:
    """Acquire the biometric probe and compare it with the reference."""


@dataclass(frozen=True, slots=True)
class StopFaceCapture:
    """End a running acquisition."""


@dataclass(frozen=True, slots=True)
class AskPolicy:
    """Combine what is known; with `referral` the answer can only be to refer, for these reasons first."""

    referral: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class CommitEntrance:
    """Make the permit to enter durable."""


@dataclass(frozen=True, slots=True)
class CommitDecision:
    """Make decision number `number` durable; answers with DecisionCommitted or CommitFailed."""

    number: int
    decided_by: DecidedBy
    answer: PolicyAnswer
    officers: tuple[Officer, ...] = ()
    reason_text: str = ""


@dataclass(frozen=True, slots=True)
class CommitCrossing:
    """Make the crossing durable; answers with CrossingCommitted or CommitFailed."""

    passage: PassageOutcome


@dataclass(frozen=True, slots=True)
class StartTimer:
    """(Re)start a timer."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class StopTimer:
    """Stop a timer."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class CallGuard:
    """A guard has to act on this transaction."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class RaiseAlarm:
    """A guard has to know, whatever becomes of the transaction."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class ClearAlarm:
    """The cause of an alarm is gone."""

    code: ReasonCode


@dataclass(frozen=True, slots=True)
class CloseTransaction:
    """The transaction ended: destroy what was borrowed and free the lane."""

    transaction_id: uuid.UUID
    outcome: Outcome
    decided_by: DecidedBy


Effect = (
    BeginTransaction
    | ReadDocumentAgain
    | StartFaceCapture
    | StopFaceCapture
    | AskPolicy
    | CommitEntrance
    | CommitDecision
    | CommitCrossing
    | DoorEffect
    | StartTimer
    | StopTimer
    | CallGuard
    | RaiseAlarm
    | ClearAlarm
    | CloseTransaction
    | DocumentEffect
    | PartyEffect
)
