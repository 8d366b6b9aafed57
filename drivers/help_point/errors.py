"""Faults of help points.

DriverFault
└── HelpPointFault
    ├── ButtonStuck     DRV-HLP-001  the button has been pressed for too long
    └── CallNotMade     DRV-HLP-002  the intercom's call could not be started
"""

from __future__ import annotations

from drivers.contracts import DeviceState
from drivers.errors import DriverFault, Severity


class HelpPointFault(DriverFault):
    """A help point does not work as it should."""

    code = "DRV-HLP-000"
    severity = Severity.WARNING
    state = DeviceState.READY


class ButtonStuck(HelpPointFault):
    """The button's contact has been closed for so long that nobody presses it: no further press would be noticed."""

    code = "DRV-HLP-001"
    remedy = "Look whether something leans on the button, and whether its contact is stuck."


class CallNotMade(HelpPointFault):
    """The output that makes the intercom call could not be switched."""

    code = "DRV-HLP-002"
    remedy = "Go to the lane, somebody asks for help there; then check the box and the intercom's wiring."
