"""`hid_wedge`: a bar code reader that types, read as raw input events and grabbed, so that no symbol reaches a console or a login.

A wedge says nothing until a symbol is read: it is ready with its first key, and silence is no fault. What it cannot send stands in
`drivers.barcode.keyboard_text`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from drivers.barcode.input_events import InputEvent, InputEventCodec
from drivers.barcode.keyboard_text import KeyboardText
from drivers.barcode.line_codec import PAYLOAD_LIMIT_BYTES, SYMBOLOGIES, split_aim_id
from drivers.barcode.reader import BarcodeReader
from drivers.codec import BadFrame
from drivers.contracts import BarcodeRead, Clock, EventSink
from drivers.errors import LinkRefused
from drivers.link import DescriptorLink, Link, Tap, opening_fault
from drivers.options import ReconnectOptions
from drivers.supervisor import LinkSource, Timing

Control = Callable[[int, int, int], object]
EVIOCGRAB = 0x40044590  # linux/input.h: _IOW('E', 0x90, int)


@dataclass(frozen=True, slots=True)
class EventDevice:
    """An input device by its stable path (`/dev/input/by-id/…-event-kbd`), for this process alone when `is_exclusive`."""

    path: str
    is_exclusive: bool = True
    control: Control = fcntl.ioctl

    async def open(self, tap: Tap | None = None) -> Link:
        """Open and grab the device. Raises `LinkAbsent`, or `LinkRefused` when another program holds it or it is no input device."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise opening_fault(self.path, error) from error
        if self.is_exclusive:
            try:
                self.control(fd, EVIOCGRAB, 1)
            except OSError as error:
                os.close(fd)
                raise LinkRefused(
                    f"{self.path} cannot be grabbed: {error.strerror}",
                    remedy="Check that no other program holds the reader and that the path is an input device.",
                ) from error
        return DescriptorLink(fd, self.path, tap)

    def is_there(self) -> bool:
        """Tell whether the path exists now."""
        return Path(self.path).exists()


class HidWedgeOptions(ReconnectOptions):
    """Options of `hid_wedge`."""

    path: str = Field(min_length=1, description="Stable path, such as /dev/input/by-id/…-event-kbd.")
    is_exclusive: bool = Field(
        default=True, description="Grab the device, so that nothing else hears what it types; off for twins only."
    )
    has_aim_id: bool = Field(default=False, description="The reader types the AIM identifier before the payload.")
    needs_enter: bool = Field(
        default=False, description="Only Enter ends a symbol, and silence tears it; otherwise silence ends it, too."
    )
    frame_gap_s: float = Field(0.05, gt=0, le=5, description="Silence after which a symbol is over.")
    payload_limit_bytes: int = Field(
        PAYLOAD_LIMIT_BYTES, ge=1, le=PAYLOAD_LIMIT_BYTES, description="Longest payload taken."
    )

    @model_validator(mode="after")
    def _real_keyboards_are_grabbed(self) -> Self:
        if not self.is_exclusive and Path(self.path).is_relative_to("/dev"):
            raise ValueError("is_exclusive is off for twins only: a device below /dev would type into the console, too")
        return self


class HidWedgeReader(BarcodeReader[InputEvent]):
    """A supervised keyboard wedge; it takes no commands."""

    def __init__(
        self, name: str, options: HidWedgeOptions, sink: EventSink, clock: Clock, control: Control = fcntl.ioctl
    ) -> None:
        super().__init__(name, Timing(None, None, backoff_cap_s=options.reconnect_limit_s), sink, clock)
        self.gap_s = options.frame_gap_s
        self._options = options
        self._control = control
        self.codec = InputEventCodec()
        self._text = self._fresh_text()

    @property
    def source(self) -> LinkSource:
        """The event device."""
        return EventDevice(self._options.path, self._options.is_exclusive, self._control)

    def opened(self) -> None:
        """Forget a symbol that the last connection left unfinished, and keys that were held."""
        super().opened()
        self._text = self._fresh_text()

    def gap(self, t_mono_s: float) -> None:
        """End or tear what was unfinished when the keys fell silent."""
        super().gap(t_mono_s)
        self._tell_all(self._text.silence(), t_mono_s)

    def _fresh_text(self) -> KeyboardText:
        # The identifier is typed, too.
        room = 3 if self._options.has_aim_id else 0
        return KeyboardText(self._options.payload_limit_bytes + room, needs_enter=self._options.needs_enter)

    def take(self, message: InputEvent | BadFrame, t_mono_s: float) -> bool:
        """Report the symbol that an event ends."""
        if isinstance(message, BadFrame):
            self.drop(message, t_mono_s)
            return False
        self.declare_ready()
        self._tell_all(self._text.press(message), t_mono_s)
        return True

    def _tell_all(self, symbols: list[bytes | BadFrame], t_mono_s: float) -> None:
        for symbol in symbols:
            if isinstance(symbol, BadFrame):
                self.drop(symbol, t_mono_s)
                continue
            aim_id, payload = split_aim_id(symbol) if self._options.has_aim_id else ("", symbol)
            if self._options.has_aim_id and not (aim_id and payload):
                self.drop(BadFrame("symbol without AIM identifier", len(symbol)), t_mono_s)
            else:
                self.tell(BarcodeRead(payload, SYMBOLOGIES.get(aim_id[1:2], ""), aim_id), t_mono_s)


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> HidWedgeReader:
    """Return the driver. Raises `OptionsRefused`."""
    return HidWedgeReader(name, HidWedgeOptions.read(name, options), sink, clock)
