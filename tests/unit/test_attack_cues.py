"""Moire, colour, depth, infrared, the model slot and the rule that combines them. Rendered scenes prove no error rate."""

import math
import time
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.attack_detector import ALARM_FROM, DOUBTFUL_FROM, AttackDetection, configuration_id
from models.attack_detector.colour import chroma_gamut, face_patch, flat_highlights
from models.attack_detector.combination import WEIGHTS, combined
from models.attack_detector.depth_plane import depth_plane
from models.attack_detector.infrared import infrared
from models.attack_detector.moire import moire, peak_ratio
from models.results import FaceBox, Image
from tests.unit.attack_scenes import Frame, Pose, Scene, presentation

BOX = FaceBox(60, 60, 259, 259, 1.0)
FRAME_PX = (640, 360)
SEEDS = (0, 1, 2)


@lru_cache(maxsize=32)
def still(kind: str, seed: int, blur_px: float = 0.7) -> Frame:
    return Scene(kind, seed, blur_px=blur_px).frame(Pose(yaw_deg=4.0, x_mm=7.0))


def grey(frame: Frame) -> np.ndarray:
    return cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)


# ---- moire --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_a_screen_beats_with_the_sensor(seed: int) -> None:
    screen = still("screen", seed)
    assert (moire(grey(screen), screen.box) or 0) > 0.5


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["head", "print"])
def test_skin_and_paper_do_not(kind: str, seed: int) -> None:
    frame = still(kind, seed)
    assert moire(grey(frame), frame.box) == 0.0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_defocused_screen_leaves_no_peak(seed: int) -> None:
    """The limit of the cue, stated: it is advisory for this reason."""
    screen = still("screen", seed, 2.5)
    assert moire(grey(screen), screen.box) == 0.0


@pytest.mark.parametrize("quality", [50, 75, 90])
def test_jpeg_blocks_are_no_moire(quality: int) -> None:
    head = still("head", 1, 1.5)
    _, encoded = cv2.imencode(".jpg", head.image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    again = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    assert (moire(again, head.box) or 0.0) < 0.2


def test_noise_alone_stands_below_the_limit() -> None:
    rng = np.random.default_rng(1)
    ratios = [peak_ratio(rng.normal(128, 5, (96, 96)).astype(np.float32), 1.0) for _ in range(50)]
    assert max(ratios) < 5.0


def test_a_small_face_has_no_moire_result() -> None:
    assert moire(np.zeros((360, 640), np.uint8), FaceBox(100, 100, 180, 180, 1.0)) is None


# ---- colour -------------------------------------------------------------------------------------------------------------


def patches(image: Image, box: FaceBox) -> tuple[Image, Image]:
    face, around = face_patch(image, box, 0.8), face_patch(image, box, 2.4)
    assert face is not None
    assert around is not None
    return face, around


@pytest.mark.parametrize("seed", SEEDS)
def test_skin_has_colour_and_a_grey_print_has_not(seed: int) -> None:
    head = still("head", seed)
    assert (chroma_gamut(*patches(head.image, head.box)) or 0.0) < 0.2
    washed = head.image.copy()
    box = head.box
    area = washed[box.top_px : box.bottom_px, box.left_px : box.right_px]
    area[:] = cv2.cvtColor(cv2.cvtColor(area, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert (chroma_gamut(*patches(washed, box)) or 0.0) > 0.8


def test_a_cold_screen_is_bluer_than_the_room() -> None:
    head = still("head", 0)
    cold = head.image.astype(np.float32)
    box = head.box
    cold[box.top_px : box.bottom_px, box.left_px : box.right_px] *= np.array([2.0, 1.0, 0.62], np.float32)
    assert (chroma_gamut(*patches(np.clip(cold, 0, 255).astype(np.uint8), box)) or 0.0) > 0.8


def test_a_monochrome_camera_says_nothing_about_colour() -> None:
    head = still("head", 0)
    mono = cv2.cvtColor(cv2.cvtColor(head.image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert chroma_gamut(*patches(mono, head.box)) is None


def test_glare_is_large_and_sharp_and_a_highlight_is_neither() -> None:
    patch = np.full((48, 48, 3), 120, np.uint8)
    assert flat_highlights(patch) == 0.0
    glare = patch.copy()
    glare[8:28, 10:24] = 255
    assert (flat_highlights(glare) or 0.0) > 0.9
    y, x = np.mgrid[0:48, 0:48]
    glow = np.clip(120 + 160 * np.exp(-((x - 24) ** 2 + (y - 20) ** 2) / 60.0), 0, 255).astype(np.uint8)
    assert flat_highlights(np.repeat(glow[..., None], 3, axis=2)) == 0.0
    assert flat_highlights(np.full((48, 48, 3), 255, np.uint8)) is None


# ---- depth --------------------------------------------------------------------------------------------------------------


def depth_of(frame: Frame, seed: int, noise_mm: float = 2.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = cv2.resize(frame.depth, (320, 180), interpolation=cv2.INTER_NEAREST)
    noisy = small + rng.normal(0, noise_mm, small.shape)
    noisy[rng.random(small.shape) < 0.2] = 0
    return noisy.astype(np.uint16)


@pytest.mark.parametrize("seed", SEEDS)
def test_depth_parts_heads_from_flat_media(seed: int) -> None:
    head = depth_plane(depth_of(still("head", seed), seed), still("head", seed).box, (1280, 720))
    assert head.depth is not None
    assert head.depth < 0.1
    for kind in ("print", "screen"):
        tilted = Scene(kind, seed).frame(Pose(yaw_deg=25.0, pitch_deg=-10.0))
        flat = depth_plane(depth_of(tilted, seed), tilted.box, (1280, 720))
        assert flat.depth is not None
        assert flat.depth > 0.9


def test_depth_without_readings_has_no_result() -> None:
    result = depth_plane(np.zeros((180, 320), np.uint16), BOX, FRAME_PX)
    assert (result.depth, result.detail) == (None, "depth_too_few_readings")
    assert depth_plane(np.full((180, 320), np.nan), BOX, FRAME_PX).depth is None
    assert depth_plane(np.full((180, 320), 700.0), FaceBox(900, 900, 950, 950, 1.0), FRAME_PX).depth is None
    assert depth_plane(np.zeros((4, 4, 3)), BOX, FRAME_PX).detail == "depth_malformed"


# ---- infrared -----------------------------------------------------------------------------------------------------------


def infrared_scene(face: np.ndarray | int) -> np.ndarray:
    picture = np.full((360, 640), 70, np.uint8)
    picture[60:260, 60:260] = face
    return picture


def test_infrared_sees_skin_and_no_screen() -> None:
    head = still("head", 1)
    lit = cv2.cvtColor(head.image, cv2.COLOR_BGR2GRAY)
    cue, why = infrared(lit, head.box, (1280, 720))
    assert cue is not None
    assert (cue < 0.2, why) == (True, "")
    assert infrared(infrared_scene(6), BOX, FRAME_PX)[0] == 1.0  # a screen is black
    blank = np.clip(np.random.default_rng(0).normal(180, 3, (200, 200)), 0, 255).astype(np.uint8)
    paper = infrared(infrared_scene(blank), BOX, FRAME_PX)[0]  # its ink has vanished
    assert paper is not None
    assert paper > 0.7


def test_infrared_without_light_has_no_result() -> None:
    assert infrared(np.full((360, 640), 5, np.uint8), BOX, FRAME_PX) == (None, "infrared_dark")
    assert infrared(np.zeros((360, 640, 3), np.uint8), BOX, FRAME_PX) == (None, "infrared_malformed")
    assert infrared(infrared_scene(100), FaceBox(900, 900, 950, 950, 1.0), FRAME_PX)[1] == "infrared_face_outside"


# ---- the rule -----------------------------------------------------------------------------------------------------------

CUES = st.dictionaries(st.sampled_from(sorted(WEIGHTS)), st.floats(0, 1))
ADVISORY = sorted(name for name, weight in WEIGHTS.items() if weight.is_advisory)


@given(CUES)
def test_scores_lie_between_0_and_1_in_steps(cues: dict[str, float]) -> None:
    score = combined(cues)
    if score is not None:
        assert 0 <= score <= 1
        assert math.isclose(score * 100, round(score * 100), abs_tol=1e-9)


@given(CUES, st.sampled_from(sorted(WEIGHTS)), st.floats(0, 1), st.floats(0, 1))
def test_more_suspicion_never_lowers_the_score(cues: dict[str, float], name: str, low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    below, above = combined({**cues, name: low}), combined({**cues, name: high})
    if below is not None and above is not None:
        assert below <= above


@given(st.dictionaries(st.sampled_from(ADVISORY), st.floats(0, 1)), st.floats(0, 0.5))
def test_advisory_cues_never_alarm_alone(cues: dict[str, float], planarity: float) -> None:
    assert combined(cues) is None
    score = combined({**cues, "planarity": planarity})
    assert score is not None
    assert score < ALARM_FROM


def test_advisory_cues_do_not_make_an_alarm_of_a_door() -> None:
    door = {"border": 0.25, **dict.fromkeys(ADVISORY, 1.0)}
    assert combined(door) is None
    assert (combined({**door, "planarity": 0.5}) or 1.0) < ALARM_FROM


@pytest.mark.parametrize(("cues", "at_least"), [({"planarity": 1.0}, ALARM_FROM), ({"border": 1.0}, ALARM_FROM)])
def test_one_strong_cue_alarms(cues: dict[str, float], at_least: float) -> None:
    assert (combined(cues) or 0) >= at_least


@pytest.mark.parametrize("cue", ["planarity", "depth", "model"])
def test_one_clearing_cue_clears_what_nothing_accuses(cue: str) -> None:
    score = combined({cue: 0.0, "border": 0.0})
    assert score is not None
    assert score < DOUBTFUL_FROM


def test_cues_that_contradict_each_other_are_doubtful() -> None:
    score = combined({"planarity": 0.0, "border": 1.0})
    assert score is not None
    assert DOUBTFUL_FROM <= score < ALARM_FROM


def test_the_score_has_at_least_ten_levels() -> None:
    assert len({combined({"planarity": step / 50}) for step in range(51)}) >= 10


# ---- the operator's model -----------------------------------------------------------------------------------------------


class FixedModel:
    def __init__(self, score: float | None) -> None:
        self.model_id = "tiny"
        self._score = score
        self.seen: list[tuple[int, FaceBox]] = []

    def score(self, image: Image, box: FaceBox) -> float | None:
        self.seen.append((id(image), box))
        return self._score


def first_assessment(model: FixedModel | None, **images: np.ndarray) -> object:
    frame = still("head", 1)
    return AttackDetection(model).observe(frame.image, frame.box, frame.points, 0.0, **images)


def test_the_models_score_counts_and_is_asked_about_this_very_frame() -> None:
    frame, model = still("head", 1), FixedModel(1.0)
    assessment = AttackDetection(model).observe(frame.image, frame.box, frame.points, 0.0)
    assert assessment.cues["model"] == 1.0
    assert assessment.score is not None
    assert assessment.score >= ALARM_FROM
    assert model.seen == [(id(frame.image), frame.box)]


@pytest.mark.parametrize("broken", [math.nan, math.inf, None])
def test_a_model_without_an_answer_is_no_pass(broken: float | None) -> None:
    assessment = first_assessment(FixedModel(broken))
    assert assessment.score is None  # type: ignore[attr-defined]
    assert "model" not in assessment.cues  # type: ignore[attr-defined]


def test_rated_only_for_the_very_configuration_that_was_measured() -> None:
    model = FixedModel(0.0)
    assert not AttackDetection(model).is_rated
    assert not AttackDetection(model, rated_configuration_id=configuration_id(None)).is_rated
    assert AttackDetection(model, rated_configuration_id=configuration_id(model)).is_rated


def test_depth_and_infrared_enter_the_score() -> None:
    frame = still("screen", 1)
    black = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
    black[frame.box.top_px : frame.box.bottom_px, frame.box.left_px : frame.box.right_px] = 4
    assessment = AttackDetection().observe(frame.image, frame.box, frame.points, 0.0, depth=frame.depth, infrared=black)
    assert assessment.cues["depth"] > 0.9
    assert assessment.cues["infrared"] == 1.0
    assert assessment.score is not None
    assert assessment.score > 0.95


def test_a_box_beyond_the_frame_does_not_break() -> None:
    frame = still("head", 1)
    detection = AttackDetection()
    for index, box in enumerate((FaceBox(-90, -60, 140, 170, 1.0), FaceBox(1200, 650, 1400, 850, 1.0))):
        assessment = detection.observe(frame.image, box, np.zeros((5, 2)) + 10 * np.eye(5, 2), index / 15)
        assert assessment.score is None


def test_a_full_frame_stays_within_the_budget() -> None:
    """At most 6 CPU-ms per 1280x720 frame on one core, which is 0.8 times a plain blur of the frame; processors differ more than that ratio."""
    frames = presentation("screen", 1, frames=8)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    best, blur = [math.inf] * len(frames), [math.inf] * len(frames)
    for turn in range(40):  # as long as neighbours on the machine take cache and memory from both
        if turn >= 4 and np.mean(best) < 1.25 * np.mean(blur):
            break
        detection = AttackDetection()
        for index, frame in enumerate(frames):
            started = time.process_time()
            cv2.GaussianBlur(frame.image, (0, 0), 3.0)
            between = time.process_time()
            detection.observe(frame.image, frame.box, frame.points, frame.t_mono_s)
            best[index] = min(best[index], time.process_time() - between)
            blur[index] = min(blur[index], between - started)
    cv2.setNumThreads(threads)
    assert float(np.mean(best)) < 1.25 * float(np.mean(blur))


def test_a_person_who_comes_nearer_is_followed_at_a_new_scale() -> None:
    scene = Scene("head", 2)
    detection = AttackDetection()
    scores = []
    for index in range(24):
        pose = replace(Pose(), z_mm=1300 - 30 * index, yaw_deg=12 * math.sin(index / 6), x_mm=4.0 * index)
        frame = scene.frame(pose, index / 15)
        scores.append(detection.observe(frame.image, frame.box, frame.points, frame.t_mono_s).score)
    found = [score for score in scores if score is not None]
    assert found
    assert max(found) < ALARM_FROM
