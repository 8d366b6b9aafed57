"""An operator's models plug in by manifest alone: the layouts are decoded right, and what does not fit is refused by name."""

from __future__ import annotations

import cv2
import numpy as np
import onnx
import pytest

from models.errors import CatalogueFault
from models.face_scaling import detection_scale
from models.manifest import parse_manifest
from models.results import DetectedFace, FaceBox
from models.session import Session
from models.slots.alignment import TemplateAligner
from models.slots.attack_models import AttackModel, AttackNetwork, crop_around
from models.slots.chip_scores import MorphModel, QualityModel
from models.slots.embedder import Embedder
from models.slots.network import network_input
from models.slots.yunet_detector import POINTS, YunetDetector
from tests.unit import tiny_models as tiny


def detector(sides=(None, None), size=0, expected_face_px=120):
    content = tiny.yunet(sides)
    return YunetDetector(parse_manifest(tiny.yunet_manifest(content, size), "y.toml"), content, expected_face_px)


def unscaled(image):
    """An expected width at which an image is searched as it is."""
    return min(image.shape[:2]) // 3


# ---- detectors of the YuNet layout --------------------------------------------------------------------------------------


def test_a_face_is_found_where_the_network_says_with_its_five_points():
    image = tiny.scene([(14, 12)], width=324, height=255)  # no multiple of 32: padded below and to the right
    assert detection_scale(324, 255, 85) == 1
    (face,) = detector(expected_face_px=85).found(image)
    left, top, width, height = tiny.expected_box(14, 12)
    assert (face.box.left_px, face.box.top_px) == (left, top)
    assert (face.box.right_px - left + 1, face.box.bottom_px - top + 1) == (width, height)
    assert face.box.score == pytest.approx(1, abs=1e-6)
    assert tuple(face.points) == POINTS == ("right_eye", "left_eye", "nose_tip", "mouth_right", "mouth_left")
    for name, (x, y) in zip(POINTS, tiny.YUNET_POINTS, strict=True):
        assert face.points[name] == pytest.approx((8 * (14 + x), 8 * (12 + y)), abs=1e-4)


def test_decoding_is_that_of_opencv(tmp_path):
    image = tiny.scene([(5, 6), (7, 6), (25, 20), (31, 4)])
    image[8 * 28 : 8 * 29, 8 * 10 : 8 * 11] = 240  # a weaker face: class 0.96, objectness 0.9216
    path = tmp_path / "yunet.onnx"
    path.write_bytes(tiny.yunet((256, 320)))  # OpenCV wants to know the size
    theirs = cv2.FaceDetectorYN.create(str(path), "", (320, 256), 0.9, 0.3, 5000).detect(image)[1]
    ours = detector(expected_face_px=unscaled(image)).found(image[:255])  # 255 / 3 is whole; padding restores row 256
    rows = [[face.box.left_px, face.box.top_px, *np.ravel(list(face.points.values())), face.box.score] for face in ours]
    assert len(theirs) == len(rows) == 4  # (5, 6) and (7, 6) overlap: one of them stays
    expected = theirs[:, [0, 1, *range(4, 15)]]
    assert np.allclose(sorted(map(tuple, rows)), sorted(map(tuple, expected.tolist())), atol=1e-3)


def test_boxes_and_points_come_back_in_pixels_of_the_image():
    image = cv2.resize(tiny.scene([(20, 15)], 320, 240), None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    (face,) = detector(expected_face_px=80).found(image)  # searched at a third
    left, top, width, _ = (3 * value for value in tiny.expected_box(20, 15))
    assert (face.box.left_px, face.box.top_px) == (left, top)
    assert face.box.right_px - face.box.left_px + 1 == width
    assert face.points["nose_tip"] == pytest.approx((3 * 8 * 20.5, 3 * 8 * 15.5), abs=1e-3)


def test_a_fixed_input_gets_the_whole_image_scaled_into_its_corner():
    image = cv2.resize(tiny.scene([(20, 10)], 256, 128), None, fx=5, fy=5, interpolation=cv2.INTER_NEAREST)
    (face,) = detector((256, 256), 256, expected_face_px=400).found(image)  # 1280 x 640 into 256 x 256
    left, top, width, _ = (5 * value for value in tiny.expected_box(20, 10))
    assert (face.box.left_px, face.box.top_px) == (left, top)
    assert face.box.right_px - face.box.left_px + 1 == width


def test_looking_near_a_place_finds_that_face_in_pixels_of_the_image_and_no_other():
    image = tiny.scene([(14, 12), (60, 40)], 640, 480)
    finder = detector(expected_face_px=160)
    first, second = sorted(finder.found(image), key=lambda face: face.box.left_px)
    for face in (first, second):
        box = face.box
        moved = FaceBox(
            box.left_px + 12, box.top_px - 12, box.right_px + 12, box.bottom_px - 12, 0.9
        )  # the part starts on a cell
        assert finder.found_near(image, moved, 0.5) == [face]
    assert finder.found_near(image, FaceBox(300, 200, 347, 263, 0.9), 0.5) == []
    larger = FaceBox(box.left_px - 60, box.top_px - 60, box.right_px + 60, box.bottom_px + 60, 0.9)
    assert finder.found_near(image, larger, 0.5) == []
    assert finder.found_near(image, FaceBox(900, 900, 950, 950, 0.9), 0.5) == []


def test_a_neighbour_in_the_same_part_is_not_taken_for_the_face_looked_for():
    image = tiny.scene([(14, 12), (20, 12)], 640, 480)
    finder = detector(expected_face_px=160)
    faces = sorted(finder.found(image), key=lambda face: face.box.left_px)
    assert [face.box.left_px for face in faces] == [92, 140]
    assert finder.found_near(image, FaceBox(104, 56, 151, 119, 0.9), 0.5) == faces[:1]
    assert sorted(finder.found_near(image, FaceBox(104, 56, 151, 119, 0.9), 0.83), key=lambda f: f.box.left_px) == faces


def test_nothing_on_an_empty_picture_or_a_tiny_one():
    assert detector().found(np.zeros((240, 320, 3), np.uint8)) == []
    assert detector().found(np.full((8, 400, 3), 255, np.uint8)) == []


@pytest.mark.parametrize(
    ("content", "size", "words"),
    [
        (tiny.yunet(without=("kps_16",)), 0, "no output 'kps_16'"),
        (tiny.yunet(box_values=3), 0, "bbox_8 as .*, not with 4 values"),
        (tiny.yunet((640, 640)), 0, r"takes 1x3x640x640; the manifest states \[None, None\]"),
        (tiny.yunet((100, 100)), 100, "no multiple of 32"),
        (tiny.embedder(), 112, "no input 'input'; it has chip"),
        (b"no model at all", 0, "cannot be loaded"),
    ],
)
def test_detectors_of_another_layout_are_refused(content, size, words):
    with pytest.raises(CatalogueFault, match=words) as refusal:
        YunetDetector(parse_manifest(tiny.yunet_manifest(content, size), "y.toml"), content)
    assert refusal.value.code in {"MD-CAT-004", "MD-CAT-010"}
    assert "tiny-yunet" in str(refusal.value)


# ---- embedders ----------------------------------------------------------------------------------------------------------


def arcface(**changes):
    content = tiny.embedder(
        changes.get("side", 112), batch=changes.pop("batch", None), layout=changes.get("layout", "NCHW")
    )
    return Embedder(parse_manifest(tiny.embedder_manifest(content, **changes), "e.toml"), content)


@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_chips_reach_the_network_in_its_layout_colour_order_and_range(batch, layout):
    chips = np.random.default_rng(1).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    features = arcface(batch=batch, layout=layout).embed(list(chips))
    planes = (chips[:, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float64) - 127.5) / 127.5  # RGB, (x - 127.5) / 127.5
    expected = planes.reshape(3, 3, 4, 28, 4, 28).mean(axis=(3, 5)).reshape(3, 48)
    assert features.dtype == np.float32
    assert np.allclose(features, expected, atol=1e-5)
    assert arcface().embed([]).shape == (0, 48)


def test_the_value_range_divides_before_mean_and_scale():
    content = tiny.embedder()
    text = tiny.embedder_manifest(content).replace("range = [0, 255]", "range = [0, 1]")
    text = text.replace("mean = 127.5", "mean = [0.1, 0.2, 0.3]").replace(f"scale = {1 / 127.5}", "scale = [2, 4, 8]")
    layout = parse_manifest(text, "e.toml").input
    values = network_input([np.full((112, 112, 3), (51, 102, 204), np.uint8)], layout)
    assert values[0, :, 0, 0] == pytest.approx([(0.8 - 0.1) * 2, (0.4 - 0.2) * 4, (0.2 - 0.3) * 8], abs=1e-5)


def test_the_chip_puts_the_points_where_the_template_has_them():
    content = tiny.embedder()
    alignment = parse_manifest(tiny.embedder_manifest(content), "e.toml").alignment
    aligner = TemplateAligner(alignment, POINTS, "tiny-yunet")
    template = np.array(list(tiny.ARCFACE_TEMPLATE.values()))
    for scale, angle, shift in ((1.0, 0.0, (0, 0)), (0.7, 0.4, (90, 20)), (1.7, -0.6, (40, 150)), (5.3, 0.2, (60, 40))):
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        places = template @ turn.T + shift
        rows, columns = np.mgrid[0:720, 0:720]
        spread = 2 * (2 * scale) ** 2
        light = sum(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / spread) for x, y in places)
        image = np.repeat(np.minimum(light * 255, 255).astype(np.uint8)[:, :, None], 3, axis=2)
        face = DetectedFace(FaceBox(0, 0, 1, 1, 1.0), dict(zip(tiny.ARCFACE_TEMPLATE, places.tolist(), strict=True)))
        aligned = aligner.aligned(image, face)
        assert aligned.chip.shape == (112, 112, 3)
        assert np.array_equal(aligned.points, places)
        for x, y in template:
            spot = aligned.chip[round(y) - 8 : round(y) + 9, round(x) - 8 : round(x) + 9, 0].astype(float)
            rows, columns = np.mgrid[round(y) - 8 : round(y) + 9, round(x) - 8 : round(x) + 9]
            centre = (spot * columns).sum() / spot.sum(), (spot * rows).sum() / spot.sum()
            assert centre == pytest.approx((x, y), abs=0.1), (scale, angle)


def test_an_embedder_that_needs_points_which_the_detector_lacks_is_refused():
    alignment = parse_manifest(tiny.embedder_manifest(tiny.embedder()), "e.toml").alignment
    with pytest.raises(CatalogueFault, match=r"tiny-mmod does not give right_eye, left_eye, .*YuNet") as refusal:
        TemplateAligner(alignment, (), "tiny-mmod")
    assert refusal.value.code == "MD-CAT-012"
    face = DetectedFace(FaceBox(0, 0, 9, 9, 1.0), {"right_eye": (1.0, 1.0)})
    with pytest.raises(CatalogueFault, match="without its left_eye"):
        TemplateAligner(alignment, POINTS, "y").aligned(np.zeros((99, 99, 3), np.uint8), face)


@pytest.mark.parametrize(
    ("content", "changes", "words"),
    [
        (tiny.embedder(), {"dimension": 512}, "answers 48 values; the manifest states 512"),
        (tiny.embedder(layout="NHWC"), {}, "not three channels in layout NCHW"),
        (tiny.embedder(), {"layout": "NHWC"}, "not three channels in layout NHWC"),
        (tiny.embedder(96), {}, r"takes \?x3x96x96; the manifest states \[112, 112\]"),
        (tiny.minifasnet(112), {"dimension": 3}, "no input 'chip'"),
        (tiny.yunet(), {}, "no input 'chip'"),
    ],
)
def test_embedders_that_are_not_what_the_manifest_says_are_refused(content, changes, words):
    with pytest.raises(CatalogueFault, match=words):
        Embedder(parse_manifest(tiny.embedder_manifest(content, **changes), "e.toml"), content)


def test_a_dimension_that_only_shows_when_run_is_refused_then():
    model = onnx.load_model_from_string(tiny.embedder())
    sliced = model.graph.node.pop()
    assert sliced.op_type == "Slice"
    model.graph.node.append(onnx.helper.make_node("Compress", ["all", "kept"], ["features"], axis=1))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.arange(48) % 2 == 0, "kept"))
    model.graph.output[0].type.tensor_type.shape.dim[1].Clear()
    content = model.SerializeToString()
    embedder = Embedder(parse_manifest(tiny.embedder_manifest(content), "e.toml"), content)
    with pytest.raises(CatalogueFault, match="answers 24 values; the manifest states 48"):
        embedder.embed([np.zeros((112, 112, 3), np.uint8)])


def test_sface_runs_by_manifest_alone():
    """112 x 112 BGR 0-255 as it is, and a shorter vector."""
    content = tiny.embedder(dimension=40)
    text = tiny.embedder_manifest(content, model_id="tiny-sface", dimension=40).replace('"RGB"', '"BGR"')
    text = text.replace("mean = 127.5", "mean = 0").replace(f"scale = {1 / 127.5}", "scale = 1")
    chip = np.random.default_rng(2).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    (features,) = Embedder(parse_manifest(text, "s.toml"), content).embed([chip])
    expected = chip.transpose(2, 0, 1).astype(np.float64).reshape(3, 4, 28, 4, 28).mean(axis=(2, 4)).ravel()[:40]
    assert np.allclose(features, expected, atol=1e-3)


def test_answers_that_are_no_numbers_are_refused():
    model = onnx.load_model_from_string(tiny.embedder())
    model.graph.node[-1].output[0] = "signed"
    model.graph.node.append(onnx.helper.make_node("Sqrt", ["signed"], ["features"]))
    content = model.SerializeToString()
    network = Embedder(parse_manifest(tiny.embedder_manifest(content), "e.toml"), content)
    assert network.embed([np.full((112, 112, 3), 255, np.uint8)]).shape == (1, 48)
    with pytest.raises(CatalogueFault, match="answers values that are no numbers"):
        network.embed([np.zeros((112, 112, 3), np.uint8)])


# ---- attack detectors of the MiniFASNet layout --------------------------------------------------------------------------


def attack_network(**changes):
    content = tiny.minifasnet()
    return AttackNetwork(parse_manifest(tiny.attack_manifest(content, **changes), "a.toml"), content)


def picture(face, surround, far):
    """A picture 400 x 300: `face` fills a box, `surround` reaches to 2.7 times of it, `far` beyond."""
    image = np.full((300, 400, 3), far, np.uint8)
    image[150 - 81 : 150 + 81, 200 - 81 : 200 + 81] = surround
    image[120:180, 170:230] = face
    return image, FaceBox(170, 120, 229, 179, 1.0)


GREEN, RED = (0, 255, 0), (0, 0, 255)


def test_the_score_is_one_minus_the_mean_bona_fide_probability():
    image, box = picture(GREEN, GREEN, RED)
    near, far = attack_network(), attack_network(model_id="tiny-fas-4.0", crop_scale=4.0)
    model = AttackModel([near, far], is_rated=False)
    share = 162 * 162 / (240 * 240)  # of the wider crop that is green
    logits = np.array([0, share * 255 / 32, (1 - share) * 255 / 32])
    wide = np.exp(logits[1]) / np.exp(logits).sum()
    narrow = np.exp(255 / 32) / (np.exp(255 / 32) + 2)
    assert model.score(image, box) == pytest.approx(1 - (wide + narrow) / 2, abs=0.02)
    assert near.bona_fide_probability(image, box) == pytest.approx(narrow, abs=0.01)
    assert model.model_id == "tiny-fas-2.7+tiny-fas-4.0"
    assert model.applies_to == ("print", "screen")
    assert not model.is_rated
    assert AttackModel([near], is_rated=False).score(*picture(RED, RED, GREEN)) > 0.99
    assert AttackModel([attack_network(live_index=2)], is_rated=True).score(*picture(RED, RED, GREEN)) < 0.01


@pytest.mark.parametrize(
    ("box", "corner", "size"),
    [
        ((170, 120, 229, 179), (119, 69), (163, 163)),  # the middle
        ((0, 0, 59, 59), (0, 0), (163, 163)),  # moved inside at left and top
        ((340, 240, 399, 299), (237, 137), (163, 163)),  # and at right and bottom
        ((100, 50, 299, 249), (50, 0), (300, 300)),  # shrunk: higher than the picture
    ],
)
def test_crops_keep_their_scale_and_stay_inside(box, corner, size):
    rows, columns = np.mgrid[0:300, 0:400]
    image = np.stack((columns % 256, rows % 256, columns // 256), axis=2).astype(np.uint8)
    crop = crop_around(image, FaceBox(*box, 1.0), 2.7)
    assert crop.shape[:2] == pytest.approx(size, abs=1)
    left, top = int(crop[0, 0, 0]) + 256 * int(crop[0, 0, 2]), int(crop[0, 0, 1]) + 0
    assert (left, top) == pytest.approx(corner, abs=1)


@pytest.mark.parametrize("box", [(-90, 0, -10, 79), (400, 10, 460, 70), (10, 300, 60, 350), (50, 50, 49, 80)])
def test_a_box_outside_the_picture_gives_no_result(box):
    image, _ = picture(GREEN, GREEN, GREEN)
    assert AttackModel([attack_network()], is_rated=False).score(image, FaceBox(*box, 1.0)) is None


def test_one_network_without_a_crop_leaves_the_whole_ensemble_without_a_result():
    image, _ = picture(GREEN, GREEN, GREEN)
    close = attack_network(model_id="close", crop_scale=1.0)
    model = AttackModel([close, attack_network(model_id="far", crop_scale=4.0)], is_rated=False)
    assert model.score(image, FaceBox(170, 120, 229, 179, 1.0)) is not None
    assert model.score(image, FaceBox(170, 120, 179, 129, 1.0)) is None  # ten pixels are nothing to look at


def test_detectors_that_do_not_belong_together_are_refused():
    other = attack_network(model_id="other", ensemble="another")
    with pytest.raises(CatalogueFault, match=r"tiny-fas-2\.7, other"):
        AttackModel([attack_network(), other], is_rated=False)
    with pytest.raises(CatalogueFault, match="no class 7 among 3"):
        attack_network(live_index=7)


# ---- quality and morphs -------------------------------------------------------------------------------------------------


def test_quality_and_morph_scores_come_as_shares_of_their_range():
    content = tiny.brightness()
    quality = QualityModel(parse_manifest(tiny.quality_manifest(content), "q.toml"), content)
    assert quality.score(np.full((64, 64, 3), 51, np.uint8)) == pytest.approx(0.2, abs=1e-5)
    content = tiny.difference()
    morph = MorphModel(parse_manifest(tiny.morph_manifest(content), "m.toml"), content)
    one, other = np.full((64, 64, 3), 200, np.uint8), np.full((64, 64, 3), 149, np.uint8)
    assert morph.score(one, other) == pytest.approx(0.2, abs=1e-5)
    assert morph.score(one, one) == 0
    content = tiny.brightness()
    with pytest.raises(CatalogueFault, match="no input 'reference'"):
        MorphModel(parse_manifest(tiny.morph_manifest(content), "m.toml"), content)


# ---- what a hash does not cover -----------------------------------------------------------------------------------------


def test_weights_outside_the_hashed_file_are_refused(tmp_path, monkeypatch):
    weights = onnx.numpy_helper.from_array(np.ones((4, 300), np.float32), "w")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["w", "x"], ["y"])],
        "outside",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [300, 1])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [4, 1])],
        [weights],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    path = tmp_path / "outside.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").stat().st_size == 4800
    monkeypatch.chdir(tmp_path)  # where they would be found
    with pytest.raises(CatalogueFault, match="cannot be loaded"):
        Session(path.read_bytes())
