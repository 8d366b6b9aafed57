"""The timers of one lane: lengths from its settings, expiry as an event."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gate_agent.domain import events as ev
from gate_agent.domain.events import Timer
from gate_agent.domain.transaction_state import TransactionState
from gate_agent.settings import DocumentSettings, LaneSettings

_CHIP_ALLOWANCE_S = 5.0
"""The reader ends a read in time and tells what it gave until then; this much later it is given up with whatever it had."""
_TRAVELLERS = (Timer.IDLE, Timer.ENTRY, Timer.INSPECTION, Timer.PASSAGE)
"""Timers that run against the traveller; the others wait for guards and disks."""


class LaneTimers:
    """Starts and stops timers on the running loop. Those that guard a door outlast the door's time to live."""

    def __init__(self, lane: LaneSettings, document: DocumentSettings, report: Callable[[ev.Event], None]) -> None:
        self._seconds = {
            Timer.IDLE: lane.idle_timeout_s,
            Timer.CHIP: document.chip_timeout_s + _CHIP_ALLOWANCE_S,
            Timer.INSPECTION: lane.inspection_timeout_s,
            Timer.ENTRY: max(lane.entry_timeout_s, lane.release_ttl_s),
            Timer.PASSAGE: max(lane.passage_timeout_s, lane.release_ttl_s),
            Timer.LEAVE: max(lane.passage_timeout_s, lane.release_ttl_s),
        }
        self._report = report
        self._time_factor = lane.time_factor
        self._running: dict[Timer, asyncio.TimerHandle] = {}

    def factor(self, state: TransactionState) -> float:
        """Return by how much the times of this traveller are longer."""
        return self._time_factor if state.wants_more_time else 1.0

    def start(self, timer: Timer, state: TransactionState) -> None:
        """(Re)start a timer for the transaction of `state`; longer for a traveller who asked, where it runs against him."""
        self.stop(timer)
        transaction_id = state.transaction_id
        seconds = self._seconds[timer] * (self.factor(state) if timer in _TRAVELLERS else 1.0)
        expired = ev.TimerExpired(timer, transaction_id)
        self._running[timer] = asyncio.get_running_loop().call_later(seconds, self._report, expired)

    def remaining_s(self) -> float | None:
        """Return how long the traveller still has for what is asked of him, None while nothing is timed."""
        loop = asyncio.get_running_loop()
        due = [self._running[timer].when() for timer in _TRAVELLERS if timer in self._running]
        return max(0.0, min(due) - loop.time()) if due else None

    def stop(self, timer: Timer) -> None:
        """Stop a timer if it runs."""
        if timer in self._running:
            self._running.pop(timer).cancel()
