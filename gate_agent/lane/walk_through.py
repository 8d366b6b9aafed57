"""The walk-through lane: performs the machine's effects on real parts and feeds their results back. It owns no rule of its own.

One-to-many is off unless the calibration record proves a false positive identification rate for the gallery's size. A lane is
therefore built with a `Permission`, and the shipped model's only one is the demonstration's. One task takes events from one inbox;
frames are looked at one at a time, the newest one; everything slow is a job of the same task group.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from enum import StrEnum

import structlog

from drivers import contracts as dc
from gate_agent.clock import Clock
from gate_agent.domain import events as mantrap
from gate_agent.domain import walk_through_events as ev
from gate_agent.domain.crossing import Admission, DecidedBy, Decision, Outcome, PassageOutcome
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.walk_through import step
from gate_agent.domain.walk_through_events import FaceStanding
from gate_agent.domain.walk_through_state import LaneState, WalkThroughRules
from gate_agent.errors import DeviceFault, InferenceFault, SettingsFault, StoreFault
from gate_agent.lane.alarms import LaneAlarms
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.ports import KnowledgeSource, LaneBarrier, LaneCamera, LaneStore
from gate_agent.lane.recording import crossing_of, decision_of
from gate_agent.lane.walk_through_kiosk import Enrolment, Kiosk, Prepared
from gate_agent.lane.walk_through_ports import GalleryMatcher, MatchedFace, ReleaseZone, zone_of
from gate_agent.settings import LaneSettings, Settings

log = structlog.get_logger()

_STORE_RETRY_S = 1.0
_MATCHER_RETRY_S = 0.2
_RECENT = 50


class Permission(StrEnum):
    """Why this lane may search one-to-many at all."""

    PROVEN = "proven"  # the calibration record proves the identification rate at this gallery size
    DEMONSTRATION = "demonstration"  # nothing is proven; synthetic travellers, labelled so in every record


@dataclass(frozen=True, slots=True)
class Passed:
    """One transaction that ended, for whoever shows it; nothing personal."""

    transaction_id: uuid.UUID
    outcome: Outcome
    decided_by: DecidedBy
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Called:
    """A guard was called: to a traveller, or to somebody without a transaction."""

    transaction_id: uuid.UUID | None
    reasons: tuple[Reason, ...]


class WalkThroughLane:
    """One lane. `device_event`, `feed` and `guard` may be called from the loop's thread at any time; `run` does the work."""

    def __init__(
        self,
        settings: Settings,
        lane: LaneSettings,
        *,
        permission: Permission | None,
        camera: LaneCamera,
        barrier: LaneBarrier,
        matcher: GalleryMatcher,
        store: LaneStore,
        knowledge: KnowledgeSource,
        clock: Clock,
        zone: ReleaseZone | None = None,
        rules: WalkThroughRules | None = None,
    ) -> None:
        """Build a lane. Raises `SettingsFault` without permission to search one-to-many."""
        if permission is None:
            raise SettingsFault(
                "walk-through searches one-to-many, and the calibration record proves no false positive identification rate"
            )
        self.lane = lane
        self.state = LaneState()
        self.alarms = LaneAlarms(lane.lane_id, clock, store)
        self.ended: deque[Passed] = deque(maxlen=_RECENT)
        self.calls: deque[Called] = deque(maxlen=_RECENT)
        self.frames_seen = 0
        self.last_frame_s = float("-inf")
        self.kiosk = Kiosk(settings, lane, matcher, store, knowledge, clock)
        self._permission = permission
        self._camera = camera
        self._barrier = barrier
        self._matcher = matcher
        self._store = store
        self._knowledge = knowledge
        self._clock = clock
        self._place = zone or ReleaseZone()
        self._rules = rules or WalkThroughRules()
        self._prepared: dict[uuid.UUID, Prepared] = {}
        self._faces: tuple[MatchedFace, ...] = ()
        self._inbox: asyncio.Queue[ev.Event | tuple[ev.Event, asyncio.Future[bool]]] = asyncio.Queue()
        self._frame: tuple[dc.FrameCaptured, float] | None = None
        self._frame_came = asyncio.Event()
        self._doors: asyncio.Queue[ev.OpenExit | ev.SecureExit] = asyncio.Queue()
        self._timers: dict[uuid.UUID, asyncio.TimerHandle] = {}
        self._group: asyncio.TaskGroup | None = None

    # what others call -------------------------------------------------------------------------------------------------

    def device_event(self, event: dc.DeviceEvent) -> None:
        """Take an event of the lane's camera or barrier."""
        match event.data:
            case dc.FrameCaptured() as frame:
                self._drop_frame()
                self._frame = (frame, event.t_mono_s)
                self._frame_came.set()
            case dc.BarrierInputs() as inputs:
                self.feed(zone_of(inputs))
            case dc.StateChanged(state) if event.device == self.lane.camera and state is not dc.DeviceState.READY:
                self.feed(ev.SightLost())
            case _:
                pass

    def feed(self, event: ev.Event) -> None:
        """Hand an event to the machine."""
        self._inbox.put_nowait(event)

    async def guard(self, event: ev.GuardDecided | ev.GuardCleared) -> bool:
        """Hand in a guard's verified decision; True when the machine took it."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait((event, answer))
        return await answer

    async def enrol(self, lines: tuple[str, ...], portrait: bytes) -> Enrolment:
        """Serve a traveller at the kiosk. Raises `StoreFault` and `InferenceFault`; nobody is expected then."""
        enrolment = await self.kiosk.prepare(lines, portrait)
        if enrolment.prepared is not None:
            transaction_id = enrolment.transaction_id
            self._prepared[transaction_id] = enrolment.prepared
            self._start_timer(transaction_id, self.lane.inspection_timeout_s, ev.ExpectationTimedOut(transaction_id))
            self.feed(ev.Enrolled(transaction_id))
            log.info("traveller_enrolled", transaction_id=str(transaction_id))
        return enrolment

    async def run(self) -> None:
        """Serve the lane until cancelled; every reference is destroyed then."""
        self._camera.set_active(active=True)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._work_doors())
                group.create_task(self._watch())
                while True:
                    item = await self._inbox.get()
                    answer: asyncio.Future[bool] | None = None
                    if isinstance(item, tuple):
                        item, answer = item
                    before = self.state
                    self._step(item)
                    if answer is not None and not answer.done():
                        answer.set_result(self.state != before)
        finally:
            self._camera.set_active(active=False)
            self._drop_frame()
            for timer in self._timers.values():
                timer.cancel()
            for transaction_id, prepared in list(self._prepared.items()):
                prepared.borrowed.wipe()
                await self._withdraw(transaction_id)

    # the machine ------------------------------------------------------------------------------------------------------

    def _step(self, event: ev.Event) -> None:
        self.state, effects = step(self.state, event, self._rules)
        for effect in effects:
            self._perform(effect)

    def _perform(self, effect: ev.Effect) -> None:
        match effect:
            case ev.AskPolicy():
                self._ask(effect)
            case ev.CommitDecision():
                self._job(self._commit_decision(effect))
            case ev.ConsumeEntry(transaction_id, proof):
                self._job(self._consume(transaction_id, proof))
            case ev.OpenExit() | ev.SecureExit():
                self._doors.put_nowait(effect)
            case ev.StartPassageTimer(transaction_id):
                seconds = max(self.lane.passage_timeout_s, self.lane.release_ttl_s)
                self._start_timer(transaction_id, seconds, ev.PassageTimedOut(transaction_id))
            case ev.CommitCrossing():
                self._job(self._commit_crossing(effect))
            case ev.CallGuard(transaction_id, reasons):
                self.calls.append(Called(transaction_id, reasons))
                log.info("guard_called", reasons=[reason.code for reason in reasons])
                if transaction_id is None:
                    self._job(self.alarms.raise_(reasons[0]))  # the only record of somebody without a transaction
            case ev.RaiseAlarm(reason):
                self._job(self.alarms.raise_(reason))
            case ev.ClearAlarm(code):
                self._job(self.alarms.clear(code))
            case ev.CloseTransaction():
                self._close(effect)

    def _job(self, coroutine: Coroutine[object, object, object]) -> None:
        assert self._group is not None, "jobs run inside run()"
        self._group.create_task(coroutine)

    def _start_timer(self, transaction_id: uuid.UUID, seconds: float, expired: ev.Event) -> None:
        if transaction_id in self._timers:
            self._timers.pop(transaction_id).cancel()
        self._timers[transaction_id] = asyncio.get_running_loop().call_later(seconds, self.feed, expired)

    def _ask(self, effect: ev.AskPolicy) -> None:
        prepared = self._prepared[effect.transaction_id]
        face = next((face for face in self._faces if face.proof == effect.proof), None)
        proven = face is not None and face.standing is FaceStanding.IDENTIFIED
        self.kiosk.add_face(prepared, effect.proof if proven else None, face.score if face else None)
        prepared.borrowed.last_input_mono_s = self.state.seen_s
        answer = self.kiosk.ask(prepared, effect.referral)
        self._step(ev.PolicyAnswered(effect.transaction_id, answer))

    def _close(self, effect: ev.CloseTransaction) -> None:
        prepared = self._prepared.pop(effect.transaction_id)
        answer = prepared.borrowed.answer
        reasons = answer.admission_reasons if answer else ()
        self.ended.append(Passed(effect.transaction_id, effect.outcome, effect.decided_by, reasons))
        log.info("transaction_closed", outcome=effect.outcome, decided_by=effect.decided_by)
        if effect.transaction_id in self._timers:
            self._timers.pop(effect.transaction_id).cancel()
        self._inform(prepared.borrowed)
        prepared.borrowed.wipe()
        self._job(self._withdraw(effect.transaction_id))

    # jobs -------------------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Look at the newest frame, one after another."""
        while True:
            await self._frame_came.wait()
            self._frame_came.clear()
            taken, self._frame = self._frame, None
            if taken is None:
                continue
            frame, t_mono_s = taken
            try:
                faces = await self._matcher.look(frame.memfd, frame.width_px, frame.height_px, t_mono_s)
            except InferenceFault as fault:
                log.warning("face_engine_fault", code=fault.code)
                self.feed(ev.SightLost())
                await asyncio.sleep(_MATCHER_RETRY_S)
                continue
            finally:
                frame.release()
            self._faces = tuple(faces)
            self.feed(ev.FacesSeen(t_mono_s, tuple(self._place.seen(face, frame.width_px) for face in faces)))
            self.frames_seen += 1
            self.last_frame_s = t_mono_s

    def _drop_frame(self) -> None:
        if self._frame is not None:
            self._frame[0].release()
            self._frame = None

    async def _consume(self, transaction_id: uuid.UUID, proof: int) -> None:
        try:
            granted = await self._matcher.consume(transaction_id, proof)
        except InferenceFault as fault:
            log.warning("face_engine_fault", code=fault.code)
            granted = False
        self.feed(ev.EntryConsumed(transaction_id, granted, self._clock.monotonic_s()))

    async def _withdraw(self, transaction_id: uuid.UUID) -> None:
        try:
            await self._matcher.withdraw(transaction_id)
        except InferenceFault as fault:
            log.warning("face_engine_fault", code=fault.code)  # a worker that died took the reference with it

    async def _work_doors(self) -> None:
        """Carry door commands out one after another, in the order the machine gave them."""
        while True:
            effect = await self._doors.get()
            if isinstance(effect, ev.SecureExit):
                try:
                    await self._barrier.end_releases()
                except DeviceFault as fault:
                    log.warning("secure_failed", code=fault.code)  # the time to live ends the release all the same
                continue
            confirmed = True
            try:
                await self._barrier.release(dc.Door.EXIT, 1, self.lane.release_ttl_s)
            except DeviceFault as fault:
                log.error("release_failed", code=fault.code, door=dc.Door.EXIT)
                confirmed = False
            self.feed(ev.ReleaseAnswered(effect.transaction_id, confirmed))

    async def _commit_decision(self, effect: ev.CommitDecision) -> None:
        prepared = self._prepared[effect.transaction_id]
        borrowed = prepared.borrowed
        borrowed.answer = effect.answer
        borrowed.decided_mono_s = self._clock.monotonic_s()
        borrowed.decision_id = self.kiosk.new_id()
        commit = mantrap.CommitDecision(
            effect.number, effect.decided_by, effect.answer, effect.officers, effect.reason_text
        )
        knowledge = self._knowledge.current()
        decision = decision_of(
            self.lane,
            borrowed,
            borrowed.decision_id,
            commit,
            prepared.results,
            knowledge,
            self._clock,
            self.kiosk.today,
        )
        done = ev.DecisionCommitted(effect.transaction_id, effect.number)
        await self._commit(effect.transaction_id, self._decide(prepared, self._labelled(decision)), done)
        self._inform(borrowed)

    def _inform(self, borrowed: Borrowed) -> None:
        matches = borrowed.take_informing()
        if matches:
            self._knowledge.inform(self.lane.lane_id, matches)

    async def _decide(self, prepared: Prepared, decision: Decision) -> None:
        await self._store.commit_decision(decision)
        if decision.answer.admission is Admission.RELEASE:
            prepared.releases.append(decision.decision_id)

    def _labelled(self, decision: Decision) -> Decision:
        sources = {**decision.source_states, "lane_mode": f"walk_through:{self._permission.value}"}
        if self._permission is Permission.DEMONSTRATION:  # its clock is the scene's, which stands still meanwhile
            return replace(decision, source_states=sources, software_ms=None)
        return replace(decision, source_states=sources)

    async def _commit_crossing(self, effect: ev.CommitCrossing) -> None:
        prepared = self._prepared[effect.transaction_id]
        done = ev.CrossingCommitted(effect.transaction_id)
        await self._commit(effect.transaction_id, self._settle(prepared, effect.passage), done)

    async def _settle(self, prepared: Prepared, passage: PassageOutcome) -> None:
        """Write a crossing for every release of this traveller: what became of the last one; the withdrawn ones were not used."""
        while prepared.releases:
            outcome = passage if len(prepared.releases) == 1 else PassageOutcome.NOT_PASSED
            crossing = crossing_of(
                self.lane, prepared.borrowed, self.kiosk.new_id(), outcome, self._clock, self.kiosk.today
            )
            await self._store.commit_crossing(replace(crossing, decision_id=prepared.releases[0]))
            prepared.releases.pop(0)

    async def _commit(self, transaction_id: uuid.UUID, commit: Coroutine[object, object, None], done: ev.Event) -> None:
        try:
            await commit
        except StoreFault as fault:
            log.error("commit_failed", code=fault.code)
            self.feed(ev.CommitFailed(transaction_id))
            await self._wait_for_store()
        else:
            self.feed(done)

    async def _wait_for_store(self) -> None:
        while not await self.alarms.raise_(Reason(ReasonCode.STORE_FAULT)):  # noqa: ASYNC110 - a disk tells nobody
            await asyncio.sleep(_STORE_RETRY_S)
        self.feed(ev.StoreReturned())
