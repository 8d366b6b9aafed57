"""Normalised seal events: names, which of them are alarms, and what one decoded frame yields whatever the protocol.

Names follow the event list of the G-300 electronic padlock, extended by what the lock status word of JT701-class trackers carries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from drivers.seal_commands import UnlockOutcome


class StatusBit(NamedTuple):
    """One bit of the lock status word: its field name, and the event it stands for when it is an alarm."""

    number: int
    name: str
    event: str


# Jointech JT701D and Huabao HB-1AL define the same word; bit 15 is reserved. State bits have no event: they are reported as attributes.
STATUS_BITS: tuple[StatusBit, ...] = (
    StatusBit(0, "lbs_fix", ""),
    StatusBit(1, "geofence_enter_alarm", "fence_enter"),
    StatusBit(2, "geofence_exit_alarm", "fence_exit"),
    StatusBit(3, "rope_cut_alarm", "rope_cut"),
    StatusBit(4, "vibration_alarm", "vibration"),
    StatusBit(5, "ack_required", ""),
    StatusBit(6, "rope_inserted", ""),
    StatusBit(7, "motor_locked", ""),
    StatusBit(8, "unlock_alarm", "unlock_alarm"),
    StatusBit(9, "wrong_password_alarm", "password_lockout"),
    StatusBit(10, "illegal_card_alarm", "denied_unregistered_card"),
    StatusBit(11, "low_battery_alarm", "battery_low"),
    StatusBit(12, "back_cap_open_alarm", "back_cover_open"),
    StatusBit(13, "back_cap_closed", ""),
    StatusBit(14, "motor_stuck_alarm", "motor_stuck"),
)

ACK_REQUIRED = 1 << 5
_LOCKED = 1 << 6 | 1 << 7

EVENT_NUMBERS: dict[int, str] = {
    0x00: "shackle_closed",
    0x01: "shackle_opened",
    0x02: "auto_sealed",
    0x03: "sealed_by_card",
    0x04: "unsealed_by_card",
    0x05: "sealed_by_ble",
    0x06: "unsealed_by_ble",
    0x07: "sealed_by_platform",
    0x08: "unsealed_by_platform",
    0x09: "sealed_by_sms",
    0x0A: "unsealed_by_sms",
    0x0B: "denied_unregistered_card_seal",
    0x0C: "denied_unregistered_card_unseal",
    0x0D: "denied_outside_area_seal",
    0x0E: "denied_outside_area_unseal",
    0x0F: "opened_while_sealed",
    0x10: "shell_tampered",
    0x11: "rope_cut",
    0x12: "battery_offline",
    0x13: "password_lockout",
    0x14: "auto_resealed",
    0x17: "battery_low",
    0x18: "motor_stuck",
}
"""Event numbers of the G-300 electronic padlock, which JT/T 808 padlocks send too."""

ALARM_KINDS: frozenset[str] = frozenset(bit.event for bit in STATUS_BITS if bit.event) | {
    "opened_while_sealed",
    "shell_tampered",
    "denied_outside_area_seal",
    "denied_outside_area_unseal",
    "battery_offline",
    "power_cut",
    "dropped",
    "emergency_button",
}
"""Events that a tracker raises as an alarm."""

TAMPER_KINDS: frozenset[str] = frozenset(
    {"rope_cut", "opened_while_sealed", "shell_tampered", "unlock_alarm", "back_cover_open"}
)
"""Alarms that say the seal itself was attacked or opened, as against a low battery or a fence crossed."""


@dataclass(frozen=True, slots=True)
class SealEvent:
    """One normalised event. Degrees are WGS 84, north and east positive; None when the tracker had no fix.

    `device_time` is the tracker's own clock in UTC, which may be wrong by years: order by the time of receipt. `seal_id` is set only
    where one frame tells of several trackers.
    """

    kind: str
    is_alarm: bool
    device_time: datetime | None
    latitude_deg: float | None
    longitude_deg: float | None
    attributes: tuple[tuple[str, str], ...] = ()
    seal_id: str = ""


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """What a seal answered to the command with this serial; `outcome` is None for a mere receipt."""

    serial: int
    outcome: UnlockOutcome | None


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """What one frame says: whose it is, its events in the tracker's order, and the exact answer it is owed (empty: none).

    `seal_id` is empty where the protocol says it once per connection, with a frame that `is_login`: its identity then holds against
    any other that later frames carry. `clock_reply` makes the answer of a tracker that asks for the time.
    """

    seal_id: str
    message: str
    events: tuple[SealEvent, ...]
    reply: bytes = b""
    clock_reply: Callable[[datetime], bytes] | None = None
    is_login: bool = False
    answer: CommandAnswer | None = None


def status_attributes(status: int) -> tuple[tuple[str, str], ...]:
    """Return the status word in hex and the names of its set bits, as event attributes."""
    names = " ".join(bit.name for bit in STATUS_BITS if status >> bit.number & 1)
    return (("status", f"{status:04x}"), ("status_bits", names))


SEALED, SHUT, OPEN = ("closure", "sealed"), ("closure", "shut"), ("closure", "open")
"""Attributes for the state in which a seal says it is; `shut` is a closed shackle or door that nothing says is locked."""

LIVE, FROM_MEMORY = ("told", "live"), ("told", "memory")
"""Attributes for a message that came as it happened, or later from the tracker's memory; without one nobody can say."""


def standing_attributes(status: int) -> tuple[tuple[str, str], ...]:
    """Return whether a status word says sealed or open, and whether it came live.

    The bit that asks for an answer is clear on live data, and set on alarms and on stored data: with an alarm it says neither.
    """
    closure = SEALED if status & _LOCKED == _LOCKED else OPEN
    if not status & ACK_REQUIRED:
        return (closure, LIVE)
    return (closure,) if alarm_kinds(status) else (closure, FROM_MEMORY)


def alarm_kinds(status: int) -> tuple[str, ...]:
    """Return the event names of the alarm bits set in a status word, lowest bit first."""
    return tuple(bit.event for bit in STATUS_BITS if bit.event and status >> bit.number & 1)
