"""V4L2 devices through OpenCV as a source of frames."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType

import cv2

from drivers.camera.frame_source import CaptureSource, SourceFailed
from drivers.camera.v4l2_controls import DeviceGone, Outcome, Wanted, apply_to
from drivers.channels import Channel

_WAIT_VARIABLE = "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"
_FORMATS = {Channel.VISIBLE: "MJPG", Channel.NEAR_INFRARED: "GREY", Channel.DEPTH: "Z16 "}


class DeviceSource(CaptureSource):
    """`VideoCapture` over a device path such as `/dev/v4l/by-id/…`."""

    def __init__(
        self,
        path: str,
        channel: Channel,
        size_px: tuple[int, int],
        controls: Mapping[str, Wanted] = MappingProxyType({}),
    ) -> None:
        """Open the device and set its `controls`, by option. Raises `SourceFailed`, also for a value that it cannot take."""
        os.environ[_WAIT_VARIABLE] = "2"  # seconds that the library waits for a frame; ten by itself
        super().__init__(cv2.VideoCapture(path, cv2.CAP_V4L2), channel, "device cannot be opened as a camera")
        if channel is Channel.DEPTH:
            self._capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*_FORMATS[channel]))
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, size_px[0])
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size_px[1])
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self.notes = self._set_up(path, controls)

    def _set_up(self, path: str, controls: Mapping[str, Wanted]) -> tuple[str, ...]:
        """Set the controls after the format, which resets them on some devices; return what was not to be had."""
        try:
            done = apply_to(path, controls)
        except DeviceGone as error:
            self._capture.release()
            raise SourceFailed("ended", str(error)) from error
        wrong = [one.text for one in done if one.outcome is Outcome.OUT_OF_RANGE]
        if wrong:
            self._capture.release()
            raise SourceFailed("control", "; ".join(wrong))
        return tuple(one.text for one in done if one.outcome is not Outcome.APPLIED)

    def grab(self, wait_s: float) -> bool:
        """Wait for the next frame as long as the library does; `wait_s` is not looked at. Raises `SourceFailed`."""
        del wait_s
        if not self._capture.grab():
            raise SourceFailed("ended", "device gives no more frames")
        self.arrived += 1
        return True
