"""The lane controller on fakes: the machine's effects are performed, results come back, and what was borrowed is destroyed."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest

from drivers import contracts as dc
from gate_agent.app.views import receipt
from gate_agent.clock import SystemClock
from gate_agent.demo.specimens import specimen
from gate_agent.domain.crossing import Admission, Crossing, Decision, Officer, Outcome, PassageOutcome
from gate_agent.domain.events import GuardDecided
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.transaction_state import Phase
from gate_agent.errors import DeviceFault, InferenceFault, StoreFault
from gate_agent.inspection.watchlist import Watchlist
from gate_agent.lane.controller import LaneController
from gate_agent.lane.ports import Knowledge
from gate_agent.policy.rulebook import packaged_rulebook_bytes, parse_rulebook
from gate_agent.settings import Settings
from models.results import ComparisonDecision, FaceComparison, FaceFinding, FaceSample

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
    read_again_calls: int = 0
    store_broken: bool = False
    barrier_broken: bool = False
    engine_faults: int = 0
    finding: FaceFinding = FaceFinding.FOUND
    decision: ComparisonDecision = ComparisonDecision.MATCH
    calibration_id: str | None = "fake"
    active: bool = False
    minimum_age_years: int = 0
    asked: list[str] = field(default_factory=list)
    kept: set[uuid.UUID] = field(default_factory=set)

    async def release(self, door: dc.Door, ttl_s: float) -> None:
        assert ttl_s > 0
        if self.barrier_broken:
            raise DeviceFault("no answer")
        self.releases.append(door)

    async def secure(self) -> None:
        pass

    async def read_again(self) -> None:
        self.read_again_calls += 1

    def set_active(self, *, active: bool) -> None:
        self.active = active

    def set_reading(self, *, active: bool) -> None:
        raise AssertionError("this lane does not read codes from its camera")

    async def reference(self, transaction_id: uuid.UUID, content: bytes) -> FakeCapture:
        self.asked.append("reference")
        if content == b"bomb":
            return FakeCapture(FaceSample(FaceFinding.REFUSED, None, None, {}, {}), None)
        self.kept.add(transaction_id)
        return FakeCapture(FaceSample(FaceFinding.FOUND, None, None, {}, {}))

    async def probe(
        self, transaction_id: uuid.UUID, memfd: int, width_px: int, height_px: int, t_mono_s: float
    ) -> FakeCapture:
        self.asked.append("probe")
        assert transaction_id in self.kept, "a probe without its reference"
        if self.engine_faults:
            self.engine_faults -= 1
            raise InferenceFault("worker died")
        sample = FaceSample(self.finding, None, None, {}, {"embedding": 1.0}, faces=1, frame_px=(width_px, height_px))
        found = self.finding is FaceFinding.FOUND
        comparison = FaceComparison(0.95, self.decision, 0.94, 0.91, 1e-4, "fake") if found else None
        return FakeCapture(sample, comparison=comparison)

    async def forget(self, transaction_id: uuid.UUID) -> None:
        self.asked.append("forget")
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

    async def open_stay(self, issuing_state: str, document_number: str) -> None:
        self._disk()

    def current(self) -> Knowledge:
        import json

        book = parse_rulebook(json.loads(packaged_rulebook_bytes()))
        return Knowledge(book, Watchlist({}), 1, datetime.now(UTC), {})

    def seal(self, seal_id: str) -> None:
        return None


class Lane:
    def __init__(self, house: House, controller: LaneController) -> None:
        self.house = house
        self.controller = controller
        self.sequence = 0
        self.exits = 0

    def event(self, device: str, data: dc.Payload) -> None:
        self.sequence += 1
        clock = SystemClock()
        self.controller.device_event(dc.DeviceEvent(device, data, clock.now(), clock.monotonic_s(), self.sequence))

    async def settle(self) -> None:
        for _ in range(60):
            await asyncio.sleep(0)

    async def inputs(self, occupancy: int, *, passed: bool = False) -> None:
        self.exits += passed
        self.event("barrier-1", dc.BarrierInputs(False, False, occupancy, 0, self.exits, False, False))
        await self.settle()

    async def present(self, *, portrait: bytes = b"portrait", wrong_digit: bool = False) -> None:
        self.event("reader-1", dc.DocumentPresented())
        self.event("reader-1", dc.MrzRead(specimen(1, TODAY).lines(wrong_digit=wrong_digit)))
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
async def lane() -> AsyncIterator[Lane]:
    settings = Settings(
        device=[{"name": n, "driver": "x"} for n in ("reader-1", "camera-1", "barrier-1")],
        lane=[{"lane_id": 1, "document_reader": "reader-1", "camera": "camera-1", "barrier": "barrier-1"}],
        face={"capture_timeout_s": 0.5},
    )
    house = House()
    controller = LaneController(
        settings, settings.lane[0], reader=house, camera=house, barrier=house, matcher=house, store=house,
        knowledge=house, clock=SystemClock(), changed=lambda: None,
    )  # fmt: skip
    task = asyncio.create_task(controller.run())
    walk = Lane(house, controller)
    for name in ("reader-1", "camera-1", "barrier-1"):
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
        assert receipt(walk.controller, walk.house.current().rulebook) == {"stay_deadline": deadline.isoformat()}
        await walk.inputs(0, passed=True)
        assert receipt(walk.controller, walk.house.current().rulebook) == {}
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
    async with lane() as walk:
        walk.house.decision = decision
        await walk.present()
        await walk.inputs(1)
        await walk.look(3)
        if walk.phase is not Phase.REFERRED:
            await asyncio.sleep(0.6)
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
