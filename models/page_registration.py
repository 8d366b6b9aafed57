"""Where the zone of one picture lies in another of the same reader: a small shift, scale and skew, found by the lines themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.page_zone import CELL_PX, Corners, Floats, ZoneShape, darkness, straightened
from models.results import Image

_ROOM_PX: Final = 2 * CELL_PX
"""How far the zone is looked for: two characters in every direction."""
_PARTS: Final = 3
_SURE: Final = 0.3


@dataclass(frozen=True, slots=True)
class Registered:
    """The zone out of the other picture, in the pixels of the first: `straight`, and how alike the two are (-1 to 1).

    `shift_px` (along, across) in pixels of a straightened zone, `scale` along the lines. Nothing alike was found: no shift, no scale.
    """

    straight: Image
    likeness: float
    shift_px: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0


def registered(dark: Floats, other: Image, corners: Corners, shape: ZoneShape) -> Registered:
    """Find the zone whose darkness is `dark` in another grey picture, near `corners` there."""
    room = straightened(other, corners, shape, _ROOM_PX)
    room_dark, _ = darkness(room)
    whole, shift = _best(room_dark, dark, (_ROOM_PX, _ROOM_PX), _ROOM_PX)
    if whole < _SURE:
        return Registered(_sampled(room, dark.shape, (0.0, 0.0), 1.0, 0.0), max(whole, 0.0))
    scale, skew, along, across = _fitted(room_dark, dark, shift)
    return Registered(_sampled(room, dark.shape, (along, across), scale, skew), whole, (along, across), scale)


def _best(room: Floats, part: Floats, at: tuple[int, int], reach: int) -> tuple[float, tuple[float, float]]:
    """Return the correlation of a part at its best place within `reach` of (column, row), and how far that is away."""
    height, width = part.shape
    left, top = max(at[0] - reach, 0), max(at[1] - reach, 0)
    searched = room[top : at[1] + reach + height, left : at[0] + reach + width]
    if searched.shape[0] < height or searched.shape[1] < width or float(part.std()) < 1e-3:
        return 0.0, (0.0, 0.0)
    likeness = cv2.matchTemplate(searched, part, cv2.TM_CCOEFF_NORMED)
    _, best, _, place = cv2.minMaxLoc(np.nan_to_num(likeness, posinf=0.0, neginf=0.0))
    return float(best), (float(left + place[0] - at[0]), float(top + place[1] - at[1]))


def _fitted(room: Floats, dark: Floats, shift: tuple[float, float]) -> tuple[float, float, float, float]:
    """Return scale, skew and shift from the places of the parts of the zone, starting from that of the whole."""
    width = dark.shape[1] // _PARTS
    middles, alongs, acrosses, weights = [], [], [], []
    for number in range(_PARTS):
        left = number * width
        at = (round(_ROOM_PX + left + shift[0]), round(_ROOM_PX + shift[1]))
        likeness, (along, across) = _best(room, dark[:, left : left + width], at, CELL_PX // 2)
        if likeness >= _SURE:
            middles.append(left + width / 2)
            alongs.append(shift[0] + along)
            acrosses.append(shift[1] + across)
            weights.append(likeness)
    if len(middles) < 2:
        return 1.0, 0.0, shift[0], shift[1]
    slope, along = np.polyfit(middles, alongs, 1, w=weights)
    skew, across = np.polyfit(middles, acrosses, 1, w=weights)
    return 1.0 + float(slope), float(skew), float(along), float(across)


def _sampled(room: Image, size: tuple[int, int], shift: tuple[float, float], scale: float, skew: float) -> Image:
    matrix = np.array([[scale, 0, _ROOM_PX + shift[0]], [skew, 1, _ROOM_PX + shift[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(room, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)


def likeness_of(one: Floats, other: Floats, reach_px: int = 3) -> float:
    """Return the correlation of two equally large pieces at the best shift of a few pixels; 0 where one of them is empty."""
    height, width = one.shape
    if height <= 2 * reach_px or width <= 2 * reach_px:
        return 0.0
    best, _ = _best(other, one[reach_px:-reach_px, reach_px:-reach_px], (reach_px, reach_px), reach_px)
    return best
