"""Records of Navtelecom units: NTCB formats F10 to F60, FLEX 1.0 fields by the agreed bit field, FLEX 2.0 extras."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import SealEvent
from drivers.seal_tracker.fields import Cursor
from drivers.seal_tracker.reading import KNOTS_PER_KMH, Reading, from_epoch, reading_events, utc

Told = tuple[int, tuple[SealEvent, ...]]

F10, F20, F30, F40, F50, F51, F52, F60 = 0x01, 0x02, 0x03, 0x04, 0x05, 0x15, 0x25, 0x06
_ALARM = 0x80
_E4MIN_PER_DEG = 600_000
_FLEX_1 = (
    "4 2 4 1 1 1 1 1 4 4 4 4 4 2 4 4 2 2 2 2 2 2 2 2 2 2 2 2 1 1 1 1 4 4 2 2 "
    "4 2 2 2 2 2 2 2 1 1 1 1 1 1 1 1 2 4 2 1 4 2 2 2 2 2 1 1 1 2 4 2 1"
)
_FLEX_2 = (
    "8 2 1 16 4 2 4 37 1 1 1 1 1 1 3 3 3 3 3 3 3 3 3 3 6 12 24 48 1 1 1 1 4 4 1 4 2 6 2 6 2 2 2 2 2 2 2 2 1 2 2 2 1"
)
_FIELD_BYTES = tuple(int(size) for size in f"{_FLEX_1} {_FLEX_2}".split())
_INDEX, _EVENT, _ARMED, _NAVIGATION, _FIX_TIME, _LATITUDE, _LONGITUDE, _ALTITUDE, _SPEED, _COURSE = (
    0,
    1,
    3,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
)
_POWER, _BATTERY = 18, 19


@dataclass(frozen=True, slots=True)
class Layout:
    """The numbers of the fields that a FLEX record has, in their order."""

    fields: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Size of one record."""
        return sum(_FIELD_BYTES[number] for number in self.fields)


USUAL_LAYOUT = Layout(tuple(range(_COURSE + 1)))
"""Every usual setting begins with the fields up to the course."""


def layout(told: bytes) -> Layout | None:
    """Return the layout that `B0`, version, structure, count, bit field agree on; None for a version or count that is not known."""
    if len(told) < 4 or told[0] != 0xB0 or not {told[1], told[2]} <= {0x0A, 0x14}:
        return None
    count, bits = told[3], told[4:]
    if count > len(_FIELD_BYTES) or len(bits) < (count + 7) // 8:
        return None
    return Layout(tuple(number for number in range(count) if bits[number // 8] >> (7 - number % 8) & 1))


def flex(body: Cursor, agreed: Layout) -> Told:
    """Return index and events of a FLEX 1.0 record."""
    values = {number: body.take(_FIELD_BYTES[number]) for number in agreed.fields}

    def number(field: int, *, signed: bool = False) -> int:
        return int.from_bytes(values.get(field, b""), "little", signed=signed)

    navigation = number(_NAVIGATION)
    reading = Reading(
        device_time=from_epoch(number(_FIX_TIME)),
        is_valid=bool(navigation & 2),
        latitude_deg=number(_LATITUDE, signed=True) / _E4MIN_PER_DEG,
        longitude_deg=number(_LONGITUDE, signed=True) / _E4MIN_PER_DEG,
        altitude_m=number(_ALTITUDE, signed=True) / 10,
        speed_knots=_float(values.get(_SPEED, bytes(4))) * KNOTS_PER_KMH,
        course_deg=number(_COURSE),
    )
    attributes = [("satellites", str(navigation >> 2)), ("event", str(number(_EVENT))), ("index", str(number(_INDEX)))]
    attributes += [
        (name, f"{number(field) / 1000:g}")
        for field, name in ((_POWER, "power_v"), (_BATTERY, "battery_v"))
        if field in values
    ]
    attributes.append(("armed", "true" if number(_ARMED) & 1 else "false"))
    if _FIX_TIME not in values:
        return number(_INDEX), ()
    return number(_INDEX), reading_events(reading, tuple(attributes))


def flex_extra(body: Cursor) -> Told:
    """Return index and events of a FLEX 2.0 extra; structures other than 0A carry no place."""
    if body.u8() != 0x0A:
        return 0, ()
    body.skip(1)
    index, event = body.u32(), body.u16()
    body.skip(4)
    navigation, moment = body.u8(), from_epoch(body.u32())
    latitude, longitude, altitude = body.signed(4), body.signed(4), body.signed(4)
    reading = Reading(
        device_time=moment,
        is_valid=bool(navigation & 2),
        latitude_deg=latitude / _E4MIN_PER_DEG,
        longitude_deg=longitude / _E4MIN_PER_DEG,
        altitude_m=altitude / 10,
        speed_knots=_float(body.take(4)) * KNOTS_PER_KMH,
        course_deg=body.u16(),
    )
    return index, reading_events(reading, (("satellites", str(navigation >> 2)), ("event", str(event))))


def ntcb(body: Cursor) -> Told:
    """Return index and events of a record of formats F10 to F60; F10, F30 and F40 carry no place."""
    kind = body.u8()
    if kind == 0:
        kind = body.u8()
    if kind not in {F10, F20, F30, F40, F50, F51, F52, F60}:
        raise SealFrameRejected(f"record format {kind:02x} is not known")
    index, event = body.u32(), body.u16()
    body.skip(6)
    armed, status, gsm = body.u8(), body.u8(), body.u8()
    body.skip(2 if kind in {F10, F20, F30} else 1)  # outputs
    body.skip(2 if kind in {F10, F20, F30, F40} else 1)  # inputs
    power, battery = body.u16(), body.u16()
    body.skip({F10: 6, F20: 14, F30: 2, F40: 4, F60: 52}.get(kind, 12))  # temperature, voltages, counters, fuel
    attributes = (
        ("event", str(event)),
        ("armed", f"{armed & ~_ALARM:02x}"),
        ("status_byte", f"{status:02x}"),
        ("gsm", str(gsm)),
        ("power_v", f"{power / 1000:g}"),
        ("battery_v", f"{battery / 1000:g}"),
        ("index", str(index)),
    )
    if kind in {F10, F30, F40}:
        return index, ()
    reading = _ntcb_place(body, is_f60=kind == F60)
    body.skip(12 + (15 if kind in {F51, F52} else 0) + (4 if kind == F52 else 0))
    return index, reading_events(reading, attributes)


def _ntcb_place(body: Cursor, *, is_f60: bool) -> Reading:
    navigation = body.u8()
    hour, minute, second, day, month, year = body.take(6)
    altitude: float | None = 0.0
    if is_f60:
        latitude, longitude = body.signed(4) / _E4MIN_PER_DEG, body.signed(4) / _E4MIN_PER_DEG
        altitude = body.signed(4) / 10
    else:
        latitude, longitude = math.degrees(_float(body.take(4))), math.degrees(_float(body.take(4)))
    return Reading(
        device_time=utc(2000 + year, month + 1, day, hour, minute, second),
        is_valid=bool(navigation & 2),
        latitude_deg=latitude,
        longitude_deg=longitude,
        altitude_m=altitude,
        speed_knots=_float(body.take(4)) * KNOTS_PER_KMH,
        course_deg=body.u16(),
    )


def _float(content: bytes) -> float:
    value: float = struct.unpack("<f", content)[0]
    return value if math.isfinite(value) else 0.0
