"""How well two views of the same points agree with a plane, and with any rigid scene (Hartley and Zisserman, 4.1, 4.4 and 11.3).

A homography explains a plane, a fundamental matrix any rigid scene: what the plane cannot explain and the rigid scene can is relief.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Matrix = NDArray[np.float64]

_HOMOGRAPHY_FREEDOM = 4  # points that a homography explains without residual
_EPIPOLAR_FREEDOM = 8
_REWEIGHTINGS = 3
_SMALLEST_NOISE_PX = 0.08  # the tracker's own precision
# medians of |x| and of hypot(x, y) for normal x, y of deviation 1
_MEDIAN_OF_ONE, _MEDIAN_OF_TWO = 0.6745, 1.1774


def _conditioned(points: Points) -> tuple[Points, Matrix]:
    """Return points with mean 0 and root mean square √2 in homogeneous form, and the matrix that did it."""
    centre = points.mean(axis=0)
    spread = float(np.sqrt(((points - centre) ** 2).sum(axis=1).mean()))
    scale = np.sqrt(2) / spread if spread > 0 else 1.0
    matrix = np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1]])
    return np.column_stack([(points - centre) * scale, np.ones(len(points))]), matrix


def _smallest_direction(rows: Matrix) -> Matrix:
    """Return the unit vector that the rows send closest to zero, as 3x3."""
    _, vectors = np.linalg.eigh(rows.T @ rows)
    return np.asarray(vectors[:, 0].reshape(3, 3), dtype=np.float64)


def homography(first: Points, second: Points) -> Matrix:
    """Return H with second ~ H·first, least squares over all points (direct linear transform)."""
    source, of_source = _conditioned(first)
    target, of_target = _conditioned(second)
    zeros = np.zeros_like(source)
    upper = np.hstack([zeros, -source, target[:, 1:2] * source])
    lower = np.hstack([source, zeros, -target[:, 0:1] * source])
    inner = _smallest_direction(np.vstack([upper, lower]))
    matrix = np.linalg.inv(of_target) @ inner @ of_source
    return np.asarray(matrix / matrix[2, 2])


def transferred(matrix: Matrix, points: Points) -> Points:
    """Return points moved by a homography."""
    moved = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(moved[:, :2] / moved[:, 2:])


def epipolar_distances(first: Points, second: Points) -> Points:
    """Return each second point's distance in pixels from its epipolar line, after a fit that lets strays go (Cauchy weights)."""
    source, _ = _conditioned(first)
    target, of_target = _conditioned(second)
    rows = (target[:, :, None] * source[:, None, :]).reshape(len(source), 9)
    weights = np.ones(len(source))
    distances = np.zeros(len(source))
    for _ in range(_REWEIGHTINGS):
        inner = _smallest_direction(rows * weights[:, None])
        lines = source @ inner.T
        slope = np.maximum(np.hypot(lines[:, 0], lines[:, 1]), 1e-9)
        distances = np.abs((target * lines).sum(axis=1)) / slope / of_target[0, 0]
        limit = 2.5 * max(float(np.median(distances)) / _MEDIAN_OF_ONE, _SMALLEST_NOISE_PX)
        # dividing by the slope turns the algebraic residual into a distance
        weights = 1 / (slope * np.sqrt(1 + (distances / limit) ** 2))
        weights /= weights.max()
    return np.asarray(distances)


@dataclass(frozen=True, slots=True)
class TwoViews:
    """Two views of one object: `relief_px` is what a plane cannot explain, noise taken off; `noise_px` what a rigid scene cannot.

    Both are deviations of one coordinate, from medians; `homography` leads from the first view to the second.
    """

    relief_px: float
    noise_px: float
    homography: Matrix
    points: int


def compared_views(first: Points, second: Points, fewest: int) -> TwoViews | None:
    """Return how two views of the same points differ; None when fewer than `fewest` points agree with a rigid scene."""
    if len(first) < max(fewest, _EPIPOLAR_FREEDOM + 1):
        return None
    distances = epipolar_distances(first, second)
    limit = max(3 * float(np.median(distances)) / _MEDIAN_OF_ONE, 0.3)
    agree = distances < limit
    count = int(agree.sum())
    if count < max(fewest, _EPIPOLAR_FREEDOM + 1):
        return None
    first, second, distances = first[agree], second[agree], distances[agree]
    matrix = homography(first, second)
    misses = np.hypot(*(transferred(matrix, first) - second).T)
    # medians, so that a few corners that slid along an edge count for nothing; both scaled to the deviation of one coordinate
    plane = float(np.median(misses)) / _MEDIAN_OF_TWO * np.sqrt(count / (count - _HOMOGRAPHY_FREEDOM))
    rigid = float(np.median(distances)) / _MEDIAN_OF_ONE * np.sqrt(count / (count - _EPIPOLAR_FREEDOM))
    noise = max(rigid, _SMALLEST_NOISE_PX)
    relief = float(np.sqrt(max(plane**2 - noise**2, 0.0)))
    return TwoViews(relief, noise, matrix, count)
