"""A picture at several sizes, and rectangles and lines cut out of it in the direction of the text."""

from __future__ import annotations

from copy import copy
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mrz_reader.blocks import Block
from models.mrz_reader.strip import MARGIN_RATIO, STRIP_HEIGHT_PX
from models.mrz_reader.text_lines import LOOKED_AT_PX
from models.mrz_reader.tracing import PATCH_WIDTH_PX, TracedLine
from models.results import Image

_LARGEST_PX: Final = 2200
"""Glyphs that the localiser can find at 1000 px are 18 px and more at this size, which is what a strip holds."""
_LARGEST_ENLARGEMENT = 4.0
_ROOM_PX: Final = 90
"""Rows above and below a block that are looked at too: a line that was not found."""
_SIDE_RATIO = 0.06
_END_RATIO = 0.35


class Scene:
    """A grey picture and its smaller copies."""

    def __init__(self, grey: Image) -> None:
        longest = max(grey.shape)
        self.quarter_turns = 0
        self.original_shape = grey.shape
        reduction = min(1.0, _LARGEST_PX / longest)
        self.grey = _resized(grey, reduction)
        self.looked_at = min(LOOKED_AT_PX / longest, _LARGEST_ENLARGEMENT)
        self.small = _resized(self.grey, self.looked_at / reduction)
        self._levels: dict[int, Image] = {}

    def turned(self) -> Scene:
        """Return the scene turned by a quarter of a circle, counter-clockwise."""
        scene = copy(self)
        scene.quarter_turns += 1
        scene.grey, scene.small = (np.ascontiguousarray(np.rot90(picture)) for picture in (self.grey, self.small))
        scene.forget_levels()
        return scene

    def forget_levels(self) -> None:
        """Drop the smaller copies: this is another picture now."""
        self._levels = {}

    def level(self, factor: int) -> Image:
        """Return the picture made smaller by a whole factor."""
        if factor == 1:
            return self.grey
        if factor not in self._levels:
            self._levels[factor] = _resized(self.grey, 1 / factor)
        return self._levels[factor]

    def patch(self, block: Block) -> Patch:
        """Return the surroundings of a block (in pixels of `small`)."""
        return Patch(self, block)

    def original_point(self, x: float, y: float) -> tuple[float, float]:
        """Return where a pixel of `small` lies in the picture as it came."""
        x, y = x / self.looked_at, y / self.looked_at
        height, width = self.original_shape
        match self.quarter_turns % 4:
            case 1:
                return width - 1 - y, x
            case 2:
                return width - 1 - x, height - 1 - y
            case 3:
                return y, height - 1 - x
            case _:
                return x, y


def _resized(picture: Image, factor: float) -> Image:
    if factor == 1:
        return picture
    size = (max(round(picture.shape[1] * factor), 1), max(round(picture.shape[0] * factor), 1))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR).astype(np.uint8)


class Patch:
    """A block levelled and sampled so that its text is `PATCH_WIDTH_PX` wide."""

    def __init__(self, scene: Scene, block: Block) -> None:
        self._scene = scene
        scale = PATCH_WIDTH_PX / block.width
        width = round(PATCH_WIDTH_PX * (1 + 2 * _SIDE_RATIO))
        height = round(block.height * scale) + 2 * _ROOM_PX
        self.text_columns = ((width - PATCH_WIDTH_PX) / 2, (width + PATCH_WIDTH_PX) / 2)
        centre = np.array([[1 / scale, 0, -width / 2 / scale], [0, 1 / scale, -height / 2 / scale], [0, 0, 1.0]])
        self._to_small = block.frame() @ centre
        full_width = block.width / scene.looked_at * min(1.0, _LARGEST_PX / max(scene.original_shape))
        factor = max(int(full_width / PATCH_WIDTH_PX), 1)
        self._level = scene.level(factor)
        self._to_level = self._to_small * (self._level.shape[1] / scene.small.shape[1])
        self.picture = cv2.warpAffine(
            self._level, self._to_level, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ).astype(np.uint8)  # fmt: skip

    def strip(self, line: TracedLine) -> Image:
        """Return a line straightened, 32 px high."""
        step = line.height * (1 + 2 * MARGIN_RATIO) / STRIP_HEIGHT_PX
        first = line.start - _END_RATIO * line.height
        count = max(round((line.end - line.start + 2 * _END_RATIO * line.height) / step), 16)
        columns = first + np.arange(count) * step
        middles = np.polyval(line.middle, columns)
        rows = middles[None] + (np.arange(STRIP_HEIGHT_PX)[:, None] - (STRIP_HEIGHT_PX - 1) / 2) * step
        x, y = self._at(np.broadcast_to(columns, rows.shape), rows, self._to_level)
        return cv2.remap(
            self._level, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ).astype(np.uint8)

    def corner(self, line: TracedLine, *, at_end: bool, below: bool) -> tuple[float, float]:
        """Return a corner of a line in the picture as it came."""
        column = line.end if at_end else line.start
        row = line.middle_at(column) + (0.5 if below else -0.5) * line.height
        x, y = self._at(np.array(column), np.array(row), self._to_small)
        return self._scene.original_point(float(x), float(y))

    @staticmethod
    def _at(
        columns: NDArray[np.float64], rows: NDArray[np.float64], matrix: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return (
            matrix[0, 0] * columns + matrix[0, 1] * rows + matrix[0, 2],
            matrix[1, 0] * columns + matrix[1, 1] * rows + matrix[1, 2],
        )
