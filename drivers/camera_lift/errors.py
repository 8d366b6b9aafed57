"""Faults of camera lifts.

DriverFault
└── LiftFault
    ├── LiftStopped       DRV-LFT-001  its stop contact forbids moving
    ├── LimitsWrong       DRV-LFT-002  both limit switches say that it stands there
    └── LiftNotStopped    DRV-LFT-003  the end of a move could not be confirmed
"""

from __future__ import annotations

from drivers.contracts import DeviceState
from drivers.errors import DriverFault, Severity


class LiftFault(DriverFault):
    """The lift does not move."""

    code = "DRV-LFT-000"
    severity = Severity.WARNING
    state = DeviceState.READY


class LiftStopped(LiftFault):
    """The contact of the emergency stop or of the fire alarm is open: the lift must not move."""

    code = "DRV-LFT-001"
    remedy = "Reset the emergency stop once it is safe; the lift then moves again by itself when it is asked to."


class LimitsWrong(LiftFault):
    """Upper and lower limit are both reached, which cannot be."""

    code = "DRV-LFT-002"
    severity = Severity.ERROR
    remedy = "Check the limit switches and their wiring; until then the lift stays where it is."


class LiftNotStopped(LiftFault):
    """A move was to end and the box did not confirm it; its own time to live or watchdog ends it."""

    code = "DRV-LFT-003"
    severity = Severity.CRITICAL
    remedy = "Look at the lift: it has to stand still by now. Check the box and its network."
