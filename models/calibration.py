"""Thresholds come from calibration records, never from code: a stated false match rate in, a score out, or a refusal.

A record holds for exactly one pipeline: models, precision, chip and box rules, fusion, definition of the score and cohort. A
comparison is a match from the score of the wanted rate, a non-match below the score of the loosest set's 1e-2, and undetermined in
the guard band between (capture again, then the guard).
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from models.chosen_models import ModelPin
from models.conversion.constants import CONVERTER_VERSION
from models.errors import CalibrationRefused
from models.face_fusion import Fusion
from models.results import ComparisonDecision
from models.score_normalisation import ScoreDefinition, ScoreKind

BOX_RULE = "unclipped"
RULES = "3"
"""Version of everything between image and chip that is not a model file: scaling, halving, chip and view rules."""
CEILING_FALSE_MATCH_RATE = 1e-3


Pins = tuple[tuple[str, ModelPin], ...]


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What a record must agree with before its thresholds are used: role -> model, and the rules of this release."""

    models: Pins
    converter: str = CONVERTER_VERSION
    rules: str = RULES
    box_rule: str = BOX_RULE

    @classmethod
    def of(cls, pins: Mapping[str, tuple[str, str]]) -> ModelIdentity:
        """Return the identity of loaded models (`FaceChain.identity`)."""
        return cls(tuple(sorted((role, ModelPin(*pin)) for role, pin in pins.items())))


@dataclass(frozen=True, slots=True)
class Threshold:
    """One operating point: the smallest score that is a match, for probes of `frames` frames or more, and what proves it."""

    false_match_rate: float
    score: float
    frames: int
    upper_bound: float
    set_id: str


@dataclass(frozen=True, slots=True)
class CohortPin:
    """The cohort that scores are normalised against: a file of `models.cohort`, its hash, and how it is drawn."""

    file: str
    sha256: str
    vectors: int
    seed: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """One record."""

    calibration_id: str
    identity: ModelIdentity
    fusion: Fusion
    score: ScoreDefinition
    cohort: CohortPin | None
    thresholds: tuple[Threshold, ...]
    non_match_threshold: float
    minimum_age_years: int
    made_on: date
    evaluations: tuple[Mapping[str, Any], ...] = ()
    identification: tuple[Mapping[str, Any], ...] = ()

    def operating_point(self, false_match_rate: float, frames: int = 1) -> Threshold:
        """Return the threshold in force for a probe of so many frames.

        It is the recorded rate next below the wanted one; for several frames the strictest threshold at it or at a larger rate,
        whatever its number of frames, because frames of one capture lie between one picture and independent ones. Raises
        `CalibrationRefused` for a rate above the ceiling of 1e-3 or below everything the record proves.
        """
        if not 0 < false_match_rate <= CEILING_FALSE_MATCH_RATE:
            raise CalibrationRefused(
                f"a false match rate of {false_match_rate:g} is beyond the ceiling of 1e-3", code="MD-CAL-002"
            )
        proven = [point for point in self.thresholds if point.false_match_rate <= false_match_rate * (1 + 1e-9)]
        if not proven:
            raise CalibrationRefused(
                f"record {self.calibration_id} proves no false match rate of {false_match_rate:g}", code="MD-CAL-003"
            )
        single = max((point for point in proven if point.frames == 1), key=lambda point: point.false_match_rate)
        if frames == 1:
            return single
        as_loose = [point for point in self.thresholds if point.false_match_rate >= single.false_match_rate]
        return max(as_loose, key=lambda point: point.score)

    def proven_frames(self, false_match_rate: float) -> int:
        """Return how many frames a probe may be fused from: as many as there is a threshold for at the rate in force."""
        rate = self.operating_point(false_match_rate).false_match_rate
        return max(point.frames for point in self.thresholds if point.false_match_rate == rate)

    def decided(self, score: float, threshold: Threshold) -> ComparisonDecision:
        """Return what a score means at a threshold; the guard band between is undetermined."""
        if score >= threshold.score:
            return ComparisonDecision.MATCH
        if score < self.non_match_threshold:
            return ComparisonDecision.NON_MATCH
        return ComparisonDecision.UNDETERMINED


_KEYS = {
    "calibration_id", "date", "converter", "rules", "box_rule", "fusion", "minimum_age_years",
    "models", "score", "cohort", "threshold", "non_match", "evaluation", "identification",
}  # fmt: skip


def parse_calibration(text: str, name: str) -> Calibration:
    """Return the record in a TOML text. Raises `CalibrationRefused` when it is incomplete, has unknown keys or contradicts itself."""
    try:
        table: dict[str, Any] = tomllib.loads(text)
        unknown = sorted(set(table) - _KEYS)
        record = _record(table)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CalibrationRefused(f"calibration record {name}: {error}", code="MD-CAL-004") from error
    if unknown:
        raise CalibrationRefused(f"calibration record {name}: unknown keys {', '.join(unknown)}", code="MD-CAL-004")
    _check(record, name)
    return record


def _record(table: Mapping[str, Any]) -> Calibration:
    pins = {str(role): ModelPin(str(pin["sha256"]), str(pin["precision"])) for role, pin in table["models"].items()}
    identity = ModelIdentity(
        tuple(sorted(pins.items())), str(table["converter"]), str(table["rules"]), str(table["box_rule"])
    )
    score = dict(table["score"])
    cohort = table.get("cohort")
    return Calibration(
        calibration_id=str(table["calibration_id"]),
        identity=identity,
        fusion=Fusion(table["fusion"]),
        score=ScoreDefinition(ScoreKind(score.pop("kind")), **score),
        cohort=None if cohort is None else CohortPin(**cohort),
        thresholds=tuple(
            Threshold(
                float(row["false_match_rate"]),
                float(row["score"]),
                int(row["frames"]),
                float(row["upper_bound"]),
                str(row["set"]),
            )
            for row in table["threshold"]
        ),
        non_match_threshold=float(table["non_match"]["score"]),
        minimum_age_years=int(table["minimum_age_years"]),
        made_on=date.fromisoformat(str(table["date"])),
        evaluations=tuple(table.get("evaluation", ())),
        identification=tuple(table.get("identification", ())),
    )


def _check(record: Calibration, name: str) -> None:
    problem = ""
    by_frames: dict[int, list[Threshold]] = {}
    for point in record.thresholds:
        by_frames.setdefault(point.frames, []).append(point)
    alone = {point.false_match_rate for point in by_frames.get(1, [])}
    if not alone or any(point.false_match_rate not in alone for point in record.thresholds):
        problem = "there is no threshold for a single frame at every rate"
    for points in by_frames.values():
        ordered = sorted(points, key=lambda point: point.false_match_rate)
        scores = [point.score for point in ordered]
        if scores != sorted(scores, reverse=True) or len({point.false_match_rate for point in ordered}) != len(ordered):
            problem = "scores do not fall as the false match rate grows"
        if any(not 0 < point.false_match_rate <= point.upper_bound <= 1 for point in ordered):
            problem = "an upper bound lies below its false match rate"
        if scores and min(scores) < record.non_match_threshold:
            problem = "the guard band ends above a threshold"
    if (record.score.kind is ScoreKind.COSINE) != (record.cohort is None):
        problem = "a normalised score needs a cohort, and a cosine has none"
    if record.minimum_age_years < 0 or min(by_frames, default=1) < 1 or record.score.top < 1:
        problem = "an age, a number of frames or of cohort vectors is too small"
    numbers = [record.non_match_threshold, record.score.mean_weight, record.score.deviation_weight]
    if not all(math.isfinite(number) for number in [*numbers, *(point.score for point in record.thresholds)]):
        problem = "a score is no number"
    if problem:
        raise CalibrationRefused(f"calibration record {name}: {problem}", code="MD-CAL-004")


def record_for(identity: ModelIdentity, records: Iterable[Calibration], wanted_id: str = "") -> Calibration:
    """Return the record for exactly these models and rules, by its id where one is wanted.

    Of several the one made last counts. Raises `CalibrationRefused` when there is none.
    """
    fitting = [record for record in records if record.identity == identity]
    if wanted_id:
        fitting = [record for record in fitting if record.calibration_id == wanted_id]
    if not fitting:
        asked = f" named {wanted_id}" if wanted_id else ""
        raise CalibrationRefused(f"no calibration record{asked} holds for exactly these models, rules and precision")
    return max(fitting, key=lambda record: (record.made_on, record.calibration_id))
