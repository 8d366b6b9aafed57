"""What the frames of a camera show, and how their pixels lie in memory."""

from __future__ import annotations

from enum import StrEnum


class Channel(StrEnum):
    """What light a camera's frames were made with; DEPTH: how far each place is."""

    VISIBLE = "visible"
    NEAR_INFRARED = "near_infrared"
    DEPTH = "depth"


class PixelFormat(StrEnum):
    """How a frame lies in memory, row by row without gaps.

    BGR8: three bytes a pixel. GRAY8: one byte. DEPTH16: millimetres in two bytes of the machine's order, 0 where there is no reading.
    """

    BGR8 = "bgr8"
    GRAY8 = "gray8"
    DEPTH16 = "depth16"

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel."""
        return _PIXEL_BYTES[self]


_PIXEL_BYTES = {PixelFormat.BGR8: 3, PixelFormat.GRAY8: 1, PixelFormat.DEPTH16: 2}
