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
    ├── CredentialsRefused   DRV-CAM-009  the camera does not let this user in
    ├── PictureWhite         DRV-CAM-010  frames come, all of them white
    ├── PictureSizeWrong     DRV-CAM-011  frames of another size than before, or than was set
    ├── StreamTimeBackwards  DRV-CAM-012  the stream's own time went back
    ├── ControlRefused       DRV-CAM-013  a control is set to what the camera cannot take
    └── ControlNotSet        DRV-CAM-014  the camera does not offer a control, or did not take it (the device stays ready)
"""

from __future__ import annotations

from drivers.contracts import DeviceState
from drivers.errors import DriverFault, Severity


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
    """Not a pixel changed for `frozen_s`: a hung encoder, never a still scene (sensors are noisy)."""

    code = "DRV-CAM-004"
    remedy = (
        "Restart the camera. If it sends H.264 and its lane is only empty, raise frozen_s above its key frame interval."
    )


class PictureBlack(CameraFault):
    """The picture was black, or dark and flat, for `black_s`."""

    code = "DRV-CAM-005"
    remedy = "Check lens cover, lamp and exposure."


class FramesTooFew(CameraFault):
    """Fewer than `minimum_fps` frames a second arrive, or than half of `declared_fps`."""

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


class PictureWhite(CameraFault):
    """The picture was white nearly everywhere for `black_s`: overexposed."""

    code = "DRV-CAM-010"
    remedy = "Check whether a lamp or the sun shines into the lens, and the exposure."


class PictureSizeWrong(CameraFault):
    """The size of the picture changed while the stream ran, or it is not `picture_size_px`."""

    code = "DRV-CAM-011"
    remedy = "Check the resolution that the camera is set to, and who changed it."


class StreamTimeBackwards(CameraFault):
    """The times that the stream itself carries went back: old frames, or a camera that began anew."""

    code = "DRV-CAM-012"
    remedy = "Restart the camera when it comes back; the stream is opened again by itself."


class ControlRefused(CameraFault):
    """A control of a V4L2 device is set to a value that it cannot take; the remedy says which it can."""

    code = "DRV-CAM-013"
    remedy = "Correct the exposure, gain, focus, white balance or mains frequency in the camera's options."


class ControlNotSet(CameraFault):
    """A control that is set is not offered by the device, or reads otherwise after it was set. Frames come nevertheless."""

    code = "DRV-CAM-014"
    severity = Severity.WARNING
    state = DeviceState.READY
    remedy = "Take the control out of the camera's options, or use a camera that has it."
