"""What lets a lane see faces at other heights than one camera's, by the lane's settings: a second camera below the first, or a lift."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from drivers import contracts as dc
from drivers.accessibility import CameraLiftDriver, LiftDirection, LiftReported
from drivers.errors import DriverFault
from gate_agent.app.channel_cameras import ChannelCameras
from gate_agent.clock import Clock
from gate_agent.errors import DeviceFault
from gate_agent.lane.controller import LaneController
from gate_agent.lane.face.heights import TwoHeights, View
from gate_agent.lane.face.lifted import Lifted
from gate_agent.lane.lift import SafeLift
from gate_agent.settings import LaneSettings

Device = Callable[[str, dc.DeviceClass], dc.Driver]


class LiftPort:
    """The lift as a lane sees it: driver faults become the gate's."""

    def __init__(self, driver: CameraLiftDriver) -> None:
        self._driver = driver

    async def move(self, direction: LiftDirection, seconds: float) -> LiftReported:
        """Move."""
        try:
            return await self._driver.move(direction, seconds)
        except DriverFault as fault:
            raise DeviceFault(str(fault), code=fault.code) from fault

    def stop(self) -> None:
        """End a running move."""
        self._driver.stop()


def wire_heights(controller: LaneController, device: Device, clock: Clock) -> None:
    """Give a lane its way to follow a face; one camera that stays where it is needs none.

    `device` gives a driver by name and class. Raises `SettingsFault` for one of another class.
    """
    lane = controller.lane
    if lane.low_camera:
        cameras = {name: device(name, dc.DeviceClass.CAMERA) for name in (lane.camera, lane.low_camera)}
        upper = View(lane.camera, _with_channels(cameras[lane.camera], lane, device))
        lower = View(lane.low_camera, cameras[lane.low_camera])  # type: ignore[arg-type] # checked by class
        is_ready: Callable[[str], bool] = lambda name: cameras[name].state is dc.DeviceState.READY  # noqa: E731 - a name says what it is
        controller.face.heights = partial(TwoHeights, upper, lower, is_ready)
    elif lane.camera_lift:
        camera = device(lane.camera, dc.DeviceClass.CAMERA)
        lift = SafeLift(LiftPort(device(lane.camera_lift, dc.DeviceClass.CAMERA_LIFT)))  # type: ignore[arg-type] # as above
        controller.intake.watchers.append(lift.doors)
        view = View(lane.camera, _with_channels(camera, lane, device))
        controller.face.heights = partial(Lifted, view, lift, lane.lift_travel_s, clock.monotonic_s)


def _with_channels(camera: dc.Driver, lane: LaneSettings, device: Device) -> ChannelCameras:
    """Return the lane's own camera with those of the same view in other channels, which start and stop with it."""
    return ChannelCameras(camera, *(device(name, dc.DeviceClass.CAMERA) for name in lane.channel_cameras))
