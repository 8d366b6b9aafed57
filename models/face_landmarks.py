"""Five landmarks of a face (eye corners and nose base) by an ensemble of regression trees (Kazemi and Sullivan, CVPR 2014).

Gives dlib's points to the pixel: sums run in float32 one leaf after another, grey is (r+g+b)//3, and samples outside the image
read as 0. The trees of a cascade are walked side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.results import FaceBox, Image
from models.similarity import similarity

Landmarks = NDArray[np.int64]
POINTS = 5
SPLITS = 15
_DEPTH = 4


class FaceLandmarks:
    """Point 0 outer, 1 inner corner of the eye on the image's right; 2 outer, 3 inner of the other; 4 nose base."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._initial = arrays["initial"].astype(np.float32)
        self._first = arrays["first"].astype(np.intp)
        self._second = arrays["second"].astype(np.intp)
        self._threshold = arrays["threshold"].astype(np.float32)
        cascades, trees = self._first.shape[:2]
        self._leaf = arrays["leaf"].astype(np.float32).reshape(cascades, -1, 2 * POINTS)
        self._anchor = arrays["anchor"].astype(np.intp)
        self._delta_x = np.ascontiguousarray(arrays["delta"][:, :, 0], dtype=np.float32)
        self._delta_y = np.ascontiguousarray(arrays["delta"][:, :, 1], dtype=np.float32)
        # splits and leaves of all trees of one cascade lie in one flat row, so that a node is found by one index
        self._first = self._first.reshape(cascades, -1)
        self._second = self._second.reshape(cascades, -1)
        self._threshold = self._threshold.reshape(cascades, -1)
        self._split_base = np.arange(trees, dtype=np.intp) * SPLITS
        self._leaf_base = np.arange(trees, dtype=np.intp) * (SPLITS + 1)
        self._initial_points = self._initial.reshape(-1, 2).astype(np.float64)

    def locate(self, image: Image, box: FaceBox) -> Landmarks:
        """Return the five points, (5, 2) as x, y in pixels of the BGR image. The box may reach beyond the image."""
        grey, left, top = _grey_around(image, box)
        width, height = float(box.right_px - box.left_px), float(box.bottom_px - box.top_px)
        shape = self._initial
        for cascade in range(len(self._leaf)):
            pixels = self._sampled(cascade, shape, grey, (box.left_px - left, box.top_px - top, width, height))
            shape = self._moved(cascade, shape, pixels)
        points = shape.reshape(-1, 2).astype(np.float64) * (width, height) + (box.left_px, box.top_px)
        return np.floor(points + 0.5).astype(np.int64)

    def _sampled(
        self, cascade: int, shape: NDArray[np.float32], grey: NDArray[np.float32], box: tuple[int, int, float, float]
    ) -> NDArray[np.float32]:
        """Return the grey values at the cascade's sample points around the current shape."""
        left, top, width, height = box
        a, b, _, _ = similarity(self._initial_points, shape.reshape(-1, 2).astype(np.float64))
        cosine, sine = np.float32(a), np.float32(b)
        delta_x, delta_y, anchor = self._delta_x[cascade], self._delta_y[cascade], self._anchor[cascade]
        x = (cosine * delta_x + -sine * delta_y) + shape[0::2][anchor]
        y = (sine * delta_x + cosine * delta_y) + shape[1::2][anchor]
        columns = np.floor(x.astype(np.float64) * width + left + 0.5).astype(np.intp)
        rows = np.floor(y.astype(np.float64) * height + top + 0.5).astype(np.intp)
        if not grey.size:
            return np.zeros(len(columns), dtype=np.float32)
        inside = (columns >= 0) & (rows >= 0) & (columns < grey.shape[1]) & (rows < grey.shape[0])
        flat = np.where(inside, rows * grey.shape[1] + columns, 0)
        pixels = grey.ravel()[flat]
        pixels[~inside] = 0
        return pixels

    def _moved(self, cascade: int, shape: NDArray[np.float32], pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the shape after all trees of a cascade have spoken, summed in float32 in tree order."""
        first, second, threshold = self._first[cascade], self._second[cascade], self._threshold[cascade]
        node = np.zeros(len(self._split_base), dtype=np.intp)
        for _ in range(_DEPTH):
            split = self._split_base + node
            is_greater = pixels[first[split]] - pixels[second[split]] > threshold[split]
            node = 2 * node + 2 - is_greater
        leaves = self._leaf[cascade][self._leaf_base + (node - SPLITS)]
        steps = np.concatenate((shape[None], leaves))
        moved: NDArray[np.float32] = np.add.accumulate(steps, axis=0, dtype=np.float32)[-1]
        return moved


def _grey_around(image: Image, box: FaceBox) -> tuple[NDArray[np.float32], int, int]:
    """Return (r+g+b)//3 of the part of the image that samples can reach, and that part's left top corner."""
    reach_x, reach_y = box.right_px - box.left_px + 1, box.bottom_px - box.top_px + 1
    left, top = max(box.left_px - reach_x, 0), max(box.top_px - reach_y, 0)
    part: Image = image[top : max(box.bottom_px + reach_y + 1, 0), left : max(box.right_px + reach_x + 1, 0)]
    total = part[:, :, 0].astype(np.uint16)
    total += part[:, :, 1]
    total += part[:, :, 2]
    total //= 3
    return total.astype(np.float32), left, top
