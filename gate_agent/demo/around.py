"""The twins around the demo's gate: tag reader, aircraft, power supply, X-ray inbox, receipt printer, a sensor in its enclosure; and their scenes.

Each scene sets one of them off and returns once the gate told of it on its lane API, so that what a guard would see is what is checked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Self

from drivers.enclosure.twin import TemperatureTwin
from drivers.power.twin import NutTwin
from drivers.printer.twin import EscposTwin, Receipt
from drivers.rfid.llrp_twin import LlrpTwin
from drivers.surroundings import XrayDecision
from drivers.twin import Twin
from drivers.uav.twin import MavlinkTwin
from drivers.xray_inbox.twin import XrayFolderTwin
from gate_agent.clock import Clock
from gate_agent.demo.gate_view import GateView
from gate_agent.inspection.receipt_format import PREFIX
from gate_agent.web.desk_messages import CustomsTaskView
from gate_agent.web.device_messages import DeviceView
from gate_agent.web.lane_api_messages import GateSnapshot

TAGS, AIRCRAFT, SUPPLY, XRAY, PRINTER, ENCLOSURE = "tags", "aircraft", "supply", "xray", "printer", "enclosure"
_TOLD_S = 20.0
_EPC_BYTES = 12
_LOOK_S = 0.05


class AroundTwins:
    """Owns the twins that serve the whole gate; `devices` are their names, drivers and options."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.tags = LlrpTwin(clock)
        self.aircraft = MavlinkTwin()
        self.supply = NutTwin()
        self.xray = XrayFolderTwin(folder / "xray")
        self.printer = EscposTwin(folder / "printer")
        self.enclosure = TemperatureTwin(folder / "temperature")
        self._twins: tuple[Twin, ...] = (
            self.tags, self.aircraft, self.supply, self.xray, self.printer, self.enclosure
        )  # fmt: skip

    async def __aenter__(self) -> Self:
        for twin in self._twins:
            await twin.plug()
        return self

    async def __aexit__(self, *exception: object) -> None:
        for twin in self._twins:
            await twin.unplug()

    def devices(self) -> list[tuple[str, str, dict[str, str | int]]]:
        """Return name, driver and options of each."""
        local = "127.0.0.1"
        return [
            (TAGS, "llrp_rfid", {"host": local, "port": self.tags.port}),
            (AIRCRAFT, "mavlink_uav", {"host": local, "port": self.aircraft.port}),
            (SUPPLY, "nut_ups", {"host": local, "port": self.supply.port, "poll_s": 1}),
            (XRAY, "xray_folder", {"path": str(self.xray.path)}),
            (PRINTER, "escpos_printer", {"path": str(self.printer.path), "poll_s": 1}),
            (ENCLOSURE, "hwmon_enclosure", {"path": str(self.enclosure.path)}),
        ]

    async def seal_comes_near(self, view: GateView, seal_id: str) -> None:
        """Let the tag in a seal answer; its EPC is the seal's number, as far as the digits go."""
        await _ready(view, TAGS)
        self.tags.see(bytes.fromhex(seal_id.rjust(2 * _EPC_BYTES, "0")))
        await _told(view, TAGS, "tag_read")

    async def aircraft_flies_by(self, view: GateView) -> None:
        """Let the aircraft move."""
        await _ready(view, AIRCRAFT)
        self.aircraft.fly()
        await _told(view, AIRCRAFT, "uav_reported")

    async def mains_fail(self, view: GateView) -> None:
        """Cut the mains for a moment."""
        await _ready(view, SUPPLY)
        self.supply.outage(90)
        try:
            await view.until(_is_on_battery, _TOLD_S, "the supply on battery")
        finally:
            self.supply.mains()

    async def baggage_alarms(self, view: GateView, scan_id: str) -> None:
        """Let the X-ray decide against a scan."""
        await _ready(view, XRAY)
        self.xray.screen(XrayDecision.ALARM, scan_id)
        await _told(view, XRAY, "xray_alarm")

    async def scan_at_customs_desk(self, view: GateView, scan_id: str) -> None:
        """Wait until a customs task shows that scan's alarm as its declaration's."""
        wanted = (scan_id, "alarm", "scan")
        await _at_customs_desk(
            view,
            lambda task: any((scan.scan_id, scan.decision, scan.link) == wanted for scan in task.xray),
            "the scan at the customs desk",
        )

    async def seal_at_customs_desk(self, view: GateView, seal_id: str) -> None:
        """Wait until a customs task tells that the tag of its seal was seen."""
        await _at_customs_desk(
            view,
            lambda task: any(seal.seal_id == seal_id and seal.seen_at is not None for seal in task.seals),
            "the seal's tag at the customs desk",
        )

    async def receipt(self, before: int) -> Receipt:
        """Wait until a receipt with a signed code came out of the printer, after the first `before` papers."""
        async with asyncio.timeout(_TOLD_S):
            while True:
                for receipt in self.printer.receipts[before:]:
                    if receipt.qr.startswith(PREFIX.encode("ascii")):
                        return receipt
                await asyncio.sleep(_LOOK_S)


def devices_of(snapshot: GateSnapshot) -> list[DeviceView]:
    """Return every device of a gate; one that serves two lanes comes twice."""
    return [*snapshot.devices, *(device for lane in snapshot.lanes for device in lane.devices)]


async def _ready(view: GateView, name: str) -> None:
    if name == XRAY:
        return  # a folder is ready once something lay in it
    await _until(view, name, lambda device: device.state == "ready", f"{name} to be ready")


async def _told(view: GateView, name: str, kind: str) -> None:
    await _until(view, name, lambda device: device.last_event == kind, f"{kind} of {name}")


async def _until(view: GateView, name: str, condition: Callable[[DeviceView], bool], what: str) -> None:
    await view.until(
        lambda snapshot: next((True for one in devices_of(snapshot) if one.name == name and condition(one)), None),
        _TOLD_S,
        what,
    )


async def _at_customs_desk(view: GateView, condition: Callable[[CustomsTaskView], bool], what: str) -> None:
    await view.until(
        lambda snapshot: True if any(condition(task) for task in snapshot.customs_tasks) else None, _TOLD_S, what
    )


def _is_on_battery(snapshot: GateSnapshot) -> bool | None:
    return True if snapshot.power is not None and snapshot.power.state == "battery" else None
