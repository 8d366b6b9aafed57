"""Where sound goes: to an ALSA device through `aplay`, or, for tests and the demo, into a folder as WAV files at the pace of a loudspeaker."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from drivers.errors import LinkAbsent
from drivers.speech.errors import PlaybackFailed, ProgramMissing
from drivers.speech.program import ProgramAbsent, ProgramFailed, run_program
from drivers.speech.sound import Sound

FOLDER = "folder:"
ALLOWANCE_S = 3.0
"""A card may begin late and hold a buffer: this much longer than the sound itself is no fault."""
_SILENCE = Sound(22_050, 1, bytes(2 * 220))
PART, WHOLE = ".part", ".wav"


class SoundOutput(Protocol):
    """Plays one sound at a time."""

    async def play(self, sound: Sound, name: str) -> None:
        """Play it to its end; `name` says what it is. Cancelling ends it at once. Raises `SpeechFault` or `LinkAbsent`."""
        ...

    async def check(self) -> None:
        """Find out whether something could be played now. Raises as `play` does."""
        ...


class AlsaOutput:
    """A sound card, through the program of ALSA that plays files."""

    def __init__(self, device: str, program: str = "aplay") -> None:
        self._command = (program, "-q", "-D", device, "-t", "wav", "-")

    async def play(self, sound: Sound, name: str) -> None:
        """Play; the card's own rate is ALSA's business."""
        try:
            await run_program(self._command, sound.wav(), sound.seconds + ALLOWANCE_S)
        except ProgramAbsent as absent:
            raise ProgramMissing(str(absent)) from absent
        except ProgramFailed as failed:
            raise PlaybackFailed(f"{name}: {failed}") from failed

    async def check(self) -> None:
        """Play a hundredth of a second of silence."""
        await self.play(_SILENCE, "silence")


class FolderOutput:
    """A folder that takes what was played, numbered in the order in which it began; the virtual twin of a loudspeaker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    async def play(self, sound: Sound, name: str) -> None:
        """Wait as long as it sounds, then leave it there; what was cut off is left as far as it came, and called a part."""
        await self.check()
        self._count += 1
        stem = f"{self._count:06d}-{name}"
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        is_whole = False
        try:
            await asyncio.sleep(sound.seconds)
            is_whole = True
        finally:
            played = sound if is_whole else sound.first(min(loop.time() - begun_s, sound.seconds))
            self._leave(stem, played.wav(), is_whole=is_whole)

    async def check(self) -> None:
        """Look whether the folder is there."""
        if not self._folder.is_dir():
            raise LinkAbsent(f"{self._folder} is no folder")

    def _leave(self, stem: str, content: bytes, *, is_whole: bool) -> None:
        try:
            unfinished = self._folder / (stem + ".writing")
            unfinished.write_bytes(content)
            unfinished.rename(self._folder / (stem + (WHOLE if is_whole else PART)))
        except OSError as error:
            raise LinkAbsent(f"{self._folder}: {error.strerror}") from error


def output_of(value: str) -> SoundOutput:
    """Return the output that an option names: an ALSA device, or `folder:PATH`."""
    if value.startswith(FOLDER):
        return FolderOutput(Path(value.removeprefix(FOLDER)))
    return AlsaOutput(value)
