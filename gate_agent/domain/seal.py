"""Electronic seals on declared goods: what a tracker said, normalised for every protocol."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SealState(StrEnum):
    """The last known condition of a seal."""

    INTACT = "intact"
    TAMPERED = "tampered"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SealReport:
    """The last report of one seal as received. `event` names what made it tampered, empty otherwise."""

    seal_id: str
    state: SealState
    event: str
    received_at: datetime
