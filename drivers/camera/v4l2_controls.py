"""Controls of a V4L2 camera: exposure, gain, focus, white balance, mains frequency; asked for, set, and read back.

Numbers and structures are those of Linux' `videodev2.h` and `v4l2-controls.h` (user and camera class controls). Tried against structures
that a C program filled from these headers, and a device at the seam of the system call; not on a real camera.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

AUTO = "auto"
Wanted = int | str
"""A value in the option's unit, or `AUTO`."""
Ioctl = Callable[[int, int, bytearray], object]

QUERYCTRL, QUERYMENU, G_CTRL, S_CTRL = 0xC0445624, 0xC02C5625, 0xC008561B, 0xC008561C
_QUERY = struct.Struct("=II32siiiiIII")
_MENU = struct.Struct("=II32sI")
_VALUE = struct.Struct("=Ii")
_DISABLED, _READ_ONLY = 0x0001, 0x0004
_TYPE_MENU = 3
_ABSENT = frozenset({errno.EINVAL, errno.ENOTTY})
_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.EIO})
_MANUAL_EXPOSURE, _AUTOMATIC_EXPOSURES = 1, (3, 0)  # aperture priority is what webcams call automatic
_EXPOSURE_UNIT_US = 100


class Control(IntEnum):
    """Numbers of the controls that are used here."""

    AUTO_WHITE_BALANCE = 0x98090C
    AUTO_GAIN = 0x980912
    GAIN = 0x980913
    POWER_LINE_FREQUENCY = 0x980918
    WHITE_BALANCE_TEMPERATURE = 0x98091A
    EXPOSURE_AUTO = 0x9A0901
    EXPOSURE_ABSOLUTE = 0x9A0902
    FOCUS_ABSOLUTE = 0x9A090A
    FOCUS_AUTO = 0x9A090C


_SIMPLE = {
    "gain": (Control.AUTO_GAIN, Control.GAIN),
    "focus": (Control.FOCUS_AUTO, Control.FOCUS_ABSOLUTE),
    "white_balance_k": (Control.AUTO_WHITE_BALANCE, Control.WHITE_BALANCE_TEMPERATURE),
}
"""Options with a switch for the camera's own choice, and a value."""
_MAINS = {0: 0, 50: 1, 60: 2, AUTO: 3}


class Outcome(StrEnum):
    """What became of an option."""

    APPLIED = "applied"
    NOT_OFFERED = "not_offered"
    NOT_TAKEN = "not_taken"
    OUT_OF_RANGE = "out_of_range"


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one option; `text` says it in plain words."""

    option: str
    outcome: Outcome
    text: str


class DeviceGone(Exception):
    """The device went away while it was set up."""


class _Missed(Exception):
    def __init__(self, outcome: Outcome, text: str) -> None:
        super().__init__(text)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class _Offer:
    minimum: int
    maximum: int
    step: int
    is_menu: bool


class V4l2Controls:
    """The controls behind an open descriptor of the device."""

    def __init__(self, descriptor: int, ioctl: Ioctl = fcntl.ioctl) -> None:
        self._descriptor = descriptor
        self._ioctl = ioctl

    def apply(self, wanted: Mapping[str, Wanted]) -> list[Applied]:
        """Set what is wanted, by option; return what became of each. Raises `DeviceGone`."""
        done = []
        for option, value in wanted.items():
            try:
                for control, number in self._steps(option, value):
                    self._set(option, control, number)
            except _Missed as missed:
                done.append(Applied(option, missed.outcome, str(missed)))
            else:
                done.append(Applied(option, Outcome.APPLIED, f"{option} is {value}"))
        return done

    def _steps(self, option: str, value: Wanted) -> Iterator[tuple[Control, int]]:
        """Yield what has to be set, in order: the camera's own choice is switched off before a value counts."""
        if option == "power_line_hz":
            yield Control.POWER_LINE_FREQUENCY, _MAINS[value]
        elif option == "exposure_us":
            yield from self._exposure(option, value)
        else:
            switch, control = _SIMPLE[option]
            if value == AUTO:
                yield switch, 1
            else:
                self._check(option, control, int(value))
                if self._offer(switch) is not None:
                    yield switch, 0
                yield control, int(value)

    def _exposure(self, option: str, value: Wanted) -> Iterator[tuple[Control, int]]:
        if value == AUTO:
            offered = self._offered(option, Control.EXPOSURE_AUTO)
            chosen = [mode for mode in _AUTOMATIC_EXPOSURES if self._holds(Control.EXPOSURE_AUTO, offered, mode)]
            if not chosen:
                raise _Missed(Outcome.NOT_OFFERED, f"the camera does not offer {option} = {AUTO}")
            yield Control.EXPOSURE_AUTO, chosen[0]
            return
        units = round(int(value) / _EXPOSURE_UNIT_US)
        self._check(option, Control.EXPOSURE_ABSOLUTE, units, _EXPOSURE_UNIT_US)
        if self._offer(Control.EXPOSURE_AUTO) is not None:
            yield Control.EXPOSURE_AUTO, _MANUAL_EXPOSURE
        yield Control.EXPOSURE_ABSOLUTE, units

    def _check(self, option: str, control: Control, number: int, unit: int = 1) -> None:
        offered = self._offered(option, control)
        if not self._holds(control, offered, number):
            steps = f" in steps of {offered.step * unit}" if offered.step > 1 or unit > 1 else ""
            span = f"{offered.minimum * unit} to {offered.maximum * unit}{steps}"
            raise _Missed(Outcome.OUT_OF_RANGE, f"{option} = {number * unit}: the camera takes {span}")

    def _set(self, option: str, control: Control, number: int) -> None:
        self._check(option, control, number)
        try:
            self._call(S_CTRL, bytearray(_VALUE.pack(control, number)))
            found = _VALUE.unpack(self._call(G_CTRL, bytearray(_VALUE.pack(control, 0))))[1]
        except OSError as error:
            raise _Missed(Outcome.NOT_TAKEN, f"the camera does not take {option}: {error.strerror}") from error
        if found != number:
            raise _Missed(Outcome.NOT_TAKEN, f"the camera does not take {option}: it says {found} afterwards")

    def _offered(self, option: str, control: Control) -> _Offer:
        offer = self._offer(control)
        if offer is None:
            raise _Missed(Outcome.NOT_OFFERED, f"the camera does not offer {option}")
        return offer

    def _offer(self, control: Control) -> _Offer | None:
        """Return what a control takes, None when the device has none."""
        try:
            answer = self._call(QUERYCTRL, bytearray(_QUERY.pack(control, 0, b"", 0, 0, 0, 0, 0, 0, 0)))
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise _Missed(Outcome.NOT_TAKEN, f"the camera does not answer: {error.strerror}") from error
        _, kind, _, minimum, maximum, step, _, flags, _, _ = _QUERY.unpack(answer)
        if flags & (_DISABLED | _READ_ONLY):
            return None
        return _Offer(minimum, maximum, max(step, 1), kind == _TYPE_MENU)

    def _holds(self, control: Control, offered: _Offer, number: int) -> bool:
        """Return whether a control takes a number; a menu may have gaps."""
        is_within = offered.minimum <= number <= offered.maximum and (number - offered.minimum) % offered.step == 0
        if not is_within or not offered.is_menu:
            return is_within
        try:
            self._call(QUERYMENU, bytearray(_MENU.pack(control, number, b"", 0)))
        except OSError:
            return False
        return True

    def _call(self, request: int, content: bytearray) -> bytearray:
        try:
            self._ioctl(self._descriptor, request, content)
        except OSError as error:
            if error.errno in _GONE:
                raise DeviceGone(error.strerror or "the device is gone") from error
            raise
        return content


def apply_to(path: str, wanted: Mapping[str, Wanted], ioctl: Ioctl = fcntl.ioctl) -> list[Applied]:
    """Set the controls of a device by its path; return what became of each. Raises `DeviceGone`."""
    if not wanted:
        return []
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise DeviceGone(error.strerror or "the device is gone") from error
    try:
        return V4l2Controls(descriptor, ioctl).apply(wanted)
    finally:
        os.close(descriptor)
