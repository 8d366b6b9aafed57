"""Where long lines of small dark print may be: classical localisation without weights.

A picture is looked at with its long side at 1000 px. For an assumed glyph height, dark detail against the paper around it is joined
sideways into bars; what is long and thin is a line, what is long and less thin may be a zone whose lines have merged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.results import Image

LOOKED_AT_PX: Final = 1000
GLYPH_HEIGHTS_PX: Final = (13, 22)
_SHORTEST_PX = 150.0
_THINNEST_PX = 5.0
_LEAST_RATIO, _LARGEST_RATIO = 4.0, 60.0
"""44 characters are some 43 times as long as high; what is longer and thinner is a seam, a ruled line or the weave of a cloth."""
_STEEPEST_DEG = 50.0
_MOST_BARS = 24
_SAMPLES = 40
_DARKEST = 12.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A long thin thing: centre, length along the text, thickness across it (pixels), angle in degrees (clockwise, ±50).

    `strength` (0-1) is how strongly it stands out: print does, the weave of a cloth hardly.
    """

    x: float
    y: float
    length: float
    thickness: float
    angle: float
    strength: float = 1.0

    @property
    def ratio(self) -> float:
        """Length by thickness."""
        return self.length / self.thickness

    @property
    def weight(self) -> float:
        """Length, less where it stands out less."""
        return self.length * self.strength


def contrast_of_print(grey: Image, glyph_height_px: int) -> NDArray[np.uint8]:
    """Return how much darker each pixel is than the paper around it, relative to the paper: light and shadow drop out."""
    smooth = cv2.blur(grey, (3, 3))
    paper = cv2.morphologyEx(smooth, cv2.MORPH_CLOSE, np.ones((glyph_height_px, glyph_height_px), np.uint8))
    darker = cv2.subtract(paper, smooth)
    return cv2.divide(darker, cv2.convertScaleAbs(paper, alpha=1.0, beta=_DARKEST), scale=255.0).astype(np.uint8)


def bars(grey: Image, glyph_height_px: int) -> list[Bar]:
    """Return the bars that print of this height would make, the heaviest first, from two ways to tell ink from paper."""
    strokes = cv2.convertScaleAbs(cv2.Sobel(contrast_of_print(grey, glyph_height_px), cv2.CV_16S, 1, 0, ksize=3))
    joined = cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, np.ones((3, round(1.2 * glyph_height_px)), np.uint8)).astype(
        np.uint8
    )
    _, overall = cv2.threshold(joined, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    block = 8 * glyph_height_px + 1
    local = cv2.adaptiveThreshold(joined, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, block, -18)
    found: list[Bar] = []
    for mask in (overall, local):
        cleaned = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        cleaned = cv2.morphologyEx(cleaned, cv2.MORPH_CLOSE, np.ones((1, 2 * glyph_height_px), np.uint8))
        contours, _ = cv2.findContours(cleaned, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        found += [bar for contour in contours if (bar := _bar(contour.astype(np.int32), joined)) is not None]
    return sorted(_distinct(found), key=lambda bar: -bar.weight)[:_MOST_BARS]


def _bar(contour: NDArray[np.int32], joined: NDArray[np.uint8]) -> Bar | None:
    _, _, width, height = cv2.boundingRect(contour)
    if math.hypot(width, height) < _SHORTEST_PX:
        return None
    (x, y), (first, second), angle = cv2.minAreaRect(contour)
    if first < second:
        first, second, angle = second, first, angle - 90
    angle = (angle + 90) % 180 - 90
    if first < _SHORTEST_PX or second < _THINNEST_PX or abs(angle) > _STEEPEST_DEG:
        return None
    if not _LEAST_RATIO * second <= first <= _LARGEST_RATIO * second:
        return None
    return Bar(x, y, first, second, angle, _strength(joined, (x, y), first, angle))


def _strength(joined: NDArray[np.uint8], middle: tuple[float, float], length: float, angle_deg: float) -> float:
    """Return the mean of the joined strokes along the middle of a bar, 0-1."""
    along = np.linspace(-0.45, 0.45, _SAMPLES) * length
    angle = math.radians(angle_deg)
    columns = np.clip(middle[0] + along * math.cos(angle), 0, joined.shape[1] - 1).astype(int)
    rows = np.clip(middle[1] + along * math.sin(angle), 0, joined.shape[0] - 1).astype(int)
    return float(joined[rows, columns].mean()) / 255


def _distinct(found: Iterable[Bar]) -> list[Bar]:
    """Return the bars without those that another one, found by the other mask, nearly equals."""
    kept: list[Bar] = []
    for bar in found:
        if not any(
            abs(bar.x - other.x) < 0.05 * other.length
            and abs(bar.y - other.y) < 0.3 * other.thickness
            and abs(bar.length - other.length) < 0.1 * other.length
            and abs(bar.thickness - other.thickness) < 0.25 * other.thickness
            for other in kept
        ):
            kept.append(bar)
    return kept
