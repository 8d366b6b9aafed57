"""A challenge within an acquisition: begun by a doubtful frame only, once, skippable; never an alarm, whatever becomes of it."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from typing import Protocol

from gate_agent.lane.challenge import ChallengeState, HeadPoseChallenge
from gate_agent.lane.face.cues import Cue
from models.results import HeadPose


class Challenge(Protocol):
    """What an acquisition needs of a challenge (`lane.challenge.HeadPoseChallenge`)."""

    @property
    def instruction(self) -> str | None:
        """What to show now, by the name of its cue; None when it is over."""
        ...

    def observe(self, pose: HeadPose | None, t_mono_s: float) -> ChallengeState:
        """Take one frame's pose, None without a face; return where the challenge stands."""
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
        """Whether the traveller did what was asked."""
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

    def observe(self, pose: HeadPose | None, t_mono_s: float) -> None:
        """Take one frame's pose, if a challenge runs."""
        if self._challenge is not None and self.is_running:
            self._state = self._challenge.observe(pose, t_mono_s)

    def skip(self) -> bool:
        """End a running challenge; False when none runs."""
        if self._challenge is None or not self.is_running:
            return False
        self._state = self._challenge.skip()
        return True
