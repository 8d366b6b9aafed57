"""The shipped chain of models as walk-through uses it: find, align and embed one face, in a portrait or in a frame."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from models import calibration
from models.catalogue import BuiltModel, arrays_of, content_of, recorded
from models.face_alignment import aligned_chip
from models.face_detector import FaceDetector
from models.face_embedder import FaceEmbedder
from models.face_finder import ScaledFaceFinder
from models.face_landmarks import FaceLandmarks
from models.face_sampling import halved_around
from models.face_tracker import FaceTracker
from models.manifest import Role
from models.results import FaceBox, Features, Image
from models.session import Session
from models.walk_through_matching import WalkThroughMatcher, false_match_rate_for, rules_of
from models.walk_through_messages import Ready

_LONGEST_GAP_S = 1.0  # as the ledger's: the tracker may follow as long as the ledger believes it


class ShippedFaceReader:
    """Detector, landmarks and embedder, loaded once."""

    def __init__(self, models: Mapping[Role, BuiltModel], expected_face_px: int) -> None:
        """Load and verify the models. Raises `CatalogueFault` when one is missing or altered."""
        self.detector = FaceDetector(Session(content_of(models[Role.DETECTOR])))
        self.finder = ScaledFaceFinder(self.detector, expected_face_px)
        self._closer = ScaledFaceFinder(self.detector, 2 * expected_face_px)
        self._landmarks = FaceLandmarks(arrays_of(models[Role.LANDMARKS]))
        self._embedder = FaceEmbedder(Session(content_of(models[Role.EMBEDDER])))

    def faces(self, image: Image) -> list[FaceBox]:
        """Return the faces of a portrait, strongest first; it is looked at more closely when none is found."""
        found = self.finder.found(image) or self._closer.found(image)
        return [face.box for face in found]

    def features(self, image: Image, box: FaceBox) -> Features:
        """Return the unit-length features of one face of a BGR image."""
        part, moved, _ = halved_around(image, box)
        return self._embedder.features(aligned_chip(part, self._landmarks.locate(part, moved)))


def load_matcher(
    folder: Path, expected_face_px: int, largest_gallery: int, false_positive_identification_rate: float
) -> tuple[WalkThroughMatcher, Ready]:
    """Return a matcher that is warm, and what it answers when it is asked for its thresholds.

    Raises `CatalogueFault` for missing or altered models, `CalibrationRefused` when no record holds for them at this rate.
    """
    reader = ShippedFaceReader(recorded(folder), expected_face_px)
    record = calibration.calibration_for(calibration.shipped_identity())
    rate = false_match_rate_for(false_positive_identification_rate, largest_gallery)
    compare = partial(calibration.compare, record=record, false_match_rate=rate)
    rules = rules_of(compare)
    proven_rate, _ = record.operating_point(rate)
    tracker = FaceTracker(reader.finder, longest_gap_s=_LONGEST_GAP_S)
    blank = np.full((360, 640, 3), 128, dtype=np.uint8)
    reader.faces(blank)
    reader.features(blank, FaceBox(200, 100, 319, 219, 0.0))
    matcher = WalkThroughMatcher(tracker, reader, compare, rules, largest_gallery)
    return matcher, Ready(record.calibration_id, proven_rate, rules.threshold)
