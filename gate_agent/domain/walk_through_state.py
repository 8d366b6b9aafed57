"""What the walk-through machine remembers: every traveller expected now, what is seen, and who stands before the exit."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gate_agent.domain.crossing import DecidedBy, PassageOutcome, PolicyAnswer
from gate_agent.domain.reasons import Reason
from gate_agent.domain.walk_through_events import CommitDecision, FaceStanding, SeenFace


class TravellerPhase(StrEnum):
    """Where one enrolled traveller stands. A closed transaction is forgotten."""

    EXPECTED = "expected"
    SEEN = "seen"  # some face points to him
    IDENTIFIED = "identified"  # one face is proved to be his, and no other
    DECIDING = "deciding"  # policy is asked, or its answer is being made durable
    DECIDED = "decided"  # the release is durable; the gallery entry is being used up
    RELEASED = "released"
    PASSED = "passed"
    NOT_PASSED = "not_passed"
    REFERRED = "referred"
    HANDED_OVER = "handed_over"


APPROACHING = frozenset({TravellerPhase.EXPECTED, TravellerPhase.SEEN, TravellerPhase.IDENTIFIED})


@dataclass(frozen=True, slots=True)
class WalkThroughRules:
    """Patience and limits, in seconds of the frames' own time."""

    patience_s: float = 6.0
    """How long somebody may stand in the zone unrecognised, or several people together, before the guard is called."""
    sight_age_s: float = 1.0
    """Oldest frame that still says who stands there when the door is about to open."""


@dataclass(frozen=True, slots=True)
class Traveller:
    """One enrolled traveller. `proof` is the face's evidence that he is decided on by."""

    transaction_id: uuid.UUID
    phase: TravellerPhase = TravellerPhase.EXPECTED
    proof: int | None = None
    referral: tuple[Reason, ...] = ()  # why the machine can only refer him
    decision_number: int = 0
    pending: CommitDecision | None = None
    answer: PolicyAnswer | None = None
    decided_by: DecidedBy = DecidedBy.MACHINE
    release_unsettled: bool = False
    exit_baseline: int = 0
    exit_was_open: bool = False
    passage: PassageOutcome | None = None  # a crossing that is being made durable


@dataclass(frozen=True, slots=True)
class LaneState:
    """Everything the machine knows. `active` is the one traveller between his decision and the end of his transaction."""

    travellers: Mapping[uuid.UUID, Traveller] = field(default_factory=dict)
    active: uuid.UUID | None = None
    unknown_referred: bool = False  # a guard was called to somebody without a transaction
    faces: tuple[SeenFace, ...] = ()
    seen_s: float = float("-inf")
    waiting_since_s: float | None = None  # since when somebody stands in the zone whom nothing can be decided on
    leaving_proof: int | None = None  # the face of the traveller who passed last, perhaps still in view
    occupancy: int = 0
    exit_open: bool = False
    exit_passages: int = 0
    fire: bool = False
    emergency_stop: bool = False
    tamper: bool = False
    store_fault: bool = False

    @property
    def zone(self) -> tuple[SeenFace, ...]:
        """The faces in the release zone."""
        return tuple(face for face in self.faces if face.in_zone)

    @property
    def proven(self) -> tuple[SeenFace, ...]:
        """The faces that somebody's identity is proved for."""
        return tuple(face for face in self.faces if face.standing is FaceStanding.IDENTIFIED)

    @property
    def is_stopped(self) -> bool:
        """True while the gate hardware says that nobody may be released."""
        return self.fire or self.emergency_stop or self.tamper

    @property
    def is_shut(self) -> bool:
        """True while nobody may be decided on: one person at a time, and no release beside an open matter."""
        return self.active is not None or self.unknown_referred or self.is_stopped or self.store_fault

    def may_pass(self, traveller: Traveller) -> bool:
        """Tell whether exactly this traveller, alone, by the very proof that was decided on, stands before the exit now."""
        zone = self.zone
        return (
            len(zone) == 1
            and self.occupancy == 1
            and not self.is_stopped
            and traveller.proof is not None
            and zone[0].proof == traveller.proof
            and zone[0].standing is FaceStanding.IDENTIFIED
            and zone[0].transaction_id == traveller.transaction_id
            and sum(face.transaction_id == traveller.transaction_id for face in self.proven) == 1
        )
