"""Devices for travellers who need them: what they tell (payloads of `drivers.contracts.DeviceEvent`) and what they can be asked to do.

None of these devices decides anything, and none of their words, presses or moves says how a check stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class SpeechSource(StrEnum):
    """Where the words came from."""

    SYNTHESISED = "synthesised"
    RECORDED = "recorded"


@dataclass(frozen=True, slots=True)
class Utterance:
    """Words to be said. `key` names them (`instruction.enter`), `language` is a tag as in the settings (`uz-Latn`)."""

    key: str
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """A speaker has said `key`; `seconds` is how long it sounded, less than the whole when something newer cut it off."""

    key: str
    language: str
    source: SpeechSource
    seconds: float
    is_whole: bool


class LiftDirection(StrEnum):
    """Which way a lift moves."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class LiftReported:
    """How a lift stands. `moving`: which way it is being moved, None: it stands. `is_stopped`: its own stop contact forbids moving."""

    moving: LiftDirection | None
    is_at_upper_limit: bool
    is_at_lower_limit: bool
    is_stopped: bool


@dataclass(frozen=True, slots=True)
class HelpPressed:
    """Somebody pressed the help button. What it is for, a person finds out; nothing is held against whoever pressed it."""


@dataclass(frozen=True, slots=True)
class IntercomReported:
    """Whether somebody speaks through the intercom of a help point."""

    is_active: bool


Accessibility = Spoken | LiftReported | HelpPressed | IntercomReported


class SpeakerDriver(Protocol):
    """A loudspeaker that says one thing at a time."""

    async def say(self, utterance: Utterance, volume_ratio: float = 1.0) -> None:
        """Say it; returns when it was said. Cancelling ends it at once. Raises `drivers.errors.DriverFault` and stays silent then."""
        ...


class CameraLiftDriver(Protocol):
    """A lift that carries the lane's camera."""

    async def move(self, direction: LiftDirection, seconds: float) -> LiftReported:
        """Move for at most `seconds` or to the limit; returns how it stands. Cancelling stops it. Raises `drivers.errors.DriverFault`."""
        ...

    def stop(self) -> None:
        """End a running move at once."""
        ...


class HelpPointDriver(Protocol):
    """A help button with an intercom."""

    async def call(self) -> None:
        """Make the intercom call the guards' station. Raises `drivers.errors.DriverFault`, `drivers.contracts.Unsupported` without one."""
        ...
