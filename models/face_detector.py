"""Faces in an image by max-margin object detection (King, arXiv:1502.00046); gives dlib's boxes to the pixel.

An image pyramid is packed into one tile, the network passes over it once, then weaker boxes around the same face are dropped.

The smallest face found is about 80 px wide; scale the image first so that the expected face is 100-160 px (`face_scaling`).
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from models.conversion.constants import RGB_MEANS
from models.results import FaceBox, Image
from models.session import Session

WINDOW_PX = 80
_OUTER_MARGIN_PX = 11
_GAP_PX = 10
_SMALLEST_LEVEL_PX = 5
_SUPPRESSION_RATIO = 0.338280094  # intersection over the box around both; beyond it the weaker one is dropped
_STRIDES = 3
_BILINEAR = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

Rectangle = tuple[int, int, int, int]  # left, top, width, height


@lru_cache(maxsize=64)
def tile_layout(width_px: int, height_px: int) -> tuple[int, int, tuple[Rectangle, ...]]:
    """Return width and height of the tile and the place of every pyramid level in it (each 5/6 of the one before).

    First a column downwards, until the next level fits beside the previous one and half of the rest is placed; then upwards
    along the right edge.
    """
    sizes = [(width_px, height_px)]
    while True:
        width, height = (math.floor(5.0 / 6.0 * size) for size in sizes[-1])
        if height < _SMALLEST_LEVEL_PX or width < 1:
            break
        sizes.append((width, height))
    total = sum(height + _GAP_PX for _, height in sizes) - 2 * _GAP_PX
    column, previous = 0, 0
    for width, height in sizes:
        if width <= width_px - previous - _GAP_PX and (column - height_px) * 2 >= total - height_px:
            break
        column += height + _GAP_PX
        previous = width
    column -= _GAP_PX
    places: list[Rectangle] = []
    y = _OUTER_MARGIN_PX
    while y < column and len(places) < len(sizes):
        width, height = sizes[len(places)]
        places.append((_OUTER_MARGIN_PX, y, width, height))
        y += height + _GAP_PX
    y -= _GAP_PX
    right = _OUTER_MARGIN_PX + width_px - 1
    for width, height in sizes[len(places) :]:
        left, top = right - (width - 1), y - 1 - (height - 1)
        if top < _OUTER_MARGIN_PX + height_px:
            break  # it would touch the original image
        places.append((left, top, width, height))
        y -= height + _GAP_PX
    return width_px + 2 * _OUTER_MARGIN_PX, column + 2 * _OUTER_MARGIN_PX, tuple(places)


@lru_cache(maxsize=256)
def column_layout(width_px: int, height_px: int, levels: int) -> tuple[int, int, tuple[Rectangle, ...]]:
    """Return a tile that holds the first `levels` pyramid levels only, one below the other: for a face of a known size."""
    places: list[Rectangle] = []
    y, width, height = _OUTER_MARGIN_PX, width_px, height_px
    while len(places) < levels and height >= _SMALLEST_LEVEL_PX and width >= 1:
        places.append((_OUTER_MARGIN_PX, y, width, height))
        y += height + _GAP_PX
        width, height = math.floor(5.0 / 6.0 * width), math.floor(5.0 / 6.0 * height)
    return width_px + 2 * _OUTER_MARGIN_PX, y - _GAP_PX + _OUTER_MARGIN_PX, tuple(places)


def pyramid_tile(image: Image, levels: int | None = None) -> tuple[NDArray[np.float32], tuple[Rectangle, ...]]:
    """Return the tile (1, 3, H, W) of normalised RGB of a BGR image, and where its levels lie; `levels` None: all of them.

    Each level is made from the one before, plane by plane and in place: bilinear with aligned corners, which OpenCV 5 computes
    in float32 without rounding the coordinates (version 4 rounds them to 1/32 pixel).
    """
    rows, columns = image.shape[:2]
    layout = tile_layout(columns, rows) if levels is None else column_layout(columns, rows, levels)
    tile_width, tile_height, places = layout
    tile = np.zeros((1, 3, tile_height, tile_width), dtype=np.float32)
    planes: list[NDArray[np.float32]] = []
    for left, top, width, height in places:
        larger, planes = planes, [plane[top : top + height, left : left + width] for plane in tile[0]]
        if not larger:
            for plane, mean, source in zip(planes, RGB_MEANS, (2, 1, 0), strict=True):
                np.subtract(image[:, :, source], np.float32(mean), out=plane, dtype=np.float32)
                np.multiply(plane, np.float32(1 / 256), out=plane)
            continue
        step_y, step_x = (
            (large - 1) / max(size - 1, 1) for large, size in zip(larger[0].shape, planes[0].shape, strict=True)
        )
        to_larger = np.array([[step_x, 0, 0], [0, step_y, 0]])
        for source_plane, plane in zip(larger, planes, strict=True):
            cv2.warpAffine(
                source_plane, to_larger, (width, height), dst=plane, flags=_BILINEAR, borderMode=cv2.BORDER_REPLICATE
            )
    return tile, places


def _rounded(value: float) -> int:
    """Return the nearest integer, halves away from zero."""
    return math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5)


def _nearest_place(x: float, y: float, places: tuple[Rectangle, ...]) -> int:
    def distance(place: Rectangle) -> float:
        left, top, width, height = place
        dx = max(left - x, 0.0, x - (left + width - 1))
        dy = max(top - y, 0.0, y - (top + height - 1))
        return dx * dx + dy * dy

    return min(range(len(places)), key=lambda index: distance(places[index]))


def _box(column: int, row: int, score: float, places: tuple[Rectangle, ...]) -> FaceBox:
    x, y = float(column), float(row)
    for _ in range(_STRIDES):
        x, y = x * 2 + 2, y * 2 + 2
    half = (WINDOW_PX - 1) / 2
    level = _nearest_place(x, y, places)
    corners = [x - half, y - half, x + half, y + half]
    corners = [corner - places[level][axis % 2] for axis, corner in enumerate(corners)]
    for _ in range(level):
        corners = [corner * (6.0 / 5.0) + 0.3 for corner in corners]
    left, top, right, bottom = (_rounded(corner) for corner in corners)
    return FaceBox(left, top, right, bottom, score)


def _area(width: int, height: int) -> float:
    return float(max(width, 0) * max(height, 0))


def _suppresses(kept: FaceBox, weaker: FaceBox) -> bool:
    inner = _area(
        min(kept.right_px, weaker.right_px) - max(kept.left_px, weaker.left_px) + 1,
        min(kept.bottom_px, weaker.bottom_px) - max(kept.top_px, weaker.top_px) + 1,
    )
    outer = _area(
        max(kept.right_px, weaker.right_px) - min(kept.left_px, weaker.left_px) + 1,
        max(kept.bottom_px, weaker.bottom_px) - min(kept.top_px, weaker.top_px) + 1,
    )
    return inner / outer > _SUPPRESSION_RATIO


class FaceDetector:
    """Finds faces from about 80 px width on."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def detect(self, image: Image, levels: int | None = None) -> list[FaceBox]:
        """Return the faces of a BGR image, strongest first, in its pixels; boxes may reach beyond the image.

        `levels` looks for faces of the first so many sizes only, each 6/5 of the one before, from 80 px on; None: for all.
        """
        tile, places = pyramid_tile(image, levels)
        scores = self._session.run(tile)[0, 0]
        rows, columns = np.nonzero(scores > 0)
        candidates = [
            _box(column, row, float(scores[row, column]), places)
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        ]
        kept: list[FaceBox] = []
        for candidate in sorted(candidates, key=lambda box: box.score, reverse=True):
            if not any(_suppresses(box, candidate) for box in kept):
                kept.append(candidate)
        return kept
