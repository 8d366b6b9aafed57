"""An operator's folder beside the shipped models: who replaces whom, and everything that is refused at start by name."""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib import resources

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_agent.cli import main
from models.calibration_shelf import all_records
from models.catalogue import Origin, recorded
from models.chosen_models import chosen_models, comparison_identity
from models.errors import CatalogueFault
from models.face_chain import FaceChain
from models.manifest import Role
from models.operator_folder import OperatorFolder
from models.pipeline import PipelineChoice, load_pipeline
from models.signatures import sign_file
from models.verification import findings
from tests.unit import tiny_models as tiny

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
UNCALIBRATED = "no calibration record holds for exactly these models, rules and precision: the green path is refused"
YUNET, ARCFACE, FAS = tiny.yunet(), tiny.embedder(), tiny.minifasnet()
RATING = """
rating_id = "site-pad-1"
bona_fide = {{presentations = 500, errors = 4}}
[models]
"tiny-fas-2.7" = "{}"
[[species]]
name = "print"
presentations = 300
errors = 12
"""


@pytest.fixture
def operator(tmp_path):
    """A signed folder: a detector, an embedder and an attack detector of two networks."""
    folder = tmp_path / "operator"
    folder.mkdir()
    texts = [
        (tiny.yunet_manifest(YUNET), YUNET),
        (tiny.embedder_manifest(ARCFACE), ARCFACE),
        (tiny.attack_manifest(FAS), FAS),
        (tiny.attack_manifest(FAS, "tiny-fas-4.0", 4.0), FAS),
    ]
    for text, content in texts:
        sign_file(tiny.put(folder, text, content), KEY)
    return OperatorFolder(folder, (KEY.public_key(),))


def resigned(operator, name, *changed):
    """Change a manifest and sign it again: what the operator himself got wrong."""
    path = operator.path / name
    text = path.read_text()
    assert changed[0] in text
    path.write_text(text.replace(*changed))
    sign_file(path, KEY)


def roles(models):
    return {model.manifest.role: model.manifest.model_id for model in models}


def test_an_operators_models_replace_the_shipped_ones_of_their_roles(models_folder, operator):
    models = chosen_models(models_folder, operator)
    assert [model.manifest.model_id for model in models if model.origin is Origin.OPERATOR] == [
        "tiny-arcface",
        "tiny-fas-2.7",
        "tiny-fas-4.0",
        "tiny-yunet",
    ]
    assert roles(models)[Role.LANDMARKS] == "dlib-five-point-landmarks"
    identity = comparison_identity(models)
    assert set(identity) == {
        "detector",
        "embedder",
    }  # its own points align the chip: the shipped landmarks play no part
    assert set(comparison_identity(chosen_models(models_folder))) == {"detector", "embedder", "landmarks"}


def test_the_chain_of_an_operators_models_runs_from_image_to_features(models_folder, operator):
    chain = FaceChain(chosen_models(models_folder, operator), expected_face_px=80)
    assert (chain.detector_id, chain.embedder_id, chain.dimension, chain.chip_px) == (
        "tiny-yunet",
        "tiny-arcface",
        tiny.DIMENSION,
        112,
    )
    chain.warm_up()
    image = tiny.scene([(14, 12)], 320, 240)
    (face,) = chain.detect(image)
    aligned = chain.aligned(image, face)
    assert aligned.by_name() == face.points
    assert np.array_equal(chain.locate(image, face), aligned.points)
    assert np.array_equal(chain.align(image, face), aligned.chip)
    assert aligned.chip.max() == 255  # the white cell lies between its points
    features = chain.embed([aligned.chip, aligned.chip[:, ::-1]])
    assert features.shape == (2, tiny.DIMENSION)
    assert features[0].max() > features[0].min()
    (attack,) = chain.attack_models
    assert attack.score(np.full((240, 320, 3), (0, 255, 0), np.uint8), face.box) < 0.01
    assert attack.score(np.full((240, 320, 3), (0, 0, 255), np.uint8), face.box) > 0.99


def test_the_shipped_chain_is_the_one_that_always_was(models_folder):
    chain = FaceChain(chosen_models(models_folder))
    chain.warm_up()
    assert (chain.detector_id, chain.embedder_id) == ("dlib-mmod-human-face", "dlib-face-recognition-resnet-v1")
    assert (chain.dimension, chain.chip_px, chain.attack_models) == (128, 150, ())
    pins = {role: pin.sha256 for role, pin in chain.identity.items()}
    assert pins == {role.value: model.manifest.source_sha256 for role, model in recorded(models_folder).items()}


def test_quality_and_morph_models_find_their_places(models_folder, operator):
    for text, content in (
        (tiny.quality_manifest(tiny.brightness()), tiny.brightness()),
        (tiny.morph_manifest(tiny.difference()), tiny.difference()),
    ):
        sign_file(tiny.put(operator.path, text, content), KEY)
    chain = FaceChain(chosen_models(models_folder, operator))
    assert chain.quality_model.model_id == "tiny-quality"
    assert chain.morph_model.model_id == "tiny-morph"


def test_an_embedder_that_the_detector_cannot_serve_is_refused(models_folder, operator):
    (operator.path / "tiny-yunet.toml").unlink()
    with pytest.raises(CatalogueFault, match=r"detector dlib-mmod-human-face does not give right_eye") as refusal:
        FaceChain(chosen_models(models_folder, operator))
    assert refusal.value.code == "MD-CAT-012"


def test_two_models_for_one_role_are_refused_by_name(models_folder, operator):
    sign_file(tiny.put(operator.path, tiny.embedder_manifest(ARCFACE, "second"), ARCFACE), KEY)
    with pytest.raises(CatalogueFault, match="second and tiny-arcface both claim the role embedder") as refusal:
        chosen_models(models_folder, operator)
    assert refusal.value.code == "MD-CAT-009"
    (operator.path / "second.toml").unlink()
    with pytest.raises(CatalogueFault, match="there is no variant tiny"):
        chosen_models(models_folder, None, "tiny")
    sign_file(tiny.put(operator.path, tiny.attack_manifest(FAS, "stranger", ensemble="another"), FAS), KEY)
    with pytest.raises(CatalogueFault, match=r"stranger and tiny-fas-2\.7 both claim the role attack_detector"):
        chosen_models(models_folder, operator)


def test_model_ids_are_unique_and_conversion_is_not_for_operators(models_folder, operator):
    resigned(operator, "tiny-arcface.toml", 'model_id = "tiny-arcface"', 'model_id = "dlib-mmod-human-face"')
    with pytest.raises(CatalogueFault, match="model_id dlib-mmod-human-face is used twice"):
        operator.models()
    resigned(
        operator, "tiny-arcface.toml", 'file = "tiny-arcface.onnx"\nsha256', 'source_file = "a.dat"\nsource_sha256'
    )
    with pytest.raises(CatalogueFault, match="an operator's model is an ONNX file"):
        operator.models()


@pytest.mark.parametrize("allow_unsigned", [False, True])
@pytest.mark.parametrize("name", ["tiny-arcface.toml", "tiny-arcface.onnx", "tiny-yunet.toml.sig"])
def test_a_flipped_byte_is_refused_at_start_by_name(models_folder, operator, name, allow_unsigned):
    path = operator.path / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    spoilt = OperatorFolder(operator.path, operator.trusted, allow_unsigned)
    with pytest.raises(CatalogueFault, match=path.name.partition(".")[0]) as refusal:
        FaceChain(chosen_models(models_folder, spoilt))
    assert refusal.value.code == ("MD-CAT-003" if name.endswith("onnx") else "MD-CAT-008")
    assert any(path.name.partition(".")[0] in finding for finding in findings(models_folder, spoilt))


def test_unsigned_manifests_need_a_laboratory(models_folder, operator):
    (operator.path / "tiny-arcface.toml.sig").unlink()
    with pytest.raises(CatalogueFault, match=r"tiny-arcface\.toml is not signed"):
        chosen_models(models_folder, operator)
    laboratory = OperatorFolder(operator.path, operator.trusted, allow_unsigned=True)
    assert roles(chosen_models(models_folder, laboratory))[Role.EMBEDDER] == "tiny-arcface"
    stranger = OperatorFolder(operator.path, (Ed25519PrivateKey.generate().public_key(),), allow_unsigned=True)
    with pytest.raises(CatalogueFault, match="signed by a key that this gate does not trust"):
        chosen_models(models_folder, stranger)


def test_missing_folders_and_files_are_named(models_folder, operator, tmp_path):
    with pytest.raises(CatalogueFault, match="is missing"):
        chosen_models(models_folder, OperatorFolder(tmp_path / "absent"))
    (operator.path / "tiny-yunet.onnx").unlink()
    with pytest.raises(CatalogueFault, match=r"tiny-yunet: .*tiny-yunet\.onnx cannot be read"):
        chosen_models(models_folder, operator)
    with pytest.raises(CatalogueFault, match="no file name"):
        operator.cohort("../secret")


@pytest.mark.parametrize("role", ["embedder", "detector", "attack_detector"])
def test_a_self_test_that_answers_otherwise_is_refused(models_folder, operator, capsys, role):
    name = {"embedder": "tiny-arcface", "detector": "tiny-yunet", "attack_detector": "tiny-fas-2.7"}[role]
    path = operator.path / f"{name}.toml"
    assert main(["models", "self-test", str(path)]) == 0
    table = capsys.readouterr().out
    path.write_text(path.read_text() + table)
    sign_file(path, KEY)
    FaceChain(chosen_models(models_folder, operator))
    assert findings(models_folder, operator) == [UNCALIBRATED]
    resigned(operator, path.name, "expected = [", "expected = [1000")
    with pytest.raises(CatalogueFault, match=f"{name} fails its self-test") as refusal:
        FaceChain(chosen_models(models_folder, operator))
    assert refusal.value.code == "MD-CAT-011"
    assert any("fails its self-test" in finding for finding in findings(models_folder, operator))


def rate(operator, text):
    (operator.path / "ratings").mkdir(exist_ok=True)
    path = operator.path / "ratings" / "site-pad-1.toml"
    path.write_text(text)
    sign_file(path, KEY)
    resigned(operator, "tiny-fas-2.7.toml", "[input]", '[calibration]\nid = "site-pad-1"\n[input]')


def is_rated(operator):
    return {model.manifest.model_id: model.is_rated for model in operator.models()}


def test_an_attack_detector_is_rated_only_by_a_signed_record_for_that_very_file(operator):
    sha256 = next(model.sha256 for model in operator.models() if model.manifest.model_id == "tiny-fas-2.7")
    assert not any(is_rated(operator).values())
    rate(operator, RATING.format(sha256))
    assert is_rated(operator) == {
        "tiny-arcface": False,
        "tiny-fas-2.7": True,
        "tiny-fas-4.0": False,
        "tiny-yunet": False,
    }
    assert operator.records() == {}  # thresholds lie elsewhere
    path = operator.path / "ratings" / "site-pad-1.toml"
    path.write_text(RATING.format(sha256).replace("errors = 12", "errors = 11"))
    with pytest.raises(CatalogueFault, match=r"site-pad-1\.toml is altered"):
        operator.models()
    for text, words in (
        (RATING.format(sha256).replace("errors = 12", "errors = 301"), "errors must be a whole number from 0 to 300"),
        (RATING.format("00"), "is no SHA-256"),
        (RATING.format(sha256).replace("[[species]]", "[species]"), "species must be a list of tables"),
    ):
        path.write_text(text)
        sign_file(path, KEY)
        with pytest.raises(CatalogueFault, match=words):
            operator.models()
    path.write_text(RATING.format("0" * 64))
    sign_file(path, KEY)
    assert not any(is_rated(operator).values())


def test_a_record_of_the_operators_counts_until_a_byte_of_it_is_flipped(models_folder, operator):
    released = resources.files("models") / "calibrations" / "dlib-flip-additive-fp32-3.toml"
    text = released.read_text().replace("dlib-flip-additive-fp32-3", "site-1", 1)
    folder = operator.path / "calibrations"
    folder.mkdir()
    record = folder / "site-1.toml"
    record.write_text(text)
    for path in operator.path.glob("tiny-*.toml"):
        path.unlink()  # the shipped models, calibrated by the site
    choice = PipelineChoice(models_folder, operator.path, allow_unsigned=False, calibration="site-1")
    with pytest.raises(CatalogueFault, match=r"site-1\.toml is not signed"):
        load_pipeline(choice)
    sign_file(record, KEY)
    assert [item.calibration_id for item in all_records(operator)][-1] == "site-1"
    record.write_text(text.replace("date = 2", "date = 1", 1))
    with pytest.raises(CatalogueFault, match=r"site-1\.toml is altered") as refusal:
        all_records(operator)
    assert refusal.value.code == "MD-CAT-008"
    assert any("site-1.toml is altered" in finding for finding in findings(models_folder, operator))


# ---- the command line ---------------------------------------------------------------------------------------------------


def test_sign_list_and_verify_by_hand(models_folder, operator, tmp_path, capsys):
    private, public = tmp_path / "models.key", tmp_path / "models.pub"
    pem = serialization.Encoding.PEM
    private.write_bytes(KEY.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    public.write_bytes(KEY.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    options = ["--models", str(models_folder), "--operator", str(operator.path)]
    signature = operator.path / "tiny-arcface.toml.sig"
    signature.unlink()
    assert main(["models", "verify", *options, "--trust", str(public), "--json"]) == 1
    (finding,) = (json.loads(line)["finding"] for line in capsys.readouterr().out.splitlines())
    assert "tiny-arcface.toml is not signed" in finding
    assert main(["models", "sign", str(operator.path / "tiny-arcface.toml"), "--key", str(private)]) == 0
    assert capsys.readouterr().out.strip() == str(signature)
    assert main(["models", "verify", *options, "--trust", str(public)]) == 1
    assert capsys.readouterr().out.strip() == UNCALIBRATED
    assert main(["models", "verify", "--models", str(models_folder)]) == 0
    assert main(["models", "verify", *options]) == 1  # no key is trusted
    capsys.readouterr()
    assert main(["models", "list", *options, "--trust", str(public), "--json"]) == 0
    rows = {row["model_id"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows["tiny-fas-2.7"]["rating"] == "unrated"
    assert rows["tiny-arcface"]["origin"] == "operator"
    assert rows["tiny-arcface"]["licence"] == "Licence of the test"
    assert rows["dlib-mmod-human-face"]["origin"] == "shipped"
    assert rows["dlib-mmod-human-face"]["rating"] is None
    assert main(["models", "sign", str(operator.path / "tiny-yunet.toml"), "--key", str(public)]) == 3
    assert "no readable private key" in capsys.readouterr().err


@pytest.mark.weights
def test_a_model_altered_together_with_the_folders_own_list_is_refused_by_name(models_folder, tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(models_folder, folder)
    record = json.loads((folder / "built.json").read_text())
    entry = record["models"]["dlib-face-recognition-resnet-v1"]
    content = (folder / f"{entry['sha256']}.onnx").read_bytes() + b"\x00"
    entry["sha256"], entry["size_bytes"] = hashlib.sha256(content).hexdigest(), len(content)
    (folder / f"{entry['sha256']}.onnx").write_bytes(content)
    (folder / "built.json").write_text(json.dumps(record))
    with pytest.raises(
        CatalogueFault, match="dlib-face-recognition-resnet-v1 is not what this release converts"
    ) as refused:
        load_pipeline(PipelineChoice(folder))
    assert refused.value.code == "MD-CAT-003"
