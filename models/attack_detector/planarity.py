"""Planarity: a print or a still screen that is moved stays a plane; a head under the same motion shows its relief.

Corners on the face are compared between an anchor frame and the newest one. From the homography follows how the object moved, and
from that how much relief a face would have shown. Only where that is well above the noise is there a result: relief as expected
is 0, none is 1. It does not stop bent prints, masks, or a video of a moving head on a screen.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.attack_detector.combination import smooth_step
from models.attack_detector.corner_tracks import FEWEST_CORNERS, CornerTracks
from models.attack_detector.two_view import TwoViews, compared_views, transferred
from models.attack_detector.working_frame import WorkingFrame

# What no homography can explain of a face's depth, in widths of the detector's box, as a deviation of one coordinate. Chosen on the
# tests' rendered head, where the ratio of found to expected comes out between 0.4 and 1; not measured on people.
FACE_RELIEF_RATIO = 0.04
# Focal length in longer sides of the frame where the lane does not state it: a narrow lens, so that relief is rather under-expected.
FOCAL_RATIO = 1.2
_LEAST_EXPECTED_OVER_NOISE = 3.5
_CLEAR_RELIEF_OVER_NOISE = 2.5
_CLEAR_RELIEF_PX = 0.3
_PLANE_BELOW, _HEAD_ABOVE = 0.2, 0.5  # of the expected relief
_FORESHORTENING_NOISE = 0.1
_FEWEST_VIEWS = 3
_HELD_S = 3.0
_ANCHOR_FRAMES = 20
_ANCHOR_S = 2.0
_LEAST_FACE_SHARE = 0.6
_BROKEN_FACE_SHARE = 0.3
_LONGEST_GAP_S = 0.7
_SURROUND_MOTION_PX = 6.0
_SURROUND_FOLLOWS_PX = 0.6
_FEWEST_SURROUND = 6
_FEW_FOLLOW, _MANY_FOLLOW = 0.25, 0.6


@dataclass(frozen=True, slots=True)
class PlanarityResult:
    """`planarity` 0 relief … 1 plane, None: no result, `detail` says why.

    `surround`: 0 … 1 how much of what is around the face keeps to the face's own plane; None when it did not move enough or too few
    corners were followed there.
    """

    planarity: float | None
    surround: float | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _View:
    t_mono_s: float
    relief_ratio: float  # found over expected
    weight: float


def expected_relief_px(
    matrix: NDArray[np.float64], centre: tuple[float, float], width_px: float, focal_px: float
) -> float:
    """Return the disparity that a face would show under the motion that moved a plane by this homography.

    Sideways motion and approach show relief by parallax, a turn out of the picture's plane by its sine; roll shows none.
    All lengths in pixels of the working frame.
    """
    x, y = centre
    here = np.array([x, y, 1.0])
    mapped = matrix @ here
    place = mapped[:2] / mapped[2]
    shift = float(np.hypot(*(place - here[:2])))
    # derivative of the map at the face: rotation, scale, foreshortening
    jacobian = (matrix[:2, :2] - np.outer(place, matrix[2, :2])) / mapped[2]
    larger, smaller = np.linalg.svd(jacobian, compute_uv=False)
    growth = abs(float(np.sqrt(larger * smaller)) - 1.0)
    # a plane that turns is foreshortened and becomes a trapezium; a head's relief forges either, so the smaller counts
    trapezium = float(np.hypot(*(matrix[2, :2] / mapped[2]))) * focal_px
    foreshortening = max(1 - (smaller / larger) ** 2 - _FORESHORTENING_NOISE**2, 0.0)
    turn = min(trapezium, float(np.sqrt(foreshortening)))
    parallax = (shift + growth * width_px / 2) * width_px / focal_px
    return float(FACE_RELIEF_RATIO * (parallax + turn * width_px))


class Planarity:
    """Follows one face; feed it frame by frame."""

    def __init__(self, focal_ratio: float = FOCAL_RATIO) -> None:
        """`focal_ratio`: the camera's focal length in longer sides of its frame (1 / (2·tan(half the field of view)))."""
        self._focal_ratio = focal_ratio
        self._tracks: CornerTracks | None = None
        self._views: deque[_View] = deque()
        self._last_s = 0.0

    def reset(self) -> None:
        """Forget corners, frames and what was seen."""
        self._tracks = None
        self._views.clear()

    def observe(self, frame: WorkingFrame) -> PlanarityResult:
        """Return what the frames up to this one show."""
        tracks = self._tracks
        if (
            tracks is None
            or frame.grey.shape != tracks.anchor.grey.shape
            or frame.t_mono_s - self._last_s > _LONGEST_GAP_S
        ):
            return self._begun(frame)
        self._last_s = frame.t_mono_s
        tracks.follow(frame)
        if tracks.face_share < _BROKEN_FACE_SHARE or tracks.is_face.sum() < FEWEST_CORNERS:
            few = self._begun(frame)
            return PlanarityResult(None, None, few.detail or "track_lost")
        on_face = tracks.is_face
        views = compared_views(
            tracks.start[on_face].astype(np.float64), tracks.now[on_face].astype(np.float64), FEWEST_CORNERS
        )
        surround = None
        if views is not None:
            self._weigh(views, frame, tracks)
            surround = _surround(views, tracks)
        age_s = frame.t_mono_s - tracks.anchor.t_mono_s
        if tracks.frames >= _ANCHOR_FRAMES or age_s > _ANCHOR_S or tracks.face_share < _LEAST_FACE_SHARE:
            self._tracks = CornerTracks(frame)  # the same object, followed without a break: what was seen still holds
        return self._result(frame.t_mono_s, surround)

    def _begun(self, frame: WorkingFrame) -> PlanarityResult:
        self._views.clear()
        self._tracks = CornerTracks(frame)
        self._last_s = frame.t_mono_s
        few = self._tracks.is_face.sum() < FEWEST_CORNERS
        return PlanarityResult(None, None, "too_few_corners" if few else "too_few_frames")

    def _weigh(self, views: TwoViews, frame: WorkingFrame, tracks: CornerTracks) -> None:
        width = tracks.anchor.face.width_px
        focal = self._focal_ratio * max(frame.grey.shape)
        expected = expected_relief_px(views.homography, tracks.anchor.face.centre, width, focal)
        over_noise = expected / views.noise_px
        is_clear = views.relief_px > max(_CLEAR_RELIEF_OVER_NOISE * views.noise_px, _CLEAR_RELIEF_PX)
        if over_noise < _LEAST_EXPECTED_OVER_NOISE and not is_clear:
            return
        ratio = min(views.relief_px / max(expected, 1e-6), 1.5)
        weight = min(max(over_noise, views.relief_px / views.noise_px) / _LEAST_EXPECTED_OVER_NOISE, 4.0)
        self._views.append(_View(frame.t_mono_s, ratio, weight))

    def _result(self, now_s: float, surround: float | None) -> PlanarityResult:
        while self._views and now_s - self._views[0].t_mono_s > _HELD_S:
            self._views.popleft()
        if len(self._views) < _FEWEST_VIEWS:
            return PlanarityResult(None, surround, "too_little_motion")
        weights = np.array([view.weight for view in self._views])
        ratios = np.array([view.relief_ratio for view in self._views])
        ratio = float((weights * ratios).sum() / weights.sum())
        return PlanarityResult(1 - smooth_step(_PLANE_BELOW, _HEAD_ABOVE, ratio), surround)


def _surround(views: TwoViews, tracks: CornerTracks) -> float | None:
    """Return whether corners around the face move with the face's plane, once that motion is plain."""
    around = ~tracks.is_face
    if around.sum() < _FEWEST_SURROUND:
        return None
    start, now = tracks.start[around].astype(np.float64), tracks.now[around].astype(np.float64)
    moved = transferred(views.homography, start)
    if float(np.median(np.hypot(*(moved - start).T))) < _SURROUND_MOTION_PX:
        return None
    follows = np.hypot(*(moved - now).T) < _SURROUND_FOLLOWS_PX + 2 * views.noise_px
    return smooth_step(_FEW_FOLLOW, _MANY_FOLLOW, float(follows.mean()))
