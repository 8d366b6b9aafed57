"""Faults of receipt printers.

DriverFault
└── PrinterFault
    ├── PaperOut              DRV-PRN-001  no paper
    ├── CoverOpen             DRV-PRN-002  the cover is open
    ├── PrinterBroken         DRV-PRN-003  cutter or another part is stuck
    └── ReceiptUndetermined   DRV-PRN-004  sent, and nobody knows whether it was printed whole
"""

from __future__ import annotations

from drivers.contracts import DeviceState
from drivers.errors import DriverFault, Severity


class PrinterFault(DriverFault):
    """The printer answers and cannot print now; it is still asked, and the fault ends when it can again."""

    code = "DRV-PRN-000"
    severity = Severity.WARNING
    state = DeviceState.READY


class PaperOut(PrinterFault):
    """The paper sensor sees no paper."""

    code = "DRV-PRN-001"
    remedy = "Put a new paper roll in; until then receipts are on the screen."


class CoverOpen(PrinterFault):
    """The cover is open."""

    code = "DRV-PRN-002"
    remedy = "Close the printer's cover."


class PrinterBroken(PrinterFault):
    """The printer reports an error of its own: cutter, temperature, voltage."""

    code = "DRV-PRN-003"
    remedy = "Look for stuck paper at the cutter; switch the printer off and on."


class ReceiptUndetermined(PrinterFault):
    """The receipt was sent and its end was not confirmed."""

    code = "DRV-PRN-004"
    remedy = "Look at the printer before the next traveller: part of a receipt may still come out."
