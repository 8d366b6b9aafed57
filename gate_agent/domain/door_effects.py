"""What the transaction machine asks of the doors."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DoorName(StrEnum):
    """The doors of a mantrap."""

    ENTRANCE = "entrance"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class OpenDoor:
    """Release one door for `count` passages with the lane's time to live."""

    door: DoorName
    count: int = 1


@dataclass(frozen=True, slots=True)
class SecureDoors:
    """End running releases."""


@dataclass(frozen=True, slots=True)
class LockDown:
    """End running releases and have the barrier refuse new ones."""


@dataclass(frozen=True, slots=True)
class LiftLockdown:
    """Have the barrier take releases again."""


DoorEffect = OpenDoor | SecureDoors | LockDown | LiftLockdown
