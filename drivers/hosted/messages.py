"""What a host and its agent say to each other. One message is one packet of the socket (`packets`).

The host begins with `Welcome` or `TurnedAway`. Then it tells the state of each device and what still holds (the inputs of a barrier, a chip
that lies there), and from then on whatever its drivers tell, numbered per device without a gap. The agent asks, sets and gives frames back.
Stamps are CLOCK_MONOTONIC, which all processes of a machine share: they are the host's, and mean the same to the agent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from drivers.access import AccessPayload
from drivers.accessibility import Accessibility, LiftDirection, LiftReported
from drivers.channels import Channel, PixelFormat
from drivers.contracts import (
    BarcodeRead,
    BarcodeRefused,
    BarrierInputs,
    ChipEvidence,
    ChipKeys,
    ChipPresented,
    ChipProgress,
    ChipRemoved,
    DeviceClass,
    DocumentImage,
    DocumentPresented,
    DocumentRemoved,
    Door,
    GateSignal,
    MrzRead,
    ReadFailed,
    SealReported,
    StateChanged,
    TagRead,
)
from drivers.seal_commands import UnlockOutcome
from drivers.surroundings import Surroundings

DEVICES_LIMIT = 128
COMMANDS_LIMIT = 64
FRAMES_LIMIT = 4
"""Frames of one camera that the agent may hold; while it holds so many, further ones are dropped by the host."""

ToldPayload = (
    StateChanged
    | DocumentPresented
    | DocumentRemoved
    | MrzRead
    | ReadFailed
    | DocumentImage
    | BarcodeRead
    | BarcodeRefused
    | BarrierInputs
    | SealReported
    | TagRead
    | ChipPresented
    | ChipRemoved
    | Surroundings
    | AccessPayload
    | Accessibility
)
"""Every payload of the contract but `FrameCaptured`, which has a message of its own; a test compares the two."""


# ---- from the host


@dataclass(frozen=True, slots=True)
class HostedEntry:
    """A device that this host has."""

    name: str
    device_class: DeviceClass


@dataclass(frozen=True, slots=True)
class Welcome:
    """The agent is served. `instance` is another one after each start of the host."""

    instance: str
    devices: tuple[HostedEntry, ...]


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The agent is not served; the host hangs up."""

    reason: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a driver told. `number` counts the messages of this device on this connection from 1."""

    device: str
    number: int
    payload: ToldPayload
    t_wall: datetime
    t_mono_s: float
    raw: bytes


@dataclass(frozen=True, slots=True)
class FrameTold:
    """A frame; its shared memory comes with the packet, and is the agent's until `FrameGivenBack`."""

    device: str
    number: int
    frame_id: int
    width_px: int
    height_px: int
    frame_number: int
    channel: Channel
    pixel_format: PixelFormat
    t_wall: datetime
    t_mono_s: float


@dataclass(frozen=True, slots=True)
class Progressed:
    """A command goes on: what its `report` was called with."""

    command_id: int
    progress: ChipProgress


@dataclass(frozen=True, slots=True)
class SealAnswered:
    """What became of an unlock that was sent."""

    outcome: UnlockOutcome


Result = BarrierInputs | ChipEvidence | SealAnswered | LiftReported


@dataclass(frozen=True, slots=True)
class Done:
    """A command ended well."""

    command_id: int
    result: Result | None


class FailureKind(StrEnum):
    """How a command ended that did not end well: by which exception of the contract."""

    FAULT = "fault"
    UNSUPPORTED = "unsupported"
    WRONG_VALUE = "wrong_value"


@dataclass(frozen=True, slots=True)
class Failed:
    """A command ended with an exception. `code` and `remedy` are the fault's, else empty."""

    command_id: int
    kind: FailureKind
    text: str
    code: str = ""
    remedy: str = ""


# ---- from the agent


@dataclass(frozen=True, slots=True)
class ReleaseDoor:
    """Release a door for `count` passages; worthless after `expires_mono_s`, however long it waited on the way."""

    door: Door
    count: int
    expires_mono_s: float


@dataclass(frozen=True, slots=True)
class EndReleases:
    """End every running release."""


@dataclass(frozen=True, slots=True)
class LockDown:
    """End every running release and refuse new ones."""


@dataclass(frozen=True, slots=True)
class LiftLockdown:
    """Take releases again."""


@dataclass(frozen=True, slots=True)
class ShowSignal:
    """Have lights and sounder tell this, until `expires_mono_s` (monotonic)."""

    signal: GateSignal
    expires_mono_s: float


@dataclass(frozen=True, slots=True)
class ReadInputs:
    """Read the inputs as they are now."""


@dataclass(frozen=True, slots=True)
class ReadDocumentAgain:
    """Read the document on the glass once more."""


@dataclass(frozen=True, slots=True)
class ReadChip:
    """Open and read the chip."""

    keys: ChipKeys


@dataclass(frozen=True, slots=True)
class PrintReceipt:
    """Print a receipt."""

    lines: tuple[str, ...]
    qr: bytes


@dataclass(frozen=True, slots=True)
class UnlockSeal:
    """Tell a seal to open, once."""

    seal_id: str


@dataclass(frozen=True, slots=True)
class MoveLift:
    """Move a lift for at most so long; called off, it stops."""

    direction: LiftDirection
    duration_s: float


@dataclass(frozen=True, slots=True)
class CallStation:
    """Make the intercom of a help point call the guards' station."""


Command = (
    ReleaseDoor
    | EndReleases
    | LockDown
    | LiftLockdown
    | ShowSignal
    | ReadInputs
    | ReadDocumentAgain
    | ReadChip
    | PrintReceipt
    | UnlockSeal
    | MoveLift
    | CallStation
)


@dataclass(frozen=True, slots=True)
class Ask:
    """Carry out a command; `Done` or `Failed` answers it, once, in whatever order."""

    command_id: int
    device: str
    command: Command


@dataclass(frozen=True, slots=True)
class CallOff:
    """Cancel a command that is still going on; it is not answered any more."""

    command_id: int


class Switch(StrEnum):
    """What a device is switched to until it is switched back or the agent goes."""

    ACTIVE = "active"
    READING = "reading"


@dataclass(frozen=True, slots=True)
class Set:
    """Switch a device; not answered."""

    device: str
    switch: Switch
    is_on: bool


@dataclass(frozen=True, slots=True)
class FrameGivenBack:
    """The agent does not use a frame any more."""

    device: str
    frame_id: int


# ---- from both


@dataclass(frozen=True, slots=True)
class Alive:
    """A sign of life, where there is nothing else to say."""


FromHost = Welcome | TurnedAway | Told | FrameTold | Progressed | Done | Failed | Alive
FromAgent = Ask | CallOff | Set | FrameGivenBack | Alive
