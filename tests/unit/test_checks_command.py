"""`egate checks`, what check-config says of plug-ins, the page that tells how one is written, and the member that a record gained."""

import io
import json
import re
import sys
import uuid
from pathlib import Path

import pytest

from central_sync.messages import CheckPart, Part
from gate_agent.cli import main
from gate_agent.cli.check_config import examine
from gate_agent.domain.check import CheckName
from gate_agent.errors import SettingsFault
from gate_agent.runtime import plugin_checks
from gate_agent.settings import Settings
from tests.contract.check_packages import TEMPLATE, leave_a_distribution, worker_of

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "checks.md").read_text(encoding="utf-8")
VIEW = '{"issuing_state": "UTO", "document_number": "X7766552", "nationality": "UTO"}'


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_a_distribution(TEMPLATE, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(plugin_checks, "_WORKER", worker_of(tmp_path, TEMPLATE))


@pytest.mark.usefixtures("installed")
def test_the_list_shows_ours_and_theirs_with_version_and_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["checks", "list", "--json"]) == 0
    rows = {row["check"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows.keys() >= {check.value for check in CheckName}
    assert rows["expiry"]["package"] == "egate"
    theirs = rows["plugin.example_series"]
    assert (theirs["package"], theirs["version"], theirs["in_use"]) == ("egate-example-check", "0.1.0", None)
    site = tmp_path / "gate.toml"
    site.write_text('[[check]]\nname = "example_series"\n')
    assert main(["checks", "list", "--config", str(site)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("plugin.example_series")]
    assert "in use" in line
    assert "sees document_number, issuing_state; 200 ms" in line


@pytest.mark.usefixtures("installed")
def test_one_check_by_hand_sees_its_own_inputs_and_a_wrong_line_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{VIEW}\n[]\n".encode())))
    assert main(["checks", "try", "example_series", "--json"]) == 0
    answer, error = map(json.loads, capsys.readouterr().out.splitlines())
    assert (answer["check"], answer["result"]) == ("plugin.example_series", "failed")
    assert answer["compared"] == [["series", "X7766552", "outside X7766550-X7766559"]]
    assert error == {"error": "one JSON object per line is expected"}
    assert main(["checks", "try", "nowhere"]) == 3
    assert "EG-SET-014" in capsys.readouterr().err


@pytest.mark.usefixtures("installed")
def test_check_config_names_what_no_package_brings_and_the_settings_refuse_two_of_a_name(tmp_path: Path) -> None:
    site = tmp_path / "gate.toml"
    site.write_text('[[check]]\nname = "example_series"\n[[check]]\nname = "missing"\n')
    found = [one for one in examine(site, {})[1] if one.where.startswith("check ")]
    assert [one.where for one in found] == ["check missing"]
    assert "no installed package brings" in found[0].finding
    with pytest.raises(ValueError, match="check named twice: a"):
        Settings(check=[{"name": "a"}, {"name": "a"}])
    with pytest.raises(ValueError, match="name"):
        Settings(check=[{"name": "Plugin.a"}])


def test_a_check_that_looks_at_pictures_needs_a_lane_that_takes_them() -> None:
    lanes = Settings(
        device=[{"name": name, "driver": "x"} for name in ("r", "c", "b")],
        lane=[{"lane_id": 1, "document_reader": "r", "camera": "c", "barrier": "b"}],
    ).lane

    class Looking:
        name, looks_at = "plugin.look", frozenset({"white"})

    checks = plugin_checks.PluginChecks([Looking()])  # type: ignore[list-item]
    with pytest.raises(SettingsFault, match=r"lane 1 takes no pictures \(white\) that the check plugin.look looks at"):
        checks.check_lane(lanes[0])


def test_a_record_without_plug_ins_is_as_it_was_and_an_older_reader_takes_one_with_them() -> None:
    ours = CheckPart(check="expiry", outcome="successful")
    assert "plugin" not in ours.model_dump(mode="json")
    theirs = CheckPart.model_validate(
        {"check": "plugin.a", "outcome": "failed", "plugin": {"package": "a", "version": "1", "of_later": str(uuid.UUID(int=1))}}
    )  # fmt: skip

    class OlderPart(Part):
        check: str
        outcome: str

    read = OlderPart.model_validate(theirs.model_dump(mode="json"))
    assert read.model_extra is not None
    assert read.model_extra["plugin"]["package"] == "a", "kept, though not understood"


def test_every_file_command_and_code_that_the_page_names_is_there() -> None:
    files = set(re.findall(r"`([a-z_/]+\.(?:py|toml))`", PAGE))
    assert len(files) >= 3
    assert [file for file in files if not (PROJECT / file).exists() and not (TEMPLATE / file).exists()] == []
    errors = (PROJECT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert all(f"`{code}`" in errors for code in re.findall(r"EG-[A-Z]{3}-\d{3}", PAGE))
    for action in set(re.findall(r"egate checks ([a-z]+)", PAGE)):
        with pytest.raises(SystemExit) as ended:
            main(["checks", action, "--help"])
        assert ended.value.code == 0, action
