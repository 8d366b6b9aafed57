"""The releases that are running: how long each lasts, and how many of its passages are used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from drivers.barrier.signals import DoorPoints
from drivers.contracts import Door

COUNT_LIMIT = 255
_COUNTER_SIZE = 0x10000


class Due(Enum):
    """What has to be done about a release."""

    END = "end"  # its time is over, or its passages are used
    RENEW = "renew"  # the next passage is to be released: some boards lock after each


@dataclass(slots=True)
class _Permit:
    due_s: float
    count: int
    passages: int | None  # what the door's counter showed before
    used: int = 0  # passages of this release that were dealt with


class Permits:
    """By door, the release that runs; each passage that the counter shows consumes one of its `count`.

    A board that takes a time to live ends a release by itself, after one passage or the time. For a board of plain outputs the software
    ends it, and the board's own watchdog does when the software is gone.
    """

    def __init__(self, doors: Mapping[Door, DoorPoints]) -> None:
        self._doors = doors
        self._permits: dict[Door, _Permit] = {}

    def connected(self) -> None:
        """Have every plain output ended that is not known to be released: what an earlier run of the software released is over."""
        for door, points in self._doors.items():
            if points.ttl is None:
                self._permits.setdefault(door, _Permit(0.0, 0, None))

    def begin(self, door: Door, count: int, due_s: float, passages: int | None) -> None:
        """Note a release, before it is made. `passages` is what the door's counter shows, None without one."""
        self._permits[door] = _Permit(due_s, count, passages)

    def revoke(self) -> None:
        """Have every running release ended."""
        for door in self._doors:
            self._permits[door] = _Permit(0.0, 0, None)

    def due(self, now_s: float, passages: Callable[[Door], int | None]) -> list[tuple[Door, Due, object]]:
        """Return what has to be done now, each with what `done` takes."""
        found: list[tuple[Door, Due, object]] = []
        for door, permit in list(self._permits.items()):
            used = _used(permit, passages(door))
            if now_s >= permit.due_s or (permit.count and used >= permit.count):
                found.append((door, Due.END, permit))
            elif used > permit.used:
                permit.used = used
                found.append((door, Due.RENEW, permit))
        return found

    def left_s(self, permit: object, now_s: float) -> float:
        """Return how long a release still lasts."""
        assert isinstance(permit, _Permit)
        return permit.due_s - now_s

    def ended(self, door: Door, permit: object) -> None:
        """Forget a release that the board ended as told, unless a later one began meanwhile."""
        if self._permits.get(door) is permit:
            del self._permits[door]

    def is_running(self, door: Door, permit: object) -> bool:
        """Tell whether no later release took the place of this one."""
        return self._permits.get(door) is permit


def _used(permit: _Permit, passages: int | None) -> int:
    if permit.passages is None or passages is None:
        return 0
    return (passages - permit.passages) % _COUNTER_SIZE
