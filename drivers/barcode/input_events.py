"""Linux input events as a device file gives them on 64-bit machines: 24 bytes each, no library needed.

    seconds i64  microseconds i64  type u16  code u16  value i32      (native byte order; linux/input.h, struct input_event)

A 32-bit kernel gives 16 bytes and is not supported. There is no start mark and no checksum; an event that can be none is stepped over byte by
byte, so that a reader that begins in the middle of one finds the next.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from drivers.codec import BadFrame, Skipped

LAYOUT = struct.Struct("=qqHHi")
EVENT_BYTES = LAYOUT.size
EV_SYN, EV_KEY, EV_MSC, EV_LED, EV_REP = 0x00, 0x01, 0x04, 0x11, 0x14
SYN_REPORT, SYN_DROPPED = 0, 3
RELEASED, PRESSED, REPEATED = 0, 1, 2
_TYPES = {EV_SYN, EV_KEY, EV_MSC, EV_LED, EV_REP}
_CODE_LIMIT = 0x2FF
_SECONDS_LIMIT = 1 << 33
_CHUNK_BYTES = 4096


class InputEvent(NamedTuple):
    """One event; the kernel's time stamp is left out, because it follows the wall clock."""

    kind: int
    code: int
    value: int


class InputEventCodec:
    """Cuts the bytes of an event device into events."""

    def __init__(self) -> None:
        self._skipped = Skipped("bytes that are no input event")
        self.reset()

    def reset(self) -> None:
        """Forget an unfinished event, as after a reconnection."""
        self._buffer = bytearray()
        self._skipped.reset()

    @property
    def dropped_bytes(self) -> int:
        """How many bytes were no event, in all."""
        return self._skipped.dropped_bytes

    def feed(self, received: bytes) -> list[InputEvent | BadFrame]:
        """Return the events that are complete after these bytes."""
        messages: list[InputEvent | BadFrame] = []
        for offset in range(0, len(received), _CHUNK_BYTES):
            self._buffer += received[offset : offset + _CHUNK_BYTES]
            self._advance(messages)
        return messages

    def silence(self) -> list[InputEvent | BadFrame]:
        """Return the `BadFrame` for what is no whole event; the kernel never writes half of one."""
        full = self._skipped.add(self._buffer)
        self._buffer.clear()
        return [*full, *self._skipped.ended()]

    def encode(self, message: InputEvent) -> bytes:
        """Return the bytes of an event at the time 0."""
        return LAYOUT.pack(0, 0, *message)

    def _advance(self, messages: list[InputEvent | BadFrame]) -> None:
        at = 0
        while at + EVENT_BYTES <= len(self._buffer):
            seconds, microseconds, kind, code, value = LAYOUT.unpack_from(self._buffer, at)
            is_possible = (
                0 <= seconds < _SECONDS_LIMIT
                and 0 <= microseconds < 1_000_000
                and kind in _TYPES
                and code <= _CODE_LIMIT
                and (kind != EV_KEY or RELEASED <= value <= REPEATED)
            )
            if is_possible:
                messages += self._skipped.ended()
                messages.append(InputEvent(kind, code, value))
                at += EVENT_BYTES
            else:
                messages += self._skipped.add(self._buffer[at : at + 1])
                at += 1
        del self._buffer[:at]
