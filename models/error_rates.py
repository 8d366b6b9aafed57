"""Error rates of a set of comparisons (ISO/IEC 19795-1): FNMR at a stated FMR, FMR at a threshold, DET curve, equal error rate.

A comparison is a match when its score is at or above the threshold; larger scores are more alike. **The threshold of a false
match rate f** is the smallest number such that the share of non-mated comparisons at or above it is at most f: the next number
above the largest non-mated score that has to fall. Equal scores fall together, so ties can only raise it. Mated scores play no
part in choosing it. Nothing is interpolated: no rate here is better than one that a gate with this threshold would have shown.
On other pictures of the same kind the threshold is expected to let (k+1)/(N+1) pass where k of N were allowed here: one comparison
more. At small k that matters, and the upper bound, not the stated rate, is what has been shown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import ModelsError

STATED_RATES = (1e-2, 1e-3, 1e-4, 1e-5)
RULE_OF_THREE = 3.0
_SLACK = 1e-9  # a rate such as 1e-3 has no exact binary form: 78 of 78 000 is not more than it

Scores = NDArray[np.floating[Any]]
Subjects = NDArray[np.int32]


class EvaluationFault(ModelsError):
    """A set of comparisons or pictures cannot be evaluated; the message says what is wrong with it and where."""

    code = "MD-EVA-001"


@dataclass(frozen=True, slots=True)
class ScoreSet:
    """Comparison scores by kind, each ascending, with the number of the person on either side of every comparison."""

    mated: Scores
    mated_first: Subjects
    mated_second: Subjects
    non_mated: Scores
    non_mated_first: Subjects
    non_mated_second: Subjects
    people: int

    @classmethod
    def of(cls, scores: ArrayLike, is_mated: ArrayLike, first: ArrayLike, second: ArrayLike) -> ScoreSet:
        """Return the sorted set; `first` and `second` number people from 0. Raises `EvaluationFault`.

        Refused: arrays of unequal length, scores that are no numbers, and a set that lacks one of the two kinds.
        """
        values, mated = np.asarray(scores), np.asarray(is_mated, dtype=bool)
        if not np.issubdtype(values.dtype, np.floating):
            values = values.astype(np.float64)
        one, other = np.asarray(first, dtype=np.int32), np.asarray(second, dtype=np.int32)
        if values.ndim != 1 or not values.shape == mated.shape == one.shape == other.shape:
            raise EvaluationFault("scores, kinds and people are not one list of comparisons")
        if not np.isfinite(values).all():
            raise EvaluationFault("a comparison score is not a number")
        if mated.all() or not mated.any():
            kind = "mated" if not mated.any() else "non-mated"
            raise EvaluationFault(f"there is no {kind} comparison, so error rates have no meaning", code="MD-EVA-002")
        if min(one.min(), other.min()) < 0:
            raise EvaluationFault("people are numbered from 0")
        people = int(max(one.max(), other.max())) + 1
        order = np.argsort(values, kind="stable")
        true, false = order[mated[order]], order[~mated[order]]
        return cls(values[true], one[true], other[true], values[false], one[false], other[false], people)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The errors of one threshold. `stated_rate` is the false match rate it was chosen for, None when it was given."""

    threshold: float
    false_matches: int
    non_mated: int
    false_non_matches: int
    mated: int
    stated_rate: float | None = None

    @property
    def false_match_rate(self) -> float:
        """The share of non-mated comparisons at or above the threshold (FMR)."""
        return self.false_matches / self.non_mated

    @property
    def false_non_match_rate(self) -> float:
        """The share of mated comparisons below the threshold (FNMR)."""
        return self.false_non_matches / self.mated

    @property
    def is_shown(self) -> bool:
        """Whether there are enough non-mated comparisons for the stated rate: 3/f at the least (rule of three)."""
        return self.stated_rate is None or self.non_mated * self.stated_rate >= RULE_OF_THREE * (1 - _SLACK)


@dataclass(frozen=True, slots=True)
class DetCurve:
    """Detection error trade-off: thresholds ascending, false match rate falling, false non-match rate rising."""

    thresholds: Scores
    false_match_rates: NDArray[np.float64]
    false_non_match_rates: NDArray[np.float64]

    @property
    def equal_error_rate(self) -> float:
        """The smallest, over all thresholds, of the larger of the two rates: a rate that one threshold really reaches."""
        return float(np.maximum(self.false_match_rates, self.false_non_match_rates).min())


def _limit(scores: Scores, threshold: float) -> Any:
    """Return the smallest number of the scores' own precision that is not below the threshold."""
    limit = scores.dtype.type(threshold)
    if float(limit) < threshold:
        limit = np.nextafter(limit, scores.dtype.type(np.inf))
    return limit


def first_at_or_above(scores: Scores, threshold: float) -> int:
    """Return how many of the ascending scores lie below the threshold, which is where those at or above it begin."""
    return int(np.searchsorted(scores, _limit(scores, threshold), side="left"))


def threshold_at(non_mated: Scores, false_match_rate: float) -> float:
    """Return the threshold of a false match rate (definition in the module's first lines) for ascending non-mated scores."""
    if not 0 <= false_match_rate <= 1:
        raise EvaluationFault(f"a false match rate of {false_match_rate:g} does not lie between 0 and 1")
    count = len(non_mated)
    allowed = min(math.floor(false_match_rate * count * (1 + _SLACK)), count)
    if allowed == count:
        return float(non_mated[0])
    return float(np.nextafter(non_mated[count - allowed - 1], non_mated.dtype.type(np.inf)))


def cautious_threshold_at(non_mated: Scores, false_match_rate: float) -> float:
    """Return a threshold to keep for other pictures: the smallest non-mated score that has the rate, not just below it.

    `threshold_at` lies just above the closest stranger that has to fall, so that others like these would pass it a little more often
    than stated: (k + 1) / (N + 1) is expected of k in N.
    """
    least = threshold_at(non_mated, false_match_rate)
    place = first_at_or_above(non_mated, least)
    return float(non_mated[place]) if place < len(non_mated) else least


def errors_at(comparisons: ScoreSet, threshold: float, stated_rate: float | None = None) -> OperatingPoint:
    """Return the errors of a threshold, wherever it comes from."""
    non_mated, mated = len(comparisons.non_mated), len(comparisons.mated)
    return OperatingPoint(
        threshold,
        non_mated - first_at_or_above(comparisons.non_mated, threshold),
        non_mated,
        first_at_or_above(comparisons.mated, threshold),
        mated,
        stated_rate,
    )


def operating_point(comparisons: ScoreSet, false_match_rate: float) -> OperatingPoint:
    """Return threshold and errors at a stated false match rate."""
    return errors_at(comparisons, threshold_at(comparisons.non_mated, false_match_rate), false_match_rate)


def det_curve(comparisons: ScoreSet) -> DetCurve:
    """Return the whole curve: one point per distinct score, and one above the largest."""
    scores = np.unique(np.concatenate((comparisons.non_mated, comparisons.mated)))
    thresholds = np.append(scores, np.nextafter(scores[-1], scores.dtype.type(np.inf)))
    below = np.searchsorted(comparisons.non_mated, thresholds, side="left")
    missed = np.searchsorted(comparisons.mated, thresholds, side="left")
    count = len(comparisons.non_mated)
    return DetCurve(thresholds, (count - below) / count, missed / len(comparisons.mated))
