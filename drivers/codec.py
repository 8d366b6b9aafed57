"""Codecs: bytes to messages and back, without clock, socket or unbounded memory; and the framing pieces that they share.

The same codec serves driver, twin, replay and fuzzing. A codec never raises on received bytes: what is no message comes out as `BadFrame`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from drivers.errors import FrameDamaged, FrameFault, FrameTooLong

Received = TypeVar("Received")
SentT_contra = TypeVar("SentT_contra", contravariant=True)

EXCERPT_BYTES = 64
_CHUNK_BYTES = 4096


class Codec(Protocol[Received, SentT_contra]):
    """What every codec offers. `feed` byte by byte gives the same messages as at once."""

    def feed(self, received: bytes) -> list[Received]:
        """Return the messages that are complete after these bytes, in order."""
        ...

    def encode(self, message: SentT_contra) -> bytes:
        """Return the bytes of a message to the other side."""
        ...


@dataclass(frozen=True, slots=True)
class BadFrame:
    """Bytes that were dropped: why, how many, and their beginning (for the recording, never for the log)."""

    reason: str
    length_bytes: int
    excerpt: bytes = b""
    is_too_long: bool = False

    def fault(self) -> FrameFault:
        """Return the fault that records it."""
        kind = FrameTooLong if self.is_too_long else FrameDamaged
        return kind(f"{self.reason} ({self.length_bytes} bytes dropped)")


class Skipped:
    """Bytes that are no message, collected until a message (or silence) ends them, so that a noisy line is one `BadFrame` at a time."""

    def __init__(self, reason: str, limit_bytes: int = _CHUNK_BYTES) -> None:
        """`limit_bytes`: noise that nothing ends is told in pieces of this size."""
        self._reason = reason
        self._limit_bytes = limit_bytes
        self._excerpt = bytearray()
        self._length_bytes = 0
        self.dropped_bytes = 0

    def add(self, noise: bytes | bytearray) -> list[BadFrame]:
        """Take bytes; return the pieces that are full."""
        full: list[BadFrame] = []
        while self._length_bytes + len(noise) >= self._limit_bytes:
            room = self._limit_bytes - self._length_bytes
            self._collect(noise[:room])
            full += self.ended()
            noise = noise[room:]
        self._collect(noise)
        return full

    def ended(self) -> list[BadFrame]:
        """Return what was collected, if anything was."""
        bad = [BadFrame(self._reason, self._length_bytes, bytes(self._excerpt))] if self._length_bytes else []
        self.reset()
        return bad

    def reset(self) -> None:
        """Forget what was collected; what was counted stays counted."""
        self._length_bytes = 0
        self._excerpt.clear()

    def _collect(self, noise: bytes | bytearray) -> None:
        if len(self._excerpt) < EXCERPT_BYTES:
            self._excerpt += noise[: EXCERPT_BYTES - len(self._excerpt)]
        self._length_bytes += len(noise)
        self.dropped_bytes += len(noise)


class SteppingCodec(ABC, Generic[Received]):
    """Base of codecs that step over what is no message, so that the next whole one is found however the line began.

    What was stepped over comes out as one `BadFrame` before the message that ends it. A derived codec says what its buffer begins with.
    """

    def __init__(self, reason: str) -> None:
        """`reason`: what bytes that are no message are called."""
        self._skipped = Skipped(reason)
        self._buffer = bytearray()

    @abstractmethod
    def take(self, buffer: bytearray) -> tuple[int, Received | BadFrame | None] | None:
        """Return how many bytes the message at the beginning takes, and the message; no message: they are stepped over.

        None when more bytes are needed to tell. What is returned depends on the bytes alone that were looked at, never on where
        the buffer happens to end.
        """

    def reset(self) -> None:
        """Forget what is unfinished, as after a reconnection."""
        self._buffer.clear()
        self._skipped.reset()

    @property
    def dropped_bytes(self) -> int:
        """How many bytes were no message, in all."""
        return self._skipped.dropped_bytes

    def feed(self, received: bytes) -> list[Received | BadFrame]:
        """Return what is complete after these bytes."""
        messages: list[Received | BadFrame] = []
        for offset in range(0, len(received), _CHUNK_BYTES):
            self._buffer += received[offset : offset + _CHUNK_BYTES]
            self._cut(self.take, messages)
        return messages

    def silence(self) -> list[Received | BadFrame]:
        """Return what a silent line ends: whole messages behind a torn one, and one `BadFrame` for all that is none."""
        messages: list[Received | BadFrame] = []
        self._cut(lambda buffer: self.take(buffer) or (1, None), messages)
        return [*messages, *self._skipped.ended()]

    def _cut(
        self,
        take: Callable[[bytearray], tuple[int, Received | BadFrame | None] | None],
        messages: list[Received | BadFrame],
    ) -> None:
        """Take from the beginning until more bytes are needed. What is none is collected at once: noise comes byte by byte."""
        buffer, noise = self._buffer, bytearray()
        while buffer and (taken := take(buffer)) is not None:
            length, message = taken
            if message is None:
                noise += buffer[:length]
            else:
                messages += [*self._skipped.add(noise), *self._skipped.ended(), message]
                noise.clear()
            del buffer[:length]
        messages += self._skipped.add(noise)


class FoundMark(NamedTuple):
    """A start or end mark in a buffer. Sorts by where the mark is complete, so that the smallest is what came first on the wire."""

    after: int
    at: int
    name: str


def first_mark(buffer: bytearray, marks: Mapping[str, bytes]) -> FoundMark | None:
    """Return the mark that is complete first, as a reader byte by byte would meet it; empty marks are none. None when none is there."""
    found = [
        FoundMark(at + len(mark), at, name) for name, mark in marks.items() if mark and (at := buffer.find(mark)) >= 0
    ]
    return min(found, default=None)
