"""The border of a print or screen: a near-straight convex quadrilateral that encloses the face and moves with it.

Looked for at half the working scale in the part of the frame four faces wide. Doors and posters are quadrilaterals too, but stay
where they are when the face moves, and a body stands before their lower side. It does not see a medium that fills the view.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.attack_detector.combination import smooth_step
from models.attack_detector.working_frame import Area, WorkingFrame

_REACH = 4.0
_HALF = 0.5
_SMALLEST_PART_PX = 24
_EMPTY_REACH = 0.9  # no border runs through the middle of the face
_FACE_INSIDE = 0.85
_EDGE_LIMITS = (60, 140)
_LEAST_SLOPE = 45  # of a 3x3 Sobel: a step of about 11 grey levels
_ALONG = 0.93  # cosine: within 21 degrees of the side's normal
_CANDIDATES = 3
_STEEPEST_DEG = 30.0
_NARROWEST_CORNER_DEG = 62.0
_PARALLEL = 1e-3
_SAMPLES = 16
_LEAST_COVERED, _WELL_COVERED = 0.6, 0.85
_LEAST_SIDE_COVERED = 0.4
_SHORTEST_LINE_RATIO = 0.45  # of the face's width
_MOVED_RATIO = 0.08  # of the face's width: from here on it can be told whether a border moves along
_STAYS_RATIO, _FOLLOWS_RATIO = 0.25, 0.6  # of the face's own way
_UNCONFIRMED = 0.25  # nothing has moved yet: it may be a door, so it does not accuse by itself
_ACROSS = 0.5  # cosine between a side's normal and the way
_REMEMBERED_S = 2.0
_RECENT_FRAMES = 5

Quadrilateral = NDArray[np.float64]  # (4, 2): left top, right top, right bottom, left bottom
Lines = NDArray[np.float64]  # (n, 4): x1, y1, x2, y2


@dataclass(frozen=True, slots=True)
class BorderResult:
    """`border` 0-1; `quadrilateral` in working pixels, None when none encloses the face."""

    border: float
    quadrilateral: Quadrilateral | None


@dataclass(frozen=True, slots=True)
class _Seen:
    t_mono_s: float
    corners: Quadrilateral
    face: tuple[float, float]


class Border:
    """Finds the border frame by frame and remembers where it was, to tell what moves along."""

    def __init__(self) -> None:
        self._seen: deque[_Seen] = deque()
        self._recent: deque[float] = deque(maxlen=_RECENT_FRAMES)

    def reset(self) -> None:
        """Forget the earlier frames."""
        self._seen.clear()
        self._recent.clear()

    def observe(self, frame: WorkingFrame) -> BorderResult:
        """Return how plain a border is around the face, of this frame and the four before it the second best.

        So neither one frame without its line nor one chance find decides.
        """
        found = enclosing_quadrilateral(frame)
        border, corners = 0.0, None
        if found is not None:
            corners, covered = found
            border = smooth_step(_LEAST_COVERED, _WELL_COVERED, covered)
            share = self._share_of_the_way(corners, frame)
            border *= _UNCONFIRMED if share is None else smooth_step(_STAYS_RATIO, _FOLLOWS_RATIO, share)
            self._seen.append(_Seen(frame.t_mono_s, corners, frame.face.centre))
        self._recent.append(border)
        return BorderResult(sorted(self._recent)[-2] if len(self._recent) > 1 else 0.0, corners)

    def _share_of_the_way(self, corners: Quadrilateral, frame: WorkingFrame) -> float | None:
        """Return which share of the face's way the border went, None while the face has not moved since one was seen."""
        while self._seen and frame.t_mono_s - self._seen[0].t_mono_s > _REMEMBERED_S:
            self._seen.popleft()
        shares = [_share_of_the_way(corners, frame, seen) for seen in self._seen]
        known = [share for share in shares if share is not None]
        return float(np.median(known)) if known else None


def _share_of_the_way(corners: Quadrilateral, frame: WorkingFrame, seen: _Seen) -> float | None:
    """Return which share of the face's way the side went that went least of it; None when the face hardly moved.

    Only sides across the way tell: a side moved along itself looks as before. Two lines of the room that are taken one for the
    other seem to move, but hardly on both sides of the face at once.
    """
    way = np.array(frame.face.centre) - np.array(seen.face)
    length = float(np.hypot(*way))
    if length < _MOVED_RATIO * frame.face.width_px:
        return None
    along = np.roll(seen.corners, -1, axis=0) - seen.corners
    normal = np.column_stack([-along[:, 1], along[:, 0]]) / np.linalg.norm(along, axis=1, keepdims=True)
    due = normal @ way
    middles = (corners + np.roll(corners, -1, axis=0)) / 2
    went = ((middles - seen.corners) * normal).sum(axis=1)
    telling = np.abs(due) > _ACROSS * length
    return float((went[telling] / due[telling]).min()) if telling.any() else None


def enclosing_quadrilateral(frame: WorkingFrame) -> tuple[Quadrilateral, float] | None:
    """Return the quadrilateral around the face whose sides lie best on edges, in working pixels, and the share of them that does."""
    part, left, top = frame.cut(frame.face.grown(_REACH))
    if min(part.shape) < _SMALLEST_PART_PX:
        return None
    small = cv2.resize(part, None, fx=_HALF, fy=_HALF, interpolation=cv2.INTER_AREA)
    face = Area(
        (frame.face.left_px - left) * _HALF,
        (frame.face.top_px - top) * _HALF,
        (frame.face.right_px - left) * _HALF,
        (frame.face.bottom_px - top) * _HALF,
    )
    across = np.asarray(cv2.Sobel(small, cv2.CV_16S, 1, 0, ksize=3), dtype=np.int16)
    down = np.asarray(cv2.Sobel(small, cv2.CV_16S, 0, 1, ksize=3), dtype=np.int16)
    edges = cv2.Canny(across, down, *_EDGE_LIMITS)
    inner = face.grown(_EMPTY_REACH)
    edges[
        max(int(inner.top_px), 0) : max(int(inner.bottom_px), 0),
        max(int(inner.left_px), 0) : max(int(inner.right_px), 0),
    ] = 0
    shortest = max(_SHORTEST_LINE_RATIO * face.width_px, 8)
    lines = cv2.HoughLinesP(edges, 1, np.pi / 180, round(shortest * 0.6), None, shortest, 3)
    if lines is None:
        return None
    sides = _sides(lines.reshape(-1, 4).astype(np.float64), face)
    if any(not len(side) for side in sides):
        return None
    best = _best(sides, face, _Slopes(across, down))
    if best is None:
        return None
    corners, covered = best
    return (corners + 0.5) / _HALF - 0.5 + np.array([left, top]), covered


def _sides(lines: Lines, face: Area) -> tuple[Lines, Lines, Lines, Lines]:
    """Return the longest lines left of, right of, above and below the face, in this order."""
    x, y = face.centre
    step = lines[:, 2:] - lines[:, :2]
    length = np.hypot(step[:, 0], step[:, 1])
    slant = np.degrees(np.arctan2(np.abs(step[:, 1]), np.abs(step[:, 0])))
    upright, level = slant > 90 - _STEEPEST_DEG, slant < _STEEPEST_DEG
    # where an upright line passes the face's middle row, and a level one its middle column
    with np.errstate(divide="ignore", invalid="ignore"):
        column = lines[:, 0] + step[:, 0] * (y - lines[:, 1]) / np.where(step[:, 1] == 0, 1, step[:, 1])
        row = lines[:, 1] + step[:, 1] * (x - lines[:, 0]) / np.where(step[:, 0] == 0, 1, step[:, 0])
    inset_x, inset_y = 0.05 * face.width_px, 0.05 * face.height_px
    chosen = (
        (upright & (column < face.left_px + inset_x), column),
        (upright & (column > face.right_px - inset_x), column),
        (level & (row < face.top_px + inset_y), row),
        (level & (row > face.bottom_px - inset_y), row),
    )
    left, right, above, below = (_longest(lines, length, mask, place) for mask, place in chosen)
    return left, right, above, below


def _longest(lines: Lines, length: NDArray[np.float64], mask: NDArray[np.bool_], place: NDArray[np.float64]) -> Lines:
    """Return up to `_CANDIDATES` lines of the mask, longest first, no two at the same place."""
    kept: list[int] = []
    for index in np.flatnonzero(mask)[np.argsort(-length[mask])]:
        if all(abs(place[index] - place[other]) > 2.5 for other in kept):
            kept.append(int(index))
        if len(kept) == _CANDIDATES:
            break
    return lines[kept]


def _best(sides: tuple[Lines, Lines, Lines, Lines], face: Area, slopes: _Slopes) -> tuple[Quadrilateral, float] | None:
    chosen = np.indices([len(side) for side in sides]).reshape(4, -1)
    left, right, above, below = (_equations(side)[index] for side, index in zip(sides, chosen, strict=True))
    corners = np.stack(
        [np.cross(one, two) for one, two in ((left, above), (right, above), (right, below), (left, below))], axis=1
    )
    flat = np.abs(corners[..., 2:]) < _PARALLEL
    corners = np.where(flat, np.inf, corners[..., :2] / np.where(flat, 1, corners[..., 2:]))
    corners = corners[_are_frames(corners, face)]
    if not len(corners):
        return None
    per_side = slopes.covered(corners)
    covered = np.where(per_side.min(axis=1) >= _LEAST_SIDE_COVERED, per_side.mean(axis=1), 0)
    index = int(covered.argmax())
    return (corners[index], float(covered[index])) if covered[index] >= _LEAST_COVERED else None


def _equations(lines: Lines) -> NDArray[np.float64]:
    """Return (a, b, c) with ax + by + c = 0 for each line, a and b of unit length together."""
    step = lines[:, 2:] - lines[:, :2]
    normal = np.column_stack([-step[:, 1], step[:, 0]]) / np.linalg.norm(step, axis=1, keepdims=True)
    return np.column_stack([normal, -(normal * lines[:, :2]).sum(axis=1)])


def _are_frames(corners: NDArray[np.float64], face: Area) -> NDArray[np.bool_]:
    """Return which of the (n, 4, 2) corners are convex, near rectangular, and have the face inside."""
    is_finite = np.asarray(np.isfinite(corners).all(axis=(1, 2)))
    corners = np.where(is_finite[:, None, None], corners, 0.0)
    after = np.roll(corners, -1, axis=1) - corners
    before = np.roll(corners, 1, axis=1) - corners
    turn = after[..., 0] * before[..., 1] - after[..., 1] * before[..., 0]
    angle = np.degrees(np.arctan2(turn, (after * before).sum(axis=2)))
    inner = face.grown(_FACE_INSIDE)
    points = np.array([(x, y) for y in (inner.top_px, inner.bottom_px) for x in (inner.left_px, inner.right_px)])
    offset = points[:, None, None, :] - corners[None]
    inside = after[..., 0] * offset[..., 1] - after[..., 1] * offset[..., 0] > 0
    is_square = (angle > _NARROWEST_CORNER_DEG) & (angle < 180 - _NARROWEST_CORNER_DEG)
    return np.asarray(is_finite & is_square.all(axis=1) & inside.all(axis=(0, 2)))


class _Slopes:
    """Brightness slopes of the small picture, asked whether a side lies on an edge that runs its own way."""

    def __init__(self, across: NDArray[np.int16], down: NDArray[np.int16]) -> None:
        self._across = across
        self._down = down

    def covered(self, corners: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of each side of (n, 4, 2) corners that lies on such an edge; outside the picture is none: (n, 4)."""
        ends = np.roll(corners, -1, axis=1)
        along = ends - corners
        normal = np.stack([-along[..., 1], along[..., 0]], axis=-1) / np.linalg.norm(along, axis=2, keepdims=True)
        share = ((np.arange(_SAMPLES) + 0.5) / _SAMPLES)[:, None]
        points = corners[:, :, None, :] + share * along[:, :, None, :]
        # one pixel to either side of the line counts as on it
        points = points[:, :, :, None, :] + np.arange(-1, 2)[:, None] * normal[:, :, None, None, :]
        place = np.floor(points + 0.5)
        rows, columns = self._across.shape
        inside = (place >= 0).all(axis=-1) & (place[..., 0] < columns) & (place[..., 1] < rows)
        flat = np.where(inside, place[..., 1] * columns + place[..., 0], 0).astype(np.intp)
        x, y = self._across.ravel()[flat].astype(np.float32), self._down.ravel()[flat].astype(np.float32)
        through = np.abs(x * normal[:, :, None, None, 0] + y * normal[:, :, None, None, 1])
        is_edge = inside & (through > _LEAST_SLOPE) & (through > _ALONG * np.hypot(x, y))
        return np.asarray(is_edge.any(axis=3).mean(axis=2))
