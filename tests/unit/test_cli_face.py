"""`egate models`, `egate face compare` and `egate bench` as a person or a script calls them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gate_agent.cache import cache_folder, models_folder
from gate_agent.cli import bench, main
from models.calibration_shelf import released_records


def compared(*words):
    """Run `egate face compare` as its own process: the command configures the process's log."""
    command = [sys.executable, "-I", "-m", "gate_agent", "face", "compare", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def portraits():
    folder = cache_folder() / "portraits"
    if not (folder / "obama.jpg").is_file():
        pytest.skip(f"{folder}/obama.jpg is missing; the set-up fetches the test portraits")
    return folder


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("EGATE_CACHE", str(tmp_path))
    assert (cache_folder(), models_folder()) == (tmp_path, tmp_path / "models")
    monkeypatch.delenv("EGATE_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "egate"


def test_verify_and_list_find_an_empty_folder(tmp_path, capsys):
    assert main(["models", "verify", "--models", str(tmp_path)]) == 1
    assert "egate models build" in capsys.readouterr().out
    assert main(["models", "list", "--models", str(tmp_path), "--json"]) == 1
    assert "finding" in json.loads(capsys.readouterr().out)


@pytest.mark.weights
def test_build_list_verify(tmp_path, capsys):
    assert main(["models", "build", "--models", str(tmp_path), "--json"]) == 0
    answer = capsys.readouterr()
    rows = [json.loads(line) for line in answer.out.splitlines()]
    assert {row["role"] for row in rows} == {"detector", "landmarks", "embedder"}
    assert all(len(row["sha256"]) == 64 and row["licence"] for row in rows)
    assert answer.err.splitlines() == [f"built {row['model_id']}" for row in rows]
    assert main(["models", "verify", "--models", str(tmp_path)]) == 0
    assert "unaltered" in capsys.readouterr().out


@pytest.mark.weights
@pytest.mark.portraits
def test_compare_gives_one_json_line_per_probe(portraits, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xd9")
    probes = [portraits / "obama2.jpg", portraits / "biden.jpg", broken]
    answer = compared(portraits / "obama.jpg", *probes, "--json", "--false-match-rate", "1e-3")
    assert (answer.returncode, answer.stderr) == (0, "")
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [row["decision"] for row in rows] == ["match", "non_match", "not_compared"]
    record = next(record for record in released_records() if record.calibration_id == rows[0]["calibration_id"])
    assert rows[0]["comparison_score"] > rows[0]["threshold"] == record.operating_point(1e-3).score
    assert rows[0]["false_match_rate"] == 1e-3
    assert rows[0]["quality"]["probe"]["inter_eye_distance_px"] > 90
    assert {"decode", "detection", "landmarks_and_chip", "features", "quality"} <= set(rows[0]["ms"])
    assert rows[2]["comparison_score"] is None
    assert "MD-IMG-002" in rows[2]["detail"]


@pytest.mark.weights
def test_compare_names_a_file_that_is_not_there(tmp_path):
    answer = compared(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert answer.returncode == 3
    assert "EG-CLI-001" in answer.stderr


@pytest.mark.parametrize("rate", ["0", "0.6", "-1", "nan", "x"])
def test_compare_refuses_rates_beyond_the_ceiling(rate, capsys):
    with pytest.raises(SystemExit) as usage:
        main(["face", "compare", "a", "b", "--false-match-rate", rate])
    assert usage.value.code == 2
    assert "false-match-rate" in capsys.readouterr().err


def test_bench_runs_the_modules_of_a_checkout_and_says_when_there_is_none(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "tests" / "bench"
    monkeypatch.setattr(bench.gate_agent, "__file__", str(tmp_path / "gate_agent" / "__init__.py"))
    assert main(["bench"]) == 3
    assert "need a checkout" in capsys.readouterr().err
    folder.mkdir(parents=True)
    (folder / "bench_sums.py").write_text(
        "from gate_agent.cli.bench import BenchRow\nNAME = 'sums'\n"
        "def run():\n    return [BenchRow('add', 1.0, 2.0, 2.0, 'ms'), BenchRow('alone', 1.0, None, None, 'ms')]\n"
    )
    assert main(["bench", "sums", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == {"bench": "sums", "name": "add", "ours": 1.0, "peer": 2.0, "ratio": 2.0, "unit": "ms"}
    assert rows[1]["peer"] is None
    assert main(["bench"]) == 0
    assert "add" in capsys.readouterr().out
    assert main(["bench", "unknown"]) == 3
    assert "there are: sums" in capsys.readouterr().err


@pytest.mark.weights
@pytest.mark.portraits
def test_compare_uses_the_record_that_is_asked_for_and_refuses_another_by_name(portraits):
    pictures = (portraits / "obama.jpg", portraits / "obama2.jpg")
    answer = compared(*pictures, "--json", "--calibration", "dlib-full-additive-fp32-3")
    (row,) = [json.loads(line) for line in answer.stdout.splitlines()]
    assert (row["calibration_id"], row["decision"]) == ("dlib-full-additive-fp32-3", "match")
    answer = compared(*pictures, "--json", "--calibration", "nobodys")
    (row,) = [json.loads(line) for line in answer.stdout.splitlines()]
    assert (row["calibration_id"], row["decision"], row["comparison_score"]) == (None, "not_compared", None)
    assert "no calibration record" in row["detail"]
