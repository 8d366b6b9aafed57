"""Detectors of the YuNet layout (Wu, Peng and Yu, Machine Intelligence Research 20, 2023): twelve outputs over strides 8, 16, 32.

Decoded as OpenCV's `FaceDetectorYN` does: score = sqrt(class · objectness), both clamped to 0-1; centre = (cell + offset) · stride;
size = exp(value) · stride; points = (cell + offset) · stride; then weaker boxes that overlap are dropped. A model with a fixed input
gets the image scaled into its left top corner, one with a free input gets it padded to a multiple of 32 px.
"""

from __future__ import annotations

import copy
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import CatalogueFault
from models.face_scaling import detection_scale, scaled, width_px
from models.manifest import POINT_NAMES, Manifest
from models.results import DetectedFace, FaceBox, Image
from models.slots.network import Network

POINTS = POINT_NAMES
_STRIDES = (8, 16, 32)
_DIVISOR_PX = 32
_SIZES = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
_LARGEST_EXPONENT = 10.0
_MOST_FACES = 5000  # before overlaps are dropped, as OpenCV
_SMALLEST_IMAGE_PX = 16
_SIZE_RATIO_NEAR = 1.44  # 6/5 twice
_CONTEXT_RATIO = 0.5

Rows = NDArray[np.float32]


class YunetDetector:
    """Finds faces with eye centres, tip of the nose and corners of the mouth."""

    def __init__(self, manifest: Manifest, content: bytes, expected_face_px: int = 120) -> None:
        """Load the network. Raises `CatalogueFault` when it has not the twelve outputs or another input than stated."""
        outputs = {f"{kind}_{stride}": size for kind, size in _SIZES.items() for stride in _STRIDES}
        self.network = Network(manifest, content, outputs)
        self._score_threshold = manifest.output.score_threshold
        self._overlap_ratio = manifest.output.overlap_ratio
        self.expected_face_px = expected_face_px
        layout = self.network.layout
        self._fixed_px = (layout.width_px, layout.height_px) if layout.width_px and layout.height_px else None
        if self._fixed_px and any(side % _DIVISOR_PX for side in self._fixed_px):
            raise self.network.refusal(f"has an input of {self._fixed_px} px, which is no multiple of {_DIVISOR_PX}")
        if bool(layout.width_px) != bool(layout.height_px):
            raise self.network.refusal("has one free and one fixed side; both must be free or fixed")

    def found(self, image: Image) -> list[DetectedFace]:
        """Return all faces of a BGR image, strongest first, in its pixels; boxes may reach beyond it."""
        rows, columns = image.shape[:2]
        if min(rows, columns) < _SMALLEST_IMAGE_PX:
            return []
        return self._searched(image, detection_scale(columns, rows, self.expected_face_px), (0, 0))

    def found_near(self, image: Image, box: FaceBox, reach_ratio: float) -> list[DetectedFace]:
        """Return the faces about as large as `box` whose centres lie at most `reach_ratio` of its width from its centre."""
        rows, columns = image.shape[:2]
        width = width_px(box)
        reach = math.ceil((reach_ratio + _CONTEXT_RATIO) * width)
        left, top = max(box.left_px - reach, 0), max(box.top_px - reach, 0)
        part = image[top : max(box.bottom_px + reach + 1, 0), left : max(box.right_px + reach + 1, 0)]
        if min(part.shape[:2]) < _SMALLEST_IMAGE_PX:
            return []
        scale = min(detection_scale(columns, rows, self.expected_face_px), self.expected_face_px / width)
        return [face for face in self._searched(part, scale, (left, top)) if _is_near(face.box, box, reach_ratio)]

    def closer(self) -> YunetDetector:
        """Return a finder that expects faces half as wide, behind the same network."""
        other = copy.copy(self)
        other.expected_face_px = 2 * self.expected_face_px
        return other

    def _framed(self, image: Image) -> Image:
        """Return the image with black below and to the right of it, as large as the network takes it."""
        rows, columns = image.shape[:2]
        width, height = self._fixed_px or (
            -(-columns // _DIVISOR_PX) * _DIVISOR_PX,
            -(-rows // _DIVISOR_PX) * _DIVISOR_PX,
        )
        framed = cv2.copyMakeBorder(image, 0, height - rows, 0, width - columns, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        return np.asarray(framed, dtype=np.uint8)

    def _searched(self, image: Image, scale: float, corner: tuple[int, int]) -> list[DetectedFace]:
        if self._fixed_px:
            width, height = self._fixed_px
            scale = min(scale, width / image.shape[1], height / image.shape[0])
        smaller = scaled(image, scale)
        framed = self._framed(smaller)
        rows = self._decoded(framed)
        if not len(rows):
            return []
        rows = rows[self._kept(rows)]
        across, down = image.shape[1] / smaller.shape[1], image.shape[0] / smaller.shape[0]
        rows[:, 0:14:2] = rows[:, 0:14:2] * across
        rows[:, 1:14:2] = rows[:, 1:14:2] * down
        return [_face(row, corner) for row in rows.astype(np.float64).tolist()]

    def _decoded(self, framed: Image) -> Rows:
        """Return rows of 15: left, top, width, height, five points, score; in pixels of the framed image."""
        answers = self.network.answers([framed])
        found = []
        for index, stride in enumerate(_STRIDES):
            columns, count = framed.shape[1] // stride, framed.shape[1] // stride * (framed.shape[0] // stride)
            try:
                classes, objects, boxes, points = (
                    np.asarray(answers[kind * len(_STRIDES) + index]).reshape(count, size)
                    for kind, size in enumerate(_SIZES.values())
                )
            except ValueError as error:
                raise CatalogueFault(
                    f"{self.network.manifest.model_id} answers another number of cells at stride {stride} than YuNet",
                    code="MD-CAT-010",
                ) from error
            scores = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
            cells = np.flatnonzero(scores >= self._score_threshold)
            place = np.stack((cells % columns, cells // columns), axis=1).astype(np.float32)
            centre = (place + boxes[cells, :2]) * stride
            size = np.exp(np.minimum(boxes[cells, 2:], _LARGEST_EXPONENT)) * stride
            marks = (points[cells] + np.tile(place, 5)) * stride
            found.append(np.concatenate((centre - size / 2, size, marks, scores[cells, None]), axis=1))
        rows = np.concatenate(found).astype(np.float32)
        return rows[np.isfinite(rows).all(axis=1)]

    def _kept(self, rows: Rows) -> list[int]:
        """Return the indices of the faces that stay, strongest first; boxes are whole pixels here, as in OpenCV."""
        boxes = rows[:, :4].astype(np.int32)
        kept = cv2.dnn.NMSBoxes(
            boxes.tolist(), rows[:, 14].tolist(), self._score_threshold, self._overlap_ratio, 1.0, _MOST_FACES
        )
        return [int(index) for index in np.asarray(kept).ravel()]


def _face(row: list[float], corner: tuple[int, int]) -> DetectedFace:
    left, top = row[0] + corner[0], row[1] + corner[1]
    box = FaceBox(round(left), round(top), round(left + row[2]) - 1, round(top + row[3]) - 1, row[14])
    points = {
        name: (row[4 + 2 * index] + corner[0], row[5 + 2 * index] + corner[1]) for index, name in enumerate(POINTS)
    }
    return DetectedFace(box, points)


def _is_near(box: FaceBox, expected: FaceBox, reach_ratio: float) -> bool:
    reach = reach_ratio * width_px(expected)
    across = (box.left_px + box.right_px - expected.left_px - expected.right_px) / 2
    down = (box.top_px + box.bottom_px - expected.top_px - expected.bottom_px) / 2
    ratio = max(width_px(box), 1) / max(width_px(expected), 1)
    return max(abs(across), abs(down)) <= reach and 1 / _SIZE_RATIO_NEAR <= ratio <= _SIZE_RATIO_NEAR
