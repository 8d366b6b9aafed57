"""What lets a lane see faces at other heights than one camera's: a second camera below the first, by the lane's settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from drivers import contracts as dc
from gate_agent.lane.face import MakeHeights
from gate_agent.lane.face.heights import TwoHeights, View
from gate_agent.settings import LaneSettings


def heights_of(lane: LaneSettings, device: Callable[[str, dc.DeviceClass], dc.Driver]) -> MakeHeights | None:
    """Return what makes the lane's way to follow a face; None for one camera that stays where it is.

    `device` gives a driver by name and class. Raises `SettingsFault` for one of another class.
    """
    if not lane.low_camera:
        return None
    cameras = {name: device(name, dc.DeviceClass.CAMERA) for name in (lane.camera, lane.low_camera)}
    upper, lower = (View(name, camera) for name, camera in cameras.items())  # type: ignore[arg-type] # checked by class
    return partial(TwoHeights, upper, lower, lambda name: cameras[name].state is dc.DeviceState.READY)
