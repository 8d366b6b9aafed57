"""TeraTrack, sans-IO: one JSON object per report, all values strings, the bits of the lock status word as keys of their own.

Slave locks stand in `Slave`, with an `S` before each key. `{01}` acknowledges a report whose `MessageAck` is "1". There is no checksum.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import DecodedFrame, SealEvent, alarm_kinds, standing_attributes, status_attributes
from drivers.seal_tracker.fields import shown, structured
from drivers.seal_tracker.reading import KNOTS_PER_KMH, Attributes, Reading, reading_events, utc

ACKNOWLEDGEMENT = b"{01}"
SLAVES_LIMIT = 32
BIT_OF_KEY = {
    "LockCutOff": 3,
    "SealTempered": 4,
    "MessageAck": 5,
    "LockRope": 6,
    "LockStatus": 7,
    "LockOpen": 8,
    "PasswordError": 9,
    "IllegalCard": 10,
    "LowPower": 11,
    "UnCoverBack": 12,
    "CoverStatus": 13,
    "LockStuck": 14,
}
"""Bits of the lock status word, see `events.STATUS_BITS`. The keys are the maker's, misspelling included."""

# Braces stand in no string of these reports, and objects are nested once: a brace elsewhere says that an end was lost.
_NESTED = rb"\{[^{}]*+(?:\{[^{}]*+\}(?!\{)[^{}]*+)*+"
_OBJECT = re.compile(_NESTED + rb"\}")
_UNFINISHED = re.compile(_NESTED + rb"(?:\{[^{}]*+)?")
_SPACE = b" \t\r\n"


def frame_size(pending: bytearray) -> int | None:
    """Return the size of the JSON object at the start: where its braces are closed."""
    if pending[0] in _SPACE:
        return -1
    if pending[0] != ord("{") or (len(pending) > 1 and pending[1] not in b'"}0' + _SPACE):
        return 0
    if (whole := _OBJECT.match(pending)) is not None:
        return whole.end()
    return None if _UNFINISHED.fullmatch(pending) else 0


@structured
def decode(frame: bytes) -> DecodedFrame:
    """Return what one object says. Raises `SealFrameRejected`."""
    try:
        told = json.loads(frame.decode("utf-8"))
    except RecursionError as error:
        raise SealFrameRejected("object is nested too deep") from error
    if not isinstance(told, dict) or not isinstance(told.get("MDeviceID"), str):
        raise SealFrameRejected("not a TeraTrack report: no MDeviceID")
    seal_id = told["MDeviceID"]
    if not (seal_id.isascii() and seal_id.isdecimal() and len(seal_id) <= 15):
        raise SealFrameRejected("device id is not decimal")
    status = _status(told, "")
    latitude, longitude = float(_text(told, "Latitude")), float(_text(told, "Longitude"))
    reading = Reading(
        device_time=_moment(_text(told, "DateTime")),
        is_valid=bool(latitude or longitude),
        latitude_deg=-abs(latitude) if _text(told, "LatitudeState") == "0" else latitude,
        longitude_deg=-abs(longitude) if _text(told, "LongitudeState") == "0" else longitude,
        speed_knots=float(_text(told, "Speed")) * KNOTS_PER_KMH,
    )
    card = shown(_optional(told, "CardNo"))
    attributes: Attributes = (
        *status_attributes(status),
        *standing_attributes(status),
        ("actor", card if card.strip("0") else ""),
        ("battery_percent", shown(_optional(told, "Power"))),
        ("gsm", shown(_optional(told, "GSM"))),
        ("mileage_km", shown(_optional(told, "Mileage"))),
        ("fence_alarm", shown(_optional(told, "FenceAlarm"))),
        ("index", shown(_optional(told, "Index"))),
    )
    events = reading_events(reading, attributes, alarm_kinds(status))
    reply = ACKNOWLEDGEMENT if _optional(told, "MessageAck") == "1" else b""
    return DecodedFrame(seal_id, "report", (*events, *_slave_events(told, events[0])), reply)


def encode(seal_id: str, reading: Reading, moment: datetime, status: int, index: int) -> bytes:
    """Return the report that a lock sends; `decode` gives its fields back."""
    told: dict[str, object] = {
        "MDeviceID": seal_id,
        "DeviceType": "1",
        "DataType": "2",
        "DateTime": f"{moment:%Y-%m-%d %H:%M:%S}",
        "Latitude": f"{reading.latitude_deg if reading.is_valid else 0:.6f}",
        "Longitude": f"{reading.longitude_deg if reading.is_valid else 0:.6f}",
        "LatitudeState": "1" if reading.latitude_deg >= 0 else "0",
        "LongitudeState": "1" if reading.longitude_deg >= 0 else "0",
        "Speed": f"{reading.speed_knots / KNOTS_PER_KMH:.0f}",
        "Mileage": "0",
        **{key: str(status >> bit & 1) for key, bit in BIT_OF_KEY.items()},
        "CardNo": "0",
        "Power": "90",
        "GSM": "14",
        "Index": str(index),
        "Slave": [],
    }
    return json.dumps(told, separators=(",", ":")).encode("ascii")


def _slave_events(told: Mapping[str, Any], base: SealEvent) -> tuple[SealEvent, ...]:
    """Return the alarms of slave locks; what a lock said before it fell silent (`STimeOut`) is no news."""
    slaves = told.get("Slave", [])
    if not isinstance(slaves, list) or len(slaves) > SLAVES_LIMIT:
        raise SealFrameRejected(f"Slave is not a list of at most {SLAVES_LIMIT} locks")
    events: list[SealEvent] = []
    for slave in slaves:
        if not isinstance(slave, dict) or _optional(slave, "STimeOut") == "1":
            continue
        status = _status(slave, "S")
        slave_id = shown(_optional(slave, "SDeviceId"))
        attributes = (("slave_lock_id", slave_id), *status_attributes(status))
        events += [  # a slave is a seal of its own: what was done to it is not held against the lock that tells it
            replace(base, kind=kind, is_alarm=True, attributes=attributes, seal_id=slave_id)
            for kind in alarm_kinds(status)
        ]
    return tuple(events)


def _status(told: Mapping[str, Any], prefix: str) -> int:
    status = 0
    for key, bit in BIT_OF_KEY.items():
        if told.get(prefix + key) == "1":
            status |= 1 << bit
    return status


def _text(told: Mapping[str, Any], key: str) -> str:
    value = told[key]
    if not isinstance(value, str) or len(value) > 32:
        raise SealFrameRejected(f"{key} is not a short string")
    return value


def _optional(told: Mapping[str, Any], key: str) -> str:
    return _text(told, key) if key in told else ""


def _moment(text: str) -> datetime | None:
    day, clock = text.split(" ")
    year, month, date = (int(part) for part in day.split("-"))
    hour, minute, second = (int(part) for part in clock.split(":"))
    return utc(year, month, date, hour, minute, second)
