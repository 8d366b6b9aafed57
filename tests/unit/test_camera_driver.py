"""The camera driver on a clock that is turned by hand: what a capture child says becomes faults that are raised and cleared."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from drivers.camera.driver import OpenCvCamera, build
from drivers.contracts import DeviceEvent, DeviceState, StateChanged
from drivers.errors import OptionsRefused

IDLE_SAMPLE_S = 0.55
"""The longest pause between two looks at an idle camera of ten frames a second."""


class HandClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic_s(self) -> float:
        return self.now_s


class Camera:
    """A driver whose child is this test: frames twice a second, judged ten times a second as the driver's loop does."""

    def __init__(self, **options: object) -> None:
        self.clock = HandClock()
        self.states: list[StateChanged] = []
        self.driver: OpenCvCamera = build("camera", {"source": "rtsp://127.0.0.1/", **options}, self._take, self.clock)
        self.marks: dict[str, Any] = {"luma": 120.0, "spread": 30.0, "white_ratio": 0.0, "source_px": [1280, 720]}
        self.fps = 10.0
        self.is_frozen = False
        self.notes: list[str] = []
        self._arrived = 0.0
        self._stream_s = 0.0
        self._sampled_s = 0.0
        self.open()

    def _take(self, event: DeviceEvent) -> None:
        assert isinstance(event.data, StateChanged)
        self.states.append(event.data)

    def open(self) -> None:
        self._arrived, self._sampled_s = 0.0, self.clock.now_s
        self.driver._hear({"say": "opened", "notes": self.notes})

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Let time pass; return how much of it passed."""
        began_s = self.clock.now_s
        while self.clock.now_s - began_s < seconds and not until():
            self.clock.now_s += 0.1
            before, self._arrived = int(self._arrived), self._arrived + self.fps / 10
            self._stream_s += 0.1
            due = self.clock.now_s - self._sampled_s >= IDLE_SAMPLE_S - 0.001
            if int(self._arrived) > before and due:
                self._sampled_s = self.clock.now_s
                self._frame()
            self.driver._judge(self.clock.now_s)
        return self.clock.now_s - began_s

    def _frame(self) -> None:
        digest = "still" if self.is_frozen else f"{self.clock.now_s:.1f}"
        self.driver._hear(
            {
                "say": "frame",
                "number": 1,
                "arrived": int(self._arrived),
                "t_mono_s": self.clock.now_s,
                "stream_s": self._stream_s,
                "width_px": 1280,
                "height_px": 720,
                "slot": -1,
                "digest": digest,
                **self.marks,
            }
        )

    @property
    def faults(self) -> list[str]:
        return [told.fault for told in self.states if told.fault]


def black(camera: Camera) -> None:
    camera.marks |= {"luma": 1.0, "spread": 1.0}


def covered(camera: Camera) -> None:
    camera.marks |= {"luma": 30.0, "spread": 2.0}


def white(camera: Camera) -> None:
    camera.marks |= {"luma": 254.0, "spread": 2.0, "white_ratio": 0.99}


def frozen(camera: Camera) -> None:
    camera.is_frozen = True


def silent(camera: Camera) -> None:
    camera.fps = 0.0


def slow(camera: Camera) -> None:
    camera.fps = 1.0


def resized(camera: Camera) -> None:
    camera.marks |= {"source_px": [640, 480]}


def set_back(camera: Camera) -> None:
    camera._stream_s -= 100.0


@pytest.mark.parametrize(
    ("misfortune", "code", "is_reopened"),
    [
        (silent, "DRV-CAM-003", True),
        (frozen, "DRV-CAM-004", True),
        (black, "DRV-CAM-005", False),
        (covered, "DRV-CAM-005", False),
        (slow, "DRV-CAM-006", False),
        (white, "DRV-CAM-010", False),
        (resized, "DRV-CAM-011", True),
        (set_back, "DRV-CAM-012", True),
    ],
    ids=["silent", "frozen", "black", "covered", "slow", "white", "resized", "set-back"],
)
def test_every_misfortune_of_an_idle_camera_is_found_within_two_seconds_and_cleared(
    misfortune: Callable[[Camera], None], code: str, is_reopened: bool
) -> None:
    camera = Camera()
    camera.run(5.0)
    assert camera.driver.state is DeviceState.READY
    assert camera.faults == []
    misfortune(camera)
    assert camera.run(10.0, lambda: bool(camera.faults)) <= 2.0 + 0.001
    assert camera.faults == [code]
    assert camera.driver.state is DeviceState.FAULT
    assert camera.states[-1].remedy
    camera.marks |= {"luma": 120.0, "spread": 30.0, "white_ratio": 0.0}
    camera.fps, camera.is_frozen = 10.0, False
    if is_reopened:
        camera.open()
    assert camera.run(10.0, lambda: camera.driver.state is DeviceState.READY) <= 2.5
    assert camera.states[-1] == StateChanged(DeviceState.READY)
    camera.run(10.0)
    assert camera.faults == [code]


def test_less_than_half_of_the_declared_frames_is_a_fault() -> None:
    camera = Camera(declared_fps=20)
    camera.run(5.0)
    assert camera.faults == ["DRV-CAM-006"]
    camera.fps = 20.0
    camera.run(3.0)
    assert camera.driver.state is DeviceState.READY


def test_a_still_scene_with_a_noisy_sensor_is_never_accused_for_an_hour() -> None:
    camera = Camera()
    camera.marks |= {"luma": 196.0, "spread": 0.8}
    camera.run(3600.0)
    assert camera.faults == []


def test_a_file_that_shows_a_still_may_stand_still() -> None:
    camera = Camera(frozen_s=0)
    camera.is_frozen = True
    camera.run(60.0)
    assert camera.faults == []


def test_a_control_that_is_not_to_be_had_is_told_while_the_camera_is_ready() -> None:
    camera = Camera()
    camera.notes = ["the camera does not offer focus"]
    camera.open()
    camera.run(5.0)
    assert camera.driver.state is DeviceState.READY
    assert camera.states[-1].fault == "DRV-CAM-014"
    assert "does not offer focus" in camera.states[-1].remedy
    camera.run(60.0)
    assert camera.faults == ["DRV-CAM-014"]  # said once, and it stands
    camera.notes = []
    black(camera)
    camera.run(3.0)
    camera.marks |= {"luma": 120.0, "spread": 30.0}
    camera.open()
    camera.run(3.0)
    assert camera.states[-1] == StateChanged(DeviceState.READY)


def test_a_value_that_the_camera_cannot_take_is_refused_with_its_range() -> None:
    camera = Camera()
    camera.driver._hear({"say": "failed", "reason": "control", "text": "gain = 300: the camera takes 0 to 255"})
    assert camera.driver._failure is not None
    assert camera.driver._failure.code == "DRV-CAM-013"
    assert "0 to 255" in camera.driver._failure.remedy


@pytest.mark.parametrize(
    "options",
    [
        {"source": "rtsp://127.0.0.1/", "gain": 3},
        {"source": "/dev/video0", "power_line_hz": 55},
        {"source": "/dev/video0", "exposure_us": "long"},
        {"source": "/dev/video0", "white_balance_k": 10},
    ],
    ids=["no-device", "mains", "word", "kelvin"],
)
def test_controls_that_nothing_can_take_are_refused_by_name(options: dict[str, object]) -> None:
    with pytest.raises(OptionsRefused, match=next(name for name in options if name != "source")):
        build("camera", options, lambda _: None, HandClock())
