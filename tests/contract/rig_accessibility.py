"""Rigs of the devices for travellers who need them."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

from drivers.accessibility import HelpPressed, IntercomReported, LiftReported
from drivers.camera_lift import twin as lift_twin
from drivers.help_point import twin as help_twin
from tests.contract.rig_core import Rig

BOX = {"host": "127.0.0.1", "dead_s": 1.0, "reply_timeout_s": 0.1, "poll_ms": 10}


async def lift(_folder: Path) -> Rig:
    twin = lift_twin.CameraLiftTwin()
    await twin.plug()  # chooses the port, which it keeps
    await twin.unplug()
    heights = cycle((0.0, 400.0, 800.0, 400.0))
    return Rig(
        "modbus_camera_lift",
        twin,
        lambda: {**BOX, "tcp_port": twin.port, "points": lift_twin.POINTS},
        lambda: twin.put(next(heights)),
        LiftReported,
        twin.unplug,
    )


async def help_point(_folder: Path) -> Rig:
    twin = help_twin.HelpPointTwin()
    await twin.plug()
    await twin.unplug()
    speaking = cycle((True, False))
    return Rig(
        "modbus_help_point",
        twin,
        lambda: {**BOX, "tcp_port": twin.port, "points": help_twin.POINTS},
        lambda: twin.speak(on=next(speaking)),
        IntercomReported,
        twin.unplug,
    )


async def button(folder: Path) -> Rig:
    twin = help_twin.HelpButtonTwin(folder / "button")
    options = {"path": str(twin.path), "is_exclusive": False}
    return Rig(
        "hid_help_button", twin, lambda: options, twin.press, HelpPressed, twin.unplug, speaks_only_when_used=True
    )


RIGS = {"hid_help_button": button, "modbus_camera_lift": lift, "modbus_help_point": help_point}
