"""From one image to one biometric sample: detect on a scaled copy, then landmarks, chip and features from the full image.

Scaling rule: the face is expected to span a third of the image's shorter side; the copy is scaled so that such a face is
`expected_face_px` wide (its shorter side is three times that). Very long images are scaled further down, so that the copy never
exceeds 2.5 times the square of its nominal shorter side. Faces from about 2/3 of the expected width on are found.

Resolution rule: landmarks and chip come from the full image, with the detector's box unclipped. While the box is wider than
480 px, the surroundings of the face and the box are halved first (area averaging); the chip is 150 px in any case.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import cv2
import numpy as np

from models.catalogue import BuiltModel, arrays_of, content_of
from models.face_alignment import CHIP_PX, aligned_chip
from models.face_detector import FaceDetector
from models.face_embedder import FaceEmbedder
from models.face_landmarks import FaceLandmarks
from models.face_portrait import portrait_jpeg
from models.face_quality import face_quality
from models.manifest import Role
from models.results import FaceBox, FaceFinding, FaceSample, Image
from models.session import Session

_FACES_PER_SHORTER_SIDE = 3
_LARGEST_ENLARGEMENT = 4.0
_LARGEST_COPY_RATIO = 2.5
_LARGEST_BOX_PX = 480
_OTHER_FACE_SHARE = 0.5  # a second face counts from half the width of the largest on; smaller ones are background
_SMALLEST_IMAGE_PX = 16


def detection_scale(width_px: int, height_px: int, expected_face_px: int) -> float:
    """Return the factor by which an image is scaled for detection (rule in the module's first lines)."""
    side = _FACES_PER_SHORTER_SIDE * expected_face_px
    by_side = side / min(width_px, height_px)
    by_area = side * math.sqrt(_LARGEST_COPY_RATIO / (width_px * height_px))
    return min(by_side, by_area, _LARGEST_ENLARGEMENT)


def _scaled(image: Image, scale: float) -> Image:
    if scale == 1:
        return image
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method), dtype=np.uint8)


def _upscaled(box: FaceBox, scale: float) -> FaceBox:
    """Return a box found on the copy in pixels of the image: edges are pixel borders, so the width grows by the scale."""
    left, top = round(box.left_px / scale), round(box.top_px / scale)
    right, bottom = round((box.right_px + 1) / scale) - 1, round((box.bottom_px + 1) / scale) - 1
    return FaceBox(left, top, right, bottom, box.score)


def _width(box: FaceBox) -> int:
    return box.right_px - box.left_px + 1


def halved_around(image: Image, box: FaceBox) -> tuple[Image, FaceBox, float]:
    """Return the image and box that landmarks are taken from, and their pixels per image pixel (1, 1/2, 1/4, …)."""
    if _width(box) <= _LARGEST_BOX_PX:
        return image, box, 1.0
    reach = _width(box)
    left, top = max(box.left_px - reach, 0), max(box.top_px - reach, 0)
    part = image[top : max(box.bottom_px + reach, 0), left : max(box.right_px + reach, 0)]
    scale = 1.0
    while _width(box) * scale > _LARGEST_BOX_PX and min(part.shape[:2]) > _SMALLEST_IMAGE_PX:
        part = part[: part.shape[0] // 2 * 2, : part.shape[1] // 2 * 2]
        part = np.asarray(cv2.resize(part, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        scale /= 2
    moved = FaceBox(box.left_px - left, box.top_px - top, box.right_px - left, box.bottom_px - top, box.score)
    return part, _upscaled(moved, 1 / scale), scale


class _Stopwatch:
    """Milliseconds per step, in the order of the steps."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._last = timer()
        self.step_ms: dict[str, float] = {}

    def lap(self, step: str) -> None:
        now = self._timer()
        self.step_ms[step] = round(self.step_ms.get(step, 0.0) + (now - self._last) * 1000, 2)
        self._last = now


class FaceSampler:
    """The loaded chain of models; one per worker."""

    def __init__(
        self,
        models: Mapping[Role, BuiltModel],
        expected_face_px: int = 120,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Load and verify the models. Raises `CatalogueFault` when one is missing or altered."""
        self._detector = FaceDetector(Session(content_of(models[Role.DETECTOR])))
        self._landmarks = FaceLandmarks(arrays_of(models[Role.LANDMARKS]))
        self._embedder = FaceEmbedder(Session(content_of(models[Role.EMBEDDER])))
        self._expected_face_px = expected_face_px
        self._timer = timer

    def warm_up(self) -> None:
        """Run every model once, so that the first traveller does not pay for first-use allocations."""
        blank = np.full((360, 640, 3), 128, dtype=np.uint8)
        self._detector.detect(blank)
        points = self._landmarks.locate(blank, FaceBox(200, 100, 319, 219, 0.0))
        self._embedder.features(aligned_chip(blank, points))
        self._embedder.features(np.zeros((CHIP_PX, CHIP_PX, 3), dtype=np.uint8))

    def sample(self, image: Image, *, search_closer: bool = False) -> tuple[FaceSample, bytes | None]:
        """Return the sample of a BGR image and the portrait of its largest face.

        Features come with FOUND only. `search_closer` looks again on a copy twice as large when nothing was found: for document
        portraits, of which there is only one.
        """
        watch = _Stopwatch(self._timer)
        rows, columns = image.shape[:2]
        if min(rows, columns) < _SMALLEST_IMAGE_PX:
            return FaceSample(FaceFinding.NOT_FOUND, None, None, {}, watch.step_ms, "image_too_small"), None
        scale = detection_scale(columns, rows, self._expected_face_px)
        faces = self._detected(image, scale, watch)
        if not faces and search_closer:
            faces = self._detected(image, 2 * scale, watch)
        if not faces:
            return FaceSample(FaceFinding.NOT_FOUND, None, None, {}, watch.step_ms), None
        box = max(faces, key=_width)
        portrait = portrait_jpeg(image, box)
        watch.lap("portrait")
        others = sum(_width(face) >= _OTHER_FACE_SHARE * _width(box) for face in faces) - 1
        if others:
            detail = f"faces:{others + 1}"
            return FaceSample(FaceFinding.SEVERAL, box, None, {}, watch.step_ms, detail), portrait
        part, moved, part_scale = halved_around(image, box)
        points = self._landmarks.locate(part, moved)
        watch.lap("landmarks")
        chip = aligned_chip(part, points)
        watch.lap("chip")
        features = self._embedder.features(chip)
        watch.lap("features")
        quality = face_quality(chip, points, box, part_scale)
        watch.lap("quality")
        return FaceSample(FaceFinding.FOUND, box, features, quality, watch.step_ms), portrait

    def _detected(self, image: Image, scale: float, watch: _Stopwatch) -> list[FaceBox]:
        copy = _scaled(image, scale)
        true_scale = copy.shape[1] / image.shape[1]
        faces = [_upscaled(box, true_scale) for box in self._detector.detect(copy)]
        watch.lap("detection")
        return faces
