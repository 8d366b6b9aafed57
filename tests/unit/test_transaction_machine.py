"""The transaction machine: guided stateful tests over a model of the lane, with liveness and reachability counts as pass conditions."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from gate_agent.domain import document_events as de
from gate_agent.domain import door_effects as dr
from gate_agent.domain import events as ev
from gate_agent.domain import party_events as pe
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.crossing import Admission, Corridor, DecidedBy, Officer, Outcome, PassageOutcome, PolicyAnswer
from gate_agent.domain.demands import (
    DOCUMENT_AND_FACE,
    ELECTRONIC_CHECKS,
    OPTICAL_CHECKS,
    PAGE_CHECKS,
    PERMIT_CHECKS,
    WHERE_POSSIBLE,
    Demands,
)
from gate_agent.domain.door_effects import DoorName
from gate_agent.domain.events import Step, Timer
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.transaction import step
from gate_agent.domain.transaction_document import is_correctable
from gate_agent.domain.transaction_state import ChipRead, Permit, Phase, TransactionState
from tests.whole_sweeps import SWEEPS_ARE_WHOLE

PRE = sorted(DOCUMENT_AND_FACE.before_entry - {CheckName.MRZ_CHECK_DIGITS})
CHIP = sorted(ELECTRONIC_CHECKS)
WITH_CHIP = Demands(
    DOCUMENT_AND_FACE.before_entry | ELECTRONIC_CHECKS,
    DOCUMENT_AND_FACE.before_exit | ELECTRONIC_CHECKS,
    WHERE_POSSIBLE,
)
WITH_PAGE = Demands(
    DOCUMENT_AND_FACE.before_entry | PAGE_CHECKS, DOCUMENT_AND_FACE.before_exit | PAGE_CHECKS, WHERE_POSSIBLE
)
WITH_CHIP_AND_PAGE = Demands(WITH_CHIP.before_entry | PAGE_CHECKS, WITH_CHIP.before_exit | PAGE_CHECKS, WHERE_POSSIBLE)
ADVISORY = Demands(
    WITH_CHIP.before_entry,
    WITH_CHIP.before_exit,
    {
        **WHERE_POSSIBLE,
        **dict.fromkeys(CHIP, frozenset({CheckOutcome.UNDETERMINED, CheckOutcome.NOT_SUPPORTED, CheckOutcome.ABORTED})),
    },
)


def result(check: CheckName, outcome: CheckOutcome = CheckOutcome.SUCCESSFUL) -> CheckResult:
    return CheckResult(check, outcome, () if outcome is CheckOutcome.SUCCESSFUL else (Reason(ReasonCode.STEP_TIMEOUT),))


class Lane:
    """A model of everything around the machine: disk, barrier, people, policy. It checks every invariant after each step."""

    def __init__(self, seed: int, demands: Demands = DOCUMENT_AND_FACE) -> None:
        self.random = random.Random(seed)
        self.state = TransactionState(demands=demands)
        self.chip_runs = False
        self.chip_reads = 0
        self.findings: set[CheckName] = set()
        self.queue: list[ev.Event] = []
        self.deferred: list[tuple[ev.Effect, ev.Event]] = []
        self.defer_rate = 0.0
        self.timers: set[Timer] = set()
        self.bodies = 0
        self.exit_count = 0
        self.open: set[DoorName] = set()
        self.fire = False
        self.emergency_stop = False
        self.is_locked_down = False  # as the barrier knows it
        self.tamper = False
        self.disk_broken = False
        self.barrier_broken = False
        self.durable_entrance = False
        self.durable: list[ev.CommitDecision] = []
        self.crossings: list[PassageOutcome] = []
        self.closed: list[ev.CloseTransaction] = []
        self.calls = 0
        self.alarms: Counter[ReasonCode] = Counter()
        self.exit_releases = 0
        self.passages_left = 0
        self.seen: Counter[str] = Counter()
        self.trace: list[str] = []

    def feed(self, event: ev.Event) -> None:
        self.queue.append(event)
        while self.queue:
            self._one(self.queue.pop(0))

    def _one(self, event: ev.Event) -> None:
        before = self.state
        self.state, effects = step(before, event)
        self.seen[f"{before.phase}:{type(event).__name__}"] += 1
        self.seen[f"phase:{self.state.phase}"] += 1
        self.trace.append(
            f"{type(event).__name__} {before.phase}->{self.state.phase} {[type(e).__name__ for e in effects]}"
        )
        if self.state == before and not any(isinstance(e, dr.OpenDoor) for e in effects):
            self.seen["no-op"] += 1
        for effect in effects:
            self._do(effect)
        self._check()

    def _do(self, effect: ev.Effect) -> None:
        match effect:
            case ev.BeginTransaction():
                self.durable, self.durable_entrance, self.crossings = [], False, []
                self.chip_runs, self.chip_reads, self.findings = False, 0, set()
            case de.ReadChip():
                assert not self.chip_runs, f"two reads of one chip at once\n{self.story()}"
                self.chip_runs = True
                self.chip_reads += 1
                assert self.chip_reads <= 2, f"a third read\n{self.story()}"
            case de.TakeCorrected():
                self.chip_reads = 0
                assert not self.findings, f"a finding was corrected away\n{self.story()}"
                assert not self.bodies, self.story()
                answer = [ev.CheckCompleted(result(check)) for check in PRE]
                self.queue += [*answer, ev.MrzChecked("corrected", result(CheckName.MRZ_CHECK_DIGITS))]
            case de.StopChip():
                self.chip_runs = False
            case ev.CommitEntrance():
                self._answer(effect, ev.EntranceCommitted())
            case ev.CommitDecision(decided_by=by, answer=answer):
                if by is DecidedBy.MACHINE and ReasonCode.POST_FALLBACK in self.state.holds:
                    assert answer.admission is Admission.REFER, f"the machine released in fallback\n{self.story()}"
                self._answer(effect, ev.DecisionCommitted(effect.number))
            case ev.CommitCrossing():
                self._answer(effect, ev.CrossingCommitted())
            case dr.OpenDoor(door, count):
                self._open(door)
                is_out = self.state.phase is Phase.HANDED_OVER or door is DoorName.EXIT
                assert count == (self.bodies if is_out else len(self.state.everybody)), self.story()
                self.passages_left = count
            case pe.TurnToPerson(person):
                self.seen[f"turned to {person}"] += 1
                self.chip_runs, self.chip_reads = False, 0
            case dr.SecureDoors():
                self.open.clear()
            case dr.LockDown():
                self.is_locked_down = True
                self.open.clear()
            case dr.LiftLockdown():
                self.is_locked_down = False
            case ev.ReadDocumentAgain():  # another read tells the right to cross again, before its digits
                self.queue += [ev.CheckCompleted(result(check)) for check in sorted(PERMIT_CHECKS)]
            case ev.StartTimer(timer):
                self.timers.add(timer)
            case ev.StopTimer(timer):
                self.timers.discard(timer)
            case ev.AskPolicy(referral):
                admission = Admission.RELEASE if self.random.random() < 0.8 else Admission.REFER
                self.queue.append(ev.PolicyAnswered(PolicyAnswer(admission, referral, Corridor.GREEN, ())))
            case ev.CallGuard():
                self.calls += 1
            case ev.RaiseAlarm(reason):
                self.alarms[reason.code] += 1
            case ev.CloseTransaction():
                self.closed.append(effect)
                self.timers.clear()
            case _:
                pass

    def _answer(self, effect: ev.Effect, answer: ev.Event) -> None:
        """The disk answers at once or, now and then, only after something else has happened."""
        if self.random.random() < self.defer_rate:
            self.deferred.append((effect, answer))
        else:
            self._write(effect, answer)

    def _write(self, effect: ev.Effect, answer: ev.Event) -> None:
        if self.disk_broken:
            self.queue.append(ev.CommitFailed())
            return
        match effect:
            case ev.CommitEntrance():
                self.durable_entrance = True
            case ev.CommitDecision():
                self.durable.append(effect)
            case ev.CommitCrossing(passage):
                self.crossings.append(passage)
            case _:
                pass
        self.queue.append(answer)
        if self.random.random() < 0.2:
            self.queue.append(answer)

    def deliver(self) -> None:
        while self.deferred:
            self._write(*self.deferred.pop(0))
            while self.queue:
                self._one(self.queue.pop(0))

    def _open(self, door: DoorName) -> None:
        if door is DoorName.EXIT:
            self.exit_releases += 1
            assert self.durable, f"exit without a durable decision\n{self.story()}"
            assert self.durable[-1].answer.admission is Admission.RELEASE, self.story()
            assert self.bodies == self.state.still_inside, f"exit for {self.bodies} bodies\n{self.story()}"
            assert 1 <= self.bodies <= len(self.state.everybody) == self.state.party, self.story()
            machine = self.durable[-1].decided_by is DecidedBy.MACHINE
            if machine:
                for results in self.state.everybody:
                    assert results.keys() >= self.state.demands.before_exit, self.story()
                    assert all(self.state.demands.is_clear(one) for one in results.values()), self.story()
                assert not self.findings, f"a finding was forgotten\n{self.story()}"
        else:
            granted = self.durable_entrance or any(c.answer.admission is not Admission.REFER for c in self.durable)
            assert granted, f"entrance without a durable permit\n{self.story()}"
            if not self.durable:
                assert len(self.state.everybody) == self.state.party, self.story()
                for results in self.state.everybody:
                    assert results.keys() >= self.state.demands.before_entry, self.story()
                    assert all(self.state.demands.is_clear(one) for one in results.values()), self.story()
                assert not self.chip_runs, f"entrance while the chip is read\n{self.story()}"
                assert not self.findings, f"a finding was forgotten\n{self.story()}"
            handing_over = self.state.phase is Phase.HANDED_OVER
            assert handing_over or self.bodies == 0, f"entrance for an occupied cell\n{self.story()}"
        assert not any((self.fire, self.emergency_stop, self.is_locked_down)), self.story()
        assert not (self.open - {door}), f"both doors open\n{self.story()}"
        if self.barrier_broken:
            self.queue.append(ev.ReleaseFailed(door))
        else:
            self.open = {door}
            self.queue.append(ev.ReleaseConfirmed(door))

    def _check(self) -> None:
        if self.queue or self.deferred:
            return  # the controller is still performing effects
        state = self.state
        if self.bodies and not (self.fire or self.emergency_stop or self.is_locked_down):
            called = state.phase in {Phase.REFERRED, Phase.FAULTED}
            timed = bool(self.timers)
            assert called or timed or self.open or state.phase is Phase.PASSED, f"locked in\n{self.story()}"
        if state.phase in {Phase.IDLE, Phase.SUSPENDED} and state.transaction_id is None:
            assert not self.open, f"door open without a transaction\n{self.story()}"

    def story(self) -> str:
        return "\n".join(self.trace[-14:])

    def inputs(self) -> ev.BarrierChanged:
        return ev.BarrierChanged(
            uuid.uuid4(),
            DoorName.ENTRANCE in self.open and self.random.random() < 0.5,
            DoorName.EXIT in self.open and self.random.random() < 0.5,
            self.bodies,
            0,
            self.exit_count,
            self.fire,
            self.tamper,
            self.emergency_stop,
        )

    # what people and the world do

    def closed_inputs(self) -> None:
        self.feed(replace(self.inputs(), entrance_open=False, exit_open=False))

    def walk_in(self, bodies: int = 1) -> None:
        if DoorName.ENTRANCE in self.open:
            self.bodies += bodies
            self.feed(self.inputs())
            self.closed_inputs()

    def walk_out(self) -> None:
        if DoorName.EXIT in self.open and self.bodies:
            self.bodies -= 1
            self.exit_count += 1
            self.passages_left -= 1
            if not self.passages_left:
                self.open.clear()
            self.feed(self.inputs())
        elif DoorName.ENTRANCE in self.open and self.bodies:
            self.bodies -= 1
            self.feed(self.inputs())

    def chip(self, outcomes: dict[CheckName, CheckOutcome] | None = None, *, on_the_way: int = 99) -> None:
        """The chip answers: some results while it transfers, in any order and some twice, then all of them together."""
        if not self.chip_runs:
            return
        self.feed(ev.ReferenceReady())  # of this read: one that was there before does not count
        found = [result(check, (outcomes or {}).get(check, CheckOutcome.SUCCESSFUL)) for check in CHIP]
        self.random.shuffle(found)
        for one in [*found[:on_the_way], *found[:1]]:
            self.found(one)
            self.feed(ev.CheckCompleted(one))
        self.judged(tuple(found))

    def page(self) -> None:
        """The judge of the page answers, and once more when a picture came meanwhile."""
        for _ in range(2 if self.state.page_running else 0):
            self.feed(de.PageJudged(tuple(result(check) for check in OPTICAL_CHECKS)))

    def judged(self, found: tuple[CheckResult, ...]) -> None:
        """A read ends; what it says late or twice says nothing."""
        for one in found:
            self.found(one)
        self.chip_runs = False
        self.feed(de.ChipJudged(found))
        if self.state.chip is not ChipRead.RUNNING:
            self.feed(de.ChipJudged(found))

    def found(self, one: CheckResult) -> None:
        is_inspecting = self.state.phase is Phase.INSPECTING and not self.state.asked
        if is_inspecting and one.outcome is CheckOutcome.FAILED and one.check is not CheckName.CHIP_ACCESS:
            self.findings.add(one.check)

    def expire(self, timer: Timer) -> None:
        if timer in self.timers:
            if timer in {Timer.ENTRY, Timer.PASSAGE, Timer.LEAVE}:
                self.open.clear()  # the time to live of a release is shorter than these timers
                self.closed_inputs()
            self.timers.discard(timer)
            self.feed(ev.TimerExpired(timer, self.state.transaction_id))

    def guard(self, admission: Admission) -> None:
        if self.state.transaction_id is not None:
            officer = Officer("officer-1", "guard", uuid.uuid4())
            self.feed(ev.GuardDecided(self.state.transaction_id, admission, (officer,), "identity_confirmed", ""))


def happy_path(lane: Lane) -> list[object]:
    transaction = uuid.uuid4()
    actions: list[object] = [
        lambda: lane.feed(ev.TokenPresented(transaction)),
        lambda: lane.feed(ev.CheckCompleted(result(CheckName.DECLARATION_TOKEN))),
        lambda: lane.feed(ev.DocumentPresented(uuid.uuid4())),
        lambda: lane.feed(ev.ChecksCompleted(tuple(result(check) for check in PRE[:-2]))),
        *[lambda check=check: lane.feed(ev.CheckCompleted(result(check))) for check in PRE[-2:]],
        lambda: lane.feed(ev.ReferenceReady()),
        lambda: lane.feed(ev.MrzChecked("lines-a", result(CheckName.MRZ_CHECK_DIGITS))),
        *([lane.page] if lane.state.demands.judges_page else []),
        *([lane.chip] if lane.state.demands.reads_chip else []),
        lane.walk_in,
        lambda: lane.feed(ev.CheckCompleted(result(CheckName.FACE_COMPARISON))),
        lane.walk_out,
    ]
    return actions


FAULTS = (
    "fire", "fire_over", "second_person", "disk", "disk_over", "barrier", "barrier_over", "help", "tamper", "tamper_over",
    "document_aborted", "face_aborted", "not_served", "wrong_digit", "face_failed", "guard_release", "guard_hand_over",
    "stray_person", "leave", "hold", "unhold", "timer", "late_commit", "late_policy", "removed", "more_time", "jitter",
)  # fmt: skip
STOPS = ("emergency_stop", "emergency_stop_over", "lockdown", "lockdown_over", "irregular", "fallback", "fallback_over")
"""Faults that walks of their own meet: they end most of what is going on, so that the others would reach little."""
RARE = (
    "document_changed",
    "reference_dropped",
    "page_pictured",
    "page_judged",
    "page_failed",
    "page_aborted",
    "reference_aborted",
)
"""Faults that the guided walks leave out."""
OF_THE_CHIP = (
    "chip_aborted", "chip_removed", "chip_refused", "chip_failed", "chip_failed_early", "chip_partly", "chip_torn",
    "chip_late", "seen_again", "chip_timer", "page_pictured", "page_judged", "page_failed", "page_aborted",
    "reference_aborted", "corrected",
)  # fmt: skip


def inject(lane: Lane, fault: str) -> None:
    lane.seen[f"{lane.state.phase}!{fault}"] += 1
    match fault:
        case "fire" | "fire_over":
            lane.fire = fault == "fire"
            if lane.fire:
                lane.open.clear()
                lane.bodies = lane.random.choice([0, lane.bodies])
            lane.feed(lane.inputs())
        case "emergency_stop" | "emergency_stop_over":
            lane.emergency_stop = fault == "emergency_stop"
            lane.feed(lane.inputs())
        case "irregular":
            lane.feed(replace(lane.inputs(), irregularities=frozenset({ReasonCode.TAILGATING, ReasonCode.DOOR_FORCED})))
            lane.feed(lane.inputs())
        case "lockdown":
            lane.feed(ev.LockdownOrdered())
            assert lane.is_locked_down
        case "fallback":
            lane.feed(ev.Hold(ReasonCode.POST_FALLBACK))
            assert lane.state.phase is not Phase.IDLE
            assert lane.state.phase is not Phase.INSPECTING or lane.state.asked, lane.story()
        case "fallback_over":
            lane.feed(ev.Unhold(ReasonCode.POST_FALLBACK))
        case "lockdown_over":
            lane.feed(ev.LockdownLifted())
        case "second_person":
            if DoorName.ENTRANCE in lane.open:
                lane.walk_in(2)
            elif lane.bodies:
                lane.bodies += 1
                lane.feed(lane.inputs())
        case "disk" | "disk_over":
            lane.disk_broken = fault == "disk"
        case "barrier" | "barrier_over":
            lane.barrier_broken = fault == "barrier"
        case "help":
            lane.feed(ev.HelpRequested(uuid.uuid4()))
        case "tamper" | "tamper_over":
            lane.tamper = fault == "tamper"
            lane.feed(lane.inputs())
        case "document_aborted":
            lane.feed(ev.StepAborted(Step.DOCUMENT, Reason(ReasonCode.DOCUMENT_READER_FAULT)))
        case "face_aborted":
            lane.feed(ev.StepAborted(Step.FACE, Reason(ReasonCode.CAMERA_FAULT)))
        case "not_served":
            lane.feed(ev.NotServed((Reason(ReasonCode.FAMILY_WITH_SMALL_CHILDREN),)))
        case "wrong_digit":
            lane.feed(
                ev.MrzChecked(lane.random.choice("abcd"), result(CheckName.MRZ_CHECK_DIGITS, CheckOutcome.FAILED))
            )
        case "face_failed":
            lane.feed(ev.CheckCompleted(result(CheckName.FACE_COMPARISON, CheckOutcome.FAILED)))
        case "guard_release":
            lane.guard(Admission.RELEASE)
        case "guard_hand_over":
            lane.guard(Admission.HAND_OVER)
        case "stray_person":
            lane.bodies += 1
            lane.feed(lane.inputs())
        case "leave":
            lane.walk_out()
        case "hold":
            lane.feed(ev.Hold(ReasonCode.LANE_SUSPENDED))
        case "unhold":
            lane.feed(ev.Unhold(ReasonCode.LANE_SUSPENDED))
        case "timer":
            if lane.timers:
                lane.expire(lane.random.choice(sorted(lane.timers)))
        case "late_commit":
            lane.feed(ev.DecisionCommitted(lane.state.decision_number + 7))
            if lane.state.permit is not Permit.COMMITTING:  # the lane hears commits of its running transaction only
                lane.feed(ev.EntranceCommitted())
            lane.feed(ev.CrossingCommitted())
        case "late_policy":
            lane.feed(ev.PolicyAnswered(PolicyAnswer(Admission.RELEASE, (), Corridor.GREEN, ())))
        case "removed":
            lane.feed(ev.DocumentRemoved())
        case "document_changed":
            lane.feed(ev.DocumentChanged())
        case "reference_dropped":
            lane.feed(ev.ReferenceDropped())
        case "chip_aborted" | "chip_removed":
            codes = {"chip_aborted": ReasonCode.CHIP_READER_FAULT, "chip_removed": ReasonCode.DOCUMENT_REMOVED_EARLY}
            lane.feed(ev.StepAborted(Step.CHIP, Reason(codes[fault])))
        case "chip_refused":
            lane.chip(dict.fromkeys(CHIP, CheckOutcome.ABORTED) | {CheckName.CHIP_ACCESS: CheckOutcome.FAILED})
        case "chip_failed":
            lane.chip({CheckName.CHIP_GENUINENESS: CheckOutcome.FAILED}, on_the_way=0)
        case "chip_failed_early":
            if lane.chip_runs:
                wrong = result(CheckName.SOD_SIGNATURE, CheckOutcome.FAILED)
                lane.found(wrong)
                lane.feed(ev.CheckCompleted(wrong))
        case "chip_partly" if lane.chip_runs:
            lane.judged(tuple(result(check) for check in CHIP[: lane.random.randrange(len(CHIP))]))
        case "chip_torn":
            lane.chip(dict.fromkeys(CHIP[3:], CheckOutcome.ABORTED))
        case "chip_late" if not lane.chip_runs:
            for check in CHIP:
                lane.feed(ev.CheckCompleted(result(check)))
            lane.feed(de.ChipJudged(tuple(result(check) for check in CHIP)))
        case "seen_again":
            lane.feed(de.DocumentSeenAgain())
        case "chip_timer":
            lane.expire(Timer.CHIP)
        case "page_pictured":
            lane.feed(de.PageImaged())
        case "page_judged":
            lane.feed(de.PageJudged(tuple(result(check) for check in OPTICAL_CHECKS)))
        case "page_failed":
            lane.feed(de.PageJudged((result(CheckName.MRZ_INFRARED, CheckOutcome.FAILED),)))
        case "page_aborted":
            lane.feed(ev.StepAborted(Step.PAGE, Reason(ReasonCode.IMAGE_UNUSABLE, {"image": "white"})))
        case "reference_aborted":
            lane.feed(ev.StepAborted(Step.REFERENCE, Reason(ReasonCode.FACE_ENGINE_FAULT)))
        case "corrected":
            if lane.state.transaction_id is not None:
                lane.feed(de.ReadingCorrected(lane.state.transaction_id, ("corrected",), ("officer-1",)))
        case "more_time":
            lane.feed(ev.MoreTimeRequested())
        case _:
            lane.feed(lane.inputs())


def recover(lane: Lane) -> None:
    """Whatever happened: with disk and barrier whole again, timers and a guard at work, everybody gets out."""
    lane.disk_broken = lane.barrier_broken = False
    lane.defer_rate = 0.0
    lane.deliver()
    lane.feed(ev.LockdownLifted())
    assert not lane.is_locked_down
    lane.fire = lane.emergency_stop = lane.tamper = False
    lane.open.clear()
    lane.closed_inputs()
    for _ in range(40):
        if lane.state.transaction_id is None and lane.bodies == 0:
            break
        if lane.open and lane.bodies:
            lane.walk_out()
        lane.guard(Admission.HAND_OVER)
        for timer in sorted(lane.timers):
            lane.expire(timer)
        lane.closed_inputs()
    lane.feed(ev.Unhold(ReasonCode.LANE_SUSPENDED))
    lane.feed(ev.Unhold(ReasonCode.POST_FALLBACK))
    assert lane.bodies == 0, f"somebody is still inside\n{lane.story()}"
    assert lane.state.phase is Phase.IDLE, f"lane did not come back: {lane.state.phase}\n{lane.story()}"


def run_seed(seed: int, demands: Demands = DOCUMENT_AND_FACE, more: tuple[str, ...] = ()) -> Lane:
    lane = Lane(seed, demands)
    faults = (*FAULTS, *OF_THE_CHIP) if demands.reads_chip else FAULTS
    faults = (*faults, *more)
    fault_rate = (0.0, 0.03, 0.3)[seed % 3]
    lane.defer_rate = (0.0, 0.1, 0.3)[seed % 3]
    for _ in range(6):
        lane.disk_broken = lane.barrier_broken = False
        for action in happy_path(lane):
            action()  # type: ignore[operator]
            if lane.random.random() < 0.5:
                lane.deliver()
            while lane.random.random() < fault_rate:
                inject(lane, lane.random.choice(faults))
        recover(lane)
    return lane


def test_guided_walks_hold_every_invariant_and_reach_every_state() -> None:
    seen: Counter[str] = Counter()
    outcomes: Counter[Outcome] = Counter()
    exits = 0
    for seed in range(900):
        lane = run_seed(seed)
        seen += lane.seen
        outcomes.update(closed.outcome for closed in lane.closed)
        exits += lane.exit_releases
        if seed % 3 == 0:
            assert [closed.outcome for closed in lane.closed].count(Outcome.RELEASED) >= 1
    for phase in Phase:
        assert seen[f"phase:{phase}"] >= 20, f"{phase} was hardly reached: {seen[f'phase:{phase}']}"
    for outcome in Outcome:
        if outcome is not Outcome.REFERRED:  # a referral ends by a guard: released or handed over
            assert outcomes[outcome] >= 20, (outcome, outcomes)
    assert exits > 1000


def test_guided_walks_with_stops_hold_every_invariant() -> None:
    seen: Counter[str] = Counter()
    outcomes: Counter[Outcome] = Counter()
    for seed in range(240):
        lane = run_seed(seed, more=STOPS)
        seen += lane.seen
        outcomes.update(closed.outcome for closed in lane.closed)
    for fault in STOPS:
        for phase in (Phase.INSPECTING, Phase.REFERRED, Phase.SUSPENDED):
            assert seen[f"{phase}!{fault}"] >= 5, (phase, fault)
    assert outcomes[Outcome.RELEASED] > 300, outcomes
    assert outcomes[Outcome.SUSPENDED] > 10, outcomes


@pytest.mark.parametrize("demands", [WITH_CHIP, ADVISORY, WITH_CHIP_AND_PAGE], ids=["required", "advisory", "page"])
def test_guided_walks_with_a_chip_hold_every_invariant(demands: Demands) -> None:
    seen: Counter[str] = Counter()
    outcomes: Counter[Outcome] = Counter()
    for seed in range(450):
        lane = run_seed(seed, demands)
        seen += lane.seen
        outcomes.update(closed.outcome for closed in lane.closed)
        if seed % 3 == 0:
            assert [closed.outcome for closed in lane.closed].count(Outcome.RELEASED) >= 1
    for fault in OF_THE_CHIP:
        assert seen[f"{Phase.INSPECTING}!{fault}"] >= 20, f"{fault} hardly ever met a running inspection"
    assert outcomes[Outcome.RELEASED] > 500


def walk(lane: Lane, count: int) -> None:
    for action in happy_path(lane)[:count]:
        action()  # type: ignore[operator]


def quiet(seed: int = 0, demands: Demands = DOCUMENT_AND_FACE) -> Lane:
    lane = Lane(seed, demands)
    lane.random.random = lambda: 0.5  # type: ignore[method-assign] # policy releases, no doubled commits
    return lane


def _reach(lane: Lane, phase: Phase) -> None:
    inside = 10 if lane.state.demands.reads_chip else 9
    match phase:
        case Phase.INSPECTING:
            walk(lane, 8 if lane.state.demands.reads_chip else 5)
        case Phase.DECIDED:
            walk(lane, inside)
            lane.defer_rate = 1.0
            lane.feed(ev.CheckCompleted(result(CheckName.FACE_COMPARISON)))
        case Phase.REFERRED:
            walk(lane, inside)
            inject(lane, "help")
        case Phase.RELEASED:
            walk(lane, 3)
            inject(lane, "help")
            lane.guard(Admission.RELEASE)
        case Phase.PASSAGE_OPEN | Phase.PASSED:
            walk(lane, inside + 1)
            if phase is Phase.PASSED:
                lane.defer_rate = 1.0
                lane.walk_out()
        case Phase.NOT_PASSED:
            _reach(lane, Phase.RELEASED)
            lane.defer_rate = 1.0
            lane.expire(Timer.ENTRY)
        case Phase.HANDED_OVER:
            _reach(lane, Phase.REFERRED)
            lane.guard(Admission.HAND_OVER)
        case Phase.FAULTED:
            walk(lane, inside)
            inject(lane, "disk")
            lane.feed(ev.CheckCompleted(result(CheckName.FACE_COMPARISON)))
        case Phase.SUSPENDED:
            walk(lane, inside)
            lane.fire = True
            lane.open.clear()
            lane.feed(lane.inputs())
        case _:
            pass
    assert lane.state.phase is phase, lane.story()
    lane.defer_rate = 0.0


@pytest.mark.parametrize("phase", list(Phase))
def test_every_fault_in_every_state_and_any_pair_of_them_ends_well(phase: Phase) -> None:
    """All pairs (`make sweeps`), every second one in the suite, the other half in the next state."""
    everything = (*FAULTS, *STOPS, *RARE)
    for number, fault in enumerate(everything):
        for second in everything if SWEEPS_ARE_WHOLE else everything[(number + list(Phase).index(phase)) % 2 :: 2]:
            lane = quiet(number)
            lane.random.random = random.Random(number).random  # type: ignore[method-assign]
            _reach_quietly(lane, phase)
            inject(lane, fault)
            inject(lane, second)
            assert lane.seen[f"{phase}!{fault}"] >= 1, "the fault was not injected in this state"
            recover(lane)


def _reach_quietly(lane: Lane, phase: Phase) -> None:
    drawn = lane.random.random
    lane.random.random = lambda: 0.5  # type: ignore[method-assign]
    _reach(lane, phase)
    lane.seen.clear()
    lane.random.random = drawn  # type: ignore[method-assign]


def test_the_happy_path_releases_and_closes() -> None:
    lane = quiet()
    walk(lane, 99)
    assert [closed.outcome for closed in lane.closed] == [Outcome.RELEASED]
    assert lane.crossings == [PassageOutcome.PASSED]
    assert lane.state.phase is Phase.IDLE


def test_a_wrong_check_digit_refers_only_after_a_second_read_agrees() -> None:
    lane = quiet()
    walk(lane, 7)
    wrong = result(CheckName.MRZ_CHECK_DIGITS, CheckOutcome.FAILED)
    lane.feed(ev.MrzChecked("a", wrong))
    assert lane.state.phase is Phase.INSPECTING
    lane.feed(ev.MrzChecked("a", wrong))
    assert lane.state.phase is Phase.REFERRED
    assert lane.state.results[CheckName.MRZ_CHECK_DIGITS].outcome is CheckOutcome.FAILED


def test_three_different_wrong_reads_stay_undetermined() -> None:
    lane = quiet()
    walk(lane, 7)
    for key in "abc":
        lane.feed(ev.MrzChecked(key, result(CheckName.MRZ_CHECK_DIGITS, CheckOutcome.FAILED)))
    assert lane.state.phase is Phase.REFERRED
    assert lane.state.results[CheckName.MRZ_CHECK_DIGITS].outcome is CheckOutcome.UNDETERMINED


def test_a_read_that_is_asked_for_again_takes_its_right_to_cross_along() -> None:
    lane = quiet()
    walk(lane, 7 - 1)
    assert lane.state.results.keys() >= PERMIT_CHECKS
    misread = ev.MrzChecked("a", result(CheckName.MRZ_CHECK_DIGITS, CheckOutcome.FAILED))
    state, _ = step(lane.state, misread)
    assert not PERMIT_CHECKS & state.results.keys()
    state, effects = step(state, ev.MrzChecked("b", result(CheckName.MRZ_CHECK_DIGITS)))
    assert not any(isinstance(effect, ev.CommitEntrance) for effect in effects), "the next read's is not there yet"


def test_a_right_second_read_goes_on() -> None:
    lane = quiet()
    walk(lane, 7)
    lane.feed(ev.MrzChecked("a", result(CheckName.MRZ_CHECK_DIGITS, CheckOutcome.FAILED)))
    walk(lane, 99)
    assert [closed.outcome for closed in lane.closed] == [Outcome.RELEASED]


def test_a_step_aborted_twice_calls_the_guard_and_once_is_repeated() -> None:
    lane = quiet()
    lane.feed(ev.DocumentPresented(uuid.uuid4()))
    inject(lane, "document_aborted")
    assert lane.state.phase is Phase.INSPECTING
    inject(lane, "document_aborted")
    assert lane.state.phase is Phase.REFERRED
    assert lane.calls == 1


def test_leaving_after_a_fault_closes_as_faulted() -> None:
    lane = quiet()
    lane.feed(ev.DocumentPresented(uuid.uuid4()))
    inject(lane, "document_aborted")
    lane.expire(Timer.IDLE)
    assert [closed.outcome for closed in lane.closed] == [Outcome.FAULTED]


@pytest.mark.parametrize("inside", [False, True])
def test_a_guards_release_walks_the_same_passage(inside: bool) -> None:
    lane = quiet()
    walk(lane, 9 if inside else 3)
    inject(lane, "help")
    assert lane.state.phase is Phase.REFERRED
    lane.guard(Admission.RELEASE)
    if not inside:
        lane.walk_in()
    lane.walk_out()
    assert [(closed.outcome, closed.decided_by) for closed in lane.closed] == [(Outcome.RELEASED, DecidedBy.GUARD)]
    assert lane.crossings == [PassageOutcome.PASSED]


@pytest.mark.parametrize(("steps", "refers"), [(0, False), (3, True), (7, True), (8, True), (9, False)])
def test_another_document_calls_the_guard_before_the_entry_and_nobody_after(steps: int, refers: bool) -> None:
    lane = quiet()
    walk(lane, steps)
    assert (DoorName.ENTRANCE in lane.open) is (steps == 8), "the last moment is while the entrance is open"
    assert lane.state.entered is (steps == 9)
    lane.feed(ev.DocumentChanged())
    assert (lane.state.phase is Phase.REFERRED) is refers, lane.story()
    assert lane.calls == int(refers)
    assert lane.state.referral == ((Reason(ReasonCode.DOCUMENT_CHANGED),) if refers else ())


def test_no_entrance_without_the_reference_that_was_dropped() -> None:
    lane = quiet()
    walk(lane, 7)
    lane.feed(ev.ReferenceDropped())
    lane.feed(ev.MrzChecked("lines-a", result(CheckName.MRZ_CHECK_DIGITS)))
    assert not lane.open
    lane.feed(ev.ReferenceReady())
    assert DoorName.ENTRANCE in lane.open
    lane.feed(ev.ReferenceDropped())
    assert lane.state.has_reference, "the permit was given"


def test_nobody_is_released_while_two_people_are_inside() -> None:
    lane = quiet()
    walk(lane, 8)
    inject(lane, "second_person")
    lane.guard(Admission.RELEASE)
    assert lane.state.phase is Phase.REFERRED
    assert lane.exit_releases == 0
    lane.guard(Admission.HAND_OVER)
    lane.walk_out()
    lane.walk_out()
    assert [closed.outcome for closed in lane.closed] == [Outcome.HANDED_OVER]


def test_a_person_inside_at_start_is_not_forgotten() -> None:
    lane = quiet()
    inject(lane, "stray_person")
    assert lane.state.phase is Phase.REFERRED
    assert lane.calls == 1


def test_policy_cannot_release_what_a_check_refused() -> None:
    lane = quiet()
    walk(lane, 8)
    lane.walk_in()
    inject(lane, "face_failed")
    assert lane.state.phase is Phase.REFERRED
    assert lane.exit_releases == 0


@pytest.mark.parametrize("outcome", [*CheckOutcome, None])
def test_an_evaluatory_check_stands_in_nobodys_way_only_while_it_is_not_supported(outcome: CheckOutcome | None) -> None:
    lane = quiet()
    walk(lane, 8)
    lane.walk_in()
    seen = () if outcome is None else (result(CheckName.FACE_PRESENTATION, outcome),)
    lane.feed(ev.ChecksCompleted((result(CheckName.FACE_COMPARISON), *seen)))
    clear = outcome in {CheckOutcome.SUCCESSFUL, CheckOutcome.NOT_SUPPORTED, None}
    assert lane.exit_releases == int(clear)
    assert (lane.state.phase is Phase.REFERRED) is not clear
    if outcome is not None:
        assert lane.state.results[CheckName.FACE_PRESENTATION].outcome is outcome


@pytest.mark.parametrize("check", sorted(WITH_CHIP.before_exit))
def test_a_demanded_check_that_is_not_supported_is_never_clear(check: CheckName) -> None:
    assert not WITH_CHIP.is_clear(result(check, CheckOutcome.NOT_SUPPORTED))
    assert WITH_CHIP.is_clear(result(check))


def test_no_demands_hide_a_finding_or_let_in_whom_they_would_not_let_out() -> None:
    for demands in (DOCUMENT_AND_FACE, WITH_CHIP, ADVISORY):
        assert not any(demands.is_clear(result(check, CheckOutcome.FAILED)) for check in CheckName)
    with pytest.raises(ValueError, match="tolerated nowhere"):
        Demands(frozenset(), frozenset(), {CheckName.STAY: frozenset({CheckOutcome.FAILED})})
    with pytest.raises(ValueError, match="before the exit"):
        Demands(frozenset(CHIP), frozenset())


def test_a_broken_disk_moves_no_door() -> None:
    lane = quiet()
    walk(lane, 8)
    lane.disk_broken = True
    lane.walk_in()
    lane.feed(ev.CheckCompleted(result(CheckName.FACE_COMPARISON)))
    assert lane.exit_releases == 0
    assert lane.state.phase is Phase.FAULTED
    assert lane.alarms[ReasonCode.STORE_FAULT] == 1
    lane.disk_broken = False
    lane.guard(Admission.RELEASE)
    lane.walk_out()
    assert [closed.outcome for closed in lane.closed] == [Outcome.RELEASED]


# the chip and the page ----------------------------------------------------------------------------------------------


def at_the_chip(demands: Demands = WITH_CHIP, seed: int = 0) -> Lane:
    """A lane whose chip is being read; everything else before the entry is there."""
    lane = quiet(seed, demands)
    walk(lane, 8)
    assert lane.chip_runs
    assert not lane.open
    return lane


def again(lane: Lane) -> None:
    """The document is read once more, with the same lines."""
    lane.feed(de.DocumentSeenAgain())


def test_the_chip_is_read_as_soon_as_the_digits_are_right_and_not_before() -> None:
    lane = quiet(0, WITH_CHIP)
    lane.feed(ev.DocumentPresented(uuid.uuid4()))
    lane.feed(ev.MrzChecked("a", result(CheckName.MRZ_CHECK_DIGITS, CheckOutcome.FAILED)))
    assert lane.chip_reads == 0
    lane.feed(ev.MrzChecked("b", result(CheckName.MRZ_CHECK_DIGITS)))
    assert lane.chip_runs
    assert Timer.CHIP in lane.timers
    assert Timer.IDLE not in lane.timers, "nobody is idle while the chip is read"


def test_results_of_the_chip_alone_open_nothing_before_its_read_is_over() -> None:
    lane = at_the_chip()
    for check in CHIP:
        lane.feed(ev.CheckCompleted(result(check)))
    assert not lane.open
    lane.chip()
    assert lane.open == {DoorName.ENTRANCE}


def test_the_reference_is_of_the_read_that_was_judged() -> None:
    """Another chip could be torn off before it was judged, and leave its holder's face behind."""
    lane = at_the_chip()
    assert not lane.state.has_reference, "one that came before the chip"
    lane.feed(ev.ReferenceReady())
    inject(lane, "chip_removed")
    again(lane)
    found = tuple(result(check) for check in CHIP)
    lane.judged(found)
    assert lane.state.chip is ChipRead.JUDGED
    assert not lane.open
    lane.feed(ev.ReferenceReady())
    assert lane.open == {DoorName.ENTRANCE}


@pytest.mark.parametrize("outcome", [outcome for outcome in CheckOutcome if outcome is not CheckOutcome.SUCCESSFUL])
@pytest.mark.parametrize("check", CHIP)
@pytest.mark.parametrize("demands", [WITH_CHIP, ADVISORY], ids=["required", "advisory"])
def test_every_outcome_of_every_electronic_check(demands: Demands, check: CheckName, outcome: CheckOutcome) -> None:
    """The whole table: nothing but successful leads on where the chip is required, nothing failed does anywhere."""
    lane = at_the_chip(demands)
    for _ in range(2):  # what was aborted, or access that was refused, is tried once more
        lane.chip({check: outcome})
        if lane.state.chip is ChipRead.AWAITED:
            assert not lane.open
            lane.feed(ev.MrzChecked("lines-a", result(CheckName.MRZ_CHECK_DIGITS)))
            again(lane)
    tolerated = demands is ADVISORY and outcome is not CheckOutcome.FAILED
    assert (DoorName.ENTRANCE in lane.open) is tolerated, lane.story()
    assert (lane.state.phase is Phase.REFERRED) is not tolerated
    assert lane.state.results[check].outcome is outcome
    is_repeated = outcome is CheckOutcome.ABORTED or (check is CheckName.CHIP_ACCESS and outcome is CheckOutcome.FAILED)
    assert lane.chip_reads == 1 + is_repeated


@pytest.mark.parametrize("fault", ["chip_aborted", "chip_removed", "chip_timer", "chip_torn"])
def test_a_read_that_ended_early_is_repeated_once_and_then_the_guard_is_called(fault: str) -> None:
    lane = at_the_chip()
    inject(lane, fault)
    assert lane.state.phase is Phase.INSPECTING
    assert lane.state.chip is ChipRead.AWAITED
    assert Timer.IDLE in lane.timers
    again(lane)
    again(lane)
    assert lane.chip_reads == 2
    inject(lane, fault)
    assert lane.state.phase is Phase.REFERRED
    missing = {one.check for one in lane.state.results.values() if one.outcome is CheckOutcome.ABORTED}
    assert missing, "what is not known is said to be so"
    assert not lane.open


def test_a_part_of_the_results_is_no_whole() -> None:
    lane = at_the_chip()
    lane.judged(tuple(result(check) for check in CHIP[1:]))
    assert lane.state.phase is Phase.REFERRED
    assert lane.state.results[CHIP[0]].outcome is CheckOutcome.ABORTED


def test_a_second_read_that_is_whole_goes_on() -> None:
    lane = at_the_chip()
    inject(lane, "chip_torn")
    again(lane)
    lane.chip()
    lane.walk_in()
    lane.feed(ev.CheckCompleted(result(CheckName.FACE_COMPARISON)))
    lane.walk_out()
    assert [closed.outcome for closed in lane.closed] == [Outcome.RELEASED]


def test_a_finding_on_the_way_is_not_lost_with_the_chip() -> None:
    lane = at_the_chip()
    inject(lane, "chip_failed_early")
    inject(lane, "chip_removed")
    assert lane.state.phase is Phase.REFERRED, "there is nothing to repeat after a finding"
    assert lane.state.results[CheckName.SOD_SIGNATURE].outcome is CheckOutcome.FAILED
    lane = at_the_chip()
    inject(lane, "chip_failed_early")
    lane.chip()
    assert lane.state.phase is Phase.REFERRED, "and a later success takes nothing back"


def test_refused_access_has_the_lines_read_again_once() -> None:
    lane = at_the_chip()
    state = lane.state
    inject(lane, "chip_refused")
    assert CheckName.MRZ_CHECK_DIGITS not in lane.state.results, "the lines are in doubt"
    refused = de.ChipJudged((result(CheckName.CHIP_ACCESS, CheckOutcome.FAILED),))
    assert not PERMIT_CHECKS & step(state, refused)[0].results.keys(), "so is the right to cross that was made of them"
    again(lane)
    assert lane.chip_reads == 1, "the lines come first"
    lane.feed(ev.MrzChecked("lines-b", result(CheckName.MRZ_CHECK_DIGITS)))
    assert lane.chip_reads == 2
    inject(lane, "chip_refused")
    assert lane.state.phase is Phase.REFERRED
    assert lane.state.results[CheckName.CHIP_ACCESS].outcome is CheckOutcome.FAILED


def test_without_the_key_nobody_waits_for_the_chip() -> None:
    lane = quiet(0, WITH_CHIP)
    walk(lane, 7)
    for _ in range(2):
        lane.feed(ev.MrzChecked("a", result(CheckName.MRZ_CHECK_DIGITS, CheckOutcome.FAILED)))
    assert lane.state.phase is Phase.REFERRED
    assert lane.chip_reads == 0


def test_a_referral_ends_the_read() -> None:
    lane = at_the_chip()
    inject(lane, "not_served")
    assert lane.state.phase is Phase.REFERRED
    assert not lane.chip_runs
    lane.feed(de.ChipJudged(tuple(result(check) for check in CHIP)))
    assert lane.state.phase is Phase.REFERRED


def test_the_time_of_the_idle_does_not_run_against_a_chip_that_is_read() -> None:
    lane = at_the_chip()
    for event in (ev.MoreTimeRequested(), ev.DocumentPresented(uuid.uuid4())):
        lane.feed(event)
        assert Timer.IDLE not in lane.timers
    lane.feed(ev.StepAborted(Step.DOCUMENT, Reason(ReasonCode.DOCUMENT_READER_FAULT)))
    lane.feed(ev.TimerExpired(Timer.IDLE, lane.state.transaction_id))
    assert lane.state.phase is Phase.INSPECTING


@pytest.mark.parametrize("demands", [DOCUMENT_AND_FACE, WITH_CHIP], ids=["without chip", "with chip"])
@pytest.mark.parametrize("outcome", CheckOutcome)
def test_pictures_that_came_are_waited_for_and_count(demands: Demands, outcome: CheckOutcome) -> None:
    lane = quiet(0, demands)
    walk(lane, 6)
    inject(lane, "page_pictured")
    assert not lane.state.page_running, "not before the lines are right"
    walk_on = happy_path(lane)[6:8]
    for action in walk_on:
        action()  # type: ignore[operator]
    if demands.reads_chip:
        lane.chip()
    assert lane.state.page_running
    assert not lane.open
    inject(lane, "page_pictured")
    lane.feed(de.PageJudged((result(CheckName.MRZ_INFRARED, outcome),)))
    assert lane.state.page_running, "there was one more picture"
    assert not lane.open
    others = tuple(result(check) for check in OPTICAL_CHECKS - {CheckName.MRZ_INFRARED})
    lane.feed(de.PageJudged(others))
    clear = outcome in {CheckOutcome.SUCCESSFUL, CheckOutcome.NOT_SUPPORTED}
    assert (DoorName.ENTRANCE in lane.open) is clear
    assert (lane.state.phase is Phase.REFERRED) is not clear


@pytest.mark.parametrize("demands", [WITH_PAGE, WITH_CHIP_AND_PAGE], ids=["without chip", "with chip"])
def test_a_page_whose_pictures_are_demanded_is_judged_before_anybody_enters(demands: Demands) -> None:
    lane = quiet(0, demands)
    walk(lane, 7)
    assert not lane.state.page_running, "not before the lines are right"
    happy_path(lane)[7]()  # type: ignore[operator]
    assert lane.state.page_running, "no picture came yet: the lane waits for it"
    if demands.reads_chip:
        lane.chip()
    assert not lane.open
    lane.feed(de.PageJudged(tuple(result(check) for check in OPTICAL_CHECKS)))
    assert lane.open == {DoorName.ENTRANCE}
    assert not lane.state.page_running


def test_lines_that_were_doubted_are_judged_anew() -> None:
    lane = quiet(0, WITH_CHIP_AND_PAGE)
    walk(lane, 8)
    lane.page()
    lane.chip({CheckName.CHIP_ACCESS: CheckOutcome.FAILED})
    assert CheckName.MRZ_READING not in lane.state.results, "it was said of other lines"
    lane.feed(ev.MrzChecked("lines-b", result(CheckName.MRZ_CHECK_DIGITS)))
    assert lane.state.page_running
    lane.chip()
    assert not lane.open
    lane.page()
    assert lane.open == {DoorName.ENTRANCE}


def test_a_finding_of_the_page_stays_and_a_fault_of_the_judge_is_no_pass() -> None:
    lane = quiet()
    walk(lane, 6)
    inject(lane, "page_pictured")
    for action in happy_path(lane)[6:8]:
        action()  # type: ignore[operator]
    inject(lane, "page_pictured")
    inject(lane, "page_failed")
    lane.feed(de.PageJudged((result(CheckName.MRZ_INFRARED),)))
    assert lane.state.phase is Phase.REFERRED
    assert lane.state.results[CheckName.MRZ_INFRARED].outcome is CheckOutcome.FAILED
    lane = quiet()
    walk(lane, 6)
    inject(lane, "page_pictured")
    for action in happy_path(lane)[6:8]:
        action()  # type: ignore[operator]
    inject(lane, "page_aborted")
    assert lane.state.page_running, "repeated once"
    inject(lane, "page_aborted")
    assert lane.state.phase is Phase.REFERRED
    assert {lane.state.results[check].outcome for check in OPTICAL_CHECKS} == {CheckOutcome.ABORTED}


def test_a_reference_that_could_not_be_taken_is_tried_once_more() -> None:
    lane = quiet(0, WITH_CHIP)
    walk(lane, 6)
    before = len(lane.trace)
    inject(lane, "reference_aborted")
    assert "TakeReference" in lane.trace[before]
    inject(lane, "reference_aborted")
    assert lane.state.phase is Phase.REFERRED


def misread(demands: Demands) -> Lane:
    """A lane whose guard was called because two reads agree on wrong check digits."""
    lane = quiet(0, demands)
    walk(lane, 7)
    inject(lane, "corrected")
    assert lane.state.phase is Phase.INSPECTING, "nobody was called"
    for _ in range(2):
        lane.feed(ev.MrzChecked("a", result(CheckName.MRZ_CHECK_DIGITS, CheckOutcome.FAILED)))
    assert lane.state.phase is Phase.REFERRED
    return lane


@pytest.mark.parametrize(
    "demands", [DOCUMENT_AND_FACE, WITH_CHIP, WITH_PAGE], ids=["without chip", "with chip", "with page"]
)
def test_lines_that_a_guard_corrected_are_inspected_like_any_other(demands: Demands) -> None:
    lane = misread(demands)
    inject(lane, "corrected")
    assert lane.state.page_running is demands.judges_page
    lane.page()
    if demands.reads_chip:
        assert lane.chip_runs, "with the key that the guard read"
        lane.chip()
    assert lane.open == {DoorName.ENTRANCE}
    lane.walk_in()
    lane.feed(ev.CheckCompleted(result(CheckName.FACE_COMPARISON)))
    lane.walk_out()
    assert [(closed.outcome, closed.decided_by) for closed in lane.closed] == [(Outcome.RELEASED, DecidedBy.MACHINE)]


@pytest.mark.parametrize("found", [CheckName.WATCHLIST, CheckName.EXPIRY, CheckName.STAY, CheckName.MRZ_INFRARED])
def test_a_finding_is_not_corrected_away(found: CheckName) -> None:
    lane = quiet()
    walk(lane, 7)
    for read in range(2):
        if read == 0 or found in PERMIT_CHECKS:  # these are made of each read anew; the others were told once
            lane.feed(ev.CheckCompleted(result(found, CheckOutcome.FAILED)))
        lane.feed(ev.MrzChecked("a", result(CheckName.MRZ_CHECK_DIGITS, CheckOutcome.FAILED)))
    before = lane.state
    assert not is_correctable(before)
    inject(lane, "corrected")
    assert lane.state == before


@pytest.mark.parametrize("fault", ["help", "not_served", "document_changed", "stray_person"])
def test_who_was_referred_for_something_else_is_not_put_back_by_other_lines(fault: str) -> None:
    lane = quiet()
    walk(lane, 3)
    inject(lane, fault)
    assert lane.state.phase is Phase.REFERRED
    before = lane.state
    inject(lane, "corrected")
    assert lane.state == before


def test_lines_that_were_read_rightly_are_nobodys_to_change() -> None:
    lane = at_the_chip()
    inject(lane, "chip_failed")
    assert lane.state.phase is Phase.REFERRED
    assert not is_correctable(lane.state)
    other = misread(DOCUMENT_AND_FACE)
    other.feed(de.ReadingCorrected(uuid.uuid4(), ("corrected",), ("officer-1",)))
    assert other.state.phase is Phase.REFERRED, "of another transaction"


def test_a_document_that_could_not_be_read_at_all_may_be_read_by_eye() -> None:
    lane = quiet()
    walk(lane, 3)
    for _ in range(2):
        lane.feed(ev.StepAborted(Step.DOCUMENT, Reason(ReasonCode.MRZ_UNREADABLE)))
    assert lane.state.phase is Phase.REFERRED
    inject(lane, "corrected")
    lane.feed(ev.ReferenceReady())
    assert lane.open == {DoorName.ENTRANCE}


@pytest.mark.parametrize("phase", list(Phase))
def test_every_fault_of_the_chip_in_every_state_ends_well(phase: Phase) -> None:
    """All pairs under both demands (`make sweeps`), each pair under one of them in the suite."""
    for number, fault in enumerate(OF_THE_CHIP):
        for place, second in enumerate((*FAULTS, *OF_THE_CHIP)):
            both = (WITH_CHIP, ADVISORY)
            for demands in both if SWEEPS_ARE_WHOLE else (both[(number + place + list(Phase).index(phase)) % 2],):
                lane = quiet(number, demands)
                lane.random.random = random.Random(number).random  # type: ignore[method-assign]
                _reach_quietly(lane, phase)
                inject(lane, fault)
                inject(lane, second)
                recover(lane)


class LaneMachine(RuleBasedStateMachine):
    """Hypothesis drives the same lane: it walks the happy path and throws in what it likes; `Lane` checks after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.lane = self.fresh()
        self.lane.random.random = lambda: 0.5  # type: ignore[method-assign]
        self.next = 0

    def fresh(self) -> Lane:
        return Lane(0)

    @rule(count=st.integers(1, 11))
    def walk_on(self, count: int) -> None:
        actions = happy_path(self.lane)
        for _ in range(count):
            actions[self.next % len(actions)]()  # type: ignore[operator]
            self.next += 1

    @rule(fault=st.sampled_from((*FAULTS, *OF_THE_CHIP)))
    def disturb(self, fault: str) -> None:
        inject(self.lane, fault)

    @rule(slow=st.booleans())
    def disk_speed(self, slow: bool) -> None:
        self.lane.defer_rate = 0.9 if slow else 0.0
        self.lane.deliver()

    def teardown(self) -> None:
        recover(self.lane)


class ChipLaneMachine(LaneMachine):
    """The same lane with a chip reader."""

    def fresh(self) -> Lane:
        return Lane(0, WITH_CHIP)


class AdvisoryLaneMachine(LaneMachine):
    """The same lane where the chip is only reported."""

    def fresh(self) -> Lane:
        return Lane(0, ADVISORY)


@pytest.mark.parametrize("machine", [LaneMachine, ChipLaneMachine, AdvisoryLaneMachine])
def test_hypothesis_finds_no_walk_that_breaks_a_promise(machine: type[LaneMachine]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=150, stateful_step_count=30, deadline=None))


def test_the_model_sees_a_planted_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit opened without waiting for the commit: the guided walks must notice."""
    from gate_agent.domain.transaction_inspection import Inspection

    def careless(self: Inspection) -> None:
        self.emit(dr.OpenDoor(DoorName.EXIT))

    monkeypatch.setattr(Inspection, "progress", careless)
    with pytest.raises(AssertionError, match="exit without a durable decision"):
        walk(quiet(), 9)


@pytest.mark.parametrize(
    ("stop", "over", "code"),
    [
        ("fire", "fire_over", ReasonCode.FIRE),
        ("emergency_stop", "emergency_stop_over", ReasonCode.EMERGENCY_STOP),
        ("lockdown", "lockdown_over", ReasonCode.LOCKDOWN),
    ],
    ids=["fire", "emergency stop", "lockdown"],
)
def test_a_stop_suspends_with_its_own_alarm_and_calls_the_guard_to_whoever_is_inside(
    stop: str, over: str, code: ReasonCode
) -> None:
    lane = quiet()
    walk(lane, 9)
    inject(lane, stop)
    lane.bodies = 1  # whatever the walk's fire does to them
    lane.feed(lane.inputs())
    assert lane.state.phase is Phase.SUSPENDED
    assert lane.alarms[code] == 1
    assert not lane.timers
    lane.guard(Admission.RELEASE)
    assert not lane.open
    inject(lane, over)
    assert lane.state.phase is Phase.REFERRED
    assert [reason.code for reason in lane.state.referral] == [code]


def test_a_lockdown_outlasts_a_fire_and_a_transaction() -> None:
    lane = quiet()
    inject(lane, "lockdown")
    inject(lane, "fire")
    inject(lane, "fire_over")
    assert lane.state.phase is Phase.SUSPENDED
    lane.feed(ev.DocumentPresented(uuid.uuid4()))
    assert lane.state.transaction_id is None
    inject(lane, "lockdown")
    assert lane.alarms[ReasonCode.LOCKDOWN] == 1  # ordered twice, told once
    inject(lane, "lockdown_over")
    assert lane.state.phase is Phase.IDLE


def test_two_people_who_are_handed_over_walk_back_on_one_release() -> None:
    lane = quiet()
    _reach(lane, Phase.REFERRED)
    lane.bodies = 2
    lane.feed(lane.inputs())
    opened = []
    do = lane._do
    lane._do = lambda effect: (opened.append(effect), do(effect))[1]  # type: ignore[method-assign]
    lane.guard(Admission.HAND_OVER)
    assert [effect for effect in opened if isinstance(effect, dr.OpenDoor)] == [dr.OpenDoor(DoorName.ENTRANCE, 2)]


@pytest.mark.parametrize("steps", range(1, 10))
def test_in_fallback_whoever_is_inspected_goes_to_a_guard_and_nobody_is_begun(steps: int) -> None:
    lane = quiet()
    walk(lane, steps)
    was = lane.state.phase
    inject(lane, "fallback")
    if was is Phase.INSPECTING:
        assert lane.state.phase is Phase.REFERRED
        assert [reason.code for reason in lane.state.referral] == [ReasonCode.POST_FALLBACK]
        lane.guard(Admission.RELEASE)
        assert lane.durable[-1].decided_by is DecidedBy.GUARD
    else:
        assert lane.state.phase is was, "whoever was released walks out"
    for _ in range(3):
        if lane.bodies or DoorName.ENTRANCE in lane.open:
            lane.walk_in() if not lane.bodies else lane.walk_out()
    recover_by_hand(lane)
    assert lane.state.phase is Phase.SUSPENDED
    lane.feed(ev.DocumentPresented(uuid.uuid4()))
    assert lane.state.transaction_id is None, "nobody new"
    inject(lane, "fallback_over")
    assert lane.state.phase is Phase.IDLE


def recover_by_hand(lane: Lane) -> None:
    """Let whoever is still there out, and keep the fallback."""
    for _ in range(10):
        if lane.state.transaction_id is None:
            return
        lane.guard(Admission.HAND_OVER)
        if lane.open and lane.bodies:
            lane.walk_out()
        for timer in sorted(lane.timers):
            lane.expire(timer)


def test_lines_that_a_guard_corrected_in_fallback_are_released_by_a_guard() -> None:
    lane = misread(DOCUMENT_AND_FACE)
    inject(lane, "fallback")
    inject(lane, "corrected")
    lane.page()
    if DoorName.ENTRANCE in lane.open:
        lane.walk_in()
        lane.feed(ev.CheckCompleted(result(CheckName.FACE_COMPARISON)))
    assert lane.state.phase is Phase.REFERRED, lane.story()
