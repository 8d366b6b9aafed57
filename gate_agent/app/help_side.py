"""Help points of a gate: a press is what the screen's button is, and the intercom calls the guards for either of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import structlog

from drivers import contracts as dc
from drivers.accessibility import HelpPointDriver, HelpPressed, IntercomReported
from drivers.errors import DriverFault
from gate_agent.settings import LaneSettings

log = structlog.get_logger()

CALLED_FOR_S = 60.0
"""A call that nobody answered is not shown for longer; the referral or alarm of the lane stays."""

Intercom = Literal["", "calling", "speaking"]


class HelpPoint(HelpPointDriver, Protocol):
    """A help point with what it can do."""

    capabilities: frozenset[str]


class HelpPoints:
    """Which lane's help point tells what. `asked` is called with the lane's number for each press, `changed` when a console has to know."""

    def __init__(
        self,
        lanes: tuple[LaneSettings, ...],
        points: Mapping[str, HelpPoint],
        asked: Callable[[int], None],
        changed: Callable[[], None],
    ) -> None:
        self._lanes = {lane.lane_id: lane for lane in lanes if lane.help_point}
        self._points = points
        self._asked = asked
        self._changed = changed
        self._intercoms: dict[int, Intercom] = {}
        self._calls: set[asyncio.Task[None]] = set()

    def event(self, event: dc.DeviceEvent) -> bool:
        """Take an event of a help point; False when it is of another device."""
        if not isinstance(event.data, HelpPressed | IntercomReported):
            return False
        for lane_id, lane in self._lanes.items():
            if lane.help_point != event.device:
                continue
            if isinstance(event.data, IntercomReported):
                self._show(lane_id, "speaking" if event.data.is_active else "")
            else:
                log.info("help_pressed", lane_id=lane_id)
                self._asked(lane_id)
        return True

    def call(self, lane_id: int) -> None:
        """Let the lane's intercom call the guards, where it has one; returns at once."""
        lane = self._lanes.get(lane_id)
        if lane is None or "call" not in self._points[lane.help_point].capabilities:
            return
        if self._intercoms.get(lane_id):
            return  # it rings or somebody speaks already
        self._show(lane_id, "calling")
        call = asyncio.create_task(self._call(lane_id, self._points[lane.help_point]), name=f"lane {lane_id} calling")
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    def intercom(self, lane_id: int) -> Intercom:
        """Return how the intercom of a lane stands."""
        return self._intercoms.get(lane_id, "")

    async def _call(self, lane_id: int, point: HelpPoint) -> None:
        try:
            await point.call()
        except DriverFault as fault:
            log.warning("intercom_call_failed", lane_id=lane_id, code=fault.code)
        else:
            await asyncio.sleep(CALLED_FOR_S)
        if self._intercoms.get(lane_id) == "calling":
            self._show(lane_id, "")

    def _show(self, lane_id: int, intercom: Intercom) -> None:
        self._intercoms[lane_id] = intercom
        self._changed()
