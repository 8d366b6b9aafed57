"""The one codec of all tracker protocols, sans-IO: bytes of a connection to decoded frames, and the answers they are owed.

A protocol brings two pure functions: `measure` says how long the frame at the start of a buffer is, `decode` says what one whole frame
means. Everything else is here: cutting the stream, bounded memory, garbage, and the identity that belongs to the connection when frames
carry none. The same bytes give the same messages however they are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, Protocol

from drivers.codec import EXCERPT_BYTES, BadFrame
from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import DecodedFrame

FRAME_LIMIT_BYTES = 2048
"""Longest frame of a protocol that names no other limit."""

GARBAGE_LIMIT_BYTES = 1024
"""Garbage is told in pieces of at most so many bytes."""

Measure = Callable[[bytearray], int | None]
"""Size of the frame at the start of a non-empty buffer; 0: none starts here; None: more bytes are needed to tell; below 0: so many bytes
that mean nothing, such as line ends, are passed over.

What it says of a beginning must hold whatever comes after, or cutting the stream elsewhere would change the frames.
"""


class FrameStream:
    """Cuts a byte stream into whole frames and the garbage between them. A start that is none costs one byte."""

    def __init__(
        self,
        measure: Measure,
        unwrap: Callable[[bytes], bytes] = bytes,
        *,
        limit_bytes: int = FRAME_LIMIT_BYTES,
        shared_ends: bytes = b"",
    ) -> None:
        """`shared_ends`: last bytes of frames that may be the first of the next one; they stay in the buffer."""
        self.dropped_bytes = 0
        self._shared_ends = shared_ends
        self._measure = measure
        self._unwrap = unwrap
        self._limit_bytes = limit_bytes
        self._pending = bytearray()
        self._garbage_bytes = 0
        self._garbage = bytearray()

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return len(self._pending)

    def feed(self, received: bytes) -> list[bytes | BadFrame]:
        """Take bytes as they came; return the frames that are complete now, un-escaped, oldest first, with the garbage before them."""
        return list(self.cut(received))

    def cut(self, received: bytes) -> Iterator[bytes | BadFrame]:
        """Yield what `feed` returns, each before the next one is measured: a frame may change how those after it are read. Take all of it."""
        pending = self._pending
        pending += received
        items: list[bytes | BadFrame] = []
        while pending:
            size = self._measure(pending)
            if size is None and len(pending) < self._limit_bytes:
                break
            if size is None or size > self._limit_bytes or size == 0:
                self._drop(items)
                continue
            if size < 0:
                del pending[:-size]
                continue
            if size > len(pending):
                break
            self._tell_garbage(items)
            frame = bytes(pending[:size])
            items.append(self._unwrap(frame))
            del pending[: size - 1 if frame[-1] in self._shared_ends else size]
            yield from items
            items.clear()
        yield from items

    def frames(self, received: bytes) -> list[bytes]:
        """Return only the frames of `feed`."""
        return [item for item in self.feed(received) if isinstance(item, bytes)]

    def _drop(self, items: list[bytes | BadFrame]) -> None:
        if len(self._garbage) < EXCERPT_BYTES:
            self._garbage.append(self._pending[0])
        del self._pending[0]
        self.dropped_bytes += 1
        self._garbage_bytes += 1
        if self._garbage_bytes == GARBAGE_LIMIT_BYTES:
            self._tell_garbage(items)

    def _tell_garbage(self, items: list[bytes | BadFrame]) -> None:
        if self._garbage_bytes:
            items.append(BadFrame("no frame starts here", self._garbage_bytes, bytes(self._garbage)))
            self._garbage_bytes = 0
            self._garbage.clear()


class Heard(NamedTuple):
    """One frame that was understood: its un-escaped bytes and what they say."""

    frame: bytes
    decoded: DecodedFrame


class ConnectionMemory(Protocol):
    """What a connection remembers: messages that come in parts, and how its seals are spoken to."""

    @property
    def is_waiting(self) -> bool:
        """Whether parts are missing."""
        ...

    def at(self, now_s: float) -> None:
        """Say what time it is."""
        ...

    def overdue(self) -> list[DecodedFrame]:
        """Return what is owed for parts that did not come."""
        ...

    def unlock(self, seal_id: str, serial: int) -> bytes | None:
        """Return the command that unlocks a seal heard on this connection; None: its model has none that is known."""
        ...


class SealCodec:
    """The codec of one connection. `feed` never raises on received bytes: what cannot be used comes out as `BadFrame`."""

    def __init__(
        self, stream: FrameStream, decode: Callable[[bytes], DecodedFrame], memory: ConnectionMemory | None = None
    ) -> None:
        """`memory`: what the connection remembers that has to do with time, where its protocol has such."""
        self.dropped_bytes = 0
        self._memory = memory
        self._stream = stream
        self._decode = decode
        self._identity = ""
        self._has_login = False

    @property
    def is_waiting(self) -> bool:
        """Whether something is unfinished, so that `overdue` has to be asked now and then."""
        return self._memory is not None and self._memory.is_waiting

    def overdue(self, now_s: float) -> list[Heard]:
        """Return what is owed for parts that did not come: frames to send, and events of what was given up."""
        if self._memory is None:
            return []
        self._memory.at(now_s)
        return [Heard(b"", decoded) for decoded in self._memory.overdue()]

    def unlock(self, seal_id: str, serial: int) -> bytes | None:
        """Return the command that unlocks a seal; None where no document shows one."""
        return self._memory.unlock(seal_id, serial) if self._memory is not None else None

    def feed(self, received: bytes, now_s: float = 0.0) -> list[Heard | BadFrame]:
        """Return what is complete after these bytes, in order. `now_s` only grows; it matters where messages come in parts."""
        if self._memory is not None:
            self._memory.at(now_s)
        heard: list[Heard | BadFrame] = []
        before = self._stream.dropped_bytes
        for item in self._stream.cut(received):
            if isinstance(item, BadFrame):
                heard.append(item)
                continue
            try:
                heard.append(Heard(item, self._identified(self._decode(item))))
            except SealFrameRejected as rejected:
                self.dropped_bytes += len(item)
                heard.append(BadFrame(str(rejected), len(item), item[:EXCERPT_BYTES]))
        self.dropped_bytes += self._stream.dropped_bytes - before
        return heard

    def encode(self, decoded: DecodedFrame, now: datetime) -> bytes:
        """Return the answer that a frame is owed; empty when it asks for none. `now` goes to trackers that ask for the time."""
        return decoded.clock_reply(now) if decoded.clock_reply is not None else decoded.reply

    def _identified(self, decoded: DecodedFrame) -> DecodedFrame:
        if decoded.seal_id and (decoded.is_login or not self._has_login):
            self._identity = decoded.seal_id
            self._has_login = self._has_login or decoded.is_login
            return decoded
        if decoded.events and not self._identity:
            raise SealFrameRejected("a report before the tracker said who it is")
        return replace(decoded, seal_id=self._identity)
