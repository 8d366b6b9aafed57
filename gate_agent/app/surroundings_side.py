"""What devices around the gate mean for the agent: shown to people and told to the centre; the power supply alone holds lanes.

X-ray results and tags of seals stand beside the traveller they may belong to; what a corridor becomes of them is policy's.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from drivers import contracts as dc
from drivers import surroundings as ds
from gate_agent.app.power_watch import PowerWatch
from gate_agent.app.receipts import Receipts, Screens
from gate_agent.app.seal_sightings import SealSightings
from gate_agent.app.xray_results import XrayResults
from gate_agent.clock import Clock
from gate_agent.domain.alarm import Alarm
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.lane.alarms import LaneAlarms
from gate_agent.lane.controller import LaneController
from gate_agent.lane.ports import LaneStore
from gate_agent.settings import Settings
from gate_agent.web.desk_messages import CustomsTaskView
from gate_agent.web.device_messages import PowerView, SealTagView, XrayView

WHOLE_GATE = 0
OPEN_XRAY_ALARMS = 50
_POWER = ""


class SurroundingsSide:
    """Takes the events of devices that no lane waits for. `run` records what they raise."""

    def __init__(
        self,
        settings: Settings,
        lanes: Mapping[int, LaneController],
        store: LaneStore,
        receipts: Receipts,
        xray: XrayResults,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        around = settings.surroundings
        self.receipts = receipts
        self.power = PowerWatch(lanes, settings.paths.run, clock, stops=around.stop_on_battery_low)
        self._lanes = lanes
        self._store = store
        self._clock = clock
        self._changed = changed
        self._xray = xray
        self._seals = SealSightings(around.seal_tag, timedelta(minutes=around.seal_tag_window_min))
        self._figures: dict[str, dict[str, str]] = {}
        self._alarms: dict[str, LaneAlarms] = {}
        self._noted: dict[int, uuid.UUID] = {}
        self._to_record: asyncio.Queue[tuple[str, bool, Reason]] = asyncio.Queue()

    # ---- in

    def take(self, event: dc.DeviceEvent) -> bool:
        """Take an event; False when it is of no device around the gate."""
        match event.data:
            case ds.XrayReported() as reported:
                self._xray.take(reported, event.t_wall)
                is_alarm = reported.decision is ds.XrayDecision.ALARM
                reason = Reason(ReasonCode.XRAY_ALARM, {"scan": reported.scan_id})
                self._to_record.put_nowait((reported.scan_id, is_alarm, reason))
            case dc.TagRead(epc):
                self._seals.take(epc, event.t_wall)
            case ds.UpsReported() | ds.UpsBatteryLow() as told:
                was_ending = self.power.is_ending
                self.power.take(event.device, told)
                if self.power.is_ending is not was_ending:
                    self._to_record.put_nowait((_POWER, self.power.is_ending, Reason(ReasonCode.POWER_ENDING)))
                self._figures[event.device] = _supply(told)
            case ds.UavReported() as aircraft:
                self._figures[event.device] = _aircraft(aircraft)
                return True  # told with the device's next news: positions come every second
            case ds.EnclosureReported() as enclosure:
                self._figures[event.device] = _enclosure(enclosure)
            case ds.UavText() | ds.PrinterReported():
                return True
            case _:
                return False
        self._changed()
        return True

    def tell(self, subject: str, reason: Reason, stands: bool) -> None:
        """Raise or clear an alarm of the whole gate that another part found; one a subject."""
        self._to_record.put_nowait((subject, stands, reason))

    def look(self, screens: Screens) -> None:
        """Look at lanes after something changed: who declared seals, who walks out, whether all of them rest."""
        for lane_id, lane in self._lanes.items():
            borrowed = lane.borrowed
            if borrowed is None or borrowed.declaration is None or self._noted.get(lane_id) == borrowed.transaction_id:
                continue
            self._noted[lane_id] = borrowed.transaction_id
            self._seals.declared(borrowed.transaction_id, borrowed.declaration.seal_ids)
        self.receipts.look(screens)
        self.power.look()

    async def run(self) -> None:
        """Raise and clear alarms of the whole gate, each durable before the next, until cancelled."""
        try:
            while True:
                subject, is_alarm, reason = await self._to_record.get()
                if is_alarm:
                    alarms = self._alarms.setdefault(subject, LaneAlarms(WHOLE_GATE, self._clock, self._store))
                    await alarms.raise_(reason)
                elif (known := self._alarms.get(subject)) is not None:
                    await known.clear(reason.code)
                self._forget()
                self._changed()
        finally:
            await self.receipts.stop()

    # ---- out

    def alarms(self) -> list[Alarm]:
        """Return the open alarms of the whole gate."""
        return [alarm for alarms in self._alarms.values() for alarm in alarms.open.values()]

    async def acknowledge(self, alarm_id: uuid.UUID, officer_id: str) -> bool:
        """Note who has seen an alarm of the whole gate; False when there is none such."""
        for alarms in list(self._alarms.values()):
            if await alarms.acknowledge(alarm_id, officer_id):
                self._forget()
                return True
        return False

    def tasks(self, tasks: Sequence[CustomsTaskView]) -> list[CustomsTaskView]:
        """Return customs tasks with what X-ray and tag readers told about them."""
        references = {task.declaration_reference for task in tasks}
        return [
            task.model_copy(
                update={
                    "xray": self._xray.of_task(task.declaration_reference, task.created_at, references),
                    "seals": self._seals.of_crossing(task.transaction_id, task.created_at),
                }
            )
            for task in tasks
        ]

    def seals_of(self, transaction_id: uuid.UUID) -> list[SealTagView]:
        """Return the seals that a running crossing was declared with, as tag readers saw them."""
        return self._seals.of_crossing(transaction_id, self._clock.now())

    def xray_to_look_at(self, tasks: Sequence[CustomsTaskView]) -> list[XrayView]:
        """Return the results that are not clear and stand at none of these tasks (as `tasks` returned them)."""
        return self._xray.to_look_at(self._clock.now(), {scan.scan_id for task in tasks for scan in task.xray})

    def power_view(self) -> PowerView | None:
        """Return how the power stands."""
        return self.power.view()

    def figures(self, device: str) -> dict[str, str]:
        """Return what a device told last, as values for the page's words."""
        return self._figures.get(device, {})

    def _forget(self) -> None:
        """Drop what has no open alarm; of more than enough open ones of scans the oldest stay recorded and are shown no longer."""
        for subject in [subject for subject, alarms in self._alarms.items() if not alarms.open]:
            del self._alarms[subject]
        scans = [subject for subject, alarms in self._alarms.items() if ReasonCode.XRAY_ALARM in alarms.open]
        for subject in scans[: max(len(self._alarms) - OPEN_XRAY_ALARMS, 0)]:
            del self._alarms[subject]


def _supply(told: ds.UpsReported | ds.UpsBatteryLow) -> dict[str, str]:
    figures = {"kind": "power"}
    if told.charge_ratio is not None:
        figures["charge"] = f"{told.charge_ratio * 100:.0f}"
    if told.runtime_s is not None:
        figures["minutes"] = f"{told.runtime_s / 60:.0f}"
    return figures


def _enclosure(told: ds.EnclosureReported) -> dict[str, str]:
    kind = "heated" if told.is_heating else "enclosure"
    return {"kind": kind, "temperature": f"{told.temperature_c:.1f}"}


def _aircraft(told: ds.UavReported) -> dict[str, str]:
    figures = {
        "kind": "aircraft",
        "system": str(told.system_id),
        "height": f"{told.height_m:.0f}",
        "speed": f"{told.ground_speed_m_s:.0f}",
    }
    if told.latitude is not None and told.longitude is not None:
        figures |= {"latitude": f"{told.latitude:.5f}", "longitude": f"{told.longitude:.5f}"}
    if told.battery_ratio is not None:
        figures["battery"] = f"{told.battery_ratio * 100:.0f}"
    return figures
