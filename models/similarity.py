"""The least-squares similarity between two point sets (Umeyama, IEEE PAMI 13(4), 1991), in two dimensions and double precision."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def similarity(source: Points, target: Points) -> tuple[float, float, float, float]:
    """Return (a, b, x, y) with target = [[a, -b], [b, a]]·source + (x, y), rotation and uniform scale only.

    In two dimensions the singular value decomposition of the general method reduces to one hypotenuse. Reflections never
    arise: landmarks keep their handedness.
    """
    mean_source = source.sum(axis=0) / len(source)
    mean_target = target.sum(axis=0) / len(target)
    from_centre, to_centre = source - mean_source, target - mean_target
    spread = float((from_centre * from_centre).sum())
    if spread == 0.0:
        return 1.0, 0.0, float(mean_target[0] - mean_source[0]), float(mean_target[1] - mean_source[1])
    a = float((to_centre * from_centre).sum()) / spread
    b = float((to_centre[:, 1] * from_centre[:, 0] - to_centre[:, 0] * from_centre[:, 1]).sum()) / spread
    x = float(mean_target[0] - (a * mean_source[0] - b * mean_source[1]))
    y = float(mean_target[1] - (b * mean_source[0] + a * mean_source[1]))
    return a, b, x, y


def rotation_and_scale(a: float, b: float) -> tuple[float, float]:
    """Return the angle in radians and the scale of a similarity."""
    return math.atan2(b, a), math.hypot(a, b)
