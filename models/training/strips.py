"""Synthetic strips: a few symbols printed, photographed badly and cut out as the localiser would cut them.

Everything is drawn from the generator that is handed in: the same seed gives the same strip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mrz_reader.strip import MARGIN_RATIO, STRIP_HEIGHT_PX
from models.mrz_reader.symbols import SYMBOLS
from models.results import Image
from models.training.glyphs import CAP_HEIGHT_PX, GlyphSheet
from models.training.strip_text import strip_text
from models.training.strip_wear import backdrop, photographed

LOWEST_GLYPH_PX, HIGHEST_GLYPH_PX = 8.0, 32.0
_LINE_PITCH = (2.3, 3.0)
"""Distance of two lines in glyph heights: 9303-4 puts them 6.35 mm apart, substitutes differ."""
_AROUND_PX = 2 * CAP_HEIGHT_PX

Canvas = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Strip:
    """What the network is taught with: a grey picture 32 px high, and what stands on it."""

    picture: Image
    text: str


def synthetic_strip(rng: np.random.Generator, sheets: Sequence[GlyphSheet], weights: Sequence[float]) -> Strip:
    """Return one strip; `weights` say how often each font is taken."""
    sheet = sheets[int(rng.choice(len(sheets), p=np.asarray(weights) / np.sum(weights)))]
    text = strip_text(rng)
    ink, left, right = _printed(rng, sheet, text)
    darkness = rng.uniform(0.35, 1.0)
    shades = backdrop(rng, ink.shape, darkness)
    uneven = 1.0 - rng.uniform(0, 0.35) * cv2.resize(
        rng.random((2, 12), dtype=np.float32), (ink.shape[1], ink.shape[0]), interpolation=cv2.INTER_CUBIC
    )
    page = shades * (1 - ink * uneven * darkness) + ink * uneven * darkness * rng.uniform(0, 60)
    return Strip(_cut(rng, page.astype(np.float32), left, right), text)


def _printed(rng: np.random.Generator, sheet: GlyphSheet, text: str) -> tuple[Canvas, float, float]:
    """Return coverage of a line (and sometimes of its neighbours), and where the line starts and ends."""
    pitch = sheet.advance_px * rng.uniform(0.93, 1.12)
    width = round(pitch * len(text)) + 2 * _AROUND_PX
    height = CAP_HEIGHT_PX + 2 * _AROUND_PX
    ink = np.zeros((height, width), np.float32)
    sway = rng.uniform(0, 0.03) * CAP_HEIGHT_PX
    _set_line(rng, ink, sheet, text, pitch, _AROUND_PX, sway)
    if rng.random() < 0.45:
        neighbour = "".join(SYMBOLS[index] for index in rng.integers(0, len(SYMBOLS), len(text)))
        away = rng.uniform(*_LINE_PITCH) * CAP_HEIGHT_PX
        for side in (-1, 1) if rng.random() < 0.3 else ((-1,) if rng.random() < 0.5 else (1,)):
            _set_line(rng, ink, sheet, neighbour, pitch, _AROUND_PX + side * away, sway)
    draw = rng.random()
    if draw < 0.40:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
        changed = cv2.dilate(ink, kernel) if draw < 0.25 else cv2.erode(ink, kernel)
        share = np.float32(rng.uniform(0.2, 1.0 if draw < 0.25 else 0.8))
        ink = ink + (changed - ink) * share
    if rng.random() < 0.12:  # ink that does not cover: matrix printers, worn cards
        holes = rng.random(ink.shape, dtype=np.float32)
        ink = ink * (1 - np.float32(rng.uniform(0.2, 0.8)) * cv2.GaussianBlur(holes, (3, 3), 0))
    return ink, float(_AROUND_PX), float(width - _AROUND_PX)


def _set_line(
    rng: np.random.Generator, ink: Canvas, sheet: GlyphSheet, text: str, pitch: float, top: float, sway: float
) -> None:
    """Print symbols with their cap line at row `top`."""
    jitter = rng.normal(0, 1, (len(text), 2)) * sway
    for index, symbol in enumerate(text):
        mask = sheet.masks[symbol]
        x = round(_AROUND_PX + (index + 0.5) * pitch + jitter[index, 0] - mask.shape[1] / 2)
        y = round(top + jitter[index, 1] - CAP_HEIGHT_PX / 2)
        first, last = max(y, 0), min(y + mask.shape[0], ink.shape[0])
        if last <= first or x < 0 or x + mask.shape[1] > ink.shape[1]:
            continue
        place = ink[first:last, x : x + mask.shape[1]]
        np.maximum(place, mask[first - y : last - y], out=place)


def _cut(rng: np.random.Generator, page: Canvas, left: float, right: float) -> Image:
    """Photograph the line at some glyph height and cut it out, a little askew, to 32 px."""
    glyph_px = float(np.exp(rng.uniform(np.log(LOWEST_GLYPH_PX), np.log(HIGHEST_GLYPH_PX))))
    scale = glyph_px / CAP_HEIGHT_PX
    stretch = rng.uniform(0.9, 1.1)
    angle = np.radians(rng.normal(0, 0.9))
    shear = rng.normal(0, 0.05)
    middle = np.array([page.shape[1] / 2, page.shape[0] / 2])
    size = (round(page.shape[1] * scale * stretch), round(page.shape[0] * scale))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.array([[scale * stretch, shear * scale], [0, scale]])
    matrix = np.column_stack([linear, np.array([size[0] / 2, size[1] / 2]) - linear @ middle])
    if scale < 0.8:
        page = cv2.GaussianBlur(page, (0, 0), 0.35 / scale).astype(np.float32)
    shade = float(np.median(page))
    camera = cv2.warpAffine(
        page, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=shade
    )
    shot = photographed(rng, camera.astype(np.float32), glyph_px)
    cut_px = glyph_px * (1 + 2 * MARGIN_RATIO) * rng.uniform(0.88, 1.14)
    centre = np.array([size[0] / 2, size[1] / 2 + rng.normal(0, 0.06) * glyph_px])
    half_px = (right - left) / 2 * scale * stretch
    start = centre[0] - half_px - glyph_px * rng.uniform(-0.15, 1.2)
    end = centre[0] + half_px + glyph_px * rng.uniform(-0.15, 1.2)
    return cut_out(shot, (start, centre[1] - cut_px / 2), (end, centre[1] + cut_px / 2))


def cut_out(picture: Image, first: tuple[float, float], last: tuple[float, float]) -> Image:
    """Return an upright rectangle of a grey picture, 32 px high; blurred first when it shrinks by much."""
    factor = STRIP_HEIGHT_PX / (last[1] - first[1])
    if factor < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / factor).astype(np.uint8)
    width = max(round((last[0] - first[0]) * factor), 16)
    matrix = np.array([[factor, 0, -first[0] * factor], [0, factor, -first[1] * factor]])
    return cv2.warpAffine(
        picture, matrix, (width, STRIP_HEIGHT_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.uint8)
