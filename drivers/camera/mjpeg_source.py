"""MJPEG over HTTP as a source of frames: the newest picture, decoded only when asked and not larger than asked."""

from __future__ import annotations

import cv2
import numpy as np

from drivers.barcode.image_header import ImageRefused, gate
from drivers.camera.frame_source import Frame, SourceFailed
from drivers.camera.mjpeg import MjpegStream, StreamRefused


class MjpegSource:
    """Newest JPEG of an HTTP stream; decoding passes the header gate first."""

    def __init__(self, url: str, timeout_s: float, width_limit_px: int, height_limit_px: int) -> None:
        self._limits = (width_limit_px, height_limit_px)
        self._picture = b""
        self.arrived = 0
        self.stream_s: float | None = None
        self.size_px: tuple[int, int] | None = None
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
        self.size_px = (size.width_px, size.height_px)
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
