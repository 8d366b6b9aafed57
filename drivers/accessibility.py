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


Accessibility = Spoken


class SpeakerDriver(Protocol):
    """A loudspeaker that says one thing at a time."""

    async def say(self, utterance: Utterance, volume_ratio: float = 1.0) -> None:
        """Say it; returns when it was said. Cancelling ends it at once. Raises `drivers.errors.DriverFault` and stays silent then."""
        ...
