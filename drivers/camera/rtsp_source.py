"""RTSP cameras through OpenCV's FFmpeg, over TCP only.

The camera is asked by ourselves first, for a reason in plain words. Opening and reading have limits, also while bytes trickle in; what
hangs in spite of them is a child, and is replaced.
"""

from __future__ import annotations

import os
import time

import cv2

from drivers.camera.frame_source import CaptureSource, SourceFailed
from drivers.camera.rtsp_preflight import StreamNotOffered, check_offer
from drivers.channels import Channel

_OPTIONS = (
    "rtsp_transport;tcp",
    "allowed_media_types;video",
    "protocol_whitelist;rtsp,tcp",
    "fpsprobesize;0",  # FFmpeg else counts twenty frames before it opens
    "analyzeduration;500000",  # microseconds
    "fflags;nobuffer+discardcorrupt",
    "flags;low_delay",
)
_VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_FAILURES_IN_A_ROW = 5  # a damaged frame fails like the end of the stream does


class RtspSource(CaptureSource):
    """`VideoCapture` over an rtsp address."""

    def __init__(self, url: str, timeout_s: float, channel: Channel) -> None:
        self._failures = 0
        self._timeout_s = timeout_s
        try:
            check_offer(url, timeout_s)
        except StreamNotOffered as error:
            raise SourceFailed(error.reason, str(error)) from error
        os.environ[_VARIABLE] = "|".join(_OPTIONS)
        timeout_ms = int(timeout_s * 1000)
        limits = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms),
            *(cv2.CAP_PROP_N_THREADS, 1),  # frames are not kept back for other threads
        ]
        super().__init__(cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits), channel, "the stream cannot be played")

    def grab(self, wait_s: float) -> bool:
        """Wait for the next frame, up to the read limit; `wait_s` is not looked at. Raises `SourceFailed`."""
        del wait_s
        began_s = time.monotonic()
        if self._capture.grab():
            self._failures = 0
            self.arrived += 1
            self.stream_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            return True
        self._failures += 1
        if time.monotonic() - began_s >= 0.9 * self._timeout_s:
            raise SourceFailed("ended", "no whole frame in time")
        if self._failures > _FAILURES_IN_A_ROW:
            raise SourceFailed("ended", "source gives no more frames")
        return False
