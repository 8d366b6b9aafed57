"""Cameras at two heights: a face that one does not see where it should be is looked for with the other, within the same acquisition.

Two eyes of one gate see the same traveller in other places, so with each change what was known of place and motion is forgotten; the features
stay in the worker, and the transaction is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gate_agent.lane.face.cues import Cue
from gate_agent.lane.ports import LaneCamera

CHANGED_AFTER_S = 0.5
"""A face out of range for so long is looked for elsewhere: a nod or a step is over by then, and three looks fit into three seconds."""
MOST_CHANGES = 3
"""Up, down and up again; who is between the two cameras' ranges after that is asked to help, as with one camera."""


class Wish(StrEnum):
    """Where the face should be looked for. ANYWHERE: nobody is seen at all."""

    LOWER = "lower"
    HIGHER = "higher"
    ANYWHERE = "anywhere"


class Heights(Protocol):
    """What follows a face up and down during one acquisition."""

    @property
    def camera(self) -> str:
        """Name of the camera that looks now."""
        ...

    @property
    def number(self) -> int:
        """Its number for the worker: frames of another number are of another view."""
        ...

    @property
    def is_searching(self) -> bool:
        """Whether the hardware is under way to a face: until it gave up, time does not run against the traveller."""
        ...

    @property
    def followed(self) -> frozenset[Cue]:
        """Cues that the traveller is spared, because the hardware can still follow."""
        ...

    def set_active(self, *, active: bool) -> None:
        """Begin or end looking."""
        ...

    def follow(self, wish: Wish | None, t_mono_s: float) -> bool:
        """Take where the face should be looked for, None while it is where it should be; True when the view changed."""
        ...


@dataclass(frozen=True, slots=True)
class View:
    """A camera of a lane by its name."""

    name: str
    camera: LaneCamera


class OneHeight:
    """One camera that stays where it is."""

    followed: frozenset[Cue] = frozenset()
    number = 0
    is_searching = False

    def __init__(self, view: View) -> None:
        self._view = view

    @property
    def camera(self) -> str:
        """Its name."""
        return self._view.name

    def set_active(self, *, active: bool) -> None:
        """Begin or end looking."""
        self._view.camera.set_active(active=active)

    def follow(self, wish: Wish | None, t_mono_s: float) -> bool:  # noqa: ARG002 - it does not follow
        """Stay."""
        return False


class TwoHeights:
    """A camera at the usual height and one below it; one of them looks at a time, the usual one first."""

    is_searching = False  # a change takes no time worth waiting for

    def __init__(self, upper: View, lower: View, is_ready: Callable[[str], bool] = lambda _name: True) -> None:
        """Take the views; a camera that is not ready is not looked with."""
        self._views = (upper, lower)
        self._is_ready = is_ready
        self.number = 0
        self._changes = 0
        self._wish: Wish | None = None
        self._since_s = 0.0
        self._is_active = False

    @property
    def camera(self) -> str:
        """Name of the camera that looks now."""
        return self._views[self.number].name

    @property
    def followed(self) -> frozenset[Cue]:
        """Too low for the upper camera is not the traveller's to mend, nor too high for the lower one."""
        if not self._may_change():
            return frozenset()
        return frozenset({Cue.TOO_LOW if self.number == 0 else Cue.TOO_HIGH})

    def set_active(self, *, active: bool) -> None:
        """Begin with the upper camera, or end."""
        self._is_active = active
        self._views[self.number].camera.set_active(active=active)

    def follow(self, wish: Wish | None, t_mono_s: float) -> bool:
        """Change to the other camera when the face has been its business for a moment."""
        if wish is not self._wish:
            self._wish, self._since_s = wish, t_mono_s
        can_help = {Wish.LOWER if self.number == 0 else Wish.HIGHER, Wish.ANYWHERE}
        if wish not in can_help or t_mono_s - self._since_s < CHANGED_AFTER_S or not self._may_change():
            return False
        before, self.number = self.number, 1 - self.number
        self._changes += 1
        self._wish = None
        if self._is_active:
            self._views[self.number].camera.set_active(active=True)
            self._views[before].camera.set_active(active=False)
        return True

    def _may_change(self) -> bool:
        return self._changes < MOST_CHANGES and self._is_ready(self._views[1 - self.number].name)
