"""MJPEG over HTTP as a source of frames: the newest picture, decoded only when asked and not larger than asked."""

from __future__ import annotations

from drivers.camera.frame_source import Frame, FrameSource, SourceFailed
from drivers.camera.mjpeg import CredentialsRefused, MjpegStream, StreamRefused
from drivers.camera.picture_decoding import decoded
from drivers.channels import Channel


class MjpegSource(FrameSource):
    """Newest picture of an HTTP stream: JPEG, and PNG of 16 bits where depth is sent."""

    def __init__(self, url: str, timeout_s: float, channel: Channel, limits_px: tuple[int, int]) -> None:
        self._channel = channel
        self._limits = limits_px
        self._picture = b""
        try:
            self._stream = MjpegStream(url, timeout_s)
        except CredentialsRefused as error:
            raise SourceFailed("credentials", str(error)) from error
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
        """Return the frame last grabbed, scaled down when it is over the limits; None when torn. Raises `SourceFailed`."""
        frame, size_px = decoded(self._picture, self._channel, self._limits)
        self.size_px = size_px or self.size_px
        return frame

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()
