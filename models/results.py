"""The vocabulary of the models: what an image was found to hold and how two faces compare (terms of ISO/IEC 2382-37)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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


Point = tuple[float, float]
"""x and y in pixels, origin at the image's left top corner."""


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """A face with the points its detector gave, by name; a detector without points leaves them empty.

    Names count sides from the person (the right eye is on the image's left): `right_eye`, `left_eye` (centres), `nose_tip`,
    `mouth_right`, `mouth_left`; or the corners `right_eye_outer`, `right_eye_inner`, `left_eye_inner`, `left_eye_outer`, and
    `nose_base`.
    """

    box: FaceBox
    points: Mapping[str, Point] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """A face followed from frame to frame: its track, and whether this frame's detector saw it (else it was followed)."""

    track_id: int
    face: DetectedFace
    is_detected: bool
    frames: int


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Turn of the head in degrees, coarse (from five points). Yaw: positive to the person's left; pitch: up; roll: to the right."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True)
class AttackAssessment:
    """Presentation attack detection for one frame (ISO/IEC 30107): `score` 0 bona fide … 1 attack, None: no result.

    `cues` are the parts it was made of, each 0-1; `detail` says why there is no result. `is_rated` only when error rates have
    been measured for exactly these detectors.
    """

    score: float | None
    cues: Mapping[str, float] = field(default_factory=dict)
    detail: str = ""
    is_rated: bool = False


@dataclass(frozen=True, slots=True)
class FaceSample:
    """One biometric sample: what was found, where, and the milliseconds each step took.

    `features` (unit length, float32) exist inside a worker only; what leaves it has None there. `faces` counts the faces that
    matter, `frame_px` is width and height of the image handed in.
    """

    finding: FaceFinding
    box: FaceBox | None
    features: Features | None
    quality: Mapping[str, float]
    step_ms: Mapping[str, float]
    detail: str = ""
    faces: int = 0
    frame_px: tuple[int, int] = (0, 0)
    pose: HeadPose | None = None
    attack: AttackAssessment | None = None


@dataclass(frozen=True, slots=True)
class FaceComparison:
    """A comparison of a biometric probe with a biometric reference.

    `comparison_score` is what the calibration record `calibration_id` defines (its `score`: cosine, or cosine normalised against
    the cohort `cohort_id`), larger is more alike; `threshold` is the score from which it is a match at `false_match_rate`.
    `cosine` is the raw cosine of the two unit vectors; `frames` is how many frames the probe was fused from.
    """

    comparison_score: float
    decision: ComparisonDecision
    threshold: float
    non_match_threshold: float
    false_match_rate: float
    calibration_id: str
    model_id: str = ""
    cohort_id: str = ""
    cosine: float | None = None
    frames: int = 1
