"""eSeal text frames, sans-IO: `##S,eSeal,<id>,<customer>,<firmware>,<type>,<index>,<date>,<time>,…,E##`. There is no checksum.

Reports of the types below are answered with their own head, `<type> ACK,<index>,E##` and a line end; `Startup` gets the configuration
too, where one is set. Other types are the seal's answers to commands.
"""

from __future__ import annotations

import re
from datetime import datetime

from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import OPEN, SHUT, DecodedFrame
from drivers.seal_tracker.fields import shown, structured
from drivers.seal_tracker.reading import KNOTS_PER_KMH, Attributes, Reading, reading_events, utc

START, END = b"##S,", b"E##"
LINE_ENDS = b"\r\n"

_EVENTS = {
    "Event-Shock": "vibration",
    "Event-Drop": "dropped",
    "Event-Lock": "sealed",
    "Event-RC-Unlock": "unsealed_by_platform",
}
_DOOR_EVENT = {"Open": "shackle_opened", "Close": "shackle_closed"}
REPORTS = frozenset({*_EVENTS, "Event-Door", "Normal", "Button-Normal", "Termination", "Startup"})
_PLACE = re.compile(r"([0-9]{1,2}\.[0-9]{1,9})([NS]) ([0-9]{1,3}\.[0-9]{1,9})([EW])")
_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")


def frame_size(pending: bytearray) -> int | None:
    """Return the size of the frame at the start; a second start before the end says that the first frame was torn off."""
    if pending[0] in LINE_ENDS:
        return -1
    if not START.startswith(pending[: len(START)]):
        return 0
    end = pending.find(END, len(START))
    inner = pending[: end if end > 0 else len(pending)]
    if not inner.isascii() or inner.find(START, 1) > 0:
        return 0
    return end + len(END) if end > 0 else None


@structured
def decode(frame: bytes, startup_configuration: str = "") -> DecodedFrame:
    """Return what one frame says. Raises `SealFrameRejected`."""
    text = frame.decode("ascii").rstrip("\r\n")
    if not (text.startswith("##S,") and text.endswith(",E##")):
        raise SealFrameRejected("not an eSeal frame: must stand in ##S, and ,E##")
    fields = text.removesuffix(",E##").split(",")
    seal_id, kind = fields[2], fields[5]
    if not (seal_id.isdecimal() and len(seal_id) <= 15):
        raise SealFrameRejected("seal id is not decimal")
    if kind not in REPORTS:
        return DecodedFrame(seal_id, shown(kind), ())
    index = fields[6]
    if not (index.isdecimal() and len(index) <= 9):
        raise SealFrameRejected("index is not a number")
    answer = f"{','.join(fields[:5])},{kind} ACK,{index},"
    if kind == "Startup" and startup_configuration:
        answer += startup_configuration + ","
    reading, attributes = _report(fields[7:])
    kinds = [_EVENTS[kind]] if kind in _EVENTS else []
    if kind == "Event-Door":
        kinds.append(_DOOR_EVENT[fields[14]])
    attributes = (("event_type", kind), ("index", index), *attributes)
    return DecodedFrame(seal_id, kind, reading_events(reading, attributes, kinds), f"{answer}E##\r\n".encode("ascii"))


def encode(seal_id: str, kind: str, index: int, moment: datetime, reading: Reading, door: str = "Close") -> bytes:
    """Return the report that a seal sends; `decode` gives its fields back."""
    north, east = reading.latitude_deg >= 0, reading.longitude_deg >= 0
    place = (
        f"{abs(reading.latitude_deg):.6f}{'N' if north else 'S'} {abs(reading.longitude_deg):.6f}{'E' if east else 'W'}"
    )
    speed_kmh = round(reading.speed_knots / KNOTS_PER_KMH)
    text = (
        f"##S,eSeal,{seal_id},256,3.0.6,{kind},{index},{moment:%Y-%m-%d,%H:%M:%S},3,{'A' if reading.is_valid else 'V'},"
        f"{place},{reading.course_deg:.0f},{speed_kmh},{door},1.0,0:0:0:0,4.0,-81,E##"
    )
    return text.encode("ascii") + b"\r\n"


def _report(fields: list[str]) -> tuple[Reading, Attributes]:
    """Fields from the date on: date, time, interval, validity, place, course, speed, door, acceleration, card, volts, dBm."""
    if len(fields) != 12:
        raise SealFrameRejected(f"report with {len(fields)} fields after its index, needs 12")
    day, clock, _, validity, place, course, speed, door, acceleration, card, volts, strength = fields
    found = _PLACE.fullmatch(place)
    if found is None or validity not in {"A", "V"} or door not in _DOOR_EVENT:
        raise SealFrameRejected("place, validity or door state is none")
    if not all(_NUMBER.fullmatch(number) for number in (course, speed, acceleration, volts, strength)):
        raise SealFrameRejected("course, speed, acceleration, voltage or signal strength is no number")
    latitude, north, longitude, east = found.groups()
    reading = Reading(
        device_time=_moment(day, clock),
        is_valid=validity == "A",
        latitude_deg=float(latitude) * (1 if north == "N" else -1),
        longitude_deg=float(longitude) * (1 if east == "E" else -1),
        speed_knots=float(speed) * KNOTS_PER_KMH,
        course_deg=float(course),
    )
    return reading, (
        ("door", door.lower()),
        SHUT if door == "Close" else OPEN,
        ("acceleration_g", acceleration),
        ("card", shown(card)),
        ("battery_v", volts),
        ("rssi_dbm", strength),
    )


def _moment(day: str, clock: str) -> datetime | None:
    year, month, date = (int(part) for part in day.split("-"))
    hour, minute, second = (int(part) for part in clock.split(":"))
    return utc(year, month, date, hour, minute, second)
