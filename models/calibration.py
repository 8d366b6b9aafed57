"""Thresholds come from calibration records, never from code: a stated false match rate in, a distance out, or a refusal.

A record holds for exactly one set of models, one fusion, one precision and one chip rule. A comparison is a match up to the
distance of the wanted rate, a non-match beyond the distance of the loosest set's 1e-2, and undetermined in the guard band
between (capture again, then the guard).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from models.conversion.constants import CONVERTER_VERSION
from models.errors import CalibrationRefused
from models.manifest import shipped_manifests
from models.results import ComparisonDecision, FaceComparison, Features

FEATURES = 128
FUSION = "flip+L2"
PRECISION = "fp32"
CHIP_RULE = "dlib-exact-150-0.25"
BOX_RULE = "unclipped"
CEILING_FALSE_MATCH_RATE = 1e-3
_UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What a record must agree with, all of it."""

    sources: tuple[tuple[str, str], ...]
    converter: str = CONVERTER_VERSION
    fusion: str = FUSION
    precision: str = PRECISION
    chip_rule: str = CHIP_RULE
    box_rule: str = BOX_RULE


@dataclass(frozen=True, slots=True)
class Calibration:
    """One record: distances by false match rate, and the distance beyond which it is a non-match."""

    calibration_id: str
    identity: ModelIdentity
    distances: tuple[tuple[float, float], ...]
    non_match_distance: float

    def operating_point(self, false_match_rate: float) -> tuple[float, float]:
        """Return (rate, distance): the largest recorded rate that does not exceed the wanted one, and its distance.

        Raises `CalibrationRefused` for a rate above the ceiling of 1e-3 or below everything the record proves.
        """
        if not 0 < false_match_rate <= CEILING_FALSE_MATCH_RATE:
            raise CalibrationRefused(
                f"a false match rate of {false_match_rate:g} is beyond the ceiling of 1e-3", code="MD-CAL-002"
            )
        proven = [point for point in self.distances if point[0] <= false_match_rate * (1 + 1e-9)]
        if not proven:
            raise CalibrationRefused(
                f"record {self.calibration_id} proves no false match rate of {false_match_rate:g}", code="MD-CAL-003"
            )
        return max(proven)


def shipped_identity() -> ModelIdentity:
    """Return the identity of the models and rules of this release."""
    manifests = shipped_manifests()
    precisions = {manifest.precision for manifest in manifests.values()}
    sources = tuple(sorted((role.value, manifests[role].source_sha256) for role in manifests))
    return ModelIdentity(sources, precision="+".join(sorted(precisions)))


def parse_calibration(text: str, name: str) -> Calibration:
    """Return the record in a TOML text. Raises `CalibrationRefused` when it is incomplete or contradicts itself."""
    try:
        table: dict[str, Any] = tomllib.loads(text)
        rules = {key: str(table[key]) for key in ("converter", "fusion", "precision", "chip_rule", "box_rule")}
        points = tuple(sorted((float(row["false_match_rate"]), float(row["distance"])) for row in table["threshold"]))
        record = Calibration(
            str(table["calibration_id"]),
            ModelIdentity(tuple(sorted((str(k), str(v)) for k, v in table["sources"].items())), **rules),
            points,
            float(table["non_match"]["distance"]),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CalibrationRefused(f"calibration record {name}: {error}", code="MD-CAL-004") from error
    distances = [distance for _, distance in points]
    if not points or distances != sorted(distances) or distances[-1] > record.non_match_distance:
        raise CalibrationRefused(f"calibration record {name}: distances do not grow with the rate", code="MD-CAL-004")
    return record


def calibration_for(identity: ModelIdentity) -> Calibration:
    """Return the shipped record for exactly these models and rules. Raises `CalibrationRefused` when there is none."""
    folder = resources.files("models") / "calibrations"
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".toml"):
            record = parse_calibration(entry.read_text(encoding="utf-8"), entry.name)
            if record.identity == identity:
                return record
    raise CalibrationRefused("no calibration record holds for exactly these models, fusion and precision")


def _checked(features: Features, whose: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.asarray(features, dtype=np.float64)
    if (
        values.shape != (FEATURES,)
        or not np.isfinite(values).all()
        or abs(np.linalg.norm(values) - 1) > _UNIT_TOLERANCE
    ):
        raise CalibrationRefused(
            f"the features of the {whose} are no unit vector of {FEATURES} values", code="MD-CAL-005"
        )
    return values


def cosine_of(distance: float) -> float:
    """Return the cosine of two unit vectors at a Euclidean distance."""
    return 1 - distance * distance / 2


def compare(probe: Features, reference: Features, record: Calibration, false_match_rate: float) -> FaceComparison:
    """Return the comparison of a biometric probe with a biometric reference at a stated false match rate (ISO/IEC 2382-37)."""
    rate, match_distance = record.operating_point(false_match_rate)
    difference = _checked(probe, "probe") - _checked(reference, "reference")
    distance = float(np.linalg.norm(difference))
    if distance <= match_distance:
        decision = ComparisonDecision.MATCH
    elif distance > record.non_match_distance:
        decision = ComparisonDecision.NON_MATCH
    else:
        decision = ComparisonDecision.UNDETERMINED
    return FaceComparison(
        comparison_score=cosine_of(distance),
        decision=decision,
        threshold=cosine_of(match_distance),
        non_match_threshold=cosine_of(record.non_match_distance),
        false_match_rate=rate,
        calibration_id=record.calibration_id,
    )
