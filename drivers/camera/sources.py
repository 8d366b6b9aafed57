"""Where frames come from: an address (`http://`, `rtsp://`), a device path, a folder or a file. Used in the capture child only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drivers.camera.device_source import DeviceSource
from drivers.camera.file_source import FileSource
from drivers.camera.folder_source import FolderSource
from drivers.camera.frame_source import FrameSource, SourceFailed
from drivers.camera.mjpeg_source import MjpegSource
from drivers.camera.rtsp_source import RtspSource
from drivers.camera.v4l2_controls import Wanted
from drivers.channels import Channel


@dataclass(frozen=True, slots=True)
class SourceOrders:
    """What is to be opened: `source` as in the options, and the V4L2 `controls` to be set, by option."""

    source: str
    timeout_s: float
    channel: Channel
    limits_px: tuple[int, int]
    controls: Mapping[str, Wanted]


def open_source(orders: SourceOrders) -> FrameSource:
    """Return the source for what the option names. Raises `SourceFailed`."""
    source, timeout_s, channel, limits_px = orders.source, orders.timeout_s, orders.channel, orders.limits_px
    if source.startswith("http://"):
        return MjpegSource(source, timeout_s, channel, limits_px)
    if source.startswith("rtsp://"):
        return RtspSource(source, timeout_s, channel)
    if "://" in source:
        raise SourceFailed("refused", "an address of a kind that is not spoken here")
    path = Path(source)
    if not path.exists():
        raise SourceFailed("absent", "no such device or file")
    if source.startswith("/dev/"):
        return DeviceSource(source, channel, limits_px, orders.controls)
    return FolderSource(path, channel, limits_px) if path.is_dir() else FileSource(source, channel)
