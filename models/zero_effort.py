"""The zero-effort comparisons of one transaction: its fused probe against the cached references of others, then its own joins them.

Runs in the worker after the transaction has ended and before it is forgotten, with the same score and thresholds as the comparison
that decided. Measured: 0.4 CPU-ms with 200 or 1 000 cached references, 0.8 with 3 000 (cohort of 5 000 vectors).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.face_comparison import FaceComparer
from models.non_mated_cache import NonMatedCache, NonMatedCounts
from models.results import Features
from models.score_normalisation import CohortStatistics

STATISTICS = 2
"""Numbers that a cached reference carries: mean and deviation against the cohort."""


def evaluate(
    cache: NonMatedCache,
    comparer: FaceComparer,
    probe: Features,
    frames: int,
    reference: Features,
    *,
    own_key: bytes,
    now_mono_s: float,
    false_match_rates: Sequence[float],
    groups: Sequence[int] = (),
) -> NonMatedCounts:
    """Return the counts of a probe fused from `frames` frames at the thresholds of stated rates, and cache its reference.

    `cache` was made with `points=len(false_match_rates)` and `statistics=STATISTICS`. Raises `WorkerFault` and `CalibrationRefused`.
    """
    record = comparer.record
    thresholds = [record.operating_point(rate, frames).score for rate in false_match_rates]
    by_probe = comparer.statistics(probe)

    def score_of(cosines: NDArray[np.float64], statistics: NDArray[np.float64]) -> NDArray[np.float64]:
        by_reference = CohortStatistics(statistics[:, 0], statistics[:, 1])
        scores: NDArray[np.float64] = record.score.scores(cosines[None, :], by_probe, by_reference)[0]
        return scores

    counts = cache.count(probe, own_key, now_mono_s, thresholds=thresholds, groups=groups, score_of=score_of)
    own = comparer.statistics(reference)
    cache.add(own_key, reference, now_mono_s, groups=groups, statistics=(float(own.mean[0]), float(own.deviation[0])))
    return counts
