"""Conversion of the real weight files: pinned, complete, reproducible; anything else is refused."""

from __future__ import annotations

import json
import shutil
import sys
import threading

import onnx
import pytest

from models import catalogue
from models.conversion.convert import convert, read_source, weights_folder
from models.conversion.landmark_stream import read_landmarks
from models.conversion.network_stream import read_detector
from models.conversion.onnx_graphs import detector_graph
from models.errors import CatalogueFault, ConversionFault
from models.manifest import Role, shipped_manifests

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def manifests():
    return shipped_manifests()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    heard = []
    catalogue.build(folder, lambda model_id, share: heard.append((model_id, share)))
    return folder, heard


def test_weights_are_found_without_importing_their_package():
    assert (weights_folder() / "mmod_human_face_detector.dat").is_file()
    assert "face_recognition_models" not in sys.modules


def test_build_reports_progress_and_records_what_it_made(built, manifests):
    folder, heard = built
    for manifest in manifests.values():
        shares = [share for model_id, share in heard if model_id == manifest.model_id]
        assert (shares[0], shares[-1]) == (0, 1)
        assert shares == sorted(shares)
    record = json.loads((folder / "built.json").read_text())
    assert set(record["models"]) == {manifest.model_id for manifest in manifests.values()}
    assert catalogue.verify(folder) == []
    assert not list(folder.glob(".building-*"))
    assert all("68" not in path.name for path in folder.glob("*.npz"))


def test_embedder_graph_is_opset_17_with_exactly_five_pads(built):
    model = catalogue.recorded(built[0])[Role.EMBEDDER]
    graph = onnx.load_model_from_string(catalogue.content_of(model))
    assert graph.ir_version == 8
    assert graph.opset_import[0].version == 17
    operators = [node.op_type for node in graph.graph.node]
    assert operators.count("Pad") == 5
    assert operators.count("Conv") == 29
    assert operators.count("GlobalAveragePool") == 1


def test_wrong_bytes_are_refused_before_they_are_read(tmp_path, manifests):
    manifest = manifests[Role.DETECTOR]
    content = bytearray((weights_folder() / manifest.source_file).read_bytes())
    content[1000] ^= 1
    (tmp_path / manifest.source_file).write_bytes(content)
    with pytest.raises(ConversionFault, match="not the pinned file") as refusal:
        read_source(manifest, tmp_path)
    assert refusal.value.code == "MD-CON-002"
    with pytest.raises(ConversionFault, match="cannot be read"):
        read_source(manifests[Role.EMBEDDER], tmp_path)


def test_truncated_extended_and_swapped_streams_are_refused(manifests):
    detector = read_source(manifests[Role.DETECTOR])
    for broken in (detector[:-1], detector[: len(detector) // 2], detector + b"\0"):
        with pytest.raises(ConversionFault):
            read_detector(broken)
    with pytest.raises(ConversionFault):
        read_landmarks(detector)
    with pytest.raises(ConversionFault):
        convert(manifests[Role.EMBEDDER], detector, lambda _share: None)


def test_conversion_gives_the_same_bytes_every_time(built, manifests):
    model = catalogue.recorded(built[0])[Role.DETECTOR]
    again = detector_graph(read_detector(read_source(manifests[Role.DETECTOR])))
    assert again == catalogue.content_of(model)


def test_altered_missing_and_foreign_models_are_findings(built, tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(built[0], folder)
    models = catalogue.recorded(folder)
    path = models[Role.DETECTOR].path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert any("altered" in finding for finding in catalogue.verify(folder))
    with pytest.raises(CatalogueFault, match="altered"):
        catalogue.content_of(models[Role.DETECTOR])
    models[Role.LANDMARKS].path.unlink()
    assert len(catalogue.verify(folder)) == 2
    record = json.loads((folder / "built.json").read_text())
    record["models"]["dlib-mmod-human-face"]["source_sha256"] = "0" * 64
    (folder / "built.json").write_text(json.dumps(record))
    assert "other weights" in catalogue.verify(folder)[0]
    (folder / "built.json").write_text("[]")
    assert "does not list models" in catalogue.verify(folder)[0]
    assert "egate models build" in catalogue.verify(tmp_path / "absent")[0]


def test_two_builds_at_once_leave_one_whole_folder(tmp_path, monkeypatch, manifests):
    detector = {Role.DETECTOR: manifests[Role.DETECTOR]}
    monkeypatch.setattr(catalogue, "shipped_manifests", lambda: detector)
    threads = [threading.Thread(target=catalogue.build, args=(tmp_path, lambda *_: None)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert catalogue.verify(tmp_path) == []
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".onnx"]
