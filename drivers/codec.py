"""Codecs: bytes to messages and back, without clock, socket or unbounded memory; and the framing pieces that they share.

The same codec serves driver, twin, replay and fuzzing. A codec never raises on received bytes: what is no message comes out as `BadFrame`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

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


@dataclass(frozen=True, slots=True)
class Frame:
    """The bytes between start and end marks."""

    content: bytes


class DelimitedFrames:
    """Cuts `start … end` frames. Bytes before a start mark are dropped and counted; without start mark a frame begins after the last end.

    `restart`: a new start mark inside a frame tears the frame before it (the device lost the end). At most `limit_bytes` are kept; a
    longer frame is dropped up to its end mark, its memory given back at once.
    """

    def __init__(self, start: bytes, end: bytes, limit_bytes: int, *, restart: bool = True) -> None:
        if not end:
            raise ValueError("an end mark is needed")
        self._start = start
        self._end = end
        self._limit_bytes = limit_bytes
        self._restart = restart and bool(start)
        self._buffer = bytearray()
        self._is_inside = not start
        self._overrun_bytes = 0
        self._head = b""
        self.dropped_bytes = 0

    @property
    def pending_bytes(self) -> int:
        """Bytes of an unfinished frame, kept or already dropped."""
        return len(self._buffer) + self._overrun_bytes

    def reset(self) -> None:
        """Forget an unfinished frame, as after a reconnection."""
        self._buffer.clear()
        self._is_inside = not self._start
        self._overrun_bytes = 0
        self._head = b""

    def feed(self, received: bytes) -> list[Frame | BadFrame]:
        """Return the frames that are complete after these bytes."""
        frames: list[Frame | BadFrame] = []
        step = max(self._limit_bytes, 4096)  # cut large chunks so that the buffer stays within limit + step
        for offset in range(0, len(received), step):
            self._buffer += received[offset : offset + step]
            self._cut(frames)
        return frames

    def _cut(self, frames: list[Frame | BadFrame]) -> None:
        while self._is_inside or self._seek_start():
            end = self._buffer.find(self._end)
            start = self._buffer.find(self._start) if self._restart else -1
            # The mark that is complete first wins, as it would byte by byte.
            ends_first = end >= 0 and (start < 0 or (end + len(self._end), end) <= (start + len(self._start), start))
            if ends_first:
                frames.append(self._finish(end, len(self._end)))
                self._is_inside = not self._start
            elif start >= 0:
                finished = self._finish(start, len(self._start))
                is_too_long = isinstance(finished, BadFrame)
                length = finished.length_bytes if isinstance(finished, BadFrame) else len(finished.content)
                excerpt = finished.excerpt if isinstance(finished, BadFrame) else finished.content[:EXCERPT_BYTES]
                frames.append(BadFrame("frame torn by a new start", length, excerpt, is_too_long=is_too_long))
            else:
                self._guard_limit()
                return

    def _seek_start(self) -> bool:
        position = self._buffer.find(self._start)
        if position < 0:
            kept = min(len(self._buffer), len(self._start) - 1)
            self.dropped_bytes += len(self._buffer) - kept
            del self._buffer[: len(self._buffer) - kept]
            return False
        self.dropped_bytes += position
        del self._buffer[: position + len(self._start)]
        self._is_inside = True
        return True

    def _finish(self, length: int, mark_bytes: int) -> Frame | BadFrame:
        body = bytes(self._buffer[:length])
        del self._buffer[: length + mark_bytes]
        length += self._overrun_bytes
        excerpt = self._head or body[:EXCERPT_BYTES]
        self._overrun_bytes = 0
        self._head = b""
        if length > self._limit_bytes:
            return BadFrame("frame too long", length, excerpt, is_too_long=True)
        return Frame(body)

    def _guard_limit(self) -> None:
        """Give back the memory of a frame that is too long already, keeping what may be the first bytes of a mark."""
        kept = max(len(self._end), len(self._start))
        if len(self._buffer) - kept > self._limit_bytes:
            self._head = self._head or bytes(self._buffer[:EXCERPT_BYTES])
            self._overrun_bytes += len(self._buffer) - kept
            del self._buffer[: len(self._buffer) - kept]
