"""Our detector, landmarks, chip and features beside dlib's own objects on the same weights, and known distances of public portraits."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from gate_agent.cache import cache_folder, models_folder
from models.catalogue import arrays_of, content_of, ensure
from models.conversion.convert import weights_folder
from models.face_alignment import aligned_chip
from models.face_chain import FaceChain
from models.face_detector import FaceDetector, tile_layout
from models.face_landmarks import FaceLandmarks
from models.face_sampling import FaceSampler
from models.face_scaling import detection_scale
from models.manifest import Role
from models.results import FaceBox, FaceFinding
from models.session import Session
from models.slots.alignment import halved_around
from models.slots.embedder import Embedder

PORTRAITS = ("obama", "obama2", "obama3", "biden")


@pytest.fixture(scope="module")
def models():
    return ensure(models_folder(), lambda *_: None)


@pytest.fixture(scope="module")
def chain(models):
    return (
        FaceDetector(Session(content_of(models[Role.DETECTOR]))),
        FaceLandmarks(arrays_of(models[Role.LANDMARKS])),
        Embedder(models[Role.EMBEDDER].manifest, content_of(models[Role.EMBEDDER])),
    )


@pytest.fixture(scope="module")
def portraits():
    pictures = {}
    for name in PORTRAITS:
        path = cache_folder() / "portraits" / f"{name}.jpg"
        if not path.is_file():
            pytest.skip(f"{path} is missing; the set-up fetches the test portraits")
        pictures[name] = cv2.imread(str(path))
    return pictures


@pytest.fixture(scope="module")
def peer():
    dlib = pytest.importorskip("dlib", reason="dlib-bin is not installed")
    folder = weights_folder()
    return (
        dlib,
        dlib.cnn_face_detection_model_v1(str(folder / "mmod_human_face_detector.dat")),
        dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat")),
        dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat")),
    )


def small(picture, side=480):
    scale = side / max(picture.shape[:2])
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def rgb(picture):
    return np.ascontiguousarray(picture[:, :, ::-1])


def edges(box):
    return box.left_px, box.top_px, box.right_px, box.bottom_px


def test_tile_of_a_250_px_picture_has_the_documented_size():
    width, height, places = tile_layout(250, 250)
    assert (width, height) == (272, 957)
    assert places[0] == (11, 11, 250, 250)
    cells = np.zeros((height, width), np.uint8)
    for left, top, columns, rows in places:
        cells[top : top + rows, left : left + columns] += 1
    assert cells.max() == 1  # levels never overlap


@pytest.mark.peer
@pytest.mark.portraits
@pytest.mark.weights
@pytest.mark.parametrize("name", PORTRAITS)
def test_detections_are_dlibs(chain, portraits, peer, name):
    picture = small(portraits[name], 320)
    # also with the face cut by the left and top edge, where boxes have negative edges that end in a half
    found = chain[0].detect(small(portraits[name], 480))[0]
    whole = small(portraits[name], 480)
    cut = np.ascontiguousarray(whole[found.top_px + 7 :, found.left_px + 9 :][:240, :240])
    for image in (picture, cut):
        ours, theirs = chain[0].detect(image), peer[1](rgb(image), 0)
        assert [edges(box) for box in ours] == [
            (one.rect.left(), one.rect.top(), one.rect.right(), one.rect.bottom()) for one in theirs
        ]
        for box, one in zip(ours, theirs, strict=True):
            assert box.score == pytest.approx(one.confidence, abs=1e-5)
    assert chain[0].detect(picture) or chain[0].detect(small(portraits[name]))


@pytest.mark.peer
@pytest.mark.portraits
@pytest.mark.weights
@pytest.mark.parametrize("name", PORTRAITS)
def test_landmarks_chip_and_features_are_dlibs(chain, portraits, peer, name):
    dlib, _, predictor, network = peer
    _, landmarks, embedder = chain
    base = small(portraits[name])
    box = chain[0].detect(base)[0]
    for factor, turn in itertools.product((1, 2.5, 5), (0, 25)):  # 5: two pyramid levels
        centre = ((box.left_px + box.right_px) / 2, (box.top_px + box.bottom_px) / 2)
        turned = cv2.warpAffine(base, cv2.getRotationMatrix2D(centre, turn, 1), base.shape[1::-1])
        image = cv2.resize(turned, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
        scaled = FaceBox(*(round(edge * factor) for edge in edges(box)), box.score)
        ours = landmarks.locate(image, scaled)
        shape = predictor(rgb(image), dlib.rectangle(*edges(scaled)))
        assert ours.tolist() == [[shape.part(i).x, shape.part(i).y] for i in range(5)]
        chip = aligned_chip(image, ours)
        theirs = dlib.get_face_chip(rgb(image), shape)
        assert (rgb(chip) == theirs).all()
        difference = embedder.embed([chip])[0] - np.array(network.compute_face_descriptor(theirs))
        assert np.abs(difference).max() < 1e-6
        assert np.linalg.norm(difference) < 3e-6


@pytest.mark.weights
def test_boxes_beyond_the_picture_are_no_fault(chain):
    picture = np.random.default_rng(3).integers(0, 256, (120, 90, 3), dtype=np.uint8)
    for box in (FaceBox(-60, -70, 40, 30, 0), FaceBox(60, 80, 200, 220, 0), FaceBox(500, 500, 600, 600, 0)):
        points = chain[1].locate(picture, box)
        assert aligned_chip(picture, points).shape == (150, 150, 3)


@pytest.mark.portraits
@pytest.mark.weights
def test_mated_and_non_mated_distances_of_public_portraits(models, portraits):
    sampler = FaceSampler(FaceChain(models.values()))
    features = {}
    for name, picture in portraits.items():
        look = sampler.sample(picture)
        sample, portrait = look.sample, look.portrait_jpeg
        assert sample.finding is FaceFinding.FOUND, name
        assert np.linalg.norm(sample.features) == pytest.approx(1, abs=1e-5)
        assert sample.quality["inter_eye_distance_px"] > 90
        assert cv2.imdecode(np.frombuffer(portrait, np.uint8), cv2.IMREAD_COLOR).shape == (320, 240, 3)
        features[name] = sample.features
    for first, second in itertools.combinations(PORTRAITS, 2):
        distance = float(np.linalg.norm(features[first] - features[second]))
        if "biden" in (first, second):
            assert 0.55 < distance < 0.68
        else:
            assert 0.2 < distance < 0.31


@pytest.mark.portraits
@pytest.mark.weights
def test_no_face_several_faces_and_tiny_pictures(models, portraits):
    sampler = FaceSampler(FaceChain(models.values()))
    blank = sampler.sample(np.full((720, 1280, 3), 90, np.uint8)).sample
    assert (blank.finding, blank.features, blank.box) == (FaceFinding.NOT_FOUND, None, None)
    two = np.full((720, 1280, 3), 90, np.uint8)
    for name, left, side in (("obama", 40, 720), ("biden", 700, 1700)):
        head = small(portraits[name], side)[:720, :570]
        two[: head.shape[0], left : left + head.shape[1]] = head
    look = sampler.sample(two)
    several, portrait = look.sample, look.portrait_jpeg
    assert (several.finding, several.features) == (FaceFinding.SEVERAL, None)
    assert portrait is not None
    tiny = sampler.sample(np.zeros((8, 2000, 3), np.uint8)).sample
    assert tiny.finding is FaceFinding.NOT_FOUND


def test_scaling_rule():
    assert detection_scale(1280, 720, 120) == 0.5
    assert detection_scale(250, 250, 120) == pytest.approx(1.44)
    assert detection_scale(40, 40, 120) == 4
    width, height = 60_000, 60
    scale = detection_scale(width, height, 120)
    assert width * height * scale**2 <= 2.5 * 360**2 + 1


@pytest.mark.portraits
def test_large_faces_are_halved_with_their_box(portraits):
    picture = cv2.resize(portraits["obama"], None, fx=4, fy=4)
    box = FaceBox(1404, 576, 2375, 1547, 1.0)
    part, moved, scale = halved_around(picture, box)
    assert scale == 0.25
    assert moved.right_px - moved.left_px + 1 == pytest.approx(243, abs=1)
    direct = cv2.resize(picture[box.top_px : box.bottom_px + 1, box.left_px : box.right_px + 1], (243, 243))
    seen = cv2.resize(part[moved.top_px : moved.bottom_px + 1, moved.left_px : moved.right_px + 1], (243, 243))
    assert np.abs(direct.astype(int) - seen).mean() < 4


@pytest.mark.portraits
@pytest.mark.weights
def test_a_view_of_a_larger_picture_gives_the_same_points_and_chip(chain, portraits):
    picture = small(portraits["obama"])
    box = chain[0].detect(picture)[0]
    points = chain[1].locate(picture, box)
    padded = np.full((picture.shape[0] + 30, picture.shape[1] + 50, 3), 77, np.uint8)
    view = padded[10 : 10 + picture.shape[0], 20 : 20 + picture.shape[1]]
    view[:] = picture
    assert (chain[1].locate(view, box) == points).all()
    assert (aligned_chip(view, points) == aligned_chip(picture, points)).all()
