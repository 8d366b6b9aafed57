"""Contents of GT06 messages: the position block, the status bytes of locks and trackers, the modules of type 70, and what has no place.

Source: Concox GT06 protocol and the pages of its heirs as collected in the device reference; the field's frames tell the rest. The clock
is UTC. Message numbers were given twice by makers: the length and whether a date can stand there say which layout it is.
"""

from __future__ import annotations

from datetime import datetime

from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import SealEvent
from drivers.seal_tracker.fields import Cursor, shown_bytes
from drivers.seal_tracker.reading import (
    KNOTS_PER_KMH,
    Attributes,
    Reading,
    from_epoch,
    message_event,
    reading_events,
    utc,
)

Told = tuple[str, tuple[SealEvent, ...]]

_POSITIONS = frozenset({0x10, 0x11, 0x12, 0x1A, 0x1E, 0x22, 0x2D, 0x31, 0x32, 0x36, 0x37, 0xA0})
_POSITIONS_WITH_STATUS = frozenset({0x16, 0x26, 0x27, 0xA3, 0xA4})
_CELLS_OR_POSITION = {0x24: 52, 0x2E: 52, 0xA2: 100}
"""Cell tower lists, or in shorter messages of other makers a position."""

_DATED = frozenset({0x18, 0x28, 0x2C, 0x33, 0xA1})
_DATED_BCD = frozenset({0x17, 0x69, 0xF3})
_UNDATED = frozenset({0x15, 0x23, 0x94, 0xA7})
_STATUS_AT_THE_END = frozenset({0x19, 0xA5})
_STATUS_BEFORE = {0x27: 6, 0xA3: 5, 0xA4: 6}
"""How far before the end the status bytes are where a language and the number of a fence may follow."""

_BLOCK_BYTES = 18
_STATUS_KINDS = {1: "vibration", 2: "power_cut", 3: "battery_low", 4: "emergency_button", 7: "shell_tampered"}
_ALARM_KINDS = {
    0x01: "emergency_button",
    0x02: "power_cut",
    0x03: "vibration",
    0x04: "fence_enter",
    0x05: "fence_exit",
    0x09: "vibration",
    0x0E: "battery_low",
    0x0F: "battery_low",
    0x11: "power_cut",
    0x13: "shell_tampered",
    0x14: "door_opened",
    0x23: "dropped",
}
_MODULE_EVENTS = {0x11: "battery_low", 0x12: "battery_low", 0x13: "power_cut", 0x14: "shell_tampered"}


def basic(kind: int, content: bytes) -> Told:
    """Return identity (where the message carries one) and events of a `78 78` message; none for a type without a report."""
    body = Cursor(content)
    is_short = kind in _CELLS_OR_POSITION and len(content) < _CELLS_OR_POSITION[kind]
    if kind in _POSITIONS or is_short or kind == 0x25:
        return _position(kind, body)
    if kind in _POSITIONS_WITH_STATUS:
        if kind == 0xA3 and len(content) < _BLOCK_BYTES:  # a heartbeat with an alarm
            return "", _without_place(content[:4])
        return "", _position_with_status(kind, body)
    match kind:
        case 0x13 if len(content) == 16:
            return "", message_event((("battery_percent", str(content[5])),))
        case 0x13:
            return "", _without_place(content[:4])
        case 0x19 if len(content) >= 0x12:  # a list of cell towers
            return "", ()
        case 0x34:
            body.skip(4)
            return "", reading_events(*_block(body))
        case 0x95:
            return "", _camera_alarm(body)
    if kind in _STATUS_AT_THE_END:
        return "", _without_place(content[-5:-1])
    if kind in _DATED or kind in _CELLS_OR_POSITION:
        return "", message_event((), _moment(body))
    if kind in _DATED_BCD:
        return "", message_event((), _bcd_moment(body.take(6)))
    return "", message_event(()) if kind in _UNDATED else ()


def extended(kind: int, content: bytes) -> Told:
    """Return identity and events of a `79 79` message."""
    body = Cursor(content)
    match kind:
        case 0x70:
            return "", _modules(body)
        case 0x32 | 0x33:
            return "", _with_optional_position(body)
        case 0x38:
            return "", reading_events(*_block(body))
        case 0xF2:
            return "", message_event((), from_epoch(body.u32()))
        case 0x8C:
            return "", message_event((), _moment(body))
        case 0x94:
            return "", _terminal_state(body)
        case 0x21:
            body.skip(4)
            text = "ascii" if body.u8() == 1 else "utf-16-be"
            result = body.take(body.left).decode(text, "replace")
            return "", message_event((("result", shown_bytes(result.encode("ascii", "replace"))),))
        case 0x9B:
            return "", message_event((("result", content.hex()),)) if len(content) > 1 else ()
    return "", ()


def _moment(body: Cursor) -> datetime | None:
    year, month, day, hour, minute, second = body.take(6)
    return utc(2000 + year, month, day, hour, minute, second)


def _bcd_moment(digits: bytes) -> datetime | None:
    text = digits.hex()
    if not text.isdecimal():
        return None
    return utc(2000 + int(text[:2]), *(int(text[at : at + 2]) for at in range(2, 12, 2)))


def _block(body: Cursor) -> tuple[Reading, Attributes]:
    """Time, satellites, place in 1/30000 minute, km/h, and flags: bits 0-9 course, 10 north, 11 west, 12 fix."""
    moment, satellites = _moment(body), body.u8() & 0x0F
    latitude, longitude, speed, flags = body.u32(), body.u32(), body.u8(), body.u16()
    return _reading(moment, latitude, longitude, speed, flags), (("satellites", str(satellites)),)


def _reading(
    moment: datetime | None, latitude: int, longitude: int, speed_kmh: int, flags: int, altitude_m: int | None = None
) -> Reading:
    return Reading(
        device_time=moment,
        is_valid=bool(flags & 0x1000),
        latitude_deg=latitude / 1_800_000 * (1 if flags & 0x0400 else -1),
        longitude_deg=longitude / 1_800_000 * (-1 if flags & 0x0800 else 1),
        altitude_m=altitude_m,
        speed_knots=speed_kmh * KNOTS_PER_KMH,
        course_deg=flags & 0x03FF,
    )


def _position(kind: int, body: Cursor) -> Told:
    """Return what a message tells whose content is the position block, or the identity and then the block."""
    seal_id = ""
    _, month, day, hour, minute, second = body.take(6)
    body.at -= 6
    if utc(2000, month, day, hour, minute, second) is None:
        seal_id = _identity(kind, body)
    elif kind == 0x25:
        return "", ()
    reading, attributes = _block(body)
    kinds: tuple[str, ...] = ()
    if kind == 0x31:
        altitude = int.from_bytes(body.content[-2:], "big", signed=True)
        attributes += (("altitude_m", str(altitude)),)
    if kind == 0x12 and body.left >= 8 + 9 and body.left == 8 + 9 + body.content[body.at + 12]:
        body.skip(12)
        attributes += (("actor", shown_bytes(body.take(body.u8()))),)
        kinds = ("card_presented",)
    return seal_id, reading_events(reading, attributes, kinds)


def _identity(kind: int, body: Cursor) -> str:
    """Return the identity that stands before the block: eight digits' bytes, in type 22 and 25 after a 01 and before a second date."""
    has_mark = kind in {0x22, 0x25}
    if has_mark and body.u8() != 1:
        raise SealFrameRejected("position without a date or an identity")
    digits = body.take(8).hex()
    if not digits.isdecimal():
        raise SealFrameRejected("position without a date or an identity")
    if has_mark:
        body.skip(6)
    return digits[1:]


def _position_with_status(kind: int, body: Cursor) -> tuple[SealEvent, ...]:
    reading, attributes = _block(body)
    if kind in _STATUS_BEFORE:
        status_at = body.end - _STATUS_BEFORE[kind]
    else:
        size = body.u8()  # of the cell block and itself; 0: none, or the room of one without content
        status_at = body.at - 1 + (max(size, 9) if size or body.left < 50 else 46)
    more, kinds = _status(body.content[status_at : status_at + 4])
    return reading_events(reading, attributes + more, kinds)


def _status(block: bytes) -> tuple[Attributes, tuple[str, ...]]:
    """Status bits, battery in sixths or percent, GSM, alarm number."""
    if len(block) < 4:
        return (), ()
    status, battery, gsm, alarm = block
    kinds = [_STATUS_KINDS.get(status >> 3 & 7), _ALARM_KINDS.get(alarm)]
    percent = battery * 100 // 6 if battery <= 6 else battery
    attributes = (
        ("status_byte", f"{status:02x}"),
        ("battery_percent", str(percent)),
        ("gsm", str(gsm)),
        ("alarm_number", f"{alarm:02x}"),
    )
    return attributes, tuple(kind for kind in kinds if kind is not None)


def _without_place(block: bytes) -> tuple[SealEvent, ...]:
    attributes, kinds = _status(block)
    return reading_events(Reading(), attributes, kinds)


def _camera_alarm(body: Cursor) -> tuple[SealEvent, ...]:
    """95: a date or a position, then the number of what happened."""
    if body.content[:3] == b"\xff\xff\x01":
        body.skip(3)
        moment, satellites = _moment(body), body.u8() & 0x0F
        latitude, longitude, flags, speed = body.u32(), body.u32(), body.u16(), body.u16()
        attributes = (("satellites", str(satellites)), ("power_v", f"{body.u16() / 10:g}"), ("event", str(body.u8())))
        return reading_events(_reading(moment, latitude, longitude, speed, flags), attributes)
    moment = _moment(body)
    if body.left <= 3:
        number = body.u8()
        return reading_events(Reading(moment), (("event", str(number)),), ("vibration",) if number == 0x80 else ())
    latitude, longitude, flags = body.u32(), body.u32(), body.u16()
    return reading_events(_reading(moment, latitude, longitude, 0, flags), (("event", str(body.u8())),))


def _with_optional_position(body: Cursor) -> tuple[SealEvent, ...]:
    """32, 33 of `79 79`: a date, the size of the position block, and the block unless the size is 0."""
    moment = _moment(body)
    if body.u8() == 0:
        return message_event((), moment)
    body.skip(1)
    latitude, longitude, speed, flags = body.u32(), body.u32(), body.u8(), body.u16()
    return reading_events(_reading(moment, latitude, longitude, speed, flags))


def _terminal_state(body: Cursor) -> tuple[SealEvent, ...]:
    """94: state of the unit, by a number of its own."""
    number = body.u8()
    if number == 0x05:
        moment = _moment(body) if body.left >= 7 else None
        return message_event((("door", "open" if body.u8() & 1 else "closed"),), moment)
    if number == 0x0A and body.left >= 26:
        body.skip(16)
        return message_event((("iccid", body.take(10).hex().replace("f", "")),))
    return message_event((("state_number", f"{number:02x}"),))


def _modules(body: Cursor) -> tuple[SealEvent, ...]:
    """70: modules of `number u16, length u16, content`."""
    reading, kinds = Reading(), list[str]()
    attributes = list[tuple[str, str]]()
    while body.left >= 4:
        number, module = body.u16(), body.sub(body.u16())
        match number, module.left:
            case 0x33, 18:
                moment, satellites, altitude = from_epoch(module.u32()), module.u8(), module.signed(2)
                latitude, longitude, speed, flags = module.u32(), module.u32(), module.u8(), module.u16()
                reading = _reading(moment, latitude, longitude, speed, flags, altitude)
                attributes.append(("satellites", str(satellites)))
            case 0x03, 10:
                attributes.append(("iccid", module.take(10).hex()))
            case 0x18, 2:
                attributes.append(("battery_v", f"{module.u16() / 100:g}"))
            case 0x2A, 1:
                inputs = module.u8()
                attributes.append(("door", "open" if inputs & 0x0F else "closed"))
                attributes.append(("tamper", "true" if inputs >> 4 else "false"))
            case 0x2B, 1:
                event = module.u8()
                attributes.append(("event", str(event)))
                if event in _MODULE_EVENTS:
                    kinds.append(_MODULE_EVENTS[event])
    return reading_events(reading, tuple(attributes), kinds)
