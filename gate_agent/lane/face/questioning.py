"""A challenge within an acquisition: begun by a doubtful frame only, once, skippable; never an alarm, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gate_agent.lane.face.cues import Cue
from models.results import HeadPose

_RUNNING, _PASSED = "running", "passed"


class Challenge(Protocol):
    """A timed random head-pose challenge (`lane.challenge.HeadPoseChallenge`); states are text enumerations."""

    @property
    def instruction(self) -> str | None:
        """What to ask now: `turn_left`, `turn_right` or `nod`; None when nothing is asked."""
        ...

    def observe(self, pose: HeadPose | None, t_mono_s: float) -> str:
        """Take one frame's pose; return `running`, `passed`, `not_completed` or `skipped`."""
        ...

    def skip(self) -> None:
        """End it without an answer."""
        ...


class Questioning:
    """At most one challenge of one acquisition."""

    def __init__(self, make: Callable[[], Challenge] | None) -> None:
        self._make = make
        self._challenge: Challenge | None = None
        self.ended_as = ""
        """How the challenge ended; empty when there was none or it still runs."""

    @property
    def has_begun(self) -> bool:
        """Whether there was a challenge, however it ended."""
        return self._challenge is not None

    @property
    def is_failed(self) -> bool:
        """Whether the challenge is over and was not passed."""
        return bool(self.ended_as) and not self.is_passed

    @property
    def is_running(self) -> bool:
        """Whether the traveller is being asked something now."""
        return self._challenge is not None and not self.ended_as

    @property
    def is_passed(self) -> bool:
        """Whether the traveller did what was asked."""
        return self.ended_as == _PASSED

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
        if self._challenge is not None and not self.ended_as:
            state = self._challenge.observe(pose, t_mono_s)
            if state != _RUNNING:
                self.ended_as = str(state)

    def skip(self) -> bool:
        """End a running challenge; False when none runs."""
        if self._challenge is None or self.ended_as:
            return False
        self._challenge.skip()
        self.ended_as = "skipped"
        return True
