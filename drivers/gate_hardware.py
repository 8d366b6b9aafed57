"""The vocabulary of doors: which there are, and what the gate hardware reports of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Door(StrEnum):
    """The two doors of a mantrap; a lane with one barrier has only EXIT."""

    ENTRANCE = "entrance"
    EXIT = "exit"


class Irregularity(StrEnum):
    """What happened at a door that no release of ours explains."""

    DOOR_FORCED = "door_forced"
    PASSAGE_WITHOUT_RELEASE = "passage_without_release"
    TAILGATING = "tailgating"  # more passages than were released
    WRONG_WAY = "wrong_way"


class GateSignal(StrEnum):
    """What lights and sounder tell people at the gate."""

    CLOSED = "closed"  # red at both doors
    ENTER = "enter"  # green at the entrance
    LEAVE = "leave"  # green at the exit
    ALARM = "alarm"  # red at both doors, and the sounder
    EVACUATE = "evacuate"  # green at both doors; the building has an alarm of its own


@dataclass(frozen=True, slots=True)
class BarrierInputs:
    """All inputs of the gate hardware at one moment. Counters only grow (modulo 65536).

    `fire` and `emergency_stop` are hard-wired contacts that act on the doors by themselves; software only observes them. The `back`
    counters count passages against the direction, where the hardware tells them apart. `irregularities` is what the driver makes of
    contacts, counters and its own releases; each stands for a moment.
    """

    entrance_open: bool
    exit_open: bool
    occupancy: int
    entrance_passages: int
    exit_passages: int
    fire: bool
    tamper: bool
    emergency_stop: bool = False
    entrance_back_passages: int = 0
    exit_back_passages: int = 0
    irregularities: tuple[Irregularity, ...] = ()
