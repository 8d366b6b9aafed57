"""Wialon IPS 1.1 and 2.0, sans-IO: text lines `#TYPE#field;field…`, `NA` for what is not known, each answered with `#ATYPE#`.

Version 2.0 ends the fields with a CRC-16/ARC in hex, which is checked where it stands. Some units put `2.0;<imei>` before the line.
Minutes of a coordinate above 60 occur in the field and are counted on.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

from drivers.checksums import crc16_arc
from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import FROM_MEMORY, DecodedFrame, SealEvent
from drivers.seal_tracker.fields import shown, structured
from drivers.seal_tracker.reading import KNOTS_PER_KMH, Attributes, Reading, message_event, reading_events, utc

FRAME_LIMIT_BYTES = 1 << 14
PARAMETERS_LIMIT = 64
FIX_SATELLITES = 3

_HEAD = re.compile(rb"(?:[0-9]\.[0-9];)?[0-9A-Za-z]{0,32}#(?:[A-Z]{1,3}#)?")
_UNFINISHED_HEAD = re.compile(rb"(?:[0-9](?:\.(?:[0-9];?)?)?|(?:[0-9]\.[0-9];)?[0-9A-Za-z]{0,32}(?:#[A-Z]{0,3})?)")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SECOND_HEAD = re.compile(rb"#[A-Z]{1,3}#")
_LINE = re.compile(r"(?:[0-9]\.[0-9];)?([0-9A-Za-z]{0,32})#([A-Z]{1,3})#(.*)", re.DOTALL)
_CHECK = re.compile(r"[0-9A-Fa-f]{1,4}")
_FIELDS = {"SD": 10, "D": 16}
_ANSWER = {"L": b"#AL#1\r\n", "D": b"#AD#1\r\n", "SD": b"#ASD#1\r\n", "P": b"#AP#\r\n", "M": b"#AM#1\r\n"}
_MISSING = ("NA", "")


def frame_size(pending: bytearray) -> int | None:
    """Return the size of the line at the start; a second head in it says that the first line was torn off."""
    if pending[0] in b"\r\n":
        return -1
    end = pending.find(b"\n")
    line = bytes(pending[:end] if end >= 0 else pending)
    head = _HEAD.match(line)
    if head is None or not head.group().endswith(b"#") or head.group().count(b"#") < 2:
        return None if end < 0 and _UNFINISHED_HEAD.fullmatch(line) else 0
    if _CONTROL.search(line) or _SECOND_HEAD.search(line, head.end()):
        return 0
    return end + 1 if end >= 0 else None


@structured
def decode(frame: bytes) -> DecodedFrame:
    """Return what one line says. Raises `SealFrameRejected`."""
    found = _LINE.fullmatch(frame.decode("utf-8", "replace").rstrip("\r\n"))
    if found is None:
        raise SealFrameRejected("not a line #TYPE#…")
    seal_id, kind, told = found.groups()
    match kind:
        case "L":
            seal_id = _login(told)
            return DecodedFrame(seal_id, kind, (), _ANSWER[kind], is_login=True)
        case "SD" | "D":
            return DecodedFrame(seal_id, kind, _report(told, _FIELDS[kind]), _ANSWER[kind])
        case "B":
            return _batch(seal_id, told)
        case "M":
            return DecodedFrame(seal_id, kind, message_event((("result", shown(told, 256)),)), _ANSWER[kind])
    return DecodedFrame(seal_id, kind, (), _ANSWER.get(kind, b""))


def encode(kind: str, told: str, *, is_checked: bool = False) -> bytes:
    """Return one line; `is_checked` appends the CRC of version 2.0."""
    if is_checked:
        told = f"{told};{crc16_arc(f'{told};'.encode()):04X}"
    return f"#{kind}#{told}\r\n".encode()


def _checked(told: str, check: str) -> str:
    """Return the fields without their CRC. Raises `SealFrameRejected` when it does not hold."""
    if not _CHECK.fullmatch(check):
        raise SealFrameRejected("the last field is no checksum")
    fields = told.removesuffix(check)
    expected = crc16_arc(fields.encode("utf-8", "replace"))
    if int(check, 16) != expected:
        raise SealFrameRejected(f"checksum {check[:4]}, the line gives {expected:04X}")
    return fields.removesuffix(";").removesuffix("|")


def _login(told: str) -> str:
    fields = told.split(";")
    if "." in fields[0]:
        fields = _checked(told, fields[-1]).split(";")[1:] if len(fields) > 3 else fields[1:]
    if not (fields[0].isascii() and fields[0].isalnum() and len(fields[0]) <= 32):
        raise SealFrameRejected("login without an identity")
    return fields[0]


def _batch(seal_id: str, told: str) -> DecodedFrame:
    reports = told.split("|")
    if len(reports) > 1 and _CHECK.fullmatch(reports[-1]):
        reports = _checked(told, reports[-1]).split("|")
    events = [
        replace(event, attributes=(*event.attributes, FROM_MEMORY))
        for report in reports
        for event in _report(report, len(report.split(";")))
    ]
    return DecodedFrame(seal_id, "B", tuple(events), b"#AB#%d\r\n" % len(reports))


def _report(told: str, count: int) -> tuple[SealEvent, ...]:
    fields = told.split(";")
    if len(fields) == count + 1:
        fields = _checked(told, fields[-1]).split(";")
    if len(fields) != count or count not in _FIELDS.values():
        raise SealFrameRejected(f"report with {len(fields)} fields")
    day, clock, latitude, north, longitude, east, speed, course, altitude, satellites = fields[:10]
    has_place = latitude not in _MISSING and longitude not in _MISSING
    reading = Reading(
        device_time=None if day in _MISSING or clock in _MISSING else _moment(day, clock),
        is_valid=has_place and _number(satellites) >= FIX_SATELLITES,
        latitude_deg=_degrees(latitude, north, "NS") if has_place else 0.0,
        longitude_deg=_degrees(longitude, east, "EW") if has_place else 0.0,
        altitude_m=_number(altitude) if has_place else 0.0,
        speed_knots=_number(speed) * KNOTS_PER_KMH if has_place else 0.0,
        course_deg=_number(course) if has_place else 0.0,
    )
    attributes: Attributes = (("satellites", "" if satellites in _MISSING else shown(satellites)),)
    kinds: tuple[str, ...] = ()
    if count == _FIELDS["D"]:
        hdop, inputs, outputs, _, card, parameters = fields[10:]
        attributes += tuple(
            (name, shown(value))
            for name, value in (("hdop", hdop), ("inputs", inputs), ("outputs", outputs), ("actor", card))
            if value not in _MISSING
        )
        told_parameters = _parameters(parameters)
        attributes += tuple((f"parameter:{name}", value) for name, value in told_parameters.items())
        kinds = ("emergency_button",) if told_parameters.get("sos") == "1" else ()
    return reading_events(reading, attributes, kinds)


def _parameters(text: str) -> dict[str, str]:
    """Return the extra parameters `name:type:value`, names in lower case."""
    if text in _MISSING:
        return {}
    parts = (part.split(":", 2) for part in text.split(",")[:PARAMETERS_LIMIT])
    return {shown(part[0].lower(), 32): shown(part[2]) for part in parts if len(part) == 3}


def _number(text: str) -> float:
    return 0.0 if text in _MISSING else float(text)


def _degrees(text: str, hemisphere: str, letters: str) -> float:
    """Return degrees of `DDMM.mmmm` and N, S, E or W; the last two digits before the point are minutes."""
    if hemisphere not in tuple(letters):
        raise SealFrameRejected(f"hemisphere is none of {letters}")
    degrees, minutes = divmod(float(text), 100)
    value = degrees + minutes / 60
    return value if hemisphere == letters[0] else -value


def _moment(day: str, clock: str) -> datetime | None:
    digits = day + clock.partition(".")[0]
    if len(digits) != 12 or not (digits.isascii() and digits.isdecimal()):
        raise SealFrameRejected("device time is not DDMMYY;hhmmss")
    date, month, year, hour, minute, second = (int(digits[at : at + 2]) for at in range(0, 12, 2))
    return utc(2000 + year, month, date, hour, minute, second)
