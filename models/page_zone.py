"""A zone straightened out of a picture: every character in a cell of known size, whatever the picture's resolution and turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.results import Image

CELL_PX: Final = 32
"""Width of a character in a straightened zone: strokes of OCR-B are four pixels wide there."""
_LINE_TO_GLYPH: Final = 2.55
"""Distance of two lines in heights of a glyph (ICAO Doc 9303-3 §4.5: lines 6.35 mm apart, OCR-B size 1)."""
_CLOSED_PX: Final = 21
_INK_SHARE, _STROKE_SHARE = 0.35, 0.7

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Corners = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ZoneShape:
    """Size of a straightened zone: lines, characters in a line, height of the text in pixels, and the margin around it."""

    line_count: int
    length: int
    height_px: int
    margin_px: int

    @classmethod
    def of(cls, corners: Corners, line_count: int, length: int) -> ZoneShape:
        """Return the shape of a zone whose corners run clockwise from the top left of the text."""
        wide = float(np.linalg.norm(corners[1] - corners[0]) + np.linalg.norm(corners[2] - corners[3]))
        high = float(np.linalg.norm(corners[3] - corners[0]) + np.linalg.norm(corners[2] - corners[1]))
        height_px = round(length * CELL_PX * high / max(wide, 1e-6))
        return cls(line_count, length, min(max(height_px, CELL_PX), 8 * CELL_PX), CELL_PX)

    @property
    def width_px(self) -> int:
        """Width of the text."""
        return self.length * CELL_PX

    def rows(self, line: int) -> slice:
        """Return the rows of a line (from 0) in a zone with its margin."""
        glyph = self.height_px / (1 + (self.line_count - 1) * _LINE_TO_GLYPH)
        top = self.margin_px + line * _LINE_TO_GLYPH * glyph
        return slice(max(round(top - 0.15 * glyph), 0), round(top + 1.15 * glyph))

    def columns(self, first: int, last: int) -> slice:
        """Return the columns from a position to another (from 0, the last one not included)."""
        return slice(self.margin_px + first * CELL_PX, self.margin_px + last * CELL_PX)


def straightened(picture: Image, corners: Corners, shape: ZoneShape, room_px: int = 0) -> Image:
    """Return the zone with its margin, and `room_px` more on every side, out of a grey or BGR picture."""
    edge = float(shape.margin_px + room_px)
    right, bottom = edge + shape.width_px, edge + shape.height_px
    target = np.array([[edge, edge], [right, edge], [right, bottom], [edge, bottom]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    size = (round(right + edge), round(bottom + edge))
    shrinks = np.linalg.norm(corners[1] - corners[0]) > 1.5 * shape.width_px
    flags = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.warpPerspective(picture, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)


def darkness(straight: Image) -> tuple[Floats, Floats]:
    """Return how much darker than the paper around it each pixel of a grey zone is, and the paper's brightness there."""
    kernel = np.ones((_CLOSED_PX, _CLOSED_PX), np.uint8)
    paper = cv2.blur(cv2.morphologyEx(straight, cv2.MORPH_CLOSE, kernel), (_CLOSED_PX, _CLOSED_PX)).astype(np.float32)
    return np.clip(paper - straight, 0, None).astype(np.float32), paper


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The print of a straightened zone: the middle of its strokes, and everything that is surely paper."""

    strokes: Mask
    paper: Mask

    @classmethod
    def of(cls, dark: Floats, shape: ZoneShape) -> Glyphs:
        """Return the glyphs that the darkness of a white picture shows."""
        inside = dark[shape.margin_px : -shape.margin_px, shape.margin_px : -shape.margin_px]
        full = float(np.percentile(inside, 95))
        ink = dark >= max(_INK_SHARE * full, 1.0)
        near = cv2.dilate(ink.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        return cls(dark >= max(_STROKE_SHARE * full, 1.0), ~near)
