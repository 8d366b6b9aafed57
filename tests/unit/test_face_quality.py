"""Quality measures on drawn chips: the standard's component names, OFIQ's formulas at known points, and what cannot be assessed."""

from __future__ import annotations

import math
import time

import cv2
import numpy as np
import pytest

from models import face_quality_components as c
from models.face_quality import blockiness, face_quality
from models.results import FaceBox, HeadPose

ON_CHIP = np.array([(110.96, 46.35), (89.61, 47.9), (37.06, 46.37), (58.41, 47.91), (74.01, 87.78)])
BOX = FaceBox(520, 240, 759, 479, 1.05)
POINTS = (BOX.left_px, BOX.top_px) + (ON_CHIP - (25, 25)) * 2.4
FRAME = (1280, 720)
STRAIGHT = HeadPose(0.0, 0.0, 0.0)


def chip(level: int = 130, contrast: int = 40, seed: int = 1) -> np.ndarray:
    """A skin-coloured chip with some structure."""
    rng = np.random.default_rng(seed)
    base = np.full((150, 150, 3), (level - 25, level, level + 45), np.float64)
    base += rng.normal(0, 1, (150, 150, 1)) * contrast
    return np.clip(base, 0, 255).astype(np.uint8)


def values(picture=None, box=BOX, faces=(), pose=STRAIGHT, frame_px=FRAME, **more):
    return face_quality(chip() if picture is None else picture, POINTS, box, 1.0, frame_px, faces, pose, **more)


def test_a_good_capture_is_good_in_everything():
    found = values()
    named = {name: value for name, value in found.items() if name[0].isupper()}
    assert set(named) == {
        "SingleFacePresent", "InterEyeDistance", "LeftwardCropOfTheFaceImage", "RightwardCropOfTheFaceImage",
        "HeadPoseYaw", "HeadPosePitch", "HeadPoseRoll", "LuminanceMean", "LuminanceVariance", "DynamicRange",
        "UnderExposurePrevention", "OverExposurePrevention", "IlluminationUniformity", "NaturalColour",
    }  # fmt: skip
    assert all(0 <= value <= 100 for value in named.values())
    assert min(named.values()) > 60, named
    assert {"inter_eye_distance_px", "face_width_px", "luminance_mean", "sharpness_laplacian", "detection_score"} < set(
        found
    )
    assert found["face_width_px"] == 240
    assert found["horizontal_centre_ratio"] == 0.5
    assert found["vertical_centre_ratio"] == 0.5


def test_formulas_at_their_turning_points():
    assert c.mapped(70, h=100, x0=70, w=20) == 50
    assert c.inter_eye_distance(70, STRAIGHT) == 50
    assert c.inter_eye_distance(35, HeadPose(60, 0, 0)) == 50, "half as wide at 60 degrees of yaw"
    assert c.crops(((90, 0), (190, 0)), 100, (290, 100)) == (50, pytest.approx(73.1, abs=0.1))
    assert c.head_pose_component(60.0) == 25
    assert c.head_pose_component(120.0) == 0
    assert c.single_face_present([FaceBox(0, 0, 99, 99, 1), FaceBox(0, 0, 49, 49, 1)]) == 75
    one_level = np.zeros(256)
    one_level[51] = 1.0
    flat = c.luminance_components(one_level)
    assert flat["LuminanceMean"] == 50, "a mean of 0.2 lies at the edge"
    assert flat["LuminanceVariance"] == flat["DynamicRange"] == 0
    every_level = np.full(256, 1 / 256)
    assert c.luminance_components(every_level)["DynamicRange"] == 100
    bright = np.zeros(256)
    bright[[100, 250]] = 0.99, 0.01
    assert c.luminance_components(bright)["OverExposurePrevention"] == 50
    assert c.sigmoid(-1e6) == 0
    assert c.sigmoid(1e6) == 1


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("UnderExposurePrevention", chip(level=28, contrast=4) // 4),
        ("OverExposurePrevention", chip(level=250, contrast=2)),
        ("LuminanceMean", chip(level=26, contrast=3)),
        ("NaturalColour", chip()[:, :, ::-1].copy()),
    ],
)
def test_each_fault_lowers_its_component(name, picture):
    assert values(picture)[name] < 50 < values()[name]


def test_light_from_one_side_lowers_uniformity():
    picture = chip(contrast=4)
    picture[:, :75] //= 3
    assert values(picture)["IlluminationUniformity"] < 20 < 80 < values(chip(contrast=40))["IlluminationUniformity"]


def test_what_cannot_be_assessed_is_minus_one_and_not_zero():
    blind = values(pose=None, frame_px=(0, 0))
    for name in (
        "HeadPoseYaw", "HeadPosePitch", "HeadPoseRoll", "InterEyeDistance", "LeftwardCropOfTheFaceImage",
        "RightwardCropOfTheFaceImage", "face_width_ratio", "vertical_centre_ratio", "blockiness",
    ):  # fmt: skip
        assert blind[name] == c.NOT_ASSESSED, name
    grey = cv2.cvtColor(cv2.cvtColor(chip(), cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert values(grey)["NaturalColour"] == c.NOT_ASSESSED


def test_landmarks_of_a_halved_part_are_put_back_into_the_image():
    whole = values()
    origin = (200, 100)
    halved = face_quality(chip(), (POINTS - origin) / 2, BOX, 0.5, FRAME, (), STRAIGHT, part_origin_px=origin)
    for name in ("inter_eye_distance_px", "LeftwardCropOfTheFaceImage", "RightwardCropOfTheFaceImage"):
        assert halved[name] == pytest.approx(whole[name], abs=0.2)


def test_a_face_at_the_edge_is_cropped_on_that_side():
    moved = POINTS - (POINTS[:, 0].min() - 5, 0)
    found = face_quality(chip(), moved, BOX, 1.0, FRAME)
    assert found["LeftwardCropOfTheFaceImage"] < 20 < 90 < found["RightwardCropOfTheFaceImage"]


def test_blur_and_blocks_are_seen():
    sharp, soft = chip(), cv2.GaussianBlur(chip(), (9, 9), 3)
    assert values(soft)["sharpness_laplacian"] < values(sharp)["sharpness_laplacian"] / 5
    rng = np.random.default_rng(3)
    smooth = cv2.GaussianBlur(rng.integers(0, 255, (720, 1280, 3), dtype=np.uint8), (31, 31), 6)
    smooth = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)
    coarse = cv2.imdecode(cv2.imencode(".jpg", smooth, [cv2.IMWRITE_JPEG_QUALITY, 6])[1], cv2.IMREAD_COLOR)
    assert 0.9 < blockiness(smooth, BOX) < 1.1
    assert blockiness(coarse, BOX) > 1.5 * blockiness(smooth, BOX)
    assert blockiness(smooth, FaceBox(0, 0, 9, 9, 1)) == c.NOT_ASSESSED
    assert blockiness(smooth, FaceBox(-500, -500, -300, -300, 1)) == c.NOT_ASSESSED
    assert blockiness(np.zeros((720, 1280, 3), np.uint8), BOX) == c.NOT_ASSESSED


def test_all_of_it_takes_less_than_a_millisecond():
    frame = np.zeros((720, 1280, 3), np.uint8)
    picture, took_s = chip(), math.inf
    for _ in range(200):
        begun_s = time.process_time()
        values(picture, frame=frame)
        took_s = min(took_s, time.process_time() - begun_s)
    assert took_s < 1e-3


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((1, 0, 0), (80.09, 67.20)), ((0, 1, 0), (-86.18, 83.18)), ((0, 0, 1), (79.19, -107.86)),
        ((1, 1, 0), (-21.55, 94.48)), ((0.5, 0.5, 0.5), (0, 0)), ((0, 0, 0), (0, 0)),
    ],
)  # fmt: skip
def test_colours_of_the_srgb_primaries_are_those_of_the_published_tables(colour, expected):
    assert c.lab_colour(*colour) == pytest.approx(expected, abs=0.02)
