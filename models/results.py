"""The vocabulary of the models: what an image was found to hold and how two faces compare (terms of ISO/IEC 2382-37)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Features = NDArray[np.float32]


class FaceFinding(StrEnum):
    """What was found in one image; only FOUND carries features."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    SEVERAL = "several"
    REFUSED = "refused"  # the image could not be decoded within the limits


class ComparisonDecision(StrEnum):
    """Outcome of a comparison at the stated false match rate; the guard band between is undetermined (biometrics §12)."""

    MATCH = "match"
    NON_MATCH = "non_match"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A face in pixels of the image handed in, inclusive edges, with the detector's score."""

    left_px: int
    top_px: int
    right_px: int
    bottom_px: int
    score: float


@dataclass(frozen=True, slots=True)
class FaceSample:
    """One biometric sample: what was found, where, its unit-length features (float32, 128) and the milliseconds each step took."""

    finding: FaceFinding
    box: FaceBox | None
    features: Features | None
    quality: Mapping[str, float]
    step_ms: Mapping[str, float]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FaceComparison:
    """A comparison of a biometric probe with a biometric reference.

    `comparison_score` is the cosine of the two unit vectors (1 - d²/2); `threshold` is the score from which it is a match at
    `false_match_rate`, looked up in the calibration record `calibration_id`.
    """

    comparison_score: float
    decision: ComparisonDecision
    threshold: float
    non_match_threshold: float
    false_match_rate: float
    calibration_id: str
