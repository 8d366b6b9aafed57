"""Corners on and around a face, followed by KLT from one anchor frame to the newest frame (Shi and Tomasi, CVPR 1994).

Positions are always measured against the anchor, so that they do not drift; the last positions only say where to look.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.attack_detector.working_frame import Area, WorkingFrame
from models.similarity import similarity

Places = NDArray[np.float32]

_FACE_CORNERS = 70
_SURROUND_CORNERS = 40
_SPACING_PX = 4
_CORNER_QUALITY = 0.04
_FACE_REACH = 1.0  # of the box: an ellipse inside the contour, whose corners belong to nobody
_INNER_REACH, _OUTER_REACH = 1.35, 2.0  # the ring around the face
_WINDOW_REACH = 2.4
_KLT: dict[str, Any] = {
    "winSize": (11, 11),
    "maxLevel": 3,
    "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.01),
}
_RETURN_PX = 0.3  # a corner must come back to where it started
FEWEST_CORNERS = 16
_FEWEST_FOR_A_MAP = 6


def _ellipse_mask(frame: WorkingFrame, reach: float) -> NDArray[np.uint8]:
    mask = np.zeros_like(frame.grey)
    x, y = frame.face.centre
    axes = (round(frame.face.width_px * reach / 2), round(frame.face.height_px * reach / 2))
    return np.asarray(cv2.ellipse(mask, (round(x), round(y)), axes, 0, 0, 360, 255, -1), dtype=np.uint8)


def _corners(frame: WorkingFrame, mask: NDArray[np.uint8], area: Area, count: int) -> Places:
    part, left, top = frame.cut(area)
    if min(part.shape) < 2 * _SPACING_PX:
        return np.zeros((0, 2), dtype=np.float32)
    inside = np.ascontiguousarray(mask[top : top + part.shape[0], left : left + part.shape[1]])
    found: Any = cv2.goodFeaturesToTrack(np.ascontiguousarray(part), count, _CORNER_QUALITY, _SPACING_PX, mask=inside)
    if found is None:
        return np.zeros((0, 2), dtype=np.float32)
    return np.asarray(found.reshape(-1, 2) + np.array([left, top], dtype=np.float32), dtype=np.float32)


def _window(frame: WorkingFrame, size_px: tuple[int, int]) -> tuple[NDArray[np.uint8], Places]:
    """Return the part of this size around the face, moved to stay inside the frame, and its left top corner."""
    rows, columns = frame.grey.shape
    x, y = frame.face.centre
    left = min(max(round(x - size_px[0] / 2), 0), columns - size_px[0])
    top = min(max(round(y - size_px[1] / 2), 0), rows - size_px[1])
    part = np.ascontiguousarray(frame.grey[top : top + size_px[1], left : left + size_px[0]])
    return part, np.array([left, top], dtype=np.float32)


class CornerTracks:
    """The corners of one anchor frame and where they are now. `is_face` tells those on the face from those around it."""

    def __init__(self, anchor: WorkingFrame) -> None:
        face = _ellipse_mask(anchor, _FACE_REACH)
        ring = _ellipse_mask(anchor, _OUTER_REACH)
        ring[_ellipse_mask(anchor, _INNER_REACH) > 0] = 0
        on_face = _corners(anchor, face, anchor.face.grown(_FACE_REACH), _FACE_CORNERS)
        around = _corners(anchor, ring, anchor.face.grown(_OUTER_REACH), _SURROUND_CORNERS)
        self.anchor = anchor
        self.start: Places = np.concatenate([on_face, around])
        self.now: Places = self.start.copy()
        self.is_face = np.arange(len(self.start)) < len(on_face)
        self.frames = 0
        self._points = anchor.points
        self._first_count = len(on_face)
        # both pictures of a comparison have the same size: enough for the surroundings and a frame's motion
        rows, columns = anchor.grey.shape
        side = _WINDOW_REACH * max(anchor.face.width_px, anchor.face.height_px)
        self._window_px = (min(round(side), columns), min(round(side), rows))

    @property
    def face_share(self) -> float:
        """Share of the anchor's face corners that are still followed."""
        return float(self.is_face.sum()) / max(self._first_count, 1)

    def follow(self, frame: WorkingFrame) -> None:
        """Find the corners in the next frame; those that are lost are dropped for good."""
        self.frames += 1
        if not len(self.start):
            return
        guess = self._guessed(frame)
        first, first_corner = _window(self.anchor, self._window_px)
        second, second_corner = _window(frame, self._window_px)
        start, ahead = self.start - first_corner, guess - second_corner
        forward, is_found, _ = cv2.calcOpticalFlowPyrLK(
            first, second, start, ahead.copy(), flags=cv2.OPTFLOW_USE_INITIAL_FLOW, **_KLT
        )
        # the way back starts from where the guess says the corner was, not from the answer
        back, is_back, _ = cv2.calcOpticalFlowPyrLK(
            second, first, forward, forward - (ahead - start), flags=cv2.OPTFLOW_USE_INITIAL_FLOW, **_KLT
        )
        astray = np.abs(back - start).max(axis=1)
        kept = (is_found.ravel() == 1) & (is_back.ravel() == 1) & (astray < _RETURN_PX)
        self.start, self.now, self.is_face = self.start[kept], (forward + second_corner)[kept], self.is_face[kept]
        self._points = frame.points

    def _guessed(self, frame: WorkingFrame) -> Places:
        """Return where the corners should be: on the face they move with the landmarks, around it they stay.

        Face corners start from where one affine map of all of them was, not from each one's own last place: a corner that slid
        along an edge would slide on.
        """
        start = np.column_stack([self.start, np.ones(len(self.start), dtype=np.float32)]).astype(np.float64)
        guess = self.now.astype(np.float64)
        if self.is_face.sum() >= _FEWEST_FOR_A_MAP:
            affine = np.linalg.lstsq(start[self.is_face], guess[self.is_face], rcond=None)[0]
            a, b, x, y = similarity(self._points, frame.points)
            guess[self.is_face] = start[self.is_face] @ affine @ np.array([[a, b], [-b, a]]) + (x, y)
        return guess.astype(np.float32)
