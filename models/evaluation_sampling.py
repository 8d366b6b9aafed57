"""Pictures of an evaluation through the gate's own chain: same detector, landmarks, chip, looks and fusion as a traveller's frame."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from models.calibration import ModelIdentity
from models.evaluation_features import PictureFeatures
from models.face_chain import FaceChain
from models.face_fusion import Fusion, looks
from models.face_sampling import FaceSampler
from models.results import DetectedFace, FaceFinding, Image


class SeveralFaces(StrEnum):
    """What becomes of a picture with several faces."""

    REFUSE = "refuse"  # as at the gate: no features, a failure to acquire
    CENTRE = "centre"  # the face nearest to the centre: for sets whose pictures are of the person in the middle


def pipeline_fields(chain: FaceChain, fusion: Fusion, expected_face_px: int) -> dict[str, Any]:
    """Return what features depend on, for records: models by role, the release's rules, fusion, expected face width."""
    identity = ModelIdentity.of(chain.identity)
    return {
        "models": {role: f"{pin.precision}:{pin.sha256}" for role, pin in identity.models},
        "converter": identity.converter,
        "rules": identity.rules,
        "box_rule": identity.box_rule,
        "expected_face_px": expected_face_px,
        "fusion": fusion.value,
    }


class ChainSampler:
    """Samples single pictures. Without unit length for `raw`: the network's own output. Times are CPU milliseconds."""

    def __init__(self, chain: FaceChain, fusion: Fusion, several: SeveralFaces, expected_face_px: int = 120) -> None:
        self._chain = chain
        self._fusion = fusion
        self._several = several
        self._sampler = FaceSampler(chain, fusion, timer=time.process_time)
        fields = {**pipeline_fields(chain, fusion, expected_face_px), "several": several.value}
        self.pipeline_id = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
        self.dimension = chain.dimension

    def sampled(self, image: Image) -> PictureFeatures:
        """Return finding and features of a BGR picture; looked at as document portraits are."""
        watch = self._sampler.watch()
        image, faces = self._sampler.still_faces(image, search_closer=True)
        watch.lap("detection")
        if self._several is SeveralFaces.CENTRE and len(faces) > 1:
            faces = [_most_central(faces, image)]
        sample = self._sampler.look(image, faces, watch).sample
        vector = sample.features
        if sample.finding is FaceFinding.FOUND and self._fusion is Fusion.RAW:
            face = next(face for face in faces if face.box == sample.box)
            vector = self._chain.embed(looks(self._chain.align(image, face), Fusion.RAW))[0]
        return PictureFeatures(sample.finding, vector, dict(sample.step_ms))


def _most_central(faces: Sequence[DetectedFace], image: Image) -> DetectedFace:
    def distance(face: DetectedFace) -> float:
        box = face.box
        across = (box.left_px + box.right_px + 1 - image.shape[1]) / 2
        down = (box.top_px + box.bottom_px + 1 - image.shape[0]) / 2
        return math.hypot(across, down)

    return min(faces, key=distance)
