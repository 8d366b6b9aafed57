"""Faults of tag readers, below `drivers.errors.DriverFault`."""

from __future__ import annotations

from drivers.errors import DriverFault


class ReaderOccupied(DriverFault):
    """The reader turned the connection away, as it does when it already has a client."""

    code = "DRV-RFI-001"
    remedy = "Find out which other program is connected to the reader and end it; a reader serves one client."
