"""`hid_help_button`: a large USB button that types a key, read as raw input events and grabbed, so that it types into no console.

It says nothing until it is pressed: it is ready with its first key, and silence is no fault.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from drivers.accessibility import HelpPressed
from drivers.barcode.hid_wedge import EventDevice
from drivers.barcode.input_events import EV_KEY, PRESSED, InputEvent, InputEventCodec
from drivers.codec import BadFrame
from drivers.contracts import Clock, DeviceClass, EventSink
from drivers.errors import FrameDamaged
from drivers.framed_driver import FramedDriver
from drivers.options import ReconnectOptions
from drivers.supervisor import LinkSource, Timing

Control = Callable[[int, int, int], object]


class HelpButtonOptions(ReconnectOptions):
    """Options of `hid_help_button`."""

    path: str = Field(min_length=1, description="Stable path, such as /dev/input/by-id/…-event-kbd.")
    is_exclusive: bool = Field(
        default=True, description="Grab the device, so that nothing else hears what it types; off for twins only."
    )
    key_code: int = Field(
        0, ge=0, le=0x2FF, description="The key that it types, by its number in linux/input-event-codes.h; 0: any key."
    )

    @model_validator(mode="after")
    def _real_keyboards_are_grabbed(self) -> Self:
        if not self.is_exclusive and Path(self.path).is_relative_to("/dev"):
            raise ValueError("is_exclusive is off for twins only: a device below /dev would type into the console, too")
        return self


class HelpButton(FramedDriver[InputEvent]):
    """A supervised button."""

    device_class = DeviceClass.HELP_POINT
    events = frozenset({HelpPressed})

    def __init__(
        self, name: str, options: HelpButtonOptions, sink: EventSink, clock: Clock, control: Control = fcntl.ioctl
    ) -> None:
        super().__init__(name, Timing(None, None, backoff_cap_s=options.reconnect_limit_s), sink, clock)
        self.codec = InputEventCodec()
        self.gap_s = 0.05
        self._options = options
        self._control = control

    @property
    def source(self) -> LinkSource:
        """The event device."""
        return EventDevice(self._options.path, self._options.is_exclusive, self._control)

    def take(self, message: InputEvent | BadFrame, t_mono_s: float) -> bool:
        """Report a key that goes down; repeats of a held key are no further presses."""
        if isinstance(message, BadFrame):
            self.reporter.record(FrameDamaged(f"{self.name}: {message.reason}"))
            return False
        self.declare_ready()
        wanted = self._options.key_code
        if message.kind == EV_KEY and message.value == PRESSED and wanted in {0, message.code}:
            self.reporter.clear(FrameDamaged.code)
            self.reporter.emit(HelpPressed(), t_mono_s)
        return True


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> HelpButton:
    """Return the driver. Raises `OptionsRefused`."""
    return HelpButton(name, HelpButtonOptions.read(name, options), sink, clock)
