"""Moire: the grid of a screen (or a print's raster) beats with the sensor's and leaves a lone peak in the spectrum. Advisory.

Four scales of the middle of the face. A peak counts against its own neighbourhood, row and column of the spectrum, so that the
edges of brows and mouth do not; the grid of JPEG blocks is left out. Fine pitch or defocus leaves no peak.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from models.attack_detector.combination import smooth_step
from models.results import FaceBox

SCALES = (1.0, 0.71, 0.5, 0.35)
PATCH_PX = 96
_LOWEST_FREQUENCY = 0.12  # cycles per pixel: below it a face has structure of its own
_BLOCK_PX = 8
_AROUND, _PEAK = (9, 9), (3, 3)  # places of the spectrum
_LOW_PEAK, _HIGH_PEAK = 5.0, 9.0  # peak over its neighbourhood; sensor noise and JPEG reach about 4.5
_LARGEST_SHARE = 0.95  # of the face's width that a patch may take


@lru_cache(maxsize=8)
def _window() -> NDArray[np.float32]:
    hann = np.hanning(PATCH_PX).astype(np.float32)
    return np.asarray(np.outer(hann, hann), dtype=np.float32)


@lru_cache(maxsize=8)
def _allowed(scale: float) -> NDArray[np.bool_]:
    """Return the places of the half spectrum that may hold a peak: high enough, and not where JPEG blocks put theirs."""
    down = np.fft.fftfreq(PATCH_PX)[:, None]
    across = np.fft.rfftfreq(PATCH_PX)[None, :]
    allowed = np.hypot(down, across) >= _LOWEST_FREQUENCY
    near = 2.0 / PATCH_PX
    for frequency, other in ((np.abs(down), across), (across, np.abs(down))):
        harmonic = frequency * _BLOCK_PX * scale
        is_grid = np.abs(harmonic - np.round(harmonic)) < near * _BLOCK_PX * scale
        allowed &= ~(is_grid & (other < near))
    return np.asarray(allowed)


def peak_ratio(patch: NDArray[np.float32], scale: float) -> float:
    """Return how far the strongest lone peak of a patch's spectrum stands above its surroundings (1: not at all)."""
    spectrum = np.abs(np.fft.rfft2((patch - patch.mean()) * _window())).astype(np.float32)
    around = np.zeros_like(spectrum)
    # the means over the square, the row and the column around a place, without the peak itself and the places next to it
    for wide, narrow in ((_AROUND, _PEAK), ((_AROUND[0], 1), (_PEAK[0], 1)), ((1, _AROUND[1]), (1, _PEAK[1]))):
        total = np.asarray(cv2.boxFilter(spectrum, -1, wide, normalize=False), dtype=np.float32)
        total -= np.asarray(cv2.boxFilter(spectrum, -1, narrow, normalize=False), dtype=np.float32)
        total /= np.float32(wide[0] * wide[1] - narrow[0] * narrow[1])
        np.maximum(around, total, out=around)
    ratio = spectrum / np.maximum(around, 1e-3)
    return float(ratio[_allowed(scale)].max())


def moire(grey: NDArray[np.uint8], box: FaceBox) -> float | None:
    """Return 0 no peak … 1 a plain one for the face in a grey full frame; None when the face is too small for one patch."""
    width = box.right_px - box.left_px + 1
    x, y = (box.left_px + box.right_px) // 2, (box.top_px + box.bottom_px) // 2
    best = None
    for scale in SCALES:
        side = round(PATCH_PX / scale)
        left, top = x - side // 2, y - side // 2
        if side > _LARGEST_SHARE * width or min(left, top) < 0:
            continue
        part = grey[top : top + side, left : left + side]
        if part.shape != (side, side):
            continue
        if side != PATCH_PX:
            part = np.asarray(cv2.resize(part, (PATCH_PX, PATCH_PX), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
        best = max(best or 0.0, peak_ratio(part.astype(np.float32), scale))
    return None if best is None else smooth_step(_LOW_PEAK, _HIGH_PEAK, best)
