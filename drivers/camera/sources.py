"""Where frames come from: an address (`http://`, `rtsp://`), a device path or a file. Used in the capture child only."""

from __future__ import annotations

from pathlib import Path

from drivers.camera.device_source import DeviceSource
from drivers.camera.file_source import FileSource
from drivers.camera.frame_source import FrameSource, SourceFailed
from drivers.camera.mjpeg_source import MjpegSource
from drivers.camera.rtsp_source import RtspSource


def open_source(source: str, timeout_s: float, width_px: int, height_px: int) -> FrameSource:
    """Return the source for an address (`http://`, `rtsp://`), a device path or a file. Raises `SourceFailed`."""
    if source.startswith("http://"):
        return MjpegSource(source, timeout_s, width_px, height_px)
    if source.startswith("rtsp://"):
        return RtspSource(source, timeout_s)
    if "://" in source:
        raise SourceFailed("refused", "an address of a kind that is not spoken here")
    if not Path(source).exists():
        raise SourceFailed("absent", "no such device or file")
    if source.startswith("/dev/"):
        return DeviceSource(source, width_px, height_px)
    return FileSource(source)
