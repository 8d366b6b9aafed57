"""Tells what happens at the doors without a release: the releases that were asked for, held against contacts and counters.

The rules: a door that opens is forced unless a release of it runs; each release permits one passage, and one for several is asked for again
after each; a passage out of turn is tailgating while its release or its door is still open, else a passage without a release; a passage
inwards through the exit is against the direction, and so is one outwards through the entrance unless that door is released.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.barrier.irregularities import Irregularities
from drivers.barrier.modbus import Request
from drivers.barrier.signals import DoorPoints
from drivers.contracts import BarrierInputs, Door, Irregularity

SLACK_S = 0.5  # who pushes in the last moment of a release is seen a little later
_COUNTER_SIZE = 0x10000


@dataclass(slots=True)
class _Watched:
    """What is known of one door."""

    ttl_s: float
    asked_ttl_s: float | None = None  # of a release since the last poll; 0 ends one
    may_open_until_s: float = -math.inf
    is_permitted: bool = False  # one more passage
    was_open: bool = True
    is_suspected: bool = False
    is_forced: bool = False  # open, and nobody released it
    passages: int | None = None
    back_passages: int | None = None
    surplus: int = 0  # passages that no release explains, if none is asked for before the next poll


class DoorWatch:
    """Judges polls. What it sees depends on questions and answers alone, so a tape tells the same.

    A door that is seen open for the first time after a connection was made is not judged: nobody saw it open. Openings and passages are
    called irregular with the next poll only, for the fire contact opens doors and may be read a moment after them.
    """

    def __init__(self, doors: Mapping[Door, DoorPoints]) -> None:
        self._doors = doors
        # Without a time to live on the board a release permits until the software ends it.
        self._watched = {door: _Watched(math.inf if points.ttl is None else 0.0) for door, points in doors.items()}
        self._irregularities = Irregularities()

    def opened(self) -> None:
        """Forget contacts and counters, not the releases: those live on in the board while the connection is lost."""
        for watched in self._watched.values():
            watched.was_open, watched.is_suspected, watched.is_forced = True, False, False
            watched.passages = watched.back_passages = None
            watched.surplus = 0

    def asked(self, request: Request) -> None:
        """Note a question to the board; a release counts from here on, whether or not its answer comes."""
        for door, points in self._doors.items():
            watched = self._watched[door]
            place = (request.function, request.address)
            if points.ttl is not None and place == (points.ttl.function, points.ttl.address):
                watched.ttl_s = request.values[0] * points.ttl_unit_s
            elif place == (points.release.function, points.release.address):
                is_release = request.values[0] ^ points.release.invert
                watched.asked_ttl_s = watched.ttl_s if is_release else 0.0
                if is_release and watched.surplus:
                    watched.surplus -= 1  # the next of a family was quicker than the next release
                elif is_release:
                    watched.is_permitted = True

    def judge(self, inputs: BarrierInputs, t_mono_s: float) -> tuple[Irregularity, ...]:
        """Take the inputs of one whole poll; return the irregularities that stand."""
        for door, watched in self._watched.items():
            if watched.asked_ttl_s is not None:
                watched.may_open_until_s = t_mono_s + watched.asked_ttl_s + SLACK_S
                watched.asked_ttl_s = None
            is_open = inputs.entrance_open if door is Door.ENTRANCE else inputs.exit_open
            if inputs.fire:
                watched.is_suspected = watched.is_forced = False
                watched.surplus = 0
            else:
                self._judge_passages(door, watched, inputs, t_mono_s)
                self._judge_opening(watched, t_mono_s, is_open=is_open)
            watched.passages, watched.back_passages = _counters(door, inputs)
            watched.was_open = is_open
        return self._irregularities.at(t_mono_s)

    def at(self, t_mono_s: float) -> tuple[Irregularity, ...]:
        """Return the irregularities that stand at a time."""
        return self._irregularities.at(t_mono_s)

    def _judge_opening(self, watched: _Watched, t_mono_s: float, *, is_open: bool) -> None:
        if watched.is_suspected:
            watched.is_suspected = False
            watched.is_forced = is_open
            self._irregularities.note(Irregularity.DOOR_FORCED, t_mono_s)
        elif is_open and not watched.was_open and t_mono_s > watched.may_open_until_s:
            watched.is_suspected = True
        elif is_open and t_mono_s <= watched.may_open_until_s:  # a contact may bounce when somebody passes slowly
            watched.may_open_until_s = max(watched.may_open_until_s, t_mono_s + SLACK_S)
        elif watched.is_forced and is_open:
            self._irregularities.note(Irregularity.DOOR_FORCED, t_mono_s)
        watched.is_forced = watched.is_forced and is_open

    def _judge_passages(self, door: Door, watched: _Watched, inputs: BarrierInputs, t_mono_s: float) -> None:
        passages, back_passages = _counters(door, inputs)
        is_released = t_mono_s <= watched.may_open_until_s
        if watched.surplus:
            watched.surplus = 0
            kind = Irregularity.TAILGATING if is_released else Irregularity.PASSAGE_WITHOUT_RELEASE
            self._irregularities.note(kind, t_mono_s)
        if watched.passages is not None and (passed := (passages - watched.passages) % _COUNTER_SIZE):
            watched.surplus = passed - (watched.is_permitted and is_released)
            watched.is_permitted = False
        has_come_back = watched.back_passages is not None and back_passages != watched.back_passages
        if has_come_back and (door is Door.EXIT or not is_released):
            self._irregularities.note(Irregularity.WRONG_WAY, t_mono_s)


def _counters(door: Door, inputs: BarrierInputs) -> tuple[int, int]:
    if door is Door.ENTRANCE:
        return inputs.entrance_passages, inputs.entrance_back_passages
    return inputs.exit_passages, inputs.exit_back_passages
