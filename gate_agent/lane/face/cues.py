"""What the traveller is asked to do while the camera looks: one cue at a time, the most useful first, steady on the screen.

Each cue has a limit at which it comes and another at which it goes (hysteresis), and stays for at least `MINIMUM_SHOWN_S` once it
is shown. A cue is advice: it never holds a decision back. Cues after TR-03121-3.1 (FM UI-FI-BSJ); the limits are our choice
around its Table 4.3, whose ratios describe the cropped image and not the camera's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gate_agent.lane.face.geometry import Motion, placement
from models.results import FaceFinding, FaceSample

MINIMUM_SHOWN_S = 1.0
"""A cue stays this long, so that it can be read."""

_FORGOTTEN_AFTER_S = 0.7
"""Without a face for so long, what was known about its place is no longer true."""


class Cue(StrEnum):
    """What is not right yet, most useful first; the last four are asked for by a challenge. Sides are the traveller's own."""

    SEVERAL_FACES = "several_faces"
    TOO_HIGH = "too_high"
    TOO_LOW = "too_low"
    TOO_NEAR = "too_near"
    TOO_FAR = "too_far"
    TOO_FAR_LEFT = "too_far_left"
    TOO_FAR_RIGHT = "too_far_right"
    MOVING = "moving"
    NOT_FRONTAL = "not_frontal"
    EYES_CLOSED = "eyes_closed"
    MOUTH_OPEN = "mouth_open"
    FACE_CAMERA = "face_camera"
    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    NOD = "nod"


@dataclass(frozen=True, slots=True)
class _Limits:
    """A cue comes when its measure reaches `enter` and goes when it falls below `leave`."""

    enter: float
    leave: float


LIMITS = {
    Cue.SEVERAL_FACES: _Limits(1.0, 1.0),
    Cue.TOO_HIGH: _Limits(0.30, 0.25),  # up, in frame heights from the centre
    Cue.TOO_LOW: _Limits(0.30, 0.25),
    Cue.TOO_NEAR: _Limits(0.62, 0.56),  # box width to the frame's shorter side
    Cue.TOO_FAR: _Limits(-0.22, -0.25),
    Cue.TOO_FAR_LEFT: _Limits(0.22, 0.17),  # in frame widths from the centre
    Cue.TOO_FAR_RIGHT: _Limits(0.22, 0.17),
    Cue.MOVING: _Limits(0.7, 0.4),  # face widths a second
    Cue.NOT_FRONTAL: _Limits(1.0, 0.7),  # largest angle as a share of the one below
    Cue.EYES_CLOSED: _Limits(70.0, 55.0),  # 100 less the measure's value
    Cue.MOUTH_OPEN: _Limits(70.0, 55.0),
}
"""In the order of usefulness: who stands wrongly is placed first, then asked to stand still, then to look here."""

_YAW_DEG, _PITCH_DEG, _ROLL_DEG = 20.0, 25.0, 20.0
"""From here on the head counts as turned; pitch from five points is the coarsest (biometrics §15)."""

_OUT_OF_RANGE = frozenset({Cue.TOO_HIGH, Cue.TOO_LOW})


def _measures(sample: FaceSample, speed: float | None) -> dict[Cue, float | None]:
    """Return for each cue how far things are from right; None where this frame does not tell."""
    measures: dict[Cue, float | None] = dict.fromkeys(LIMITS)
    measures[Cue.SEVERAL_FACES] = float(sample.finding is FaceFinding.SEVERAL or sample.faces > 1)
    place = None if sample.box is None else placement(sample.box, sample.frame_px)
    if place is not None:
        measures[Cue.TOO_HIGH], measures[Cue.TOO_LOW] = place.up_offset, -place.up_offset
        measures[Cue.TOO_NEAR], measures[Cue.TOO_FAR] = place.size_ratio, -place.size_ratio
        measures[Cue.TOO_FAR_LEFT], measures[Cue.TOO_FAR_RIGHT] = place.left_offset, -place.left_offset
    measures[Cue.MOVING] = speed
    pose = sample.pose
    if pose is not None:
        measures[Cue.NOT_FRONTAL] = max(
            abs(pose.yaw_deg) / _YAW_DEG, abs(pose.pitch_deg) / _PITCH_DEG, abs(pose.roll_deg) / _ROLL_DEG
        )
    measures[Cue.EYES_CLOSED] = _lacking(sample, "eyes_open")
    measures[Cue.MOUTH_OPEN] = _lacking(sample, "mouth_closed")
    return measures


def _lacking(sample: FaceSample, measure: str) -> float | None:
    """Return 100 less a quality value of 0-100; None when no model gave it (absent or -1)."""
    value = sample.quality.get(measure, -1.0)
    return None if value < 0 else 100.0 - value


class CueGuide:
    """Turns successive samples of one acquisition into the cue to show. Times are monotonic seconds of the frames."""

    def __init__(self, begun_s: float | None = None) -> None:
        """`begun_s`: since when somebody is known to stand there; without it the first frame begins the time out of range."""
        self.shown: Cue | None = None
        self.out_of_range_since_s: float | None = None
        """Since when there has been no face within the camera's height range; None while there is one."""
        self._shown_since_s = 0.0
        self._due: set[Cue] = set()
        self._motion = Motion()
        self._seen_s: float | None = None
        self._begun_s = begun_s
        self.followed: frozenset[Cue] = frozenset()
        """Cues that are not shown now, because a camera or a lift follows by itself."""
        self.is_still_and_frontal = False
        """Whether the newest face is known to stand still and to face the camera, by this frame alone.

        What is shown does not matter: a cue stays until things are well within its limit, so that it does not flicker, and a
        face that stands just within the limit, one frame of it beyond, would else prove nothing for as long as it stands there.
        """

    def observe(self, sample: FaceSample, t_mono_s: float) -> Cue | None:
        """Take one frame's sample and return the cue to show now, None when nothing is wrong."""
        has_face = sample.box is not None and sample.finding in {FaceFinding.FOUND, FaceFinding.SEVERAL}
        speed = self._motion.observe(sample, t_mono_s)
        self.is_still_and_frontal = False
        if has_face:
            self._seen_s = t_mono_s
            measures = _measures(sample, speed)
            for cue, value in measures.items():
                self._weigh(cue, value)
            self.is_still_and_frontal = all(
                (value := measures[cue]) is not None and value < LIMITS[cue].enter
                for cue in (Cue.MOVING, Cue.NOT_FRONTAL)
            )
        elif self._seen_s is None or t_mono_s - self._seen_s > _FORGOTTEN_AFTER_S:
            self._due.clear()
        in_range = has_face and not self._due & _OUT_OF_RANGE
        if in_range:
            self.out_of_range_since_s = None
        elif self.out_of_range_since_s is None:
            self.out_of_range_since_s = t_mono_s if self._begun_s is None else self._begun_s
        self._begun_s = None
        self._show(t_mono_s)
        return self.shown

    @property
    def is_too_low(self) -> bool:
        """Whether the face was last seen below the camera's range."""
        return Cue.TOO_LOW in self._due

    @property
    def is_too_high(self) -> bool:
        """Whether the face was last seen above the camera's range."""
        return Cue.TOO_HIGH in self._due

    def changed_view(self) -> None:
        """Forget where the face was and how it moved: the next frame is seen from elsewhere. How long nobody was in range counts on."""
        self._due.clear()
        self._motion = Motion()
        self._seen_s = None
        self.is_still_and_frontal = False

    def _weigh(self, cue: Cue, value: float | None) -> None:
        limits = LIMITS[cue]
        if value is None or value < limits.leave:
            self._due.discard(cue)
        elif value >= limits.enter:
            self._due.add(cue)

    def _show(self, t_mono_s: float) -> None:
        wanted = next((cue for cue in LIMITS if cue in self._due - self.followed), None)
        if wanted is self.shown:
            return
        if self.shown is None or t_mono_s - self._shown_since_s >= MINIMUM_SHOWN_S:
            self.shown, self._shown_since_s = wanted, t_mono_s
