"""The alarms of one lane: raised once per cause, cleared by their owner, recorded."""

from __future__ import annotations

import uuid
from dataclasses import replace

import structlog

from gate_agent.clock import Clock
from gate_agent.domain.alarm import Alarm, AlarmPriority
from gate_agent.domain.identifiers import uuid7
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import StoreFault
from gate_agent.lane.ports import LaneStore

log = structlog.get_logger()

_HIGH = {
    ReasonCode.FIRE,
    ReasonCode.EMERGENCY_STOP,
    ReasonCode.LOCKDOWN,
    ReasonCode.POST_FALLBACK,
    ReasonCode.BARRIER_TAMPER,
    ReasonCode.DOOR_FORCED,
    ReasonCode.PASSAGE_WITHOUT_RELEASE,
    ReasonCode.TAILGATING,
    ReasonCode.WRONG_WAY,
    ReasonCode.STORE_FAULT,
    ReasonCode.PERSON_INSIDE_AT_START,
    ReasonCode.POWER_ENDING,
    ReasonCode.TOKEN_USED_AT_TWO_GATES,
    ReasonCode.WATCHLIST_RESCREENED_INSIDE,
    ReasonCode.DESK_STOP_SEEN_AT_EXIT,
    ReasonCode.DESK_STOP_OPEN_ELSEWHERE,
}
_MOMENTARY = {
    ReasonCode.HELP_REQUESTED,
    ReasonCode.PASSAGE_UNDETERMINED,
    ReasonCode.BARRIER_FAULT,
    ReasonCode.DOOR_FORCED,
    ReasonCode.PASSAGE_WITHOUT_RELEASE,
    ReasonCode.TAILGATING,
    ReasonCode.WRONG_WAY,
    ReasonCode.SEAL_TAMPERED,
    ReasonCode.XRAY_ALARM,
    ReasonCode.TOKEN_USED_AT_TWO_GATES,
    ReasonCode.WATCHLIST_INFORMED,
    ReasonCode.WATCHLIST_RESCREENED,
    ReasonCode.WATCHLIST_RESCREENED_INSIDE,
}


class LaneAlarms:
    """Alarms by cause. A momentary cause is over when a guard acknowledges it; the others end with their cause."""

    def __init__(self, lane_id: int, clock: Clock, store: LaneStore) -> None:
        self.open: dict[ReasonCode, Alarm] = {}
        self._lane_id = lane_id
        self._clock = clock
        self._store = store

    async def raise_(self, reason: Reason) -> bool:
        """Raise an alarm unless its cause is known already; True when the record of it is durable."""
        alarm = self.open.get(reason.code)
        if alarm is None:
            priority = AlarmPriority.HIGH if reason.code in _HIGH else AlarmPriority.MEDIUM
            now = self._clock.now()
            alarm = Alarm(uuid7(int(now.timestamp() * 1000)), self._lane_id, priority, reason, now)
            self.open[reason.code] = alarm
            log.warning("alarm_raised", reason=reason.code, priority=priority)
        return await self._record(alarm)

    async def clear(self, code: ReasonCode) -> None:
        """Clear the alarm of a cause that is gone."""
        alarm = self.open.pop(code, None)
        if alarm is not None:
            log.info("alarm_cleared", reason=code)
            await self._record(replace(alarm, cleared_at=self._clock.now()))

    async def acknowledge(self, alarm_id: uuid.UUID, officer_id: str) -> bool:
        """Note who has seen an alarm; False when there is no such alarm."""
        for code, alarm in self.open.items():
            if alarm.alarm_id == alarm_id:
                seen = replace(alarm, acknowledged_by=officer_id)
                if code in _MOMENTARY:
                    self.open[code] = seen
                    await self.clear(code)
                else:
                    self.open[code] = seen
                    await self._record(seen)
                return True
        return False

    async def _record(self, alarm: Alarm) -> bool:
        try:
            await self._store.commit_alarm(alarm)
        except StoreFault as fault:
            log.error("alarm_not_recorded", code=fault.code)  # shown all the same; the store's own alarm says why
            return False
        return True
