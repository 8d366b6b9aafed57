"""What each role may see of the guard's console; the table of docs/desk.md. The desks have their own table, `web.desk.rights`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Part(StrEnum):
    """A part of the console."""

    LANES = "lanes"
    """Lanes and devices, and alarms of the machine, without anybody who stands there."""
    PEOPLE = "people"
    """Referrals with documents and pictures, checks as they come, past transactions, stays, alarms about travellers."""
    RECEIPTS = "receipts"
    """Receipts that travellers lost."""


PARTS: Mapping[str, frozenset[Part]] = MappingProxyType(
    {
        "guard": frozenset(Part),
        "supervisor": frozenset(Part),
        "customs_inspector": frozenset({Part.RECEIPTS}),
        "health_officer": frozenset(),
        "quarantine_officer": frozenset(),
        "technician": frozenset({Part.LANES}),
    }
)
"""By the role of the officers' bundle; a role that is not named sees nothing."""

MACHINE_ALARMS = frozenset(
    {
        "fire",
        "emergency_stop",
        "lockdown",
        "post_fallback",
        "barrier_tamper",
        "barrier_fault",
        "door_forced",
        "store_fault",
        "power_ending",
    }
)
"""Causes of alarms that are about the machine alone, whoever stands in it."""


def may_see(role: str, part: Part) -> bool:
    """Tell whether a role sees a part; one that nobody knows sees nothing."""
    return part in PARTS.get(role, frozenset())
