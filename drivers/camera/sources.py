"""Where frames come from: MJPEG over HTTP, and what OpenCV opens (V4L2 device, RTSP, video file). Used in the capture child only."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.barcode.image_header import ImageRefused, gate
from drivers.camera.mjpeg import MjpegStream, StreamRefused

Frame = NDArray[np.uint8]


class SourceFailed(Exception):
    """The source cannot be opened or ended. `reason` is `absent`, `refused` or `ended`; the text holds no address."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class FrameSource(Protocol):
    """A source that is drained all the time and decodes only when asked."""

    arrived: int

    def grab(self, wait_s: float) -> bool:
        """Wait for the next frame; False when none came in time. Raises `SourceFailed`."""
        ...

    def decode(self) -> Frame | None:
        """Return the frame last grabbed as BGR; None when it cannot be decoded."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


class MjpegSource:
    """Newest JPEG of an HTTP stream; decoding passes the header gate first."""

    def __init__(self, url: str, timeout_s: float, width_limit_px: int, height_limit_px: int) -> None:
        self._limits = (width_limit_px, height_limit_px)
        self._picture = b""
        self.arrived = 0
        try:
            self._stream = MjpegStream(url, timeout_s)
        except StreamRefused as error:
            raise SourceFailed("refused", str(error)) from error
        except TimeoutError as error:
            raise SourceFailed("refused", "no answer in time") from error
        except OSError as error:
            raise SourceFailed("absent", error.strerror or "cannot connect") from error

    def grab(self, wait_s: float) -> bool:
        """Wait for the next frame; False when none came in time. Raises `SourceFailed`."""
        try:
            picture = self._stream.newest(wait_s)
        except StreamRefused as error:
            raise SourceFailed("ended", str(error)) from error
        except OSError as error:
            raise SourceFailed("ended", error.strerror or "connection lost") from error
        if picture is None:
            return False
        self._picture = picture
        self.arrived = self._stream.arrived
        return True

    def decode(self) -> Frame | None:
        """Return the frame last grabbed as BGR, at a half, quarter or eighth when it is over the limits; None when torn."""
        try:
            size = gate(self._picture)
        except ImageRefused:
            return None
        excess = max(size.width_px / self._limits[0], size.height_px / self._limits[1])
        mode = next(mode for factor, mode in _REDUCTIONS if excess >= factor)
        try:
            frame = cv2.imdecode(np.frombuffer(self._picture, np.uint8), mode)
        except cv2.error:
            return None
        return None if frame is None else frame.astype(np.uint8, copy=False)

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()


_REDUCTIONS = (
    (8.0, cv2.IMREAD_REDUCED_COLOR_8),
    (4.0, cv2.IMREAD_REDUCED_COLOR_4),
    (2.0, cv2.IMREAD_REDUCED_COLOR_2),
    (0.0, cv2.IMREAD_COLOR),
)


class OpenCvSource:
    """`VideoCapture` over a device path, an rtsp address or a file. A file is paced by its own rate and starts over at its end."""

    def __init__(self, source: str, timeout_s: float, width_px: int, height_px: int) -> None:
        self.arrived = 0
        self._source = source
        self._is_device = source.startswith("/dev/")
        self._is_file = "://" not in source and not self._is_device
        if "://" not in source and not Path(source).exists():
            raise SourceFailed("absent", "no such device or file")
        self._timeout_ms = int(timeout_s * 1000)
        self._size = (width_px, height_px)
        self._capture = self._open()
        rate = self._capture.get(cv2.CAP_PROP_FPS) if self._is_file else 0.0
        self._period_s = 1 / rate if 1 <= rate <= 240 else 0.1 if self._is_file else 0.0
        self._due_s = time.monotonic()

    def _open(self) -> cv2.VideoCapture:
        if self._is_device:
            capture = cv2.VideoCapture(self._source, cv2.CAP_V4L2)
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        else:
            limits = [
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
                self._timeout_ms,
                cv2.CAP_PROP_READ_TIMEOUT_MSEC,
                self._timeout_ms,
            ]
            capture = cv2.VideoCapture(self._source, cv2.CAP_FFMPEG, [] if self._is_file else limits)
        if not capture.isOpened():
            capture.release()
            raise SourceFailed("refused" if "://" not in self._source else "absent", "source cannot be opened")
        return capture

    def grab(self, wait_s: float) -> bool:
        """Wait for the next frame; False when none came in time. Raises `SourceFailed` on the first refusal of the library."""
        if self._is_file:
            early_s = self._due_s - time.monotonic()
            time.sleep(min(max(early_s, 0.0), wait_s))
            if early_s > wait_s:
                return False
            self._due_s = max(self._due_s + self._period_s, time.monotonic() - self._period_s)
        if not self._capture.grab():
            if not self._is_file or not self.arrived:
                raise SourceFailed("ended", "source gives no more frames")
            self._capture.release()
            self._capture = self._open()
            if not self._capture.grab():
                raise SourceFailed("ended", "file holds no frames")
        self.arrived += 1
        return True

    def decode(self) -> Frame | None:
        """Return the frame last grabbed as BGR."""
        is_read, frame = self._capture.retrieve()
        return frame.astype(np.uint8, copy=False) if is_read else None

    def close(self) -> None:
        """Let go of the device."""
        self._capture.release()


def open_source(source: str, timeout_s: float, width_px: int, height_px: int) -> FrameSource:
    """Return the source for an address (`http://`, `rtsp://`), a device path or a file. Raises `SourceFailed`."""
    if source.startswith("http://"):
        return MjpegSource(source, timeout_s, width_px, height_px)
    return OpenCvSource(source, timeout_s, width_px, height_px)
