"""Sound in memory: WAV files of 16-bit samples, read strictly, made softer, written again.

RIFF WAVE (IBM/Microsoft 1991): `RIFF` size `WAVE`, then chunks of name, u32 LE size, content, padded to even sizes. A program that writes into a
pipe does not know its size and states a huge one: the samples then end where the content ends.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from drivers.speech.errors import RecordingRefused

SOUND_LIMIT_BYTES = 8 * 1024 * 1024  # three minutes of speech; no instruction comes near
_PCM = 1
_SAMPLE_BYTES = 2
_RATES_HZ = range(8_000, 48_001)
_HEADER = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")


@dataclass(frozen=True, slots=True)
class Sound:
    """Interleaved signed 16-bit little-endian samples."""

    rate_hz: int
    channels: int
    samples: bytes

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return len(self.samples) / (_SAMPLE_BYTES * self.channels * self.rate_hz)

    def level(self) -> float:
        """Return the root mean square of the samples, 0 (silence) to 1."""
        if not self.samples:
            return 0.0
        values = np.frombuffer(self.samples, "<i2").astype(np.float64)
        return float(np.sqrt(np.mean(values**2)) / 32768.0)

    def at(self, volume_ratio: float) -> Sound:
        """Return it at `volume_ratio` (0 to 1) of its amplitude."""
        if volume_ratio >= 1:
            return self
        softer = np.frombuffer(self.samples, "<i2") * max(volume_ratio, 0.0)
        return Sound(self.rate_hz, self.channels, softer.astype("<i2").tobytes())

    def first(self, seconds: float) -> Sound:
        """Return its beginning."""
        frame = _SAMPLE_BYTES * self.channels
        return Sound(self.rate_hz, self.channels, self.samples[: round(seconds * self.rate_hz) * frame])

    def wav(self) -> bytes:
        """Return it as a WAV file with the sizes that it has."""
        frame = _SAMPLE_BYTES * self.channels
        shape = _FORMAT.pack(_PCM, self.channels, self.rate_hz, self.rate_hz * frame, frame, 8 * _SAMPLE_BYTES)
        chunks = _CHUNK.pack(b"fmt ", len(shape)) + shape + _CHUNK.pack(b"data", len(self.samples)) + self.samples
        return _HEADER.pack(b"RIFF", 4 + len(chunks), b"WAVE") + chunks


def parse_wav(content: bytes) -> Sound:
    """Return the sound of a WAV file, or of what a program wrote into a pipe. Raises `RecordingRefused`."""
    if len(content) > SOUND_LIMIT_BYTES:
        raise RecordingRefused("the sound is too long")
    if len(content) < _HEADER.size or content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise RecordingRefused("this is no WAV file")
    shape: tuple[int, int] | None = None
    at = _HEADER.size
    while at + _CHUNK.size <= len(content):
        name, size = _CHUNK.unpack_from(content, at)
        at += _CHUNK.size
        if name == b"fmt " and at + _FORMAT.size <= len(content):
            shape = _shape(_FORMAT.unpack_from(content, at))
        elif name == b"data":
            if shape is None:
                raise RecordingRefused("the samples come before their format")
            whole = min(size, len(content) - at) // (_SAMPLE_BYTES * shape[1]) * _SAMPLE_BYTES * shape[1]
            if not whole:
                raise RecordingRefused("there is no sound in it")
            return Sound(*shape, content[at : at + whole])
        at += size + size % 2
    raise RecordingRefused("the file ends before its samples")


def _shape(fields: tuple[int, ...]) -> tuple[int, int]:
    kind, channels, rate_hz, _, frame, bits = fields
    if kind != _PCM or bits != 8 * _SAMPLE_BYTES or channels not in {1, 2} or frame != channels * _SAMPLE_BYTES:
        raise RecordingRefused("only 16-bit PCM with one or two channels is played")
    if rate_hz not in _RATES_HZ:
        raise RecordingRefused(f"{rate_hz} samples a second cannot be played")
    return rate_hz, channels
