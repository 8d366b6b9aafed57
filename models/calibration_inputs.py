"""Evaluation records as material for a calibration record: read, checked each for itself, and whether they belong together.

An evaluation record is what `models.evaluation` writes. One whose counts, rates, bounds or thresholds contradict each other is
refused by name, and so are two that were made with different pipelines, or that call different pictures by one name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.calibration import BOX_RULE, RULES
from models.conversion.constants import CONVERTER_VERSION
from models.error_rates import RULE_OF_THREE
from models.errors import CalibrationRefused
from models.evaluation import FORMAT

RATES = (1e-3, 1e-4, 1e-5)
"""The rates that a calibration record may state thresholds for."""
NON_MATCH_RATE = 1e-2
_SLACK = 1e-9
_ROUNDING = 2e-9  # of rates in evaluation records


@dataclass(frozen=True, slots=True)
class StatedPoint:
    """One operating point: the threshold of a stated rate, the upper bound of its false match rate (never below it), FNMR with bounds.

    `is_proven`: the set has the non-mated comparisons for the rate.
    """

    rate: float
    threshold: float
    upper_bound: float
    fnmr: tuple[float, float, float]
    is_proven: bool


@dataclass(frozen=True, slots=True)
class EvaluationInput:
    """What a record of an evaluation says, checked for itself."""

    source: str
    set_id: str
    sha256: str
    frames: int
    several: str
    counts: Mapping[str, int]
    failure_to_acquire_rate: float
    failure_to_acquire_bounds: tuple[float, float]
    pipeline: Mapping[str, Any]
    points: tuple[StatedPoint, ...]

    @property
    def order(self) -> tuple[str, int, str]:
        """The place among others, whatever order they were handed in."""
        return self.set_id, self.frames, self.several

    @property
    def score(self) -> Mapping[str, Any]:
        """The definition of the score. Raises `CalibrationRefused`."""
        score = self.pipeline.get("score")
        if not isinstance(score, dict):
            raise refused(self.source, "states no score")
        return score

    def at(self, rate: float) -> StatedPoint | None:
        """Return the point of a stated rate, None where this set cannot speak."""
        return next((point for point in self.points if point.rate == rate and point.is_proven), None)


def evaluation_input(source: str, record: Mapping[str, Any]) -> EvaluationInput:
    """Return an evaluation record, read and checked. Raises `CalibrationRefused` (MD-CAL-007) naming `source`."""
    if record.get("format") != FORMAT:
        raise refused(source, "is no record of a face evaluation")
    try:
        evaluation = EvaluationInput(
            source=source,
            set_id=str(record["set"]),
            sha256=str(record["set_sha256"]),
            frames=int(record["frames"]),
            several=str(record["several"]),
            counts={name: int(record[name]) for name in ("people", "pictures", "mated", "non_mated")},
            failure_to_acquire_rate=float(record["failure_to_acquire_rate"]),
            failure_to_acquire_bounds=_pair(record["failure_to_acquire_rate_bounds"]),
            pipeline={**record["pipeline"], "models": dict(record["pipeline"]["models"])},
            points=tuple(
                sorted(
                    (_point(row, int(record["non_mated"]), source) for row in record["operating_points"]),
                    key=lambda point: point.rate,
                )
            ),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise refused(source, f"lacks a part of its record: {error}") from error
    _consistent(evaluation)
    return evaluation


def _point(row: Mapping[str, Any], non_mated: int, source: str) -> StatedPoint:
    rate, fmr = float(row["stated_fmr"]), float(row["fmr"])
    threshold = float(row.get("cautious_threshold", row["threshold"]))  # what is kept for other pictures
    low, high = _pair(row["fmr_bounds"])
    fnmr = (float(row["fnmr"]), *_pair(row["fnmr_bounds"]))
    errors = int(row["false_matches"])
    is_sound = (
        math.isfinite(threshold)
        and 0 < rate <= 1
        and non_mated > 0
        and abs(errors / non_mated - fmr) <= _ROUNDING
        and fmr <= rate * (1 + _SLACK) + _ROUNDING
        and 0 <= low <= fmr + _ROUNDING
        and fmr <= high + _ROUNDING <= 1 + 2 * _ROUNDING
        and 0 <= fnmr[1] <= fnmr[0] + _ROUNDING
        and fnmr[0] <= fnmr[2] + _ROUNDING <= 1 + 2 * _ROUNDING
    )
    if not is_sound:
        raise refused(source, f"contradicts itself at a false match rate of {rate:g}")
    return StatedPoint(rate, threshold, max(high, rate), fnmr, non_mated * rate >= RULE_OF_THREE * (1 - _SLACK))


def _pair(values: Any) -> tuple[float, float]:
    low, high = values
    return float(low), float(high)


def _consistent(evaluation: EvaluationInput) -> None:
    counts, points = evaluation.counts, evaluation.points
    thresholds = [point.threshold for point in points]
    rates = {point.rate for point in points}
    if min(counts.values()) < 1 or evaluation.frames < 1 or not 0 <= evaluation.failure_to_acquire_rate < 1:
        raise refused(evaluation.source, "counts nothing, or more failures than pictures")
    if len(rates) != len(points) or not rates >= {NON_MATCH_RATE, *RATES}:
        raise refused(evaluation.source, "does not state each rate once")
    if thresholds != sorted(thresholds, reverse=True):
        raise refused(evaluation.source, "has thresholds that rise with the false match rate")


def belong_together(read: Sequence[EvaluationInput]) -> None:
    """Raise `CalibrationRefused` (MD-CAL-007) unless all are of one pipeline, of this release, and each evaluates something else."""
    first = read[0]
    for other in read:
        differing = sorted(
            key
            for key in {*first.pipeline, *other.pipeline} - {"cohort"}
            if first.pipeline.get(key) != other.pipeline.get(key)
        )
        if differing:
            raise refused(other.source, f"and {first.source} were made with another {', '.join(differing)}")
    if not first.pipeline["models"] or not isinstance(first.pipeline.get("fusion"), str):
        raise refused(first.source, "states no models or no fusion")
    release = {"converter": CONVERTER_VERSION, "rules": RULES, "box_rule": BOX_RULE}
    old = sorted(key for key, value in release.items() if first.pipeline.get(key) != value)
    if old:
        raise refused(first.source, f"was made with another {', '.join(old)} than this release has")
    for number, one in enumerate(read):
        for other in read[:number]:
            if (one.set_id == other.set_id) != (one.sha256 == other.sha256):
                raise refused(one.source, f"and {other.source}: one name of a set must stand for the same pictures")
            if one.order == other.order:
                raise refused(one.source, f"and {other.source} evaluate the same")


def refused(source: str, why: str) -> CalibrationRefused:
    """Return the refusal of an evaluation by name."""
    return CalibrationRefused(f"{source} {why}", code="MD-CAL-007")
