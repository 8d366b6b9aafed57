"""Continuous evaluation inside a worker: options, thresholds of the watched rates, the cache, and the operation `evaluate`.

Request `evaluate`: transaction, own_key (hexadecimal), groups (whole numbers). Answer: the counts of `NonMatedCounts.table`, or
`{"evaluated": 0}` where the transaction holds no probe or no reference any more. No feature, score or key comes out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from models.borrowed_faces import BorrowedFaces
from models.errors import WorkerFault
from models.face_comparison import FaceComparer
from models.non_mated_cache import MAXIMUM_AGE_S, REFUSED, NonMatedCache
from models.pipeline import FacePipeline
from models.zero_effort import STATISTICS, evaluate

DROP_EVERY_MS = 30_000.0
"""How often what is too old is dropped while nobody crosses."""

_SEVERAL = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the worker's options of continuous evaluation; without them nothing is cached."""
    parser.add_argument("--non-mated-cache", type=int, default=0, help="references of others kept in memory; 0: none")
    parser.add_argument("--non-mated-cache-age-s", type=float, default=MAXIMUM_AGE_S, help="longest life of each")
    parser.add_argument("--group-numbers", type=int, default=0, help="group numbers that come with each reference")
    parser.add_argument("--watched-rate", type=float, action="append", default=[], help="a further rate to count at")


class WorkerEvaluation:
    """What a worker needs to count. `rates` are those it counts at, the deciding one first."""

    def __init__(self, arguments: argparse.Namespace, pipeline: FacePipeline, now_s: Callable[[], float]) -> None:
        """Prepare. Raises `CalibrationRefused` for a rate that the record does not prove, `WorkerFault` for limits not allowed."""
        self.rates: tuple[float, ...] = (arguments.false_match_rate, *arguments.watched_rate)
        self._comparer: FaceComparer | None = pipeline.comparer
        self._now_s = now_s
        self._cache: NonMatedCache | None = None
        if arguments.non_mated_cache and pipeline.comparer is not None:
            self._cache = NonMatedCache(
                arguments.non_mated_cache,
                arguments.non_mated_cache_age_s,
                dimension=pipeline.chain.dimension,
                points=len(self.rates),
                groups=arguments.group_numbers,
                statistics=STATISTICS,
            )
        self.thresholds = self._thresholds()

    @property
    def waits_ms(self) -> float | None:
        """How long to wait for a request before `drop_old` is due; None: nothing ages."""
        return None if self._cache is None else DROP_EVERY_MS

    def answer(self, faces: BorrowedFaces, transaction: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the counts of a transaction's probe. Raises `WorkerFault` for a malformed request, or while nothing is cached."""
        if self._cache is None or self._comparer is None:
            raise WorkerFault("this worker keeps no references of others", code=REFUSED)
        own_key, groups = _own_key(request.get("own_key")), request.get("groups", [])
        if not isinstance(groups, list) or not all(type(number) is int and 0 <= number < 2**62 for number in groups):
            raise WorkerFault("groups are a list of whole numbers", code=REFUSED)
        held = faces.peek(transaction)
        probe = None if held is None else held.probe()
        if held is None or probe is None or held.reference_features is None:
            return {"evaluated": 0}
        counts = evaluate(
            self._cache,
            self._comparer,
            probe,
            held.probe_frames,
            held.reference_features,
            own_key=own_key,
            now_mono_s=self._now_s(),
            false_match_rates=self.rates,
            groups=groups,
        )
        probe.fill(0)
        return counts.table()

    def drop_old(self) -> None:
        """Wipe what has become too old."""
        if self._cache is not None:
            self._cache.drop_old(self._now_s())

    def wipe(self) -> None:
        """Overwrite everything that is cached."""
        if self._cache is not None:
            self._cache.wipe()

    def _thresholds(self) -> tuple[tuple[float, float], ...]:
        """Return for each rate the score from which a probe of one frame, and of several, is a match."""
        if self._comparer is None:
            return ()
        record = self._comparer.record
        return tuple(
            (record.operating_point(rate).score, record.operating_point(rate, _SEVERAL).score) for rate in self.rates
        )


def _own_key(text: object) -> bytes:
    try:
        return bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        return b""
