"""What a lane makes durable: the permit to enter, decisions, crossings; and what becomes of the lane when the disk refuses."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import date

import structlog

from gate_agent.clock import Clock
from gate_agent.domain import events as ev
from gate_agent.domain.check import AnyCheck, CheckResult
from gate_agent.domain.crossing import Admission, PassageOutcome
from gate_agent.domain.declaration import Direction, TravelMode
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import StoreFault
from gate_agent.lane.alarms import LaneAlarms
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.jobs import Job, Report
from gate_agent.lane.ports import KnowledgeSource, LaneStore
from gate_agent.lane.receipts import ReceiptIssuer
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
        receipts: ReceiptIssuer | None = None,
        mode_for: Callable[[TravelMode | None], TravelMode],
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
        self._receipts = receipts
        self._mode_for = mode_for

    def fault(self) -> tuple[ev.Event, ...]:
        """Shut the lane for newcomers and call the guard for whoever is here."""
        self._hold()
        return (ev.NotServed((Reason(ReasonCode.STORE_FAULT),)),)

    async def entrance(self, borrowed: Borrowed) -> None:
        """Make the permit to enter durable."""
        commit = self._store.commit_entrance(borrowed.transaction_id, self._lane.lane_id)
        await self._commit(borrowed, [commit], ev.EntranceCommitted())

    async def decision(
        self,
        here: Borrowed,
        people: Sequence[tuple[Borrowed, Mapping[AnyCheck, CheckResult]]],
        effect: ev.CommitDecision,
        today: date,
    ) -> None:
        """Make a decision durable, with everything it was made from: one for each of those who cross together."""
        knowledge = self._knowledge.current()
        decided_mono_s = self._clock.monotonic_s()
        decisions = []
        for borrowed, results in people:
            borrowed.answer = effect.answer
            borrowed.decided_mono_s = decided_mono_s
            borrowed.decision_id = self._new_id()
            decision = decision_of(
                self._lane, borrowed, borrowed.decision_id, effect, results, knowledge, self._clock, today,
                trust_version=self._trust_version(),
            )  # fmt: skip
            decisions.append(decision)
            if effect.answer.admission is Admission.RELEASE and self._receipts is not None:
                mode = self._mode_for(borrowed.declaration.mode if borrowed.declaration else None)
                borrowed.receipt = self._receipts.issue(
                    borrowed, self._lane.direction, mode, self._clock.now(), today, knowledge.rulebook
                )
        commits = [self._store.commit_decision(decision) for decision in decisions]
        await self._commit(here, commits, ev.DecisionCommitted(effect.number))
        for borrowed, _ in people:
            borrowed.step_ms["commit"] = (self._clock.monotonic_s() - decided_mono_s) * 1000
            self.inform(borrowed)  # behind the decision's own write: nothing of the traveller's waits for it

    def inform(self, borrowed: Borrowed) -> None:
        """Tell guard and centre what lists ask to be told silently, once for each transaction."""
        matches = borrowed.take_informing()
        if matches:
            self._knowledge.inform(self._lane.lane_id, matches)

    async def crossing(
        self, here: Borrowed, people: Sequence[Borrowed], effect: ev.CommitCrossing, today: date
    ) -> None:
        """Make a crossing durable, one for each of those who crossed together."""
        commits = []
        for borrowed in people:
            borrowed.passage = effect.passage
            borrowed.crossing_id = borrowed.crossing_id or self._new_id()  # what is tried again is the same crossing
            crossing = crossing_of(self._lane, borrowed, borrowed.crossing_id, effect.passage, self._clock, today)
            is_out = self._lane.direction is Direction.EXIT and effect.passage is PassageOutcome.PASSED
            if is_out and crossing.declaration is not None:  # inside the country the goods travel on under seal
                self._knowledge.seals_arrived(crossing.declaration)
            commits.append(self._store.commit_crossing(crossing))
        await self._commit(here, commits, ev.CrossingCommitted())

    async def _commit(
        self, borrowed: Borrowed, commits: Sequence[Coroutine[object, object, None]], done: ev.Event
    ) -> None:
        remaining = list(commits)
        try:
            while remaining:
                await remaining.pop(0)
        except StoreFault as fault:
            for commit in remaining:
                commit.close()
            log.error("commit_failed", code=fault.code)
            self._report(borrowed, ev.CommitFailed())
            self._hold()
        else:
            self._report(borrowed, done)

    def _hold(self) -> None:
        """Hold the lane, whoever is in it, until the disk takes something again."""
        self._feed(ev.Hold(ReasonCode.STORE_FAULT))
        self._job(self._wait_for_store())

    async def _wait_for_store(self) -> None:
        while not await self._alarms.raise_(Reason(ReasonCode.STORE_FAULT)):  # noqa: ASYNC110 - a disk tells nobody
            await asyncio.sleep(_STORE_RETRY_S)
        await self._alarms.clear(ReasonCode.STORE_FAULT)
        self._feed(ev.Unhold(ReasonCode.STORE_FAULT))
