"""Meitrack, sans-IO: `$$<flag><length>,<IMEI>,<command>,…*<sum>` and a line end; commands CCC and CCE carry binary records.

The length counts from the comma after it to the line end. The sum is that of all bytes up to the star, in hex. Binary numbers are
little-endian. CCC is answered so that the unit deletes what it sent. Source: Meitrack GPRS protocol V1.6 and V2.0.
"""

from __future__ import annotations

import re

from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import DecodedFrame, SealEvent
from drivers.seal_tracker.fields import Cursor, shown, shown_bytes, structured
from drivers.seal_tracker.reading import (
    KNOTS_PER_KMH,
    Attributes,
    Reading,
    from_epoch,
    message_event,
    reading_events,
    utc,
)

FRAME_LIMIT_BYTES = 4096
EPOCH_2000_S = 946_684_800
_HEAD = re.compile(rb"\$\$[\x21-\x7e]([0-9]{1,4}),")
_UNFINISHED_HEAD = re.compile(rb"\$(?:\$(?:[\x21-\x7e](?:[0-9]{1,4})?)?)?")
_EVENT_KINDS = {
    1: "emergency_button",
    17: "battery_low",
    18: "battery_low",
    20: "fence_enter",
    21: "fence_exit",
    23: "power_cut",
    37: "card_presented",
    79: "dropped",
}
_NO_REPORT = frozenset({"AAC", "D00", "D03"})
_LOCK_STATE = 0x47
_CARD = 0x25
_CCC_RECORD_BYTES = 0x34
_POSITION_FIELDS = 16


def frame_size(pending: bytearray) -> int | None:
    """Return the size that the length tells, when the line end is there."""
    if pending[0] in b"\r\n":
        return -1
    start = bytes(pending[:8])
    head = _HEAD.match(start)
    if head is None:
        return None if _UNFINISHED_HEAD.fullmatch(start) else 0
    size = head.end() - 1 + int(head[1])
    if size < head.end() + 20:
        return 0
    if len(pending) < size:
        return None
    return size if pending[size - 2 : size] == b"\r\n" and pending[size - 5] == ord("*") else 0


@structured
def decode(frame: bytes) -> DecodedFrame:
    """Return what one frame says. Raises `SealFrameRejected`."""
    content = frame.removesuffix(b"\r\n")
    head = _HEAD.match(content)
    if head is None or content[-3:-2] != b"*":
        raise SealFrameRejected("not a Meitrack frame: $$, flag, length, and a sum after a star")
    if head.end() - 1 + int(head[1]) != len(content) + 2:
        raise SealFrameRejected(
            f"length field says {head.end() - 1 + int(head[1])} bytes, frame has {len(content) + 2}"
        )
    told, check = content[-2:].decode("ascii"), sum(content[:-2]) & 0xFF
    if int(told, 16) != check:
        raise SealFrameRejected(f"checksum {told}, the frame gives {check:02X}")
    return _decode(content)


@structured
def decode_capture(frame: bytes) -> DecodedFrame:
    """Return what a capture says whose length or sum do not hold any more. Raises `SealFrameRejected`."""
    return _decode(frame.removesuffix(b"\r\n"))


def encode(imei: str, told: bytes, flag: str = "A") -> bytes:
    """Return a frame of a unit: `told` is the command with its fields."""
    rest = f",{imei},".encode("ascii") + told + b"*"
    start = f"$${flag}{len(rest) + 4}".encode("ascii") + rest
    return start + f"{sum(start) & 0xFF:02X}\r\n".encode("ascii")


def _decode(content: bytes) -> DecodedFrame:
    head, imei_bytes, command_bytes, *_ = content.split(b",", 3)
    imei, command = imei_bytes.decode("ascii"), command_bytes[:3].decode("ascii")
    if not (imei.isdecimal() and len(imei) == 15):
        raise SealFrameRejected("IMEI is not 15 digits")
    at = len(head) + 1 + len(imei) + 1 + 4
    if command == "CCE":
        return DecodedFrame(imei, command, _tagged(Cursor(content[:-3], at, order="little")))
    if command == "CCC":
        events = _packed(Cursor(content[:-3], at + 8, order="little"))
        return DecodedFrame(imei, command, events, _deletion(head[2:3].decode("ascii"), imei, len(events)))
    if command in _NO_REPORT:
        return DecodedFrame(imei, command, ())
    fields = content[at:-3].decode("ascii", "replace").split(",")
    if len(fields) < _POSITION_FIELDS:
        text = content[at - 4 : -3]
        return DecodedFrame(imei, shown(command), message_event((("result", shown_bytes(text)),)))
    return DecodedFrame(imei, command, _text(fields))


def _deletion(flag: str, imei: str, count: int) -> bytes:
    start = f"@@{flag}{27 + count // 10},{imei},CCC,{count}*".encode("ascii")
    return start + f"{sum(start) & 0xFF:02X}\r\n".encode("ascii")


def _text(fields: list[str]) -> tuple[SealEvent, ...]:
    """Return the report of a text command; AFF has a number of its own before the event."""
    if "." not in fields[1]:
        fields = fields[1:]
    event, latitude, longitude, moment, validity, satellites, gsm, speed, course, _, altitude, odometer = fields[:12]
    numbers = [int(moment[at : at + 2]) for at in range(0, 12, 2)]
    reading = Reading(
        device_time=utc(2000 + numbers[0], *numbers[1:]),
        is_valid=validity == "A",
        latitude_deg=float(latitude),
        longitude_deg=float(longitude),
        altitude_m=float(altitude),
        speed_knots=float(speed) * KNOTS_PER_KMH,
        course_deg=float(course),
    )
    attributes: Attributes = (
        ("event", str(int(event))),
        ("satellites", str(int(satellites))),
        ("gsm", str(int(gsm))),
        ("odometer_m", str(int(odometer))),
    )
    kind = _EVENT_KINDS.get(int(event))
    if kind == "card_presented" and len(fields) > 17 and fields[17]:
        attributes += (("actor", shown(fields[17])),)
    return reading_events(reading, attributes, () if kind is None else (kind,))


def _packed(body: Cursor) -> tuple[SealEvent, ...]:
    """CCC: records of fixed size."""
    events: list[SealEvent] = []
    while body.left >= _CCC_RECORD_BYTES:
        record = body.sub(_CCC_RECORD_BYTES)
        event, latitude, longitude = record.u8(), record.signed(4), record.signed(4)
        moment, is_valid = from_epoch(EPOCH_2000_S + record.u32()), record.u8() == 1
        satellites, gsm, speed, course = record.u8(), record.u8(), record.u16(), record.u16()
        record.skip(2)
        reading = Reading(
            moment, is_valid, latitude / 1e6, longitude / 1e6, record.u16(), speed * KNOTS_PER_KMH, course
        )
        attributes = (("event", str(event)), ("satellites", str(satellites)), ("gsm", str(gsm)))
        events += reading_events(reading, attributes)
    return tuple(events)


def _tagged(body: Cursor) -> tuple[SealEvent, ...]:
    """CCE: records of values of one, two and four bytes and of any size, each with its number."""
    body.skip(4)
    events: list[SealEvent] = []
    for _ in range(body.u16()):
        size = body.u16()
        record = body.sub(size)
        record.skip(2)
        values: dict[int, bytes] = {}
        for value_bytes in (1, 2, 4, None):
            for _ in range(record.u8() if record.left else 0):
                number = record.u8()
                if number == 0xFE:
                    number = 0xFE00 | record.u8()
                values[number] = record.take(record.u8() if value_bytes is None else value_bytes)
        events += _of_values(values)
    return tuple(events)


def _of_values(values: dict[int, bytes]) -> tuple[SealEvent, ...]:
    def number(key: int, *, signed: bool = False) -> int:
        return int.from_bytes(values.get(key, b""), "little", signed=signed)

    event = number(0x40) or number(0x01)
    reading = Reading(
        device_time=from_epoch(EPOCH_2000_S + number(0x04)),
        is_valid=number(0x05) > 0,
        latitude_deg=number(0x02, signed=True) / 1e6,
        longitude_deg=number(0x03, signed=True) / 1e6,
        altitude_m=number(0x0B, signed=True),
        speed_knots=number(0x08) * KNOTS_PER_KMH,
        course_deg=number(0x09),
    )
    attributes: list[tuple[str, str]] = [
        ("event", str(event)),
        ("satellites", str(number(0x06))),
        ("gsm", str(number(0x07))),
        ("odometer_m", str(number(0x0C))),
    ]
    attributes += [
        (name, f"{number(key) / 100:g}") for key, name in ((0x19, "battery_v"), (0x1A, "power_v")) if key in values
    ]
    if number(_LOCK_STATE):
        attributes.append(("locked", "true" if number(_LOCK_STATE) == 2 else "false"))
    if number(_CARD):
        attributes.append(("actor", str(number(_CARD))))
    kind = _EVENT_KINDS.get(event)
    return reading_events(reading, tuple(attributes), () if kind is None else (kind,))
