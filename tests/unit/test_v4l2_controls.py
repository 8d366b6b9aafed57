"""Controls of V4L2 cameras against structures from Linux' own headers, and a device at the seam of the system call."""

import errno
import struct
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.camera import device_source
from drivers.camera.device_source import DeviceSource
from drivers.camera.frame_source import SourceFailed
from drivers.camera.v4l2_controls import (
    G_CTRL,
    QUERYCTRL,
    QUERYMENU,
    S_CTRL,
    Control,
    DeviceGone,
    Outcome,
    V4l2Controls,
    apply_to,
)
from drivers.channels import Channel

FROM_THE_HEADERS = bytes.fromhex(
    "02099a00010000004578706f737572652054696d652c204162736f6c757465000000000000000000"
    "03000000ff07000001000000fa000000000000000000000000000000"
)
"""`struct v4l2_queryctrl` of the absolute exposure as a C program over `linux/videodev2.h` (6.1) filled it: 3 to 2047, now 250."""


@dataclass
class Offer:
    minimum: int
    maximum: int
    step: int = 1
    value: int = 0
    menu: frozenset[int] | None = None
    flags: int = 0
    sticks_at: int | None = None
    refuses_with: int = 0


@dataclass
class Device:
    """What a driver in the kernel does with the four calls, numbers as its C structures have them."""

    offers: dict[int, Offer]
    set_in_order: list[tuple[Control, int]] = field(default_factory=list)
    is_gone: bool = False

    def ioctl(self, descriptor: int, request: int, content: bytearray) -> int:
        assert descriptor == 7
        if self.is_gone:
            raise OSError(errno.ENODEV, "No such device")
        number = struct.unpack_from("=I", content)[0]
        offer = self.offers.get(number)
        if offer is None:
            raise OSError(errno.EINVAL, "Invalid argument")
        if request == QUERYCTRL:
            assert len(content) == 68
            kind = 3 if offer.menu is not None else 1
            span = (offer.minimum, offer.maximum, offer.step, 0)
            content[:] = struct.pack("=II32siiiiIII", number, kind, b"a control", *span, offer.flags, 0, 0)
        elif request == QUERYMENU:
            assert len(content) == 44
            if struct.unpack_from("=I", content, 4)[0] not in (offer.menu or ()):
                raise OSError(errno.EINVAL, "Invalid argument")
        elif request == S_CTRL:
            if offer.refuses_with:
                raise OSError(offer.refuses_with, "Device or resource busy")
            value = struct.unpack_from("=i", content, 4)[0]
            self.set_in_order.append((Control(number), value))
            offer.value = value if offer.sticks_at is None else offer.sticks_at
        else:
            assert request == G_CTRL
            content[:] = struct.pack("=Ii", number, offer.value)
        return 0


def webcam() -> Device:
    return Device(
        {
            Control.EXPOSURE_AUTO: Offer(0, 3, menu=frozenset({1, 3})),
            Control.EXPOSURE_ABSOLUTE: Offer(3, 2047),
            Control.GAIN: Offer(0, 255),
            Control.FOCUS_AUTO: Offer(0, 1),
            Control.FOCUS_ABSOLUTE: Offer(0, 250, step=5),
            Control.AUTO_WHITE_BALANCE: Offer(0, 1),
            Control.WHITE_BALANCE_TEMPERATURE: Offer(2000, 6500),
            Control.POWER_LINE_FREQUENCY: Offer(0, 2, menu=frozenset({0, 1, 2})),
        }
    )


def applied(device: Device, **wanted: int | str) -> dict[str, tuple[Outcome, str]]:
    return {one.option: (one.outcome, one.text) for one in V4l2Controls(7, device.ioctl).apply(wanted)}


def test_a_structure_of_the_real_headers_is_understood() -> None:
    def ioctl(_descriptor: int, request: int, content: bytearray) -> int:
        assert request == QUERYCTRL
        assert len(content) == len(FROM_THE_HEADERS) == 68
        content[:] = FROM_THE_HEADERS
        return 0

    offer = V4l2Controls(7, ioctl)._offer(Control.EXPOSURE_ABSOLUTE)
    assert offer is not None
    assert (offer.minimum, offer.maximum, offer.step, offer.is_menu) == (3, 2047, 1, False)


def test_the_camera_s_own_choice_is_switched_off_before_a_value_is_set() -> None:
    device = webcam()
    found = applied(device, exposure_us=10_000, gain=20, focus=100, white_balance_k=4600, power_line_hz=50)
    assert {outcome for outcome, _ in found.values()} == {Outcome.APPLIED}
    assert device.set_in_order == [
        (Control.EXPOSURE_AUTO, 1),
        (Control.EXPOSURE_ABSOLUTE, 100),
        (Control.GAIN, 20),
        (Control.FOCUS_AUTO, 0),
        (Control.FOCUS_ABSOLUTE, 100),
        (Control.AUTO_WHITE_BALANCE, 0),
        (Control.WHITE_BALANCE_TEMPERATURE, 4600),
        (Control.POWER_LINE_FREQUENCY, 1),
    ]


def test_automatic_exposure_is_the_kind_that_the_camera_has() -> None:
    device = webcam()
    applied(device, exposure_us="auto", focus="auto", white_balance_k="auto")
    assert device.set_in_order == [
        (Control.EXPOSURE_AUTO, 3), (Control.FOCUS_AUTO, 1), (Control.AUTO_WHITE_BALANCE, 1)
    ]  # fmt: skip
    device.offers[Control.EXPOSURE_AUTO] = Offer(0, 1, menu=frozenset({0, 1}))
    applied(device, exposure_us="auto")
    assert device.set_in_order[-1] == (Control.EXPOSURE_AUTO, 0)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("gain", 256, "0 to 255"),
        ("gain", -1, "0 to 255"),
        ("focus", 101, "0 to 250 in steps of 5"),
        ("exposure_us", 300_000, "300 to 204700 in steps of 100"),
        ("white_balance_k", 9000, "2000 to 6500"),
        ("power_line_hz", "auto", "0 to 2"),
    ],
    ids=str,
)
def test_a_value_out_of_range_is_refused_with_the_range_and_nothing_is_set(
    option: str, value: int | str, said: str
) -> None:
    device = webcam()
    outcome, text = applied(device, **{option: value})[option]
    assert outcome is Outcome.OUT_OF_RANGE
    assert said in text
    assert option in text
    assert device.set_in_order == []


def test_what_is_not_offered_is_said_and_the_rest_is_set() -> None:
    device = webcam()
    del device.offers[Control.FOCUS_ABSOLUTE]
    device.offers[Control.GAIN].flags = 0x0001  # disabled
    found = applied(device, focus=10, gain="auto", power_line_hz=60)
    assert found["focus"] == (Outcome.NOT_OFFERED, "the camera does not offer focus")
    assert found["gain"][0] is Outcome.NOT_OFFERED
    assert found["power_line_hz"][0] is Outcome.APPLIED
    device.offers[Control.EXPOSURE_AUTO] = Offer(1, 1, menu=frozenset({1}))
    assert applied(device, exposure_us="auto")["exposure_us"][0] is Outcome.NOT_OFFERED


def test_a_value_that_does_not_stick_or_is_refused_is_said() -> None:
    device = webcam()
    device.offers[Control.GAIN].sticks_at = 7
    device.offers[Control.FOCUS_AUTO].refuses_with = errno.EBUSY
    found = applied(device, gain=20, focus=10)
    assert found["gain"] == (Outcome.NOT_TAKEN, "the camera does not take gain: it says 7 afterwards")
    assert found["focus"][0] is Outcome.NOT_TAKEN
    assert "busy" in found["focus"][1]


def test_a_device_that_goes_away_meanwhile_is_gone() -> None:
    device = webcam()
    device.is_gone = True
    with pytest.raises(DeviceGone):
        applied(device, gain=20)
    with pytest.raises(DeviceGone):
        apply_to("/dev/no-such-camera", {"gain": 1})
    assert apply_to("/dev/no-such-camera", {}) == []


def test_a_file_that_is_no_device_offers_nothing(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    (found,) = apply_to(str(plain), {"gain": 1})  # the real system call, answered by the real kernel
    assert found.outcome is Outcome.NOT_OFFERED


@given(st.binary(min_size=68, max_size=68), st.integers(-(2**31), 2**31 - 1))
def test_whatever_a_device_answers_the_outcome_has_a_text(answer: bytes, value: int) -> None:
    def ioctl(_descriptor: int, _request: int, content: bytearray) -> int:
        content[:] = answer[: len(content)]
        return 0

    (found,) = V4l2Controls(7, ioctl).apply({"gain": value})
    assert found.text


class Capture:
    """`cv2.VideoCapture` of a device that is pulled out after two frames."""

    def __init__(self, *_arguments: object) -> None:
        self.left = 2
        self.is_released = False

    def isOpened(self) -> bool:
        return True

    def set(self, *_property: float) -> bool:
        return True

    def grab(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.full((4, 6, 3), 7, np.uint8)

    def release(self) -> None:
        self.is_released = True


def test_a_device_pulled_out_ends_and_one_that_cannot_take_a_value_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Capture] = []

    def capture(*arguments: object) -> Capture:
        made.append(Capture(*arguments))
        return made[-1]

    device = webcam()
    monkeypatch.setenv("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "10")  # put back afterwards
    monkeypatch.setattr(cv2, "VideoCapture", capture)
    monkeypatch.setattr(device_source, "apply_to", lambda _path, wanted: V4l2Controls(7, device.ioctl).apply(wanted))
    with pytest.raises(SourceFailed, match="0 to 250") as refused:
        DeviceSource("/dev/video9", Channel.VISIBLE, (640, 480), {"gain": 20, "focus": 7_000})
    assert refused.value.reason == "control"
    assert made[0].is_released
    del device.offers[Control.GAIN]
    source = DeviceSource("/dev/video9", Channel.NEAR_INFRARED, (640, 480), {"gain": 20, "focus": 10})
    assert source.notes == ("the camera does not offer gain",)
    assert source.grab(0.1)
    assert source.decode().shape == (4, 6)
    assert source.grab(0.1)
    with pytest.raises(SourceFailed) as gone:
        source.grab(0.1)
    assert gone.value.reason == "ended"
    with pytest.raises(SourceFailed, match="16 bits"):
        DeviceSource("/dev/video9", Channel.DEPTH, (640, 480)).decode()
