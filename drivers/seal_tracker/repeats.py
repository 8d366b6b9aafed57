"""Frames that come again: a tracker whose answer was lost sends the same bytes until it is answered, on a new connection too."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

FORGOTTEN_AFTER_S = 600.0
"""The same bytes much later are news: units that count from zero after a restart and tell no time send them again."""

FRAMES_LIMIT = 65_536
"""Ten minutes of a thousand trackers that report every ten seconds."""


class RecentFrames:
    """Digests of the frames of the last minutes, by seal. Memory is bounded: the oldest are forgotten first."""

    def __init__(self) -> None:
        self._seen_s: OrderedDict[bytes, float] = OrderedDict()

    def is_repeat(self, seal_id: str, frame: bytes, received_s: float) -> bool:
        """Return whether this seal sent these bytes within the last minutes, and remember them. `received_s` only grows."""
        digest = hashlib.blake2b(frame, key=seal_id.encode()[:64], digest_size=16).digest()
        seen_s = self._seen_s.get(digest)
        self._seen_s[digest] = received_s
        self._seen_s.move_to_end(digest)
        while len(self._seen_s) > FRAMES_LIMIT:
            self._seen_s.popitem(last=False)
        return seen_s is not None and received_s - seen_s < FORGOTTEN_AFTER_S
