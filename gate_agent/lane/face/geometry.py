"""Where a face stands in the camera's frame and how fast it moves there; pure arithmetic on what the worker reported.

Sides are the traveller's own: the camera looks at him, so his left is on the right of its image. The screen shows a mirror image,
where his left is on the left, as in any mirror.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from models.results import FaceBox, FaceSample

_MOTION_WINDOW_S = 0.8
_LONGEST_MOTION_S = 2.0
"""Frames that come seldom, on a machine with much else to do, are still compared with the one before, up to this age."""
_SHORTEST_MOTION_S = 0.35
"""Boxes of a detector jump by a step of its grid; over a third of a second a real movement stands out from that."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A face in its frame, all as ratios.

    `size_ratio`: box width to the frame's shorter side. `left_offset` and `up_offset`: centre of the box from the frame's centre
    to the traveller's left and upwards, in frame widths and heights (-0.5 to 0.5 inside), plus the share of the box that hangs
    over that edge, so that a face cut off by the edge counts as further out.
    """

    size_ratio: float
    left_offset: float
    up_offset: float


def placement(box: FaceBox, frame_px: tuple[int, int]) -> Placement | None:
    """Return where a face stands; None when the frame's size is not known."""
    width, height = frame_px
    if width <= 0 or height <= 0:
        return None
    box_width, box_height = box.right_px - box.left_px + 1, box.bottom_px - box.top_px + 1
    over_right, over_left = max(box.right_px + 1 - width, 0) / box_width, max(-box.left_px, 0) / box_width
    over_bottom, over_top = max(box.bottom_px + 1 - height, 0) / box_height, max(-box.top_px, 0) / box_height
    centre_x, centre_y = (box.left_px + box.right_px + 1) / 2, (box.top_px + box.bottom_px + 1) / 2
    return Placement(
        size_ratio=box_width / min(width, height),
        left_offset=centre_x / width - 0.5 + over_right - over_left,
        up_offset=0.5 - centre_y / height + over_top - over_bottom,
    )


class Motion:
    """The speed of one face over the last moments, from successive boxes."""

    def __init__(self) -> None:
        self._track: deque[tuple[float, float, float, float]] = deque()

    def observe(self, sample: FaceSample, t_mono_s: float) -> float | None:
        """Take a sample; return the speed in face widths a second, None while too little was seen."""
        box = sample.box
        if box is None:
            self._track.clear()
            return None
        width = float(box.right_px - box.left_px + 1)
        self._track.append((t_mono_s, (box.left_px + box.right_px) / 2, (box.top_px + box.bottom_px) / 2, width))
        while t_mono_s - self._track[0][0] > (_MOTION_WINDOW_S if len(self._track) > 2 else _LONGEST_MOTION_S):
            self._track.popleft()
        begun_s, x, y, first_width = self._track[0]
        elapsed_s = t_mono_s - begun_s
        if elapsed_s < _SHORTEST_MOTION_S:
            return None
        _, last_x, last_y, _ = self._track[-1]
        moved_px = math.hypot(last_x - x, last_y - y)
        return moved_px / ((first_width + width) / 2) / elapsed_s
