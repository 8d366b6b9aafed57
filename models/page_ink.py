"""Contrast of printed glyphs under another lamp: the strokes of the white picture, looked at in the infrared one (B900, 900 nm)."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.page_light import SATURATED_LEVEL
from models.page_registration import Registered
from models.page_results import InkLook, InkSegment
from models.page_zone import Floats, Glyphs, ZoneShape, darkness
from models.results import Image

_SEGMENT_CHARACTERS: Final = 4
_LEAST_PIXELS: Final = 24
_DARKEST_PAPER: Final = 8.0


def look_at_ink(straight: Image, glyphs: Glyphs, found: Registered, shape: ZoneShape, px_per_cell: float) -> InkLook:
    """Measure the strokes in segments of a few characters. `px_per_cell`: width of a character in the infrared picture."""
    white_dark, white_paper = darkness(straight)
    segments: list[InkSegment] = []
    white: list[float] = []
    for line in range(shape.line_count):
        for first in range(0, shape.length, _SEGMENT_CHARACTERS):
            last = min(first + _SEGMENT_CHARACTERS, shape.length)
            place = (shape.rows(line), shape.columns(first, last))
            strokes, paper = glyphs.strokes[place], glyphs.paper[place]
            if int(strokes.sum()) < _LEAST_PIXELS or int(paper.sum()) < _LEAST_PIXELS:
                continue
            other, printed = found.straight[place].astype(np.float32), straight[place].astype(np.float32)
            white_mass = float((white_dark[place] / np.maximum(white_paper[place], 1.0)).mean())
            segments.append(
                InkSegment(
                    line + 1,
                    first + 1,
                    last,
                    _contrast(other, strokes, paper),
                    _mass(other, paper) / max(white_mass, 1e-3),
                    float((other >= SATURATED_LEVEL).mean()),
                )
            )
            white.append(_contrast(printed, strokes, paper))
    ratio = px_per_cell / (shape.width_px / shape.length)
    shift = (found.shift_px[0] * ratio, found.shift_px[1] * ratio)
    return InkLook(tuple(segments), found.likeness, shift, found.scale, min(white, default=0.0))


def _contrast(picture: Floats, strokes: np.ndarray, paper: np.ndarray) -> float:
    """Return by how much less light the strokes give back than the paper does (print contrast, ISO 1831), in levels of the picture."""
    paper_level = float(np.median(picture[paper]))
    if paper_level < _DARKEST_PAPER:
        return 0.0
    return float(np.clip(1 - float(np.median(picture[strokes])) / paper_level, 0, 1))


def _mass(picture: Floats, paper: np.ndarray) -> float:
    paper_level = max(float(np.median(picture[paper])), 1.0)
    return float(np.clip(1 - picture / paper_level, 0, None).mean())
