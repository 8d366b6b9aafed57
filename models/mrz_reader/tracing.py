"""The lines inside a block, followed from end to end: a page leans, bends and recedes, and a strip of 32 px forgives little of it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mrz_reader.text_lines import contrast_of_print
from models.results import Image

PATCH_WIDTH_PX: Final = 800
"""Width that a block is sampled to: 30 to 44 characters are then 18 to 27 px wide and about as high."""
_GLYPH_PX = 21
_SLICES = 10
_SHRINK = 4
_STEEPEST = 0.055
_SLOPES = 23
_LOWEST_PX, _HIGHEST_PX = 8, 44
_MOST_LINES = 7

Profile = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TracedLine:
    """A line in patch pixels: its middle as a polynomial of the column (highest power first), glyph height, first and last column."""

    middle: tuple[float, ...]
    height: float
    start: float
    end: float

    def middle_at(self, column: float) -> float:
        """Return the row of the line's middle at a column."""
        return float(np.polyval(self.middle, column))


def traced_lines(patch: Image) -> list[TracedLine]:
    """Return the lines of a grey patch in the direction of the text, from top to bottom."""
    strokes = np.abs(cv2.Sobel(contrast_of_print(patch, _GLYPH_PX), cv2.CV_32F, 1, 0, ksize=3))
    strokes = np.minimum(strokes, max(float(np.percentile(strokes, 97)), 1.0)).astype(np.float32)
    size = (strokes.shape[1] // _SHRINK, strokes.shape[0])
    narrow = cv2.blur(cv2.resize(strokes, size, interpolation=cv2.INTER_AREA), (1, 3)).astype(np.float32)
    slope = _slope(narrow)
    rows = _rows(_sheared_profile(narrow, slope))
    lines = []
    for first, last in rows[:_MOST_LINES]:
        line = _followed(narrow, slope, (first + last) / 2, last - first)
        if line is not None:
            lines.append(line)
    return lines


def _sheared_profile(narrow: Profile, slope: float) -> Profile:
    """Return the mean of each row after taking out a slope (rows per column of the patch), measured at the middle column."""
    height, width = narrow.shape
    matrix = np.array([[1, 0, 0], [-slope * _SHRINK, 1, slope * _SHRINK * width / 2]])
    # the inverse map takes row y, column x to y + slope * (x - middle)
    matrix[1, 0], matrix[1, 2] = slope * _SHRINK, -slope * _SHRINK * width / 2
    level = cv2.warpAffine(narrow, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(level.mean(axis=1), dtype=np.float32)


def _slope(narrow: Profile) -> float:
    """Return the slope at which the rows differ most."""
    slopes = np.linspace(-_STEEPEST, _STEEPEST, _SLOPES)
    spread = [float(np.var(np.diff(_sheared_profile(narrow, slope)))) for slope in slopes]
    return float(slopes[int(np.argmax(spread))])


def _rows(profile: Profile) -> list[tuple[int, int]]:
    """Return first and last row of each line: where the profile stands out between its 15th percentile and its maximum."""
    floor, top = float(np.percentile(profile, 15)), float(profile.max())
    above = profile > floor + 0.32 * (top - floor)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], above, [False]]).astype(np.int8)))
    found = [(int(first), int(last)) for first, last in zip(edges[::2], edges[1::2], strict=True)]
    return [(first, last) for first, last in found if _LOWEST_PX <= last - first <= _HIGHEST_PX]


def _followed(narrow: Profile, slope: float, row: float, height: float) -> TracedLine | None:
    """Follow one line from the middle slice outwards; None when there is too little of it."""
    width = narrow.shape[1]
    bounds = np.linspace(0, width, _SLICES + 1).astype(int)
    profiles = [narrow[:, first:last].mean(axis=1) for first, last in itertools.pairwise(bounds)]
    middles = (bounds[:-1] + bounds[1:]) / 2
    columns, places, weights = [], [], []
    half = _SLICES // 2
    for order in (range(half, _SLICES), range(half - 1, -1, -1)):
        place, last_column = row, width / 2
        for index in order:
            place += slope * _SHRINK * (middles[index] - last_column)
            last_column = middles[index]
            found, weight = _centre(profiles[index], place, height)
            if weight > 0:
                place = 0.5 * place + 0.5 * found
                columns.append(middles[index] * _SHRINK)
                places.append(found)
                weights.append(weight)
    if len(columns) < 4:
        return None
    middle = _fitted(np.array(columns), np.array(places), np.array(weights))
    return _measured(narrow, middle, height)


def _centre(profile: Profile, place: float, height: float) -> tuple[float, float]:
    """Return the centre of what stands out near a row, and how much that is."""
    first, last = max(round(place - 0.95 * height), 0), min(round(place + 0.95 * height) + 1, len(profile))
    if last - first < 4:
        return place, 0.0
    part = profile[first:last]
    part = np.maximum(part - part.min() - 0.25 * np.ptp(part), 0)
    weight = float(part.sum())
    return (float((part * np.arange(first, last)).sum() / weight), weight) if weight > 0 else (place, 0.0)


def _fitted(
    columns: NDArray[np.float64], places: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[float, ...]:
    """Return a polynomial through the places: straight, or bent where that is clearly better; outliers are left out once."""
    weights = np.sqrt(weights / weights.max())
    straight = np.polyfit(columns, places, 1, w=weights)
    away = np.abs(np.polyval(straight, columns) - places)
    kept = away <= max(3 * float(np.median(away)), 2.5)
    columns, places, weights = columns[kept], places[kept], weights[kept]
    if len(columns) < 3:
        return tuple(straight)
    straight = np.polyfit(columns, places, 1, w=weights)
    if len(columns) < 6:
        return tuple(straight)
    bent = np.polyfit(columns, places, 2, w=weights)
    off_straight = float(np.mean((weights * (np.polyval(straight, columns) - places)) ** 2))
    off_bent = float(np.mean((weights * (np.polyval(bent, columns) - places)) ** 2))
    return tuple(bent) if off_bent < 0.4 * off_straight and off_straight > 0.35 else tuple(straight)


def _measured(narrow: Profile, middle: tuple[float, ...], height: float) -> TracedLine | None:
    """Straighten the line and measure glyph height, a better middle, and where it starts and ends."""
    width = narrow.shape[1]
    reach = round(1.3 * height)
    columns = np.arange(width, dtype=np.float32)
    centre = np.polyval(middle, columns * _SHRINK)
    rows = (np.arange(-reach, reach + 1)[:, None] + centre[None]).astype(np.float32)
    level = cv2.remap(
        narrow,
        np.broadcast_to(columns, rows.shape).astype(np.float32),
        rows,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
    )
    profile = level.mean(axis=1)
    inner = profile[reach - round(0.35 * height) : reach + round(0.35 * height) + 1]
    if inner.size == 0:
        return None
    floor = float(min(profile[:reach].min(), profile[reach + 1 :].min()))
    limit = floor + 0.40 * (float(np.median(inner)) - floor)
    above, below = reach, reach
    while above > 0 and profile[above - 1] > limit:
        above -= 1
    while below < 2 * reach and profile[below + 1] > limit:
        below += 1
    glyph = float(below - above + 1)
    shift = (above + below) / 2 - reach
    if not _LOWEST_PX <= glyph <= _HIGHEST_PX:
        return None
    start, end = _ends(level[above : below + 1].mean(axis=0), glyph)
    if end - start < 8 * glyph:
        return None
    return TracedLine((*middle[:-1], middle[-1] + shift), glyph, start, end)


def _ends(ink: Profile, glyph: float) -> tuple[float, float]:
    """Return first and last patch column of a line: the longest stretch without a gap of more than two glyphs and a half."""
    smooth = cv2.blur(ink[None].astype(np.float32), (5, 1))[0]
    limit = 0.30 * float(np.percentile(smooth, 80))
    marked = np.flatnonzero(smooth > limit)
    if marked.size == 0:
        return 0.0, 0.0
    breaks = np.flatnonzero(np.diff(marked) * _SHRINK > 2.5 * glyph)
    firsts = np.concatenate([[0], breaks + 1])
    lasts = np.concatenate([breaks, [marked.size - 1]])
    longest = int(np.argmax(marked[lasts] - marked[firsts]))
    return float(marked[firsts[longest]] * _SHRINK), float((marked[lasts[longest]] + 1) * _SHRINK)
