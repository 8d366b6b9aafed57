"""Lanes that open and close by the clock: outside its hours a lane finishes whom it serves and takes nobody new.

Hours act when they begin and when they end, so an officer's order stands in between: a lane that was resumed at night stays open until its
hours end the next time, and one that an officer suspended stays suspended when they begin. Whoever asks for help is heard all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

import structlog

from gate_agent.app.power_watch import HeldLane
from gate_agent.clock import Clock
from gate_agent.domain import events as ev
from gate_agent.domain.opening_hours import OpeningSpan, is_open
from gate_agent.domain.reasons import ReasonCode
from gate_agent.settings import Settings

log = structlog.get_logger()

_LOOK_S = 1.0


class LaneHours:
    """Watches the clock for every lane that has hours; one without any is always open."""

    def __init__(self, settings: Settings, lanes: Mapping[int, HeldLane], clock: Clock) -> None:
        self._zone = ZoneInfo(settings.gate.time_zone)
        self._spans: dict[int, Sequence[OpeningSpan]] = {
            lane.lane_id: [OpeningSpan.read(text) for text in lane.open_hours]
            for lane in settings.lane
            if lane.open_hours
        }
        self._lanes = lanes
        self._clock = clock
        self._were_open: dict[int, bool] = {}
        self.look()

    def look(self) -> None:
        """Open and close what is due. A clock that was set is followed like any other."""
        now = self._clock.now()
        for lane_id, spans in self._spans.items():
            opens = is_open(spans, now, self._zone)
            if self._were_open.get(lane_id, True) is opens:  # a lane that begins is held by nothing of ours
                continue
            self._were_open[lane_id] = opens
            change = ev.Unhold if opens else ev.Hold
            self._lanes[lane_id].feed(change(ReasonCode.LANE_OUTSIDE_HOURS))
            log.info("lane_hours", lane_id=lane_id, is_open=opens)

    async def run(self) -> None:
        """Look every second, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self.look()
