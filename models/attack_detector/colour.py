"""Two advisory cues from the face's colours: glare that lies flat on it, and a gamut narrower or bluer than skin in this light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.attack_detector.combination import smooth_step
from models.results import FaceBox, Image

_SIDE_PX = 48
_BURNT_OUT = 250
_DIMMER = 205
_LARGEST_BURNT_SHARE = 0.5  # more is over-exposure, which says nothing
_SMALL_GLARE, _LARGE_GLARE = 0.02, 0.08
_SOFT_EDGE, _SHARP_EDGE = 0.3, 0.7
_NARROW_GAMUT, _WIDE_GAMUT = 1.5, 4.0  # deviation of the two chroma channels together, grey levels
_MONOCHROME = 1.0
_NEUTRAL = 128
_NO_CAST, _BLUE_CAST = 6.0, 16.0  # how much bluer than its surroundings, grey levels of chroma


def face_patch(image: Image, box: FaceBox, reach: float = 1.0) -> Image | None:
    """Return the face at 48x48 (`reach` boxes wide), None when less than half of the box lies inside the frame."""
    half_x, half_y = reach * (box.right_px - box.left_px + 1) / 2, reach * (box.bottom_px - box.top_px + 1) / 2
    x, y = (box.left_px + box.right_px + 1) / 2, (box.top_px + box.bottom_px + 1) / 2
    rows, columns = image.shape[:2]
    left, right = max(int(x - half_x), 0), min(int(x + half_x), columns)
    top, bottom = max(int(y - half_y), 0), min(int(y + half_y), rows)
    if right - left < half_x or bottom - top < half_y or min(right - left, bottom - top) < 8:
        return None
    part = image[top:bottom, left:right]
    step = max(min(part.shape[:2]) // _SIDE_PX, 1)  # every step-th pixel is enough for colours
    size = (_SIDE_PX, _SIDE_PX)
    return np.asarray(cv2.resize(part[::step, ::step], size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def flat_highlights(patch: Image) -> float | None:
    """Return 0 none … 1 a large burnt-out area with a sharp edge, as glare on glass or glossy paper; None when over-exposed.

    Highlights on skin are small and fade out.
    """
    burnt = np.asarray(cv2.inRange(patch, (_BURNT_OUT,) * 3, (255,) * 3), dtype=np.uint8)
    share = cv2.countNonZero(burnt) / burnt.size
    if share > _LARGEST_BURNT_SHARE:
        return None
    if not share:
        return 0.0
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(burnt, connectivity=8)
    largest = 1 + int(statistics[1:count, cv2.CC_STAT_AREA].argmax())
    area = (labels == largest).astype(np.uint8)
    ring = (cv2.dilate(area, np.ones((7, 7), np.uint8)) > 0) & (cv2.dilate(area, np.ones((3, 3), np.uint8)) == 0)
    sharp = float((patch.max(axis=2)[ring] < _DIMMER).mean()) if ring.any() else 0.0
    return smooth_step(_SMALL_GLARE, _LARGE_GLARE, float(area.mean())) * smooth_step(_SOFT_EDGE, _SHARP_EDGE, sharp)


def chroma_gamut(patch: Image, around: Image) -> float | None:
    """Return 0 as skin … 1 nearly grey, or plainly bluer than the surroundings; None when the whole picture is monochrome."""
    face_mean, face_spread = _chroma(patch)
    wide_mean, wide_spread = _chroma(around)
    if wide_spread < _MONOCHROME and np.abs(wide_mean - _NEUTRAL).max() < _MONOCHROME:
        return None
    narrow = 1 - smooth_step(_NARROW_GAMUT, _WIDE_GAMUT, face_spread)
    # blue minus red chroma: skin stands below its surroundings, a cold screen above
    red, blue = face_mean - wide_mean
    return max(narrow, smooth_step(_NO_CAST, _BLUE_CAST, float(blue - red)))


def _chroma(patch: Image) -> tuple[NDArray[np.float64], float]:
    """Return the mean red and blue chroma of a patch's lit pixels, and their deviations together."""
    values = np.asarray(cv2.cvtColor(patch, cv2.COLOR_BGR2YCrCb), dtype=np.uint8)
    lit = np.asarray(cv2.inRange(values, (30, 0, 0), (245, 255, 255)), dtype=np.uint8)
    mean, deviation = cv2.meanStdDev(values, mask=lit if cv2.countNonZero(lit) else None)
    return np.asarray(mean, dtype=np.float64).ravel()[1:], float(np.hypot(*np.asarray(deviation).ravel()[1:]))
