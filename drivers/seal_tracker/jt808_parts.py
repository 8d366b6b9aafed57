"""Long JT/T 808 messages that come in parts (attribute bit 13), put together again: bounded in parts, bytes and time.

Each part says how many there are and which one it is, from 1; their serials follow one another, so the serial of part 1 tells messages of
the same kind apart that are sent at the same time. A part that is missing is asked for with 8003, as often as `ASKED_TIMES`; then the
message is given up, and that is told. Source: JT/T 808-2011 §4.4.3 and §8.5.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from drivers.seal_tracker.errors import SealFrameRejected

PARTS_LIMIT = 64
MESSAGE_LIMIT_BYTES = 1 << 16
MESSAGES_LIMIT = 4
"""Messages of one connection that may be unfinished at once; the oldest is given up for a newer one."""

PATIENCE_S = 20.0
"""So long after its last part a message is asked for again, or given up."""

ASKED_TIMES = 2
FINISHED_KEPT = 8
"""Finished messages remembered, so that a part that comes again starts no new one."""


class PartOf(NamedTuple):
    """Which message a part belongs to: the terminal, the kind, how many parts, the serial of part 1; and how it is spoken to."""

    phone: bytes
    message_id: int
    total: int
    first_serial: int
    delimiter: int
    version: int | None


class Overdue(NamedTuple):
    """A message of which parts are missing: asked for once more, or given up."""

    key: PartOf
    missing: tuple[int, ...]
    is_given_up: bool


@dataclass(slots=True)
class _Unfinished:
    last_part_s: float
    bodies: dict[int, bytes] = field(default_factory=dict)
    size_bytes: int = 0
    asked: int = 0


class Parts:
    """The unfinished messages of one connection."""

    def __init__(self) -> None:
        self._unfinished: OrderedDict[PartOf, _Unfinished] = OrderedDict()
        self._finished: OrderedDict[PartOf, None] = OrderedDict()
        self._untold: list[Overdue] = []

    @property
    def is_waiting(self) -> bool:
        """Whether anything is unfinished or is to be told."""
        return bool(self._unfinished or self._untold)

    def add(self, key: PartOf, number: int, body: bytes, now_s: float) -> bytes | None:
        """Take a part; return the whole body once the last one is there, None before and for a part that is known already.

        Raises `SealFrameRejected` for a part that cannot be one, or of a message that is too long.
        """
        if not 1 <= number <= key.total:
            raise SealFrameRejected(f"part {number} of {key.total}")
        if key.total > PARTS_LIMIT:
            raise SealFrameRejected(f"message in {key.total} parts, at most {PARTS_LIMIT} are taken")
        if key in self._finished:
            return None
        message = self._unfinished.get(key)
        if message is None:
            message = self._unfinished[key] = _Unfinished(now_s)
            if len(self._unfinished) > MESSAGES_LIMIT:
                self._give_up(next(iter(self._unfinished)))
        if number in message.bodies:
            return None
        message.last_part_s = now_s
        if message.size_bytes + len(body) > MESSAGE_LIMIT_BYTES:
            self._give_up(key)
            raise SealFrameRejected(f"message of more than {MESSAGE_LIMIT_BYTES} bytes")
        message.bodies[number] = body
        message.size_bytes += len(body)
        if len(message.bodies) < key.total:
            return None
        del self._unfinished[key]
        self._finish(key)
        return b"".join(message.bodies[part] for part in range(1, key.total + 1))

    def overdue(self, now_s: float) -> list[Overdue]:
        """Return what waited too long: first asked for again, then given up."""
        for key, message in list(self._unfinished.items()):
            if now_s - message.last_part_s < PATIENCE_S:
                continue
            if message.asked >= ASKED_TIMES:
                self._give_up(key)
                continue
            message.asked += 1
            message.last_part_s = now_s
            self._untold.append(Overdue(key, self._missing(key, message), is_given_up=False))
        told, self._untold = self._untold, []
        return told

    def _give_up(self, key: PartOf) -> None:
        message = self._unfinished.pop(key)
        self._finish(key)
        self._untold.append(Overdue(key, self._missing(key, message), is_given_up=True))
        del self._untold[:-MESSAGES_LIMIT]

    def _finish(self, key: PartOf) -> None:
        self._finished[key] = None
        while len(self._finished) > FINISHED_KEPT:
            self._finished.popitem(last=False)

    @staticmethod
    def _missing(key: PartOf, message: _Unfinished) -> tuple[int, ...]:
        return tuple(part for part in range(1, key.total + 1) if part not in message.bodies)
