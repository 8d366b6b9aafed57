"""`recorded_speaker`: instructions as a person recorded them, one WAV file for each language and instruction.

What is not recorded is not said, and is a fault; `egate check-config` compares the folder with everything that the traveller's screen can show.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from drivers.accessibility import SpeechSource, Utterance
from drivers.contracts import Clock, EventSink
from drivers.speech.sound import Sound
from drivers.speech.speaker import Speaker, SpeakerOptions


class RecordedOptions(SpeakerOptions):
    """Options of `recorded_speaker`."""

    recordings: str = Field(
        min_length=1, description="Folder of recordings, such as `uz-Latn/instruction.enter.wav` in it."
    )


class RecordedSpeaker(Speaker):
    """A supervised speaker."""

    async def sound_of(self, utterance: Utterance) -> tuple[Sound, SpeechSource]:
        """Return the recording."""
        return await self.recorded(utterance), SpeechSource.RECORDED


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> RecordedSpeaker:
    """Return the driver. Raises `OptionsRefused`."""
    accepted = RecordedOptions.read(name, options)
    return RecordedSpeaker(name, accepted, accepted.recordings, sink, clock)
