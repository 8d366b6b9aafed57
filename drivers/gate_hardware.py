"""The vocabulary of doors: which there are, and what the gate hardware reports of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Door(StrEnum):
    """The two doors of a mantrap; a lane with one barrier has only EXIT."""

    ENTRANCE = "entrance"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class BarrierInputs:
    """All inputs of the gate hardware at one moment. Counters only grow (modulo 65536).

    `tamper`: the contact, or a door that opened without a release of ours. `fire` and `emergency_stop` are hard-wired contacts that
    act on the doors by themselves; software only observes them.
    """

    entrance_open: bool
    exit_open: bool
    occupancy: int
    entrance_passages: int
    exit_passages: int
    fire: bool
    tamper: bool
    emergency_stop: bool = False
