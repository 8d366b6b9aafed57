"""Faults of enclosures.

DriverFault
└── EnclosureFault
    ├── TooCold          DRV-ENC-001  colder than the devices inside may be
    ├── TooHot           DRV-ENC-002  hotter than the devices inside may be
    └── HeaterNotHeard   DRV-ENC-003  the heater's board does not answer
"""

from __future__ import annotations

from drivers.contracts import DeviceState
from drivers.errors import DriverFault, Severity


class EnclosureFault(DriverFault):
    """The sensor is read all the same, and the fault ends when its cause does."""

    code = "DRV-ENC-000"
    severity = Severity.WARNING
    state = DeviceState.READY


class TooCold(EnclosureFault):
    """The enclosure is colder than `low_c`."""

    code = "DRV-ENC-001"
    remedy = "Look at the heater, its fuse and the door of the enclosure."


class TooHot(EnclosureFault):
    """The enclosure is hotter than `high_c`."""

    code = "DRV-ENC-002"
    remedy = "Look at the fan, its filter and the sun on the enclosure; see that the heater is off."


class HeaterNotHeard(EnclosureFault):
    """The board that switches the heater was not reached; its own timer has switched the heater off by now."""

    code = "DRV-ENC-003"
    remedy = "Check power, network and address of the heater's board, and the register of its timer."
