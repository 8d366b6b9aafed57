"""Planarity and border on rendered scenes, both ways. The scenes show what the cues react to; they prove no error rate."""

from functools import lru_cache

import cv2
import numpy as np
import pytest

from models.attack_detector import ALARM_FROM, DOUBTFUL_FROM, AttackDetection
from models.attack_detector.border import Border, enclosing_quadrilateral
from models.attack_detector.planarity import Planarity, PlanarityResult
from models.attack_detector.two_view import compared_views, homography, transferred
from models.attack_detector.working_frame import WorkingFrame, scale_for, working_frame
from models.results import AttackAssessment
from tests.unit.attack_scenes import Camera, Frame, Pose, Scene, presentation, trajectory

SMALL = Camera(640, 360, 550.0)
SEEDS = (1, 2, 3)


@lru_cache(maxsize=32)
def shown(kind: str, motion: str, seed: int) -> tuple[Frame, ...]:
    return tuple(presentation(kind, seed, motion=motion, camera=SMALL))


def worked(frames: tuple[Frame, ...]) -> list[WorkingFrame]:
    scale = scale_for(frames[0].image, frames[0].box)
    return [
        working_frame(
            cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), frame.box, frame.points.astype(float), scale, frame.t_mono_s
        )
        for frame in frames
    ]


def planarity_of(frames: tuple[Frame, ...]) -> PlanarityResult:
    planarity = Planarity()
    return [planarity.observe(frame) for frame in worked(frames)][-1]


def assessed(frames: tuple[Frame, ...], detection: AttackDetection | None = None) -> list[AttackAssessment]:
    detection = detection or AttackDetection()
    return [detection.observe(frame.image, frame.box, frame.points, frame.t_mono_s) for frame in frames]


# ---- two views ----------------------------------------------------------------------------------------------------------


def test_a_homography_is_found_to_the_pixel() -> None:
    rng = np.random.default_rng(5)
    matrix = np.array([[1.02, 0.05, 7.0], [-0.04, 0.97, -3.0], [2e-4, -1e-4, 1.0]])
    first = rng.uniform(0, 112, (30, 2))
    second = transferred(matrix, first)
    assert np.allclose(homography(first, second), matrix, atol=1e-6)
    views = compared_views(first, second, 16)
    assert views is not None
    assert views.relief_px == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_relief_is_what_the_plane_cannot_explain(seed: int) -> None:
    """A rigid cloud of points that turns: relief about as large as its depth, noise as large as the noise put in."""
    rng = np.random.default_rng(seed)
    flat = rng.uniform(-56, 56, (60, 2))
    depth = rng.normal(0, 12, 60)
    angle = np.radians(8)
    for depths, is_plane in ((depth, False), (np.zeros(60), True)):
        turned = np.column_stack([flat[:, 0] * np.cos(angle) + depths * np.sin(angle), flat[:, 1]])
        first, second = flat + 200, turned + 200 + rng.normal(0, 0.1, flat.shape)
        views = compared_views(first, second, 16)
        assert views is not None
        assert views.noise_px < 0.3
        if is_plane:
            assert views.relief_px < 0.15
        else:
            assert 0.5 < views.relief_px < 2.5


def test_too_few_points_give_no_comparison() -> None:
    points = np.random.default_rng(0).uniform(0, 100, (12, 2))
    assert compared_views(points, points + 3, 16) is None


# ---- planarity ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("motion", ["turn", "walk"])
def test_a_head_shows_its_relief(motion: str, seed: int) -> None:
    result = planarity_of(shown("head", motion, seed))
    assert result.planarity is not None
    assert result.planarity < 0.3


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["print", "screen"])
def test_a_flat_medium_that_is_turned_stays_flat(kind: str, seed: int) -> None:
    result = planarity_of(shown(kind, "turn", seed))
    assert result.planarity is not None
    assert result.planarity > 0.8


@pytest.mark.parametrize("kind", ["head", "print", "screen"])
def test_without_motion_there_is_no_result(kind: str) -> None:
    result = planarity_of(shown(kind, "still", 1))
    assert (result.planarity, result.detail) == (None, "too_little_motion")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("focal_px", [550.0, 900.0])
def test_who_walks_and_keeps_facing_the_camera_is_not_taken_for_a_plane(focal_px: float, seed: int) -> None:
    """The picture moves a lot, but the face is seen from one side only: relief cannot show, and its absence proves nothing."""
    camera = Camera(640, 360, focal_px)
    scene = Scene("head", seed, camera)
    poses = trajectory(seed, 16, "approach", Pose(z_mm=focal_px * 1.2))
    frames = tuple(scene.frame(pose, index / 15) for index, pose in enumerate(poses))
    scores = [one.score for one in assessed(frames)]
    assert all(score is None or score < DOUBTFUL_FROM for score in scores), scores


def test_a_blank_face_has_no_corners_to_follow() -> None:
    frame = worked(shown("head", "still", 1))[0]
    blank = WorkingFrame(np.full_like(frame.grey, 128), frame.scale, frame.face, frame.points, 0.0)
    planarity = Planarity()
    results = [planarity.observe(blank) for _ in range(5)]
    assert all(result.planarity is None for result in results)
    assert results[-1].detail == "too_few_corners"


def test_what_was_seen_does_not_outlive_a_cut() -> None:
    """Relief seen on a person says nothing about the print that takes the person's place."""
    planarity = Planarity()
    head, paper = worked(shown("head", "turn", 1)), worked(shown("print", "still", 2))
    assert [planarity.observe(frame) for frame in head][-1].planarity is not None
    moved = [WorkingFrame(f.grey, f.scale, f.face, f.points, f.t_mono_s + 16 / 15) for f in paper]
    assert [planarity.observe(frame) for frame in moved][-1].planarity is None


def test_a_gap_in_time_starts_anew() -> None:
    planarity = Planarity()
    frames = worked(shown("print", "turn", 1))
    for frame in frames[:-1]:
        planarity.observe(frame)
    last = frames[-1]
    late = WorkingFrame(last.grey, last.scale, last.face, last.points, last.t_mono_s + 2.0)
    assert planarity.observe(late).planarity is None


# ---- border -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["print", "screen"])
def test_a_border_that_moves_along_is_found(kind: str, seed: int) -> None:
    border = Border()
    values = [border.observe(frame).border for frame in worked(shown(kind, "sway", seed))]
    assert max(values) > 0.9


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("motion", ["still", "turn", "sway"])
def test_a_person_before_a_room_full_of_frames_has_no_border(motion: str, seed: int) -> None:
    border = Border()
    assert max(border.observe(frame).border for frame in worked(shown("head", motion, seed))) < 0.3


@pytest.mark.parametrize("seed", SEEDS)
def test_a_border_that_has_not_moved_yet_is_only_suspected(seed: int) -> None:
    border = Border()
    values = [border.observe(frame).border for frame in worked(shown("screen", "still", seed))]
    assert 0.2 < max(values) <= 0.25
    assert all(one.score is None for one in assessed(shown("screen", "still", seed))), "it may be a door"


def test_a_poster_that_stays_when_the_face_moves_is_part_of_the_room() -> None:
    rng = np.random.default_rng(3)
    border, values = Border(), []
    room = np.full((360, 640), 150, dtype=np.uint8)
    cv2.rectangle(room, (180, 60), (460, 300), 60, 4)
    for index in range(12):
        x = 270 + 5 * index
        grey = np.clip(room + rng.normal(0, 2, room.shape), 0, 255).astype(np.uint8)
        cv2.circle(grey, (x, 180), 56, 190, -1)
        frame = worked(shown("head", "still", 1))[0]
        face = type(frame.face)(x - 56.0, 124.0, x + 56.0, 236.0)
        here = WorkingFrame(grey, 1.0, face, np.full((5, 2), float(x)), index / 15)
        assert enclosing_quadrilateral(here) is not None
        values.append(border.observe(here).border)
    assert values[-1] < 0.1


# ---- together -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_part_heads_from_flat_media(seed: int) -> None:
    head = assessed(shown("head", "turn", seed))[-1]
    assert head.score is not None
    assert head.score < DOUBTFUL_FROM
    for kind in ("print", "screen"):
        flat = assessed(shown(kind, "turn", seed))[-1]
        assert flat.score is not None
        assert flat.score >= ALARM_FROM
        assert not flat.is_rated


def test_the_first_frame_has_no_score_and_says_why() -> None:
    first = assessed(shown("head", "turn", 1)[:1])[0]
    assert (first.score, first.detail) == (None, "too_few_frames")


def test_same_frames_same_scores_and_reset_forgets() -> None:
    frames = shown("screen", "sway", 2)
    detection = AttackDetection()
    once = assessed(frames, detection)
    assert once == assessed(frames, AttackDetection())
    detection.reset()
    assert once == assessed(frames, detection)
