"""Faults of power supplies.

DriverFault
├── UpsUnreadable   DRV-UPS-001  the server has no fresh word from the supply
└── UpsNotServed    DRV-UPS-002  the server does not know the supply, or does not let this host read it
"""

from __future__ import annotations

from drivers.errors import DriverFault


class UpsUnreadable(DriverFault):
    """The server answers, but its own driver has lost the supply: nobody knows how the power stands."""

    code = "DRV-UPS-001"
    remedy = "Check the cable between the supply and the machine that runs NUT, and NUT's driver there."


class UpsNotServed(DriverFault):
    """The server refuses the question; the text is its own code."""

    code = "DRV-UPS-002"
    remedy = "Check `ups` against `upsc -l` on the server, and who may read it."
