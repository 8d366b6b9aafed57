"""One camera on a lift: it follows a face that is out of its range, and looks for one that it does not see at all, within bounds.

Each acquisition has a budget of travel. While the lift travels, or waits for a door to shut, time does not run against the traveller; once it gave up,
everything is as with a camera that stays where it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from drivers.accessibility import LiftDirection
from gate_agent.errors import DeviceFault
from gate_agent.lane.face.cues import Cue
from gate_agent.lane.face.heights import CHANGED_AFTER_S, View, Wish
from gate_agent.lane.lift import SafeLift

log = structlog.get_logger()

_DOOR_WAIT_S = 5.0
"""Longest wait for a door that shuts behind the traveller, before the lift gives up."""
_WAY = {Wish.LOWER: LiftDirection.DOWN, Wish.HIGHER: LiftDirection.UP}


class Lifted:
    """The view of one acquisition from a camera on a lift. Its moves are tasks; `set_active` ends them."""

    number = 0

    def __init__(self, view: View, lift: SafeLift, travel_s: float, monotonic_s: Callable[[], float]) -> None:
        """`travel_s`: longest time of travel in this acquisition."""
        self._view = view
        self._lift = lift
        self._left_s = travel_s
        self._monotonic_s = monotonic_s
        self._wish: Wish | None = None
        self._since_s = 0.0
        self._at_limit: set[LiftDirection] = set()
        self._searched: set[LiftDirection] = set()
        self._gave_up = False
        self._moving: asyncio.Task[None] | None = None
        self._way: LiftDirection | None = None
        self._waits_since_s: float | None = None

    @property
    def camera(self) -> str:
        """Its name."""
        return self._view.name

    @property
    def is_searching(self) -> bool:
        """Whether the lift is under way, or about to be: time waits for it."""
        return self._wish is not None and not self._gave_up and self._wanted() is not None

    @property
    def followed(self) -> frozenset[Cue]:
        """Nobody is asked to stand up or bend while the lift can still help."""
        if self._gave_up:
            return frozenset()
        ways = {Cue.TOO_LOW: LiftDirection.DOWN, Cue.TOO_HIGH: LiftDirection.UP}
        return frozenset(cue for cue, way in ways.items() if way not in self._at_limit)

    def set_active(self, *, active: bool) -> None:
        """Begin or end looking; with the end the lift stops."""
        self._view.camera.set_active(active=active)
        if not active:
            self._gave_up = True
            self._halt()

    def follow(self, wish: Wish | None, t_mono_s: float) -> bool:
        """Let the lift follow; the view stays the same camera's."""
        if wish is not self._wish:
            self._wish, self._since_s = wish, t_mono_s
        way = self._wanted()
        if self._moving is not None and way is not self._way:
            self._halt()
        if way is None or self._gave_up or self._moving is not None or t_mono_s - self._since_s < CHANGED_AFTER_S:
            return False
        if not self._lift.is_allowed:
            self._wait_for_doors(t_mono_s)
            return False
        self._waits_since_s = None
        self._way = way
        self._moving = asyncio.create_task(self._travel(way), name="lift following")
        return False

    def _wanted(self) -> LiftDirection | None:
        """Return where to move, None where there is nothing to gain."""
        if self._wish is None:
            return None
        if self._wish is Wish.ANYWHERE:  # down first: who is not seen at all sits more often than towers
            return next((way for way in (LiftDirection.DOWN, LiftDirection.UP) if way not in self._searched), None)
        way = _WAY[self._wish]
        return None if way in self._at_limit else way

    def _wait_for_doors(self, t_mono_s: float) -> None:
        if self._waits_since_s is None:
            self._waits_since_s = t_mono_s
        elif t_mono_s - self._waits_since_s > _DOOR_WAIT_S:
            self._gave_up = True

    async def _travel(self, way: LiftDirection) -> None:
        begun_s = self._monotonic_s()
        try:
            report = await self._lift.move(way, self._left_s)
        except DeviceFault as fault:
            log.warning("camera_lift_gave_up", camera=self.camera, code=fault.code)
            self._gave_up = True
        else:
            if report is not None:
                limits = {LiftDirection.UP: report.is_at_upper_limit, LiftDirection.DOWN: report.is_at_lower_limit}
                self._at_limit = {direction for direction, is_there in limits.items() if is_there}
                self._searched |= self._at_limit
        finally:
            self._left_s -= self._monotonic_s() - begun_s
            if self._left_s <= 0.1:
                self._gave_up = True
            self._moving = self._way = None

    def _halt(self) -> None:
        if self._moving is not None:
            self._lift.stop()
