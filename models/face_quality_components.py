"""Components of ISO/IEC 29794-5 that need no model, by the standard's names and OFIQ 1.0.3's formulas.

They are "29794-5 component, non-conformant algorithm" (`LABEL`): landmarks are five points instead of 98, regions come from the
aligned chip instead of a landmark hull, and head pose is fitted to the points instead of estimated by a network (biometrics §15).
Values run from 0 to 100; `NOT_ASSESSED` (-1) means that this capture does not tell, which is not 0.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.results import FaceBox, HeadPose, Image, Point

LABEL = "29794-5 component, non-conformant algorithm"
NOT_ASSESSED = -1.0

_LEVELS = 256
_DARK = 26  # levels 0-25
_BRIGHT = 247  # levels 247-255
_XYZ_OVER_WHITE = (
    (0.412453 / 0.950456, 0.357580 / 0.950456, 0.180423 / 0.950456),
    (0.212671, 0.715160, 0.072169),
    (0.019334 / 1.088754, 0.119193 / 1.088754, 0.950227 / 1.088754),
)
_A_RANGE, _B_RANGE = (5.0, 25.0), (5.0, 35.0)
_COLOURLESS = 1.0  # mean distance of the channels below which a picture is grey and has no colour to judge

# Regions of the chip (150 x 150, eyes at about y = 47): the face without hair and backdrop, and two cheek squares.
_CHIP_PX = 150
_FACE_CENTRE, _FACE_AXES = (75, 80), (43, 54)
_CHEEK_SIDE_PX = 16  # 0.3 of the chip's eye distance of 52.6 px
_CHEEK_CENTRES = ((48, 78), (101, 78))  # below each eye, beside the nose base


def _face_region() -> Image:
    mask = np.zeros((_CHIP_PX, _CHIP_PX), dtype=np.uint8)
    cv2.ellipse(mask, _FACE_CENTRE, _FACE_AXES, 0, 0, 360, 255, -1)
    return mask


_FACE_REGION = _face_region()
_TOP, _LEFT = _FACE_CENTRE[1] - _FACE_AXES[1], _FACE_CENTRE[0] - _FACE_AXES[0]
_REGION_ROWS, _REGION_COLUMNS = slice(_TOP, _TOP + 2 * _FACE_AXES[1] + 1), slice(_LEFT, _LEFT + 2 * _FACE_AXES[0] + 1)
_REGION_MASK = np.ascontiguousarray(_FACE_REGION[_REGION_ROWS, _REGION_COLUMNS])


def sigmoid(x: float) -> float:
    """Return the logistic function; never overflows."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def mapped(x: float, *, h: float, x0: float, w: float, a: float = 0.0, s: float = 1.0) -> float:
    """Return OFIQ's h·(a + s·sigmoid((x - x0)/w)), limited to 0-100."""
    return limited(h * (a + s * sigmoid((x - x0) / w)))


def limited(value: float) -> float:
    """Return a component's value within 0-100, to a tenth."""
    return round(min(max(value, 0.0), 100.0), 1)


def single_face_present(faces: Sequence[FaceBox]) -> float:
    """Return 100·(1 - second largest area / largest area)."""
    if not faces:
        return NOT_ASSESSED
    areas = sorted(((f.right_px - f.left_px + 1) * (f.bottom_px - f.top_px + 1) for f in faces), reverse=True)
    return limited(100 * (1 - (areas[1] / areas[0] if len(areas) > 1 else 0.0)))


def inter_eye_distance(distance_px: float, pose: HeadPose | None) -> float:
    """Return the eye distance, corrected for yaw, mapped around 70 px; without a pose it could not be corrected."""
    if pose is None:
        return NOT_ASSESSED
    cosine = math.cos(math.radians(pose.yaw_deg))
    return mapped(distance_px / cosine, h=100, x0=70, w=20) if cosine > 0 else NOT_ASSESSED


def crops(eyes: tuple[Point, Point], distance_px: float, frame_px: tuple[int, int]) -> tuple[float, float]:
    """Return LeftwardCrop and RightwardCrop: room from the outer eye centre to that edge of the image, in eye distances.

    `eyes` are the centres on the image's left and right.
    """
    if frame_px[0] <= 0 or distance_px <= 0:
        return NOT_ASSESSED, NOT_ASSESSED
    left, right = eyes[0][0] / distance_px, (frame_px[0] - eyes[1][0]) / distance_px
    return mapped(left, h=100, x0=0.9, w=0.1), mapped(right, h=100, x0=0.9, w=0.1)


def head_pose_component(angle_deg: float | None) -> float:
    """Return 100·max(0, cos)² of one angle."""
    if angle_deg is None:
        return NOT_ASSESSED
    return limited(100 * max(0.0, math.cos(math.radians(angle_deg))) ** 2)


def luminance_histogram(grey: Image) -> NDArray[np.float64]:
    """Return the shares of the 256 grey levels in the face region of a chip."""
    counts = cv2.calcHist([grey[_REGION_ROWS, _REGION_COLUMNS]], [0], _REGION_MASK, [_LEVELS], [0, _LEVELS])
    shares: NDArray[np.float64] = counts.ravel() / counts.sum(dtype=np.float64)
    return shares


def luminance_components(shares: NDArray[np.float64]) -> dict[str, float]:
    """Return the five components that need nothing but the histogram of the face region."""
    levels = np.arange(_LEVELS) / (_LEVELS - 1)
    mean = float(shares @ levels)
    variance = float(shares @ np.square(levels - mean))
    present = shares[shares > 0]
    entropy_bits = -float(present @ np.log2(present))
    dark, bright = float(shares[:_DARK].sum()), float(shares[_BRIGHT:].sum())
    return {
        "LuminanceMean": limited(100 * sigmoid((mean - 0.2) / 0.05) * (1 - sigmoid((mean - 0.8) / 0.05))),
        "LuminanceVariance": limited(100 * math.sin(math.pi * 60 * variance / (60 * variance + 1))),
        "DynamicRange": limited(12.5 * entropy_bits),
        "UnderExposurePrevention": mapped(dark, h=120, a=0.832, s=-1, x0=0.92, w=0.05),
        "OverExposurePrevention": limited(1 / (bright + 0.01)),
    }


def illumination_uniformity(grey: Image) -> float:
    """Return 100·(overlap of the two cheeks' histograms)^0.3."""
    half = _CHEEK_SIDE_PX // 2
    left, right = (
        cv2.calcHist([grey[y - half : y + half, x - half : x + half]], [0], None, [_LEVELS], [0, _LEVELS]).ravel()
        for x, y in _CHEEK_CENTRES
    )
    overlap = float(np.minimum(left, right).sum()) / _CHEEK_SIDE_PX**2
    return limited(100 * overlap**0.3)


def lab_colour(red: float, green: float, blue: float) -> tuple[float, float]:
    """Return a* and b* of an sRGB colour of 0 … 1 (IEC 61966-2-1; CIE 15, white D65).

    By the formula: OpenCV makes a table of a seventh of a second for the first colour it is asked, and a worker asks for one a face.
    """
    linear = [((value + 0.055) / 1.055) ** 2.4 if value > 0.04045 else value / 12.92 for value in (red, green, blue)]
    x, y, z = (math.fsum(map(operator.mul, row, linear)) for row in _XYZ_OVER_WHITE)
    fx, fy, fz = (one ** (1 / 3) if one > 216 / 24389 else (24389 / 27 * one + 16) / 116 for one in (x, y, z))
    return 500 * (fx - fy), 200 * (fy - fz)


def natural_colour(chip: Image) -> float:
    """Return how far the mean colour of the face region lies from the range of skin; -1 for a picture without colour."""
    mean = cv2.mean(chip[_REGION_ROWS, _REGION_COLUMNS], _REGION_MASK)[:3]
    if max(mean) - min(mean) < _COLOURLESS:
        return NOT_ASSESSED
    a, b = lab_colour(*(value / (_LEVELS - 1) for value in reversed(mean)))
    away = math.hypot(*(max(low - value, 0.0, value - high) for value, (low, high) in ((a, _A_RANGE), (b, _B_RANGE))))
    return mapped(away, h=200, a=1, s=-1, x0=0, w=10)
