"""Five landmarks of a face (eye corners and nose base) by an ensemble of regression trees (Kazemi and Sullivan, CVPR 2014).

Gives dlib's points to the pixel: sums run in float32 one leaf after another, grey is (r+g+b)//3, and samples outside the image
read as 0. Every split of a cascade is asked at once; the 15 answers of a tree are the bits of a number that names its leaf.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.results import FaceBox, Image

Landmarks = NDArray[np.int64]
POINTS = 5
SPLITS = 15
LEAVES = SPLITS + 1
_DEPTH = 4
_GREY = np.array([[1, 1, 1, -1]]) / 3  # the nearest whole number to (b+g+r-1)/3 is (b+g+r)//3
_BITS = 16  # per tree: its splits and one that is never true


def _leaf_by_answers() -> NDArray[np.intp]:
    """Return which leaf (0-15) a tree ends in, by the number whose bit i is the answer of split i."""
    answers = np.arange(1 << _BITS)
    node = np.zeros(len(answers), dtype=np.intp)
    for _ in range(_DEPTH):
        node = 2 * node + 2 - (answers >> node & 1)
    return node - SPLITS


def _with_unused_split(values: NDArray[Any], filling: float) -> NDArray[Any]:
    """Return (cascades, trees, 15) as (cascades, trees · 16), the last of each tree filled."""
    cascades, trees = values.shape[:2]
    filled = np.full((cascades, trees, _BITS), filling, dtype=values.dtype)
    filled[:, :, :SPLITS] = values
    return filled.reshape(cascades, -1)


def _mean(values: Sequence[float]) -> float:
    """Return the mean of five numbers, added from left to right on every Python version."""
    first, second, third, fourth, fifth = values
    return (first + second + third + fourth + fifth) / POINTS


class _Centred:
    """The initial shape about its centre, to which every later shape is related by a similarity (Umeyama 1991)."""

    def __init__(self, points: Sequence[float]) -> None:
        x, y = points[0::2], points[1::2]
        middle_x, middle_y = _mean(x), _mean(y)
        self._points = [(px - middle_x, py - middle_y) for px, py in zip(x, y, strict=True)]
        self._spread = sum(px * px + py * py for px, py in self._points)

    def turn_to(self, points: Sequence[float]) -> tuple[float, float]:
        """Return scale·cosine and scale·sine of the similarity to `points` (x, y, x, y, …), in double precision."""
        cosine = sine = 0.0
        middle_x, middle_y = _mean(points[0::2]), _mean(points[1::2])
        for (from_x, from_y), x, y in zip(self._points, points[0::2], points[1::2], strict=True):
            to_x, to_y = x - middle_x, y - middle_y
            cosine += to_x * from_x + to_y * from_y
            sine += to_y * from_x - to_x * from_y
        return cosine / self._spread, sine / self._spread


class FaceLandmarks:
    """Point 0 outer, 1 inner corner of the eye on the image's right; 2 outer, 3 inner of the other; 4 nose base."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._initial = arrays["initial"].astype(np.float32).ravel()
        self._centred = _Centred(self._initial.tolist())
        first, second = arrays["first"].astype(np.intp), arrays["second"].astype(np.intp)
        cascades, trees = first.shape[:2]
        self._first, self._second = _with_unused_split(first, 0), _with_unused_split(second, 0)
        self._threshold = _with_unused_split(arrays["threshold"].astype(np.float32), math.inf)
        self._leaf = arrays["leaf"].astype(np.float32).reshape(cascades, trees * LEAVES, 2 * POINTS)
        self._leaf_base = np.arange(trees, dtype=np.intp) * LEAVES
        self._leaf_by_answers = _leaf_by_answers()
        anchor = arrays["anchor"].astype(np.intp)
        self._anchor = np.stack((2 * anchor, 2 * anchor + 1), axis=1)  # where a sample's anchor lies in the flat shape
        delta = arrays["delta"].astype(np.float32)
        self._delta = np.ascontiguousarray(delta.transpose(0, 2, 1))
        self._across = np.stack((-delta[:, :, 1], delta[:, :, 0]), axis=1)  # the same, a quarter turn on

    def locate(self, image: Image, box: FaceBox) -> Landmarks:
        """Return the five points, (5, 2) as x, y in pixels of the BGR image. The box may reach beyond the image."""
        corner = np.array([[box.left_px], [box.top_px]], dtype=np.float64)
        extent = np.array([[box.right_px - box.left_px], [box.bottom_px - box.top_px]], dtype=np.float64)
        image = np.ascontiguousarray(image)
        shape = self._initial
        for cascade in range(len(self._leaf)):
            shape = self._moved(cascade, shape, _grey(image, self._places(cascade, shape, corner, extent)))
        points = shape.reshape(-1, 2).astype(np.float64) * extent.ravel() + corner.ravel()
        return np.floor(points + 0.5).astype(np.int64)

    def _places(
        self,
        cascade: int,
        shape: NDArray[np.float32],
        corner: NDArray[np.float64],
        extent: NDArray[np.float64],
    ) -> NDArray[np.intp]:
        """Return column and row (2, samples) of the cascade's samples around the current shape."""
        cosine, sine = self._centred.turn_to(shape.tolist())
        turned = np.float32(cosine) * self._delta[cascade]
        turned += np.float32(sine) * self._across[cascade]
        turned += shape.take(self._anchor[cascade])
        places: NDArray[np.float64] = turned * extent
        places += corner
        places += 0.5
        np.floor(places, out=places)
        return places.astype(np.intp)

    def _moved(self, cascade: int, shape: NDArray[np.float32], grey: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the shape after all trees of a cascade have spoken, summed in float32 in tree order."""
        differences = grey.take(self._first[cascade])
        differences -= grey.take(self._second[cascade])
        answers = np.packbits(differences > self._threshold[cascade], bitorder="little").view("<u2")
        leaf = self._leaf_by_answers.take(answers)
        leaf += self._leaf_base
        steps = np.empty((len(leaf) + 1, 2 * POINTS), dtype=np.float32)
        steps[0] = shape
        self._leaf[cascade].take(leaf, axis=0, out=steps[1:], mode="clip")
        # along the first axis rows are added one after another; along the last, numpy would add in pairs
        moved: NDArray[np.float32] = np.add.reduce(steps, axis=0)
        return moved


def _grey(image: Image, places: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return (r+g+b)//3 of a contiguous image at columns and rows (2, samples); 0 outside."""
    rows, columns = image.shape[:2]
    if not image.size:
        return np.zeros(places.shape[1], dtype=np.float32)
    inside = np.maximum(places, 0)
    np.minimum(inside, [[columns - 1], [rows - 1]], out=inside)
    flat = inside[1] * columns
    flat += inside[0]
    pixels = image.reshape(-1, 3).take(flat, axis=0)
    grey = cv2.transform(pixels[None], _GREY).ravel().astype(np.float32)
    if (is_outside := inside != places).any():
        grey[is_outside.any(axis=0)] = 0
    return grey
