"""The embedder in 8-bit integers: built from committed ranges without pictures, near to fp32 and never taken for it."""

from __future__ import annotations

import json

import cv2
import numpy as np
import onnx
import pytest

from gate_agent.cli import main
from models import catalogue
from models.chosen_models import chosen_models, comparison_identity
from models.conversion.convert import convert, read_source
from models.errors import CatalogueFault, ConversionFault
from models.face_chain import FaceChain
from models.manifest import Role, parse_manifest, shipped_manifests, shipped_variants
from models.quantisation import convert_variant, observed_ranges, quantised, ranges_content, read_ranges
from models.slots.network import network_input
from tests.unit import tiny_models as tiny

INT8 = "dlib-face-recognition-resnet-v1-int8"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    assert main(["models", "build", "--int8", "--models", str(folder), "--json"]) == 0
    return folder


@pytest.mark.weights
def test_the_variant_is_a_model_of_its_own(built, capsys):
    capsys.readouterr()
    assert main(["models", "list", "--models", str(built), "--json"]) == 0
    rows = {row["model_id"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    int8, fp32 = rows[INT8], rows["dlib-face-recognition-resnet-v1"]
    assert (int8["precision"], int8["calibration"]) == ("int8", None)
    assert int8["sha256"] != fp32["sha256"]
    assert int8["size_bytes"] < fp32["size_bytes"] / 3
    assert main(["models", "verify", "--models", str(built), "--embedder", INT8]) == 1
    assert "no calibration record holds for exactly these models" in capsys.readouterr().out
    assert main(["models", "verify", "--models", str(built)]) == 0


@pytest.mark.weights
def test_no_calibration_record_holds_for_the_variant(built):
    identity = comparison_identity(chosen_models(built, None, INT8))
    shipped = comparison_identity(chosen_models(built))
    assert identity["embedder"].precision == "int8"
    assert identity["embedder"] != shipped["embedder"]
    assert {role: pin for role, pin in identity.items() if role != "embedder"} == {
        role: pin for role, pin in shipped.items() if role != "embedder"
    }
    assert shipped_variants()[INT8].calibration == ""


@pytest.mark.weights
def test_weights_are_eight_bits_per_channel_within_seven(built):
    graph = onnx.load_model_from_string(catalogue.content_of(catalogue.recorded_variant(built, INT8))).graph
    weights = [onnx.numpy_helper.to_array(t) for t in graph.initializer if t.data_type == onnx.TensorProto.INT8]
    kernels = [values for values in weights if values.ndim == 4]
    assert len(kernels) == 29
    assert all(np.abs(values.astype(int)).max() <= 64 for values in kernels)  # reduce_range
    axes = [a.i for n in graph.node if n.op_type == "DequantizeLinear" for a in n.attribute if a.name == "axis"]
    assert axes.count(0) >= 29


@pytest.mark.weights
@pytest.mark.portraits
def test_features_stay_near_those_of_fp32(built, portraits):
    fp32, int8 = FaceChain(chosen_models(built)), FaceChain(chosen_models(built, None, INT8))
    for name in ("obama", "obama2", "obama3", "biden"):
        image = cv2.imread(str(portraits / f"{name}.jpg"))
        face = max(fp32.detect(image), key=lambda face: face.box.right_px - face.box.left_px)
        chip = fp32.align(image, face)
        one, other = fp32.embed([chip])[0], int8.embed([chip])[0]
        distance = np.linalg.norm(one / np.linalg.norm(one) - other / np.linalg.norm(other))
        assert 0 < distance < 0.081, name  # the largest error that biometrics.md section 10 states


@pytest.mark.weights
def test_a_variant_built_before_stays_and_a_missing_one_is_named(built, tmp_path):
    catalogue.build(built, lambda *_: None)
    assert [model.manifest.model_id for model in catalogue.recorded_variants(built)] == [INT8]
    assert catalogue.verify(built) == []
    catalogue.build(tmp_path, lambda *_: None)
    with pytest.raises(CatalogueFault, match=f"{INT8} is not in .*egate models build --int8") as refusal:
        chosen_models(tmp_path, None, INT8)
    assert refusal.value.code == "MD-CAT-002"
    with pytest.raises(CatalogueFault, match="there is no variant nothing"):
        catalogue.build(tmp_path, lambda *_: None, ("nothing",))


@pytest.mark.weights
def test_an_altered_variant_is_a_finding(built, tmp_path):
    path = catalogue.recorded_variant(built, INT8).path
    content = path.read_bytes()
    spoilt = bytearray(content)
    spoilt[len(spoilt) // 2] ^= 1
    path.write_bytes(spoilt)
    try:
        assert [INT8 in finding for finding in catalogue.verify(built)] == [True]
    finally:
        path.write_bytes(content)


@pytest.mark.weights
def test_the_same_bytes_come_out_every_time():
    manifest = shipped_manifests()[Role.EMBEDDER]
    fp32 = convert(manifest, read_source(manifest), lambda _share: None)
    made = {manifest.model_id: fp32}
    assert convert_variant(shipped_variants()[INT8], made) == convert_variant(shipped_variants()[INT8], made)
    with pytest.raises(ConversionFault, match="no 8-bit variant of a model built here"):
        convert_variant(shipped_variants()[INT8], {})
    with pytest.raises(ConversionFault, match="not the pinned ones"):
        convert_variant(manifest, made)


def test_ranges_that_are_malformed_or_incomplete_are_refused():
    text = ranges_content().decode()
    assert len(read_ranges(ranges_content())) > 60
    for broken in (
        "",
        text.replace('converter = "1"', 'converter = "0"'),
        text.replace("[0, 255]", "[255, 255]"),
        text.replace("[0, 255]", "[0, nan]"),
        text.replace("[0, 255]", "0"),
        text.replace("[ranges]", "[elsewhere]"),
    ):
        with pytest.raises(ConversionFault) as refusal:
            read_ranges(broken.encode())
        assert refusal.value.code == "MD-CON-006"
    with pytest.raises(ConversionFault, match="no activation range for"):
        quantised(tiny.embedder(), {"chip": (0.0, 1.0)})


def test_observed_ranges_are_the_extremes_of_every_activation():
    content = tiny.embedder()
    text = tiny.embedder_manifest(content)
    layout = parse_manifest(text, "e.toml").input
    chips = np.random.default_rng(3).integers(0, 256, (4, 112, 112, 3), dtype=np.uint8)
    batches = [network_input([chip], layout) for chip in chips]
    ranges = observed_ranges(content, batches)
    assert set(ranges) == {"chip", "fields", "all", "features"}
    assert ranges["chip"] == (min(float(b.min()) for b in batches), max(float(b.max()) for b in batches))
    fields = np.stack(batches)[:, 0].reshape(4, 3, 4, 28, 4, 28).mean(axis=(3, 5))
    assert ranges["fields"] == pytest.approx((fields.min(), fields.max()), abs=1e-5)
