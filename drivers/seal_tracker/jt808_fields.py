"""Extra fields of JT/T 808 reports, by the model of the unit: makers use the same numbers for different things.

Read always are the few that the standard itself gives a meaning. Everything else is read only by a table that the site chose for a model,
by the first digits of a terminal's number or by the model's name; without one it is kept as it is, in hex. Fields that carry passwords or
a person's name are never passed on. Source: JT/T 808-2011 tables 24 and 27; makers' fields as collected in the device reference.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from drivers.seal_tracker.events import EVENT_NUMBERS
from drivers.seal_tracker.fields import Cursor, shown_bytes

_SLAVE_EVENTS = range(0x61, 0x67)
_WITHHELD = frozenset({0x0B, 0x67, 0xBC})
"""Numbers under which units send passwords or a driver's name: not kept even where nobody knows what they mean here."""

MODELS_LIMIT = 8192
"""Terminals whose model's name is remembered; the one heard longest ago is forgotten first."""


class Extras:
    """What the extra fields of one report add: attributes and further events."""

    __slots__ = ("attributes", "kinds")

    def __init__(self, kinds: list[str]) -> None:
        self.kinds = kinds
        self.attributes: list[tuple[str, str]] = []

    def add(self, name: str, value: str) -> None:
        """Add an attribute."""
        self.attributes.append((name, value))


def _number(name: str, size: int, scale: int = 1) -> Callable[[Extras, Cursor], None]:
    """Return the reader of a plain number; a negative scale divides."""

    def read(found: Extras, extra: Cursor) -> None:
        if extra.left == size:
            value = extra.unsigned(size)
            found.add(name, f"{value / -scale:g}" if scale < 0 else str(value * scale))

    return read


def _alarm_bit(kind: str, size: int, value_bytes: int, bit: int) -> Callable[[Extras, Cursor], None]:
    """Return the reader of a word in which one bit is an alarm."""

    def read(found: Extras, extra: Cursor) -> None:
        if extra.left == size and extra.unsigned(value_bytes) >> bit & 1:
            found.kinds.append(kind)

    return read


def _battery(found: Extras, extra: Cursor) -> None:
    if extra.left != 1:
        return
    percent = extra.u8()
    if percent == 0xFF:
        found.kinds.append("charging")
    else:
        found.add("battery_percent", str(percent))


def _rope(found: Extras, extra: Cursor) -> None:
    if extra.left == 3:
        found.add("rope_cut_count", str(extra.u16()))
        found.add("rope_status", f"{extra.u8():02x}")


def _lock_status(found: Extras, extra: Cursor) -> None:
    if extra.left in {2, 3}:
        found.add("lock_status", extra.take(extra.left).hex())


def _password(found: Extras, extra: Cursor) -> None:
    if extra.left == 8:
        found.add("password_given", "true")


def _actor(found: Extras, extra: Cursor) -> None:
    found.add("actor", shown_bytes(extra.take(extra.left)))


def lock_command(found: Extras, extra: Cursor) -> None:
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


def _padlock_event(found: Extras, extra: Cursor) -> None:
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


def _slave_locks(found: Extras, extra: Cursor) -> None:
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


def _paired_locks(found: Extras, extra: Cursor) -> None:
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


def _status_records(found: Extras, extra: Cursor) -> None:
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


FieldReader = Callable[[Extras, Cursor], None]


@dataclass(frozen=True, slots=True)
class FieldTable:
    """How one model's extra fields are read, and which bits of its alarm word are alarms."""

    fields: Mapping[int, FieldReader]
    alarm_bits: Mapping[int, str]
    has_vehicle_control: bool = False
    """The unit obeys 8500, the standard's command to lock and unlock doors."""


_STANDARD_FIELDS: dict[int, FieldReader] = {
    0x01: _number("odometer_m", 4, 100),
    0x30: _number("gsm", 1),
    0x31: _number("satellites", 1),
}
_STANDARD_ALARMS = {0: "emergency_button", 7: "battery_low", 8: "power_cut"}
STANDARD = FieldTable(MappingProxyType(_STANDARD_FIELDS), MappingProxyType(_STANDARD_ALARMS))
"""What the standard says, and no more."""

_MAKERS_FIELDS: dict[str, dict[int, FieldReader]] = {
    "padlock": {0x60: _padlock_event, 0x63: _slave_locks, 0x67: _password, 0x69: _number("battery_v", 2, -100)},
    "card_lock": {0x0B: lock_command, 0xD4: _battery, 0xD5: _paired_locks},
    "paired_lock": {0xD5: _paired_locks, 0xE8: _lock_status},
    "rope_lock": {0xDA: _rope},
    "status_records": {0xEB: _status_records},
    "card_reader": {0xBD: _actor},
    "vibration_d0": {0xD0: _alarm_bit("vibration", 4, 4, 3)},
    "vibration_e7": {0xE7: _alarm_bit("vibration", 8, 2, 0)},
    "battery_e1": {0xE1: _battery},
    "battery_e9": {0xE9: _battery},
    "battery_fe": {0xFE: _battery},
    "wide_alarms": {},
    "vehicle_control": {},
}
_MAKERS_ALARMS = {"wide_alarms": {15: "vibration", 16: "shell_tampered", 17: "shell_tampered", 18: "battery_low"}}
TABLES: tuple[str, ...] = tuple(sorted(_MAKERS_FIELDS))
"""Names of the tables that a site can choose for a model; several add up."""


def table_of(names: Sequence[str]) -> FieldTable:
    """Return the table of a model. Raises `KeyError` for a name that is none."""
    fields, alarms = dict(_STANDARD_FIELDS), dict(_STANDARD_ALARMS)
    for name in names:
        fields |= _MAKERS_FIELDS[name]
        alarms |= _MAKERS_ALARMS.get(name, {})
    return FieldTable(MappingProxyType(fields), MappingProxyType(alarms), "vehicle_control" in names)


def read_fields(found: Extras, table: FieldTable, content: bytes, at: int) -> None:
    """Read the fields `number u8, size u8, content` from an offset to the end; what comes after a torn one is no field."""
    end = len(content)
    while end - at >= 2:
        number = content[at]
        start, at = at + 2, at + 2 + content[at + 1]
        if at > end:
            return
        read = table.fields.get(number)
        if read is not None:
            read(found, Cursor(content[start:at]))
        elif number in _WITHHELD:
            found.add(f"field_{number:02x}", f"withheld, {at - start} bytes")
        else:
            found.add(f"field_{number:02x}", content[start:at].hex())


class TerminalModels:
    """Which table each terminal's fields are read by. One for all connections of a port: a terminal names its model when it registers only.

    `tables`: names of tables by the first digits of a terminal's number, or by a model's name as terminals send it; the longest that
    fits holds.
    """

    def __init__(self, tables: Mapping[str, Sequence[str]]) -> None:
        self._tables = {key: table_of(names) for key, names in sorted(tables.items(), key=lambda one: -len(one[0]))}
        self._models: OrderedDict[str, str] = OrderedDict()

    def registered(self, device_id: str, model: str) -> None:
        """Remember the model that a terminal said it is."""
        if not self._tables or not model:
            return
        self._models[device_id] = model
        self._models.move_to_end(device_id)
        while len(self._models) > MODELS_LIMIT:
            self._models.popitem(last=False)

    def table_of(self, device_id: str) -> FieldTable:
        """Return how this terminal's fields are read."""
        if not self._tables:
            return STANDARD
        model = self._models.get(device_id)
        return next(
            (table for key, table in self._tables.items() if key == model or device_id.startswith(key)), STANDARD
        )
