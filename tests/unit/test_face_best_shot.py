"""Best capture, frames that differ, and the frames that are kept: bounded, even, destroyed when dropped."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.lane.face.best_shot import (
    KeptShots,
    Shot,
    best_and_different,
    best_capture,
    criteria_met,
    difference,
)
from models.results import FaceBox, FaceFinding, FaceSample, HeadPose

GOOD = {
    "inter_eye_distance_px": 130.0, "LeftwardCropOfTheFaceImage": 99.0, "RightwardCropOfTheFaceImage": 99.0,
    "LuminanceMean": 95.0, "LuminanceVariance": 90.0, "DynamicRange": 80.0, "UnderExposurePrevention": 99.0,
    "OverExposurePrevention": 99.0, "IlluminationUniformity": 80.0, "NaturalColour": 100.0,
}  # fmt: skip


def shot(t=0.0, yaw=0.0, pitch=0.0, roll=0.0, width=240, finding=FaceFinding.FOUND, **quality):
    box = FaceBox(500, 200, 500 + width - 1, 200 + width - 1, 1.0)
    sample = FaceSample(
        finding, box, None, {**GOOD, **quality}, {}, faces=1, frame_px=(1280, 720), pose=HeadPose(yaw, pitch, roll)
    )
    return Shot(sample, t, bytearray(b"jpeg%f" % t))


def test_mandatory_before_optional_before_newest():
    turned, dark, good, newest = shot(9, yaw=12), shot(8, LuminanceMean=10.0), shot(1), shot(2)
    assert best_capture([turned, dark, good, newest]) is newest
    assert best_capture([turned, dark, good]) is good
    assert best_capture([turned, dark]) is dark
    assert best_capture([turned]) is turned
    assert best_capture([]) is None


@pytest.mark.parametrize(
    "worse",
    [
        shot(yaw=6), shot(pitch=-6), shot(roll=9), shot(inter_eye_distance_px=100.0),
        shot(LeftwardCropOfTheFaceImage=10.0), shot(finding=FaceFinding.SEVERAL),
    ],
)  # fmt: skip
def test_each_mandatory_criterion_of_table_4_3_counts(worse):
    assert criteria_met(shot().sample) == (6, 7)
    assert criteria_met(worse.sample)[0] == 5


def test_what_was_not_assessed_is_not_met():
    blind = FaceSample(FaceFinding.FOUND, None, None, {"LuminanceMean": -1.0}, {}, faces=1)
    assert criteria_met(blind) == (1, 0)


def test_the_chosen_differ():
    straight, again, left, up, near = shot(0), shot(0.05), shot(0.1, yaw=4), shot(0.15, pitch=4.9), shot(0.2, width=380)
    chosen = best_and_different([straight, again, left, up, near], 3)
    assert chosen[0] is near, "all are equally good: the newest is the best capture"
    assert up in chosen[1:]
    assert difference(straight, straight) == 0
    assert difference(straight, near) > difference(straight, up) > difference(straight, again)


def test_a_bad_frame_is_not_chosen_for_being_different():
    bad = shot(1, yaw=40, pitch=30)
    assert bad not in best_and_different([shot(0), shot(0.5), bad], 3)
    assert best_and_different([], 3) == []
    assert best_and_different([shot()], 0) == []


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=12), st.integers(1, 5))
def test_selection_is_bounded_and_begins_with_the_best(yaws, count):
    shots = [shot(number, yaw=yaw) for number, yaw in enumerate(yaws)]
    chosen = best_and_different(shots, count)
    assert 1 <= len(chosen) <= min(count, len(shots))
    assert chosen[0] is best_capture(shots)
    assert len({id(one) for one in chosen}) == len(chosen)


@given(st.integers(1, 400), st.integers(1, 8))
def test_kept_frames_are_bounded_even_and_hold_the_newest(count, wanted):
    kept, offered = KeptShots(16), [shot(float(number)) for number in range(count)]
    for one in offered:
        kept.add(one)
    times = [one.t_mono_s for one in kept.all()]
    assert times == sorted(times)
    assert times[0] == 0
    assert times[-1] == count - 1
    assert len(times) <= 17
    gaps = [after - before for before, after in itertools.pairwise(times[:-1])]
    assert len(set(gaps)) <= 1, "even but for the newest"
    chosen = kept.even(wanted)
    assert len(chosen) == min(wanted, len(times))
    assert chosen[-1].t_mono_s == count - 1
    assert wanted == 1 or count == 1 or chosen[0].t_mono_s == 0
    for one in offered:
        is_kept = any(one is other for other in kept.all())
        assert bool(any(one.portrait_jpeg)) is is_kept, "what is dropped is destroyed, what is kept is whole"


def test_wiping_destroys_all_of_it():
    kept, offered = KeptShots(4), [shot(float(number)) for number in range(7)]
    for one in offered:
        kept.add(one)
    kept.wipe()
    assert kept.all() == []
    assert not any(any(one.portrait_jpeg) for one in offered)
    with pytest.raises(ValueError, match="even"):
        KeptShots(3)
