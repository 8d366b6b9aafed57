"""Rigs of the devices around the gate."""

from __future__ import annotations

import socket
from itertools import count, cycle
from pathlib import Path

from drivers.enclosure.twin import TemperatureTwin
from drivers.power.twin import NutTwin
from drivers.printer.twin import EscposTwin
from drivers.surroundings import EnclosureReported, PrinterReported, UavReported, UpsReported, XrayReported
from drivers.twin import TcpTwin
from drivers.uav.twin import MavlinkTwin, MavlinkUdpTwin
from drivers.xray_inbox.twin import XrayFolderTwin
from tests.contract.rig_core import Rig


async def choose_port(twin: TcpTwin) -> None:
    """Let a twin choose its port, which it keeps."""
    await twin.plug()
    await twin.unplug()


async def uav(_folder: Path) -> Rig:
    twin = MavlinkTwin(heartbeat_s=0.1)
    await choose_port(twin)
    heights = count(10)
    return Rig(
        "mavlink_uav",
        twin,
        lambda: {"host": "127.0.0.1", "port": twin.port, "dead_s": 1.0, "frame_gap_s": 0.1},
        lambda: twin.fly(height_m=next(heights)),
        UavReported,
        twin.unplug,
    )


async def uav_udp(_folder: Path) -> Rig:
    twin = MavlinkUdpTwin(port=free_port(), heartbeat_s=0.1)
    heights = count(10)
    options = {"transport": "udp", "host": "127.0.0.1", "port": twin.port, "dead_s": 1.0, "frame_gap_s": 0.1}
    return Rig(
        "mavlink_uav",
        twin,
        lambda: options,
        lambda: twin.fly(height_m=next(heights)),
        UavReported,
        twin.unplug,
        gone_after_s=2.0,
    )


def free_port() -> int:
    """Return a UDP port that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def ups(_folder: Path) -> Rig:
    twin = NutTwin()
    await choose_port(twin)
    charges = count()
    return Rig(
        "nut_ups",
        twin,
        lambda: {"host": "127.0.0.1", "port": twin.port, "dead_s": 1.0, "poll_s": 0.02, "reply_timeout_s": 0.1},
        lambda: twin.mains(next(charges) % 100),
        UpsReported,
        twin.unplug,
    )


async def xray(folder: Path) -> Rig:
    twin = XrayFolderTwin(folder / "inbox")
    options = {"path": str(twin.path), "poll_s": 0.01}
    return Rig("xray_folder", twin, lambda: options, twin.screen, XrayReported, twin.unplug, speaks_only_when_used=True)


async def printer(folder: Path) -> Rig:
    twin = EscposTwin(folder / "printer")
    options = {"path": str(twin.path), "dead_s": 1.0, "poll_s": 0.02, "reply_timeout_s": 0.5, "print_timeout_s": 0.5}
    is_low = cycle((True, False))
    return Rig(
        "escpos_printer",
        twin,
        lambda: options,
        lambda: twin.paper_low(on=next(is_low)),
        PrinterReported,
        twin.unplug,
        tells_its_state=True,
    )


async def enclosure(folder: Path) -> Rig:
    twin = TemperatureTwin(folder / "hwmon3" / "temp1_input")
    warmer = count(10)
    options = {"path": str(folder / "hwmon*" / "temp1_input"), "poll_s": 0.02, "dead_s": 1.0}
    return Rig(
        "hwmon_enclosure", twin, lambda: options, lambda: twin.feel(next(warmer) % 50), EnclosureReported, twin.unplug
    )


RIGS = {
    "hwmon_enclosure": enclosure,
    "escpos_printer": printer,
    "mavlink_uav": uav,
    "mavlink_uav_udp": uav_udp,
    "nut_ups": ups,
    "xray_folder": xray,
}
