"""Faults of chips and chip readers, below `drivers.errors.DriverFault`.

DriverFault
└── ChipFault
    ├── ChipGone              DRV-CHP-001  torn off while it was read
    ├── ChipSilent            DRV-CHP-002  no answer within the limit
    ├── ChipUnintelligible    DRV-CHP-003  answers that are none: torn, endless, of a wrong length
    ├── SecureMessagingLost   DRV-CHP-004  the protected channel broke, also on the second try
    ├── ChipApplicationAbsent DRV-CHP-005  no passport application, or it cannot be selected
    ├── ReadTooLong           DRV-CHP-006  the whole read took longer than allowed
    ├── NoChip                DRV-CHP-007  asked to read, and no chip lies on the reader
    ├── ReadCancelled         DRV-CHP-008  the read was given up by the gate
    ├── KeysAbsent            DRV-CHP-009  asked to read without anything that opens a chip
    ├── ReaderChildEnded      DRV-CHP-010  the reading process died, hung or talked nonsense; it was replaced
    ├── ReaderAbsent          DRV-CHP-011  no such reader
    ├── ReaderServiceAbsent   DRV-CHP-012  the PC/SC service does not answer
    ├── ReaderSupportAbsent   DRV-CHP-013  the PC/SC library for Python is not installed
    └── ReaderRefused         DRV-CHP-014  the reader or its port cannot be used

The first nine end a read and stand in its evidence; the others are states of the reader, which may end a read, too.
"""

from __future__ import annotations

from drivers.contracts import DeviceState
from drivers.errors import DriverFault, Severity


class ChipFault(DriverFault):
    """A chip could not be read to the end."""

    code = "DRV-CHP-000"
    severity = Severity.WARNING
    state = DeviceState.READY
    remedy = "Lay the document on the reader again and leave it there."


class ChipGone(ChipFault):
    """The chip left the field, or the reader lost it."""

    code = "DRV-CHP-001"


class ChipSilent(ChipFault):
    """The chip or its reader did not answer within the limit."""

    code = "DRV-CHP-002"
    remedy = "Lay the document on the reader again; when it comes back with every document, restart the reader."


class ChipUnintelligible(ChipFault):
    """The chip answered against its own protocol; the text says how."""

    code = "DRV-CHP-003"


class SecureMessagingLost(ChipFault):
    """The chip left the protected channel, or an answer was not what the session keys promise.

    `status` is the unprotected status word, 0 when it was not that; `is_forged`: a protected answer did not verify.
    """

    code = "DRV-CHP-004"

    def __init__(self, message: str, *, status: int = 0, is_forged: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.is_forged = is_forged


class ChipApplicationAbsent(ChipFault):
    """The chip has no passport application, or does not select it."""

    code = "DRV-CHP-005"
    remedy = "This chip is none of an electronic travel document, or it is out of order."


class ReadTooLong(ChipFault):
    """The whole read took longer than allowed."""

    code = "DRV-CHP-006"


class NoChip(ChipFault):
    """No chip lies on the reader."""

    code = "DRV-CHP-007"


class ReadCancelled(ChipFault):
    """The gate gave the read up."""

    code = "DRV-CHP-008"


class KeysAbsent(ChipFault):
    """Nothing was handed in that opens a chip: no MRZ information and no card access number."""

    code = "DRV-CHP-009"
    remedy = "Read the machine-readable zone, or type the card access number printed on the document."


class ReaderChildEnded(ChipFault):
    """The reading process died, hung, ran out of memory or talked nonsense."""

    code = "DRV-CHP-010"
    severity = Severity.ERROR
    state = DeviceState.FAULT
    remedy = "It starts again by itself; restart the reader when it comes back."


class ReaderAbsent(ChipFault):
    """No reader whose name fits is connected."""

    code = "DRV-CHP-011"
    severity = Severity.ERROR
    state = DeviceState.ABSENT
    remedy = "Check the reader's cable and the option `reader`; `egate doctor` lists the readers there are."


class ReaderServiceAbsent(ChipFault):
    """The PC/SC service does not answer."""

    code = "DRV-CHP-012"
    severity = Severity.ERROR
    state = DeviceState.ABSENT
    remedy = "Install and start pcscd."


class ReaderSupportAbsent(ChipFault):
    """The Python library for PC/SC is not installed."""

    code = "DRV-CHP-013"
    severity = Severity.ERROR
    retryable = False
    state = DeviceState.FAULT
    remedy = "Install the optional part for chip readers: pip install 'egate[pcsc]'."


class ReaderRefused(ChipFault):
    """The reader is used by another program, or the port of a socket reader cannot be opened."""

    code = "DRV-CHP-014"
    severity = Severity.ERROR
    state = DeviceState.FAULT
    remedy = "Check who else uses the reader or the port."
