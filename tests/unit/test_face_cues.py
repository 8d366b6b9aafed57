"""Cues for the traveller: the right one for each fault, his own sides, one at a time, none that flickers, out of range in time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.lane.face.cues import LIMITS, MINIMUM_SHOWN_S, Cue, CueGuide
from gate_agent.lane.face.geometry import Motion, placement
from models.results import FaceBox, FaceFinding, FaceSample, HeadPose

WIDTH, HEIGHT = 1280, 720
CENTRED = FaceBox(520, 240, 759, 479, 1.0)
STRAIGHT = HeadPose(0.0, 0.0, 0.0)


def sample(box=CENTRED, pose=STRAIGHT, finding=FaceFinding.FOUND, faces=1, **quality):
    return FaceSample(finding, box, None, quality, {}, faces=faces, frame_px=(WIDTH, HEIGHT), pose=pose)


NOBODY = FaceSample(FaceFinding.NOT_FOUND, None, None, {}, {}, frame_px=(WIDTH, HEIGHT))


def moved(dx=0, dy=0):
    return FaceBox(CENTRED.left_px + dx, CENTRED.top_px + dy, CENTRED.right_px + dx, CENTRED.bottom_px + dy, 1.0)


def sized(width):
    return FaceBox(640 - width // 2, 360 - width // 2, 640 + width // 2 - 1, 360 + width // 2 - 1, 1.0)


@pytest.mark.parametrize(
    ("seen", "cue"),
    [
        (sample(), None),
        (sample(sized(500)), Cue.TOO_NEAR),
        (sample(sized(120)), Cue.TOO_FAR),
        (sample(moved(dx=400)), Cue.TOO_FAR_LEFT),  # right in the camera's image, left in the mirror that he sees
        (sample(moved(dx=-400)), Cue.TOO_FAR_RIGHT),
        (sample(moved(dy=-230)), Cue.TOO_HIGH),
        (sample(moved(dy=230)), Cue.TOO_LOW),
        (sample(pose=HeadPose(30.0, 0.0, 0.0)), Cue.NOT_FRONTAL),
        (sample(pose=HeadPose(0.0, -30.0, 0.0)), Cue.NOT_FRONTAL),
        (sample(pose=HeadPose(0.0, 0.0, 25.0)), Cue.NOT_FRONTAL),
        (sample(pose=None), None),
        (sample(finding=FaceFinding.SEVERAL, faces=2), Cue.SEVERAL_FACES),
        (sample(eyes_open=10.0), Cue.EYES_CLOSED),
        (sample(mouth_closed=10.0), Cue.MOUTH_OPEN),
        (sample(eyes_open=-1.0, mouth_closed=-1.0), None),  # -1: not assessed, which accuses nobody
        (sample(moved(dx=400), finding=FaceFinding.SEVERAL, faces=2), Cue.SEVERAL_FACES),
        (sample(moved(dx=400), pose=HeadPose(30.0, 0.0, 0.0)), Cue.TOO_FAR_LEFT),
        (NOBODY, None),
    ],
)
def test_the_first_frame_already_gives_the_most_useful_cue(seen, cue):
    assert CueGuide().observe(seen, 5.0) is cue


def test_without_a_frame_size_only_what_needs_none_is_said():
    unknown = FaceSample(FaceFinding.FOUND, sized(500), None, {}, {}, faces=1, pose=HeadPose(40.0, 0.0, 0.0))
    assert CueGuide().observe(unknown, 0.0) is Cue.NOT_FRONTAL
    assert placement(CENTRED, (0, 0)) is None


def test_a_face_cut_off_by_the_edge_counts_as_further_out():
    whole, cut = placement(FaceBox(0, 240, 239, 479, 1.0), (WIDTH, HEIGHT)), placement(moved(dx=-560), (WIDTH, HEIGHT))
    assert whole is not None
    assert cut is not None
    assert cut.left_offset < whole.left_offset < -0.4


def test_moving_needs_a_third_of_a_second_and_forgives_the_detectors_grid():
    guide = CueGuide()
    shown = [guide.observe(sample(moved(dx=-100 + int(300 * t))), t) for t in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)]
    assert shown[:4] == [None] * 4
    assert shown[-1] is Cue.MOVING
    still = CueGuide()
    for number in range(40):
        assert still.observe(sample(moved(dx=16 * (number % 2))), number * 0.07) is None


def test_a_new_face_is_not_the_old_one_moving():
    motion = Motion()
    assert motion.observe(sample(moved(dx=-300)), 0.0) is None
    assert motion.observe(NOBODY, 0.3) is None
    assert motion.observe(sample(moved(dx=300)), 0.6) is None


def test_between_the_two_limits_nothing_changes():
    enter, leave = LIMITS[Cue.TOO_NEAR].enter, LIMITS[Cue.TOO_NEAR].leave
    between = sample(sized(int((enter + leave) / 2 * HEIGHT)))
    fresh, warned = CueGuide(), CueGuide()
    assert fresh.observe(between, 0.0) is None
    assert warned.observe(sample(sized(int(enter * HEIGHT) + 4)), 0.0) is Cue.TOO_NEAR
    assert warned.observe(between, 5.0) is Cue.TOO_NEAR
    assert warned.observe(sample(sized(int(leave * HEIGHT) - 4)), 6.0) is None


def test_a_cue_stays_long_enough_to_be_read():
    guide = CueGuide()
    assert guide.observe(sample(sized(500)), 0.0) is Cue.TOO_NEAR
    assert guide.observe(sample(), 0.9) is Cue.TOO_NEAR
    assert guide.observe(sample(), 1.0) is None


def test_a_face_that_blinks_out_for_a_moment_keeps_its_cue_and_a_lost_one_does_not():
    guide = CueGuide()
    guide.observe(sample(moved(dx=400)), 0.0)
    assert guide.observe(NOBODY, 0.5) is Cue.TOO_FAR_LEFT
    assert guide.observe(NOBODY, 1.4) is None


@st.composite
def walks(draw):
    """Frames 20-400 ms apart with faces anywhere, in any pose, or none."""
    t, frames = 0.0, []
    for _ in range(draw(st.integers(1, 40))):
        t += draw(st.floats(0.02, 0.4))
        if draw(st.booleans()):
            box = draw(
                st.sampled_from([sized(120), sized(160), sized(300), sized(430), sized(500), moved(400), moved(-300)])
            )
            turn = HeadPose(*(draw(st.floats(-60, 60)) for _ in range(3)))
            several = draw(st.booleans())
            finding = FaceFinding.SEVERAL if several else FaceFinding.FOUND
            frames.append((t, sample(box, turn, finding, 1 + several, eyes_open=draw(st.floats(-1, 100)))))
        else:
            frames.append((t, NOBODY))
    return frames


@given(walks())
def test_one_cue_at_a_time_and_none_flickers(frames):
    guide, changes = CueGuide(), []
    shown = None
    for t, seen in frames:
        cue = guide.observe(seen, t)
        assert cue is guide.shown
        assert cue is None or cue in LIMITS, "what only a challenge may ask"
        if cue is not shown:
            changes.append((t, shown))
            shown = cue
    for (before, _), (after, left) in itertools.pairwise(changes):
        assert left is None or after - before >= MINIMUM_SHOWN_S


@given(walks())
def test_the_mirror_swaps_left_and_right_and_nothing_else(frames):
    swapped = {Cue.TOO_FAR_LEFT: Cue.TOO_FAR_RIGHT, Cue.TOO_FAR_RIGHT: Cue.TOO_FAR_LEFT}
    guide, mirrored = CueGuide(), CueGuide()
    for t, seen in frames:
        box, pose = seen.box, seen.pose
        if box is not None and pose is not None:
            turned = FaceBox(WIDTH - 1 - box.right_px, box.top_px, WIDTH - 1 - box.left_px, box.bottom_px, box.score)
            other = sample(
                turned,
                HeadPose(-pose.yaw_deg, pose.pitch_deg, -pose.roll_deg),
                seen.finding,
                seen.faces,
                **seen.quality,
            )
        else:
            other = seen
        cue, mirror = guide.observe(seen, t), mirrored.observe(other, t)
        assert mirror is (swapped.get(cue, cue) if cue else None)


@given(walks())
def test_out_of_range_counts_from_the_first_frame_without_a_face_in_range(frames):
    guide, since = CueGuide(), None
    for t, seen in frames:
        guide.observe(seen, t)
        if seen is NOBODY:  # no face of `walks` stands too high or too low
            since = t if since is None else since
        else:
            since = None
        assert guide.out_of_range_since_s == since


def test_too_high_and_too_low_are_out_of_range_and_too_near_is_not():
    for dy in (-230, 230):
        guide = CueGuide()
        guide.observe(sample(moved(dy=dy)), 3.0)
        guide.observe(sample(moved(dy=dy)), 4.0)
        assert guide.out_of_range_since_s == 3.0
        guide.observe(sample(), 4.5)
        assert guide.out_of_range_since_s is None
    known = CueGuide(begun_s=2.5)
    known.observe(NOBODY, 3.0)
    assert known.out_of_range_since_s == 2.5
    known.observe(sample(), 3.1)
    known.observe(NOBODY, 3.2)
    assert known.out_of_range_since_s == 3.2
    near = CueGuide()
    near.observe(sample(sized(500)), 0.0)
    assert near.out_of_range_since_s is None
