"""What the watch needs to know of one frame, taken in the capture child: a fingerprint of all of it, brightness and contrast of a sample."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_ROWS = 48
_WHITE_LEVEL = 250


@dataclass(frozen=True, slots=True)
class FrameMarks:
    """`digest`: equal only where every pixel is. `luma`, `spread`: mean and deviation of the sample, 0-255. `white_ratio`: of it, 0-1."""

    digest: str
    luma: float
    spread: float
    white_ratio: float


def marks_of(frame: NDArray[Any]) -> FrameMarks:
    """Return the marks of a frame. Of depth (16 bits) the luma says which share has a reading at all, and nothing is ever white."""
    step = max(1, frame.shape[0] // SAMPLE_ROWS)
    sample = frame[::step, ::step]
    digest = f"{zlib.crc32(np.ascontiguousarray(frame).data):08x}"
    if frame.dtype != np.uint8:
        return FrameMarks(digest, round(255 * float(np.count_nonzero(sample)) / sample.size, 2), 0.0, 0.0)
    return FrameMarks(
        digest,
        round(float(sample.mean()), 2),
        round(float(sample.std()), 2),
        round(float(np.count_nonzero(sample >= _WHITE_LEVEL)) / sample.size, 3),
    )
