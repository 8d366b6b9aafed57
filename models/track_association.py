"""Which face of this frame continues which track: by motion and overlap, and only where no other answer is possible.

An association that could as well be swapped is no association: where one face is plausible for two tracks, two faces for one
track, or two faces overlap heavily, the tracks end there, and what is seen gets new ids. Identity is never carried by a guess.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.face_scaling import width_px
from models.results import DetectedFace, FaceBox

HEAVY_OVERLAP_RATIO = 0.3
_SAME_FACE_RATIO = 0.4
_LARGEST_GROWTH_RATIO = 1.5


@dataclass(frozen=True, slots=True)
class Expectation:
    """Where a track was last seen, and where its motion leads it by now."""

    last: FaceBox
    predicted: FaceBox


def centre(box: FaceBox) -> tuple[float, float]:
    """Return the middle of a box in pixels."""
    return (box.left_px + box.right_px) / 2, (box.top_px + box.bottom_px) / 2


def _area(box: FaceBox) -> int:
    return width_px(box) * (box.bottom_px - box.top_px + 1)


def _shared_area(one: FaceBox, other: FaceBox) -> int:
    across = min(one.right_px, other.right_px) - max(one.left_px, other.left_px) + 1
    down = min(one.bottom_px, other.bottom_px) - max(one.top_px, other.top_px) + 1
    return max(across, 0) * max(down, 0)


def overlap_ratio(one: FaceBox, other: FaceBox) -> float:
    """Return the share of the smaller box that lies in the other, 0-1."""
    return _shared_area(one, other) / min(_area(one), _area(other))


def intersection_over_union(one: FaceBox, other: FaceBox) -> float:
    """Return the shared area over the area of both boxes together, 0-1."""
    shared = _shared_area(one, other)
    return shared / (_area(one) + _area(other) - shared)


def distinct(faces: Iterable[DetectedFace], besides: Sequence[DetectedFace] = ()) -> list[DetectedFace]:
    """Return the faces, strongest first, without those that another search found too or that stand in `besides`."""
    kept: list[DetectedFace] = []
    for face in sorted(faces, key=lambda face: face.box.score, reverse=True):
        others = (*besides, *kept)
        if all(intersection_over_union(face.box, other.box) < _SAME_FACE_RATIO for other in others):
            kept.append(face)
    return kept


def is_plausible(expected: Expectation, seen: FaceBox, reach_ratio: float) -> bool:
    """Tell whether a track may have come to `seen`: near its path since it was last seen, at about its size.

    Near is within `reach_ratio` of its width from the line between the last and the predicted centre.
    """
    width, growth = width_px(expected.last), width_px(seen) / width_px(expected.last)
    if not 1 / _LARGEST_GROWTH_RATIO <= growth <= _LARGEST_GROWTH_RATIO:
        return False
    x, y = centre(seen)
    from_x, from_y = centre(expected.last)
    to_x, to_y = centre(expected.predicted)
    step_x, step_y = to_x - from_x, to_y - from_y
    length = step_x * step_x + step_y * step_y
    share = ((x - from_x) * step_x + (y - from_y) * step_y) / length if length else 0.0
    share = min(max(share, 0.0), 1.0)
    return math.hypot(x - from_x - share * step_x, y - from_y - share * step_y) <= reach_ratio * width


def associated(expected: Sequence[Expectation], seen: Sequence[FaceBox], reach_ratio: float) -> dict[int, int]:
    """Return track index → face index for those tracks and faces that are plausible for each other and for nobody else."""
    for_track = [
        [number for number, box in enumerate(seen) if is_plausible(track, box, reach_ratio)] for track in expected
    ]
    claims = [sum(number in plausible for plausible in for_track) for number in range(len(seen))]
    pairs: dict[int, int] = {}
    for track, plausible in enumerate(for_track):
        if len(plausible) == 1 and claims[plausible[0]] == 1 and not _is_overlapped(plausible[0], seen):
            pairs[track] = plausible[0]
    return pairs


def _is_overlapped(number: int, seen: Sequence[FaceBox]) -> bool:
    return any(
        overlap_ratio(seen[number], other) > HEAVY_OVERLAP_RATIO for index, other in enumerate(seen) if index != number
    )
