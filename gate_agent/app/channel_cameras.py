"""The cameras of one lane as the lane sees them: one port, that starts and stops all of them together."""

from __future__ import annotations

from drivers import contracts as dc


class ChannelCameras:
    """A lane's camera of visible light, and those of the same view in other channels."""

    def __init__(self, visible: dc.Driver, *others: dc.Driver) -> None:
        """All of them must be of class CAMERA."""
        self._visible: dc.CameraDriver = visible  # type: ignore[assignment] # checked by class
        self._others: tuple[dc.CameraDriver, ...] = others  # type: ignore[assignment] # checked by class

    def set_active(self, *, active: bool) -> None:
        """Report frames of every channel only while active."""
        for camera in (self._visible, *self._others):
            camera.set_active(active=active)

    def set_reading(self, *, active: bool) -> None:
        """Look for bar codes in the visible frames while active."""
        self._visible.set_reading(active=active)
