"""The lane controller on fakes: the machine's effects are performed, results come back, and what was borrowed is destroyed."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest
import structlog

from drivers import contracts as dc
from gate_agent.app import views
from gate_agent.app.views import receipt
from gate_agent.clock import Clock, SystemClock
from gate_agent.demo.specimens import specimen
from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.crossing import Admission, Crossing, Decision, Officer, Outcome, PassageOutcome
from gate_agent.domain.declaration import Declaration
from gate_agent.domain.events import GuardDecided, LockdownLifted, LockdownOrdered
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.seal import SealReport
from gate_agent.domain.selection import DRAW_RANGE, Draw, Past
from gate_agent.domain.stay import Stay
from gate_agent.domain.transaction_state import Phase
from gate_agent.errors import DeviceFault, InferenceFault, StoreFault
from gate_agent.inspection.permit_list import PermitList
from gate_agent.inspection.travel_bans import TravelBans
from gate_agent.inspection.watchlist import Watchlist
from gate_agent.lane.controller import LaneController
from gate_agent.lane.face import Cue
from gate_agent.lane.face import acquisition as face_acquisition
from gate_agent.lane.face import work as face_work
from gate_agent.lane.ports import DocumentPorts, FaceMonitor, Knowledge, StayReferences
from gate_agent.policy.registration import registration_deadline
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.settings import Settings
from gate_agent.web.lane_api_messages import CaptureCue, Instruction
from models.results import (
    AttackAssessment,
    ComparisonDecision,
    FaceBox,
    FaceComparison,
    FaceFinding,
    FaceSample,
    HeadPose,
)

TODAY = date(2026, 11, 23)


@dataclass
class FakeCapture:
    sample: FaceSample
    portrait_jpeg: bytes | None = b"jpeg"
    comparison: FaceComparison | None = None


@dataclass
class House:
    """Every port of a lane, in memory, and switches to break them."""

    decisions: list[Decision] = field(default_factory=list)
    crossings: list[Crossing] = field(default_factory=list)
    entrances: int = 0
    releases: list[dc.Door] = field(default_factory=list)
    lockdowns: list[bool] = field(default_factory=list)
    signals: list[dc.GateSignal] = field(default_factory=list)
    read_again_calls: int = 0
    changes: int = 0
    store_broken: bool = False
    barrier_broken: bool = False
    engine_faults: int = 0
    finding: FaceFinding = FaceFinding.FOUND
    decision: ComparisonDecision = ComparisonDecision.MATCH
    calibration_id: str | None = "fake"
    active: bool = False
    minimum_age_years: int = 0
    box: FaceBox | None = None
    pose: HeadPose | None = None
    has_lost_reference: bool = False
    attack: AttackAssessment | None = None
    forget_hangs: bool = False
    stay: Stay | None = None
    bans: TravelBans | None = field(default_factory=lambda: TravelBans({}, {}))
    permits: PermitList = field(default_factory=lambda: PermitList({}))
    permits_age_s: float = 0.0
    book: str = "uzbekistan"
    portrait_jpeg: bytes = b"jpeg"
    printed: ComparisonDecision = ComparisonDecision.MATCH
    reference_waits: asyncio.Event | None = None
    asked: list[str] = field(default_factory=list)
    portraits: list[bytes] = field(default_factory=list)
    kept: set[uuid.UUID] = field(default_factory=set)
    clock: Clock = field(default_factory=SystemClock)

    async def release(self, door: dc.Door, count: int, ttl_s: float) -> None:
        assert ttl_s > 0
        if self.barrier_broken:
            raise DeviceFault("no answer")
        self.releases.append(door)

    async def end_releases(self) -> None:
        pass

    async def signal(self, signal: dc.GateSignal, ttl_s: float) -> None:
        assert ttl_s > 0
        if [signal] != self.signals[-1:]:
            self.signals.append(signal)

    async def lockdown(self) -> None:
        self.lockdowns.append(True)

    async def lift_lockdown(self) -> None:
        self.lockdowns.append(False)

    def changed(self) -> None:
        self.changes += 1

    async def read_again(self) -> None:
        self.read_again_calls += 1

    def set_active(self, *, active: bool) -> None:
        self.active = active

    def set_reading(self, *, active: bool) -> None:
        raise AssertionError("this lane does not read codes from its camera")

    async def reference(self, transaction_id: uuid.UUID, content: bytes) -> FakeCapture:
        self.asked.append("reference")
        self.portraits.append(bytes(content))
        if self.reference_waits is not None:
            await self.reference_waits.wait()
        if content == b"bomb":
            return FakeCapture(FaceSample(FaceFinding.REFUSED, None, None, {}, {}), None)
        self.kept.add(transaction_id)
        return FakeCapture(FaceSample(FaceFinding.FOUND, None, None, {}, {}), self.portrait_jpeg)

    async def picture(self, transaction_id: uuid.UUID, content: bytes) -> FakeCapture:
        self.asked.append("picture")
        assert transaction_id in self.kept, "a picture without its reference"
        comparison = FaceComparison(0.95, self.printed, 0.94, 0.91, 1e-4, "fake")
        return FakeCapture(FaceSample(FaceFinding.FOUND, None, None, {}, {}), comparison=comparison)

    async def probe(
        self,
        transaction_id: uuid.UUID,
        memfd: int,
        width_px: int,
        height_px: int,
        t_mono_s: float,
        camera: int = 0,
        *,
        beside=(),
    ) -> FakeCapture:
        self.asked.append("probe")
        assert transaction_id in self.kept, "a probe without its reference"
        if self.engine_faults:
            self.engine_faults -= 1
            raise InferenceFault("worker died")
        sample = FaceSample(
            self.finding, self.box, None, {}, {"embedding": 1.0},
            faces=1, frame_px=(width_px, height_px), pose=self.pose, attack=self.attack,
        )  # fmt: skip
        found = self.finding is FaceFinding.FOUND and not self.has_lost_reference
        comparison = FaceComparison(0.95, self.decision, 0.94, 0.91, 1e-4, "fake") if found else None
        return FakeCapture(sample, comparison=comparison)

    async def forget(self, transaction_id: uuid.UUID, holder: tuple[str, str] | None = None) -> None:
        self.asked.append("forget")
        if self.forget_hangs:
            await asyncio.sleep(60)
        self.kept.discard(transaction_id)

    def _disk(self) -> None:
        if self.store_broken:
            raise StoreFault("disk")

    async def commit_entrance(self, transaction_id: object, lane_id: int) -> None:
        self._disk()
        self.entrances += 1

    async def commit_decision(self, decision: Decision) -> None:
        self._disk()
        self.decisions.append(decision)

    async def commit_crossing(self, crossing: Crossing) -> None:
        self._disk()
        self.crossings.append(crossing)

    async def commit_alarm(self, alarm: object) -> None:
        self._disk()

    async def token_used(self, token_id: bytes, issuing_state: str, document_number: str) -> bool:
        self._disk()
        return False

    async def past_of(self, issuing_state: str, document_number: str, since: date, window_crossings: int) -> Past:
        return Past()

    async def stays_of(self, issuing_state: str, document_number: str) -> tuple[Stay, ...]:
        self._disk()
        return () if self.stay is None else (self.stay,)

    def current(self) -> Knowledge:
        import json

        book = parse_rulebook(json.loads(packaged_rulebook_bytes(self.book)))
        now = self.clock.now()
        permits_from = now - timedelta(seconds=self.permits_age_s)
        return Knowledge(
            book, Watchlist.from_bundle({"lists": []}), 1, now, {}, self.bans, now, self.permits, permits_from
        )

    def seals(self, declaration: Declaration) -> tuple[SealReport, ...]:
        return ()

    def screening(self, declaration: Declaration) -> None:
        """Nothing is screened here."""

    def draw(self, transaction_id: uuid.UUID, day: date) -> Draw:
        return Draw(uuid.UUID(int=0), 1, DRAW_RANGE - 1)  # nobody is drawn

    def seals_arrived(self, declaration: Declaration) -> None:
        """Nothing is sealed here."""


class Lane:
    def __init__(self, house: House, controller: LaneController, clock: Clock) -> None:
        self.house = house
        self.controller = controller
        self.clock = clock
        self.sequence = 0
        self.exits = 0

    def event(self, device: str, data: dc.Payload) -> None:
        self.sequence += 1
        now, now_s = self.clock.now(), self.clock.monotonic_s()
        self.controller.device_event(dc.DeviceEvent(device, data, now, now_s, self.sequence))

    async def settle(self) -> None:
        for _ in range(60):
            await asyncio.sleep(0)

    async def inputs(self, occupancy: int, *, passed: bool = False) -> None:
        self.exits += passed
        self.event("barrier-1", dc.BarrierInputs(False, False, occupancy, 0, self.exits, False, False))
        await self.settle()

    async def present(self, *, portrait: bytes = b"portrait", wrong_digit: bool = False, **changes: object) -> None:
        self.event("reader-1", dc.DocumentPresented())
        self.event("reader-1", dc.MrzRead(specimen(1, TODAY, **changes).lines(wrong_digit=wrong_digit)))
        self.event("reader-1", dc.DocumentImage("portrait", "image/jpeg", portrait))
        await self.settle()

    async def look(self, frames: int = 1) -> int:
        released = 0

        def release() -> None:
            nonlocal released
            released += 1

        for number in range(frames):
            self.event("camera-1", dc.FrameCaptured(0, 10, 10, number, release))
            await self.settle()
        return released

    @property
    def phase(self) -> Phase:
        return self.controller.state.phase


@contextlib.asynccontextmanager
async def lane(
    *, direction: str = "entry", monitor: FaceMonitor | None = None, references: StayReferences | None = None,
    ports: DocumentPorts | None = None, document: dict[str, object] | None = None, clock: Clock | None = None,
    page_pictures: tuple[str, ...] = (), zone_from_pictures: bool = False, around: dict[str, str] | None = None,
    lane_times: dict[str, object] | None = None, policy: dict[str, object] | None = None, book: str = "uzbekistan",
    gate: dict[str, object] | None = None, checks: Sequence[dict[str, object]] = (), **face: object,
) -> AsyncIterator[Lane]:  # fmt: skip
    clock = clock or SystemClock()
    around = around or {}  # devices for accessibility, by their role
    names = [
        *around.values(),
        "reader-1",
        "camera-1",
        "barrier-1",
        *(["chip-1"] if ports and ports.chip_reader else []),
    ]
    settings = Settings(
        device=[{"name": n, "driver": "x"} for n in names],
        lane=[
            {
                "lane_id": 1,
                "direction": direction,
                "document_reader": "reader-1",
                "camera": "camera-1",
                "barrier": "barrier-1",
                "chip_reader": "chip-1" if "chip-1" in names else "",
                "page_pictures": page_pictures,
                "zone_from_pictures": zone_from_pictures,
                **around,
                **(lane_times or {}),
            }
        ],
        document={"accept_specimens": True} | (document or {}),
        policy=policy or {},
        gate=gate or {},
        check=checks,
        face={"capture_timeout_s": 0.5, "capture_timeout_with_attack_detection_s": 0.5, **face},
    )
    house = House(clock=clock, book=book)
    controller = LaneController(
        settings, settings.lane[0], reader=house, camera=house, barrier=house, matcher=house, store=house,
        knowledge=house, clock=clock, changed=house.changed, document=ports, monitor=monitor, references=references,
    )  # fmt: skip
    task = asyncio.create_task(controller.run())
    walk = Lane(house, controller, clock)
    for name in names:
        walk.event(name, dc.StateChanged(dc.DeviceState.READY))
    await walk.settle()
    assert walk.phase is Phase.IDLE
    try:
        yield walk
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_traveller_walks_through_and_nothing_of_him_stays() -> None:
    async with lane() as walk:
        await walk.present()
        assert walk.house.entrances == 1
        assert walk.house.releases == [dc.Door.ENTRANCE]
        borrowed = walk.controller.borrowed
        assert borrowed is not None
        await walk.inputs(1)
        assert walk.house.active
        assert await walk.look() == 1
        assert walk.house.releases == [dc.Door.ENTRANCE, dc.Door.EXIT]
        deadline = walk.controller.today + timedelta(days=29)  # thirty days, the day of entry is the first
        rulebook = walk.house.current().rulebook
        registration = registration_deadline(rulebook, "UTO", walk.controller.today)
        assert receipt(walk.controller) == {
            "stay_deadline": deadline.isoformat(),
            "registration_deadline": registration.last_day.isoformat(),
        }
        await walk.inputs(0, passed=True)
        assert receipt(walk.controller) == {}
        assert walk.phase is Phase.IDLE
        assert [crossing.passage for crossing in walk.house.crossings] == [PassageOutcome.PASSED]
        ended = walk.controller.recent[-1]
        assert ended.outcome is Outcome.RELEASED
        assert ended.software_ms is not None
        assert walk.controller.borrowed is None
        assert borrowed.reading is borrowed.probe_jpeg is borrowed.reference_jpeg is None
        await walk.settle()
        assert walk.house.kept == set(), "the worker was not told to forget"
        assert walk.house.asked == ["reference", "probe", "forget"]
        assert not walk.house.active


async def test_a_wrong_check_digit_is_read_again_and_then_referred() -> None:
    async with lane() as walk:
        await walk.present(wrong_digit=True)
        assert walk.house.read_again_calls == 1
        walk.event("reader-1", dc.MrzRead(specimen(1, TODAY).lines(wrong_digit=True)))
        await walk.settle()
        assert walk.phase is Phase.REFERRED
        reasons = walk.house.decisions[0].answer.admission_reasons
        assert reasons[0].code is ReasonCode.MRZ_CHECK_DIGIT_WRONG
        assert reasons[0].parameters["field"] == "document_number"
        assert walk.house.releases == []


@pytest.mark.parametrize(
    ("decision", "code"),
    [
        (ComparisonDecision.NON_MATCH, ReasonCode.FACE_DIFFERENT),
        (ComparisonDecision.UNDETERMINED, ReasonCode.FACE_UNDETERMINED),
    ],
)
async def test_a_face_that_does_not_match_is_referred(decision: ComparisonDecision, code: ReasonCode) -> None:
    async with lane(capture_timeout_s=2.5) as walk:
        walk.house.decision, walk.house.box, walk.house.pose = decision, FaceBox(3, 3, 6, 6, 1.0), HeadPose(0, 0, 0)
        await walk.present()
        await walk.inputs(1)
        for _ in range(30):
            await walk.look()
            if walk.phase is Phase.REFERRED:
                break
            await asyncio.sleep(0.1)
        assert walk.phase is Phase.REFERRED
        assert code in {reason.code for reason in walk.house.decisions[-1].answer.admission_reasons}
        assert dc.Door.EXIT not in walk.house.releases


async def test_an_engine_fault_is_repeated_once_and_then_the_guard_is_called() -> None:
    async with lane() as walk:
        walk.house.engine_faults = 2
        await walk.present()
        await walk.inputs(1)
        await walk.look()
        assert walk.phase is Phase.INSPECTING
        await walk.look()
        assert walk.phase is Phase.REFERRED


async def test_a_worker_without_the_reference_is_a_fault_of_the_engine() -> None:
    async with lane() as walk:
        walk.house.has_lost_reference = True
        await walk.present()
        await walk.inputs(1)
        await walk.look(2)
        assert walk.phase is Phase.REFERRED, "at once, not when the time has run out"
        codes = [reason.code for reason in walk.house.decisions[-1].answer.admission_reasons]
        assert codes == [ReasonCode.ABORTED_TWICE, ReasonCode.FACE_ENGINE_FAULT]


async def test_an_image_bomb_in_the_document_is_a_referral_not_a_crash() -> None:
    async with lane() as walk:
        await walk.present(portrait=b"bomb")
        assert walk.phase is Phase.INSPECTING
        await walk.present(portrait=b"bomb")
        assert walk.phase is Phase.REFERRED


async def test_a_broken_disk_opens_nothing_and_shuts_the_lane() -> None:
    async with lane() as walk:
        await walk.present()
        await walk.inputs(1)
        walk.house.store_broken = True
        await walk.look()
        assert dc.Door.EXIT not in walk.house.releases
        assert walk.phase is Phase.FAULTED
        walk.house.store_broken = False
        transaction_id = walk.controller.state.transaction_id
        assert transaction_id is not None
        officer = Officer("officer-1", "guard", transaction_id)
        decided = GuardDecided(transaction_id, Admission.RELEASE, (officer,), "technical_cause", "")
        assert await walk.controller.guard(decided)
        await walk.settle()
        assert walk.house.releases[-1] is dc.Door.EXIT
        assert walk.house.decisions[-1].decided_by == "guard"


async def test_a_guard_cannot_decide_twice_or_about_another_transaction() -> None:
    async with lane() as walk:
        await walk.present(wrong_digit=True)
        walk.event("reader-1", dc.MrzRead(specimen(1, TODAY).lines(wrong_digit=True)))
        await walk.settle()
        other = walk.controller.new_id()
        assert not await walk.controller.guard(GuardDecided(other, Admission.RELEASE, (), "x", ""))
        transaction_id = walk.controller.state.transaction_id
        assert transaction_id is not None
        order = GuardDecided(transaction_id, Admission.HAND_OVER, (), "x", "")
        assert await walk.controller.guard(order)
        assert not await walk.controller.guard(order)


async def test_an_unconfirmed_release_calls_the_guard() -> None:
    async with lane() as walk:
        walk.house.barrier_broken = True
        await walk.present()
        assert walk.phase is Phase.REFERRED


@pytest.mark.parametrize("device", ["reader-1", "camera-1", "barrier-1"])
async def test_a_missing_device_shuts_the_lane(device: str) -> None:
    async with lane() as walk:
        walk.event(device, dc.StateChanged(dc.DeviceState.ABSENT))
        await walk.settle()
        assert walk.phase is Phase.SUSPENDED
        walk.event(device, dc.StateChanged(dc.DeviceState.READY))
        await walk.settle()
        assert walk.phase is Phase.IDLE


async def test_garbage_from_the_barcode_reader_is_a_referral() -> None:
    async with lane() as walk:
        walk.event("barcode-1", dc.BarcodeRead(b"' OR '1'='1 \x1b[2J <script>"))
        await walk.settle()
        await walk.present()
        assert walk.phase is Phase.REFERRED
        assert ReasonCode.TOKEN_MALFORMED in {r.code for r in walk.house.decisions[-1].answer.admission_reasons}


# one document, one transaction ---------------------------------------------------------------------------------------


async def lay(walk: Lane, lines: tuple[str, ...], portrait: bytes | None = None, *, is_new: bool = True) -> None:
    """Take away what lies on the reader and lay another document there; `is_new`: else it is only read once more."""
    if is_new:
        walk.event("reader-1", dc.DocumentRemoved())
        walk.event("reader-1", dc.DocumentPresented())
    walk.event("reader-1", dc.MrzRead(lines))
    if portrait is not None:
        walk.event("reader-1", dc.DocumentImage("portrait", "image/jpeg", portrait))
    await walk.settle()


def number_of(walk: Lane) -> str:
    assert walk.controller.borrowed is not None
    document = walk.controller.borrowed.document
    assert document is not None
    return document.document_number


A, B, A_WRONG = (
    specimen(1, TODAY).lines(), specimen(2, TODAY).lines(), specimen(1, TODAY).lines(wrong_digit=True),
)  # fmt: skip


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("has_portrait", [True, False])
async def test_another_document_before_the_entrance_is_used_calls_the_guard(is_new: bool, has_portrait: bool) -> None:
    async with lane() as walk:
        if has_portrait:
            await walk.present(portrait=b"of A")
        else:
            await lay(walk, A)
        await lay(walk, B, b"of B", is_new=is_new)
        assert walk.phase is Phase.REFERRED
        decision = walk.house.decisions[-1]
        assert decision.answer.admission is Admission.REFER
        assert [reason.code for reason in decision.answer.admission_reasons] == [ReasonCode.DOCUMENT_CHANGED]
        assert number_of(walk) == "U01SPECIM", "the guard sees the document that began"
        assert b"of B" not in walk.house.portraits
        await walk.inputs(1)
        await walk.look()
        assert dc.Door.EXIT not in walk.house.releases


async def test_another_document_after_the_entry_is_dropped_and_said_without_a_name() -> None:
    async with lane() as walk:
        await walk.present(portrait=b"of A")
        await walk.inputs(1)
        with structlog.testing.capture_logs() as entries:
            await lay(walk, B, b"of B")
        (entry,) = [entry for entry in entries if entry["event"] == "another_document_read"]
        assert "SPECIM" not in str(entry)
        assert walk.phase is Phase.INSPECTING
        await walk.look()
        assert walk.house.releases == [dc.Door.ENTRANCE, dc.Door.EXIT]
        await lay(walk, B, b"of B")
        assert number_of(walk) == "U01SPECIM"
        await walk.inputs(0, passed=True)
        decision, crossing = walk.house.decisions[-1], walk.house.crossings[-1]
        assert decision.document is not None
        assert crossing.document is not None
        assert {decision.document.document_number, crossing.document.document_number} == {"U01SPECIM"}
        assert walk.house.portraits == [b"of A"]


@pytest.mark.parametrize("is_new", [True, False])
async def test_the_same_document_may_be_read_as_often_as_the_reader_likes(is_new: bool) -> None:
    async with lane() as walk:
        await lay(walk, A, is_new=is_new)
        await lay(walk, A, is_new=False)
        await lay(walk, A, b"of A", is_new=is_new)
        assert walk.house.releases == [dc.Door.ENTRANCE]
        await lay(walk, A, b"of A again", is_new=is_new)
        await walk.inputs(1)
        await lay(walk, A, b"of A again", is_new=is_new)
        await walk.look()
        assert walk.house.releases == [dc.Door.ENTRANCE, dc.Door.EXIT]
        assert walk.house.portraits == [b"of A"]


async def test_a_second_read_that_is_right_goes_on_with_the_portrait_of_the_first() -> None:
    async with lane() as walk:
        await walk.present(portrait=b"of A", wrong_digit=True)
        assert walk.house.read_again_calls == 1
        await lay(walk, A, is_new=False)
        assert walk.house.releases == [dc.Door.ENTRANCE]
        assert walk.house.portraits == [b"of A"]


@pytest.mark.parametrize("first", [A_WRONG, ("unreadable", "lines"), B[:1] + A_WRONG[1:]])
async def test_the_portrait_of_what_could_not_be_read_is_not_kept_for_the_next_document(first: tuple[str, ...]) -> None:
    async with lane() as walk:
        await lay(walk, first, b"of the first")
        assert walk.phase is Phase.INSPECTING
        await lay(walk, B)
        assert walk.house.releases == [], "the reference was another document's"
        walk.event("reader-1", dc.DocumentImage("portrait", "image/jpeg", b"of B"))
        await walk.settle()
        assert walk.house.releases == [dc.Door.ENTRANCE]
        assert walk.house.portraits[-1] == b"of B"
        assert number_of(walk) == "U02SPECIM"


async def test_a_portrait_that_was_still_looked_at_does_not_count_for_the_next_document() -> None:
    async with lane() as walk:
        walk.house.reference_waits = asyncio.Event()
        await lay(walk, A_WRONG, b"of the first")
        await lay(walk, B)
        walk.house.reference_waits.set()
        await walk.settle()
        assert walk.house.releases == []
        walk.event("reader-1", dc.DocumentImage("portrait", "image/jpeg", b"of B"))
        await walk.settle()
        assert walk.house.releases == [dc.Door.ENTRANCE]


@pytest.mark.parametrize("between", ["nothing", "unreadable", "wrong", "reader_lost"])
async def test_a_portrait_without_its_machine_readable_zone_is_nobodys(between: str) -> None:
    async with lane() as walk:
        await lay(walk, A)
        if between == "reader_lost":
            walk.event("reader-1", dc.StateChanged(dc.DeviceState.ABSENT))
            walk.event("reader-1", dc.StateChanged(dc.DeviceState.READY))
        else:
            walk.event("reader-1", dc.DocumentRemoved())
            walk.event("reader-1", dc.DocumentPresented())
        if between in {"unreadable", "wrong"}:
            walk.event("reader-1", dc.MrzRead(("x",) if between == "unreadable" else A_WRONG))
        walk.event("reader-1", dc.DocumentImage("portrait", "image/jpeg", b"of nobody"))
        await walk.settle()
        assert walk.house.portraits == []
        assert walk.house.releases == []


async def test_reads_that_overtake_each_other_leave_the_last_one() -> None:
    async with lane() as walk:
        walk.event("reader-1", dc.DocumentPresented())
        walk.event("reader-1", dc.MrzRead(A_WRONG))
        walk.event("reader-1", dc.MrzRead(A))
        walk.event("reader-1", dc.MrzRead(A_WRONG))
        walk.event("reader-1", dc.MrzRead(A))
        walk.event("reader-1", dc.DocumentImage("portrait", "image/jpeg", b"of A"))
        await walk.settle()
        assert number_of(walk) == "U01SPECIM"
        assert walk.house.releases == [dc.Door.ENTRANCE]


async def test_a_portrait_of_another_document_is_not_shown_to_the_guard_as_the_holders() -> None:
    async with lane() as walk:
        await lay(walk, specimen(1, TODAY, date_of_expiry=TODAY - timedelta(days=1)).lines())
        assert walk.phase is Phase.REFERRED
        await lay(walk, B, b"of B")
        assert walk.house.portraits == []


# attack detection, cues and forgetting --------------------------------------------------------------------------------


async def test_an_alarm_calls_the_guard_and_shows_him_the_frames() -> None:
    async with lane(presentation_attack_detection="required") as walk:
        walk.house.attack = AttackAssessment(0.93)
        await walk.present()
        await walk.inputs(1)
        await walk.look()
        assert walk.phase is Phase.REFERRED
        assert dc.Door.EXIT not in walk.house.releases
        decision = walk.house.decisions[-1]
        assert [reason.code for reason in decision.answer.admission_reasons][:1] == [
            ReasonCode.PRESENTATION_ATTACK_SUSPECTED
        ]
        assert {check.check: check.outcome for check in decision.checks}[CheckName.FACE_PRESENTATION] is (
            CheckOutcome.UNDETERMINED
        )
        borrowed = walk.controller.borrowed
        assert borrowed is not None
        seen = views.referral(walk.controller, borrowed)
        assert seen is not None
        assert seen.frames == 1
        assert seen.attack is not None
        assert (seen.attack.score, seen.attack.is_rated, seen.attack.is_suspected) == (0.93, False, True)
        assert seen.comparison is not None
        assert seen.comparison.calibration_id == "fake"
        lanes, transaction_id = [walk.controller], borrowed.transaction_id
        assert views.image_of(lanes, transaction_id, "frame-1") == b"jpeg"
        assert views.image_of(lanes, transaction_id, "frame-2") is None
        assert views.instruction(walk.controller) is Instruction.SEE_OFFICER
        assert views.cue(walk.controller, Instruction.SEE_OFFICER) is None
        frame = borrowed.frame_jpegs[0]
        order = GuardDecided(transaction_id, Admission.HAND_OVER, (), "face_doubt", "")
        assert await walk.controller.guard(order)
        await walk.settle()
        await walk.inputs(0)
        await walk.settle()
        assert walk.controller.borrowed is None
        assert not any(frame), "the frame was not overwritten"
        assert borrowed.frame_jpegs == []


async def test_advisory_attack_detection_holds_nobody_back_and_is_on_record() -> None:
    async with lane() as walk:
        walk.house.attack = AttackAssessment(0.93)
        await walk.present()
        await walk.inputs(1)
        await walk.look()
        assert walk.house.releases == [dc.Door.ENTRANCE, dc.Door.EXIT]
        outcomes = {check.check: check.outcome for check in walk.house.decisions[-1].checks}
        assert outcomes[CheckName.FACE_PRESENTATION] is CheckOutcome.NOT_SUPPORTED


async def test_required_attack_detection_without_a_detector_releases_nobody() -> None:
    async with lane(presentation_attack_detection="required") as walk:
        await walk.present()
        await walk.inputs(1)
        await walk.look(3)
        assert walk.phase is Phase.INSPECTING
        async with asyncio.timeout(10):  # the acquisition's half second is over soon; a busy machine may take longer
            while walk.phase is Phase.INSPECTING:
                await asyncio.sleep(0.05)
        assert walk.phase is Phase.REFERRED
        codes = [reason.code for reason in walk.house.decisions[-1].answer.admission_reasons]
        assert codes[0] is ReasonCode.PRESENTATION_ATTACK_NO_RESULT


async def test_policy_misses_an_attack_check_that_the_site_requires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_acquisition, "presentation_check", lambda *_, **__: None)
    for mode, exits in (("advisory", 1), ("required", 0)):
        async with lane(presentation_attack_detection=mode) as walk:
            walk.house.attack = AttackAssessment(0.0)
            await walk.present()
            await walk.inputs(1)
            await walk.look()
            assert walk.house.releases.count(dc.Door.EXIT) == exits, mode


def test_the_web_has_the_cues_of_the_lane() -> None:
    assert {cue.value for cue in Cue} == {cue.value for cue in CaptureCue}


async def test_the_cue_is_on_the_screen_while_the_camera_looks_and_gone_after() -> None:
    async with lane(capture_timeout_s=5.0) as walk:
        walk.house.decision = ComparisonDecision.UNDETERMINED
        walk.house.box = FaceBox(0, 3, 3, 6, 1.0)  # of a frame of 10 x 10: the traveller stands to his right
        await walk.present()
        await walk.inputs(1)
        assert views.cue(walk.controller, views.instruction(walk.controller)) is None
        await walk.look()
        assert views.instruction(walk.controller) is Instruction.LOOK_AT_CAMERA
        assert views.cue(walk.controller, Instruction.LOOK_AT_CAMERA) is CaptureCue.TOO_FAR_RIGHT
        assert not walk.controller.face.skip(), "there is no challenge to skip"
        walk.house.decision = ComparisonDecision.MATCH
        await walk.look()
        assert views.cue(walk.controller, Instruction.LOOK_AT_CAMERA) is None


async def test_a_child_is_told_before_the_entrance_opens() -> None:
    async with lane() as walk:
        walk.house.minimum_age_years = 120  # the specimen is younger than that
        await walk.present()
        assert walk.phase is Phase.REFERRED
        assert walk.house.releases == []
        assert "probe" not in walk.house.asked
        codes = [reason.code for reason in walk.house.decisions[-1].answer.admission_reasons]
        assert ReasonCode.FACE_AGE_NOT_COVERED in codes


async def test_a_wrong_digit_is_read_again_before_anybody_is_called_a_child() -> None:
    async with lane() as walk:
        walk.house.minimum_age_years = 120
        await walk.present(wrong_digit=True)
        assert walk.phase is Phase.INSPECTING
        assert walk.house.read_again_calls == 1


async def test_a_worker_that_does_not_forget_in_time_is_reported_and_delays_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(face_work, "FORGOTTEN_WITHIN_S", 0.05)
    async with lane() as walk:
        walk.house.forget_hangs = True
        with structlog.testing.capture_logs() as entries:
            await walk.present()
            await walk.inputs(1)
            await walk.look()
            await walk.inputs(0, passed=True)
            assert walk.phase is Phase.IDLE
            await asyncio.sleep(0.1)
        assert "face_not_forgotten_in_time" in [entry["event"] for entry in entries]


async def test_a_reference_that_comes_after_the_end_is_forgotten_once_more() -> None:
    async with lane() as walk:
        walk.house.reference_waits = asyncio.Event()
        await walk.present(wrong_digit=True)
        walk.event("reader-1", dc.MrzRead(specimen(1, TODAY).lines(wrong_digit=True)))
        await walk.settle()
        transaction_id = walk.controller.state.transaction_id
        assert transaction_id is not None
        assert await walk.controller.guard(GuardDecided(transaction_id, Admission.HAND_OVER, (), "x", ""))
        await walk.settle()
        await walk.inputs(0)
        assert walk.controller.borrowed is None
        walk.house.reference_waits.set()
        await walk.settle()
        assert walk.house.kept == set()
        assert walk.house.asked == ["reference", "forget", "forget"]


async def test_a_lockdown_reaches_the_barrier_and_releases_nothing_until_it_is_lifted() -> None:
    async with lane() as walk:
        walk.controller.feed(LockdownOrdered())
        await walk.settle()
        assert walk.house.lockdowns == [True]
        assert ReasonCode.LOCKDOWN in walk.controller.alarms.open
        await walk.present()
        assert walk.controller.state.phase is Phase.SUSPENDED
        assert walk.house.releases == []
        walk.controller.feed(LockdownLifted())
        await walk.settle()
        assert walk.house.lockdowns == [True, False]
        assert ReasonCode.LOCKDOWN not in walk.controller.alarms.open
        await walk.present()
        assert walk.house.releases == [dc.Door.ENTRANCE]


async def test_lights_are_green_only_where_a_door_is_released_and_the_sounder_tells_what_nobody_released() -> None:
    async with lane() as walk:
        shown = walk.house.signals
        await walk.present()
        assert shown == [dc.GateSignal.CLOSED, dc.GateSignal.ENTER]
        await walk.inputs(1)
        assert shown[-1] is dc.GateSignal.CLOSED
        odd = dc.BarrierInputs(False, False, 1, 1, 0, False, False, irregularities=(dc.Irregularity.TAILGATING,))
        walk.event("barrier-1", odd)
        await walk.settle()
        assert shown[-1] is dc.GateSignal.ALARM
        assert ReasonCode.TAILGATING in walk.controller.alarms.open
        assert walk.controller.state.phase is Phase.REFERRED
        await walk.inputs(1)
        assert shown[-1] is dc.GateSignal.CLOSED
        assert ReasonCode.TAILGATING in walk.controller.alarms.open  # until a guard acknowledges it
        walk.event("barrier-1", dc.BarrierInputs(True, True, 1, 1, 0, True, False))
        await walk.settle()
        assert shown[-1] is dc.GateSignal.EVACUATE


@pytest.mark.parametrize("kind", list(dc.Irregularity), ids=lambda kind: kind.value)
async def test_each_irregularity_is_an_alarm_of_its_own(kind: dc.Irregularity) -> None:
    async with lane() as walk:
        walk.event("barrier-1", dc.BarrierInputs(False, False, 0, 0, 0, False, False, irregularities=(kind,)))
        await walk.settle()
        assert set(walk.controller.alarms.open) == {ReasonCode(kind.value)}
