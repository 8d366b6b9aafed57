"""Decision and crossing: two different facts. The decision is made once; the crossing is confirmed by the barrier's inputs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from gate_agent.domain.agency import Agency, AgencyTask
from gate_agent.domain.check import CheckResult
from gate_agent.domain.declaration import Declaration, Direction, TravelMode
from gate_agent.domain.reasons import Reason
from gate_agent.domain.screening import Screening
from gate_agent.domain.seal import SealReport
from gate_agent.domain.selection import Selection
from gate_agent.domain.stay import NO_TERMS, StayTerms
from gate_agent.domain.travel_document import TravelDocument


class Admission(StrEnum):
    """The machine releases or refers; only a guard hands over to the second line."""

    RELEASE = "release"
    REFER = "refer"
    HAND_OVER = "hand_over"


class Corridor(StrEnum):
    """Customs risk corridor; independent of admission."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


class DecidedBy(StrEnum):
    """Who decided."""

    MACHINE = "machine"
    GUARD = "guard"


class Outcome(StrEnum):
    """How a transaction ended."""

    RELEASED = "released"
    REFERRED = "referred"
    HANDED_OVER = "handed_over"
    ABANDONED = "abandoned"
    FAULTED = "faulted"
    SUSPENDED = "suspended"


class PassageOutcome(StrEnum):
    """What the barrier's own inputs said after a release."""

    PASSED = "passed"
    NOT_PASSED = "not_passed"
    UNDETERMINED = "passage_undetermined"


@dataclass(frozen=True, slots=True)
class RuleUse:
    """A rule that took part in a decision."""

    rule_id: str
    effective_from: date
    certainty: str


@dataclass(frozen=True, slots=True)
class CorridorInputs:
    """What the corridor was decided from beside the lines of goods and cash; with it a decision can be computed again.

    `is_declared`: there was a declaration. What it named one by one (vehicles, phones, persons) is counted here.
    """

    mode: TravelMode
    seals: tuple[SealReport, ...] = ()
    screening: Screening | None = None
    is_declared: bool = False
    vehicles: int = 0
    phones: int = 0
    travellers: int = 1


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """Admission and corridor with at most five reasons each, the rules used and the rulebook's version.

    `tasks` is what waits at the desks after the passage, None where policy was not asked: then customs asks.
    `selection` is what decided on a random inspection, `inputs` what the corridor came from; None where policy was not asked.
    """

    admission: Admission
    admission_reasons: tuple[Reason, ...]
    corridor: Corridor
    corridor_reasons: tuple[Reason, ...]
    rules: tuple[RuleUse, ...] = ()
    rulebook_version: int = 0
    tasks: tuple[AgencyTask, ...] | None = None
    selection: Selection | None = None
    inputs: CorridorInputs | None = None

    @property
    def desk_tasks(self) -> tuple[AgencyTask, ...]:
        """The tasks that a passage opens; a corridor other than green that nobody gave any is for customs to ask about."""
        if self.tasks is not None:
            return self.tasks
        return () if self.corridor is Corridor.GREEN else (AgencyTask(Agency.CUSTOMS, self.corridor_reasons),)


@dataclass(frozen=True, slots=True)
class Officer:
    """Who authorised a guard's decision: officer id, role and the authorisation's id."""

    officer_id: str
    role: str
    authorisation_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Decision:
    """What is made durable before a barrier moves. `linked_to`: the transaction of the adult whom an under-age traveller crosses with."""

    decision_id: uuid.UUID
    transaction_id: uuid.UUID
    lane_id: int
    direction: Direction
    decided_at: datetime
    local_date: date
    decided_by: DecidedBy
    answer: PolicyAnswer
    checks: tuple[CheckResult, ...]
    document: TravelDocument | None
    declaration: Declaration | None
    officers: tuple[Officer, ...] = ()
    reason_text: str = ""
    software_ms: float | None = None
    step_ms: Mapping[str, float] = field(default_factory=dict)
    source_states: Mapping[str, str] = field(default_factory=dict)
    linked_to: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Crossing:
    """What is written when passage is confirmed, denied or stays undetermined. Only PASSED opens or closes a stay.

    `watchlist_version` and `watchlist_seen`: the lists that the holder was looked up on, and the keys of entries known then.
    `linked_to`: the transaction of the adult whom an under-age traveller crossed with, and who answers for the declaration.
    `receipt`: the signed code that the traveller was given.
    """

    crossing_id: uuid.UUID
    transaction_id: uuid.UUID
    decision_id: uuid.UUID
    lane_id: int
    direction: Direction
    occurred_at: datetime
    local_date: date
    passage: PassageOutcome
    document: TravelDocument | None
    declaration: Declaration | None
    corridor: Corridor
    watchlist_version: int = 0
    watchlist_seen: tuple[int, ...] = ()
    linked_to: uuid.UUID | None = None
    receipt: str = ""
    stay_terms: StayTerms = NO_TERMS
