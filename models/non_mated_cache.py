"""References of other travellers, kept for zero-effort comparisons: in this process's memory only, wiped as they leave it.

TR-03121-3, PAP EVA-VER-nCIR-1: a live probe is compared with up to n cached references, never with that of its own document, one
per person; the new reference joins afterwards, the oldest leaves above n, and each after t. Off unless a site switches it on;
t is at most 24 hours. Nothing but counts comes out: no score, no feature, no key.

Keys are opaque bytes made by the caller (a keyed hash that dies with his process, never a document number). Groups are numbers
whose meaning the caller keeps to himself; 0 is unknown and equal to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import WorkerFault
from models.field_evaluation import FieldCounts, count_non_mated
from models.results import Features

MAXIMUM_AGE_S = 86_400.0
MAXIMUM_CAPACITY = 20_000
REFUSED = "MD-CAC-001"
_KEY_BYTES = range(16, 65)
_UNIT_TOLERANCE = 1e-3

ScoreOf = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""Comparison scores (n,) from cosines (n,) and the references' statistics (n, s)."""


@dataclass(frozen=True, slots=True)
class NonMatedCounts:
    """What one probe gave, each by threshold: counts against everybody, and for each group number within the probe's own group.

    Within the own group strangers look most alike (ISO/IEC 19795-10).
    """

    overall: tuple[FieldCounts, ...]
    within_group: tuple[tuple[FieldCounts, ...], ...] = ()

    def table(self) -> dict[str, Any]:
        """Return the counts as plain lists of numbers, for a message."""
        layers = [list(map(astuple, layer)) for layer in (self.overall, *self.within_group)]
        return {"overall": layers[0], "within_group": layers[1:]}

    @classmethod
    def of_table(cls, table: Mapping[str, Any]) -> NonMatedCounts:
        """Return the counts of a message's table. Raises `ValueError` for anything but lists of whole numbers."""
        try:
            overall, *within = [
                tuple(FieldCounts(*row) for row in layer) for layer in (table["overall"], *table["within_group"])
            ]
        except (KeyError, TypeError) as error:
            raise ValueError("no table of counts") from error
        numbers = [number for layer in (overall, *within) for counts in layer for number in astuple(counts)]
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError("counts are whole numbers from 0 on")
        return cls(overall, tuple(within))


class NonMatedCache:
    """At most `capacity` references, none older than `maximum_age_s`. Times are monotonic seconds of the caller.

    `dimension` is the length of the features, `points` the number of thresholds that are counted at, `groups` how many group
    numbers each reference carries and `statistics` how many numbers its score needs beside the cosine (0, or 2 for mean and
    deviation against a cohort). Raises `WorkerFault` for limits that are not allowed.
    """

    def __init__(
        self,
        capacity: int,
        maximum_age_s: float,
        *,
        dimension: int,
        points: int = 1,
        groups: int = 0,
        statistics: int = 0,
    ) -> None:
        if not 1 <= capacity <= MAXIMUM_CAPACITY:
            raise WorkerFault(f"a cache of 1 to {MAXIMUM_CAPACITY} references, not {capacity}", code=REFUSED)
        if not 0 < maximum_age_s <= MAXIMUM_AGE_S:
            raise WorkerFault(f"cached references live at most {MAXIMUM_AGE_S:g} s", code=REFUSED)
        self._maximum_age_s = maximum_age_s
        # one block, allocated once: rows are overwritten in place, so that no copy of a reference is left behind
        self._features = np.zeros((capacity, dimension), dtype=np.float32)
        self._statistics = np.zeros((capacity, statistics))
        self._groups = np.zeros((capacity, groups), dtype=np.int64)
        self._matches = np.zeros((1 + groups, points, capacity), dtype=np.int64)
        self._added_s: dict[bytes, float] = {}  # in order of addition
        self._rows: dict[bytes, int] = {}
        self._free = list(range(capacity))

    def __len__(self) -> int:
        return len(self._rows)

    def count(
        self,
        probe: Features,
        own_key: bytes,
        now_mono_s: float,
        *,
        thresholds: Sequence[float],
        groups: Sequence[int] = (),
        score_of: ScoreOf | None = None,
    ) -> NonMatedCounts:
        """Return the counts of a unit-length probe against every cached reference but those of `own_key`.

        `thresholds` are the comparison scores from which it is a match; they may be others for each probe (fused from more
        frames). `score_of` turns cosines and statistics into scores; without it the cosine is the score. Raises `WorkerFault` for a
        probe or key that is none.
        """
        vector = self._checked(probe, own_key, groups)
        if len(thresholds) != self._matches.shape[1] or not np.isfinite(thresholds).all():
            raise WorkerFault(f"the cache counts at {self._matches.shape[1]} thresholds", code=REFUSED)
        self.drop_old(now_mono_s)
        rows = np.array([row for key, row in self._rows.items() if key != own_key], dtype=np.int64)
        cosines = (self._features @ vector).astype(np.float64)[rows]  # no gathered copy of the references
        scores = cosines if score_of is None else score_of(cosines, self._statistics[rows])
        overall = self._counted(0, scores, rows, thresholds)
        within = []
        for number, group in enumerate(groups):
            same = self._groups[rows, number] == group if group else np.zeros(len(rows), dtype=bool)
            within.append(self._counted(1 + number, scores[same], rows[same], thresholds))
        return NonMatedCounts(overall, tuple(within))

    def add(
        self,
        key: bytes,
        reference: Features,
        now_mono_s: float,
        *,
        groups: Sequence[int] = (),
        statistics: Sequence[float] = (),
    ) -> None:
        """Keep a copy of a unit-length reference; one of the same person goes, and the oldest when there are too many."""
        vector = self._checked(reference, key, groups)
        if len(statistics) != self._statistics.shape[1]:
            raise WorkerFault(f"a reference comes with {self._statistics.shape[1]} statistics", code=REFUSED)
        self.drop_old(now_mono_s)
        self.drop(key)
        if not self._free:
            self.drop(next(iter(self._rows)))
        row = self._free.pop()
        self._features[row] = vector
        self._statistics[row] = statistics
        self._groups[row] = groups
        self._rows[key], self._added_s[key] = row, now_mono_s

    def drop_old(self, now_mono_s: float) -> int:
        """Wipe what is older than the maximum age; return how many went. Call it also while nobody crosses."""
        old = [key for key, added_s in self._added_s.items() if now_mono_s - added_s >= self._maximum_age_s]
        for key in old:
            self.drop(key)
        return len(old)

    def drop(self, key: bytes) -> bool:
        """Wipe the reference of a key; False when there is none."""
        row = self._rows.pop(key, None)
        if row is None:
            return False
        del self._added_s[key]
        for block in (self._features, self._statistics, self._groups):
            block[row] = 0
        self._matches[:, :, row] = 0
        self._free.append(row)
        return True

    def wipe(self) -> None:
        """Overwrite everything."""
        for key in list(self._rows):
            self.drop(key)

    def _counted(
        self, layer: int, scores: NDArray[np.float64], rows: NDArray[np.int64], thresholds: Sequence[float]
    ) -> tuple[FieldCounts, ...]:
        """Return the counts per threshold, and remember how often each reference was matched."""
        found = []
        for matches, threshold in zip(self._matches[layer], thresholds, strict=True):
            counts, matches[rows] = count_non_mated(scores, threshold, matches[rows])
            found.append(counts)
        return tuple(found)

    def _checked(self, features: Features, key: bytes, groups: Sequence[int]) -> NDArray[Any]:
        vector = np.asarray(features, dtype=np.float32)
        length = float(np.linalg.norm(vector))
        if vector.shape != self._features.shape[1:] or not abs(length - 1) <= _UNIT_TOLERANCE:
            raise WorkerFault(f"features that are no unit vector of {self._features.shape[1]} values", code=REFUSED)
        if len(key) not in _KEY_BYTES:
            raise WorkerFault("the key of a reference is 16 to 64 opaque bytes", code=REFUSED)
        if len(groups) != self._groups.shape[1]:
            raise WorkerFault(f"a reference carries {self._groups.shape[1]} group numbers", code=REFUSED)
        return vector
