"""The vocabulary of access control: badges, keys and the state of a reader at a staff door. None of it says anything about a traveller."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class BadgeFormat(StrEnum):
    """How a reader passes on what a badge holds."""

    RAW = "raw"
    WIEGAND = "wiegand"  # with parity bits, as on the old two wires


@dataclass(frozen=True, slots=True)
class BadgeRead:
    """A badge was read: `length_bits` bits, the first one the highest of `content`. Whose badge it is, is for others to say."""

    content: bytes
    length_bits: int
    format: BadgeFormat


@dataclass(frozen=True, slots=True)
class KeysPressed:
    """Keys of a keypad, as the reader passed them on."""

    keys: bytes


@dataclass(frozen=True, slots=True)
class AccessStatus:
    """The reader's own state: somebody opened or moved it, or its power supply failed."""

    tamper: bool
    power_lost: bool


class AccessLight(StrEnum):
    """What the reader's light shows."""

    OFF = "off"
    RED = "red"
    GREEN = "green"
    AMBER = "amber"


AccessPayload = BadgeRead | KeysPressed | AccessStatus


class AccessCommands(Protocol):
    """What a reader at a staff door can be told, besides what every driver offers. Faults are `drivers.errors.DriverFault`."""

    async def release(self, ttl_s: float) -> None:
        """Release the door's lock for a time that the reader itself ends; returns when it confirmed it."""
        ...

    async def light(self, light: AccessLight) -> None:
        """Have the reader's light show this."""
        ...

    async def beep(self, count: int = 1) -> None:
        """Have the reader beep so many times."""
        ...
