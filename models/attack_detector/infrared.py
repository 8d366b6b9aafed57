"""Near infrared under active light: skin is bright with dark eyes, most screens are black, many inks vanish.

Laser prints and masks look as in white light: a bright face clears little.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.attack_detector.combination import smooth_step
from models.results import FaceBox

_LIT = 40.0  # something in the frame must reflect, else the lamp is off
_BLACK, _BRIGHT = 25.0, 55.0
_BLANK, _DRAWN = 0.05, 0.12  # deviation over mean: inks that vanish leave blank paper
_BLANK_WEIGHT = 0.8


def infrared(picture: NDArray[Any], box: FaceBox, frame_px: tuple[int, int]) -> tuple[float | None, str]:
    """Return 0 a lit face … 1 black or blank, and why there is no result.

    `picture`: grey of 8 bits, the same view as the colour frame of `frame_px` width and height, at any resolution.
    """
    if picture.ndim != 2 or picture.dtype != np.uint8 or 0 in picture.shape:
        return None, "infrared_malformed"
    rows, columns = picture.shape
    scale_x, scale_y = columns / frame_px[0], rows / frame_px[1]
    inset_x, inset_y = 0.1 * (box.right_px - box.left_px), 0.1 * (box.bottom_px - box.top_px)
    left, right = max(int((box.left_px + inset_x) * scale_x), 0), int((box.right_px - inset_x) * scale_x)
    top, bottom = max(int((box.top_px + inset_y) * scale_y), 0), int((box.bottom_px - inset_y) * scale_y)
    face = picture[top:bottom, left:right]
    if min(face.shape) < 8:
        return None, "infrared_face_outside"
    coarse = cv2.resize(picture, (80, 60), interpolation=cv2.INTER_AREA)
    if float(np.percentile(np.asarray(coarse), 97)) < _LIT:
        return None, "infrared_dark"
    small = np.asarray(cv2.resize(face, (48, 48), interpolation=cv2.INTER_AREA), dtype=np.float64)
    mean = float(small.mean())
    black = 1 - smooth_step(_BLACK, _BRIGHT, mean)
    blank = 1 - smooth_step(_BLANK, _DRAWN, float(small.std()) / max(mean, 1.0))
    return max(black, _BLANK_WEIGHT * blank), ""
