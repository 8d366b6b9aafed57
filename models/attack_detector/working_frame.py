"""The small grey picture on which the cues work: the whole frame at one scale per track, the face about 112 px wide in it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.results import FaceBox, Image

FACE_PX = 112
LARGEST_SIDE_PX = 800
SIZE_CHANGE_RATIO = 1.6  # a face that has grown or shrunk by more than this is followed anew at a better scale


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle in pixels of the working frame, edges as pixel borders."""

    left_px: float
    top_px: float
    right_px: float
    bottom_px: float

    @property
    def width_px(self) -> float:
        """Width in pixels."""
        return self.right_px - self.left_px

    @property
    def height_px(self) -> float:
        """Height in pixels."""
        return self.bottom_px - self.top_px

    @property
    def centre(self) -> tuple[float, float]:
        """The middle, x and y in pixels."""
        return (self.left_px + self.right_px) / 2, (self.top_px + self.bottom_px) / 2

    def grown(self, ratio: float) -> Area:
        """Return the rectangle with the same middle, `ratio` times as wide and high."""
        x, y = self.centre
        half_width, half_height = ratio * self.width_px / 2, ratio * self.height_px / 2
        return Area(x - half_width, y - half_height, x + half_width, y + half_height)


@dataclass(frozen=True, slots=True)
class WorkingFrame:
    """One frame made small: `scale` working pixels per pixel of the frame; face and points in working pixels."""

    grey: NDArray[np.uint8]
    scale: float
    face: Area
    points: NDArray[np.float64]
    t_mono_s: float

    def cut(self, area: Area) -> tuple[NDArray[np.uint8], int, int]:
        """Return the part of the grey picture inside the area and the picture, and its left top corner."""
        rows, columns = self.grey.shape
        left, top = max(int(area.left_px), 0), max(int(area.top_px), 0)
        right, bottom = min(int(np.ceil(area.right_px)), columns), min(int(np.ceil(area.bottom_px)), rows)
        return self.grey[top : max(bottom, top), left : max(right, left)], left, top


def scale_for(image: Image, box: FaceBox) -> float:
    """Return the scale at which the face is `FACE_PX` wide; never an enlargement, never a side above `LARGEST_SIDE_PX`."""
    width = max(box.right_px - box.left_px + 1, 1)
    return min(FACE_PX / width, float(LARGEST_SIDE_PX / max(image.shape[:2])), 1.0)


def suits(scale: float, image: Image, box: FaceBox) -> bool:
    """Return whether a track's scale still suits a face of this size."""
    wanted = scale_for(image, box)
    return 1 / SIZE_CHANGE_RATIO < wanted / scale < SIZE_CHANGE_RATIO


def _shrunk(grey: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the picture at this size: halved by the mean of 2x2 as often as fits, then bilinear (four times faster than by area)."""
    while grey.shape[1] >= 2 * size[0] and grey.shape[0] >= 2 * size[1]:
        half = grey[: grey.shape[0] // 2 * 2, : grey.shape[1] // 2 * 2]
        grey = np.asarray(cv2.resize(half, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    if grey.shape[::-1] == size:
        return grey
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def working_frame(
    grey: NDArray[np.uint8], box: FaceBox, points: NDArray[np.float64], scale: float, t_mono_s: float
) -> WorkingFrame:
    """Return the working frame of a grey full frame."""
    rows, columns = grey.shape
    size = (max(round(columns * scale), 1), max(round(rows * scale), 1))
    small = _shrunk(grey, size)
    factor = np.array([size[0] / columns, size[1] / rows])
    left, top = box.left_px * factor[0], box.top_px * factor[1]
    right, bottom = (box.right_px + 1) * factor[0], (box.bottom_px + 1) * factor[1]
    moved = (np.asarray(points, dtype=np.float64) + 0.5) * factor - 0.5
    return WorkingFrame(np.asarray(small, dtype=np.uint8), scale, Area(left, top, right, bottom), moved, t_mono_s)
