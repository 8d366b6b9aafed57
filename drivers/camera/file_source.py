"""Video files as a source of frames: paced by their own rate, from the start again at their end."""

from __future__ import annotations

import os

import cv2

from drivers.camera.frame_source import CaptureSource, Pace, SourceFailed
from drivers.channels import Channel

DEFAULT_FPS = 10.0
_VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_OPTIONS = "protocol_whitelist;file"  # a play list in a file must not lead to the network


class FileSource(CaptureSource):
    """`VideoCapture` over a file."""

    def __init__(self, path: str, channel: Channel) -> None:
        super().__init__(_opened(path), channel, "file cannot be played")
        self._path = path
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self._pace = Pace(rate if 1 <= rate <= 240 else DEFAULT_FPS)

    def grab(self, wait_s: float) -> bool:
        """Wait for the next frame; False when none is due in time. Raises `SourceFailed`."""
        if not self._pace.wait(wait_s):
            return False
        if not self._capture.grab():
            if not self.arrived:
                raise SourceFailed("ended", "file holds no frames")
            self._capture.release()
            self._capture = _opened(self._path)
            if not self._capture.grab():
                raise SourceFailed("ended", "file holds no frames")
        self.arrived += 1
        return True


def _opened(path: str) -> cv2.VideoCapture:
    os.environ[_VARIABLE] = _OPTIONS
    return cv2.VideoCapture(path, cv2.CAP_FFMPEG)
