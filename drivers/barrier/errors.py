"""Faults of barriers.

DriverFault
├── ModbusFault
│   ├── ModbusNoReply      DRV-MOD-001  no answer in time
│   ├── ModbusRefused      DRV-MOD-002  exception response
│   └── ModbusMismatch     DRV-MOD-003  the answer does not fit the question
├── ReleaseNotMade         DRV-BAR-001  the door was certainly not released
├── ReleaseUndetermined    DRV-BAR-002  nobody knows whether the door was released
├── WatchdogNotSet         DRV-BAR-003  the board's watchdog does not hold what was written
├── LockedDown             DRV-BAR-004  a lockdown is in force
├── WatchdogFired          DRV-BAR-005  the board's watchdog holds its outputs in their safe state
└── WatchdogOff            DRV-BAR-006  the board's watchdog is not enabled
"""

from __future__ import annotations

from drivers.errors import DriverFault, Severity

EXCEPTION_NAMES = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target gives no answer",
}


class ModbusFault(DriverFault):
    """A Modbus exchange failed."""

    code = "DRV-MOD-000"


class ModbusNoReply(ModbusFault):
    """No answer with the transaction's number came in time. What was asked may have been done all the same."""

    code = "DRV-MOD-001"
    remedy = "Check network and power of the input/output box, and its unit number."


class ModbusRefused(ModbusFault):
    """The device answered with an exception; `exception` is its code."""

    code = "DRV-MOD-002"
    remedy = "Check the signal table against the box's address map."

    def __init__(self, function: int, exception: int) -> None:
        name = EXCEPTION_NAMES.get(exception, "unknown exception")
        super().__init__(f"function {function} was refused: {name} ({exception})")
        self.exception = exception


class ModbusMismatch(ModbusFault):
    """The answer's function, length or echo does not fit the question."""

    code = "DRV-MOD-003"
    remedy = "Check that the box speaks plain Modbus TCP and that no other client shares its connection."


class ReleaseNotMade(DriverFault):
    """The door was not released, and it is known that it was not."""

    code = "DRV-BAR-001"
    remedy = "Let the guard release the door; check the box when it happens again."


class ReleaseUndetermined(DriverFault):
    """The reply was lost and the outputs could not be read back in time: the door may be released."""

    code = "DRV-BAR-002"
    severity = Severity.CRITICAL
    remedy = "Look at the door; it locks by itself when the release ends."


class WatchdogNotSet(DriverFault):
    """The board's watchdog register does not read back as it was written: nothing is released over such a board."""

    code = "DRV-BAR-003"
    remedy = "Check the watchdog register of the map against the board's manual."


class LockedDown(ReleaseNotMade):
    """A lockdown is in force: nothing was released, and nothing will be until it is lifted."""

    code = "DRV-BAR-004"
    remedy = "A supervisor ends the lockdown at the console."


class WatchdogFired(DriverFault):
    """The board says that its watchdog has fired, or that its outputs are in their safe state: it would not obey a release."""

    code = "DRV-BAR-005"
    remedy = "Look at the line between gate and board; clear the watchdog's alarm on the board when it does not go by itself."


class WatchdogOff(DriverFault):
    """The board says that its watchdog is not enabled: nothing would end a release when the software is gone, so none is made."""

    code = "DRV-BAR-006"
    remedy = "Enable the board's watchdog with its tool, with the outputs off as the safe state."
