"""What a site chose reaches the worker as arguments, and an evaluation of attack detection counts only when it is signed and fits."""

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_agent.runtime.face_choice import choice_of, worker_arguments
from gate_agent.settings import FaceSettings, load
from models.attack_detector import configuration_id
from models.attack_evaluation import RECORD_FORMAT
from models.errors import CalibrationRefused, CatalogueFault
from models.signatures import sign_file


def evaluation(verdict="passed", alarm_from=0.8):
    return json.dumps(
        {
            "format": RECORD_FORMAT,
            "alarm_from": alarm_from,
            "doubtful_from": 0.35,
            "verdict": verdict,
            "configuration_id": configuration_id(None),
            "bpcer": {"presentations": 60},
            "species": [{"name": "print"}],
        }
    )


@pytest.fixture
def keys(tmp_path):
    private = Ed25519PrivateKey.generate()
    public = tmp_path / "models.pub"
    public.write_bytes(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


def choice(tmp_path, public, text, **settings):
    path = tmp_path / "attacks.json"
    path.write_text(text)
    return choice_of(FaceSettings(attack_evaluation=path, trusted_keys=(public,), **settings), tmp_path)


def test_every_choice_becomes_an_argument(tmp_path):
    face = FaceSettings(
        operator_models=tmp_path / "own",
        trusted_keys=(tmp_path / "a.pub", tmp_path / "b.pub"),
        allow_unsigned_models=True,
        embedder="other",
        calibration="site-1",
        attack_evaluation=tmp_path / "attacks.json",
        focal_ratio=0.9,
        false_match_rate=1e-3,
        expected_face_px=150,
    )
    arguments = worker_arguments(choice_of(face, tmp_path))
    text = " ".join(arguments)
    for expected in (
        f"--operator-models {tmp_path / 'own'}",
        f"--trusted-key {tmp_path / 'a.pub'}",
        f"--trusted-key {tmp_path / 'b.pub'}",
        "--allow-unsigned",
        "--embedder other",
        "--calibration site-1",
        f"--attack-evaluation {tmp_path / 'attacks.json'}",
        "--focal-ratio 0.9",
        "--false-match-rate 0.001",
        "--expected-face-px 150",
    ):
        assert expected in text
    assert "--trusted-key" not in worker_arguments(choice_of(FaceSettings(), tmp_path))


def test_a_signed_evaluation_rates_exactly_its_configuration(tmp_path, keys):
    private, public = keys
    chosen = choice(tmp_path, public, evaluation())
    sign_file(tmp_path / "attacks.json", private)
    assert chosen.attacks().rated_configuration_id == configuration_id(None)


def test_an_unsigned_or_altered_evaluation_is_refused_by_name(tmp_path, keys):
    private, public = keys
    chosen = choice(tmp_path, public, evaluation())
    with pytest.raises(CatalogueFault, match=r"attacks\.json"):
        chosen.attacks()
    sign_file(tmp_path / "attacks.json", private)
    (tmp_path / "attacks.json").write_text(evaluation().replace("60", "600"))
    with pytest.raises(CatalogueFault, match=r"attacks\.json"):
        chosen.attacks()


@pytest.mark.parametrize("text", [evaluation("not_enough_presentations"), evaluation(alarm_from=0.9), "no json"])
def test_an_evaluation_that_rates_nothing_here_is_refused(tmp_path, keys, text):
    private, public = keys
    chosen = choice(tmp_path, public, text)
    sign_file(tmp_path / "attacks.json", private)
    with pytest.raises(CalibrationRefused):
        chosen.attacks()


def test_paths_of_the_site_file_count_from_its_folder(tmp_path):
    site = tmp_path / "gate.toml"
    site.write_text('[face]\noperator_models = "own"\nattack_evaluation = "attacks.json"\n[paths]\nkeys = "keys"\n')
    face = load(site).face
    assert face.operator_models == tmp_path / "own"
    assert face.attack_evaluation == tmp_path / "attacks.json"
    assert face.trusted_keys == (tmp_path / "keys" / "models.pub",)


def test_walk_through_is_refused_in_plain_words(tmp_path):
    site = tmp_path / "gate.toml"
    site.write_text(
        '[[lane]]\nlane_id = 1\nmode = "walk_through"\ndocument_reader = "r"\ncamera = "c"\nbarrier = "b"\n'
    )
    with pytest.raises(Exception, match="one-to-many") as refused:
        load(site)
    assert "egate demo walk-through" in str(refused.value)
