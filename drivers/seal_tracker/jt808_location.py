"""Bodies of JT/T 808 that say where a lock is and how it is: 0200, 0704, 0210, 0900 and the lock reports 5501 and 5502.

Source: JT/T 808-2011 §8.12, makers' pages as collected in the device reference; extra fields are in `jt808_fields`.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import datetime

from drivers.seal_tracker.events import FROM_MEMORY, OPEN, SEALED, SealEvent
from drivers.seal_tracker.fields import Cursor, shown_bytes
from drivers.seal_tracker.jointech_fix import FIX_BYTES, decode_fix
from drivers.seal_tracker.jt808_fields import STANDARD, Extras, FieldTable, lock_command, read_fields
from drivers.seal_tracker.reading import KNOTS_PER_KMH, Reading, message_event, reading_events, utc

CLOCK_OFFSET_H = 8
"""The clock of these devices runs on GMT+8 unless they were told otherwise."""

_PLACE = struct.Struct(">IIhHH6s")  # latitude, longitude, altitude, speed, course, time
_CHARGING = (0xAA, 0xAB)
_LOCK_ALARMS = {1: "battery_low", 2: "vibration", 3: "battery_low", 5: "fence_enter", 6: "fence_exit"}
_LOCK_PRODUCT = 3


def bcd_time(digits: bytes, offset_h: int) -> datetime | None:
    """Return `YYMMDDhhmmss` of the device's clock as UTC, None when it is no date."""
    text = digits.hex()
    if not text.isdecimal():
        return None
    return utc(
        2000 + int(text[:2]), int(text[2:4]), int(text[4:6]), int(text[6:8]), int(text[8:10]), int(text[10:]), offset_h
    )


def report(body: Cursor, offset_h: int, table: FieldTable = STANDARD) -> tuple[SealEvent, ...]:
    """0200: alarms, status, place, and the extra fields as the unit's model has them."""
    alarms, status = body.u32(), body.u32()
    reading = _reading(body, status, offset_h)
    found = Extras([kind for bit, kind in table.alarm_bits.items() if alarms >> bit & 1] if alarms else [])
    found.add("alarm_word", f"{alarms:08x}")
    found.add("status_word", f"{status:08x}")
    if body.left == 18:  # an older form without extra fields
        body.skip(4)
        found.add("odometer_m", str(body.u32() * 1000))
        found.add("battery_v", f"{body.u16() / 10:g}")
        body.skip(4)
        found.add("gsm", str(body.u8()))
    else:
        read_fields(found, table, body.content, body.at)
    return reading_events(reading, tuple(found.attributes), found.kinds)


def _reading(body: Cursor, status: int, offset_h: int) -> Reading:
    latitude, longitude, altitude, speed, course, moment = _PLACE.unpack(body.take(_PLACE.size))
    return Reading(
        device_time=bcd_time(moment, offset_h),
        is_valid=bool(status & 2),
        latitude_deg=latitude / (-1e6 if status & 4 else 1e6),
        longitude_deg=longitude / (-1e6 if status & 8 else 1e6),
        altitude_m=altitude,
        speed_knots=speed / 10 * KNOTS_PER_KMH,
        course_deg=course,
    )


def batch(body: Cursor, offset_h: int, table: FieldTable = STANDARD, *, is_long: bool) -> tuple[SealEvent, ...]:
    """0704, 0210: several reports, told later. 0704 says of which kind: 0 ordinary ones in one message, 1 kept where there was no network."""
    is_kept = False
    if is_long:
        body.skip(2)
        is_kept = body.u8() == 1
    events: list[SealEvent] = []
    while body.left >= 2:
        events += report(body.sub(body.u16() if is_long else body.u8()), offset_h, table)
    if is_kept:
        return tuple(replace(event, attributes=(*event.attributes, FROM_MEMORY)) for event in events)
    return tuple(events)


def transparent(body: Cursor, offset_h: int) -> tuple[SealEvent, ...]:
    """0900: a maker's own content; a place is in the vehicle data form (F0 01), the reader's card in the text form (40 GTSL)."""
    kind = body.u8()
    if kind == 0xF0:
        moment = bcd_time(body.take(6), offset_h)
        body.skip(2)
        if body.u8() == 1:
            for _ in range(body.u8()):
                body.skip(2)
                body.skip(body.u8())
            status = body.u32()
            latitude, longitude = _place(body, status)
            return reading_events(Reading(moment, bool(status & 2), latitude, longitude))
    if kind == 0x40:
        words = shown_bytes(body.take(body.left)).split("|")
        return message_event((("actor", words[4]),) if words[0] == "\x18GTSL" or len(words) > 4 else ())
    if kind == 0x54:  # GL100 class: a place, then samples of its sensors
        return reading_events(_reading(body, body.u32(), offset_h))
    return message_event((("content", f"{kind:02x}"),))


def lock_report(body: Cursor, *, is_valid: bool) -> tuple[SealEvent, ...]:
    """5501, and 5502 for a report that was stored without a fix: Jointech's block of place and time, then the lock's state."""
    fix = decode_fix(body.take(FIX_BYTES))
    gsm, satellites, mileage, battery = body.u8(), body.u8(), body.u32(), body.u8()
    cell, area, product, status, alarms = body.u32(), body.u16(), body.u8(), body.u16(), body.u16()
    kinds = [kind for bit, kind in _LOCK_ALARMS.items() if product == _LOCK_PRODUCT and alarms >> bit & 1]
    if product in (1, 2) and alarms & 1:
        kinds.append("battery_low")
    found = Extras(kinds)
    if battery in _CHARGING:
        found.kinds.append("charging")
    else:
        found.add("battery_percent", str(battery))
    if product == _LOCK_PRODUCT:
        found.add("motor_locked", "true" if status & 0x20 else "false")
        found.attributes.append(SEALED if status & 0x20 else OPEN)
    if not is_valid:
        found.attributes.append(FROM_MEMORY)
    for name, value in (
        ("status", f"{status:04x}"),
        ("alarm_word", f"{alarms:04x}"),
        ("product", str(product)),
        ("mileage_km", str(mileage)),
        ("satellites", str(satellites)),
        ("gsm", str(gsm)),
        ("cell_id", str(cell)),
        ("location_area", str(area)),
    ):
        found.add(name, value)
    altitude = 0
    while body.left >= 2:
        number, extra = body.u8(), body.sub(body.u8())
        if number == 0x02 and extra.left == 2:
            altitude = extra.signed(2)
        elif number == 0x0B:
            lock_command(found, extra)
        elif number == 0x0C and extra.left == 6:
            found.add("tilt", ",".join(str(extra.signed(2)) for _ in range(3)))
    reading = Reading(
        device_time=fix.device_time,
        is_valid=is_valid,
        latitude_deg=fix.latitude_deg,
        longitude_deg=fix.longitude_deg,
        altitude_m=altitude,
        speed_knots=fix.speed_knots,
        course_deg=fix.course_half_deg * 2,
    )
    return reading_events(reading, tuple(found.attributes), found.kinds)


def _place(body: Cursor, status: int) -> tuple[float, float]:
    latitude, longitude = body.u32() / 1e6, body.u32() / 1e6
    return -latitude if status & 4 else latitude, -longitude if status & 8 else longitude
