"""A challenge within an acquisition: begun by a doubtful frame only, once, skippable; never an alarm, whatever becomes of it."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from typing import Protocol

from gate_agent.lane.challenge import ChallengeState, HeadPoseChallenge, Sight
from gate_agent.lane.face.cues import Cue
from models.results import ComparisonDecision, FaceComparison, FaceFinding, FaceSample, HeadPose

_SIGHTS = {
    ComparisonDecision.MATCH: Sight.HOLDER,
    ComparisonDecision.NON_MATCH: Sight.OTHER,
    ComparisonDecision.UNDETERMINED: Sight.UNCLEAR,
}


class Challenge(Protocol):
    """What an acquisition needs of a challenge (`lane.challenge.HeadPoseChallenge`)."""

    @property
    def instruction(self) -> str | None:
        """What to show now, by the name of its cue; None when it is over."""
        ...

    def observe(self, pose: HeadPose | None, t_mono_s: float, sight: Sight) -> ChallengeState:
        """Take one frame's pose, None without a face, and whom it shows; return where the challenge stands."""
        ...

    def skip(self) -> ChallengeState:
        """End it without an answer."""
        ...


MakeChallenge = Callable[[], Challenge]


def head_pose_challenge() -> Challenge:
    """Return a challenge in an order that nobody can know beforehand."""
    return HeadPoseChallenge(random.Random(secrets.randbits(256)))


class Questioning:
    """At most one challenge of one acquisition."""

    def __init__(self, make: MakeChallenge | None) -> None:
        self._make = make
        self._challenge: Challenge | None = None
        self._state = ChallengeState.RUNNING
        self._probe_frames = 0

    @property
    def ended_as(self) -> str:
        """How the challenge ended, for the record; empty when there was none or it still runs."""
        return "" if self._state is ChallengeState.RUNNING else self._state.value

    @property
    def has_begun(self) -> bool:
        """Whether there was a challenge, however it ended."""
        return self._challenge is not None

    @property
    def is_failed(self) -> bool:
        """Whether the challenge is over and was not passed."""
        return self._state in {ChallengeState.NOT_COMPLETED, ChallengeState.SKIPPED}

    @property
    def is_running(self) -> bool:
        """Whether the traveller is being asked something now."""
        return self._challenge is not None and self._state is ChallengeState.RUNNING

    @property
    def is_passed(self) -> bool:
        """Whether the traveller did what was asked, and is still there."""
        return self._state is ChallengeState.PASSED

    @property
    def cue(self) -> Cue | None:
        """The instruction to show."""
        if self._challenge is None or not self.is_running or self._challenge.instruction is None:
            return None
        return Cue(self._challenge.instruction)

    def begin(self) -> bool:
        """Begin the challenge; True while one runs, False when there is none or it is over."""
        if self._challenge is None and self._make is not None:
            self._challenge = self._make()
        return self.is_running

    def observe(self, sample: FaceSample, comparison: FaceComparison | None, t_mono_s: float) -> None:
        """Take one frame, whether or not a challenge runs: one that was passed is void when the face that passed it is gone."""
        sight = self._sight(sample, comparison)
        if self._challenge is not None and not self.is_failed:
            self._state = self._challenge.observe(sample.pose, t_mono_s, sight)

    def _sight(self, sample: FaceSample, comparison: FaceComparison | None) -> Sight:
        """Return whom a frame shows. A probe of fewer frames than before began anew: another track, or a face unlike the last."""
        before, self._probe_frames = self._probe_frames, 0 if comparison is None else comparison.frames
        if sample.finding is FaceFinding.SEVERAL:
            return Sight.SEVERAL
        if sample.finding is not FaceFinding.FOUND or comparison is None or comparison.frames < before:
            return Sight.LOST
        return _SIGHTS[comparison.decision]

    def skip(self) -> bool:
        """End a running challenge; False when none runs."""
        if self._challenge is None or not self.is_running:
            return False
        self._state = self._challenge.skip()
        return True
