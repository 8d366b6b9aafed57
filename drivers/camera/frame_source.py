"""What a source of frames is; the capture child drains one all the time and decodes only when asked."""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.channels import Channel

Frame = NDArray[Any]
"""Pixels of a channel: (rows, columns, 3) uint8 of visible light, (rows, columns) uint8 of infrared, (rows, columns) uint16 of depth."""


class SourceFailed(Exception):
    """The source cannot be opened or ended. `reason` is a word of the driver; the text holds no address."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class FrameSource(Protocol):
    """A source that is drained all the time and decodes only when asked.

    `arrived` counts its frames. `stream_s`: its own time of the frame last grabbed, None where it has none or begins anew by itself.
    `size_px`: width and height as sent of the frame last decoded, None where `decode` never scales.
    `notes`: what is wanted of the device and not to be had, in plain words.
    """

    arrived: int
    stream_s: float | None
    size_px: tuple[int, int] | None
    notes: tuple[str, ...]

    def grab(self, wait_s: float) -> bool:
        """Wait for the next frame; False when none came in time. Raises `SourceFailed`."""
        ...

    def decode(self) -> Frame | None:
        """Return the frame last grabbed, as its channel has it; None when it cannot be decoded. Raises `SourceFailed`."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


def as_channel(frame: Frame, channel: Channel) -> Frame:
    """Return a decoded picture as its channel has it. Raises `SourceFailed` for a depth camera that sends none."""
    if channel is Channel.DEPTH:
        if frame.dtype != np.uint16 or frame.ndim != 2:
            raise SourceFailed("refused", "the pictures are no depth of 16 bits")
        return frame
    if frame.dtype != np.uint8:
        raise SourceFailed("refused", "the pictures have other than 8 bits a value")
    if channel is Channel.NEAR_INFRARED and frame.ndim == 3:
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    if channel is Channel.VISIBLE and frame.ndim == 2:
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    return frame
