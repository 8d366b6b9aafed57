"""Travellers of all heights before one camera, two cameras or a camera on a lift, on a virtual clock: who is matched, and when the guard is called."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from dataclasses import dataclass, field
from datetime import date

import pytest

from drivers.contracts import FrameCaptured
from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.reasons import ReasonCode
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.face import Cue, FaceAcquisition
from gate_agent.lane.face.heights import MOST_CHANGES, Heights, TwoHeights, View
from gate_agent.settings import FaceSettings
from models.results import ComparisonDecision, FaceFinding
from tests.unit.test_face_acquisition import FRAME_S, NOBODY, WORK_S, FakeCapture, seen
from tests.unit.virtual_time import VirtualClock, VirtualLoop

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
    seen_by: list[int] = field(default_factory=list)
    cues: list[Cue] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    offered: int = 0
    released: int = 0
    took_s: float = 0.0
    compared: int = 0
    calibration_id: str = "cal-7"
    minimum_age_years: int = 0

    async def probe(self, transaction_id, memfd, width_px, height_px, t_mono_s, camera=0) -> FakeCapture:
        await asyncio.sleep(WORK_S)
        self.seen_by.append(camera)
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
