"""Head pose from five points: the mean face, turned by known angles and projected, comes back with those angles."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from models.face_pose import MEAN_FACE_MM, head_pose, pose_of, rotation_of
from models.results import HeadPose

FRAME = (1280, 720)


def projected(pose: HeadPose, *, distance_mm: float = 700.0, frame_px=FRAME, aside_deg: float = 0.0) -> np.ndarray:
    """The five points of a mean face as a camera of one frame width sees them; `aside_deg` turns the line of sight."""
    points = (MEAN_FACE_MM - MEAN_FACE_MM.mean(axis=0)) @ rotation_of(pose).T + (0, 0, distance_mm)
    sight = rotation_of(HeadPose(-aside_deg, 0, 0))
    points = points @ sight.T
    return points[:, :2] / points[:, 2:] * frame_px[0] + np.array(frame_px) / 2


@pytest.mark.parametrize("yaw", [-40, -20, 0, 15, 35])
@pytest.mark.parametrize("pitch", [-25, -10, 0, 10, 25])
def test_known_angles_come_back(yaw, pitch):
    for roll, distance in itertools.product((-30, 0, 20), (500, 900)):
        found = head_pose(projected(HeadPose(yaw, pitch, roll), distance_mm=distance), FRAME)
        assert found is not None
        assert abs(found.yaw_deg - yaw) < 3, (roll, distance, found)
        assert abs(found.pitch_deg - pitch) < 3, (roll, distance, found)
        assert abs(found.roll_deg - roll) < 3, (roll, distance, found)


def test_signs_are_the_persons_own():
    straight = projected(HeadPose(0, 0, 0))
    to_his_left = projected(HeadPose(20, 0, 0))
    assert to_his_left[4, 0] > straight[4, 0], "the camera sees his left on the right of its image"
    assert projected(HeadPose(0, 20, 0))[4, 1] < straight[4, 1], "a face that looks up has its nose higher"
    tilted = projected(HeadPose(0, 0, 20))
    assert tilted[2:4, 1].mean() > tilted[0:2, 1].mean(), "tilted to his right, his right eye is lower"


def test_a_face_that_looks_into_the_lens_is_frontal_wherever_it_stands():
    for aside in (-18.0, 18.0):
        found = head_pose(projected(HeadPose(0, 0, 0), aside_deg=aside), FRAME)
        assert found is not None
        assert abs(found.yaw_deg) < 3


def test_pixels_and_rounding_move_little():
    found = head_pose(projected(HeadPose(12, -6, 4)).round(), FRAME)
    assert found is not None
    assert abs(found.yaw_deg - 12) < 4
    assert found == head_pose(projected(HeadPose(12, -6, 4)).round(), FRAME), "the same points, the same pose"
    unknown = head_pose(projected(HeadPose(12, -6, 4), distance_mm=3000), (0, 0))
    assert unknown is not None
    assert abs(unknown.yaw_deg - 12) < 4


def test_a_mirrored_face_turns_the_other_way():
    points = projected(HeadPose(25, 5, 8))
    mirrored = points.copy()
    mirrored[:, 0] = FRAME[0] - mirrored[:, 0]
    one, other = head_pose(points, FRAME), head_pose(mirrored[[2, 3, 0, 1, 4]], FRAME)
    assert one is not None
    assert other is not None
    assert math.isclose(one.yaw_deg, -other.yaw_deg, abs_tol=0.5)
    assert math.isclose(one.roll_deg, -other.roll_deg, abs_tol=0.5)
    assert math.isclose(one.pitch_deg, other.pitch_deg, abs_tol=0.5)


def test_points_that_are_no_face():
    assert head_pose(np.zeros((5, 2)), FRAME) is None
    assert head_pose(np.full((5, 2), 300.0), FRAME) is None
    for wrong in (np.zeros((4, 2)), np.zeros((5, 3)), np.full((5, 2), np.nan)):
        with pytest.raises(ValueError, match="five points"):
            head_pose(wrong, FRAME)


def test_rotation_and_pose_are_inverse():
    for angles in itertools.product((-50, 0, 30), (-40, 0, 20), (-60, 0, 45)):
        pose = HeadPose(*map(float, angles))
        again = pose_of(rotation_of(pose))
        assert [again.yaw_deg, again.pitch_deg, again.roll_deg] == pytest.approx(angles, abs=0.11)
