"""Decision and crossing: two different facts. The decision is made once; the crossing is confirmed by the barrier's inputs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from gate_agent.domain.check import CheckResult
from gate_agent.domain.declaration import Declaration, Direction
from gate_agent.domain.reasons import Reason
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
class PolicyAnswer:
    """Admission and corridor with at most five reasons each, the rules used and the rulebook's version."""

    admission: Admission
    admission_reasons: tuple[Reason, ...]
    corridor: Corridor
    corridor_reasons: tuple[Reason, ...]
    rules: tuple[RuleUse, ...] = ()
    rulebook_version: int = 0


@dataclass(frozen=True, slots=True)
class Officer:
    """Who authorised a guard's decision: officer id, role and the authorisation's id."""

    officer_id: str
    role: str
    authorisation_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Decision:
    """What is made durable before a barrier moves."""

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


@dataclass(frozen=True, slots=True)
class Crossing:
    """What is written when passage is confirmed, denied or stays undetermined. Only PASSED opens or closes a stay."""

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
