"""How long pages of a declaration take, counted without anybody's name: seconds by page, from which percentiles are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LONGEST_S = 3600


@dataclass(frozen=True, slots=True)
class PageTime:
    """How long one page took: number of answers, median and 95th percentile in whole seconds, rounded up."""

    page: str
    answers: int
    p50_s: int
    p95_s: int


class PageTimes:
    """Counts of whole seconds by page. `fresh` is what has not been taken away to be kept yet."""

    def __init__(self) -> None:
        self._fresh: Counter[tuple[str, int]] = Counter()

    def add(self, page: str, seconds: float) -> None:
        """Count one answer; a second that has begun counts whole."""
        self._fresh[page, min(LONGEST_S, -int(-seconds // 1))] += 1

    def taken(self) -> Mapping[tuple[str, int], int]:
        """Return what was counted since the last call."""
        fresh, self._fresh = self._fresh, Counter()
        return fresh

    def put_back(self, counts: Mapping[tuple[str, int], int]) -> None:
        """Count again what was taken away and could not be kept."""
        self._fresh.update(counts)


def percentiles(counts: Iterable[tuple[str, int, int]]) -> list[PageTime]:
    """Return the times of each page from (page, seconds, answers), pages in alphabetical order."""
    by_page: dict[str, Counter[int]] = {}
    for page, seconds, answers in counts:
        by_page.setdefault(page, Counter())[seconds] += answers
    return [
        PageTime(page, seconds.total(), _percentile(seconds, 50), _percentile(seconds, 95))
        for page, seconds in sorted(by_page.items())
    ]


def _percentile(counts: Counter[int], percent: int) -> int:
    """Return the smallest value that at least `percent` of the values do not exceed (nearest rank)."""
    rank = -(-counts.total() * percent // 100)
    seen = 0
    for value, count in sorted(counts.items()):
        seen += count
        if seen >= rank:
            return value
    return 0
