"""What both speakers share: one utterance at a time, the sound card looked after, faults reported, and silence instead of a wrong language."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from pathlib import Path

from pydantic import Field

from drivers.accessibility import SpeechSource, Spoken, Utterance
from drivers.contracts import Clock, DeviceClass, DeviceState, EventSink
from drivers.errors import DriverFault
from drivers.options import Options
from drivers.reporter import Reporter
from drivers.speech.errors import SpeechFault, VoiceMissing
from drivers.speech.output import output_of
from drivers.speech.recordings import Recordings
from drivers.speech.sound import Sound


class SpeakerOptions(Options):
    """What every speaker has."""

    output: str = Field(
        "default",
        min_length=1,
        description="ALSA device that `aplay -L` lists; `folder:PATH` leaves WAV files there instead, for tests and demonstrations.",
    )
    volume_percent: int = Field(100, ge=1, le=100, description="Loudest volume of this speaker.")
    check_s: float = Field(30.0, gt=0, le=3600, description="Pause between two looks whether the sound card is there.")


class Speaker(ABC):
    """Base of a speaker; derived classes say where the sound of an utterance comes from."""

    device_class = DeviceClass.SPEAKER
    capabilities = frozenset({"say"})
    events: frozenset[type] = frozenset({Spoken})

    def __init__(self, name: str, options: SpeakerOptions, recordings: str, sink: EventSink, clock: Clock) -> None:
        """Take options; `recordings` is a folder of recordings, empty for none."""
        self.name = name
        self.reporter = Reporter(name, sink, clock)
        self._options = options
        self._output = output_of(options.output)
        self._recordings = Recordings(Path(recordings)) if recordings else None
        self._turn = asyncio.Lock()

    @property
    def state(self) -> DeviceState:
        """The current state."""
        return self.reporter.state

    @abstractmethod
    async def sound_of(self, utterance: Utterance) -> tuple[Sound, SpeechSource]:
        """Return how it sounds. Raises `SpeechFault`."""

    async def look(self) -> None:  # noqa: B027 - a hook that recorded speech leaves out
        """Look for whatever else the speaker needs. Raises `DriverFault`."""

    async def run(self) -> None:
        """Look after the sound card until cancelled."""
        self.reporter.change(DeviceState.STARTING)
        while True:
            try:
                async with self._turn:  # a card that takes one sound at a time is busy with ours
                    await self._output.check()
                await self.look()
            except DriverFault as fault:
                self._tell(fault)
            else:
                if self.state is not DeviceState.READY:
                    self.reporter.change(DeviceState.READY)
            await asyncio.sleep(self._options.check_s)

    async def say(self, utterance: Utterance, volume_ratio: float = 1.0) -> None:
        """Say it; returns when it was said. Cancelling ends it at once. Raises `DriverFault`, and nothing is heard then.

        Whoever speaks next waits for its turn; nothing is said over anything else.
        """
        async with self._turn:
            try:
                sound, source = await self.sound_of(utterance)
                await self._play(utterance, sound.at(volume_ratio * self._options.volume_percent / 100), source)
            except DriverFault as fault:
                self._tell(fault)
                raise
        if self.state is not DeviceState.READY:
            self.reporter.change(DeviceState.READY)
        self.reporter.clear()

    async def _play(self, utterance: Utterance, sound: Sound, source: SpeechSource) -> None:
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        try:
            await self._output.play(sound, f"{utterance.language}-{utterance.key}")
        except asyncio.CancelledError:
            seconds = min(loop.time() - begun_s, sound.seconds)
            self.reporter.emit(Spoken(utterance.key, utterance.language, source, seconds, is_whole=False))
            raise
        self.reporter.emit(Spoken(utterance.key, utterance.language, source, sound.seconds, is_whole=True))

    async def recorded(self, utterance: Utterance) -> Sound:
        """Return the recording of it. Raises `VoiceMissing` without a folder, `RecordingRefused`."""
        if self._recordings is None:
            raise VoiceMissing(f"{self.name} has neither a voice nor recordings for {utterance.language}")
        return await asyncio.to_thread(self._recordings.read, utterance.language, utterance.key)

    def _tell(self, fault: DriverFault) -> None:
        """Record a fault of one utterance; one of the device changes its state."""
        if isinstance(fault, SpeechFault) and fault.state is DeviceState.READY:
            self.reporter.record(fault)
        else:
            self.reporter.change(fault.state, fault)
