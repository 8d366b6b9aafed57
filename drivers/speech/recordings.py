"""Recordings of instructions: `FOLDER/LANGUAGE/KEY.wav`, such as `uz-Latn/instruction.enter.wav`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.speech.errors import RecordingRefused
from drivers.speech.sound import SOUND_LIMIT_BYTES, Sound, parse_wav

_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class Recordings:
    """A folder of recordings. Reading blocks: call from a thread."""

    folder: Path

    def read(self, language: str, key: str) -> Sound:
        """Return one recording. Raises `RecordingRefused` naming the file."""
        if _NAME.fullmatch(language) is None or _NAME.fullmatch(key) is None:
            raise RecordingRefused(f"{language}/{key} is no name of a recording")
        path = self.folder / language / f"{key}.wav"
        try:
            with path.open("rb") as stream:
                content = stream.read(SOUND_LIMIT_BYTES + 1)
        except OSError as error:
            raise RecordingRefused(f"{path} cannot be read: {error.strerror}") from error
        try:
            return parse_wav(content)
        except RecordingRefused as refused:
            raise RecordingRefused(f"{path}: {refused}") from refused

    def refusals(self, languages: Iterable[str], keys: Iterable[str]) -> Iterator[str]:
        """Yield what is wrong with those that are needed, one sentence each; nothing when the folder is complete."""
        wanted = tuple(keys)
        for language in languages:
            for key in wanted:
                try:
                    self.read(language, key)
                except RecordingRefused as refused:
                    yield str(refused)
