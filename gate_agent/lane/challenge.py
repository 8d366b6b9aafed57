"""A timed challenge: turn left, turn right, nod, in an order drawn at random; asked only while the attack score is in doubt.

A pure machine: poses and times go in, the state comes out. It may be skipped at any time; who cannot or will not do it ends with
`not_completed` or `skipped`, which makes the check undetermined and never raises an alarm. It stops prints, still screens and
recordings that do not know the order; not a mask, and not somebody who answers live.

It is answered by one face, the document holder's: it begins, and goes on after each movement, only with a frame that matches; a face
that is lost, or a probe that begins anew, begins the challenge anew; somebody else in front of the camera, or beside, ends it. A pass
is worth as much as the face that earned it is still there, and not for long.

Every movement is measured against this person's own neutral pose: five landmarks give pitch with an error that differs between
people by about ten degrees, but is steady within one (models.face_pose).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from models.results import HeadPose


class Movement(StrEnum):
    """What the person is asked to do; sides are the person's own."""

    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    NOD = "nod"


class Instruction(StrEnum):
    """What the screen shows now."""

    FACE_CAMERA = "face_camera"
    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    NOD = "nod"


class Sight(StrEnum):
    """Whom one frame shows, by the comparison with the document's portrait."""

    HOLDER = "holder"  # a match
    UNCLEAR = "unclear"
    OTHER = "other"  # a non-match, which a turned head may be too
    SEVERAL = "several"
    LOST = "lost"  # no face, or not for certain the face of the frame before


class ChallengeState(StrEnum):
    """Where the challenge stands; RUNNING goes on, and PASSED may become NOT_COMPLETED when the face that passed is gone.

    NOT_COMPLETED and SKIPPED are final and mean undetermined, nothing worse.
    """

    RUNNING = "running"
    PASSED = "passed"
    NOT_COMPLETED = "not_completed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class MovementLimits:
    """When a head counts as turned, nodded, or neutral again; degrees from the person's own neutral pose."""

    turned_deg: float = 18.0
    nodded_deg: float = 10.0
    neutral_share: float = 0.5  # of those limits: below it the head is back
    frontal_yaw_deg: float = 14.0  # a neutral start must roughly face the camera
    frontal_pitch_deg: float = 25.0  # beyond it a face proves no difference, whatever its own pitch
    steady_deg: float = 4.0
    steady_s: float = 0.4
    fewest_poses: int = 4
    confirming_poses: int = 2  # consecutive, so that one stray landmark moves nobody


class _Neutral:
    """Waits until the holder's head has faced the camera steadily, and keeps that pose."""

    def __init__(self, limits: MovementLimits) -> None:
        self._limits = limits
        self._recent: list[tuple[float, HeadPose]] = []
        self._is_holder = False

    def begin_anew(self) -> None:
        """Forget what was seen."""
        self._recent.clear()
        self._is_holder = False

    def observe(self, pose: HeadPose, t_mono_s: float, *, is_holder: bool) -> HeadPose | None:
        """Take a pose; return the neutral one when it was steady for long enough and a frame of it matched."""
        limits = self._limits
        if abs(pose.yaw_deg) > limits.frontal_yaw_deg:
            self.begin_anew()
            return None
        self._is_holder |= is_holder
        self._recent.append((t_mono_s, pose))
        while self._is_unsteady():
            del self._recent[0]
        if len(self._recent) < limits.fewest_poses or t_mono_s - self._recent[0][0] < limits.steady_s:
            return None
        if not self._is_holder:
            return None
        return HeadPose(
            median(seen.yaw_deg for _, seen in self._recent),
            median(seen.pitch_deg for _, seen in self._recent),
            median(seen.roll_deg for _, seen in self._recent),
        )

    def _is_unsteady(self) -> bool:
        yaws = [seen.yaw_deg for _, seen in self._recent]
        pitches = [seen.pitch_deg for _, seen in self._recent]
        return max(max(yaws) - min(yaws), max(pitches) - min(pitches)) > 2 * self._limits.steady_deg


class _Movements:
    """Says which movement begins, from poses against the neutral one; the head must come back before the next counts."""

    def __init__(self, neutral: HeadPose, limits: MovementLimits) -> None:
        self._neutral = neutral
        self._limits = limits
        self._candidate: Movement | None = None
        self._confirmed = 0
        self._current: Movement | None = None

    @property
    def is_neutral(self) -> bool:
        """Whether the head is back, and was seen to be the holder's since."""
        return self._current is None

    def is_back(self, pose: HeadPose) -> bool:
        """Return whether a pose is near the neutral one."""
        limits, neutral = self._limits, self._neutral
        yaw = abs(pose.yaw_deg - neutral.yaw_deg) / limits.turned_deg
        return max(yaw, abs(pose.pitch_deg - neutral.pitch_deg) / limits.nodded_deg) < limits.neutral_share

    def observe(self, pose: HeadPose, *, is_holder: bool) -> Movement | None:
        """Return the movement that this pose completes the proof of, once per movement."""
        limits = self._limits
        yaw = (pose.yaw_deg - self._neutral.yaw_deg) / limits.turned_deg
        down = (self._neutral.pitch_deg - pose.pitch_deg) / limits.nodded_deg
        if self._current is not None:
            if is_holder and self.is_back(pose):
                self._current = None
            return None
        # the axis that moved more decides: turning a head moves its pitch a little too
        movement = None
        if abs(yaw) >= 1 and abs(yaw) >= down:
            movement = Movement.TURN_LEFT if yaw > 0 else Movement.TURN_RIGHT
        elif down >= 1:
            movement = Movement.NOD
        self._confirmed = self._confirmed + 1 if movement is not None and movement == self._candidate else 1
        self._candidate = movement
        if movement is None or self._confirmed < limits.confirming_poses:
            return None
        self._current, self._candidate = movement, None
        return movement


class HeadPoseChallenge:
    """One challenge for one person. `rng` draws the order; the caller seeds it from the system's randomness."""

    def __init__(
        self,
        rng: random.Random,
        step_timeout_s: float = 6.0,
        total_timeout_s: float = 20.0,
        *,
        steps: int = 3,
        attempts: int = 2,
        longest_gap_s: float = 1.0,
        pass_holds_s: float = 1.0,
        limits: MovementLimits | None = None,
    ) -> None:
        """Begin with `steps` movements in a row, no two alike one after another.

        A wrong movement, a face that is lost, or no frame for longer than `longest_gap_s` (it may be somebody else then) ends an
        attempt: the neutral pose is taken anew and a new order is drawn, `attempts` times in all. A pass holds for `pass_holds_s`.
        """
        if steps < 1 or attempts < 1 or step_timeout_s <= 0 or total_timeout_s <= 0:
            raise ValueError("a challenge needs at least one step, one attempt and time")
        self._rng = rng
        self._step_timeout_s = step_timeout_s
        self._total_timeout_s = total_timeout_s
        self._steps = steps
        self._attempts_left = attempts
        self._longest_gap_s = longest_gap_s
        self._pass_holds_s = pass_holds_s
        self._limits = limits or MovementLimits()
        self._state = ChallengeState.RUNNING
        self._order = self._drawn()
        self._done = 0
        self._neutral = _Neutral(self._limits)
        self._movements: _Movements | None = None
        self._started_s: float | None = None
        self._step_started_s = 0.0
        self._last_seen_s = 0.0
        self._passed_s = 0.0

    @property
    def state(self) -> ChallengeState:
        """Where the challenge stands."""
        return self._state

    @property
    def instruction(self) -> Instruction | None:
        """What to show the traveller now; None when the challenge is over."""
        if self._state is not ChallengeState.RUNNING:
            return None
        if self._movements is None or not self._movements.is_neutral:
            return Instruction.FACE_CAMERA
        return Instruction(self._order[self._done].value)

    @property
    def progress(self) -> tuple[int, int]:
        """Movements done, and movements asked for."""
        return self._done, self._steps

    def skip(self) -> ChallengeState:
        """End the challenge because the traveller, or an officer, does not want it."""
        if self._state is ChallengeState.RUNNING:
            self._state = ChallengeState.SKIPPED
        return self._state

    def observe(self, pose: HeadPose | None, t_mono_s: float, sight: Sight) -> ChallengeState:
        """Take the pose of one frame, None where no face was found, and whom it shows; return the state."""
        if self._state in {ChallengeState.NOT_COMPLETED, ChallengeState.SKIPPED}:
            return self._state
        if self._started_s is None:
            self._started_s = self._step_started_s = self._last_seen_s = t_mono_s
        gap_s, self._last_seen_s = t_mono_s - self._last_seen_s, t_mono_s
        is_lost = pose is None or sight is Sight.LOST or gap_s > self._longest_gap_s
        is_somebody_else = sight is Sight.SEVERAL or (sight is Sight.OTHER and self._is_frontal(pose))
        if self._state is ChallengeState.PASSED:
            if is_lost or is_somebody_else or t_mono_s - self._passed_s > self._pass_holds_s:
                self._state = ChallengeState.NOT_COMPLETED
            return self._state
        is_late = (
            t_mono_s - self._started_s > self._total_timeout_s or t_mono_s - self._step_started_s > self._step_timeout_s
        )
        if is_late or is_somebody_else:
            self._state = ChallengeState.NOT_COMPLETED
        elif pose is not None and not is_lost:
            self._follow(pose, t_mono_s, is_holder=sight is Sight.HOLDER)
        elif self._movements is None:
            self._neutral.begin_anew()
        else:
            self._end_attempt(t_mono_s)
        return self._state

    def _is_frontal(self, pose: HeadPose | None) -> bool:
        """Return whether a face is near enough to the camera's direction for a non-match to mean somebody else."""
        if pose is None:
            return False
        if self._movements is not None:
            return self._movements.is_back(pose)
        limits = self._limits
        return abs(pose.yaw_deg) <= limits.frontal_yaw_deg and abs(pose.pitch_deg) <= limits.frontal_pitch_deg

    def _follow(self, pose: HeadPose, t_mono_s: float, *, is_holder: bool) -> None:
        if self._movements is None:
            neutral = self._neutral.observe(pose, t_mono_s, is_holder=is_holder)
            if neutral is not None:
                self._movements = _Movements(neutral, self._limits)
                self._step_started_s = t_mono_s
            return
        movement = self._movements.observe(pose, is_holder=is_holder)
        if movement is None:
            self._finish_when_back(t_mono_s)
        elif self._done < self._steps and movement is self._order[self._done]:
            self._done += 1
            self._step_started_s = t_mono_s
        else:
            self._end_attempt(t_mono_s)

    def _finish_when_back(self, t_mono_s: float) -> None:
        # the last movement counts once the head is back, so that the frame after a pass faces the camera
        if self._done == self._steps and self._movements is not None and self._movements.is_neutral:
            self._state, self._passed_s = ChallengeState.PASSED, t_mono_s

    def _end_attempt(self, t_mono_s: float) -> None:
        self._attempts_left -= 1
        if self._attempts_left == 0:
            self._state = ChallengeState.NOT_COMPLETED
            return
        self._order = self._drawn()
        self._done = 0
        self._neutral = _Neutral(self._limits)
        self._movements = None
        self._step_started_s = t_mono_s

    def _drawn(self) -> list[Movement]:
        order: list[Movement] = []
        while len(order) < self._steps:
            order.append(self._rng.choice([movement for movement in Movement if movement not in order[-1:]]))
        return order


def replay_chance(steps: int = 3, attempts: int = 2) -> float:
    """Return the chance that movements recorded beforehand happen to fit: a bound, the recording is assumed well timed."""
    orders = len(Movement) * (len(Movement) - 1) ** (steps - 1)
    return float(1 - (1 - 1 / orders) ** attempts)
