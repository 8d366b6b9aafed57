"""The aligned chip (150 x 150, padding 0.25) that the embedder was trained on; identical to dlib's, byte for byte.

A similarity from the five-point template to the landmarks gives centre, angle and scale; large faces are first reduced by an
image pyramid; the chip is then sampled bilinearly in double precision and truncated. Black where a neighbour lies outside.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face_landmarks import Landmarks
from models.results import Image
from models.similarity import rotation_and_scale, similarity

CHIP_PX = 150
_PADDING = 0.25
_TEMPLATE = np.array(
    [
        (0.8595674595992, 0.2134981538014),
        (0.6460604764104, 0.2289674387677),
        (0.1205750620789, 0.2137274526848),
        (0.3340850613712, 0.2290642403242),
        (0.4901123135679, 0.6277975316475),
    ]
)
_CHIP_TEMPLATE = (_PADDING + _TEMPLATE) / (2 * _PADDING + 1) * CHIP_PX
_BINOMIAL = np.array([1, 4, 6, 4, 1], dtype=np.float32)

Corner = tuple[float, float]


def _reduced(image: Image) -> Image:
    """Return the next pyramid level: 5 x 5 binomial, integer division by 256, every second pixel from index 2.

    The sums are at most 65 280, so float32 holds them exactly.
    """
    rows, columns = (image.shape[0] - 3) // 2, (image.shape[1] - 3) // 2
    total = cv2.sepFilter2D(image, cv2.CV_32F, _BINOMIAL, _BINOMIAL)[2 : 2 + 2 * rows : 2, 2 : 2 + 2 * columns : 2]
    return (total.astype(np.uint16) >> 8).astype(np.uint8)


def _half(corner: Corner) -> Corner:
    return corner[0] / 2 - 1.25, corner[1] / 2 - 0.75


def _exceeds_chip(low: Corner, high: Corner) -> bool:
    return (high[0] - low[0] + 1) * (high[1] - low[1] + 1) > CHIP_PX * CHIP_PX


def _levels(low: Corner, high: Corner) -> int:
    """Return how often the image is halved: while the halved square still exceeds the chip."""
    count = 0
    low, high = _half(low), _half(high)
    while _exceeds_chip(low, high):
        low, high = _half(low), _half(high)
        count += 1
    return count


def _turned(centre: Corner, point: Corner, angle: float) -> Corner:
    x, y = point[0] - centre[0], point[1] - centre[1]
    cosine, sine = math.cos(angle), math.sin(angle)
    return centre[0] + cosine * x - sine * y, centre[1] + sine * x + cosine * y


def _corners(low: Corner, high: Corner, angle: float) -> list[Corner]:
    centre = ((low[0] + high[0]) / 2, (low[1] + high[1]) / 2)
    square = (low, (high[0], low[1]), (low[0], high[1]), high)
    return [_turned(centre, point, angle) for point in square]


def _bounds(image: Image, corners: list[Corner], grow: float) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom (inclusive) of the grown bounding box of the corners, clipped and rounded."""
    left = max(min(x for x, _ in corners) - grow, 0.0)
    top = max(min(y for _, y in corners) - grow, 0.0)
    right = min(max(x for x, _ in corners) + grow, image.shape[1] - 1.0)
    bottom = min(max(y for _, y in corners) + grow, image.shape[0] - 1.0)
    return math.floor(left + 0.5), math.floor(top + 0.5), math.floor(right + 0.5), math.floor(bottom + 0.5)


def aligned_chip(image: Image, landmarks: Landmarks) -> Image:
    """Return the 150 x 150 BGR chip of the face with these landmarks."""
    a, b, x, y = similarity(_CHIP_TEMPLATE, landmarks.astype(np.float64))
    angle, scale = rotation_and_scale(a, b)
    middle = CHIP_PX / 2
    centre = (a * middle - b * middle + x, b * middle + a * middle + y)
    half = (CHIP_PX * scale - 1) / 2
    low, high = (centre[0] - half, centre[1] - half), (centre[0] + half, centre[1] + half)
    levels = _levels(low, high)
    grow = 2.0
    for _ in range(levels):
        grow = grow * 2 + 2
    left, top, right, bottom = _bounds(image, _corners(low, high, angle), grow)
    if right < left or bottom < top:
        return np.zeros((CHIP_PX, CHIP_PX, 3), dtype=np.uint8)
    source = image[top : bottom + 1, left : right + 1]
    low, high = (low[0] - left, low[1] - top), (high[0] - left, high[1] - top)
    for _ in range(levels):
        if min(source.shape[:2]) < 5:
            return np.zeros((CHIP_PX, CHIP_PX, 3), dtype=np.uint8)
        source = _reduced(source)
        low, high = _half(low), _half(high)
    return _sampled(source, _corners(low, high, angle))


def _sampled(source: Image, corners: list[Corner]) -> Image:
    """Return the chip whose first three corners map to `corners` (left top, right top, left bottom) of the source."""
    (x0, y0), (x1, y1), (x2, y2) = corners[0], corners[1], corners[2]
    steps = np.arange(CHIP_PX, dtype=np.float64)
    last = CHIP_PX - 1
    x = steps[None] * ((x1 - x0) / last) + (steps[:, None] * ((x2 - x0) / last) + x0)
    y = steps[None] * ((y1 - y0) / last) + (steps[:, None] * ((y2 - y0) / last) + y0)
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    inside = (left >= 0) & (top >= 0) & (left + 1 < source.shape[1]) & (top + 1 < source.shape[0])
    if not inside.any():
        return np.zeros((CHIP_PX, CHIP_PX, 3), dtype=np.uint8)
    share_x, share_y = (x - left)[..., None], (y - top)[..., None]
    flat = np.ascontiguousarray(source).reshape(-1, 3)
    index = np.where(inside, top * source.shape[1] + left, 0)
    below = index + source.shape[1]
    below[~inside] = 0
    rest_x = 1 - share_x
    upper: NDArray[np.float64] = rest_x * flat[index] + share_x * flat[index + 1]
    lower: NDArray[np.float64] = rest_x * flat[below] + share_x * flat[below + 1]
    chip = ((1 - share_y) * upper + share_y * lower).astype(np.uint8)
    chip[~inside] = 0
    return chip
