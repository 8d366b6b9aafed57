"""Faults of devices, with stable codes.

DriverFault
├── LinkFault
│   ├── LinkAbsent        DRV-LNK-001  path or host not there
│   ├── LinkRefused       DRV-LNK-002  there, but it cannot be opened
│   ├── LinkLost          DRV-LNK-003  end of file, hang-up or input/output error
│   ├── LinkStalled       DRV-LNK-004  bytes cannot be written
│   └── LinkForbidden     DRV-LNK-005  the site file does not allow this address
├── DeviceSilent          DRV-DEV-001  open, nothing heard
├── DeviceUnintelligible  DRV-DEV-002  open, bytes come, none makes sense
├── DeviceRefused         DRV-DEV-003  the device answered that it will not
├── NotReady              DRV-DEV-004  command while the device is away
├── UnexpectedFailure     DRV-DEV-005  an exception nobody foresaw, turned into a fault
├── FrameFault            DRV-FRM-001  a frame that is none (recorded, the device stays ready)
│   ├── FrameTooLong      DRV-FRM-002
│   └── FrameDamaged      DRV-FRM-003
├── OptionsRefused        DRV-OPT-001  options of a device cannot be used
│   ├── DriverUnknown     DRV-OPT-002  no driver of that name
│   ├── DriverNameTaken   DRV-OPT-003  two packages bring a driver of that name
│   └── DriverBroken      DRV-OPT-004  the package that brings the driver does not work
└── TapeFault             DRV-TAP-001  a recording cannot be read

Drivers add their own below these, in their own errors. Each class says which state the device is in while the fault stands.
"""

from __future__ import annotations

from enum import StrEnum

from drivers.contracts import DeviceState


class Severity(StrEnum):
    """How bad: WARNING: the device goes on. ERROR: this device is out. CRITICAL: a person must look at once."""

    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class DriverFault(Exception):
    """A fault of one device. `code` is stable; `remedy` says in plain words what a person can do."""

    code = "DRV-000"
    severity = Severity.ERROR
    retryable = True
    state = DeviceState.FAULT
    remedy = "Look at the device; its journal names the cause."

    def __init__(self, message: str, *, code: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        if remedy is not None:
            self.remedy = remedy

    @property
    def translation_key(self) -> str:
        """Key of the sentence for people, made from the code."""
        return self.code.lower().replace("-", "_")


class LinkFault(DriverFault):
    """The way to the device does not work."""

    code = "DRV-LNK-000"


class LinkAbsent(LinkFault):
    """The path or host is not there."""

    code = "DRV-LNK-001"
    state = DeviceState.ABSENT
    remedy = "Plug the device in and check its power, cable and configured path or address."


class LinkRefused(LinkFault):
    """The path or host is there and cannot be opened: no permission, used by another program, wrong settings."""

    code = "DRV-LNK-002"
    remedy = "Check who else uses the port and whether the service may open it."


class LinkLost(LinkFault):
    """The device went away while it was open: end of file, hang-up, input/output error."""

    code = "DRV-LNK-003"
    state = DeviceState.ABSENT
    remedy = "Check the cable and power of the device; it is opened again by itself."


class LinkStalled(LinkFault):
    """The device takes no bytes."""

    code = "DRV-LNK-004"
    remedy = "Check flow control and power of the device."


class LinkForbidden(LinkFault):
    """The process that hosts the device may not connect to this address, or listen there."""

    code = "DRV-LNK-005"
    remedy = (
        "Add the address and port to `allow` or `listen` of the site file's [field] table, or correct the device's."
    )


class DeviceSilent(DriverFault):
    """The device is open and said nothing for `dead_s`, probes included."""

    code = "DRV-DEV-001"
    remedy = "Restart the device; check baud rate and wiring when it stays silent."


class DeviceUnintelligible(DriverFault):
    """Bytes arrive and none of them makes a message."""

    code = "DRV-DEV-002"
    remedy = "Check baud rate, parity and the configured framing against the device."


class DeviceRefused(DriverFault):
    """The device answered that it will not or cannot."""

    code = "DRV-DEV-003"
    remedy = "Check the configuration table against the device's manual."


class NotReady(DriverFault):
    """A command came while the device is not open."""

    code = "DRV-DEV-004"
    remedy = "Wait until the device is ready, or look at its present fault."


class UnexpectedFailure(DriverFault):
    """An exception that nobody foresaw, turned into a recorded fault by the supervisor."""

    code = "DRV-DEV-005"
    remedy = "Keep the journal of this moment and report it to the maintainers."


class FrameFault(DriverFault):
    """Bytes that are no frame of this device. The device stays ready; the frame is counted and dropped."""

    code = "DRV-FRM-001"
    severity = Severity.WARNING
    state = DeviceState.READY
    remedy = "Repeat the read; check cable and settings when it comes back."


class FrameTooLong(FrameFault):
    """More bytes than any frame of this device may have."""

    code = "DRV-FRM-002"
    remedy = "The symbol or message is larger than this device may send; present another one."


class FrameDamaged(FrameFault):
    """A frame that is torn or fails its check."""

    code = "DRV-FRM-003"


class OptionsRefused(DriverFault):
    """The options of a device cannot be used; the text names each one."""

    code = "DRV-OPT-001"
    retryable = False
    remedy = "Correct the [[device]] table in the site file."


class DriverUnknown(OptionsRefused):
    """No driver of that name is installed."""

    code = "DRV-OPT-002"
    remedy = "Use a name from `egate devices list --drivers`."


class DriverNameTaken(OptionsRefused):
    """More than one package brings a driver of that name, or one takes the name of a driver of eGate itself."""

    code = "DRV-OPT-003"
    remedy = "Remove one of the packages; `egate devices list --drivers` names them."


class DriverBroken(OptionsRefused):
    """The package that brings the driver cannot be imported, or what it declares is no driver."""

    code = "DRV-OPT-004"
    remedy = "Install a version of the driver's package that fits this eGate, or remove it."


class TapeFault(DriverFault):
    """A recording cannot be read."""

    code = "DRV-TAP-001"
    retryable = False
    remedy = "Record again with `egate devices record`."
