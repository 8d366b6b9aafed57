"""The walk-through lane on fakes: effects are performed in order, results come back, and what was borrowed is destroyed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import pytest

from drivers import contracts as dc
from gate_agent.clock import SystemClock
from gate_agent.demo.specimens import specimen
from gate_agent.domain import walk_through_events as ev
from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.crossing import Admission, Crossing, Decision, Outcome, PassageOutcome
from gate_agent.domain.declaration import Declaration
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.seal import SealReport
from gate_agent.domain.selection import DRAW_RANGE, Draw, Past
from gate_agent.domain.walk_through_events import FaceStanding
from gate_agent.domain.walk_through_state import TravellerPhase
from gate_agent.errors import DeviceFault, InferenceFault, SettingsFault, StoreFault
from gate_agent.inspection.travel_bans import TravelBans
from gate_agent.inspection.watchlist import Watchlist
from gate_agent.lane.ports import Knowledge
from gate_agent.lane.walk_through import Permission, WalkThroughLane
from gate_agent.lane.walk_through_ports import MatchedFace, ReleaseZone
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.settings import Settings
from models.results import FaceBox, FaceFinding
from tests.waiting import until

TODAY = date(2026, 11, 23)
NEAR = FaceBox(500, 200, 739, 439, 1.0)


@dataclass
class World:
    """Every port of a lane, in memory; `log` holds what happened in order."""

    log: list[str] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    crossings: list[Crossing] = field(default_factory=list)
    finding: FaceFinding = FaceFinding.FOUND
    faces: list[MatchedFace] = field(default_factory=list)
    gallery: set[uuid.UUID] = field(default_factory=set)
    consumed: set[uuid.UUID] = field(default_factory=set)
    grants: bool = True
    store_broken: bool = False
    barrier_broken: bool = False
    matcher_faults: int = 0
    active: bool = False
    released_frames: int = 0
    calibration_id: str = "fake"
    threshold: float = 0.56
    minimum_age_years: int = 18

    async def enrol(self, transaction_id: uuid.UUID, content: bytes) -> FaceFinding:
        if self.finding is FaceFinding.FOUND:
            self.gallery.add(transaction_id)
        return self.finding

    async def look(self, memfd: int, width_px: int, height_px: int, t_mono_s: float) -> Sequence[MatchedFace]:
        if self.matcher_faults:
            self.matcher_faults -= 1
            raise InferenceFault("worker died")
        return list(self.faces)

    async def consume(self, transaction_id: uuid.UUID, proof: int) -> bool:
        self.log.append("consume")
        fresh = transaction_id not in self.consumed
        self.consumed.add(transaction_id)
        return fresh and self.grants

    async def withdraw(self, transaction_id: uuid.UUID) -> None:
        self.gallery.discard(transaction_id)

    async def release(self, door: dc.Door, count: int, ttl_s: float) -> None:
        assert ttl_s > 0
        assert count == 1
        if self.barrier_broken:
            raise DeviceFault("no answer")
        self.log.append(f"release {door.value}")

    async def end_releases(self) -> None:
        self.log.append("secure")

    async def signal(self, signal: dc.GateSignal, ttl_s: float) -> None:
        raise AssertionError(f"this lane shows nothing, and was told {signal}")

    async def lockdown(self) -> None:
        self.log.append("lockdown")

    async def lift_lockdown(self) -> None:
        self.log.append("lift lockdown")

    def set_active(self, *, active: bool) -> None:
        self.active = active

    def set_reading(self, *, active: bool) -> None:
        raise AssertionError("walk-through reads no codes")

    def _disk(self) -> None:
        if self.store_broken:
            raise StoreFault("disk")

    async def commit_entrance(self, transaction_id: object, lane_id: int) -> None:
        raise AssertionError("there is no entrance")

    async def commit_decision(self, decision: Decision) -> None:
        self._disk()
        self.log.append(f"decision {decision.answer.admission.value}")
        self.decisions.append(decision)

    async def commit_crossing(self, crossing: Crossing) -> None:
        self._disk()
        self.log.append(f"crossing {crossing.passage.value}")
        self.crossings.append(crossing)

    async def commit_alarm(self, alarm: object) -> None:
        self._disk()

    async def token_used(self, token_id: bytes, issuing_state: str, document_number: str) -> bool:
        return False

    async def past_of(self, issuing_state: str, document_number: str, since: date, window_crossings: int) -> Past:
        return Past()

    async def stays_of(self, issuing_state: str, document_number: str) -> tuple[()]:
        self._disk()
        return ()

    def current(self) -> Knowledge:
        rulebook = parse_rulebook(json.loads(packaged_rulebook_bytes()))
        now = datetime.now(UTC)
        return Knowledge(rulebook, Watchlist.from_bundle({"lists": []}), 1, now, {}, TravelBans({}, {}), now)

    def seals(self, declaration: Declaration) -> tuple[SealReport, ...]:
        return ()

    def screening(self, declaration: Declaration) -> None:
        """Nothing is screened here."""

    def draw(self, transaction_id: uuid.UUID, day: date) -> Draw:
        return Draw(uuid.UUID(int=0), 1, DRAW_RANGE - 1)  # nobody is drawn

    def seals_arrived(self, declaration: Declaration) -> None:
        """Nothing is sealed here."""


def settings(**lane: object) -> Settings:
    table = {"lane_id": 1, "document_reader": "kiosk", "camera": "hall", "barrier": "exit"} | lane
    devices = [{"name": name, "driver": "none"} for name in ("kiosk", "hall", "exit")]
    return Settings.model_validate({"lane": [table], "device": devices, "document": {"accept_specimens": True}})


def build(world: World, permission: Permission | None = Permission.DEMONSTRATION, **lane: object) -> WalkThroughLane:
    merged = settings(**lane)
    return WalkThroughLane(
        merged,
        merged.lane[0],
        permission=permission,
        camera=world,
        barrier=world,
        matcher=world,
        store=world,
        knowledge=world,
        clock=SystemClock(),
        zone=ReleaseZone(),
    )


@contextlib.asynccontextmanager
async def running(world: World, **lane: object) -> AsyncIterator[WalkThroughLane]:
    built = build(world, **lane)
    task = asyncio.create_task(built.run())
    try:
        await until(lambda: world.active)
        yield built
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def zone(occupancy: int, passages: int = 0, *, is_open: bool = False) -> ev.ZoneChanged:
    return ev.ZoneChanged(is_open, occupancy, passages, fire=False, tamper=False)


def face(
    transaction_id: uuid.UUID | None, standing: FaceStanding = FaceStanding.IDENTIFIED, proof: int = 1
) -> MatchedFace:
    return MatchedFace(1, NEAR, proof, standing, transaction_id, 0.61)


async def shown(lane: WalkThroughLane, world: World, *faces: MatchedFace) -> None:
    """Let the camera deliver one frame in which the matcher sees these faces, and wait until it was looked at."""
    world.faces = list(faces)
    seen = lane.frames_seen
    now_s = SystemClock().monotonic_s()

    def release() -> None:
        world.released_frames += 1

    frame = dc.FrameCaptured(-1, 1280, 720, 1, release)
    lane.device_event(dc.DeviceEvent("hall", frame, datetime.now(UTC), now_s, 1))
    await until(lambda: lane.frames_seen > seen)


async def enrolled(lane: WalkThroughLane, number: int = 30) -> uuid.UUID:
    enrolment = await lane.enrol(specimen(number, lane.kiosk.today).lines(), b"portrait")
    assert enrolment.prepared is not None, enrolment.reasons
    return enrolment.transaction_id


async def test_a_traveller_passes_and_every_step_is_durable_before_the_door_moves() -> None:
    world = World()
    async with running(world) as lane:
        who = await enrolled(lane)
        lane.feed(zone(1))
        await shown(lane, world, face(who))
        await until(lambda: "release exit" in world.log)
        assert world.log == ["decision release", "consume", "release exit"]
        lane.feed(zone(0, 1))
        await until(lambda: lane.ended)
        assert lane.ended[0].outcome is Outcome.RELEASED
        await until(lambda: not world.gallery)
    assert world.crossings[0].passage is PassageOutcome.PASSED
    assert world.log[-1] in {"secure", "crossing passed"}
    (decision,) = world.decisions
    outcomes = {check.check: check.outcome for check in decision.checks}
    assert outcomes[CheckName.FACE_COMPARISON] is CheckOutcome.SUCCESSFUL
    assert outcomes[CheckName.FACE_PRESENTATION] is CheckOutcome.NOT_SUPPORTED
    assert decision.source_states["lane_mode"] == "walk_through:demonstration"
    assert decision.software_ms is None
    assert world.released_frames == 1
    assert not world.active


async def test_nothing_is_built_without_permission() -> None:
    with pytest.raises(SettingsFault, match="false positive identification rate"):
        build(World(), permission=None)


@pytest.mark.parametrize(
    ("finding", "code"),
    [
        (FaceFinding.NOT_FOUND, ReasonCode.REFERENCE_PORTRAIT_MISSING),
        (FaceFinding.SEVERAL, ReasonCode.REFERENCE_PORTRAIT_REFUSED),
        (FaceFinding.REFUSED, ReasonCode.REFERENCE_PORTRAIT_REFUSED),
    ],
)
async def test_a_portrait_without_a_face_goes_to_an_officer(finding: FaceFinding, code: ReasonCode) -> None:
    world = World(finding=finding)
    async with running(world) as lane:
        enrolment = await lane.enrol(specimen(30, lane.kiosk.today).lines(), b"portrait")
    assert enrolment.prepared is None
    assert enrolment.reasons[0].code is code
    assert world.decisions[0].answer.admission is Admission.REFER
    assert world.gallery == set()


async def test_whose_document_speaks_against_him_is_never_searched_for() -> None:
    world = World()
    async with running(world) as lane:
        expired = specimen(30, lane.kiosk.today, date_of_expiry=date(2020, 1, 1))
        enrolment = await lane.enrol(expired.lines(), b"portrait")
        child = specimen(31, lane.kiosk.today, date_of_birth=date(lane.kiosk.today.year - 9, 1, 1))
        young = await lane.enrol(child.lines(), b"portrait")
    assert enrolment.reasons[0].code is ReasonCode.DOCUMENT_EXPIRED
    assert young.prepared is None
    assert world.gallery == set()


async def test_a_refused_consumption_refers_and_opens_nothing() -> None:
    world = World(grants=False)
    async with running(world) as lane:
        who = await enrolled(lane)
        lane.feed(zone(1))
        await shown(lane, world, face(who))
        await until(lambda: lane.calls)
        assert world.log == ["decision release", "consume", "decision refer"]
        assert lane.calls[0].transaction_id == who
        assert await lane.guard(ev.GuardDecided(who, Admission.HAND_OVER, (), "document_doubt", "")) is True
        await until(lambda: lane.ended)
        assert lane.ended[0].outcome is Outcome.HANDED_OVER
        assert await lane.guard(ev.GuardDecided(who, Admission.RELEASE, (), "document_doubt", "")) is False
    assert world.crossings[0].passage is PassageOutcome.NOT_PASSED


async def test_every_release_gets_a_crossing_the_withdrawn_ones_too() -> None:
    world = World()
    async with running(world) as lane:
        who = await enrolled(lane)
        lane.feed(zone(1))
        await shown(lane, world, face(who))
        await until(lambda: "release exit" in world.log)
        lane.feed(zone(2))
        await until(lambda: lane.calls)
        lane.feed(zone(1))
        assert await lane.guard(ev.GuardDecided(who, Admission.RELEASE, (), "identity_checked", "")) is True
        await until(lambda: world.log.count("release exit") == 2)
        lane.feed(zone(0, 1))
        await until(lambda: lane.ended)
    releases = [one.decision_id for one in world.decisions if one.answer.admission is Admission.RELEASE]
    assert [one.decision_id for one in world.crossings] == releases
    assert [one.passage for one in world.crossings] == [PassageOutcome.NOT_PASSED, PassageOutcome.PASSED]


async def test_a_disk_that_refuses_opens_nothing_until_it_is_back() -> None:
    world = World()
    async with running(world) as lane:
        first, second = await enrolled(lane), await enrolled(lane, 31)
        lane.feed(zone(1))
        world.store_broken = True
        await shown(lane, world, face(first))
        await until(lambda: lane.calls)
        assert lane.calls[0].reasons[0].code is ReasonCode.STORE_FAULT
        await shown(lane, world, face(second, proof=2))
        assert world.log == []
        world.store_broken = False
        await until(lambda: not lane.state.store_fault)
        assert lane.state.travellers[first].phase is TravellerPhase.REFERRED


async def test_a_barrier_that_does_not_answer_refers() -> None:
    world = World(barrier_broken=True)
    async with running(world) as lane:
        who = await enrolled(lane)
        lane.feed(zone(1))
        await shown(lane, world, face(who))
        await until(lambda: lane.calls)
    assert lane.calls[0].reasons[0].code is ReasonCode.BARRIER_FAULT


async def test_a_worker_that_dies_shows_nobody() -> None:
    world = World()
    async with running(world) as lane:
        who = await enrolled(lane)
        await shown(lane, world, face(who))
        assert lane.state.faces
        world.matcher_faults = 1
        lane.device_event(
            dc.DeviceEvent(
                "hall",
                dc.FrameCaptured(-1, 1280, 720, 2, lambda: None),
                datetime.now(UTC),
                SystemClock().monotonic_s(),
                2,
            )
        )
        await until(lambda: not lane.state.faces)


async def test_a_camera_that_fails_shows_nobody() -> None:
    world = World()
    async with running(world) as lane:
        who = await enrolled(lane)
        await shown(lane, world, face(who))
        lane.device_event(
            dc.DeviceEvent("hall", dc.StateChanged(dc.DeviceState.FAULT, "DRV-CAM-003"), datetime.now(UTC), 0.0, 3)
        )
        await until(lambda: not lane.state.faces)


async def test_a_passage_that_is_not_made_ends_in_time() -> None:
    world = World()
    async with running(world, passage_timeout_s=0.05, release_ttl_s=0.05) as lane:
        who = await enrolled(lane)
        lane.feed(zone(1))
        await shown(lane, world, face(who))
        await until(lambda: "release exit" in world.log)
        lane.feed(zone(0))
        await until(lambda: lane.ended)
    assert world.crossings[0].passage is PassageOutcome.NOT_PASSED
    assert lane.ended[0].outcome is Outcome.ABANDONED


async def test_who_does_not_come_is_forgotten() -> None:
    world = World()
    async with running(world, inspection_timeout_s=0.05) as lane:
        await enrolled(lane)
        await until(lambda: lane.ended and not world.gallery)
    assert lane.ended[0].outcome is Outcome.ABANDONED
    assert world.decisions == []


async def test_stopping_destroys_every_reference() -> None:
    world = World()
    async with running(world) as lane:
        await enrolled(lane)
        assert world.gallery
    assert world.gallery == set()


def test_the_zone_is_a_place_before_the_exit() -> None:
    place = ReleaseZone(smallest_face_ratio=0.15, left_ratio=0.25, right_ratio=0.75)
    assert place.holds(NEAR, 1280)
    assert not place.holds(replace(NEAR, right_px=600), 1280)  # too far away
    assert not place.holds(FaceBox(0, 200, 239, 439, 1.0), 1280)  # beside the way
