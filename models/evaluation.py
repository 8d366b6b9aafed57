"""One evaluation as a record: error rates at stated false match rates with bounds, failures to acquire, the curve, what was evaluated.

FNMR and FMR count comparisons that were made (ISO/IEC 19795-1). Pictures without features are the failure-to-acquire rate, and
`generalised_fnmr` adds them: FTA + (1 - FTA)·FNMR, the share of mated attempts that end without a match when a failed picture is not
taken again. All rates are shares between 0 and 1; bounds are of 95 % and by person (`models.error_bounds`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.error_bounds import (
    Bounds,
    false_match_bounds,
    false_non_match_bounds,
    rate_bands,
    wilson_bounds,
)
from models.error_rates import (
    STATED_RATES,
    EvaluationFault,
    OperatingPoint,
    ScoreSet,
    cautious_threshold_at,
    det_curve,
    errors_at,
    operating_point,
)
from models.evaluation_pairs import Trials
from models.results import FaceFinding

FORMAT = "egate-face-evaluation-1"
_POINTS_PER_DECADE = 10
_LARGEST_BAND_RATE = 0.1  # beyond it a draw would have to hold too many comparisons; the threshold is well known there
_BAND_DRAWS = 200
_TAIL_BUDGET = 400_000_000
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How many pictures there were, how many of them gave features, and the others by finding."""

    pictures: int
    failures: Mapping[FaceFinding, int]

    @classmethod
    def of(cls, findings: Sequence[FaceFinding]) -> Acquisition:
        """Count the findings of all pictures."""
        kinds = [kind for kind in FaceFinding if kind is not FaceFinding.FOUND]
        return cls(len(findings), {kind: sum(finding is kind for finding in findings) for kind in kinds})

    @property
    def failed(self) -> int:
        """How many pictures gave no features."""
        return sum(self.failures.values())

    @property
    def failure_to_acquire_rate(self) -> float:
        """The share of pictures that gave no features."""
        return self.failed / self.pictures if self.pictures else 0.0


def key_of(rate: float) -> str:
    """Return how a stated rate stands in names: 1e-3 is `1e3`."""
    return f"{rate:.0e}".replace("e-0", "e").replace("e-", "e")


def generalised_fnmr(acquisition: Acquisition, false_non_match_rate: float) -> float:
    """Return FTA + (1 - FTA)·FNMR."""
    failed = acquisition.failure_to_acquire_rate
    return failed + (1 - failed) * false_non_match_rate


def score_set(trials: Trials, scores: Any) -> ScoreSet:
    """Return the scored comparisons with the people on either side."""
    return ScoreSet.of(
        scores, trials.is_mated, trials.probe_people[trials.first], trials.reference_people[trials.second]
    )


def evaluated(comparisons: ScoreSet, acquisition: Acquisition, seed: int) -> dict[str, Any]:
    """Return the record of a set of comparisons: rates at all stated FMRs, their bounds, the equal error rate, acquisition."""
    bands = rate_bands(comparisons, STATED_RATES, seed)
    record: dict[str, Any] = {
        "mated": len(comparisons.mated),
        "non_mated": len(comparisons.non_mated),
        "people": _people(comparisons),
        **acquisition_fields(acquisition),
    }
    points = []
    for rate, band in zip(STATED_RATES, bands, strict=True):
        point = operating_point(comparisons, rate)
        row = _row(comparisons, acquisition, point, band)
        row["cautious_threshold"] = cautious_threshold_at(comparisons.non_mated, rate)
        points.append(row)
        key = key_of(rate)
        record[f"fnmr_at_fmr_{key}"] = row["fnmr"]
        record[f"fnmr_at_fmr_{key}_bounds"] = row["fnmr_bounds"]
        record[f"threshold_at_fmr_{key}"] = row["threshold"]
    record["equal_error_rate"] = _rounded(det_curve(comparisons).equal_error_rate)
    record["operating_points"] = points
    return record


def acquisition_fields(acquisition: Acquisition) -> dict[str, Any]:
    """Return the part of a record about pictures that gave no features."""
    return {
        "pictures": acquisition.pictures,
        "failures_to_acquire": {kind.value: count for kind, count in acquisition.failures.items()},
        "failure_to_acquire_rate": _rounded(acquisition.failure_to_acquire_rate),
        "failure_to_acquire_rate_bounds": _pair(wilson_bounds(acquisition.failed, acquisition.pictures)),
    }


def at_thresholds(
    comparisons: ScoreSet, acquisition: Acquisition, thresholds: Sequence[tuple[float, float]]
) -> list[dict[str, Any]]:
    """Return the errors of thresholds that were chosen on another set: (stated false match rate, threshold) each."""
    return [
        _row(comparisons, acquisition, errors_at(comparisons, threshold, rate), None) for rate, threshold in thresholds
    ]


def _people(comparisons: ScoreSet) -> int:
    seen = np.zeros(comparisons.people, dtype=bool)
    for people in (
        comparisons.mated_first,
        comparisons.mated_second,
        comparisons.non_mated_first,
        comparisons.non_mated_second,
    ):
        seen[people] = True
    return int(seen.sum())


def _row(comparisons: ScoreSet, acquisition: Acquisition, point: OperatingPoint, band: Bounds | None) -> dict[str, Any]:
    """Return one operating point; without a band the threshold is given, and FNMR is bounded at it."""
    fixed = false_non_match_bounds(comparisons, point.threshold)
    return {
        "stated_fmr": point.stated_rate,
        "threshold": point.threshold,
        "is_shown": point.is_shown,
        "fmr": _rounded(point.false_match_rate),
        "fmr_bounds": _pair(false_match_bounds(comparisons, point.threshold)),
        "fmr_bounds_if_independent": _pair(wilson_bounds(point.false_matches, point.non_mated)),
        "false_matches": point.false_matches,
        "fnmr": _rounded(point.false_non_match_rate),
        "fnmr_bounds": _pair(band or fixed),
        "fnmr_bounds_at_threshold": _pair(fixed),
        "fnmr_bounds_if_independent": _pair(wilson_bounds(point.false_non_matches, point.mated)),
        "false_non_matches": point.false_non_matches,
        "generalised_fnmr": _rounded(generalised_fnmr(acquisition, point.false_non_match_rate)),
    }


def curve_points(comparisons: ScoreSet, seed: int) -> list[list[float]]:
    """Return [FMR, FNMR, lower, upper bound of FNMR] along the curve, ten points to a decade, from 1/N to 1."""
    count = len(comparisons.non_mated)
    decades = math.log10(count)
    rates = [10**-decade for decade in np.linspace(decades, 0, max(round(decades * _POINTS_PER_DECADE), 1) + 1)]
    near = [rate for rate in rates if rate <= _LARGEST_BAND_RATE]
    draws = max(20, min(_BAND_DRAWS, int(_TAIL_BUDGET / (_LARGEST_BAND_RATE * 4 * count + 1))))
    bands = rate_bands(comparisons, near, seed, draws) if near else []
    rows = []
    for place, rate in enumerate(rates):
        point = operating_point(comparisons, rate)
        band = bands[place] if place < len(bands) else false_non_match_bounds(comparisons, point.threshold)
        rows.append([_rounded(value) for value in (point.false_match_rate, point.false_non_match_rate, *band)])
    return rows


def thresholds_in(record: Mapping[str, Any], pipeline: Mapping[str, Any], source: str) -> list[tuple[float, float]]:
    """Return (stated false match rate, threshold) of an earlier record.

    Raises `EvaluationFault` when it is no such record, or was made with other models, another fusion, score or cohort than
    `pipeline`: a threshold means nothing for other scores.
    """
    if record.get("format") != FORMAT:
        raise EvaluationFault(f"{source} is no record of a face evaluation", code="MD-EVA-010")
    try:
        theirs = dict(record["pipeline"])
        points = [(float(row["stated_fmr"]), float(row["threshold"])) for row in record["operating_points"]]
    except (KeyError, TypeError, ValueError) as error:
        raise EvaluationFault(f"{source} lacks a part of its record: {error}", code="MD-EVA-010") from error
    differing = sorted(key for key in {*theirs, *pipeline} if theirs.get(key) != pipeline.get(key))
    if differing:
        raise EvaluationFault(
            f"{source} was made with another {', '.join(differing)}; its thresholds mean nothing here",
            code="MD-EVA-011",
        )
    if not points or not all(math.isfinite(threshold) for _, threshold in points):
        raise EvaluationFault(f"{source} states no thresholds", code="MD-EVA-010")
    return points


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS)


def _pair(bounds: Bounds) -> list[float]:
    return [_rounded(bounds[0]), _rounded(bounds[1])]
