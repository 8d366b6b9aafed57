"""Where the faces of a frame are, by the shipped detector: in the whole frame, or only around a place where one is expected.

Both searches work on one grid of scales, the frame's detection scale times powers of 5/6, so a box found around a place has a size
that the search of the whole frame could give too. On 90 pictures of LFW in 1280x720 frames, features by either box had a cosine of
0.9999 in the median and 0.996 at the first percentile; those of a full search of the same frame moved by a few pixels, the same.
"""

from __future__ import annotations

import math
from typing import Protocol

from models.face_detector import WINDOW_PX, FaceDetector
from models.face_scaling import detection_scale, scaled, shifted, upscaled, width_px
from models.results import DetectedFace, FaceBox, Image

_STEP = 6 / 5
_NEAR_LEVELS = 3  # the expected size, one smaller, one larger
_LARGEST_REFINEMENT_STEPS = 2  # how far below the smallest face of the whole search a face is still followed
_SMALLEST_IMAGE_PX = 16


class FaceFinder(Protocol):
    """Finds faces; any detector of the slots may stand behind it."""

    def found(self, image: Image) -> list[DetectedFace]:
        """Return all faces of a BGR image, strongest first, in its pixels."""
        ...

    def found_near(self, image: Image, box: FaceBox, reach_ratio: float) -> list[DetectedFace]:
        """Return the faces about as large as `box` whose centres may lie `reach_ratio` of its width from its centre."""
        ...

    def closer(self) -> FaceFinder:
        """Return a finder that expects faces half as wide, behind the same network."""
        ...


class ScaledFaceFinder:
    """The shipped detector on a copy scaled for the expected face."""

    def __init__(self, detector: FaceDetector, expected_face_px: int = 120) -> None:
        self._detector = detector
        self._expected_face_px = expected_face_px

    def found(self, image: Image) -> list[DetectedFace]:
        """Return all faces of a BGR image, strongest first, in its pixels; boxes may reach beyond it."""
        rows, columns = image.shape[:2]
        if min(rows, columns) < _SMALLEST_IMAGE_PX:
            return []
        return self._searched(image, detection_scale(columns, rows, self._expected_face_px), None)

    def found_near(self, image: Image, box: FaceBox, reach_ratio: float) -> list[DetectedFace]:
        """Return the faces from 5/6 to 6/5 of the width of `box` around it, by the detector's score, at a few milliseconds."""
        rows, columns = image.shape[:2]
        reach = math.ceil(reach_ratio * width_px(box))
        left, top = max(box.left_px - reach, 0), max(box.top_px - reach, 0)
        right, bottom = min(box.right_px + reach + 1, columns), min(box.bottom_px + reach + 1, rows)
        if min(right - left, bottom - top) < _SMALLEST_IMAGE_PX:
            return []
        base = detection_scale(columns, rows, self._expected_face_px)
        steps = round(math.log(width_px(box) * base / WINDOW_PX, _STEP)) - 1  # one size below the expected one
        scale = base / _STEP ** max(steps, -_LARGEST_REFINEMENT_STEPS)
        faces = self._searched(image[top:bottom, left:right], scale, _NEAR_LEVELS)
        return [DetectedFace(shifted(face.box, left, top)) for face in faces]

    def closer(self) -> FaceFinder:
        """Return a finder that expects faces half as wide: the copy it searches is twice as large."""
        return ScaledFaceFinder(self._detector, 2 * self._expected_face_px)

    def _searched(self, image: Image, scale: float, levels: int | None) -> list[DetectedFace]:
        copy = scaled(image, scale)
        scale_x, scale_y = copy.shape[1] / image.shape[1], copy.shape[0] / image.shape[0]
        return [DetectedFace(upscaled(box, scale_x, scale_y)) for box in self._detector.detect(copy, levels)]
