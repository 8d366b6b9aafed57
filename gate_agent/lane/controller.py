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
from gate_agent.domain import party_events as pe
from gate_agent.domain.crossing import PolicyAnswer
from gate_agent.domain.identifiers import uuid7
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.transaction import step
from gate_agent.domain.transaction_state import Phase, TransactionState
from gate_agent.inspection.token_format import looks_like_token
from gate_agent.lane.alarms import LaneAlarms
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.commits import Commits
from gate_agent.lane.demands import demands_of
from gate_agent.lane.document_work import DocumentWork
from gate_agent.lane.doors import Doors
from gate_agent.lane.face import FaceWork, ShortStays
from gate_agent.lane.intake import Intake, holds_of
from gate_agent.lane.party import Party
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
from gate_agent.lane.readings import Readings
from gate_agent.lane.receipts import ReceiptIssuer
from gate_agent.lane.reported import Reported
from gate_agent.lane.summary import RECENT, TransactionSummary
from gate_agent.lane.timers import LaneTimers
from gate_agent.lane.verdict import ask_policy
from gate_agent.settings import LaneSettings, Settings

log = structlog.get_logger()

_Item = dc.DeviceEvent | Reported | ev.Event


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
        receipts: ReceiptIssuer | None = None,
    ) -> None:
        self.lane = lane
        holds = holds_of(lane, settings)
        self.state = TransactionState(
            demands=demands_of(settings, lane), phase=Phase.SUSPENDED, holds=frozenset(holds.values())
        )
        self.state_since = clock.now()
        self.borrowed: Borrowed | None = None
        """What is borrowed of the person whose document or face it is now."""
        self.party: Party | None = None
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
        self._inbox: asyncio.Queue[_Item | tuple[ev.Event, asyncio.Future[bool]]] = asyncio.Queue()
        self._doors = Doors(barrier, lane.release_ttl_s, self.feed)
        self.timers = LaneTimers(lane, settings.document, self.feed)
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
            today=lambda: self.today,
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
            receipts=receipts,
            mode_for=settings.gate.mode_for,
        )
        self.readings = Readings(
            settings,
            lane,
            store,
            knowledge,
            clock,
            self.face,
            self.document,
            self._commits,
            job=self._job,
            report=self._report,
            today=lambda: self.today,
            changed=changed,
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
                for event in self._events(item):
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
                self.party = Party(self.borrowed)
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
                people = tuple(zip(self._everybody(), self.state.everybody, strict=False))
                self._job(self._commits.decision(self._here(), people, effect, self.today))
            case ev.CommitCrossing():
                self._job(self._commits.crossing(self._here(), self._everybody(), effect, self.today))
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
            case pe.TurnToPerson(person):
                assert self.party is not None, "a party is of a transaction"
                self.borrowed = self.party.turn(person, self.new_id(), self._clock.monotonic_s())
            case de.TakeCorrected(lines, officers):
                assert self.party is not None, "a correction is of a transaction"
                self.readings.correct(self._here(), self.party, lines, officers)
            case de.ReadChip() | de.StopChip() | de.JudgePage() | de.DoubtReading() | de.TakeReference():
                self.document.perform(effect, self._here())

    def _here(self) -> Borrowed:
        assert self.borrowed is not None, "effects of a transaction come between its beginning and its end"
        return self.borrowed

    def _everybody(self) -> tuple[Borrowed, ...]:
        assert self.party is not None, "a party is of a transaction"
        return self.party.of(self.state)

    def _job(self, coroutine: Coroutine[object, object, object]) -> asyncio.Task[object]:
        assert self._group is not None, "jobs run inside run()"
        return self._group.create_task(coroutine)

    def _report(self, borrowed: Borrowed, *found: ev.Event, of_read: bool = False) -> None:
        """Take what a job found; whose it is by then is seen when its turn comes."""
        for event in found:
            self._inbox.put_nowait(Reported(borrowed, event, borrowed.reads if of_read else None))

    def _events(self, item: _Item) -> tuple[ev.Event, ...]:
        match item:
            case dc.DeviceEvent():
                return self._translate(item)
            case Reported():
                event = item.heard(self.party, self.borrowed)
                return () if event is None else (event,)
            case _:
                return (item,)

    def _close(self, effect: ev.CloseTransaction) -> None:
        assert self.party is not None, "a party is of a transaction"
        first, *_ = self.party
        self.recent.append(TransactionSummary.of(self.lane, first, effect, self._clock))
        log.info("transaction_closed", outcome=effect.outcome, decided_by=effect.decided_by)
        self._read_codes(on=False)
        for borrowed in self.party:
            self.face.end(borrowed, self.lane.lane_id, self.today)
            self._commits.inform(borrowed)
            borrowed.wipe()
        self.borrowed = self.party = None
        structlog.contextvars.unbind_contextvars("transaction_id")

    def _read_codes(self, *, on: bool) -> None:
        if self.lane.read_barcode_from_camera:
            self._camera.set_reading(active=on)

    def _policy(self, referral: tuple[Reason, ...]) -> PolicyAnswer:
        people = tuple(zip(self._everybody(), self.state.everybody, strict=False))
        return ask_policy(
            self._settings, self.lane, self.state.demands, people, referral, self._knowledge, self._clock, self.today
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
                return self.intake.removed(self.document.pending_step(self.borrowed, self.state))
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

    def _read(self, borrowed: Borrowed, lines: tuple[str, ...]) -> tuple[ev.Event, ...]:
        if self.party is None or borrowed is not self.borrowed:
            return ()
        return self.readings.take(borrowed, self.party, lines, self.state)

    def _begin_if_idle(self, event: ev.Event) -> None:
        if self.state.phase is Phase.IDLE:
            self._step(event)

    def _barcode(self, payload: bytes, *, from_camera: bool) -> tuple[ev.Event, ...]:
        if from_camera and not looks_like_token(payload):
            return ()
        begin = ev.TokenPresented(self.new_id())
        self._begin_if_idle(begin)
        borrowed, party = self.borrowed, self.party
        if borrowed is None or party is None or self.state.phase is not Phase.INSPECTING or borrowed.token is not None:
            return ()
        self.readings.take_token(borrowed, party, payload)
        self._read_codes(on=False)
        return (begin,)
