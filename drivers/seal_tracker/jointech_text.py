"""Jointech text messages `(id,TYPE,…)`: unlock events, positions, slave sensors, and the answers they are owed.

Speeds may carry decimals and are miles per hour. The status digits of U messages belong to another product line than the lock status
word: they are passed on undecoded.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import DecodedFrame, SealEvent
from drivers.seal_tracker.jointech_fix import FIX_BYTES, decode_fix, fix_event
from drivers.seal_tracker.reading import Attributes

KNOTS_PER_MPH = 0.868976
TEXT_FIELD_LIMIT = 64
PASSWORD_TRIES_LIMIT = 5


def decode(frame: bytes) -> DecodedFrame:
    """Return what one un-escaped text message says. Raises `SealFrameRejected`; a type unknown here yields no events."""
    if len(frame) < 3 or frame[:1] != b"(" or frame[-1:] != b")":
        raise SealFrameRejected("not a text message: must stand in ( )")
    inner = frame[1:-1]
    head = inner.split(b",", 6)
    if len(head) == 7 and head[3] == b"WLNET":
        return _decode_sensor(head)
    try:
        fields = inner.decode("ascii").split(",")
    except UnicodeDecodeError as error:
        raise SealFrameRejected("text message holds bytes above 7F") from error
    if len(fields) < 2 or len(fields) > TEXT_FIELD_LIMIT:
        raise SealFrameRejected(f"text message with {len(fields)} fields")
    seal_id, kind, rest = _seal_id(fields[0]), fields[1], fields[2:]
    decoder = _MESSAGES.get(kind)
    if decoder is None:
        return DecodedFrame(seal_id, _printable(kind), ())
    events, reply = decoder(rest)
    return DecodedFrame(seal_id, kind, events, reply)


def _decode_unlock(fields: list[str]) -> tuple[tuple[SealEvent, ...], bytes]:
    """P45: an unlock attempt at the lock, granted or not."""
    _require(fields, "P45", 15)
    when, place, is_valid = _time(*fields[0:2]), _place(fields[2:6]), _validity(fields[6], "A", "V")
    source, unlock_ok, card, password_ok = fields[9:13]
    bad_passwords = _count(fields[13], "bad password count")
    index = _count(fields[14], "index")
    has_card = bool(card.strip("0"))
    attributes: Attributes = (
        *_motion(fields[7], fields[8]),
        ("event_source", _printable(source)),
        ("unlock_ok", _printable(unlock_ok)),
        ("actor", _printable(card) if has_card else ""),
        ("password_ok", _printable(password_ok)),
        ("bad_passwords", str(bad_passwords)),
        ("index", str(index)),
    )
    if unlock_ok == "1":
        kind = "unsealed_by_card" if has_card else "unsealed"
    else:
        kind = "denied_unregistered_card_unseal" if has_card else "denied_password_unseal"
    base = _base_event(when, place, attributes, is_valid=is_valid)
    events = [base, replace(base, kind=kind)]
    if bad_passwords > PASSWORD_TRIES_LIMIT:
        events.append(replace(base, kind="password_lockout", is_alarm=True))
    return tuple(events), b"(P69,0,%d)" % index


def _decode_report(fields: list[str], answer: bytes) -> tuple[tuple[SealEvent, ...], bytes]:
    """U01, U02, U03: a position report of the text line."""
    _require(fields, "position report", 17)
    when, place, is_valid = _time(*fields[0:2]), _place(fields[3:7]), _validity(fields[2], "T", "F")
    attributes: Attributes = (
        *_motion(fields[7], fields[8]),
        ("satellites", str(_count(fields[9], "satellites"))),
        ("battery_percent", str(_count(fields[10].removesuffix("%"), "battery"))),
        ("status_digits", _printable(fields[11])),
        ("cell_id", _printable(fields[12])),
        ("location_area", _printable(fields[13])),
        ("gsm", _printable(fields[14])),
        ("mileage_km", _printable(fields[15])),
        ("index", _printable(fields[16])),
    )
    return (_base_event(when, place, attributes, is_valid=is_valid),), answer


def _decode_u(fields: list[str]) -> tuple[tuple[SealEvent, ...], bytes]:
    return _decode_report(fields, b"(S39)")


def _decode_u06(fields: list[str]) -> tuple[tuple[SealEvent, ...], bytes]:
    """U06: as U01 with the alarm's number in front."""
    _require(fields, "U06", 18)
    events, answer = _decode_report(fields[1:], b"(S20)")
    number = (("alarm_number", _printable(fields[0])),)
    return tuple(replace(event, attributes=number + event.attributes) for event in events), answer


def _decode_w01(fields: list[str]) -> tuple[tuple[SealEvent, ...], bytes]:
    """W01: a position with degrees and minutes glued (`DDDMM.mmmm`), longitude first."""
    _require(fields, "W01", 13)
    longitude = _signed(_from_minutes(fields[0], 180), fields[1], "E", "W")
    latitude = _signed(_from_minutes(fields[2], 90), fields[3], "N", "S")
    when, is_valid = _time(*fields[5:7]), _validity(fields[4], "A", "V")
    attributes: Attributes = (
        *_motion(fields[7], fields[8]),
        ("power", _printable(fields[9])),
        ("satellites", _printable(fields[10])),
        ("gsm", _printable(fields[11])),
        ("alarm_number", _printable(fields[12])),
    )
    return (_base_event(when, (latitude, longitude), attributes, is_valid=is_valid),), b""


_SENSOR = struct.Struct(">6s5sBHBBBhB")  # time, sensor id, index, cV, percent, -dBm, kind, temperature/10, humidity %


def _decode_sensor(head: list[bytes]) -> DecodedFrame:
    """WLNET: what a slave sensor told the lock over its short-range radio; the place is the lock's."""
    seal_id = _seal_id(head[0].decode("ascii", "replace"))
    body = head[6]
    if len(body) < FIX_BYTES + _SENSOR.size:
        raise SealFrameRejected(f"slave sensor block of {len(body)} bytes, needs {FIX_BYTES + _SENSOR.size}")
    fix = decode_fix(body[:FIX_BYTES])
    _, sensor_id, index, centivolts, battery, loss_dbm, kind, tenths, humidity = _SENSOR.unpack_from(body, FIX_BYTES)
    attributes: Attributes = (
        ("sensor_id", sensor_id.hex()),
        ("sensor_battery_v", f"{centivolts / 100:.2f}"),
        ("sensor_battery_percent", str(battery)),
        ("sensor_rssi_dbm", str(-loss_dbm)),
        ("sensor_kind", str(kind)),
        ("temperature_c", f"{tenths / 10:.1f}"),
        ("humidity_percent", str(humidity)),
        ("index", str(index)),
    )
    return DecodedFrame(seal_id, "WLNET", (fix_event(fix, attributes),))


def _require(fields: list[str], name: str, count: int) -> None:
    if len(fields) < count:
        raise SealFrameRejected(f"{name} has {len(fields)} fields after its type, needs {count}")


def _seal_id(text: str) -> str:
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise SealFrameRejected("device id is not decimal")
    return text


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text[:32])


def _validity(text: str, valid: str, invalid: str) -> bool:
    if text not in (valid, invalid):
        raise SealFrameRejected(f"fix flag is neither {valid} nor {invalid}")
    return text == valid


def _count(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise SealFrameRejected(f"{name} is not a number")
    return int(text)


def _decimal(text: str, name: str, limit: float) -> float:
    if not _DECIMAL.fullmatch(text) or float(text) > limit:
        raise SealFrameRejected(f"{name} is not a number up to {limit:g}")
    return float(text)


def _from_minutes(text: str, limit_deg: int) -> float:
    value = _decimal(text, "coordinate", limit_deg * 100)
    degrees, minutes = divmod(value, 100)
    if minutes >= 60:
        raise SealFrameRejected("coordinate has 60 minutes or more")
    return degrees + minutes / 60


def _time(day_text: str, clock_text: str) -> datetime:
    digits = day_text + clock_text
    if len(digits) != 12 or not (digits.isascii() and digits.isdecimal()):
        raise SealFrameRejected("device time is not ddmmyy, hhmmss")
    day, month, year, hour, minute, second = (int(digits[at : at + 2]) for at in range(0, 12, 2))
    try:
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise SealFrameRejected(f"device time {digits} is no date: {error}") from error


def _signed(degrees: float, hemisphere: str, positive: str, negative: str) -> float:
    if hemisphere not in (positive, negative):
        raise SealFrameRejected(f"hemisphere is neither {positive} nor {negative}")
    return degrees if hemisphere == positive else -degrees


def _place(fields: list[str]) -> tuple[float, float]:
    """Return degrees of `lat, N|S, lon, E|W`."""
    latitude = _signed(_decimal(fields[0], "latitude", 90), fields[1], "N", "S")
    return latitude, _signed(_decimal(fields[2], "longitude", 180), fields[3], "E", "W")


def _base_event(when: datetime, place: tuple[float, float], attributes: Attributes, *, is_valid: bool) -> SealEvent:
    if not is_valid:
        return SealEvent("status", False, when, None, None, attributes)
    return SealEvent("position", False, when, *place, attributes)


def _motion(speed_mph: str, course: str) -> Attributes:
    knots = _decimal(speed_mph, "speed", 999) * KNOTS_PER_MPH
    return (("speed_knots", f"{knots:.6g}"), ("course_deg", f"{_decimal(course, 'course', 360):g}"))


_DECIMAL = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?")
_MESSAGES: dict[str, Callable[[list[str]], tuple[tuple[SealEvent, ...], bytes]]] = {
    "P45": _decode_unlock,
    "U01": _decode_u,
    "U02": _decode_u,
    "U03": _decode_u,
    "U06": _decode_u06,
    "W01": _decode_w01,
}
