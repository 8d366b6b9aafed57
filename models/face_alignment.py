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

Corner = tuple[float, float]


def _reduced(image: Image) -> Image:
    """Return the next pyramid level: 5 x 5 binomial, integer division by 256, every second pixel from index 2.

    In float32, sums of at most 65 280 and their 256th parts are exact; the cast cuts off. (OpenCV rounds whole numbers instead.)
    """
    rows, columns = (image.shape[0] - 3) // 2, (image.shape[1] - 3) // 2
    halved = cv2.pyrDown(image.astype(np.float32))
    return halved[1 : 1 + rows, 1 : 1 + columns].astype(np.uint8)


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
    """Return the chip whose first three corners map to `corners` (left top, right top, left bottom) of the source.

    One colour after another, in double precision and in dlib's order of operations.
    """
    (x0, y0), (x1, y1), (x2, y2) = corners[0], corners[1], corners[2]
    steps = np.arange(CHIP_PX, dtype=np.float64)
    last = CHIP_PX - 1
    x = np.add(steps * ((x1 - x0) / last), (steps * ((x2 - x0) / last) + x0)[:, None]).ravel()
    y = np.add(steps * ((y1 - y0) / last), (steps * ((y2 - y0) / last) + y0)[:, None]).ravel()
    left, top = np.floor(x), np.floor(y)
    x -= left
    y -= top
    rows, columns = source.shape[:2]
    outside: NDArray[np.bool_] | None = None
    if min(left.min(), top.min()) < 0 or left.max() + 1 >= columns or top.max() + 1 >= rows:
        outside = (left < 0) | (top < 0) | (left + 1 >= columns) | (top + 1 >= rows)
        if outside.all():
            return np.zeros((CHIP_PX, CHIP_PX, 3), dtype=np.uint8)
        left[outside] = top[outside] = 0
    top *= columns
    top += left
    index = top.astype(np.intp)
    neighbours = [index, index + 1, index + columns, index + (columns + 1)]
    chip = np.empty((CHIP_PX, CHIP_PX, 3), dtype=np.uint8)
    rest_x, rest_y = 1 - x, 1 - y
    for colour, plane in enumerate(cv2.split(source)):
        upper, right, lower, lower_right = (plane.ravel().take(places).astype(np.float64) for places in neighbours)
        upper *= rest_x
        right *= x
        upper += right
        lower *= rest_x
        lower_right *= x
        lower += lower_right
        upper *= rest_y
        lower *= y
        upper += lower
        chip[:, :, colour] = upper.reshape(CHIP_PX, CHIP_PX)
    if outside is not None:
        chip.reshape(-1, 3)[outside] = 0
    return chip
