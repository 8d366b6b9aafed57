"""TOPFLYtech T800X and its heirs, sans-IO: mark (`23 23` to `27 27`), type, length u16, serial u16, IMEI in BCD, content.

There is no checksum. The mark is that of the model, and says with the type which fields there are. Places are little-endian floats.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import datetime

from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import DecodedFrame, SealEvent
from drivers.seal_tracker.fields import Cursor, structured
from drivers.seal_tracker.reading import KNOTS_PER_KMH, Attributes, Reading, message_event, reading_events, utc

HEAD_BYTES = 15
LOGIN, GPS, HEARTBEAT, ALARM, NETWORK, BEHAVIOUR_2, BLE, GPS_2, ALARM_2, COMMAND = (
    1,
    2,
    3,
    4,
    5,
    6,
    0x10,
    0x13,
    0x14,
    0x81,
)
_MARKS = range(0x23, 0x28)
_TYPES = frozenset(
    {LOGIN, GPS, HEARTBEAT, ALARM, NETWORK, BEHAVIOUR_2, 7, 8, 9, BLE, 0x11, 0x12, GPS_2, ALARM_2, 0x15, 0x16, COMMAND}
)
_UNANSWERED = frozenset({GPS, GPS_2})
_ALARM_KINDS = {
    1: "power_cut",
    2: "battery_low",
    3: "emergency_button",
    5: "fence_enter",
    6: "fence_exit",
    8: "vibration",
    10: "vibration",
    24: "battery_low",
}
_SOLAR, _CAR = 0x27, 0x26
_BEHAVIOUR_BYTES = 28


def frame_size(pending: bytearray) -> int | None:
    """Return the size that the head tells."""
    mark = pending[0]
    if mark not in _MARKS or (len(pending) > 1 and pending[1] != mark):
        return 0
    if len(pending) > 2 and pending[2] not in _TYPES:
        return 0
    if len(pending) < 5:
        return None
    size = int.from_bytes(pending[3:5], "big")
    return size if size >= HEAD_BYTES else 0


@structured
def decode(frame: bytes) -> DecodedFrame:
    """Return what one frame says. Raises `SealFrameRejected`."""
    if frame_size(bytearray(frame[:5])) != len(frame):
        raise SealFrameRejected("length of the frame does not hold")
    return _decode(frame)


@structured
def decode_capture(frame: bytes) -> DecodedFrame:
    """Return what the first frame of a capture says, whatever follows it. Raises `SealFrameRejected`."""
    size = frame_size(bytearray(frame[:5]))
    if not size or size > len(frame):
        raise SealFrameRejected("no frame starts here")
    return _decode(frame[:size])


def encode(mark: int, kind: int, serial: int, imei: str, content: bytes = b"") -> bytes:
    """Return one frame; an answer is one as well."""
    head = struct.pack(">BBBHH", mark, mark, kind, HEAD_BYTES + len(content), serial)
    return head + bytes.fromhex(f"0{imei}") + content


def _decode(frame: bytes) -> DecodedFrame:
    mark, kind, serial, digits = frame[0], frame[2], int.from_bytes(frame[5:7], "big"), frame[7:15].hex()
    if not digits.isdecimal():
        raise SealFrameRejected("IMEI is not decimal")
    imei = digits[1:]
    body = Cursor(frame, HEAD_BYTES)
    events: tuple[SealEvent, ...] = ()
    answer = b""
    if kind in {GPS, GPS_2, ALARM, ALARM_2}:
        alarm, events = _position(body, mark, kind)
        answer = bytes((alarm,)) if kind in {ALARM, ALARM_2} and alarm else b""
    elif kind in {NETWORK, BEHAVIOUR_2} and mark == _CAR:
        events = _behaviour(body, kind)
    elif kind == BLE or (kind == NETWORK and mark == _SOLAR):
        events = message_event((), _moment(body))
    elif kind == COMMAND:
        body.skip(1)
        events = message_event((("result", body.take(body.left).decode("utf-16-le", "replace")[:256]),))
    reply = b"" if kind in _UNANSWERED else encode(mark, kind, serial, imei, answer)
    return DecodedFrame(imei, f"{kind:02x}", events, reply)


def _moment(body: Cursor) -> datetime | None:
    text = body.take(6).hex()
    if not text.isdecimal():
        return None
    return utc(2000 + int(text[:2]), *(int(text[at : at + 2]) for at in range(2, 12, 2)))


def _place(body: Cursor, moment: datetime | None, *, is_valid: bool) -> Reading:
    """Return altitude, longitude, latitude, speed in BCD tenths of km/h, course; all bits set say that there is none."""
    content = body.take(12)
    speed, course = body.take(2).hex(), body.u16()
    speed_knots = int(speed) / 10 * KNOTS_PER_KMH if speed.isdecimal() else 0.0
    if content == b"\xff" * 12:
        return Reading(moment, altitude_m=0, speed_knots=speed_knots)
    altitude, longitude, latitude = struct.unpack("<fff", content)
    return Reading(moment, is_valid, latitude, longitude, altitude, speed_knots, course)


def _position(body: Cursor, mark: int, kind: int) -> tuple[int, tuple[SealEvent, ...]]:
    """Return alarm number and events of a position or alarm."""
    is_second = kind in {GPS_2, ALARM_2}
    attributes: Attributes = ()
    if mark != _SOLAR:
        body.skip(7)
        attributes += (("gsm", str(body.u16() & 0x7F)),)
    status = body.u8()
    attributes += (("satellites", str(status & 0x1F)),)
    if mark != _SOLAR:
        body.skip(6 + 2 + (2 if is_second else 0))
        if mark != _CAR:
            body.skip(10 if is_second else 4)
    alarm = body.u8()
    if mark != _SOLAR:
        body.skip(1)
        attributes += (("odometer_m", str(body.u32())), ("battery_percent", str(int(body.take(1).hex()) or 100)))
    moment = _moment(body)
    if status & 0x40:
        reading = _place(body, moment, is_valid=True)
        if mark == _CAR and body.left >= 19:
            body.skip(2)  # voltage
            reading = _with_vehicle_speed(reading, body.take(2).hex())
    else:
        reading = Reading(moment)
    kinds = (_ALARM_KINDS[alarm],) if alarm in _ALARM_KINDS else ()
    return alarm, reading_events(reading, (*attributes, ("alarm_number", str(alarm))), kinds)


def _with_vehicle_speed(reading: Reading, tenths_kmh: str) -> Reading:
    """Return the reading with the speed from the vehicle's bus, which goes before the receiver's; FFFF says that there is none."""
    if not tenths_kmh.isdecimal():
        return reading
    return replace(reading, speed_knots=int(tenths_kmh) / 10 * KNOTS_PER_KMH)


def _behaviour(body: Cursor, kind: int) -> tuple[SealEvent, ...]:
    """Return the places before and after a harsh manoeuvre."""
    events: list[SealEvent] = []
    body.skip(1)
    while body.left >= 6:
        moment, is_valid = _moment(body), True
        if kind == BEHAVIOUR_2:
            is_valid = not body.u8() & 0x80
            body.skip(5)
        events += reading_events(_place(body, moment, is_valid=is_valid), ())
        body.skip(2)  # engine speed
    return tuple(events)
