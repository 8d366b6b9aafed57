"""Alarms: raised and cleared by their owner, shown only when a guard must do something (ISA-18.2)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gate_agent.domain.reasons import Reason


class AlarmPriority(StrEnum):
    """Safety first; aim is 80 / 15 / 5 per cent low / medium / high."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm of one owner. `lane_id` 0 means the whole gate."""

    alarm_id: uuid.UUID
    lane_id: int
    priority: AlarmPriority
    reason: Reason
    raised_at: datetime
    cleared_at: datetime | None = None
    acknowledged_by: str = ""
