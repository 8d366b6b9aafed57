"""Neomatica ADM, sans-IO: unit number u16, size u8, type u8, fields by the type's bits. Little-endian, no checksum, no start mark.

The size is that of the whole message. Some units put the IMEI before every message; others tell it once, in type 03.
"""

from __future__ import annotations

import math
import struct

from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import DecodedFrame
from drivers.seal_tracker.fields import Cursor, shown_bytes, structured
from drivers.seal_tracker.reading import KNOTS_PER_KMH, Reading, from_epoch, message_event, reading_events

IMEI_DIGITS = 15
COMMAND_ANSWER_BYTES = 0x84
IMEI, PICTURE = 0x03, 0x0A
_SMALLEST_BYTES = 0x22
_STATUS_NO_FIX = 1 << 5


def frame_size(pending: bytearray) -> int | None:
    """Return the size of the message at the start, an IMEI before it included."""
    head = 0
    if 0x30 <= pending[0] <= 0x39:
        digits = pending[:IMEI_DIGITS]
        if not digits.isdigit():
            return 0
        head = IMEI_DIGITS
    if len(pending) < head + 4:
        return None
    size, kind = pending[head + 2], pending[head + 3]
    is_known = size == COMMAND_ANSWER_BYTES or kind in {IMEI, PICTURE} or kind & 3 == 0
    return head + size if size >= _SMALLEST_BYTES and is_known else 0


@structured
def decode(frame: bytes) -> DecodedFrame:
    """Return what one message says. Raises `SealFrameRejected`."""
    if frame_size(bytearray(frame)) != len(frame):
        raise SealFrameRejected("length of the message does not hold")
    return _decode(frame)


@structured
def decode_capture(frame: bytes) -> DecodedFrame:
    """Return what the first message of a capture says, whatever follows it or was cut off. Raises `SealFrameRejected`."""
    size = frame_size(bytearray(frame))
    if not size:
        raise SealFrameRejected("no message starts here")
    return _decode(frame[:size])


def encode(kind: int, content: bytes, unit: int = 1) -> bytes:
    """Return one message without an IMEI before it."""
    return struct.pack("<HBB", unit, len(content) + 4, kind) + content


def _decode(frame: bytes) -> DecodedFrame:
    head = IMEI_DIGITS if 0x30 <= frame[0] <= 0x39 else 0
    seal_id = frame[:head].decode("ascii")
    body = Cursor(frame, head + 2, order="little")
    size, kind = body.u8(), body.content[body.at]
    if size == COMMAND_ANSWER_BYTES:
        text = body.take(body.left).split(b"\x00", 1)[0]
        return DecodedFrame(seal_id, "answer", message_event((("result", shown_bytes(text, 256)),)))
    body.skip(1)
    if kind == IMEI:
        seal_id = body.take(IMEI_DIGITS).decode("ascii")
        if not seal_id.isdecimal():
            raise SealFrameRejected("IMEI is not decimal")
        return DecodedFrame(seal_id, "IMEI", (), is_login=True)
    if kind & 3:
        return DecodedFrame(seal_id, f"{kind:02x}", ())
    body.skip(3)  # firmware, number of the record
    status = body.u16()
    latitude, longitude = struct.unpack("<ff", body.take(8))
    course, speed = body.u16() / 10, body.u16() / 10
    body.skip(1)
    altitude, _, satellites, moment = body.signed(2), body.u8(), body.u8() & 0x0F, from_epoch(body.u32())
    power, battery = body.u16(), body.u16()
    reading = Reading(
        device_time=moment,
        is_valid=not status & _STATUS_NO_FIX,
        latitude_deg=latitude if math.isfinite(latitude) else 0.0,
        longitude_deg=longitude if math.isfinite(longitude) else 0.0,
        altitude_m=altitude,
        speed_knots=speed * KNOTS_PER_KMH,
        course_deg=course,
    )
    attributes = (
        ("satellites", str(satellites)),
        ("status_word", f"{status:04x}"),
        ("power_v", f"{power / 1000:g}"),
        ("battery_v", f"{battery / 1000:g}"),
    )
    return DecodedFrame(seal_id, "record", reading_events(reading, attributes))
