"""From faces in an image to one biometric sample: the same steps for a document's portrait, a camera frame and an evaluation.

Landmarks, chip and features come from the full image, never from the copy that detection saw. Features are made only of a face that
is alone: several faces are a finding, not a choice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.face_chain import FaceChain
from models.face_fusion import Fusion, fused, looks
from models.face_portrait import portrait_jpeg
from models.face_pose import head_pose
from models.face_quality import face_quality
from models.face_scaling import enlarged_still, width_px
from models.results import DetectedFace, FaceBox, FaceFinding, FaceSample, Features, HeadPose, Image
from models.slots.alignment import DLIB_POINTS, AlignedFace, Points

_OTHER_FACE_SHARE = 0.5  # a second face counts from half the width of the largest on; smaller ones are background
_SMALLEST_IMAGE_PX = 16
_DIGITS = 2


class Stopwatch:
    """Milliseconds per step, in the order of the steps."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._last = timer()
        self.step_ms: dict[str, float] = {}

    def lap(self, step: str) -> None:
        """Count the time since the last lap towards a step."""
        now = self._timer()
        self.step_ms[step] = round(self.step_ms.get(step, 0.0) + (now - self._last) * 1000, _DIGITS)
        self._last = now


@dataclass(frozen=True, slots=True)
class Look:
    """A sample, the portrait of its largest face, its chip and the points (n, 2) that it was aligned by; inside a worker only."""

    sample: FaceSample
    portrait_jpeg: bytes | None = None
    points: Points | None = None
    chip: Image | None = None


class FaceSampler:
    """Looks at images through one chain of models; one per worker."""

    def __init__(
        self, chain: FaceChain, fusion: Fusion = Fusion.FLIP, timer: Callable[[], float] = time.perf_counter
    ) -> None:
        self.chain = chain
        self._fusion = fusion
        self._timer = timer

    def warm_up(self) -> None:
        """Go through every step once, so that the first traveller does not pay for first-use allocations."""
        self.chain.warm_up()
        blank = np.full((360, 640, 3), (90, 120, 160), dtype=np.uint8)  # coloured: a grey picture skips a step
        middle = {name: (260.0 + 7 * index, 150.0 + 11 * index) for index, name in enumerate(self.chain.point_names)}
        self.look(blank, [DetectedFace(FaceBox(200, 100, 319, 219, 0.0), middle)], self.watch())

    def watch(self) -> Stopwatch:
        """Return a stopwatch that starts now."""
        return Stopwatch(self._timer)

    def sample(self, image: Image, *, search_closer: bool = False) -> Look:
        """Return the look at a BGR image of its own, such as a document's portrait.

        `search_closer` looks again on a copy twice as large when nothing was found: for portraits, of which there is only one.
        """
        watch = self.watch()
        image, faces = self.still_faces(image, search_closer=search_closer)
        watch.lap("detection")
        return self.look(image, faces, watch)

    def still_faces(self, image: Image, *, search_closer: bool) -> tuple[Image, list[DetectedFace]]:
        """Return a still picture as it is looked at (small ones enlarged) and its faces, in pixels of that."""
        if min(image.shape[:2]) < _SMALLEST_IMAGE_PX:
            return image, []
        image = enlarged_still(image)
        faces = self.chain.detect(image)
        if not faces and search_closer:
            faces = self.chain.detect_closer(image)
        return image, faces

    def look(self, image: Image, faces: Sequence[DetectedFace], watch: Stopwatch) -> Look:
        """Return the look at an image whose faces are known already."""
        if not faces:
            return Look(_nothing(image, watch))
        face = max(faces, key=lambda one: width_px(one.box))
        portrait = portrait_jpeg(image, face.box)
        watch.lap("portrait")
        relevant = [one.box for one in faces if width_px(one.box) >= _OTHER_FACE_SHARE * width_px(face.box)]
        frame_px = (image.shape[1], image.shape[0])
        if len(relevant) > 1:
            detail = f"faces:{len(relevant)}"
            sample = FaceSample(FaceFinding.SEVERAL, face.box, None, {}, watch.step_ms, detail, len(relevant), frame_px)
            return Look(sample, portrait)
        aligned = self.chain.aligned(image, face)
        watch.lap("landmarks_and_chip")
        features = self.features(aligned.chip)
        watch.lap("features")
        pose, quality = self._described(image, face.box, aligned, [one.box for one in faces])
        watch.lap("quality")
        sample = FaceSample(FaceFinding.FOUND, face.box, features, quality, watch.step_ms, "", 1, frame_px, pose)
        return Look(sample, portrait, aligned.points, aligned.chip)

    def features(self, chip: Image) -> Features:
        """Return the fused unit-length features of one BGR chip, float32."""
        return fused(self.chain.embed(looks(chip, self._fusion)))

    def _described(
        self, image: Image, box: FaceBox, aligned: AlignedFace, boxes: Sequence[FaceBox]
    ) -> tuple[HeadPose | None, dict[str, float]]:
        frame_px = (image.shape[1], image.shape[0])
        points = _five(aligned)
        if points is None:
            return None, {"detection_score": round(box.score, 4), "face_width_px": float(width_px(box))}
        pose = head_pose(points, frame_px)
        quality = face_quality(aligned.chip, points, box, 1.0, frame_px, boxes, pose, frame=image)
        if self.chain.quality_model is not None:
            quality["operator_quality"] = round(self.chain.quality_model.score(aligned.chip), 4)
        return pose, quality


def _five(aligned: AlignedFace) -> Points | None:
    """Return dlib's five points (5, 2), or None where the chain locates others."""
    return aligned.points if aligned.names == DLIB_POINTS else None


def _nothing(image: Image, watch: Stopwatch, detail: str = "") -> FaceSample:
    frame_px = (image.shape[1], image.shape[0])
    return FaceSample(FaceFinding.NOT_FOUND, None, None, {}, watch.step_ms, detail, 0, frame_px)
