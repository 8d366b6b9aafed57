"""Tells when a door opened that nobody released: the releases that were asked for, held against the doors' contacts."""

from __future__ import annotations

import math
from collections.abc import Mapping

from drivers.barrier.modbus import Request
from drivers.barrier.signals import DoorPoints
from drivers.contracts import BarrierInputs, Door

SLACK_S = 0.5  # who pushes in the last moment of a release is seen a little later
HOLD_S = 2.0  # a door that fell shut at once is told all the same


class DoorWatch:
    """Knows for each door until when it may open. What it sees depends on questions and answers alone, so a tape tells the same.

    A door that is seen open for the first time after a connection was made is not judged: nobody saw it open. An open door is called
    forced with the next poll only, for the fire contact opens doors and may be read a moment after them.
    """

    def __init__(self, doors: Mapping[Door, DoorPoints]) -> None:
        self._doors = doors
        # Without a time to live on the board a release permits until the software ends it.
        self._ttl_s = {door: math.inf if points.ttl is None else 0.0 for door, points in doors.items()}
        self._may_open_until_s: dict[Door, float] = {}
        self._asked: dict[Door, float] = {}
        self._was_open: dict[Door, bool] = {}
        self._suspected: set[Door] = set()
        self._forced_until_s: dict[Door, float] = {}
        self.forced: frozenset[Door] = frozenset()

    def opened(self) -> None:
        """Forget the contacts, not the releases: those live on in the board while the connection is lost."""
        self._was_open.clear()
        self._suspected.clear()

    def asked(self, request: Request) -> None:
        """Note a question to the board; a release counts from here on, whether or not its answer comes."""
        for door, points in self._doors.items():
            place = (request.function, request.address)
            if points.ttl is not None and place == (points.ttl.function, points.ttl.address):
                self._ttl_s[door] = request.values[0] * points.ttl_unit_s
            elif place == (points.release.function, points.release.address):
                is_release = request.values[0] ^ points.release.invert
                self._asked[door] = self._ttl_s[door] if is_release else 0.0

    def judge(self, inputs: BarrierInputs, t_mono_s: float) -> frozenset[Door]:
        """Take the inputs of one whole poll; return the doors that were opened without a release."""
        for door, ttl_s in self._asked.items():
            self._may_open_until_s[door] = t_mono_s + ttl_s + SLACK_S
        self._asked.clear()
        for door in self._doors:
            self._judge_door(door, inputs, t_mono_s)
        self.forced = frozenset(door for door, until_s in self._forced_until_s.items() if t_mono_s < until_s)
        return self.forced

    def _judge_door(self, door: Door, inputs: BarrierInputs, t_mono_s: float) -> None:
        is_open = inputs.entrance_open if door is Door.ENTRANCE else inputs.exit_open
        was_open = self._was_open.get(door, True)
        may_open_until_s = self._may_open_until_s.get(door, -math.inf)
        self._was_open[door] = is_open
        if inputs.fire:
            self._suspected.discard(door)
        elif door in self._suspected:
            self._suspected.discard(door)
            self._forced_until_s[door] = t_mono_s + HOLD_S
        elif is_open and not was_open and t_mono_s > may_open_until_s:
            self._suspected.add(door)
        elif is_open and t_mono_s <= may_open_until_s:  # a contact may bounce when somebody passes slowly
            self._may_open_until_s[door] = max(may_open_until_s, t_mono_s + SLACK_S)
        if is_open and door in self.forced:
            self._forced_until_s[door] = t_mono_s + HOLD_S
