"""Travellers of all heights before one camera, two cameras or a camera on a lift, on a virtual clock: who is matched, and when the guard is called."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from drivers.accessibility import LiftDirection, LiftReported
from drivers.camera_lift.twin import CameraLiftTwin
from drivers.channels import Channel, PixelFormat
from drivers.contracts import BarrierInputs, DeviceState, FrameCaptured
from gate_agent.app.height_side import wire_heights
from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.reasons import ReasonCode
from gate_agent.errors import DeviceFault
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.face import Cue, FaceAcquisition
from gate_agent.lane.face.heights import MOST_CHANGES, Heights, TwoHeights, View
from gate_agent.lane.face.lifted import Lifted
from gate_agent.lane.lift import SafeLift
from gate_agent.settings import FaceSettings, LaneSettings
from models.results import ComparisonDecision, FaceFinding
from tests.unit.test_face_acquisition import FRAME_S, NOBODY, WORK_S, FakeCapture, seen
from tests.unit.test_lane_controller import lane as a_lane
from tests.unit.virtual_time import VirtualClock, VirtualLoop
from tests.unit.virtual_time import run as run_virtual

TODAY = date(2026, 11, 23)
FIELD_M = 0.6
"""How much of the height a camera sees at the mark."""
USUAL_M, LOW_M = 1.6, 1.25
SEATED_M, SHORT_M, STANDING_M, TALL_M = 1.12, 1.36, 1.62, 1.76


@dataclass
class Camera:
    """A camera of the world, at a height."""

    height_m: float
    is_active: bool = False

    def set_active(self, *, active: bool) -> None:
        self.is_active = active

    def set_reading(self, *, active: bool) -> None:
        raise AssertionError


@dataclass
class World:
    """A traveller whose face is at a height (None: nobody), cameras, and a worker that compares what they see."""

    face_m: float | None
    cameras: dict[str, Camera]
    decision: ComparisonDecision = ComparisonDecision.MATCH
    matches_from: int = 1
    is_ready: bool = True
    has_depth: bool = False
    beside: list[tuple[int, int]] = field(default_factory=list)
    seen_by: list[int] = field(default_factory=list)
    cues: list[Cue] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    offered: int = 0
    released: int = 0
    took_s: float = 0.0
    compared: int = 0
    calibration_id: str = "cal-7"
    minimum_age_years: int = 0

    async def probe(self, transaction_id, memfd, width_px, height_px, t_mono_s, camera=0, *, beside=()) -> FakeCapture:
        await asyncio.sleep(WORK_S)
        self.seen_by.append(camera)
        self.beside.append((camera, len(beside)))
        capture = self._look(self.cameras[self.views[memfd]])
        if capture.sample.finding is FaceFinding.FOUND:
            self.compared += 1
        return capture

    def _look(self, camera: Camera) -> FakeCapture:
        if self.face_m is None:
            return NOBODY
        up = (self.face_m - camera.height_m) / FIELD_M  # in frame heights from its centre
        if abs(up) > 0.5:
            return NOBODY
        decision = self.decision if self.compared >= self.matches_from - 1 else ComparisonDecision.UNDETERMINED
        in_range = abs(up) < 0.3
        return seen(decision if in_range else ComparisonDecision.UNDETERMINED, dy=round(-up * 720))

    def stands_still(self) -> bool:
        return True

    def heights(self, loop: VirtualLoop) -> Heights:
        upper, lower = (View(name, camera) for name, camera in self.cameras.items())
        return TwoHeights(upper, lower, lambda _name: self.is_ready)

    def run(self):
        loop = VirtualLoop()
        try:
            return loop.run_until_complete(self._run(loop))
        finally:
            loop.close()

    async def _run(self, loop: VirtualLoop):
        clock = VirtualClock(loop)
        borrowed = self.borrowed = Borrowed(uuid.uuid4(), clock.now(), clock.monotonic_s())
        heights = self.heights(loop)
        acquisition = FaceAcquisition(
            FaceSettings(), self, next(iter(self.cameras.values())), clock,
            changed=lambda: self.cues.append(acquisition.cue), heights=heights,
        )  # fmt: skip
        shooting = asyncio.create_task(self._shoot(acquisition, loop))
        begun_s = loop.time()
        try:
            results = await acquisition.run(borrowed, TODAY)
        finally:
            shooting.cancel()
            await asyncio.gather(shooting, return_exceptions=True)
        self.took_s = loop.time() - begun_s
        await asyncio.sleep(0.2)
        self.is_still = self.stands_still()
        assert self.offered == self.released, "every frame goes back to its camera"
        assert not any(camera.is_active for camera in self.cameras.values())
        return next(result for result in results if result.check is CheckName.FACE_COMPARISON)

    async def _shoot(self, acquisition: FaceAcquisition, loop: VirtualLoop) -> None:
        while True:
            await asyncio.sleep(FRAME_S)
            assert sum(camera.is_active for camera in self.cameras.values()) <= 1, "one camera looks at a time"
            for name, camera in self.cameras.items():
                if camera.is_active:
                    self.offered += 1
                    self.views.append(name)
                    frame = FrameCaptured(len(self.views) - 1, 1280, 720, self.offered, self._release)
                    if self.has_depth and name == next(iter(self.cameras)):
                        self.offered += 1
                        depth = (Channel.DEPTH, PixelFormat.DEPTH16)
                        acquisition.offer(FrameCaptured(0, 640, 360, 0, self._release, *depth), loop.time(), "depth")
                    acquisition.offer(frame, loop.time(), name)

    def _release(self) -> None:
        self.released += 1


def two(face_m: float | None, **given) -> World:
    return World(face_m, {"camera-1": Camera(USUAL_M), "camera-low": Camera(LOW_M)}, **given)


def reasons(result):
    return [reason.code for reason in result.reasons]


def camera_of(result):
    return {one.name: one.found for one in result.compared}.get("camera")


@pytest.mark.parametrize(
    ("face_m", "camera", "within_s"),
    [(STANDING_M, "camera-1", 0.3), (TALL_M, "camera-1", 0.3), (SEATED_M, "camera-low", 1.0), (SHORT_M, "camera-low", 1.0)],
    ids=["standing", "tall", "wheelchair", "short"],
)  # fmt: skip
def test_each_is_matched_by_the_camera_at_his_height(face_m, camera, within_s):
    world = two(face_m)
    result = world.run()
    assert result.outcome is CheckOutcome.SUCCESSFUL
    assert camera_of(result) == camera
    assert world.took_s <= within_s
    assert world.cues == [], "nobody is asked to stand up, or to bend"


def test_a_face_at_the_lower_edge_of_one_is_in_the_middle_of_the_other():
    world = two(USUAL_M - 0.2)  # still seen by the upper camera, below its range
    result = world.run()
    assert (result.outcome, camera_of(result)) == (CheckOutcome.SUCCESSFUL, "camera-low")
    assert set(world.seen_by) == {0, 1}
    assert Cue.TOO_LOW not in world.cues


def test_a_depth_camera_goes_with_the_camera_whose_view_it_has():
    world = two(USUAL_M - 0.2, has_depth=True)
    assert world.run().outcome is CheckOutcome.SUCCESSFUL
    assert set(world.beside) == {(0, 1), (1, 0)}


def test_it_is_one_acquisition_and_frames_say_which_camera_saw_them():
    world = two(USUAL_M - 0.2, decision=ComparisonDecision.NON_MATCH)
    result = world.run()
    assert reasons(result) == [ReasonCode.FACE_DIFFERENT]
    assert camera_of(result) == "camera-low"
    assert len(world.borrowed.frame_jpegs) >= 1
    assert world.took_s <= 0.5 + 2.0


def test_who_stands_up_again_is_followed_back():
    world = two(SEATED_M, matches_from=1_000)
    original = world._look

    def rises(camera):
        if len(world.seen_by) > 15:
            world.face_m, world.matches_from = STANDING_M, 1
        return original(camera)

    world._look = rises
    result = world.run()
    assert (result.outcome, camera_of(result)) == (CheckOutcome.SUCCESSFUL, "camera-1")
    assert world.took_s <= 3.0


def test_nobody_there_calls_the_guard_within_three_seconds_and_no_camera_flickers_for_ever():
    world = two(None)
    result = world.run()
    assert result.outcome is CheckOutcome.UNDETERMINED
    assert reasons(result) == [ReasonCode.FACE_OUT_OF_RANGE]
    assert world.took_s <= 3.0
    changes = sum(one != other for one, other in itertools.pairwise(world.views))
    assert 1 <= changes <= MOST_CHANGES


def test_between_two_ranges_the_traveller_is_asked_and_then_the_guard():
    gap = World(1.35, {"camera-1": Camera(1.6), "camera-low": Camera(1.1)})  # at the edge of both
    result = gap.run()
    assert reasons(result) == [ReasonCode.FACE_OUT_OF_RANGE]
    assert gap.took_s <= 3.0


def test_a_low_camera_that_is_away_leaves_things_as_they_were():
    world = two(USUAL_M - 0.2, is_ready=False)
    result = world.run()
    assert reasons(result) == [ReasonCode.FACE_OUT_OF_RANGE]
    assert set(world.seen_by) == {0}
    assert world.cues[0] is Cue.TOO_LOW, "then he is asked, as at a lane with one camera"
    assert world.took_s <= 3.0


# a lift ---------------------------------------------------------------------------------------------------------------


@dataclass
class LiftedCamera(Camera):
    """A camera on the virtual lift: its height is the lift's."""

    lift: CameraLiftTwin | None = None
    lowest_m: float = 0.9

    @property
    def at_m(self) -> float:
        return self.lowest_m + self.lift.height_mm / 1000


class LiftPort:
    """The lift's twin, driven without a wire and on virtual time."""

    def __init__(self, twin: CameraLiftTwin) -> None:
        self.twin, self.is_broken, self.ended = twin, False, asyncio.Event()

    async def move(self, direction: LiftDirection, seconds: float) -> LiftReported:
        if self.is_broken:
            raise DeviceFault("no answer", code="DRV-MOD-001")
        twin, loop = self.twin, asyncio.get_running_loop()
        self.ended.clear()
        address = 0 if direction is LiftDirection.UP else 1
        ends_s = loop.time() + min(seconds, 3.0)
        if not twin.inputs()[address]:
            twin._heard_s = loop.time()
            twin.set_register(0, 50)
            twin.set_coil(address, on=True)
            while loop.time() < ends_s and not twin.inputs()[address] and not self.ended.is_set():
                twin._heard_s = loop.time()
                await asyncio.sleep(0.03)
            twin.set_coil(address, on=False)
        upper, lower, stopped = twin.inputs()
        return LiftReported(None, is_at_upper_limit=upper, is_at_lower_limit=lower, is_stopped=stopped)

    def stop(self) -> None:
        self.ended.set()


def inputs(**given: Any) -> BarrierInputs:
    shut = {"entrance_open": False, "exit_open": False, "occupancy": 1, "entrance_passages": 1, "exit_passages": 0}
    return BarrierInputs(**{**shut, "fire": False, "tamper": False, **given})


@dataclass
class LiftedWorld(World):
    """The same world with one camera on a lift, which stands 0.7 m above its lower end at first."""

    begins_mm: float = 700.0
    speed_mm_per_s: float = 80.0
    broken: bool = False
    script: dict[float, BarrierInputs] = field(default_factory=lambda: {0.0: inputs()})
    travel_s: float = 15.0
    heights_mm: list[tuple[float, float]] = field(default_factory=list)

    def heights(self, loop: VirtualLoop) -> Heights:
        self.twin = CameraLiftTwin(height_mm=self.begins_mm, travel_mm=1000.0, speed_mm_per_s=self.speed_mm_per_s)
        camera = LiftedCamera(0.0, lift=self.twin)
        self.cameras = {"camera-1": camera}
        port = LiftPort(self.twin)
        port.is_broken = self.broken
        self.lift = SafeLift(port)
        for at_s, told in self.script.items():
            loop.call_later(at_s, self.lift.doors, told)
        self.stands_still = lambda: not self.twin.is_moving
        return Lifted(View("camera-1", camera), self.lift, self.travel_s, loop.time)

    def _look(self, camera: Camera) -> FakeCapture:
        self.heights_mm.append((asyncio.get_running_loop().time() - 1000.0, self.twin.height_mm))
        camera.height_m = camera.at_m
        return super()._look(camera)


def lifted(face_m: float | None, **given: Any) -> LiftedWorld:
    return LiftedWorld(face_m, {"camera-1": Camera(0.0)}, **given)


@pytest.mark.parametrize(
    ("face_m", "within_s"),
    [(1.6, 0.3), (1.38, 2.0), (1.12, 6.0), (0.95, 10.0), (1.84, 2.5)],
    ids=["standing", "short", "wheelchair", "child", "tall"],
)
def test_the_lift_brings_the_camera_to_the_face(face_m, within_s):
    world = lifted(face_m)
    result = world.run()
    assert result.outcome is CheckOutcome.SUCCESSFUL
    assert camera_of(result) == "camera-1"
    assert world.took_s <= within_s
    assert world.cues == []
    assert world.is_still


def test_who_is_above_all_that_it_sees_is_found_after_the_search_below():
    world = lifted(2.05, begins_mm=600.0, travel_s=40.0)
    result = world.run()
    assert result.outcome is CheckOutcome.SUCCESSFUL
    assert world.twin.moves[0] == "down"
    assert world.twin.moves[-1] == "up"


def test_nobody_there_calls_the_guard_within_three_seconds_of_the_end_of_the_search():
    world = lifted(None, travel_s=60.0)
    result = world.run()
    assert reasons(result) == [ReasonCode.FACE_OUT_OF_RANGE]
    assert {0.0, 1000.0} <= {mm for _, mm in world.heights_mm}, "it looked everywhere"
    travel_s = 700 / 80 + 1000 / 80
    assert world.took_s <= travel_s + 2.0 + 3.0
    at_the_top_s = next(at_s for at_s, mm in world.heights_mm if mm == 1000.0)
    assert world.took_s - at_the_top_s <= 3.2


def test_travel_is_bounded():
    world = lifted(None, travel_s=2.0)
    result = world.run()
    assert reasons(result) == [ReasonCode.FACE_OUT_OF_RANGE]
    assert min(mm for _, mm in world.heights_mm) >= 700 - 80 * 2.3
    assert world.took_s <= 0.5 + 2.2 + 3.0


def test_a_lift_that_fails_leaves_things_as_they_were():
    world = lifted(None, broken=True)
    result = world.run()
    assert reasons(result) == [ReasonCode.FACE_OUT_OF_RANGE]
    assert world.took_s <= 0.6 + 3.0
    low = lifted(1.38, broken=True)
    assert reasons(low.run()) == [ReasonCode.FACE_OUT_OF_RANGE]
    assert Cue.TOO_LOW in low.cues, "then he is asked, as at a lane without a lift"


@pytest.mark.parametrize(
    "change",
    [{"entrance_open": True}, {"exit_open": True}, {"fire": True}, {"emergency_stop": True}],
    ids=["entrance", "exit", "fire", "stop"],
)
def test_it_stands_still_while_a_door_moves_or_a_fire_is_told(change):
    world = lifted(0.95, script={0.0: inputs(), 2.0: inputs(**change), 4.0: inputs()})
    assert world.run().outcome is CheckOutcome.SUCCESSFUL

    def travelled(begin_s: float, end_s: float) -> float:
        seen_mm = [mm for at_s, mm in world.heights_mm if begin_s <= at_s <= end_s]
        return max(seen_mm) - min(seen_mm)

    assert travelled(0.7, 2.0) > 50
    assert travelled(2.1, 4.0) == 0, "it moved while it must not"
    assert travelled(4.0, 8.0) > 50


def test_it_never_moves_before_the_doors_are_known_and_gives_up_on_one_that_stays_open():
    unknown = lifted(0.95, script={})
    assert reasons(unknown.run()) == [ReasonCode.FACE_OUT_OF_RANGE]
    assert unknown.twin.moves == []
    assert unknown.took_s <= 5.0 + 0.6 + 3.2
    ajar = lifted(0.95, script={0.0: inputs(entrance_open=True)})
    assert reasons(ajar.run()) == [ReasonCode.FACE_OUT_OF_RANGE]
    assert ajar.twin.moves == []


def test_one_way_to_follow_is_enough():
    with pytest.raises(ValueError, match="only one of the two"):
        LaneSettings(lane_id=1, document_reader="r", camera="c", barrier="b", low_camera="l", camera_lift="m")


# in a lane ------------------------------------------------------------------------------------------------------------


class SlowLift:
    """A driver of a lift that notes what it was asked."""

    state = DeviceState.READY

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ended = asyncio.Event()

    async def move(self, direction: LiftDirection, seconds: float) -> LiftReported:
        self.asked.append(direction.value)
        self.ended.clear()
        await self.ended.wait()
        return LiftReported(None, is_at_upper_limit=False, is_at_lower_limit=False, is_stopped=False)

    def stop(self) -> None:
        self.asked.append("stop")
        self.ended.set()


@pytest.mark.parametrize("role", ["camera_lift", "low_camera"])
def test_a_lane_is_wired_to_what_its_settings_name(role):
    loop = VirtualLoop()

    async def main() -> None:
        lift, low = SlowLift(), Camera(LOW_M)
        low.state = DeviceState.READY
        async with a_lane(around={role: "other-1"}, clock=VirtualClock(loop), capture_timeout_s=8) as walk:
            house, controller = walk.house, walk.controller
            house.state = DeviceState.READY
            devices = {"camera-1": house, "other-1": lift if role == "camera_lift" else low}
            wire_heights(controller, lambda name, _class: devices[name], walk.clock)
            house.finding = FaceFinding.NOT_FOUND
            await walk.present()
            await walk.inputs(1)
            for _ in range(8):
                await walk.look()
                await asyncio.sleep(0.1)
            if role == "low_camera":
                assert (low.is_active, house.active) == (True, False)
                assert await walk.look() == 1, "a late frame of the upper camera goes back, and is not compared"
                assert house.asked[-1] == "probe"
                return
            assert lift.asked == ["down"]
            walk.event("barrier-1", inputs(entrance_open=True))
            await walk.settle()
            assert lift.asked == ["down", "stop"], "a door moves"

    run_virtual(main(), loop)
