"""Codecs: bytes to messages and back, without clock, socket or unbounded memory; and the framing pieces that they share.

The same codec serves driver, twin, replay and fuzzing. A codec never raises on received bytes: what is no message comes out as `BadFrame`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from drivers.errors import FrameDamaged, FrameFault, FrameTooLong

Received = TypeVar("Received")
SentT_contra = TypeVar("SentT_contra", contravariant=True)

EXCERPT_BYTES = 64


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

    def __init__(self, reason: str = "bytes that are no packet", limit_bytes: int = 4096) -> None:
        """`limit_bytes`: noise that nothing ends is told in pieces of this size."""
        self._reason = reason
        self._limit_bytes = limit_bytes
        self._excerpt = bytearray()
        self._length_bytes = 0
        self.dropped_bytes = 0

    def add(self, noise: bytes | bytearray) -> list[BadFrame]:
        """Take bytes; return the pieces that are full."""
        full: list[BadFrame] = []
        while noise:
            piece, noise = self._split(noise)
            self._excerpt += piece[: EXCERPT_BYTES - len(self._excerpt)]
            self._length_bytes += len(piece)
            self.dropped_bytes += len(piece)
            if self._length_bytes >= self._limit_bytes:
                full += self.ended()
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

    def _split(self, noise: bytes | bytearray) -> tuple[bytes | bytearray, bytes | bytearray]:
        room = self._limit_bytes - self._length_bytes
        return noise[:room], noise[room:]


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
