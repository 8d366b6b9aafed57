"""Faults of a hosted device that are its host's, not its own.

DriverFault
├── HostAbsent         DRV-HST-001  the process that hosts the device is not there, or it ended
├── HostSilent         DRV-HST-002  it is there and says nothing
├── HostTaken          DRV-HST-003  it serves another agent, or this one is not the one it serves
├── HostUnintelligible DRV-HST-004  what it says is none of the messages of this version
└── DeviceNotHosted    DRV-HST-005  it does not host a device of this name and class
"""

from __future__ import annotations

from drivers.contracts import DeviceState
from drivers.errors import DriverFault


class HostFault(DriverFault):
    """The device cannot be reached through its host."""

    code = "DRV-HST-000"


class HostAbsent(HostFault):
    """Nobody answers on the host's socket, or the host ended while it was connected."""

    code = "DRV-HST-001"
    state = DeviceState.ABSENT
    remedy = "Wait a moment: the service that hosts the device is started again by itself. Look at its journal when it is not."


class HostSilent(HostFault):
    """The host is connected and gives no sign of life."""

    code = "DRV-HST-002"
    remedy = "Restart the service that hosts the device, and look at its journal."


class HostTaken(HostFault):
    """The host turned this process away: it serves one agent, which owns its socket."""

    code = "DRV-HST-003"
    remedy = (
        "Look for a second agent on this machine; only the user who owns the host's socket is served, and only once."
    )


class HostUnintelligible(HostFault):
    """The host sent what is no message of this version."""

    code = "DRV-HST-004"
    remedy = "Install the same version of eGate for the agent and for the service that hosts the device."


class DeviceNotHosted(HostFault):
    """The host is there and does not host this device, or hosts one of another class under its name."""

    code = "DRV-HST-005"
    remedy = "Restart the service that hosts the device, so that it reads the site file anew."
