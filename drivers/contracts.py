"""The vocabulary between devices and everybody else: device classes, states, events with their payloads, and the driver contract.

Drivers report; they never decide. A payload says what was on the wire, in the field's words, with the time of its last byte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from drivers.access import AccessPayload
from drivers.accessibility import Accessibility
from drivers.channels import Channel, PixelFormat
from drivers.chip_evidence import ChipAccess as ChipAccess  # noqa: PLC0414 - part of this vocabulary
from drivers.chip_evidence import ChipEvidence as ChipEvidence  # noqa: PLC0414 - as above
from drivers.chip_evidence import ChipFileRead as ChipFileRead  # noqa: PLC0414 - as above
from drivers.chip_evidence import ChipKeys as ChipKeys  # noqa: PLC0414 - as above
from drivers.chip_evidence import ChipOpened as ChipOpened  # noqa: PLC0414 - as above
from drivers.chip_evidence import ChipProgress as ChipProgress  # noqa: PLC0414 - as above
from drivers.chip_evidence import ProtocolOutcome as ProtocolOutcome  # noqa: PLC0414 - as above
from drivers.gate_hardware import BarrierInputs as BarrierInputs  # noqa: PLC0414 - part of this vocabulary
from drivers.gate_hardware import Door as Door  # noqa: PLC0414 - as above
from drivers.gate_hardware import GateSignal as GateSignal  # noqa: PLC0414 - as above
from drivers.gate_hardware import Irregularity as Irregularity  # noqa: PLC0414 - as above
from drivers.surroundings import Surroundings


class DeviceClass(StrEnum):
    """What a device is for."""

    DOCUMENT_READER = "document_reader"
    BARCODE = "barcode"
    CAMERA = "camera"
    BARRIER = "barrier"
    SEAL_TRACKER = "seal_tracker"
    CHIP_READER = "chip_reader"
    RFID_READER = "rfid_reader"
    UAV = "uav"
    POWER = "power"
    XRAY_INBOX = "xray_inbox"
    PRINTER = "printer"
    ACCESS_CONTROL = "access_control"
    ENCLOSURE = "enclosure"
    SPEAKER = "speaker"
    HELP_POINT = "help_point"
    CAMERA_LIFT = "camera_lift"


class DeviceState(StrEnum):
    """ABSENT: path or host not there. STARTING: opened, nothing heard yet. READY: real bytes came in. FAULT: open but silent or bad."""

    ABSENT = "absent"
    STARTING = "starting"
    READY = "ready"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The device's state is now `state`; `fault` is a stable code (`DRV-…`) with a plain remedy when it is FAULT or ABSENT."""

    state: DeviceState
    fault: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class DocumentPresented:
    """A document lies on the reader."""


@dataclass(frozen=True, slots=True)
class DocumentRemoved:
    """The document was taken away."""


@dataclass(frozen=True, slots=True)
class MrzRead:
    """Lines of one read, characters exactly as the reader sent them (misread ones included)."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """The reader sent something that is no read (torn, damaged, too long, no characters); `reason` is in the driver's words."""

    reason: str


@dataclass(frozen=True, slots=True)
class DocumentImage:
    """An image that the reader delivered, undecoded. `role` is `portrait`, `white`, `infrared` or `ultraviolet`."""

    role: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class BarcodeRead:
    """One symbol. `payload` is bytes, never text; `symbology` is the reader's or AIM's name, empty when unknown."""

    payload: bytes
    symbology: str = ""
    aim_id: str = ""

    @property
    def is_linear(self) -> bool:
        """Whether the symbol has one dimension: take it only against something expected, and never as identity."""
        return is_linear(self.symbology)


_LINEAR_SYMBOLOGIES = ("CODE", "ITF", "EAN", "UPC", "CODABAR", "DATABAR")


def is_linear(symbology: str) -> bool:
    """Return whether a symbology has one dimension; its checks are weak or absent, and misreads with a right check digit occur."""
    return symbology.upper().startswith(_LINEAR_SYMBOLOGIES)


@dataclass(frozen=True, slots=True)
class BarcodeRefused:
    """A symbol was shown that no reader passes on whole (too long); `reason` says why in the driver's words."""

    reason: str


@dataclass(frozen=True, slots=True)
class FrameCaptured:
    """A newest frame lies in shared memory: `height_px` rows of `width_px` pixels in the file behind descriptor `memfd`.

    The descriptor belongs to the driver; `release()` must be called once the frame was used or dropped.
    """

    memfd: int
    width_px: int
    height_px: int
    frame_number: int
    release: Callable[[], None]
    channel: Channel = Channel.VISIBLE
    pixel_format: PixelFormat = PixelFormat.BGR8


@dataclass(frozen=True, slots=True)
class SealReported:
    """A tracker's message, normalised. `kind` is a name of the normalised seal events; alarms are marked."""

    seal_id: str
    kind: str
    is_alarm: bool
    device_time: datetime | None
    latitude: float | None
    longitude: float | None
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TagRead:
    """A radio tag answered in the field of an antenna. It says that this EPC was there, and nothing about the state of a seal.

    What the reader did not tell is None. `first_seen` is by the reader's own clock; `rssi_dbm` is the peak; `seen_count` is for this report.
    """

    epc: bytes
    antenna: int | None = None
    rssi_dbm: int | None = None
    first_seen: datetime | None = None
    seen_count: int | None = None


@dataclass(frozen=True, slots=True)
class ChipPresented:
    """A chip answered in the reader's field; `atr` is its answer to reset."""

    atr: bytes


@dataclass(frozen=True, slots=True)
class ChipRemoved:
    """The chip left the field."""


Payload = (
    StateChanged
    | DocumentPresented
    | DocumentRemoved
    | MrzRead
    | ReadFailed
    | DocumentImage
    | BarcodeRead
    | BarcodeRefused
    | FrameCaptured
    | BarrierInputs
    | SealReported
    | TagRead
    | ChipPresented
    | ChipRemoved
    | Surroundings
    | AccessPayload
    | Accessibility
)


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """What a driver tells: `seq` has no gaps per device; `t_mono_s` is the monotonic time of the last byte (or frame) used."""

    device: str
    data: Payload
    t_wall: datetime
    t_mono_s: float
    seq: int
    raw: bytes = b""


class Clock(Protocol):
    """Time as handed in: wall clock for stamps, monotonic seconds for timers."""

    def now(self) -> datetime:
        """Aware UTC time of day."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that only grow, the base of `time.monotonic`."""
        ...


EventSink = Callable[[DeviceEvent], None]


class Unsupported(Exception):
    """The device class has the command, this device does not."""


class Driver(Protocol):
    """What the agent sees of any device: a supervised task that reports into the sink it was built with.

    `capabilities`: the commands and modes that this device has. `events`: the payloads that it may tell, `StateChanged` besides.
    """

    name: str
    device_class: DeviceClass
    capabilities: frozenset[str]
    events: frozenset[type]

    @property
    def state(self) -> DeviceState:
        """The current state."""
        ...

    async def run(self) -> None:
        """Own the device until cancelled: open, read, report, reopen with backoff. Never returns by itself."""
        ...


class BarrierDriver(Driver, Protocol):
    """A barrier: releases that are counted and timed, and a lockdown that ends them; never a command to hold closed."""

    async def release(self, direction: Door, count: int, ttl_s: float) -> None:
        """Unlock one door for `count` passages within `ttl_s`, whichever is over first; returns when the hardware confirmed it.

        `count` is 1 for a traveller and n for a family. A new release of the same door takes the place of the one that runs. Raises
        `drivers.errors.DriverFault`; during a lockdown `drivers.barrier.errors.LockedDown`.
        """
        ...

    async def end_releases(self) -> None:
        """End every running release at once (the doors close by their own means)."""
        ...

    async def lockdown(self) -> None:
        """End every running release and refuse new ones until `lift_lockdown`.

        The refusal holds from the call on, even when a fault is raised because the hardware could not be told. Ways of escape are the
        hardware's: nothing here holds a door closed.
        """
        ...

    async def lift_lockdown(self) -> None:
        """Take releases again; nothing is released by it."""
        ...

    async def signal(self, signal: GateSignal, ttl_s: float) -> None:
        """Have lights and sounder tell this for `ttl_s`, or until another one; raises `Unsupported` without the capability `signal`.

        A signal that is not told again in time gives way to `CLOSED`, in a fire to `EVACUATE`: a lane whose software died shows no green.
        """
        ...

    async def read_inputs(self) -> BarrierInputs:
        """Return the inputs as they are now."""
        ...


class CameraDriver(Driver, Protocol):
    """A camera with latest-frame hand-over."""

    def set_active(self, *, active: bool) -> None:
        """Report frames only while active; the stream itself stays open and watched."""
        ...

    def set_reading(self, *, active: bool) -> None:
        """Look for bar codes in the frames while active; no effect on a camera that cannot."""
        ...


class ReaderDriver(Driver, Protocol):
    """A document reader that can be asked to read the same document again."""

    async def read_again(self) -> None:
        """Ask for another read of the document that lies on the glass; raises `Unsupported` when the device cannot."""
        ...


class ChipDriver(Driver, Protocol):
    """A contactless chip reader; the chip is read in a process of its own, which is replaced when it hangs."""

    async def read(self, keys: ChipKeys, report: Callable[[ChipProgress], None]) -> ChipEvidence:
        """Open and read the chip that lies on the reader; `report` is called as files arrive, in the loop's thread.

        Always returns: what the chip or the reader did is in the evidence (`fault` when aborted). Cancelling ends the read.
        """
        ...


@runtime_checkable
class LimitedPrinter(Protocol):
    """A printer that has the letters of one code page only, and says which texts those are."""

    def writes(self, text: str) -> bool:
        """Tell whether every letter of `text` can be printed."""
        ...


class PrinterDriver(Driver, Protocol):
    """A receipt printer."""

    async def print_receipt(self, lines: Sequence[str], qr: bytes = b"") -> None:
        """Print and cut; returns when the printer confirmed it. Raises `drivers.errors.DriverFault`, ValueError for too long a QR code."""
        ...
