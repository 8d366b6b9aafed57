"""Linux input events as a device file gives them on 64-bit machines: 24 bytes each, no library needed.

    seconds i64  microseconds i64  type u16  code u16  value i32      (native byte order; linux/input.h, struct input_event)

A 32-bit kernel gives 16 bytes and is not supported. There is no start mark and no checksum; an event that can be none is stepped over byte by
byte, so that a reader that begins in the middle of one finds the next.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from drivers.codec import SteppingCodec

LAYOUT = struct.Struct("=qqHHi")
EVENT_BYTES = LAYOUT.size
EV_SYN, EV_KEY, EV_MSC, EV_LED, EV_REP = 0x00, 0x01, 0x04, 0x11, 0x14
SYN_REPORT, SYN_DROPPED = 0, 3
RELEASED, PRESSED, REPEATED = 0, 1, 2
_TYPES = {EV_SYN, EV_KEY, EV_MSC, EV_LED, EV_REP}
_CODE_LIMIT = 0x2FF
_SECONDS_LIMIT = 1 << 33


class InputEvent(NamedTuple):
    """One event; the kernel's time stamp is left out, because it follows the wall clock."""

    kind: int
    code: int
    value: int


class InputEventCodec(SteppingCodec[InputEvent]):
    """Cuts the bytes of an event device into events. Silence inside one tears it: the kernel never writes half of one."""

    def __init__(self) -> None:
        super().__init__("bytes that are no input event")

    def encode(self, message: InputEvent) -> bytes:
        """Return the bytes of an event at the time 0."""
        return LAYOUT.pack(0, 0, *message)

    def take(self, buffer: bytearray) -> tuple[int, InputEvent | None] | None:
        """Return the event at the beginning."""
        if len(buffer) < EVENT_BYTES:
            return None
        seconds, microseconds, kind, code, value = LAYOUT.unpack_from(buffer)
        is_possible = (
            0 <= seconds < _SECONDS_LIMIT
            and 0 <= microseconds < 1_000_000
            and kind in _TYPES
            and code <= _CODE_LIMIT
            and (kind != EV_KEY or RELEASED <= value <= REPEATED)
        )
        return (EVENT_BYTES, InputEvent(kind, code, value)) if is_possible else (1, None)
