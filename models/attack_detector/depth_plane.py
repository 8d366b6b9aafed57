"""Depth: a plane fitted to the face's depth readings leaves a print or screen without relief, and a head with plenty.

A plane seen by a pinhole camera is linear in the inverse of depth, so the fit needs no lens. It does not stop a mask, and a bent
print only in part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.attack_detector.combination import smooth_step
from models.results import FaceBox

_NEAREST_MM, _FARTHEST_MM = 150.0, 3000.0
_READINGS = 1200
_FEWEST_READINGS = 150
_LEAST_SHARE = 0.4
_BEHIND_MM = 120.0  # further from the face's median than this is not the face
_TRIALS = 48
_NEAR_PLANE_MM = 6.0
_FLAT_MM, _HEAD_MM = 8.0, 18.0  # spread of the residuals; noise of a good depth camera at 0.7 m stays below the first
_SEED = 14


@dataclass(frozen=True, slots=True)
class DepthResult:
    """`depth` 0 relief … 1 plane, None: no result, `detail` says why. `relief_mm`: from the 10th to the 90th percentile."""

    depth: float | None
    relief_mm: float | None
    detail: str = ""


def depth_plane(depth_mm: NDArray[Any], box: FaceBox, frame_px: tuple[int, int]) -> DepthResult:
    """Return what a depth image (same view as the colour frame of `frame_px` width and height, any resolution) shows.

    0 and NaN mean no reading. Deterministic: the trials are drawn from a fixed seed.
    """
    if depth_mm.ndim != 2 or 0 in depth_mm.shape:
        return DepthResult(None, None, "depth_malformed")
    places, readings, share = _face_readings(depth_mm, box, frame_px)
    if share < _LEAST_SHARE or len(readings) < _FEWEST_READINGS:
        return DepthResult(None, None, "depth_too_few_readings")
    residuals = _residuals_mm(places, readings)
    low, high = np.percentile(residuals, [10, 90])
    relief = float(high - low)
    return DepthResult(1 - smooth_step(_FLAT_MM, _HEAD_MM, relief), round(relief, 1))


def _face_readings(
    depth_mm: NDArray[Any], box: FaceBox, frame_px: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return places (n, 2) and depths of the face's readings, and the share of the face that has one."""
    rows, columns = depth_mm.shape
    scale_x, scale_y = columns / frame_px[0], rows / frame_px[1]
    left, right = max(int(box.left_px * scale_x), 0), min(int((box.right_px + 1) * scale_x), columns)
    top, bottom = max(int(box.top_px * scale_y), 0), min(int((box.bottom_px + 1) * scale_y), rows)
    if right - left < 2 or bottom - top < 2:
        return np.zeros((0, 2)), np.zeros(0), 0.0
    step = max(int(np.sqrt((right - left) * (bottom - top) / _READINGS)), 1)
    y, x = np.mgrid[top:bottom:step, left:right:step]
    middle_x, middle_y = (left + right - 1) / 2, (top + bottom - 1) / 2
    oval = ((x - middle_x) / (right - left)) ** 2 + ((y - middle_y) / (bottom - top)) ** 2 < 0.22
    readings = np.asarray(depth_mm[top:bottom:step, left:right:step], dtype=np.float64)[oval]
    places = np.column_stack([x[oval], y[oval]]).astype(np.float64)
    is_valid = np.isfinite(readings) & (readings > _NEAREST_MM) & (readings < _FARTHEST_MM)
    if not is_valid.any():
        return np.zeros((0, 2)), np.zeros(0), 0.0
    is_face = is_valid & (np.abs(readings - np.median(readings[is_valid])) < _BEHIND_MM)
    return places[is_face], readings[is_face], float(is_face.mean())


def _residuals_mm(places: NDArray[np.float64], readings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each reading's distance along the ray from the plane that most readings agree with (RANSAC, then least squares)."""
    rows = np.column_stack([places - places.mean(axis=0), np.ones(len(places))])
    inverse = 1 / readings
    drawn = np.random.default_rng(_SEED).integers(0, len(rows), (_TRIALS, 3))
    systems = rows[drawn]
    is_sound = np.abs(np.linalg.det(systems)) > 1.0
    if not is_sound.any():
        return np.zeros(len(readings))
    planes = np.linalg.solve(systems[is_sound], inverse[drawn][is_sound][..., None])[..., 0]
    near = np.abs(readings - 1 / np.maximum(planes @ rows.T, 1e-6)) < _NEAR_PLANE_MM
    chosen = near[int(near.sum(axis=1).argmax())]
    if chosen.sum() < 3:
        chosen = np.ones(len(readings), dtype=bool)
    plane = np.linalg.lstsq(rows[chosen], inverse[chosen], rcond=None)[0]
    return np.asarray(readings - 1 / np.maximum(rows @ plane, 1e-6))
