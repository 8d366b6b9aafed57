"""Adaptive symmetric score normalisation: how far a score stands out from what strangers score.

For probe and reference separately the mean and deviation of their largest scores against a cohort are taken. `as-norm` brings the
comparison's cosine to both scales and averages the two (Matejka et al., Interspeech 2017). `as-additive` only takes away a share of
mean and deviation: it does not divide by a deviation that is itself uncertain, so a threshold found on one set of pictures holds
better on another. The cohort holds no people (`models.cohort`). Using the whole cohort instead of the top would be worse than none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cohort import Cohort

Scores = NDArray[np.float64]
_SMALLEST_DEVIATION = 1e-4
_ROWS = 1024


@dataclass(frozen=True, slots=True)
class CohortStatistics:
    """Mean and deviation (n,) of the top scores of n vectors against a cohort."""

    mean: Scores
    deviation: Scores


def cohort_statistics(features: NDArray[Any], cohort: Cohort, top: int) -> CohortStatistics:
    """Return the statistics of unit-length features (n, d) against the `top` most alike cohort vectors of each."""
    vectors = np.atleast_2d(np.asarray(features, dtype=np.float32))
    top = min(top, len(cohort.vectors))
    means, deviations = np.empty(len(vectors)), np.empty(len(vectors))
    for start in range(0, len(vectors), _ROWS):  # bounded memory: a block of rows against the cohort at a time
        scores = vectors[start : start + _ROWS] @ cohort.vectors.T
        largest = np.partition(scores, -top, axis=1)[:, -top:].astype(np.float64)
        means[start : start + _ROWS] = largest.mean(axis=1)
        deviations[start : start + _ROWS] = largest.std(axis=1)
    return CohortStatistics(means, np.maximum(deviations, _SMALLEST_DEVIATION))


class ScoreKind(StrEnum):
    """How a cosine becomes the comparison score."""

    COSINE = "cosine"
    AS_NORM = "as-norm"
    AS_ADDITIVE = "as-additive"


@dataclass(frozen=True, slots=True)
class ScoreDefinition:
    """One definition of the comparison score, as a calibration record names it; the two weights are of `as-additive` only."""

    kind: ScoreKind = ScoreKind.COSINE
    top: int = 800
    mean_weight: float = 0.25
    deviation_weight: float = 2.5

    def scores(self, cosines: NDArray[Any], probes: CohortStatistics, references: CohortStatistics) -> Scores:
        """Return scores (p, r) of cosines (p, r) from the statistics of p probes and r references."""
        cosine = np.asarray(cosines, dtype=np.float64)
        if self.kind is ScoreKind.COSINE:
            return cosine
        if self.kind is ScoreKind.AS_NORM:
            by_probe = (cosine - probes.mean[:, None]) / probes.deviation[:, None]
            by_reference = (cosine - references.mean[None, :]) / references.deviation[None, :]
            scores: Scores = (by_probe + by_reference) / 2
            return scores
        expected = self._expected(probes)[:, None] + self._expected(references)[None, :]
        additive: Scores = cosine - expected / 2
        return additive

    def _expected(self, statistics: CohortStatistics) -> Scores:
        expected: Scores = self.mean_weight * statistics.mean + self.deviation_weight * statistics.deviation
        return expected


def comparison_scores(
    probes: NDArray[Any], references: NDArray[Any], cohort: Cohort | None, definition: ScoreDefinition
) -> Scores:
    """Return the scores (p, r) of all probes (p, d) against all references (r, d), unit vectors; cosine needs no cohort."""
    probe_rows = np.atleast_2d(np.asarray(probes, dtype=np.float32))
    reference_rows = np.atleast_2d(np.asarray(references, dtype=np.float32))
    cosines = probe_rows.astype(np.float64) @ reference_rows.astype(np.float64).T
    if cohort is None or definition.kind is ScoreKind.COSINE:
        return cosines
    return definition.scores(
        cosines,
        cohort_statistics(probe_rows, cohort, definition.top),
        cohort_statistics(reference_rows, cohort, definition.top),
    )
