"""Manifests say all that a model needs, or are refused by field and reason; released files are the ones that were released."""

from __future__ import annotations

import hashlib
import shutil
from importlib import resources
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models import pins
from models.calibration_shelf import released_records
from models.conversion.constants import RGB_MEANS
from models.errors import CatalogueFault
from models.manifest import Role, all_shipped_manifests, parse_manifest, shipped_manifests, shipped_variants
from models.pin import pins_text
from models.signatures import is_signed, sign, sign_file, verified_content
from tests.unit import tiny_models as tiny

EMBEDDER = tiny.embedder_manifest(b"model")
ATTACK = tiny.attack_manifest(b"model")


def test_an_embedder_is_described_whole():
    manifest = parse_manifest(EMBEDDER, "e.toml")
    assert (manifest.role, manifest.model_id, manifest.file) == (Role.EMBEDDER, "tiny-arcface", "tiny-arcface.onnx")
    assert (manifest.input.height_px, manifest.input.width_px, manifest.input.channel_order) == (112, 112, "RGB")
    assert manifest.input.mean == (127.5, 127.5, 127.5)
    assert manifest.alignment.template[0] == ("right_eye", 38.2946, 51.6963)
    assert (manifest.output.metric, manifest.output.dimension) == ("cosine", tiny.DIMENSION)
    assert manifest.identity_sha256 == manifest.sha256


@pytest.mark.parametrize(
    ("text", "changed", "words"),
    [
        (EMBEDDER, ('licence = "Licence of the test"', ""), "licence is missing"),
        (EMBEDDER, ('"Licence of the test"', '"  "'), "licence is missing"),
        (EMBEDDER, ('role = "embedder"', 'role = "embedder"\nhook = "run me"'), "hook is no key that is known"),
        (EMBEDDER, ("[input]", "[input]\npreparation = 1"), "input.preparation is no key that is known"),
        (
            EMBEDDER,
            ("[alignment.template]", "[alignment.template]\nchin = [1, 2]"),
            "alignment.template.chin is no point",
        ),
        (EMBEDDER, ('"embedder"', '"oracle"'), "role is 'oracle'; there are attack_detector, detector, embedder"),
        (EMBEDDER, ('model_id = "tiny-arcface"', 'model_id = "Tiny Arcface"'), "model_id is 'Tiny Arcface'"),
        (EMBEDDER, ('file = "tiny-arcface.onnx"', 'file = "../tiny.onnx"'), "file is '../tiny.onnx'.*no path"),
        (EMBEDDER, ('sha256 = "', 'sha256 = "0'), "sha256 is no SHA-256"),
        (EMBEDDER, ('layout = "NCHW"', 'layout = "CHWN"'), "input.layout is 'CHWN'; there are NCHW, NHWC"),
        (EMBEDDER, ('channel_order = "RGB"', 'channel_order = "GBR"'), "input.channel_order is 'GBR'"),
        (EMBEDDER, ("mean = 127.5", 'mean = "half"'), "input.mean must be 3 numbers"),
        (EMBEDDER, ("mean = 127.5", "mean = [1, 2]"), "input.mean must be 3 numbers"),
        (EMBEDDER, ("mean = 127.5", "mean = nan"), "input.mean must be a number"),
        (EMBEDDER, (f"scale = {1 / 127.5}", "scale = 0"), "input.scale is 0"),
        (EMBEDDER, ("range = [0, 255]", "range = [0, 128]"), r"input.range must be \[0, 1\] or \[0, 255\]"),
        (EMBEDDER, ("size = [112, 112]", "size = [112, 96]"), "input.size is not the chip of 112"),
        (EMBEDDER, ("chip_px = 112", "chip_px = 4"), "alignment.chip_px must be a whole number from 16"),
        (EMBEDDER, ('rule = "similarity"', 'rule = "dlib-150"'), "chip_px must be 150"),
        (EMBEDDER, ('metric = "cosine"', 'metric = "manhattan"'), "output.metric is 'manhattan'"),
        (EMBEDDER, ("dimension = 48", 'dimension = "many"'), "output.dimension must be a whole number"),
        (EMBEDDER, ("normalise = true", "normalise = false"), "output.normalise is false"),
        (EMBEDDER, ("normalise = true", 'normalise = "yes"'), "output.normalise must be true or false"),
        (EMBEDDER, ('decoder = "embedding"', 'decoder = "yunet"'), "output.decoder is 'yunet'; there are embedding"),
        (EMBEDDER, ("[output]", "[outputs]"), "output is missing"),
        (EMBEDDER, ("[input]", 'format = "npz"\n[input]'), "format must be npz for the tree ensemble"),
        (EMBEDDER, ("normalise = true", "normalise = true\n[attack]\ncrop_scale = 2"), "attack is no key"),
        (
            EMBEDDER,
            ("normalise = true", "normalise = true\n[self_test]\nseed = 1\ntolerance = 1\nexpected = [1]"),
            "16",
        ),
        (ATTACK, ("crop_scale = 2.7", "crop_scale = 0.5"), "attack.crop_scale must be a number from 1 to 8"),
        (ATTACK, ('combine = "mean"', 'combine = "vote"'), "attack.combine is 'vote'; there are mean"),
        (ATTACK, ('applies_to = ["print", "screen"]', "applies_to = []"), "attack.applies_to must be a list of texts"),
        (ATTACK, ("[attack]", "[elsewhere]"), "attack is missing"),
        (EMBEDDER, ("[input]", "[input"), "manifest e.toml: "),
    ],
)
def test_what_is_missing_unknown_or_wrong_is_named(text, changed, words):
    broken = text.replace(*changed, 1)
    assert broken != text
    with pytest.raises(CatalogueFault, match=words) as refusal:
        parse_manifest(broken, "e.toml")
    assert refusal.value.code == "MD-CAT-005"
    assert "e.toml" in str(refusal.value)


def test_shipped_manifests_describe_what_the_code_does():
    manifests = shipped_manifests()
    assert set(manifests) == {Role.DETECTOR, Role.LANDMARKS, Role.EMBEDDER}
    assert manifests[Role.DETECTOR].input.mean == RGB_MEANS
    assert manifests[Role.DETECTOR].input.scale == (1 / 256, 1 / 256, 1 / 256)
    for manifest in all_shipped_manifests():
        assert manifest.licence.startswith("Public domain")
        assert manifest.self_test is not None
        assert "68" not in manifest.source_file
    (int8,) = shipped_variants().values()
    assert int8.variant_of == manifests[Role.EMBEDDER].model_id
    assert int8.identity_sha256 != manifests[Role.EMBEDDER].identity_sha256
    assert int8.calibration == ""
    released = {record.calibration_id for record in released_records()}
    assert {manifest.calibration for manifest in all_shipped_manifests()} - {""} <= released


# ---- released files -----------------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the released files that a test may spoil."""
    source = Path(str(resources.files("models")))
    folder = tmp_path / "models"
    folder.mkdir()
    for name in pins.PINNED_FOLDERS:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name)
    shutil.copy(source / pins.PINS_FILE, folder)
    monkeypatch.setattr(pins.resources, "files", lambda _package: folder)
    pins._pins.cache_clear()
    yield folder
    pins._pins.cache_clear()


def test_the_list_of_released_files_is_current():
    package = Path(str(resources.files("models")))
    assert (package / pins.PINS_FILE).read_text() == pins_text(package), "run `python -m models.pin`"
    assert pins.pin_findings() == []


@pytest.mark.parametrize("folder", ["manifests", "calibrations"])
def test_a_flipped_byte_in_a_released_file_is_refused_by_name(package, folder):
    path = min((package / folder).iterdir())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CatalogueFault, match=f"{folder}/{path.name} is altered") as refusal:
        pins.pinned_content(folder, path.name)
    assert refusal.value.code == "MD-CAT-007"
    assert [path.name in finding for finding in pins.pin_findings()] == [True]
    if folder == "manifests":
        with pytest.raises(CatalogueFault, match="is altered"):
            shipped_manifests()


def test_a_file_put_in_or_taken_away_is_refused_by_name(package):
    (package / "manifests" / "stranger.toml").write_text("role = 3")
    with pytest.raises(CatalogueFault, match=r"manifests/stranger\.toml is not on the list"):
        shipped_manifests()
    (package / "manifests" / "stranger.toml").unlink()
    (package / "manifests" / "dlib-mmod-human-face.toml").unlink()
    with pytest.raises(CatalogueFault, match=r"dlib-mmod-human-face\.toml cannot be read"):
        shipped_manifests()
    with pytest.raises(CatalogueFault, match="not on the list"):
        pins.pinned_content("calibrations", "../pins.toml")


# ---- signatures ---------------------------------------------------------------------------------------------------------


def test_a_signature_covers_every_byte_and_no_other_key_or_purpose():
    key, stranger = (Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in (1, 2))
    trusted = [key.public_key()]
    line = sign(b"content", key)
    assert is_signed(b"content", line, trusted)
    assert is_signed(b"content", line, [stranger.public_key(), *trusted])
    assert not is_signed(b"content", line, [stranger.public_key()])
    assert not is_signed(b"content", line, [])
    assert not is_signed(b"content", sign(b"content", stranger), trusted)
    assert not is_signed(b"", sign(b"content", key), trusted)
    for index in range(len(b"content")):
        spoilt = bytearray(b"content")
        spoilt[index] ^= 1
        assert not is_signed(bytes(spoilt), line, trusted)
    digit = "0" if line[-2] != "0" else "1"
    for broken in ("", line * 2, line.replace("egate-models-1", "egate-models-2"), line[:-2] + digit, line.upper()):
        assert not is_signed(b"content", broken, trusted)
    for message in (b"content", hashlib.sha256(b"content").digest()):  # signed for no purpose, or for another
        assert not is_signed(b"content", f"{line[:-130]} {key.sign(message).hex()}\n", trusted)
    assert is_signed(b"content", f"{line[:-130]} {line[-129:]}", trusted)


def test_unsigned_files_pass_only_where_allowed_and_wrong_signatures_never(tmp_path):
    key, path = Ed25519PrivateKey.from_private_bytes(bytes(32)), tmp_path / "m.toml"
    trusted = [key.public_key()]
    path.write_bytes(b"content")
    with pytest.raises(CatalogueFault, match=r"m\.toml is not signed.*egate models sign") as refusal:
        verified_content(path, trusted)
    assert refusal.value.code == "MD-CAT-008"
    assert verified_content(path, trusted, allow_unsigned=True) == b"content"
    assert sign_file(path, key).name == "m.toml.sig"
    assert verified_content(path, trusted) == b"content"
    path.write_bytes(b"c0ntent")
    for allow_unsigned in (False, True):
        with pytest.raises(CatalogueFault, match=r"m\.toml is altered, or signed by a key"):
            verified_content(path, trusted, allow_unsigned=allow_unsigned)
    with pytest.raises(CatalogueFault, match="cannot be read"):
        verified_content(tmp_path / "absent.toml", trusted)
