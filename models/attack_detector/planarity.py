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
# Focal length in longer sides of the frame where the lane does not state it: lenses from 35 to 71 degrees across. Relief is expected
# only where it would be with each of them, for a wrong one makes a motion that shows none look as if it did.
FOCAL_RATIOS = (0.7, 0.9, 1.2, 1.6)
_STATED_WITHIN = (0.95, 1.05)
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


def _facing(ray: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation that turns a ray to the optical axis, about the axis across both."""
    x, y, z = ray / np.linalg.norm(ray)
    return np.array(
        [[1 - x * x / (1 + z), -x * y / (1 + z), -x], [-x * y / (1 + z), 1 - y * y / (1 + z), -y], [x, y, z]]
    )


def expected_relief_px(
    matrix: NDArray[np.float64],
    centre: tuple[float, float],
    width_px: float,
    focal_px: float,
    frame_px: tuple[int, int],
) -> float:
    """Return the disparity that a face would show under the motion that moved a plane by this homography.

    What counts is how far the object turned against the line of sight. So both views are first turned, as if the camera had followed
    the face: somebody who walks and keeps facing the camera shows no relief, and none is expected. Roll shows none either.
    `centre` of the face in the first view; all lengths in pixels of the working frame of `frame_px` width and height.
    """
    camera = np.array([[focal_px, 0, frame_px[0] / 2], [0, focal_px, frame_px[1] / 2], [0, 0, 1]])
    normalised = np.linalg.inv(camera)
    before = normalised @ np.array([*centre, 1.0])
    after = normalised @ matrix @ np.array([*centre, 1.0])
    after /= after[2]
    followed = _facing(after) @ normalised @ matrix @ camera @ _facing(before).T
    followed /= followed[2, 2]
    larger, smaller = np.linalg.svd(followed[:2, :2], compute_uv=False)
    growth = abs(float(np.sqrt(larger * smaller)) - 1.0)
    # a plane that turns is foreshortened and becomes a trapezium; a head's relief forges the trapezium, so it counts no further
    # than foreshortening, or the way across the picture, can account for
    trapezium = float(np.hypot(followed[2, 0], followed[2, 1]))
    foreshortening = float(np.sqrt(max(1 - (smaller / larger) ** 2 - _FORESHORTENING_NOISE**2, 0.0)))
    across = float(np.hypot(*(after - before / before[2])[:2]))
    turn = min(trapezium, foreshortening + across)
    approach = growth * width_px / 2 / focal_px
    return FACE_RELIEF_RATIO * width_px * (turn + approach)


class Planarity:
    """Follows one face; feed it frame by frame."""

    def __init__(self, focal_ratio: float | None = None) -> None:
        """`focal_ratio`: the camera's focal length in longer sides of its frame (1 / (2·tan(half the field of view))), if known."""
        self._focal_ratios = (
            FOCAL_RATIOS if focal_ratio is None else tuple(focal_ratio * part for part in _STATED_WITHIN)
        )
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
            over_noise = self._weigh(views, frame, tracks)
            # shoulders and hair go along, too; only where relief would show do they part from the face's plane
            surround = _surround(views, tracks) if over_noise >= _LEAST_EXPECTED_OVER_NOISE else None
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

    def _weigh(self, views: TwoViews, frame: WorkingFrame, tracks: CornerTracks) -> float:
        """Remember what two views tell, if anything; return how far above the noise a face's relief would stand."""
        width = tracks.anchor.face.width_px
        side = max(frame.grey.shape)
        frame_px = (frame.grey.shape[1], frame.grey.shape[0])
        expected = min(
            expected_relief_px(views.homography, tracks.anchor.face.centre, width, ratio * side, frame_px)
            for ratio in self._focal_ratios
        )
        over_noise = expected / views.noise_px
        is_clear = views.relief_px > max(_CLEAR_RELIEF_OVER_NOISE * views.noise_px, _CLEAR_RELIEF_PX)
        if over_noise < _LEAST_EXPECTED_OVER_NOISE and not is_clear:
            return over_noise
        ratio = min(views.relief_px / max(expected, 1e-6), 1.5)
        weight = min(max(over_noise, views.relief_px / views.noise_px) / _LEAST_EXPECTED_OVER_NOISE, 4.0)
        self._views.append(_View(frame.t_mono_s, ratio, weight))
        return over_noise

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
