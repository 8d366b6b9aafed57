"""Faults of cameras, below `drivers.errors.DriverFault`.

DriverFault
└── CameraFault
    ├── CameraAbsent         DRV-CAM-001  device path or host not there
    ├── SourceRefused        DRV-CAM-002  there, but no usable stream
    ├── StreamStale          DRV-CAM-003  open, no frames
    ├── PictureFrozen        DRV-CAM-004  frames come, the picture does not change
    ├── PictureBlack         DRV-CAM-005  frames come, nothing to be seen
    ├── FramesTooFew         DRV-CAM-006  frames come too slowly
    ├── CaptureChildEnded    DRV-CAM-007  the capture process died, hung, talked nonsense or ran out of memory
    ├── StreamEnded          DRV-CAM-008  the source closed the stream
    └── CredentialsRefused   DRV-CAM-009  the camera does not let this user in
"""

from __future__ import annotations

from drivers.contracts import DeviceState
from drivers.errors import DriverFault


class CameraFault(DriverFault):
    """A camera gives no frames that may be used."""

    code = "DRV-CAM-000"


class CameraAbsent(CameraFault):
    """The device path or host is not there."""

    code = "DRV-CAM-001"
    state = DeviceState.ABSENT
    remedy = "Check cable, power and address of the camera."


class SourceRefused(CameraFault):
    """The source answers but is no usable camera stream."""

    code = "DRV-CAM-002"
    remedy = "Check address, credentials and stream format of the camera."


class StreamStale(CameraFault):
    """The stream is open and no new frame came for `stale_s`."""

    code = "DRV-CAM-003"
    remedy = "Check power and network of the camera; restart it."


class PictureFrozen(CameraFault):
    """The picture did not change for `frozen_s`: a hung encoder, never a still scene (sensors are noisy)."""

    code = "DRV-CAM-004"
    remedy = "Restart the camera."


class PictureBlack(CameraFault):
    """The picture was black for `black_s`."""

    code = "DRV-CAM-005"
    remedy = "Check lens cover, lamp and exposure."


class FramesTooFew(CameraFault):
    """Fewer than `minimum_fps` frames a second arrive."""

    code = "DRV-CAM-006"
    remedy = "Check network load and the camera's frame rate."


class CaptureChildEnded(CameraFault):
    """The capture process died, hung, talked nonsense or ran out of memory."""

    code = "DRV-CAM-007"
    remedy = "It starts again by itself; raise memory_limit_bytes when the journal says memory."


class StreamEnded(CameraFault):
    """The source closed the stream."""

    code = "DRV-CAM-008"
    remedy = "Check the camera; it is opened again by itself."


class CredentialsRefused(CameraFault):
    """The camera asks who is there and does not take the answer."""

    code = "DRV-CAM-009"
    remedy = "Check user name and password in the camera's address."
