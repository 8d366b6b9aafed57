"""Tags that stay in the field: a reader reports each one many times a second, whoever listens wants to know once in a while."""

from __future__ import annotations

from collections import OrderedDict

from drivers.contracts import TagRead

TAGS_LIMIT = 4096


class RecentTags:
    """When each tag was told last, by EPC and antenna. Memory is bounded: the one that was told longest ago is forgotten first."""

    def __init__(self, window_s: float, limit: int = TAGS_LIMIT) -> None:
        """`window_s`: a tag is told again when it was told so long ago; 0 tells every report."""
        self._window_s = window_s
        self._limit = limit
        self._told_s: OrderedDict[tuple[bytes, int | None], float] = OrderedDict()

    def is_repeat(self, tag: TagRead, seen_s: float) -> bool:
        """Return whether the tag was told within the window; if not, it counts as told now. `seen_s` only grows."""
        key = (tag.epc, tag.antenna)
        told_s = self._told_s.get(key)
        if told_s is not None and seen_s - told_s < self._window_s:
            return True
        self._told_s[key] = seen_s
        self._told_s.move_to_end(key)
        while len(self._told_s) > self._limit:
            self._told_s.popitem(last=False)
        return False
