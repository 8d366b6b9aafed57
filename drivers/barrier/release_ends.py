"""When the software has to end a release: for boards that take no time to live. Their own watchdog ends it when the software is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drivers.barrier.signals import DoorPoints
from drivers.contracts import Door


@dataclass(frozen=True, slots=True)
class _End:
    due_s: float
    passages: int | None  # what the door's counter showed before


class ReleaseEnds:
    """The releases that are running, by door. One release is one passage: the counter's first step ends it, time does otherwise."""

    def __init__(self, doors: Mapping[Door, DoorPoints]) -> None:
        self._doors = {door: points for door, points in doors.items() if points.ttl is None}
        self._ends: dict[Door, _End] = {}

    def connected(self) -> None:
        """Have every door ended that is not known to be released: what an earlier run of the software released is over."""
        for door in self._doors:
            self._ends.setdefault(door, _End(0.0, None))

    def begin(self, door: Door, due_s: float, passages: int | None) -> None:
        """Note a release, before it is made. Nothing for a board that ends it."""
        if door in self._doors:
            self._ends[door] = _End(due_s, passages)

    def due(self, now_s: float, passages: Callable[[Door], int | None]) -> list[tuple[Door, object]]:
        """Return the doors whose release is over, each with what `ended` takes."""
        return [
            (door, end)
            for door, end in self._ends.items()
            if now_s >= end.due_s or self._has_passed(door, end, passages)
        ]

    def ended(self, door: Door, end: object) -> None:
        """Forget a release that the board ended as told, unless a later one began meanwhile."""
        if self._ends.get(door) is end:
            del self._ends[door]

    @staticmethod
    def _has_passed(door: Door, end: _End, passages: Callable[[Door], int | None]) -> bool:
        return end.passages is not None and passages(door) not in {None, end.passages}
