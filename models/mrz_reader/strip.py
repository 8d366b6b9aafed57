"""One line of a zone as the recogniser wants it: 32 px high, ink and paper stretched to -1 and 1. Training uses the same code."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.results import Image

STRIP_HEIGHT_PX: Final = 32
MARGIN_RATIO: Final = 0.45
"""Paper above and below the glyphs, in glyph heights."""
WIDTH_STEP_PX: Final = 8
_WINDOW_PX: Final = 288
_LEAST_CONTRAST: Final = 8.0


def normalised(strip: Image) -> NDArray[np.float32]:
    """Return a grey strip (32 px high) as float32 in [-1, 1]: the 2nd and 98th percentile nearby become -1 and 1.

    A wide strip is stretched piece by piece, because light falls unevenly along a line; the pieces are as wide as those of training.
    """
    values = strip.astype(np.float32)
    width = values.shape[1]
    pieces = max(1, round(width / (_WINDOW_PX / 2)) - 1)
    span = width if pieces == 1 else 2 * width / (pieces + 1)
    centres, low, high = [], [], []
    for piece in range(pieces):
        start = piece * span / 2
        part = values[:, int(start) : max(int(start + span), int(start) + 1)]
        dark, bright = np.percentile(part, (2, 98))
        centres.append(start + span / 2)
        low.append(dark)
        high.append(max(bright, dark + _LEAST_CONTRAST))
    columns = np.arange(width)
    dark_at = np.interp(columns, centres, low)
    bright_at = np.interp(columns, centres, high)
    stretched = (values - dark_at) * (2.0 / (bright_at - dark_at)) - 1.0
    return np.asarray(np.clip(stretched, -1.0, 1.0), dtype=np.float32)


def padded(strip: NDArray[np.float32], width_px: int = 0) -> NDArray[np.float32]:
    """Return the strip widened to `width_px` or the next multiple of 8, with its own median."""
    wanted = max(width_px, -(-strip.shape[1] // WIDTH_STEP_PX) * WIDTH_STEP_PX)
    missing = wanted - strip.shape[1]
    if missing == 0:
        return strip
    return np.pad(strip, ((0, 0), (0, missing)), constant_values=float(np.median(strip)))
