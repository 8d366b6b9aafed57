"""The lane controller: performs the machine's effects on real parts and feeds their results back. It owns no rule of its own.

One task per lane takes items from one inbox, so that the machine sees one event at a time; everything slow (workers, disk, doors)
runs as a job of the same task group and reports back into the inbox. A job that outlives its transaction is ignored.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import date
from zoneinfo import ZoneInfo

import structlog

from drivers import contracts as dc
from gate_agent.clock import Clock
from gate_agent.domain import document_events as de
from gate_agent.domain import door_effects as dr
from gate_agent.domain import events as ev
from gate_agent.domain.check import CheckName
from gate_agent.domain.crossing import PolicyAnswer
from gate_agent.domain.identifiers import uuid7
from gate_agent.domain.mrz import MrzReading, read_mrz
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.transaction import step
from gate_agent.domain.transaction_state import Phase, TransactionState
from gate_agent.errors import StoreFault
from gate_agent.lane.alarms import LaneAlarms
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.commits import Commits
from gate_agent.lane.declaration import Declarations
from gate_agent.lane.demands import demands_of
from gate_agent.lane.document import inspect_reading, take_reading
from gate_agent.lane.document_work import DocumentWork
from gate_agent.lane.doors import Doors
from gate_agent.lane.face import FaceWork, ShortStays
from gate_agent.lane.intake import Intake, holds_of
from gate_agent.lane.ports import (
    DocumentPorts,
    FaceMatcher,
    FaceMonitor,
    KnowledgeSource,
    LaneBarrier,
    LaneCamera,
    LaneReader,
    LaneStore,
    StayReferences,
)
from gate_agent.lane.summary import RECENT, TransactionSummary
from gate_agent.lane.timers import LaneTimers
from gate_agent.lane.verdict import ask_policy
from gate_agent.settings import LaneSettings, Settings

log = structlog.get_logger()


class LaneController:
    """One lane. `device_event`, `feed` and `guard` may be called from the loop's thread at any time; `run` does the work."""

    def __init__(
        self,
        settings: Settings,
        lane: LaneSettings,
        *,
        reader: LaneReader,
        camera: LaneCamera,
        barrier: LaneBarrier,
        matcher: FaceMatcher,
        store: LaneStore,
        knowledge: KnowledgeSource,
        clock: Clock,
        changed: Callable[[], None],
        document: DocumentPorts | None = None,
        monitor: FaceMonitor | None = None,
        references: StayReferences | None = None,
    ) -> None:
        self.lane = lane
        holds = holds_of(lane, settings)
        self.state = TransactionState(
            demands=demands_of(settings, lane), phase=Phase.SUSPENDED, holds=frozenset(holds.values())
        )
        self.state_since = clock.now()
        self.borrowed: Borrowed | None = None
        self.alarms = LaneAlarms(lane.lane_id, clock, store)
        self.recent: deque[TransactionSummary] = deque(maxlen=RECENT)
        self.intake = Intake(lane, holds, self.new_id)
        self._settings = settings
        self._camera = camera
        self._store = store
        self._knowledge = knowledge
        self._clock = clock
        self._changed = changed
        self._zone = ZoneInfo(settings.gate.time_zone)
        self._inbox: asyncio.Queue[dc.DeviceEvent | ev.Event | tuple[ev.Event, asyncio.Future[bool]]] = asyncio.Queue()
        self._doors = Doors(barrier, lane.release_ttl_s, self.feed)
        self.timers = LaneTimers(lane, settings.document, self.feed)
        self._declarations = Declarations(store, clock, settings.policy)
        self.face = FaceWork(
            settings.face,
            matcher,
            camera,
            clock,
            job=self._job,
            report=self._report,
            changed=changed,
            monitor=monitor,
            stays=None if references is None else ShortStays(lane.direction, references, knowledge),
            skew_s=lane.channel_skew_s,
        )
        self.document = DocumentWork(
            settings,
            lane,
            reader,
            document or DocumentPorts(),
            self.intake,
            self.face,
            clock,
            job=self._job,
            report=self._report,
            read=lambda of, lines: self._report(of, *self._read(of, lines)),
            changed=changed,
        )
        self._commits = Commits(
            lane,
            store,
            knowledge,
            clock,
            self.alarms,
            job=self._job,
            report=self._report,
            feed=self.feed,
            new_id=self.new_id,
            trust_version=lambda: self.document.trust_version,
        )
        self._group: asyncio.TaskGroup | None = None

    # what others call -------------------------------------------------------------------------------------------------

    def device_event(self, event: dc.DeviceEvent) -> None:
        """Take an event of one of this lane's devices."""
        if isinstance(event.data, dc.FrameCaptured):
            self.face.offer(event.data, event.t_mono_s, event.device)
            return
        self._inbox.put_nowait(event)

    def feed(self, event: ev.Event) -> None:
        """Hand an event to the machine."""
        self._inbox.put_nowait(event)

    async def guard(self, event: ev.GuardDecided | de.ReadingCorrected) -> bool:
        """Hand in what a guard decided or corrected, verified; True when the machine took it."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait((event, answer))
        return await answer

    def new_id(self) -> uuid.UUID:
        """Return a fresh UUIDv7 for now."""
        return uuid7(int(self._clock.now().timestamp() * 1000))

    @property
    def today(self) -> date:
        """The local date of a crossing that happens now."""
        return self._clock.now().astimezone(self._zone).date()

    async def run(self) -> None:
        """Serve the lane until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._doors.work())
            while True:
                item = await self._inbox.get()
                answer: asyncio.Future[bool] | None = None
                if isinstance(item, tuple):
                    item, answer = item
                before = self.state
                for event in self._translate(item) if isinstance(item, dc.DeviceEvent) else (item,):
                    self._step(event)
                if answer is not None and not answer.done():
                    answer.set_result(self.state is not before and self.state != before)

    # the machine ------------------------------------------------------------------------------------------------------

    def _step(self, event: ev.Event) -> None:
        before = self.state
        if isinstance(event, ev.ReferenceReady) and (self.borrowed is None or not self.borrowed.reference_ready):
            return  # dropped before its turn came
        if isinstance(event, ev.ReleaseConfirmed) and event.door is dr.DoorName.EXIT and self.borrowed is not None:
            self.borrowed.released(self._clock.monotonic_s())
        self.state, effects = step(before, event)
        self._doors.show(self.state)
        if self.state.phase is not before.phase:
            self.state_since = self._clock.now()
        for effect in effects:
            self._perform(effect)
        if self.state != before or effects:
            self._changed()

    def _perform(self, effect: ev.Effect) -> None:
        match effect:
            case ev.BeginTransaction(transaction_id):
                structlog.contextvars.bind_contextvars(lane_id=self.lane.lane_id, transaction_id=str(transaction_id))
                self.borrowed = Borrowed(transaction_id, self._clock.now(), self._clock.monotonic_s())
                self._read_codes(on=True)
                log.info("transaction_begun")
            case ev.ReadDocumentAgain():
                self._job(self.document.read_again(self._here()))
            case ev.StartFaceCapture():
                self.face.start(self._here(), self.today, self.timers.factor(self.state))
            case ev.StopFaceCapture():
                self.face.stop()
            case ev.AskPolicy(referral):
                self._step(ev.PolicyAnswered(self._policy(referral)))
            case ev.CommitEntrance():
                self._job(self._commits.entrance(self._here()))
            case ev.CommitDecision():
                self._job(self._commits.decision(self._here(), effect, self.state.results, self.today))
            case ev.CommitCrossing(passage):
                self._here().passage = passage
                self._job(self._commits.crossing(self._here(), effect, self.today))
            case dr.OpenDoor() | dr.SecureDoors() | dr.LockDown() | dr.LiftLockdown():
                self._doors.command(effect)
            case ev.StartTimer(timer):
                self.timers.start(timer, self.state)
            case ev.StopTimer(timer):
                self.timers.stop(timer)
            case ev.CallGuard(reasons):
                self._here().referred_at = self._clock.now()
                log.info("guard_called", reasons=[reason.code for reason in reasons])
            case ev.RaiseAlarm(reason):
                self._job(self.alarms.raise_(reason))
            case ev.ClearAlarm(code):
                self._job(self.alarms.clear(code))
            case ev.CloseTransaction():
                self._close(effect)
            case de.TakeCorrected(lines, officers):
                self._take_corrected(self._here(), lines, officers)
            case de.ReadChip() | de.StopChip() | de.JudgePage() | de.DoubtReading() | de.TakeReference():
                self.document.perform(effect, self._here())

    def _here(self) -> Borrowed:
        assert self.borrowed is not None, "effects of a transaction come between its beginning and its end"
        return self.borrowed

    def _job(self, coroutine: Coroutine[object, object, object]) -> asyncio.Task[object]:
        assert self._group is not None, "jobs run inside run()"
        return self._group.create_task(coroutine)

    def _report(self, borrowed: Borrowed, *found: ev.Event) -> None:
        """Feed what a job found, unless its transaction is over."""
        if self.borrowed is borrowed:
            for event in found:
                self.feed(event)

    def _close(self, effect: ev.CloseTransaction) -> None:
        borrowed = self._here()
        self.recent.append(TransactionSummary.of(self.lane, borrowed, effect, self._clock))
        log.info("transaction_closed", outcome=effect.outcome, decided_by=effect.decided_by)
        self._read_codes(on=False)
        self.face.end(borrowed, self.lane.lane_id, self.today)
        borrowed.wipe()
        self.borrowed = None
        structlog.contextvars.unbind_contextvars("transaction_id")

    def _read_codes(self, *, on: bool) -> None:
        if self.lane.read_barcode_from_camera:
            self._camera.set_reading(active=on)

    def _policy(self, referral: tuple[Reason, ...]) -> PolicyAnswer:
        return ask_policy(
            self._settings,
            self.lane,
            self.state.demands,
            self.state.results,
            referral,
            self._here(),
            self._knowledge,
            self._clock,
            self.today,
        )

    # devices ----------------------------------------------------------------------------------------------------------

    def _translate(self, event: dc.DeviceEvent) -> tuple[ev.Event, ...]:
        """Turn a device event into machine events, or into a job that will."""
        if self.borrowed is not None and not isinstance(event.data, dc.StateChanged | dc.BarrierInputs):
            self.borrowed.last_input_mono_s = max(self.borrowed.last_input_mono_s, event.t_mono_s)
            if isinstance(event.data, dc.DocumentPresented | dc.DocumentRemoved):
                self.borrowed.moved()
        match event.data:
            case dc.StateChanged(state):
                self._changed()
                if self.borrowed is not None and event.device == self.lane.document_reader:
                    self.borrowed.moved()  # what lies there now was not seen coming
                return self.intake.device_state(event.device, ready=state is dc.DeviceState.READY)
            case dc.ChipPresented() | dc.ChipRemoved():
                if self.document.chip is not None:
                    self.document.chip.present(is_there=isinstance(event.data, dc.ChipPresented))
                return ()
            case dc.DocumentPresented():
                return self.intake.presented()
            case dc.DocumentRemoved():
                self._changed()
                return self.intake.removed(self._step_of_document())
            case dc.MrzRead(lines):
                self._begin_if_idle(ev.DocumentPresented(self.new_id()))
                return () if self.borrowed is None else self._read(self.borrowed, lines)
            case dc.ReadFailed():
                return (ev.StepAborted(ev.Step.DOCUMENT, Reason(ReasonCode.MRZ_UNREADABLE)),)
            case dc.DocumentImage(role, _, content):
                if self.borrowed is None:
                    return ()
                return self.document.image(self.borrowed, role, content, self.state)
            case dc.BarcodeRead(payload):
                return self._barcode(payload, from_camera=event.device == self.lane.camera)
            case dc.BarcodeRefused():
                return self._barcode(b"", from_camera=False)  # shown, but no token: a referral, not silence
            case dc.BarrierInputs() as inputs:
                return self.intake.moved(inputs)
            case _:
                return ()

    def _step_of_document(self) -> ev.Step | None:
        """Return the step that a document's leaving would abort; None: nothing more is expected of it."""
        borrowed = self.borrowed
        if borrowed is None:
            return None
        if CheckName.MRZ_CHECK_DIGITS not in self.state.results:
            return ev.Step.DOCUMENT
        if self.document.chip is None:
            return None if borrowed.presented.has_portrait else ev.Step.DOCUMENT
        return ev.Step.CHIP if self.document.awaits_chip(self.state) else None

    def _read(self, borrowed: Borrowed, lines: tuple[str, ...]) -> tuple[ev.Event, ...]:
        reading = read_mrz(lines, self.today)
        is_inspected, found = take_reading(borrowed, reading, self.state)
        if is_inspected:
            self._job(self._inspect(borrowed, reading, lines))
        return (*found, *self.document.seen(borrowed, self.state))

    def _take_corrected(self, borrowed: Borrowed, lines: tuple[str, ...], officers: tuple[str, ...]) -> None:
        borrowed.corrected_by = officers
        borrowed.reading = reading = read_mrz(lines, self.today)
        borrowed.presented.take(reading, is_open=True)
        self._job(self._inspect(borrowed, reading, lines))

    def _begin_if_idle(self, event: ev.Event) -> None:
        if self.state.phase is Phase.IDLE:
            self._step(event)

    # jobs -------------------------------------------------------------------------------------------------------------

    async def _inspect(self, borrowed: Borrowed, reading: MrzReading, lines: tuple[str, ...]) -> None:
        begun = self._clock.monotonic_s()
        try:
            _, found, stays = await inspect_reading(
                lines,
                self.lane.direction,
                self.today,
                self._clock.now(),
                self._knowledge.current(),
                self._store,
                self._settings.policy.watchlist_age_limit_h,
                self.face.minimum_age_years,
                self.document.refusals,
                borrowed.corrected_by,
                accept_specimens=self._settings.document.accept_specimens,
            )
        except StoreFault:
            self._report(borrowed, *self._commits.fault())
            return
        if self.borrowed is not borrowed or borrowed.reading is not reading:
            return
        borrowed.stays = stays
        borrowed.step_ms["document"] = (self._clock.monotonic_s() - begun) * 1000
        await self._bind_token(borrowed)
        self._report(borrowed, *found)

    def _barcode(self, payload: bytes, *, from_camera: bool) -> tuple[ev.Event, ...]:
        if from_camera and not self._declarations.looks_like_token(payload):
            return ()
        begin = ev.TokenPresented(self.new_id())
        self._begin_if_idle(begin)
        if self.borrowed is None or self.state.phase is not Phase.INSPECTING or self.borrowed.token is not None:
            return ()
        self.borrowed.token = self._declarations.read(payload, self._knowledge.current())
        self._read_codes(on=False)
        self._job(self._bind_token(self.borrowed))
        return (begin,)

    async def _bind_token(self, borrowed: Borrowed) -> None:
        """Bind a token to the document once both are there; a token that is wrong by itself answers at once."""
        try:
            found = await self._declarations.bind(borrowed, self.today, self._knowledge.current().rulebook)
        except StoreFault:
            found = self._commits.fault()
        self._report(borrowed, *found)
