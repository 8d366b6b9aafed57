"""Bodies of JT/T 808 that say where a lock is and how it is: 0200, 0704, 0210, 0900 and the lock reports 5501 and 5502.

The numbers of the extra fields collide between makers. Read here are those of electronic locks (Huabao, Jointech, G-360P class) with the
lengths these use; anything else is passed over. Passwords that a lock repeats are never passed on. Source: JT/T 808-2011 §8.12, makers'
pages as collected in the device reference.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from drivers.seal_tracker.events import EVENT_NUMBERS, FROM_MEMORY, OPEN, SEALED, SealEvent
from drivers.seal_tracker.fields import Cursor, shown_bytes
from drivers.seal_tracker.jointech_fix import FIX_BYTES, decode_fix
from drivers.seal_tracker.reading import KNOTS_PER_KMH, Reading, message_event, reading_events, utc

CLOCK_OFFSET_H = 8
"""The clock of these devices runs on GMT+8 unless they were told otherwise."""

_ALARM_KINDS = {
    0: "emergency_button",
    7: "battery_low",
    8: "power_cut",
    15: "vibration",
    16: "shell_tampered",
    17: "shell_tampered",
    18: "battery_low",
}
_PLACE = struct.Struct(">IIhHH6s")  # latitude, longitude, altitude, speed, course, time
_SLAVE_EVENTS = range(0x61, 0x67)
_CHARGING = (0xAA, 0xAB)
_LOCK_ALARMS = {1: "battery_low", 2: "vibration", 3: "battery_low", 5: "fence_enter", 6: "fence_exit"}
_LOCK_PRODUCT = 3


def bcd_time(digits: bytes, offset_h: int) -> datetime | None:
    """Return `YYMMDDhhmmss` of the device's clock as UTC, None when it is no date."""
    text = digits.hex()
    if not text.isdecimal():
        return None
    year, month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(0, 12, 2))
    return utc(2000 + year, month, day, hour, minute, second, offset_h)


def report(body: Cursor, offset_h: int) -> tuple[SealEvent, ...]:
    """0200: alarms, status, place, and the extra fields."""
    alarms, status = body.u32(), body.u32()
    reading = _reading(body, status, offset_h)
    found = _Extras([kind for bit, kind in _ALARM_KINDS.items() if alarms >> bit & 1] if alarms else [])
    found.add("alarm_word", f"{alarms:08x}")
    found.add("status_word", f"{status:08x}")
    if body.left == 18:  # an older form without extra fields
        body.skip(4)
        found.add("odometer_m", str(body.u32() * 1000))
        found.add("battery_v", f"{body.u16() / 10:g}")
        body.skip(4)
        found.add("gsm", str(body.u8()))
    else:
        _read_extras(found, body.content, body.at)
    return reading_events(reading, tuple(found.attributes), found.kinds)


def _read_extras(found: _Extras, content: bytes, at: int) -> None:
    end = len(content)
    while end - at >= 2:
        read = _EXTRAS.get(content[at])
        start, at = at + 2, at + 2 + content[at + 1]
        if at > end:
            return
        if read is not None:
            read(found, Cursor(content[start:at]))


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


def batch(body: Cursor, offset_h: int, *, is_long: bool) -> tuple[SealEvent, ...]:
    """0704, 0210: several reports, told later. 0704 says of which kind: 0 ordinary ones in one message, 1 kept where there was no network."""
    is_kept = False
    if is_long:
        body.skip(2)
        is_kept = body.u8() == 1
    events: list[SealEvent] = []
    while body.left >= 2:
        events += report(body.sub(body.u16() if is_long else body.u8()), offset_h)
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
    found = _Extras(kinds)
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
            _lock_command(found, extra)
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


class _Extras:
    """What the extra fields of one report add: attributes and further events."""

    __slots__ = ("attributes", "kinds")

    def __init__(self, kinds: list[str]) -> None:
        self.kinds = kinds
        self.attributes: list[tuple[str, str]] = []

    def add(self, name: str, value: str) -> None:
        self.attributes.append((name, value))


def _place(body: Cursor, status: int) -> tuple[float, float]:
    latitude, longitude = body.u32() / 1e6, body.u32() / 1e6
    return -latitude if status & 4 else latitude, -longitude if status & 8 else longitude


def _number(name: str, size: int, scale: int = 1) -> Callable[[_Extras, Cursor], None]:
    """Return the reader of a plain number; a negative scale divides."""

    def read(found: _Extras, extra: Cursor) -> None:
        if extra.left == size:
            value = extra.unsigned(size)
            found.add(name, f"{value / -scale:g}" if scale < 0 else str(value * scale))

    return read


def _alarm_bit(kind: str, size: int, value_bytes: int, bit: int) -> Callable[[_Extras, Cursor], None]:
    """Return the reader of a word in which one bit is an alarm."""

    def read(found: _Extras, extra: Cursor) -> None:
        if extra.left == size and extra.unsigned(value_bytes) >> bit & 1:
            found.kinds.append(kind)

    return read


def _battery(found: _Extras, extra: Cursor) -> None:
    if extra.left != 1:
        return
    percent = extra.u8()
    if percent == 0xFF:
        found.kinds.append("charging")
    else:
        found.add("battery_percent", str(percent))


def _rope(found: _Extras, extra: Cursor) -> None:
    if extra.left == 3:
        found.add("rope_cut_count", str(extra.u16()))
        found.add("rope_status", f"{extra.u8():02x}")


def _lock_status(found: _Extras, extra: Cursor) -> None:
    if extra.left in {2, 3}:
        found.add("lock_status", extra.take(extra.left).hex())


def _password(found: _Extras, extra: Cursor) -> None:
    if extra.left == 8:
        found.add("password_given", "true")


def _actor(found: _Extras, extra: Cursor) -> None:
    found.add("actor", shown_bytes(extra.take(extra.left)))


def _lock_command(found: _Extras, extra: Cursor) -> None:
    """0B: an attempt at the lock with a card or a password, and its result."""
    size = extra.left
    if size < 5:
        return
    found.kinds.append("lock_command")
    found.add("lock_command", str(extra.u8()))
    if size in (5, 6):
        found.add("actor", str(extra.u32()))
    elif size >= 7:
        extra.skip(6)
        found.add("password_given", "true")
    if size % 2 == 0:
        found.add("unlock_result", str(extra.u8()))


def _padlock_event(found: _Extras, extra: Cursor) -> None:
    """60: the padlock's event number, with the card that caused it; 61 to 66 tell of a slave lock."""
    if extra.left < 2:
        return
    number = extra.u16()
    found.add("event_number", f"{number:02x}")
    if number in _SLAVE_EVENTS and extra.left >= 14:
        found.add("slave_lock_id", extra.take(6).hex())
        found.kinds.append("slave_lock_event")
    elif (kind := EVENT_NUMBERS.get(number)) is not None:
        found.kinds.append(kind)
    if extra.left >= 8:
        found.add("actor", shown_bytes(extra.take(8)))


def _slave_locks(found: _Extras, extra: Cursor) -> None:
    """63: slave locks in radio reach. Sealed is said with the digit 1."""
    if extra.left % 11:
        return
    number = 0
    while extra.left:
        number += 1
        found.add(f"lock{number}_id", extra.take(6).hex())
        found.add(f"lock{number}_battery_v", f"{extra.u16() / 1000:g}")
        found.add(f"lock{number}_sealed", "true" if extra.u8() == 0x31 else "false")
        extra.skip(2)


def _paired_locks(found: _Extras, extra: Cursor) -> None:
    """D5: paired locks, of which status bit 5 set is open; two bytes alone are the unit's own voltage."""
    if extra.left == 2:
        found.add("battery_v", f"{extra.u16() / 100:g}")
        return
    if not extra.left or extra.left != 1 + 13 * extra.content[0]:
        return
    for number in range(1, 1 + extra.u8()):
        found.add(f"lock{number}_id", extra.take(5).hex())
        found.add(f"lock{number}_card", extra.take(5).hex())
        found.add(f"lock{number}_battery_percent", str(extra.u8()))
        found.add(f"lock{number}_locked", "false" if extra.u16() & 0x20 else "true")


def _status_records(found: _Extras, extra: Cursor) -> None:
    """EB: records of `length u16, number u16, content`. In 0089 and 00C5 a cleared bit is the alarm."""
    while extra.left >= 4:
        size = extra.u16()
        if size < 2 or size > extra.left:
            return
        record = extra.sub(size)
        match record.u16(), record.left:
            case 0x0089, 4:
                word = record.u32()
                if not word & 1:
                    found.kinds.append("power_cut")
                if not word & 1 << 12:
                    found.kinds.append("shell_tampered")
            case 0x00C5, 4:
                if not record.u32() & 1 << 6:
                    found.kinds.append("vibration")
            case 0x002D, 2:
                found.add("battery_v", f"{record.u16() / 1000:g}")
            case (0x00A8, 1) | (0x00E1, 1):
                found.add("battery_percent", str(record.u8()))
            case 0x00B2, 10:
                found.add("iccid", record.take(10).hex().rstrip("f"))


_EXTRAS: dict[int, Callable[[_Extras, Cursor], None]] = {
    0x01: _number("odometer_m", 4, 100),
    0x0B: _lock_command,
    0x30: _number("gsm", 1),
    0x31: _number("satellites", 1),
    0x60: _padlock_event,
    0x63: _slave_locks,
    0x67: _password,
    0x69: _number("battery_v", 2, -100),
    0xBD: _actor,
    0xD0: _alarm_bit("vibration", 4, 4, 3),
    0xD4: _battery,
    0xD5: _paired_locks,
    0xDA: _rope,
    0xE1: _battery,
    0xE7: _alarm_bit("vibration", 8, 2, 0),
    0xE8: _lock_status,
    0xE9: _battery,
    0xEB: _status_records,
    0xFE: _battery,
}
