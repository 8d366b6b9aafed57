"""What remains of a transaction on the console: how it ended, without the traveller."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gate_agent.clock import Clock
from gate_agent.domain import events as ev
from gate_agent.domain.crossing import Corridor, DecidedBy, Outcome
from gate_agent.domain.reasons import Reason
from gate_agent.lane.borrowed import Borrowed
from gate_agent.settings import LaneSettings

RECENT = 50
"""How many of the last transactions a lane remembers."""


@dataclass(frozen=True, slots=True)
class TransactionSummary:
    """The end of one transaction; no name, number or image."""

    transaction_id: uuid.UUID
    lane_id: int
    outcome: Outcome
    decided_by: DecidedBy
    corridor: Corridor | None
    reasons: tuple[Reason, ...]
    begun_at: datetime
    closed_at: datetime
    software_ms: float | None
    step_ms: Mapping[str, float]

    @classmethod
    def of(cls, lane: LaneSettings, borrowed: Borrowed, end: ev.CloseTransaction, clock: Clock) -> TransactionSummary:
        """Summarise a transaction that closes now."""
        return cls(
            transaction_id=end.transaction_id,
            lane_id=lane.lane_id,
            outcome=end.outcome,
            decided_by=end.decided_by,
            corridor=borrowed.answer.corridor if borrowed.answer else None,
            reasons=borrowed.answer.admission_reasons + borrowed.answer.corridor_reasons if borrowed.answer else (),
            begun_at=borrowed.begun_at,
            closed_at=clock.now(),
            software_ms=borrowed.software_ms if end.decided_by is DecidedBy.MACHINE else None,
            step_ms=dict(borrowed.step_ms),
        )
