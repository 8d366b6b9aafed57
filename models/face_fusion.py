"""Several looks at one face made into one unit-length vector: mirror image, small zooms and turns, several frames.

Every look is brought to unit length, all are added, and the sum is brought to unit length. A fusion is a name, because a calibration
record holds for exactly one: `raw` (the network's own output), `l2`, `flip` (mirror image added), `full` (five views, each with its
mirror image: as aligned, zoomed by 6 % both ways, turned by 5 degrees both ways).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.results import Features, Image

_ZOOM = 1.06
_TURN_DEG = 5.0


class Fusion(StrEnum):
    """How one frame's chip becomes a vector; more looks cost more time (2 embeddings for `flip`, 10 for `full`)."""

    RAW = "raw"
    L2 = "l2"
    FLIP = "flip"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class View:
    """One look at a face: enlarged by `zoom` about the chip's centre and turned."""

    zoom: float
    turn_deg: float


_AS_ALIGNED = (View(1.0, 0.0),)
_FIVE = (*_AS_ALIGNED, View(1 / _ZOOM, 0.0), View(_ZOOM, 0.0), View(1.0, _TURN_DEG), View(1.0, -_TURN_DEG))


def views_of(fusion: Fusion) -> tuple[View, ...]:
    """Return the views that a fusion embeds, the aligned chip first."""
    return _FIVE if fusion is Fusion.FULL else _AS_ALIGNED


def viewed(chip: Image, view: View) -> Image:
    """Return a chip seen another way, resampled from the chip itself, which every aligner gives."""
    rows, columns = chip.shape[:2]
    matrix = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), view.turn_deg, view.zoom)
    seen = cv2.warpAffine(chip, matrix, (columns, rows), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, dtype=np.uint8)


def looks(chip: Image, fusion: Fusion) -> list[Image]:
    """Return the chips that are embedded for a fusion: every view, and behind each its mirror image unless raw or l2."""
    seen = [chip if view == _AS_ALIGNED[0] else viewed(chip, view) for view in views_of(fusion)]
    if fusion in {Fusion.RAW, Fusion.L2}:
        return seen
    return [look for view in seen for look in (view, np.ascontiguousarray(view[:, ::-1]))]


def unit(vectors: NDArray[Any]) -> NDArray[np.float64]:
    """Return rows at unit length; rows of zeros stay."""
    rows = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    units: NDArray[np.float64] = rows / np.where(lengths > 0, lengths, 1)
    return units


def fused(vectors: NDArray[Any] | Sequence[NDArray[Any]]) -> Features:
    """Return one unit-length float32 vector (d,) of several (n, d): each at unit length, added, at unit length."""
    features: Features = unit(unit(np.asarray(vectors)).sum(axis=0)).astype(np.float32)
    return features
