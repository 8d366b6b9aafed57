"""`egate inspect page`: what an integrator sees of three pictures, with every measure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gate_agent import cli
from tests.bench.mrz_pages import OCR_B
from tests.unit import seal_builders as build
from tests.unit.page_scenes import encoded, scene, traveller, with_symbol
from tests.unit.test_page_inspection import AUTHORITY, SIGNER, with_seals
from tests.unit.test_visible_seal import authority_der

pytestmark = pytest.mark.skipif(not OCR_B.exists(), reason="Debian's fonts-ocr-b is not installed")
LINES = traveller()


def written(folder: Path, pictures: dict[str, bytes]) -> list[str]:
    arguments: list[str] = []
    for role, content in pictures.items():
        (folder / f"{role}.jpg").write_bytes(content)
        arguments += [f"--{role}", str(folder / f"{role}.jpg")]
    return arguments


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert cli.main(["inspect", "page", *arguments, "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    answer = json.loads(line)
    assert isinstance(answer, dict)
    return answer


def test_a_genuine_page_with_its_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = written(tmp_path, encoded(scene(LINES)))
    for lines in ([], ["--mrz", *LINES], ["--mrz", LINES[0], "--mrz", LINES[1]]):
        answer = asked(capsys, *arguments, *lines)
        assert answer["result"] == "successful"
        assert (answer["format"], answer["lines"]) == ("TD3", list(LINES))
        checks = answer["checks"]
        assert {name: check["result"] for name, check in checks.items()} == {  # type: ignore[attr-defined]
            "mrz_reading": "successful", "mrz_infrared": "successful", "mrz_infrared_against_visible": "successful",
            "ultraviolet_dullness": "successful", "visible_seal": "not_supported",
        }  # fmt: skip
        measures = answer["measures"]
        assert measures["infrared"]["weakest_contrast"] > 0.34  # type: ignore[index]
        assert measures["ultraviolet"]["blue_median"] < 60  # type: ignore[index]


def test_one_picture_files_that_are_not_there_and_lines_that_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = written(tmp_path, {"white": encoded(scene(LINES))["white"]})
    answer = asked(
        capsys, *arguments, "--infrared", str(tmp_path / "absent.jpg"), "--mrz", *with_symbol(LINES, 2, 4, "3")
    )
    checks = answer["checks"]
    assert checks["mrz_reading"]["reasons"] == [{"reason": "mrz_not_trusted", "characters": "2/4"}]  # type: ignore[index]
    assert checks["mrz_infrared"]["result"] == "aborted"  # type: ignore[index]
    assert checks["ultraviolet_dullness"]["reasons"] == [{"reason": "image_missing", "image": "ultraviolet"}]  # type: ignore[index]
    assert checks["ultraviolet_dullness"]["result"] == "not_supported"  # type: ignore[index]
    assert answer["errors"] == {"infrared": "MD-IMG-002: No such file or directory"}
    assert cli.main(["inspect", "page"]) == 2
    assert cli.main(["inspect", "page", *arguments]) == 0
    assert "ultraviolet_dullness: not_supported" in capsys.readouterr().out


def test_limits_of_the_site_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = written(tmp_path, encoded(scene(LINES)))
    (tmp_path / "gate.toml").write_text("[page]\nultraviolet_dull = 10.0\n")
    answer = asked(capsys, *arguments, "--config", str(tmp_path / "gate.toml"))
    assert answer["checks"]["ultraviolet_dullness"]["result"] == "undetermined"  # type: ignore[index]


def test_a_seal_on_the_page_is_judged_by_certificates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = written(tmp_path, {"white": with_seals(build.seal(SIGNER))["white"]})
    without = asked(capsys, *arguments)
    assert without["checks"]["visible_seal"]["result"] == "undetermined"  # type: ignore[index]
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    (certificates / "signer.cer").write_bytes(SIGNER.der)
    (certificates / "authority.cer").write_bytes(authority_der(AUTHORITY))
    answer = asked(capsys, *arguments, "--certs", str(certificates))
    assert answer["checks"]["visible_seal"]["result"] == "successful"  # type: ignore[index]
