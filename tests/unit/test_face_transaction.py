"""Frames are fused within one unbroken track of one person, three at the most, and all of it is wiped."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import numpy as np
import pytest

from models.calibration import Calibration, ModelIdentity, Threshold
from models.face_comparison import FaceComparer
from models.face_fusion import Fusion, fused
from models.face_sampling import Look, Stopwatch
from models.face_transaction import FUSED_FRAMES, FaceTransaction
from models.results import (
    AttackAssessment,
    ComparisonDecision,
    DetectedFace,
    FaceBox,
    FaceFinding,
    FaceSample,
    TrackedFace,
)
from models.score_normalisation import ScoreDefinition

DIMENSION = 16
IMAGE = np.zeros((100, 100, 3), dtype=np.uint8)
BOX = FaceBox(20, 20, 79, 79, 1.0)
RECORD = Calibration(
    calibration_id="tried-1",
    identity=ModelIdentity(()),
    fusion=Fusion.FLIP,
    score=ScoreDefinition(),
    cohort=None,
    thresholds=(
        Threshold(1e-3, 0.79, 1, 2e-3, "one"),
        Threshold(1e-4, 0.8, 1, 3e-4, "one"),
        Threshold(1e-4, 0.8, 3, 3e-4, "one"),
    ),
    non_match_threshold=0.5,
    minimum_age_years=18,
    made_on=date(2026, 11, 25),
)


def person(axis, away=0.0, towards=9):
    """A unit vector: a person's direction, moved towards another one by an angle in radians."""
    vector = np.zeros(DIMENSION, dtype=np.float32)
    vector[axis], vector[towards] = np.cos(away), np.sin(away)
    return vector


class Scene:
    """What the next frame shows: a sampler, a tracker and an attack detection that answer from it."""

    def __init__(self):
        self.features = person(0)
        self.quality = 80.0
        self.attack = AttackAssessment(0.1)
        self.track_id = 1
        self.finding = FaceFinding.FOUND
        self.resets = {"tracker": 0, "attacks": 0}
        self.frames_needed, self.seen_since_reset = 1, 0
        self.chain = SimpleNamespace(finder=None, attack_models=(), morph_model=None)

    def watch(self):
        return Stopwatch(lambda: 0.0)

    def look(self, image, faces, watch):
        if self.finding is not FaceFinding.FOUND:
            box = BOX if self.finding is FaceFinding.SEVERAL else None
            return Look(FaceSample(self.finding, box, None, {}, watch.step_ms))
        quality = {"IlluminationUniformity": self.quality, "HeadPoseYaw": -1.0}
        sample = FaceSample(FaceFinding.FOUND, BOX, self.features.copy(), quality, watch.step_ms, "", 1, (100, 100))
        return Look(sample, b"jpeg", np.zeros((5, 2)))

    def sample(self, image, *, search_closer=False):
        assert search_closer
        return self.look(image, [DetectedFace(BOX)], self.watch())


class Tracker:
    def __init__(self, scene):
        self.scene = scene

    def update(self, image, t_mono_s):
        return [TrackedFace(self.scene.track_id, DetectedFace(BOX), True, 1)]

    def reset(self):
        self.scene.resets["tracker"] += 1


class Attacks:
    def __init__(self, scene):
        self.scene = scene

    def observe(self, image, box, points, t_mono_s):
        self.scene.seen_since_reset += 1
        return self.scene.attack if self.scene.seen_since_reset >= self.scene.frames_needed else AttackAssessment(None)

    def reset(self):
        self.scene.resets["attacks"] += 1
        self.scene.seen_since_reset = 0


@pytest.fixture
def scene():
    return Scene()


@pytest.fixture
def transaction(scene):
    return with_parts(FaceTransaction(scene, FaceComparer(RECORD, None, DIMENSION, "tiny", 1e-4)), scene)


def with_parts(made, scene):
    made._tracker, made._attacks = Tracker(scene), Attacks(scene)
    return made


class Frames:
    """Hands frames to a transaction, a tenth of a second apart."""

    def __init__(self, scene, transaction):
        self.scene, self.transaction, self.t_s, self.camera = scene, transaction, 0.0, 0

    def next(self, **shown):
        for name, value in shown.items():
            setattr(self.scene, name, value)
        self.t_s += 0.1
        look, comparison = self.transaction.take_frame(IMAGE, self.t_s, self.camera)
        return look.sample, comparison


@pytest.fixture
def frames(scene, transaction):
    scene.features = person(0)
    transaction.take_reference(IMAGE)
    return Frames(scene, transaction)


def test_frames_of_one_track_are_fused_up_to_three(frames, transaction):
    seen = []
    for number in range(FUSED_FRAMES):
        seen.append(person(0, 0.1 * number, 5 + number))
        _, comparison = frames.next(features=seen[-1])
        assert comparison.frames == number + 1
        assert transaction.probe() == pytest.approx(fused(seen), abs=1e-6)
        assert comparison.cosine == pytest.approx(float(fused(seen) @ person(0)), abs=1e-6)
    for number in range(5):
        assert frames.next(features=person(0, 0.05, number + 3))[1].frames == FUSED_FRAMES


def test_no_more_frames_are_fused_than_the_record_has_thresholds_for(scene):
    """At 1e-3 it has one for single frames only: fused probes of strangers score higher, and nothing says how much."""
    made = with_parts(FaceTransaction(scene, FaceComparer(RECORD, None, DIMENSION, "tiny", 1e-3)), scene)
    made.take_reference(IMAGE)
    frames = Frames(scene, made)
    for number in range(3):
        seen = person(0, 0.2, 4 + number)
        assert frames.next(features=seen)[1].frames == 1
        assert made.probe() == pytest.approx(seen, abs=1e-6)


def test_the_newest_frame_is_always_among_those_compared(frames, transaction):
    good = [person(0, 0.3, 5), person(0, 0.3, 6), person(0, 0.3, 7)]
    for features in good:
        frames.next(features=features, quality=95.0)
    poor = person(0, 0.01, 8)
    frames.next(features=poor, quality=1.0)
    kept = [frame.features for frame in transaction._frames]
    assert any(np.array_equal(features, poor) for features in kept)
    assert len(kept) == FUSED_FRAMES


@pytest.mark.parametrize("worst", [0, 1, 2])
def test_the_worst_of_the_older_frames_is_left_out(frames, transaction, worst):
    """Equally different ones: the one of the lowest quality goes."""
    for number in range(3):
        frames.next(features=person(0, 0.3, 5 + number), quality=20.0 if number == worst else 80.0)
    frames.next(features=person(0, 0.3, 9), quality=80.0)
    assert sorted(int(frame.features[5:9].argmax()) for frame in transaction._frames[:-1]) == [
        number for number in range(3) if number != worst
    ]


def test_of_equally_good_frames_those_that_differ_are_kept(frames, transaction):
    twin = person(0, 0.3, 5)
    for features in (twin, person(0, 0.3, 6), twin, person(0, 0.3, 7)):
        frames.next(features=features)
    assert sum(np.array_equal(frame.features, twin) for frame in transaction._frames) == 1


def test_frames_that_are_left_out_are_overwritten(frames, transaction):
    held = []
    for number in range(6):
        frames.next(features=person(0, 0.2, 4 + number))
        held.append(transaction._frames[-1].features)
    kept = [id(frame.features) for frame in transaction._frames]
    assert len(kept) == FUSED_FRAMES
    for features in held:
        assert features.any() == (id(features) in kept)


def test_another_track_begins_anew(frames, scene, transaction):
    for _ in range(3):
        frames.next()
    before = scene.resets["attacks"]
    _, comparison = frames.next(track_id=2, features=person(0, 0.1))
    assert comparison.frames == 1
    assert transaction.probe() == pytest.approx(person(0, 0.1), abs=1e-6)
    assert scene.resets["attacks"] == before + 1  # the cues of other frames are not this person's


def test_a_stranger_who_takes_the_place_within_a_track_begins_anew(frames, transaction):
    """The tracker does not notice; the features do, and no frame of one person is fused with the other's."""
    for _ in range(3):
        assert frames.next()[1].decision is ComparisonDecision.MATCH
    stranger = person(1)
    _, comparison = frames.next(features=stranger)
    assert (comparison.frames, comparison.decision) == (1, ComparisonDecision.NON_MATCH)
    assert transaction.probe() == pytest.approx(stranger, abs=1e-6)
    _, comparison = frames.next(features=stranger)
    assert (comparison.frames, comparison.decision) == (2, ComparisonDecision.NON_MATCH)
    assert frames.next(features=person(0))[1].frames == 1  # and back


def test_nobody_is_cleared_by_the_frames_of_another_on_the_same_track(frames, scene):
    """A live stranger is seen long enough to be cleared, then the holder's print takes his place between two frames."""
    scene.frames_needed = 3
    for _ in range(5):
        sample, comparison = frames.next(features=person(1))
    assert (comparison.decision, sample.attack.score) == (ComparisonDecision.NON_MATCH, 0.1)
    sample, comparison = frames.next(features=person(0))
    assert (comparison.decision, sample.attack.score) == (ComparisonDecision.MATCH, None)


@pytest.mark.parametrize("finding", [FaceFinding.NOT_FOUND, FaceFinding.SEVERAL])
def test_a_frame_without_exactly_one_face_breaks_the_probe(frames, transaction, finding):
    frames.next()
    sample, comparison = frames.next(finding=finding)
    assert (sample.finding, comparison, transaction.probe()) == (finding, None, None)
    assert frames.next(finding=FaceFinding.FOUND)[1].frames == 1


def test_the_attack_score_is_the_worst_of_the_frames_compared(frames, transaction):
    scores = []
    for number, score in enumerate((0.2, 0.9, 0.1, 0.3, 0.4)):
        sample, _ = frames.next(features=person(0, 0.2, 4 + number), attack=AttackAssessment(score))
        scores.append((sample.attack.score, max(frame.attack.score for frame in transaction._frames)))
    assert [given for given, _ in scores] == [worst for _, worst in scores]
    assert scores[1][0] == scores[2][0] == 0.9  # three frames, the second is among them


def test_a_frame_without_an_assessment_is_never_covered_by_anothers(frames):
    frames.next(attack=AttackAssessment(0.1))
    sample, _ = frames.next(attack=AttackAssessment(None, detail="no motion"))
    assert (sample.attack.score, sample.attack.detail) == (None, "no motion")


def test_without_a_reference_frames_are_fused_and_nothing_is_compared(scene, transaction):
    frames = Frames(scene, transaction)
    assert frames.next()[1] is None
    assert frames.next()[1] is None
    assert transaction.probe() is not None
    scene.features = person(0)
    transaction.take_reference(IMAGE)
    assert transaction.probe() is None
    assert frames.next()[1].frames == 1


def test_without_a_calibration_nothing_is_compared_or_kept(scene):
    made = with_parts(FaceTransaction(scene, None), scene)
    made.take_reference(IMAGE)
    sample, comparison = Frames(scene, made).next()
    assert (sample.finding, comparison, made.probe()) == (FaceFinding.FOUND, None, None)
    assert made.take_picture(IMAGE)[1] is None


def test_a_second_portrait_takes_the_first_ones_place(scene, transaction):
    transaction.take_reference(IMAGE)
    first = transaction.reference_features
    frames = Frames(scene, transaction)
    assert frames.next()[1].decision is ComparisonDecision.MATCH
    scene.features = person(1)
    transaction.take_reference(IMAGE)
    assert not first.any()
    assert frames.next(features=person(0))[1].decision is ComparisonDecision.NON_MATCH


def test_single_pictures_are_compared_by_themselves(scene, transaction):
    assert transaction.take_picture(IMAGE)[1] is None
    transaction.take_reference(IMAGE)
    scene.features = person(0, 0.2)
    _, comparison = transaction.take_picture(IMAGE)
    assert (comparison.frames, comparison.decision) == (1, ComparisonDecision.MATCH)
    assert transaction.probe() is None


def test_a_reference_without_a_face_keeps_no_features(scene, transaction):
    scene.finding = FaceFinding.NOT_FOUND
    assert transaction.take_reference(IMAGE).sample.finding is FaceFinding.NOT_FOUND
    assert transaction.reference_features is None


def test_wiping_overwrites_everything_and_can_be_done_again(frames, scene, transaction):
    for number in range(4):
        frames.next(features=person(0, 0.2, 5 + number))
    held = [transaction.reference_features, *(frame.features for frame in transaction._frames)]
    assert len(held) == 1 + FUSED_FRAMES
    assert all(features.any() for features in held)
    transaction.wipe()
    assert not any(features.any() for features in held)
    assert (transaction.reference_features, transaction.probe(), transaction._statistics) == (None, None, None)
    assert scene.resets["tracker"] == 1
    transaction.wipe()


def test_what_a_look_carries_is_not_what_the_transaction_keeps(frames, transaction):
    """Whoever overwrites a sample's features does not change the probe."""
    sample, _ = frames.next()
    sample.features.fill(7)
    assert transaction.probe() == pytest.approx(person(0), abs=1e-6)


def test_frames_of_another_camera_begin_anew_and_the_reference_stays(frames, transaction, scene):
    """Two cameras see one face in two places: neither its place nor what the attack detection saw continues."""
    for _ in range(2):
        frames.next(features=person(0))
    assert transaction.probe_frames == 2
    assessed = scene.resets["attacks"]
    frames.camera = 1
    assert frames.next(features=person(0, 0.1))[1].frames == 1
    assert scene.resets["attacks"] > assessed
    assert frames.next(features=person(0, 0.1))[1].frames == 2
    frames.camera = 0
    assert frames.next(features=person(0))[1].frames == 1
    assert transaction.reference_features is not None
