"""Turn of a head from five landmarks: a rigid mean face is fitted to the points (perspective-n-point), coarse and deterministic.

Five points carry little: pitch rests on how long the nose looks, and noses differ by about as much as ten degrees of pitch. Good
enough to ask somebody to face the camera, to rank frames and to follow a turn of the same head; not the head pose measurement of
ISO/IEC 29794-5, which wants a network (biometrics §15).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.results import HeadPose

MEAN_FACE_MM = np.array(
    [
        (43.9, 0.0, 0.0),
        (18.6, 1.8, -6.0),
        (-43.9, 0.0, 0.0),
        (-18.6, 1.8, -6.0),
        (0.0, 47.9, -21.0),
    ]
)
"""The five points in millimetres (x to the person's left, y down, z away from the camera), in the order of the landmarks: 0 outer,
1 inner corner of the person's left eye, 2 outer, 3 inner corner of the right, 4 nose base. Widths and heights are those of the
alignment template, made symmetric and scaled to 88 mm between the outer corners, the nose 3 % higher, which brings the median
pitch of press photographs from 7 to 5 degrees; depths are anthropometric means, rounded."""

_OUTER_WIDTH_MM = float(MEAN_FACE_MM[0, 0] - MEAN_FACE_MM[2, 0])
_SMALLEST_WIDTH_PX = 4.0
_GOOD_FIT = 0.02
"""Distance of the fitted points from the landmarks, in widths of the face, from which another start is tried."""
_TURNED_DEG = (-40.0, 40.0)
_FAR_AWAY = 20.0
"""Focal length in widths of the face, where the frame's size is not known: nearly parallel projection."""


def head_pose(points: ArrayLike, frame_px: tuple[int, int]) -> HeadPose | None:
    """Return the turn of the head relative to the line of sight; None when the points lie too close together or fit no face.

    `points` are (5, 2) x and y in pixels of a frame of `frame_px` (width, height); the camera is taken to be a generic one with a
    focal length of one frame width (about 53 degrees across). A face that looks into the lens is frontal wherever it stands in
    the frame. Raises `ValueError` for another shape or points that are no numbers.
    """
    image = np.asarray(points, dtype=np.float64)
    if image.shape != MEAN_FACE_MM[:, :2].shape or not np.isfinite(image).all():
        raise ValueError("five points with two finite coordinates each are needed")
    across = image[0] - image[2]
    width = math.hypot(*across)
    if width < _SMALLEST_WIDTH_PX:
        return None
    focal_px = float(frame_px[0]) if frame_px[0] > 0 else _FAR_AWAY * width
    # moved to the optical axis: what is left is the turn relative to the line of sight
    centred = image - image.mean(axis=0)
    tilt = math.degrees(math.atan2(-across[1], across[0]))
    # the search starts from a face that looks here, tilted as the eyes are; where that fits badly, from one turned aside
    best = _fitted(centred, width, focal_px, HeadPose(0.0, 0.0, tilt))
    if best is None or best[0] > _GOOD_FIT * width:
        others = (_fitted(centred, width, focal_px, HeadPose(yaw, 0.0, tilt)) for yaw in _TURNED_DEG)
        best = min((one for one in (best, *others) if one is not None), key=lambda one: one[0], default=None)
    return None if best is None else pose_of(best[1])


def _fitted(
    points: NDArray[np.float64], width_px: float, focal_px: float, start: HeadPose
) -> tuple[float, NDArray[np.float64]] | None:
    """Return the root mean square distance in pixels and the rotation of the fit that begins at `start`; None without one."""
    camera = np.array([(focal_px, 0.0, 0.0), (0.0, focal_px, 0.0), (0.0, 0.0, 1.0)])
    turned = rotation_of(start)
    distance = np.array([0.0, 0.0, focal_px * _OUTER_WIDTH_MM / width_px])
    translation = distance - turned @ MEAN_FACE_MM.mean(axis=0)
    is_fitted, rotation, moved = cv2.solvePnP(
        MEAN_FACE_MM, points, camera, None, cv2.Rodrigues(turned)[0], translation, useExtrinsicGuess=True
    )
    if not is_fitted or not np.isfinite(rotation).all() or float(np.ravel(moved)[2]) <= 0:
        return None
    projected, _ = cv2.projectPoints(MEAN_FACE_MM, rotation, moved, camera, None)
    error_px = float(np.sqrt(np.square(projected[:, 0] - points).sum(axis=1).mean()))
    return error_px, np.asarray(cv2.Rodrigues(rotation)[0], dtype=np.float64)


def pose_of(rotation: NDArray[np.float64]) -> HeadPose:
    """Return the angles of a rotation (3, 3) that takes the mean face to the camera's axes: roll first, then pitch, then yaw.

    Yaw and pitch say where the nose points, roll how the eyes then stand.
    """
    nose = -rotation[:, 2]
    yaw = math.atan2(nose[0], -nose[2])
    pitch = math.asin(min(max(-float(nose[1]), -1.0), 1.0))
    levelled = rotation_of(HeadPose(math.degrees(yaw), math.degrees(pitch), 0.0)).T @ rotation
    roll = math.atan2(-levelled[1, 0], levelled[0, 0])
    return HeadPose(round(math.degrees(yaw), 1), round(math.degrees(pitch), 1), round(math.degrees(roll), 1))


def rotation_of(pose: HeadPose) -> NDArray[np.float64]:
    """Return the rotation (3, 3) of a pose; the inverse of `pose_of`."""
    yaw, pitch, roll = (math.radians(angle) for angle in (pose.yaw_deg, pose.pitch_deg, pose.roll_deg))
    about_y = np.array([(math.cos(yaw), 0, -math.sin(yaw)), (0, 1, 0), (math.sin(yaw), 0, math.cos(yaw))])
    about_x = np.array([(1, 0, 0), (0, math.cos(pitch), math.sin(pitch)), (0, -math.sin(pitch), math.cos(pitch))])
    about_z = np.array([(math.cos(roll), math.sin(roll), 0), (-math.sin(roll), math.cos(roll), 0), (0, 0, 1)])
    rotation: NDArray[np.float64] = about_y @ about_x @ about_z
    return rotation
