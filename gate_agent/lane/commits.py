"""What a lane makes durable: the permit to enter, decisions, crossings; and what becomes of the lane when the disk refuses."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Mapping
from datetime import date

import structlog

from gate_agent.clock import Clock
from gate_agent.domain import events as ev
from gate_agent.domain.check import CheckName, CheckResult
from gate_agent.domain.crossing import PassageOutcome
from gate_agent.domain.declaration import Direction
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import StoreFault
from gate_agent.lane.alarms import LaneAlarms
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.jobs import Job, Report
from gate_agent.lane.ports import KnowledgeSource, LaneStore
from gate_agent.lane.recording import crossing_of, decision_of
from gate_agent.settings import LaneSettings

log = structlog.get_logger()

_STORE_RETRY_S = 1.0


class Commits:
    """Writes for one lane. `report` tells what became of it, `feed` what concerns the lane whoever is in it."""

    def __init__(
        self,
        lane: LaneSettings,
        store: LaneStore,
        knowledge: KnowledgeSource,
        clock: Clock,
        alarms: LaneAlarms,
        *,
        job: Job,
        report: Report,
        feed: Callable[[ev.Event], None],
        new_id: Callable[[], uuid.UUID],
        trust_version: Callable[[], int | None],
    ) -> None:
        self._lane = lane
        self._store = store
        self._knowledge = knowledge
        self._clock = clock
        self._alarms = alarms
        self._job = job
        self._report = report
        self._feed = feed
        self._new_id = new_id
        self._trust_version = trust_version

    def fault(self) -> tuple[ev.Event, ...]:
        """Shut the lane for newcomers and call the guard for whoever is here."""
        self._job(self._wait_for_store())
        return (ev.Hold(ReasonCode.STORE_FAULT), ev.NotServed((Reason(ReasonCode.STORE_FAULT),)))

    async def entrance(self, borrowed: Borrowed) -> None:
        """Make the permit to enter durable."""
        commit = self._store.commit_entrance(borrowed.transaction_id, self._lane.lane_id)
        await self._commit(borrowed, commit, ev.EntranceCommitted())

    async def decision(
        self, borrowed: Borrowed, effect: ev.CommitDecision, results: Mapping[CheckName, CheckResult], today: date
    ) -> None:
        """Make a decision durable, with everything it was made from."""
        borrowed.answer = effect.answer
        borrowed.decided_mono_s = self._clock.monotonic_s()
        borrowed.decision_id = self._new_id()
        knowledge = self._knowledge.current()
        decision = decision_of(
            self._lane, borrowed, borrowed.decision_id, effect, results, knowledge, self._clock, today,
            trust_version=self._trust_version(),
        )  # fmt: skip
        await self._commit(borrowed, self._store.commit_decision(decision), ev.DecisionCommitted(effect.number))
        borrowed.step_ms["commit"] = (self._clock.monotonic_s() - borrowed.decided_mono_s) * 1000

    async def crossing(self, borrowed: Borrowed, effect: ev.CommitCrossing, today: date) -> None:
        """Make a crossing durable."""
        crossing = crossing_of(self._lane, borrowed, self._new_id(), effect.passage, self._clock, today)
        is_out = self._lane.direction is Direction.EXIT and effect.passage is PassageOutcome.PASSED
        if is_out and crossing.declaration is not None:  # inside the country the goods travel on under seal
            self._knowledge.seals_arrived(crossing.declaration)
        await self._commit(borrowed, self._store.commit_crossing(crossing), ev.CrossingCommitted())

    async def _commit(self, borrowed: Borrowed, commit: Coroutine[object, object, None], done: ev.Event) -> None:
        try:
            await commit
        except StoreFault as fault:
            log.error("commit_failed", code=fault.code)
            self._report(borrowed, ev.CommitFailed(), ev.Hold(ReasonCode.STORE_FAULT))
            self._job(self._wait_for_store())
        else:
            self._report(borrowed, done)

    async def _wait_for_store(self) -> None:
        while not await self._alarms.raise_(Reason(ReasonCode.STORE_FAULT)):  # noqa: ASYNC110 - a disk tells nobody
            await asyncio.sleep(_STORE_RETRY_S)
        await self._alarms.clear(ReasonCode.STORE_FAULT)
        self._feed(ev.Unhold(ReasonCode.STORE_FAULT))
