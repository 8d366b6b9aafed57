"""Quality of one capture: components of ISO/IEC 29794-5 by the standard's names, and measures of our own by names in snake case.

The components' algorithms are not conformant (`face_quality_components.LABEL`). Ours are the geometry of TR-03121-3.1 table 4.3
as far as a face box allows, and stand-ins (`sharpness_laplacian`, `blockiness`) that must never be called the standard's
Sharpness or CompressionArtifacts. -1: could not be assessed. Head size and margins (chin), EyesOpen and MouthClosed (lids,
lips), occlusions and the unified score are not there: five landmarks do not carry them. Motion needs successive frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models import face_quality_components as components
from models.face_quality_components import NOT_ASSESSED
from models.results import FaceBox, HeadPose, Image

_BLOCK_PX = 8
_LARGEST_EXAMINED_PX = 192


def face_quality(
    chip: Image,
    landmarks: NDArray[Any],
    box: FaceBox,
    scale: float,
    frame_px: tuple[int, int] = (0, 0),
    faces: Sequence[FaceBox] = (),
    pose: HeadPose | None = None,
    *,
    part_origin_px: tuple[int, int] = (0, 0),
    frame: Image | None = None,
) -> dict[str, float]:
    """Return the values of one face.

    `landmarks` are in pixels of the part of the image that they were found on: `scale` of its pixels make one image pixel, and its
    left top corner lies at `part_origin_px` of the image. `box`, `faces` (every face found, this one among them) and
    `frame_px` (width, height) are in image pixels. With `frame`, the whole image, blockiness is looked for in the face.
    """
    points = np.asarray(landmarks, dtype=np.float64) / scale + part_origin_px
    on_right, on_left = points[[0, 1]].mean(axis=0), points[[2, 3]].mean(axis=0)
    distance_px = float(np.hypot(*(on_right - on_left)))
    grey = np.asarray(cv2.cvtColor(chip, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    shares = components.luminance_histogram(grey)
    eyes = ((float(on_left[0]), float(on_left[1])), (float(on_right[0]), float(on_right[1])))
    leftward, rightward = components.crops(eyes, distance_px, frame_px)
    values = {
        "inter_eye_distance_px": round(distance_px, 1),
        "face_width_px": float(box.right_px - box.left_px + 1),
        "luminance_mean": round(float(cv2.mean(grey)[0]) / 255, 4),
        "sharpness_laplacian": _sharpness(grey),
        "detection_score": round(box.score, 4),
        "blockiness": NOT_ASSESSED if frame is None else blockiness(frame, box),
        "SingleFacePresent": components.single_face_present(faces or (box,)),
        "InterEyeDistance": components.inter_eye_distance(distance_px, pose),
        "LeftwardCropOfTheFaceImage": leftward,
        "RightwardCropOfTheFaceImage": rightward,
        "HeadPoseYaw": components.head_pose_component(None if pose is None else pose.yaw_deg),
        "HeadPosePitch": components.head_pose_component(None if pose is None else pose.pitch_deg),
        "HeadPoseRoll": components.head_pose_component(None if pose is None else pose.roll_deg),
        **components.luminance_components(shares),
        "IlluminationUniformity": components.illumination_uniformity(grey),
        "NaturalColour": components.natural_colour(chip),
    }
    return {**values, **_geometry(box, frame_px)}


def _sharpness(grey: Image) -> float:
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    return round(float(deviation[0, 0]) ** 2, 1)


def _geometry(box: FaceBox, frame_px: tuple[int, int]) -> dict[str, float]:
    """Return size and place of the box as shares of the frame (TR-03121-3.1 table 4.3, with the face box for the head)."""
    names = ("face_width_ratio", "face_height_ratio", "horizontal_centre_ratio", "vertical_centre_ratio")
    width, height = frame_px
    if width <= 0 or height <= 0:
        return dict.fromkeys(names, NOT_ASSESSED)
    values = (
        (box.right_px - box.left_px + 1) / width,
        (box.bottom_px - box.top_px + 1) / height,
        (box.left_px + box.right_px + 1) / 2 / width,
        (box.top_px + box.bottom_px + 1) / 2 / height,
    )
    return {name: round(value, 4) for name, value in zip(names, values, strict=True)}


def blockiness(frame: Image, box: FaceBox) -> float:
    """Return how much larger steps are across the borders of 8 x 8 blocks than within them: about 1 without visible blocks.

    Looks at up to 192 x 192 px in the middle of the face, on the grid of the image's left top corner, as JPEG and video codecs
    lay it; -1 when the face is too small or has no steps at all.
    """
    rows = _examined(box.top_px, box.bottom_px, frame.shape[0])
    columns = _examined(box.left_px, box.right_px, frame.shape[1])
    if rows is None or columns is None:
        return NOT_ASSESSED
    grey = frame[rows, columns, 1].astype(np.int16)  # green carries most of the luminance
    across = np.abs(np.diff(grey, axis=1)).mean(axis=0, dtype=np.float64)
    down = np.abs(np.diff(grey, axis=0)).mean(axis=1, dtype=np.float64)
    borders, inner = (sum(pair) for pair in zip(_steps(across), _steps(down), strict=True))
    return round(borders / inner, 3) if inner > 0 else NOT_ASSESSED


def _examined(low: int, high: int, size: int) -> slice | None:
    """Return whole blocks in the middle of an interval; None when fewer than two fit."""
    low, high = max(low, 0), min(high + 1, size)
    spare = max((high - low - _LARGEST_EXAMINED_PX) // 2, 0)
    first = -(-(low + spare) // _BLOCK_PX) * _BLOCK_PX
    last = min((high - spare) // _BLOCK_PX * _BLOCK_PX, first + _LARGEST_EXAMINED_PX)
    return slice(first, last) if last - first >= 2 * _BLOCK_PX else None


def _steps(differences: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean step at block borders and the mean step elsewhere."""
    is_border = np.arange(1, len(differences) + 1) % _BLOCK_PX == 0
    return float(differences[is_border].mean()), float(differences[~is_border].mean())
