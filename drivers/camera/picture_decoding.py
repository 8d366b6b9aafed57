"""One encoded picture of a camera, decoded for its channel: header gate first, and no more pixels than are asked for."""

from __future__ import annotations

import cv2
import numpy as np

from drivers.barcode.image_header import ImageRefused, gate
from drivers.camera.frame_source import Frame, as_channel
from drivers.channels import Channel

_REDUCTIONS = {
    Channel.VISIBLE: (
        (8.0, cv2.IMREAD_REDUCED_COLOR_8),
        (4.0, cv2.IMREAD_REDUCED_COLOR_4),
        (2.0, cv2.IMREAD_REDUCED_COLOR_2),
        (0.0, cv2.IMREAD_COLOR),
    ),
    Channel.NEAR_INFRARED: (
        (8.0, cv2.IMREAD_REDUCED_GRAYSCALE_8),
        (4.0, cv2.IMREAD_REDUCED_GRAYSCALE_4),
        (2.0, cv2.IMREAD_REDUCED_GRAYSCALE_2),
        (0.0, cv2.IMREAD_GRAYSCALE),
    ),
    Channel.DEPTH: ((0.0, cv2.IMREAD_UNCHANGED),),
}


def decoded(
    content: bytes, channel: Channel, limits_px: tuple[int, int]
) -> tuple[Frame | None, tuple[int, int] | None]:
    """Return a picture, at a half, quarter or eighth when it is over the limits, and the size that it was sent at.

    None when it is torn or no picture. Raises `SourceFailed` for one that its channel cannot have.
    """
    try:
        size = gate(content)
    except ImageRefused:
        return None, None
    excess = max(size.width_px / limits_px[0], size.height_px / limits_px[1])
    mode = next(mode for factor, mode in _REDUCTIONS[channel] if excess >= factor)
    try:
        frame = cv2.imdecode(np.frombuffer(content, np.uint8), mode)
    except cv2.error:
        frame = None
    return None if frame is None else as_channel(frame, channel), (size.width_px, size.height_px)
