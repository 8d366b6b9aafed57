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
