"""Which frames of an acquisition are worth looking at: the best capture, and the best that also differ.

Best capture after TR-03121-3.1 §4.4.1.1.2: most mandatory criteria met, then most optional ones, then the newest. The criteria
are those of its Table 4.3 that a camera frame can meet before cropping; ranking uses the live frame alone, never the reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.results import FaceFinding, FaceSample

_EYE_DISTANCE_PX = 120.0
_YAW_DEG, _PITCH_DEG, _ROLL_DEG = 5.0, 5.0, 8.0
_GOOD_COMPONENT = 50.0
"""A component of ISO/IEC 29794-5 from which a criterion counts as met; ours, the standard sets no limit."""

_MANDATORY: tuple[Callable[[FaceSample], bool], ...] = (
    lambda sample: sample.finding is FaceFinding.FOUND and sample.faces <= 1,
    lambda sample: sample.quality.get("inter_eye_distance_px", 0.0) >= _EYE_DISTANCE_PX,
    lambda sample: sample.pose is not None and abs(sample.pose.yaw_deg) <= _YAW_DEG,
    lambda sample: sample.pose is not None and abs(sample.pose.pitch_deg) <= _PITCH_DEG,
    lambda sample: sample.pose is not None and abs(sample.pose.roll_deg) <= _ROLL_DEG,
    lambda sample: (
        _component(sample, "LeftwardCropOfTheFaceImage") and _component(sample, "RightwardCropOfTheFaceImage")
    ),
)
_OPTIONAL = (
    "LuminanceMean",
    "LuminanceVariance",
    "DynamicRange",
    "UnderExposurePrevention",
    "OverExposurePrevention",
    "IlluminationUniformity",
    "NaturalColour",
)

# How much of each makes two frames different by one: degrees of turn, a factor of size, seconds.
_TURN_DEG, _SIZE_OCTAVE, _APART_S = 15.0, 0.5, 2.0
_MISSED_CRITERIA = 1
"""A frame that is chosen for being different may meet so many mandatory criteria fewer than the best."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One frame of an acquisition with its time, the face's portrait, and the camera that saw it where there are two."""

    sample: FaceSample
    t_mono_s: float
    portrait_jpeg: bytearray
    camera: str = ""


def _component(sample: FaceSample, name: str) -> bool:
    return sample.quality.get(name, -1.0) >= _GOOD_COMPONENT


def criteria_met(sample: FaceSample) -> tuple[int, int]:
    """Return how many mandatory and how many optional criteria a frame meets; one that could not be assessed is not met."""
    return sum(is_met(sample) for is_met in _MANDATORY), sum(_component(sample, name) for name in _OPTIONAL)


def best_capture(shots: Sequence[Shot]) -> Shot | None:
    """Return the best shot, None of none."""
    return max(shots, key=lambda shot: (*criteria_met(shot.sample), shot.t_mono_s), default=None)


def difference(one: Shot, other: Shot) -> float:
    """Return how much two shots differ in pose, size and time; 0 for the same."""
    parts = [min(abs(one.t_mono_s - other.t_mono_s) / _APART_S, 1.0)]
    if one.sample.pose is not None and other.sample.pose is not None:
        a, b = one.sample.pose, other.sample.pose
        turns = (a.yaw_deg - b.yaw_deg, a.pitch_deg - b.pitch_deg, a.roll_deg - b.roll_deg)
        parts += [turn / _TURN_DEG for turn in turns]
    if one.sample.box is not None and other.sample.box is not None:
        widths = [shot.sample.box.right_px - shot.sample.box.left_px + 1 for shot in (one, other) if shot.sample.box]
        parts.append(math.log2(widths[0] / widths[1]) / _SIZE_OCTAVE)
    return math.hypot(*parts)


def best_and_different(shots: Sequence[Shot], count: int) -> list[Shot]:
    """Return up to `count` shots, best first: each next one differs most from those already chosen, among the good ones."""
    best = best_capture(shots)
    if best is None or count < 1:
        return []
    enough = criteria_met(best.sample)[0] - _MISSED_CRITERIA
    good = [shot for shot in shots if criteria_met(shot.sample)[0] >= enough and shot is not best]
    chosen = [best]
    while good and len(chosen) < count:
        next_one = max(good, key=lambda shot: (min(difference(shot, other) for other in chosen), shot.t_mono_s))
        chosen.append(next_one)
        good = [shot for shot in good if shot is not next_one]
    return chosen


class KeptShots:
    """A bounded choice of an acquisition's frames, spread evenly over its time; the newest is always among them."""

    def __init__(self, capacity: int = 16) -> None:
        """`capacity` is even: then the frame that makes it overflow is one of those that stay."""
        if capacity < 2 or capacity % 2:
            raise ValueError("the capacity is an even number")
        self._capacity = capacity
        self._stride = 1
        self._offered = 0
        self._kept: list[Shot] = []
        self._newest: Shot | None = None

    def add(self, shot: Shot) -> None:
        """Take a frame. Whenever too many are kept, every second one is destroyed and only every second is kept from then on."""
        number, self._offered = self._offered, self._offered + 1
        if self._newest is not None and self._newest not in self._kept:
            _wipe(self._newest)
        self._newest = shot
        if number % self._stride:
            return
        self._kept.append(shot)
        if len(self._kept) > self._capacity:
            for dropped in self._kept[1::2]:
                _wipe(dropped)
            self._kept = self._kept[::2]
            self._stride *= 2

    def all(self) -> list[Shot]:
        """Return what is kept, oldest first, the newest last."""
        newest = [] if self._newest is None or self._newest in self._kept else [self._newest]
        return self._kept + newest

    def even(self, count: int) -> list[Shot]:
        """Return up to `count` of them, evenly spaced, first and newest included."""
        shots = self.all()
        if len(shots) <= count:
            return shots
        last = len(shots) - 1
        return [shots[round(number * last / (count - 1))] for number in range(count)] if count > 1 else shots[-1:]

    def wipe(self) -> None:
        """Destroy every portrait."""
        for shot in self.all():
            _wipe(shot)
        self._kept, self._newest = [], None


def _wipe(shot: Shot) -> None:
    shot.portrait_jpeg[:] = bytes(len(shot.portrait_jpeg))
