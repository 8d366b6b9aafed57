"""Teltonika over TCP, sans-IO: the login with the IMEI, data packets of codecs 7, 8, 8E and 16, and messages of codecs 12 and 13.

Packet: four zero bytes, length u32, codec, count, records, count, CRC-16/IBM of codec to count as u32. Big-endian. The login is answered
with one byte 01, a data packet with the count of its records as u32. Source: Teltonika wiki, "Teltonika Data Sending Protocols".
"""

from __future__ import annotations

import struct

from drivers.checksums import crc16_arc
from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import DecodedFrame, SealEvent
from drivers.seal_tracker.fields import Cursor, shown_bytes, structured
from drivers.seal_tracker.reading import KNOTS_PER_KMH, Attributes, Reading, from_epoch, message_event, reading_events

FRAME_LIMIT_BYTES = 4096
KEEP_ALIVE = 0xFF
IMEI_DIGITS = 15
GH3000, CODEC_8, CODEC_8_EXTENDED, CODEC_12, CODEC_13, CODEC_16 = 0x07, 0x08, 0x8E, 0x0C, 0x0D, 0x10
CODECS = frozenset({GH3000, CODEC_8, CODEC_8_EXTENDED, CODEC_12, CODEC_13, CODEC_16})
EPOCH_2007_S = 1_167_609_600
_SMALLEST_BYTES = 6
_SPEED = 24
"""Number of the speed in km/h that FM units measure more finely than in the record's head."""


def frame_size(pending: bytearray) -> int | None:
    """Return the size of the login, the packet or the keep-alive byte at the start."""
    if pending[0] == KEEP_ALIVE:
        return 1
    if pending[0] != 0:
        return 0
    if len(pending) < 2:
        return None
    if pending[1] == IMEI_DIGITS:
        digits = pending[2 : 2 + IMEI_DIGITS]
        return 2 + IMEI_DIGITS if not digits or digits.isdigit() else 0
    if any(pending[:4]):
        return 0
    if len(pending) < 9:
        return None
    size = int.from_bytes(pending[4:8], "big")
    return size + 12 if size >= _SMALLEST_BYTES and pending[8] in CODECS else 0


@structured
def decode(frame: bytes, *, is_whole: bool = True) -> DecodedFrame:
    """Return what one frame says. Raises `SealFrameRejected`.

    `is_whole=False` reads a capture that was cut or changed after it left the tracker: length and checksum are not looked at.
    """
    if frame[0] == KEEP_ALIVE:
        return DecodedFrame("", "keep-alive", ())
    if frame[:2] == bytes((0, IMEI_DIGITS)):
        digits = frame[2:].decode("ascii")
        if len(digits) != IMEI_DIGITS or not digits.isdecimal():
            raise SealFrameRejected("login without an IMEI")
        return DecodedFrame(digits, "login", (), b"\x01", is_login=True)
    if is_whole:
        _check(frame)
    codec = frame[8]
    try:
        count, events = _records(frame, codec, is_whole=is_whole)
    except SealFrameRejected:
        if codec != CODEC_8:
            raise
        count, events = _records(frame, codec, is_whole=is_whole, sizes=(1, 2, 4, 8, 16))
    is_data = codec not in {CODEC_12, CODEC_13}
    return DecodedFrame("", f"codec {codec:02x}", tuple(events), struct.pack(">I", count) if is_data else b"")


def _records(
    frame: bytes, codec: int, *, is_whole: bool, sizes: tuple[int, ...] = (1, 2, 4, 8)
) -> tuple[int, list[SealEvent]]:
    """Return count and events of the records. Some units add values of 16 bytes: then only that layout fits the packet."""
    body = Cursor(frame, 9)
    count = body.u8()
    events: list[SealEvent] = []
    for _ in range(count):
        if codec == GH3000:
            events += _gh3000_record(body)
        elif codec in {CODEC_12, CODEC_13}:
            events += _message(body, codec)
        elif codec in CODECS:
            events += _record(body, codec, sizes)
        else:
            raise SealFrameRejected(f"codec {codec:02x} is not known")
    if is_whole and (body.u8() != count or body.left != 4):
        raise SealFrameRejected("records and their count do not fit the packet")
    return count, events


def decode_capture(frame: bytes) -> DecodedFrame:
    """Return what a capture says that is no whole packet any more. Raises `SealFrameRejected`."""
    return decode(frame, is_whole=False)


def encode(codec: int, records: list[bytes]) -> bytes:
    """Return a packet of finished records."""
    content = bytes((codec, len(records))) + b"".join(records) + bytes((len(records),))
    return struct.pack(">II", 0, len(content)) + content + struct.pack(">I", crc16_arc(content))


def _check(frame: bytes) -> None:
    size = int.from_bytes(frame[4:8], "big")
    if len(frame) != size + 12 or any(frame[:4]):
        raise SealFrameRejected(f"length field says {size + 12} bytes, frame has {len(frame)}")
    told, check = int.from_bytes(frame[-4:], "big"), crc16_arc(frame[8:-4])
    if told != check:
        raise SealFrameRejected(f"checksum {told:04x}, the packet gives {check:04x}")


def _record(body: Cursor, codec: int, sizes: tuple[int, ...]) -> tuple[SealEvent, ...]:
    wide = 2 if codec == CODEC_8_EXTENDED else 1
    id_bytes = 1 if codec == CODEC_8 else 2
    moment = from_epoch(body.unsigned(8) / 1000)
    priority, longitude, latitude, altitude, course, satellites, speed = _FIX.unpack(body.take(_FIX.size))
    event = body.unsigned(id_bytes)
    body.skip(wide + (1 if codec == CODEC_16 else 0))  # count of all values, and codec 16's reason
    values = _values(body, wide, id_bytes, sizes)
    if codec == CODEC_8_EXTENDED:
        for _ in range(body.u16()):
            body.skip(2)
            body.skip(body.u16())
    speed = values.get(_SPEED, speed)
    reading = Reading(
        device_time=moment,
        is_valid=satellites != 0,
        latitude_deg=latitude / 1e7,
        longitude_deg=longitude / 1e7,
        altitude_m=altitude,
        speed_knots=speed * KNOTS_PER_KMH,
        course_deg=course,
    )
    attributes: Attributes = (
        ("satellites", str(satellites)),
        ("priority", str(priority)),
        ("event", str(event)),
        *_known(values),
    )
    return reading_events(reading, attributes)


_FIX = struct.Struct(">BiihHBH")  # priority, longitude, latitude, altitude, course, satellites, speed


def _values(body: Cursor, count_bytes: int, id_bytes: int, sizes: tuple[int, ...]) -> dict[int, int]:
    """Return the values by their numbers; they stand in groups of one size each."""
    values: dict[int, int] = {}
    for size in sizes:
        count = body.unsigned(count_bytes)
        if count:
            pair = _PAIRS.get((id_bytes, size))
            content = body.take(count * (id_bytes + size))
            if pair is not None:
                values.update(pair.iter_unpack(content))
                continue
            for at in range(0, len(content), id_bytes + size):
                number = int.from_bytes(content[at : at + id_bytes], "big")
                values[number] = int.from_bytes(content[at + id_bytes : at + id_bytes + size], "big")
    return values


_PAIRS = {
    (id_bytes, size): struct.Struct(f">{number}{value}")
    for id_bytes, number in ((1, "B"), (2, "H"))
    for size, value in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
}


def _known(values: dict[int, int]) -> Attributes:
    """Return the values that mean the same on every model."""
    told: list[tuple[str, str]] = []
    if 21 in values:
        told.append(("gsm", str(values[21])))
    for number, name in ((66, "power_v"), (67, "battery_v")):
        if number in values:
            told.append((name, f"{values[number] / 1000:g}"))
    if 16 in values:
        told.append(("odometer_m", str(values[16])))
    if values.get(78):
        told.append(("actor", f"{values[78]:016X}"))
    return tuple(told)


def _gh3000_record(body: Cursor) -> tuple[SealEvent, ...]:
    """Return a record of codec 7, in which masks say which fields there are."""
    moment = from_epoch((body.u32() & 0x3FFFFFFF) + EPOCH_2007_S)
    groups = body.u8()
    reading, attributes = Reading(moment), list[tuple[str, str]]()
    if groups & 1:
        mask = body.u8()
        latitude, longitude = struct.unpack(">ff", body.take(8)) if mask & 1 else (0.0, 0.0)
        altitude = body.u16() if mask & 2 else 0
        course = body.u8() * 360 / 256 if mask & 4 else 0.0
        speed = body.u8() if mask & 8 else 0
        reading = Reading(moment, bool(mask & 1), latitude, longitude, altitude, speed * KNOTS_PER_KMH, course)
        if mask & 16:
            attributes.append(("satellites", str(body.u8())))
        body.skip((4 if mask & 32 else 0) + (1 if mask & 64 else 0) + (4 if mask & 128 else 0))
    kinds: list[str] = []
    for bit, size in ((1, 1), (2, 2), (3, 4)):
        for _ in range(body.u8() if groups >> bit & 1 else 0):
            number, value = body.u8(), body.unsigned(size)
            if number == 1:
                attributes.append(("battery_percent", str(value)))
            elif number == 222 and value == 1:
                kinds.append("emergency_button")
    return reading_events(reading, tuple(attributes), kinds)


def _message(body: Cursor, codec: int) -> tuple[SealEvent, ...]:
    """Return what an accessory or a command's answer says (codecs 12 and 13); pictures are not taken."""
    kind, content = body.u8(), body.sub(body.u32())
    if kind == 0x0D and codec == CODEC_12:
        return ()
    moment = from_epoch(content.u32()) if codec == CODEC_13 else None
    text = content.take(content.left)
    result = shown_bytes(text, 256) if all(byte >= 0x20 or byte in b"\r\n" for byte in text) else text.hex()[:256]
    return message_event((("result", result),), moment)
