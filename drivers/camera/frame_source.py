"""What a source of frames is; the capture child drains one all the time and decodes only when asked."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any

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


class FrameSource(ABC):
    """A source that is drained all the time and decodes only when asked.

    `arrived` counts its frames. `stream_s`: its own time of the frame last grabbed, None where it has none or begins anew by itself.
    `size_px`: width and height as sent of the frame last decoded, None where `decode` never scales.
    `notes`: what is wanted of the device and not to be had, in plain words.
    """

    arrived: int = 0
    stream_s: float | None = None
    size_px: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()

    @abstractmethod
    def grab(self, wait_s: float) -> bool:
        """Wait for the next frame; False when none came in time. Raises `SourceFailed`."""

    @abstractmethod
    def decode(self) -> Frame | None:
        """Return the frame last grabbed, as its channel has it; None when it cannot be decoded. Raises `SourceFailed`."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the device."""


class CaptureSource(FrameSource):
    """What OpenCV has opened."""

    def __init__(self, capture: cv2.VideoCapture, channel: Channel, refusal: str) -> None:
        """Take an opened capture. Raises `SourceFailed` with the words of `refusal` when it could not be opened."""
        self._capture = capture
        self._channel = channel
        if not capture.isOpened():
            capture.release()
            raise SourceFailed("refused", refusal)

    def decode(self) -> Frame | None:
        """Return the frame last grabbed, as its channel has it. Raises `SourceFailed`."""
        is_read, frame = self._capture.retrieve()
        return as_channel(frame, self._channel) if is_read else None

    def close(self) -> None:
        """Let go of the device."""
        self._capture.release()


class Pace:
    """When the next frame of a recording is due."""

    def __init__(self, fps: float) -> None:
        self._period_s = 1 / fps
        self._due_s = time.monotonic()

    def wait(self, wait_s: float) -> bool:
        """Wait until a frame is due, or as long as given; return whether one is. Frames that nobody came for in time are left out."""
        early_s = self._due_s - time.monotonic()
        time.sleep(min(max(early_s, 0.0), wait_s))
        if early_s > wait_s:
            return False
        self._due_s = max(self._due_s + self._period_s, time.monotonic() - self._period_s)
        return True


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
