"""GT06 (Concox, Jimi and their many heirs), sans-IO: `78 78 len8` or `79 79 len16`, type, content, serial, CRC-16/X-25, `0D 0A`.

Frames carry no identity: it comes with the login and belongs to the connection. Units in the field write wrong lengths: where the end
mark is not where the length says, the next one ends the frame, and the checksum decides.
"""

from __future__ import annotations

import functools
import struct
from datetime import datetime

from drivers.checksums import crc16_x25
from drivers.seal_tracker import gt06_content as content_of
from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import DecodedFrame
from drivers.seal_tracker.fields import structured

FRAME_LIMIT_BYTES = 4096
END = b"\r\n"
LOGIN, TIME_REQUEST = 0x01, 0x8A
_ANSWERED = frozenset({LOGIN, 0x13, 0x16, 0x19, 0x23, 0x26, 0x27, 0x70, 0x95, 0xA3, 0xA4, 0xA5})
"""Login, heartbeats and alarms."""


def frame_size(pending: bytearray) -> int | None:
    """Return the size of the frame at the start, by its length or, where that is wrong, by the next end mark."""
    first = pending[0]
    if first not in {0x78, 0x79} or (len(pending) > 1 and pending[1] != first):
        return 0
    head = 3 if first == 0x78 else 4
    if len(pending) < head:
        return None
    size = head + int.from_bytes(pending[2:head], "big") + len(END)
    if size <= FRAME_LIMIT_BYTES:
        is_login = len(pending) > head and pending[head] == LOGIN
        if is_login and (end := pending.find(END, head + 9, size)) > 0:
            return end + len(END)  # some units count the login too long, and its digits cannot be an end mark
        if len(pending) < size:
            return None
        if pending[size - 2 : size] == END and size >= head + 7:
            return size
    end = pending.find(END, head)
    return end + len(END) if end > 0 else None


@structured
def decode(frame: bytes) -> DecodedFrame:
    """Return what one frame says; `seal_id` is empty but for the login. Raises `SealFrameRejected`."""
    head = 3 if frame[:2] == b"\x78\x78" else 4
    if len(frame) < head + 7 or frame[-2:] != END:
        raise SealFrameRejected("not a GT06 frame: too short or without its end mark")
    told, check = int.from_bytes(frame[-4:-2], "big"), crc16_x25(frame[2:-4])
    if told != check:
        raise SealFrameRejected(f"checksum {told:04x}, the frame gives {check:04x}")
    kind, content, serial = frame[head], frame[head + 1 : -6], int.from_bytes(frame[-6:-4], "big")
    name = f"{kind:02x}"
    if kind == TIME_REQUEST:
        return DecodedFrame("", name, (), clock_reply=functools.partial(_clock, serial))
    reply = encode(kind, b"", serial) if kind in _ANSWERED else b""
    if kind == LOGIN:
        digits = content[:8].hex()
        if len(digits) != 16 or not digits.isdecimal():
            raise SealFrameRejected("login without a decimal identity")
        return DecodedFrame(digits[1:], name, (), reply, is_login=True)
    told_by = content_of.extended if head == 4 else content_of.basic
    seal_id, events = told_by(kind, content)
    return DecodedFrame(seal_id, name, events, reply)


def encode(kind: int, content: bytes, serial: int, *, is_extended: bool = False) -> bytes:
    """Return the bytes of a frame, an answer as well as a report."""
    length = len(content) + 5
    counted = (struct.pack(">H", length) if is_extended else bytes((length,))) + bytes((kind,)) + content
    counted += struct.pack(">H", serial)
    return (b"\x79\x79" if is_extended else b"\x78\x78") + counted + struct.pack(">H", crc16_x25(counted)) + END


def _clock(serial: int, now: datetime) -> bytes:
    moment = bytes((now.year - 2000, now.month, now.day, now.hour, now.minute, now.second))
    return encode(TIME_REQUEST, moment, serial)
