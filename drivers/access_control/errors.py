"""Faults of access control.

DriverFault
├── OsdpSupportAbsent    DRV-OSD-001  the library is not installed
├── ChannelKeyUnusable   DRV-OSD-002  the key of the secure channel cannot be used
├── ChannelRefused       DRV-OSD-003  no secure channel with the reader
└── LockNotReleased      DRV-OSD-004  the reader did not take a command
"""

from __future__ import annotations

from drivers.errors import DriverFault


class OsdpSupportAbsent(DriverFault):
    """`libosdp` is not installed."""

    code = "DRV-OSD-001"
    retryable = False
    remedy = "Install eGate with its extra `osdp` (requirements-osdp.lock)."


class ChannelKeyUnusable(DriverFault):
    """The key file is not there, is open to others, or holds no key that may be used."""

    code = "DRV-OSD-002"
    remedy = "Write 32 hexadecimal digits from a good random source into the key file, readable by its owner only, and load the same into the reader."


class ChannelRefused(DriverFault):
    """The reader answers and no secure channel comes about, or it was lost: nothing is believed or commanded without one."""

    code = "DRV-OSD-003"
    remedy = "Check that reader and key file hold the same key and that the address is right; reset the reader to load a key anew."


class LockNotReleased(DriverFault):
    """The reader did not confirm a command in time, or refused it."""

    code = "DRV-OSD-004"
    remedy = "Open the door by hand; check the reader when it happens again."
