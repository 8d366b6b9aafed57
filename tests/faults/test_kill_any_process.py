"""SIGKILL for each process of the demo in turn, in the middle of crossings: nothing lost, nothing doubled, the demo goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.whole_sweeps import SWEEPS_ARE_WHOLE

pytestmark = [pytest.mark.portraits, pytest.mark.weights]

TRAVELLERS = 6 if SWEEPS_ARE_WHOLE else 4
# Those that keep or carry records come in every run of the suite; that the others may die is looked at in `make sweeps`.
PROCESSES = ("agent", "sync", "centre", "post", *(("field", "console", "portal") if SWEEPS_ARE_WHOLE else ()))


def pid_of(site: Path, name: str) -> int | None:
    try:
        return json.loads((site / "processes.json").read_text()).get(name)
    except (FileNotFoundError, json.JSONDecodeError):
        return None


@pytest.mark.parametrize("name", PROCESSES)
def test_a_killed_process_loses_and_doubles_nothing(name: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    process = subprocess.Popen(
        [
            *(sys.executable, "-I", "-m", "gate_agent", "demo", "--exit", "--json"),
            *("--travellers", str(TRAVELLERS), "--state", str(site), "--seed", str(PROCESSES.index(name))),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        assert json.loads(first)["scenario"] == 1
        time.sleep(0.15)  # in the middle of the second traveller
        pid = pid_of(site, name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        out, err = process.communicate(timeout=200)
    finally:
        process.kill()
        process.wait()
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines, err[-3000:]
    summary = lines[-1]["summary"]
    assert summary["travellers"] == TRAVELLERS
    assert summary["records_lost"] == 0
    assert summary["records_doubled"] == 0
    assert summary["records_accepted"] == summary["records_acknowledged"] == summary["records_at_centre"] > 0
    assert all(line["outcome"] in {"released", "referred"} for line in lines[:-1]), lines
