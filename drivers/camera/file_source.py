"""Video files as a source of frames: paced by their own rate, from the start again at their end."""

from __future__ import annotations

import os
import time

import cv2

from drivers.camera.frame_source import Frame, SourceFailed, as_channel
from drivers.channels import Channel

DEFAULT_FPS = 10.0
_VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_OPTIONS = "protocol_whitelist;file"  # a play list in a file must not lead to the network


class FileSource:
    """`VideoCapture` over a file."""

    def __init__(self, path: str, channel: Channel) -> None:
        self._channel = channel
        self.arrived = 0
        self.stream_s: float | None = None
        self.notes: tuple[str, ...] = ()
        self.size_px: tuple[int, int] | None = None
        self._path = path
        self._capture = self._open()
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self._period_s = 1 / (rate if 1 <= rate <= 240 else DEFAULT_FPS)
        self._due_s = time.monotonic()

    def _open(self) -> cv2.VideoCapture:
        os.environ[_VARIABLE] = _OPTIONS
        capture = cv2.VideoCapture(self._path, cv2.CAP_FFMPEG)
        if not capture.isOpened():
            capture.release()
            raise SourceFailed("refused", "file cannot be played")
        return capture

    def grab(self, wait_s: float) -> bool:
        """Wait for the next frame; False when none is due in time. Raises `SourceFailed`."""
        early_s = self._due_s - time.monotonic()
        time.sleep(min(max(early_s, 0.0), wait_s))
        if early_s > wait_s:
            return False
        self._due_s = max(self._due_s + self._period_s, time.monotonic() - self._period_s)
        if not self._capture.grab():
            if not self.arrived:
                raise SourceFailed("ended", "file holds no frames")
            self._capture.release()
            self._capture = self._open()
            if not self._capture.grab():
                raise SourceFailed("ended", "file holds no frames")
        self.arrived += 1
        return True

    def decode(self) -> Frame | None:
        """Return the frame last grabbed, as its channel has it. Raises `SourceFailed`."""
        is_read, frame = self._capture.retrieve()
        return as_channel(frame, self._channel) if is_read else None

    def close(self) -> None:
        """Close the file."""
        self._capture.release()
