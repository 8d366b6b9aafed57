"""One acquisition on a virtual clock with a scripted worker: what ends it, when, and what goes to the guard."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from drivers.channels import Channel, PixelFormat
from drivers.contracts import FrameCaptured
from gate_agent.demo.specimens import specimen
from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.demands import DOCUMENT_AND_FACE
from gate_agent.domain.mrz import read_mrz
from gate_agent.domain.reasons import ReasonCode
from gate_agent.errors import InferenceFault
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.challenge import ChallengeState, HeadPoseChallenge, Instruction, Sight
from gate_agent.lane.face import Cue, FaceAcquisition
from gate_agent.settings import FaceSettings
from models.attack_detector.combination import ALARM_FROM, DOUBTFUL_FROM
from models.results import (
    AttackAssessment,
    ComparisonDecision,
    FaceBox,
    FaceComparison,
    FaceFinding,
    FaceSample,
    HeadPose,
)
from tests.unit.virtual_time import VirtualClock, VirtualLoop

STRAIGHT = HeadPose(0.0, 0.0, 0.0)
TODAY = date(2026, 11, 23)
FRAME_S, WORK_S = 0.07, 0.05
MATCH, NON_MATCH, BETWEEN = ComparisonDecision.MATCH, ComparisonDecision.NON_MATCH, ComparisonDecision.UNDETERMINED


@dataclass
class FakeCapture:
    sample: FaceSample
    portrait_jpeg: bytes | None
    comparison: FaceComparison | None


def seen(
    decision: ComparisonDecision | None = MATCH,
    *,
    attack: float | str | None = "none",
    finding: FaceFinding = FaceFinding.FOUND,
    dy: int = 0,
    dx: int = 0,
    pose: HeadPose = STRAIGHT,
    is_rated: bool = False,
    fused: int = 5,
) -> FakeCapture:
    """One frame as the worker answers it; `attack` "none": no detector, None: no result; `fused`: frames the probe is made of."""
    assessment = None if attack == "none" else AttackAssessment(attack, {"planarity": 0.5}, is_rated=is_rated)
    box = None if finding is FaceFinding.NOT_FOUND else FaceBox(520 + dx, 240 + dy, 759 + dx, 479 + dy, 1.0)
    faces = {FaceFinding.NOT_FOUND: 0, FaceFinding.SEVERAL: 2}.get(finding, 1)
    sample = FaceSample(
        finding, box, None, {}, {"embedding": 9.0}, faces=faces, frame_px=(1280, 720), pose=pose, attack=assessment
    )
    comparison = None
    if decision is not None and finding is FaceFinding.FOUND:
        score = {MATCH: 4.2, NON_MATCH: 1.0, BETWEEN: 2.9}[decision]
        comparison = FaceComparison(score, decision, 3.4, 2.0, 1e-4, "cal-7", "model-x", "cohort-3", 0.91, fused)
    portrait = None if box is None else b"jpeg %d" % (dx + dy)
    return FakeCapture(sample, portrait, comparison)


NOBODY = seen(finding=FaceFinding.NOT_FOUND)


class FakeChallenge:
    """Ends as it was told to, after so many frames."""

    def __init__(self, ends_as: str, after: int) -> None:
        self.ends_as, self.after = ends_as, after
        self.skipped = False

    @property
    def instruction(self) -> str | None:
        return "turn_left"

    def observe(self, pose: HeadPose | None, t_mono_s: float, sight: Sight) -> ChallengeState:
        self.after -= 1
        return ChallengeState(self.ends_as) if self.after <= 0 else ChallengeState.RUNNING

    def skip(self) -> ChallengeState:
        self.skipped = True
        return ChallengeState.SKIPPED


@dataclass
class Lane:
    """A scripted worker and camera around one acquisition; time is virtual."""

    script: Callable[[int], FakeCapture]
    settings: dict[str, Any] = field(default_factory=dict)
    challenge: Callable[[], FakeChallenge] | None = None
    calibration_id: str | None = "cal-7"
    minimum_age_years: int = 0
    born: str = ""
    frame_s: float = FRAME_S
    fault_at: int = -1
    frames: int = 0
    asked: int = 0
    released: int = 0
    beside: list[set[Channel]] = field(default_factory=list)
    active: list[bool] = field(default_factory=list)
    took_s: float = 0.0
    shown: list[tuple[float, Cue | None]] = field(default_factory=list)
    latest_cue_s: float = 0.0
    stop_after: int = 10_000
    acquisition: FaceAcquisition = field(init=False)
    borrowed: Borrowed = field(init=False)
    on_frame: Callable[[Lane, int], None] = lambda _lane, _number: None

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
        assert transaction_id == self.borrowed.transaction_id
        assert t_mono_s <= asyncio.get_running_loop().time()
        self.beside.append({one.channel for one in beside})
        await asyncio.sleep(WORK_S)
        self.asked += 1
        if self.asked - 1 == self.fault_at:
            raise InferenceFault("worker died")
        return self.script(self.asked - 1)

    async def reference(self, transaction_id: uuid.UUID, content: bytes) -> FakeCapture:
        raise AssertionError

    async def forget(self, transaction_id: uuid.UUID, holder: tuple[str, str] | None = None) -> None:
        raise AssertionError

    def set_active(self, *, active: bool) -> None:
        self.active.append(active)

    def set_reading(self, *, active: bool) -> None:
        raise AssertionError

    def run(self) -> dict[CheckName, Any]:
        loop = VirtualLoop()
        try:
            return loop.run_until_complete(self._run(loop))
        finally:
            loop.close()

    async def _run(self, loop: VirtualLoop) -> dict[CheckName, Any]:
        clock = VirtualClock(loop)
        self.borrowed = Borrowed(uuid.uuid4(), clock.now(), clock.monotonic_s())
        if self.born:
            first, second = specimen(1, TODAY).lines()
            self.borrowed.reading = read_mrz((first, second[:13] + self.born + second[19:]), TODAY)
        self.acquisition = FaceAcquisition(
            FaceSettings(**self.settings), self, self, clock,
            changed=lambda: self.shown.append((loop.time(), self.acquisition.cue)), challenge=self.challenge,
        )  # fmt: skip
        begun_s = loop.time()
        camera = asyncio.create_task(self._camera(loop))
        try:
            results = await self.acquisition.run(self.borrowed, TODAY)
        finally:
            camera.cancel()
            await asyncio.gather(camera, return_exceptions=True)
        self.took_s = loop.time() - begun_s
        assert self.released == self.frames, "every frame goes back to the camera"
        names = [result.check for result in results]
        assert len(names) == len(set(names))
        return {result.check: result for result in results}

    async def _camera(self, loop: VirtualLoop) -> None:
        while self.frames < self.stop_after:
            await asyncio.sleep(self.frame_s)
            if not self.active or not self.active[-1]:
                return
            self.frames += 1
            self.on_frame(self, self.frames)
            self.acquisition.offer(FrameCaptured(9, 1280, 720, self.frames, self._release), loop.time())

    def _release(self) -> None:
        self.released += 1


def face(results):
    result = results[CheckName.FACE_COMPARISON]
    return result.outcome, tuple(reason.code for reason in result.reasons)


def presentation(results):
    result = results.get(CheckName.FACE_PRESENTATION)
    return None if result is None else (result.outcome, tuple(reason.code for reason in result.reasons))


S, F, U, N = (
    CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED, CheckOutcome.NOT_SUPPORTED,
)  # fmt: skip
REQUIRED = {"presentation_attack_detection": "required"}
UNRATED = ReasonCode.PRESENTATION_ATTACK_UNRATED


# the comparison -------------------------------------------------------------------------------------------------------


def test_a_match_ends_it_at_once_and_keeps_no_frame():
    lane = Lane(lambda _: seen(MATCH))
    results = lane.run()
    assert face(results) == (S, ())
    assert lane.asked == 1
    assert lane.took_s == pytest.approx(FRAME_S + WORK_S, abs=0.01)
    assert lane.active == [True, False]
    assert lane.borrowed.frame_jpegs == []
    assert lane.borrowed.step_ms["face_vector"] == 9.0
    compared = {one.name: (one.found, one.expected) for one in results[CheckName.FACE_COMPARISON].compared}
    assert compared == {
        "comparison_score": ("4.2000", ">= 3.4000"), "calibration": ("cal-7", ""), "model": ("model-x", ""),
        "cohort": ("cohort-3", ""), "cosine": ("0.9100", ""), "frames": ("5", ""),
    }  # fmt: skip


def test_a_non_match_needs_a_second_of_compared_frames_and_none_between():
    lane = Lane(lambda _: seen(NON_MATCH))
    assert face(lane.run()) == (F, (ReasonCode.FACE_DIFFERENT,))
    assert 1.0 <= lane.took_s <= 1.55, "a stranger is told soon, but not within the blink of an eye"
    assert 1 <= len(lane.borrowed.frame_jpegs) <= 3
    doubted = Lane(lambda number: seen(BETWEEN if number % 12 == 11 else NON_MATCH))
    assert face(doubted.run()) == (U, (ReasonCode.FACE_UNDETERMINED,))


def test_a_frame_between_starts_the_second_over():
    lane = Lane(lambda number: seen(BETWEEN if number < 20 else NON_MATCH))
    assert face(lane.run()) == (F, (ReasonCode.FACE_DIFFERENT,))
    assert lane.took_s >= 20 * FRAME_S + 1.0


@pytest.mark.parametrize(("frame_s", "told_s"), [(0.2, 2.5), (0.35, 2.5), (0.9, 4.0), (1.5, 6.5)])
def test_a_slow_camera_still_tells_a_stranger(frame_s, told_s):
    lane = Lane(lambda _: seen(NON_MATCH), frame_s=frame_s)
    assert face(lane.run()) == (F, (ReasonCode.FACE_DIFFERENT,))
    assert lane.took_s <= told_s


def test_a_stranger_who_stands_just_within_the_limit_is_told_though_a_frame_was_beyond_it():
    """The cue to face the camera stays, so that it does not flicker; what the following frames prove does not hang on it."""
    turned = (HeadPose(-18.0, 8.0, -5.0), HeadPose(-20.5, 9.0, -5.0))
    lane = Lane(lambda number: seen(NON_MATCH, pose=turned[number in {2, 9}]))
    assert face(lane.run()) == (F, (ReasonCode.FACE_DIFFERENT,))
    assert lane.took_s <= 2.0


@pytest.mark.parametrize("pose", [HeadPose(25.0, 0, 0), HeadPose(0, -26.0, 0), HeadPose(0, 0, 22.0), None])
def test_a_face_that_is_turned_away_is_never_called_different(pose):
    lane = Lane(lambda _: seen(NON_MATCH, pose=pose))
    assert face(lane.run()) == (U, (ReasonCode.FACE_UNDETERMINED,))


def test_a_face_that_moves_is_never_called_different():
    lane = Lane(lambda number: seen(NON_MATCH, dx=40 * (number % 25)))
    assert face(lane.run()) == (U, (ReasonCode.FACE_UNDETERMINED,))


def test_who_turns_to_the_camera_late_is_not_judged_by_what_was_before():
    lane = Lane(lambda number: seen(NON_MATCH, pose=HeadPose(30.0, 0, 0)) if number < 20 else seen(MATCH))
    assert face(lane.run()) == (S, ())
    stranger = Lane(lambda number: seen(NON_MATCH, pose=HeadPose(30.0, 0, 0) if number < 20 else STRAIGHT))
    assert face(stranger.run()) == (F, (ReasonCode.FACE_DIFFERENT,))
    assert stranger.took_s >= 20 * FRAME_S + 1.0


def test_a_face_that_was_not_compared_is_a_fault_and_not_nobody():
    lane = Lane(lambda number: seen(BETWEEN) if number < 3 else seen(None))
    with pytest.raises(InferenceFault):
        lane.run()
    assert lane.asked == 4
    assert lane.active == [True, False]


def test_a_late_match_wins_over_earlier_doubt():
    lane = Lane(lambda number: seen([BETWEEN, NON_MATCH, BETWEEN, MATCH][number]))
    assert face(lane.run()) == (S, ())
    assert lane.borrowed.comparison is not None
    assert lane.borrowed.comparison.decision is MATCH


@pytest.mark.parametrize(("settings", "limit_s"), [({}, 7.0), (REQUIRED, 10.0), ({"capture_timeout_s": 2.0}, 2.0)])
def test_the_time_limit_depends_on_attack_detection(settings, limit_s):
    lane = Lane(lambda _: seen(BETWEEN, attack=0.1), {**settings, "maximum_frames": 600})
    assert face(lane.run()) == (U, (ReasonCode.FACE_UNDETERMINED,))
    assert lane.took_s == pytest.approx(limit_s, abs=0.02)


def test_the_frame_limit_counts_compared_faces_only():
    lane = Lane(lambda number: seen(BETWEEN) if number % 2 else NOBODY, {"maximum_frames": 5})
    assert face(lane.run()) == (U, (ReasonCode.FACE_UNDETERMINED,))
    assert lane.asked == 10


def test_without_a_frame_the_camera_is_to_blame():
    lane = Lane(lambda _: seen(), stop_after=0)
    assert face(lane.run()) == (U, (ReasonCode.FACE_TIMEOUT,))
    assert lane.took_s == pytest.approx(7.0, abs=0.02)


def test_several_faces_are_said_so():
    lane = Lane(lambda _: seen(finding=FaceFinding.SEVERAL))
    assert face(lane.run()) == (U, (ReasonCode.FACE_SEVERAL,))


def test_a_worker_that_dies_is_a_fault_and_leaves_nothing():
    lane = Lane(lambda _: seen(BETWEEN), fault_at=4)
    with pytest.raises(InferenceFault):
        lane.run()
    assert lane.active == [True, False]
    assert lane.acquisition._shots.all() == []


def test_the_guard_gets_the_best_capture_of_one_that_found_no_match():
    poses = [HeadPose(30.0, 0, 0), HeadPose(1.0, 0, 0), HeadPose(25.0, 0, 0)]
    lane = Lane(lambda number: seen(NON_MATCH, pose=poses[number % 3], dx=number % 3), {"maximum_frames": 3})
    lane.run()
    assert lane.borrowed.probe_jpeg == b"jpeg 1"
    assert lane.borrowed.frame_jpegs[0] == b"jpeg 1"


# who is not compared --------------------------------------------------------------------------------------------------


def test_without_calibration_nobody_is_compared():
    lane = Lane(lambda _: seen(MATCH), calibration_id=None)
    assert face(lane.run()) == (U, (ReasonCode.FACE_NO_CALIBRATION,))
    assert lane.asked == 0
    assert lane.active == []


@pytest.mark.parametrize(
    ("born", "minimum", "compared"),
    [
        ("200101", 12, False),  # six years old
        ("141123", 12, True),  # twelve today
        ("141124", 12, False),  # tomorrow
        ("14<<<<", 12, False),  # unknown days make nobody older
        ("<<<<<<", 12, False),
        ("200101", 0, True),
        ("800101", 12, True),
    ],
)
def test_children_below_the_calibrations_age_are_undetermined_before_any_capture(born, minimum, compared):
    lane = Lane(lambda _: seen(MATCH), minimum_age_years=minimum, born=born)
    results = lane.run()
    assert face(results) == ((S, ()) if compared else (U, (ReasonCode.FACE_AGE_NOT_COVERED,)))
    assert bool(lane.asked) is compared
    if not compared:
        assert lane.took_s == 0
        assert results[CheckName.FACE_COMPARISON].reasons[0].parameters == {"minimum": "12"}


# out of range ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [NOBODY, seen(BETWEEN, dy=-230), seen(BETWEEN, dy=230)])
@pytest.mark.parametrize("frame_s", [0.07, 0.4])
def test_a_face_out_of_the_cameras_height_range_calls_the_guard_within_three_seconds(frame, frame_s):
    lane = Lane(lambda _: frame, frame_s=frame_s)
    assert face(lane.run())[1] == (ReasonCode.FACE_OUT_OF_RANGE,)
    assert lane.took_s == pytest.approx(2.8, abs=0.01), "counted from when somebody was inside"


def test_a_face_that_comes_back_has_its_time_again():
    lane = Lane(lambda number: seen(BETWEEN) if number % 30 == 29 else NOBODY)
    results = lane.run()
    assert ReasonCode.FACE_OUT_OF_RANGE not in face(results)[1]
    assert lane.took_s == pytest.approx(7.0, abs=0.02)
    gone = Lane(lambda number: seen(BETWEEN) if number < 30 else NOBODY)
    assert face(gone.run()) == (U, (ReasonCode.FACE_OUT_OF_RANGE,))
    assert gone.took_s == pytest.approx(31 * FRAME_S + 2.8, abs=0.1)


def test_a_match_is_taken_wherever_the_face_stands():
    assert face(Lane(lambda _: seen(MATCH, dy=-230)).run()) == (S, ())


# cues -----------------------------------------------------------------------------------------------------------------


def test_a_cue_is_due_with_the_frame_that_shows_it():
    lane = Lane(lambda number: seen(BETWEEN, dx=400 if number < 3 else 0) if number < 30 else seen(MATCH))
    lane.run()
    assert [cue for _, cue in lane.shown] == [Cue.TOO_FAR_LEFT, None]
    first_s = lane.shown[0][0] - 1000.0
    assert first_s == pytest.approx(FRAME_S + WORK_S, abs=0.001), "at once, apart from inference"


# presentation attack detection ----------------------------------------------------------------------------------------


def test_off_says_nothing():
    results = Lane(lambda _: seen(MATCH, attack=0.99), {"presentation_attack_detection": "off"}).run()
    assert set(results) == {CheckName.FACE_COMPARISON}


@pytest.mark.parametrize("score", [0.0, 0.6, 0.95, None, "none"])
def test_advisory_stands_in_nobodys_way_and_is_called_unrated(score):
    lane = Lane(lambda _: seen(MATCH, attack=score))
    results = lane.run()
    assert face(results) == (S, ())
    outcome, codes = presentation(results)
    assert outcome is N
    assert DOCUMENT_AND_FACE.is_clear(results[CheckName.FACE_PRESENTATION])
    assert {ReasonCode.PRESENTATION_ATTACK_ADVISORY, UNRATED} <= set(codes)
    assert (ReasonCode.PRESENTATION_ATTACK_NO_RESULT in codes) is (score in {None, "none"})
    assert ReasonCode.PRESENTATION_ATTACK_SUSPECTED not in codes
    assert bool(lane.borrowed.frame_jpegs) is (score == 0.95), (
        "the frames of an alarm are there for a guard who is called"
    )


def test_a_rated_detector_is_not_called_unrated():
    results = Lane(lambda _: seen(MATCH, attack=0.1, is_rated=True), REQUIRED).run()
    assert presentation(results) == (S, ())


def test_required_and_clear_releases():
    results = Lane(lambda _: seen(MATCH, attack=0.34), REQUIRED).run()
    assert (face(results), presentation(results)) == ((S, ()), (S, (UNRATED,)))
    compared = {one.name: one.found for one in results[CheckName.FACE_PRESENTATION].compared}
    assert compared == {"attack_score": "0.34", "attack_planarity": "0.50"}


def test_required_alarm_is_undetermined_never_failed_and_hands_over_the_frames():
    lane = Lane(
        lambda number: seen(BETWEEN if number < 40 else MATCH, attack=0.2 if number < 40 else 0.8, dx=number), REQUIRED
    )
    results = lane.run()
    assert face(results) == (S, ())
    assert presentation(results) == (U, (ReasonCode.PRESENTATION_ATTACK_SUSPECTED, UNRATED))
    assert not DOCUMENT_AND_FACE.is_clear(results[CheckName.FACE_PRESENTATION])
    frames = [int(jpeg.split()[1]) for jpeg in lane.borrowed.frame_jpegs]
    assert len(frames) == 8
    assert frames[0] == 0
    assert frames[-1] == 40, "the very frame that would have decided"
    assert lane.borrowed.probe_jpeg == b"jpeg 40"
    assert lane.borrowed.attack_suspected


def test_the_alarm_counts_on_the_very_frame_that_decides():
    lane = Lane(lambda number: seen(MATCH if number == 5 else BETWEEN, attack=0.1 if number == 5 else 0.99), REQUIRED)
    results = lane.run()
    assert presentation(results) == (S, (UNRATED,))
    assert lane.borrowed.frame_jpegs == []


def test_required_without_a_result_goes_on_and_ends_at_the_guard():
    lane = Lane(lambda _: seen(MATCH, attack=None), {**REQUIRED, "maximum_frames": 600})
    results = lane.run()
    assert lane.took_s == pytest.approx(10.0, abs=0.02)
    assert face(results) == (S, ())
    assert presentation(results) == (U, (ReasonCode.PRESENTATION_ATTACK_NO_RESULT, UNRATED))
    later = Lane(lambda number: seen(MATCH, attack=None if number < 9 else 0.1), REQUIRED)
    assert presentation(later.run()) == (S, (UNRATED,))
    assert later.asked == 10


@pytest.mark.parametrize("score", [-0.1, 1.5, float("nan"), float("inf")])
def test_a_score_that_is_none_is_no_result(score):
    assert presentation(Lane(lambda _: seen(MATCH, attack=score), REQUIRED).run())[0] is U


def test_a_difference_is_reported_beside_attack_detection():
    results = Lane(lambda _: seen(NON_MATCH, attack=0.9), REQUIRED).run()
    assert face(results) == (F, (ReasonCode.FACE_DIFFERENT,))
    assert presentation(results) == (U, (ReasonCode.PRESENTATION_ATTACK_SUSPECTED, UNRATED))


# the challenge --------------------------------------------------------------------------------------------------------


def doubtful_then(after: float | None):
    return lambda number: seen(MATCH, attack=0.6 if number < 1 else after)


@pytest.mark.parametrize("after", [0.6, 0.1])
def test_a_challenge_that_is_passed_settles_a_doubt(after):
    challenge = FakeChallenge("passed", 5)
    lane = Lane(doubtful_then(after), REQUIRED, challenge=lambda: challenge)
    results = lane.run()
    assert presentation(results) == (S, (UNRATED,))
    assert lane.asked == 6
    assert Cue.TURN_LEFT in {cue for _, cue in lane.shown}
    compared = {one.name: one.found for one in results[CheckName.FACE_PRESENTATION].compared}
    assert compared["challenge"] == "passed"


@pytest.mark.parametrize("ends_as", ["not_completed", "skipped"])
@pytest.mark.parametrize("after", [0.6, 0.1, None])
def test_inability_is_undetermined_and_never_an_alarm(ends_as, after):
    lane = Lane(doubtful_then(after), REQUIRED, challenge=lambda: FakeChallenge(ends_as, 4))
    results = lane.run()
    assert face(results) == (S, ())
    assert presentation(results) == (U, (ReasonCode.PRESENTATION_ATTACK_DOUBTFUL, UNRATED))
    assert not lane.borrowed.attack_suspected


def test_an_alarm_during_a_challenge_is_an_alarm():
    lane = Lane(doubtful_then(0.9), REQUIRED, challenge=lambda: FakeChallenge("passed", 50))
    assert presentation(lane.run()) == (U, (ReasonCode.PRESENTATION_ATTACK_SUSPECTED, UNRATED))
    assert lane.asked == 2


def test_a_challenge_that_never_ends_runs_into_the_limit_and_releases_nobody():
    lane = Lane(
        doubtful_then(0.1), {**REQUIRED, "maximum_frames": 600}, challenge=lambda: FakeChallenge("passed", 10_000)
    )
    results = lane.run()
    assert lane.took_s == pytest.approx(10.0, abs=0.02)
    assert presentation(results) == (U, (ReasonCode.PRESENTATION_ATTACK_DOUBTFUL, UNRATED))


def test_a_turned_head_proves_no_difference():
    def script(number: int) -> FakeCapture:
        return seen(MATCH, attack=0.6) if number in {0, 12} else seen(NON_MATCH, attack=0.1)

    results = Lane(script, REQUIRED, challenge=lambda: FakeChallenge("passed", 12)).run()
    assert (face(results), presentation(results)) == ((S, ()), (S, (UNRATED,)))


def test_the_traveller_may_skip_it():
    challenge = FakeChallenge("passed", 10_000)

    def skip(lane: Lane, number: int) -> None:
        if number == 8:
            assert lane.acquisition.skip()
            assert not lane.acquisition.skip()

    lane = Lane(doubtful_then(0.6), REQUIRED, challenge=lambda: challenge, on_frame=skip)
    assert presentation(lane.run()) == (U, (ReasonCode.PRESENTATION_ATTACK_DOUBTFUL, UNRATED))
    assert challenge.skipped
    assert lane.asked <= 10


@pytest.mark.parametrize(("score", "settings"), [(0.34, REQUIRED), (0.8, REQUIRED), (0.6, {})])
def test_only_a_doubtful_frame_of_a_gate_that_requires_it_is_challenged(score, settings):
    def never() -> FakeChallenge:
        raise AssertionError("no challenge here")

    lane = Lane(lambda _: seen(MATCH, attack=score), settings, challenge=never)
    lane.run()
    assert lane.asked == 1


def test_without_a_challenge_a_doubt_goes_to_the_guard_at_once():
    lane = Lane(lambda _: seen(MATCH, attack=0.35), REQUIRED)
    assert presentation(lane.run()) == (U, (ReasonCode.PRESENTATION_ATTACK_DOUBTFUL, UNRATED))
    assert lane.asked == 1


def test_a_person_who_does_what_is_asked_passes_the_real_challenge_within_the_limit():
    """The head follows the screen a third of a second late, as heads do."""
    challenge = HeadPoseChallenge(random.Random(7))
    poses = {
        Cue.TURN_LEFT: HeadPose(30.0, 0, 0),
        Cue.TURN_RIGHT: HeadPose(-30.0, 0, 0),
        Cue.NOD: HeadPose(0.0, -18.0, 0),
    }
    asked: list[Cue | None] = []

    def script(number: int) -> FakeCapture:
        asked.append(lane.acquisition.cue)
        pose = poses.get(asked[max(number - 4, 0)], STRAIGHT) if number else STRAIGHT
        turned = pose is not STRAIGHT
        return seen(NON_MATCH if turned else MATCH, attack=0.6, pose=pose)

    lane = Lane(script, {**REQUIRED, "maximum_frames": 600}, challenge=lambda: challenge)
    results = lane.run()
    assert (face(results), presentation(results)) == ((S, ()), (S, (UNRATED,)))
    assert challenge.state is ChallengeState.PASSED
    assert 2.0 < lane.took_s < 9.0
    assert {Cue.FACE_CAMERA} < {cue for _, cue in lane.shown if cue is not None}


MOVED = {
    Instruction.FACE_CAMERA: STRAIGHT, Instruction.TURN_LEFT: HeadPose(25, 0, 0),
    Instruction.TURN_RIGHT: HeadPose(-25, 0, 0), Instruction.NOD: HeadPose(0, -15, 0),
}  # fmt: skip
DOUBTED = (U, (ReasonCode.PRESENTATION_ATTACK_DOUBTFUL, UNRATED))


def swapped(answer: Callable[[Instruction, int], FakeCapture]) -> tuple[Lane, dict[CheckName, Any]]:
    """A print of the holder matches at a doubtful score; `answer` answers the challenge; then the print is back."""
    made: list[HeadPoseChallenge] = []

    def make() -> HeadPoseChallenge:
        made.append(HeadPoseChallenge(random.Random(5)))
        return made[0]

    def script(number: int) -> FakeCapture:
        instruction = made[0].instruction if made else None
        return seen(MATCH, attack=0.6) if instruction is None else answer(instruction, number)

    lane = Lane(script, {**REQUIRED, "maximum_frames": 600}, challenge=make)
    return lane, lane.run()


@pytest.mark.parametrize("decision", [NON_MATCH, BETWEEN])
def test_another_head_does_not_answer_for_a_print(decision):
    _, results = swapped(lambda asked, _: seen(decision, attack=0.2, pose=MOVED[asked]))
    assert presentation(results) == DOUBTED
    assert {one.name: one.found for one in results[CheckName.FACE_PRESENTATION].compared}.get("challenge") != "passed"


@pytest.mark.parametrize("break_", ["restart", "not_found", "several"])
def test_another_head_between_two_looks_at_the_print_does_not_pass(break_):
    """The print faces the camera and matches; each movement is another's, and the change from one to the other shows."""
    before: list[bool] = [True]

    def answer(asked: Instruction, _: int) -> FakeCapture:
        is_print = asked is Instruction.FACE_CAMERA
        is_change, before[0] = is_print is not before[0], is_print
        if is_change and break_ != "restart":
            return seen(None, finding=FaceFinding(break_))
        return seen(MATCH if is_print else NON_MATCH, attack=0.2, pose=MOVED[asked], fused=1 if is_change else 3)

    _, results = swapped(answer)
    assert presentation(results) == DOUBTED


def test_the_same_answers_from_the_holders_own_head_pass():
    _, results = swapped(lambda asked, _: seen(MATCH, attack=0.2, pose=MOVED[asked]))
    assert (face(results), presentation(results)) == ((S, ()), (S, (UNRATED,)))


def test_a_turned_head_that_does_not_match_is_no_other_head():
    def answer(asked: Instruction, _: int) -> FakeCapture:
        return seen(MATCH if asked is Instruction.FACE_CAMERA else NON_MATCH, attack=0.2, pose=MOVED[asked])

    _, results = swapped(answer)
    assert (face(results), presentation(results)) == ((S, ()), (S, (UNRATED,)))


@pytest.mark.parametrize(
    "gone", [NOBODY, seen(NON_MATCH), seen(finding=FaceFinding.SEVERAL), seen(MATCH, attack=None, fused=1)]
)
def test_a_pass_ends_with_the_face_that_earned_it(gone):
    """Attack detection has no result on the frame that passes; what comes next is somebody else, then the print again."""
    seen_after: list[int] = []

    def answer(asked: Instruction, _: int) -> FakeCapture:
        return seen(MATCH, attack=None, pose=MOVED[asked])

    made: list[HeadPoseChallenge] = []

    def script(number: int) -> FakeCapture:
        if number == 0:
            return seen(MATCH, attack=0.6)
        if made[0].instruction is not None:
            return answer(made[0].instruction, number)
        seen_after.append(number)
        return gone if len(seen_after) == 1 else seen(MATCH, attack=0.6)

    lane = Lane(
        script, {**REQUIRED, "maximum_frames": 600},
        challenge=lambda: made.append(HeadPoseChallenge(random.Random(5))) or made[0],
    )  # fmt: skip
    assert presentation(lane.run()) == DOUBTED
    assert seen_after, "the challenge had been passed"


def test_a_still_picture_does_not_pass_the_real_challenge():
    still = lambda _: seen(MATCH, attack=0.6)
    lane = Lane(still, {**REQUIRED, "maximum_frames": 600}, challenge=lambda: HeadPoseChallenge(random.Random(3)))
    results = lane.run()
    assert presentation(results) == (U, (ReasonCode.PRESENTATION_ATTACK_DOUBTFUL, UNRATED))
    assert 5.0 < lane.took_s <= 10.02


def test_the_limits_are_those_that_the_scores_were_made_for():
    defaults = FaceSettings()
    assert (defaults.attack_doubt_score, defaults.attack_alarm_score) == (DOUBTFUL_FROM, ALARM_FROM)
    with pytest.raises(ValueError, match="above"):
        FaceSettings(attack_doubt_score=0.9)


def run_alone(coroutine: Coroutine[Any, Any, Any]) -> Any:
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def test_frames_of_other_channels_of_the_same_moment_are_looked_at_with_it_and_all_go_back():
    offered, given_back = [], []

    def offer(lane: Lane, number: int) -> None:
        for channel in (Channel.DEPTH, Channel.NEAR_INFRARED):
            one = (number, channel)
            offered.append(one)
            frame = FrameCaptured(
                9, 640, 360, number, lambda one=one: given_back.append(one), channel, PixelFormat.GRAY8
            )
            lane.acquisition.offer(frame, asyncio.get_running_loop().time())

    lane = Lane(lambda _: seen(NON_MATCH), on_frame=offer)
    lane.run()
    assert sorted(given_back) == sorted(offered)
    assert {Channel.DEPTH, Channel.NEAR_INFRARED} in lane.beside
    assert all(Channel.VISIBLE not in seen for seen in lane.beside)


def test_older_frames_go_back_to_the_camera():
    async def offered() -> tuple[int, int]:
        given_back: list[int] = []
        clock = VirtualClock(asyncio.get_running_loop())  # type: ignore[arg-type]
        acquisition = FaceAcquisition(FaceSettings(), object(), object(), clock)
        for number, t in enumerate((999.0, 1000.1, 1000.2)):
            acquisition.offer(FrameCaptured(1, 8, 8, number, lambda number=number: given_back.append(number)), t)
        return tuple(given_back)

    assert run_alone(offered()) == (0, 1), "one from before it began, and the one that was overtaken"
