"""The whole house: every traveller through every process, real wires, a real broker and two real databases."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gate_agent.demo.report import percentile

pytestmark = [pytest.mark.portraits, pytest.mark.weights]

DEVICE_CLASSES = {
    *("document_reader", "chip_reader", "barcode", "camera", "barrier", "seal_tracker"),
    *("rfid_reader", "uav", "power", "xray_inbox", "printer", "enclosure"),
}
HUMAN_S = 12.0  # lays the document down in 3 s, walks in in 4, turns to the camera in 1, leaves in 4
WHOLE_PASSAGE_S = 20.0
FIELDS = {"scenario", "outcome", "decided_by", "corridor", "reasons", "seconds", "software_ms", "synced"}


def demo(*arguments: str, timeout_s: float = 280.0) -> tuple[int, list[dict[str, object]], dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "gate_agent", "demo", "--exit", "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr[-4000:]
    assert "summary" in lines[-1], done.stderr[-4000:]
    return done.returncode, lines[:-1], lines[-1]["summary"]


def test_every_traveller_ends_as_expected_and_every_record_arrives(tmp_path: Path) -> None:
    """A7, too: foreign short-stay visitors with customs in the same passage."""
    code, travellers, summary = demo("--state", str(tmp_path / "site"))
    assert summary["unexpected"] == [], [line for line in travellers if not line["as_expected"]]
    assert code == 0
    assert [line["scenario"] for line in travellers] == list(range(1, 25))
    for line in travellers:
        assert line.keys() >= FIELDS
        assert line["synced"] is True
    for line in travellers:
        if line["decided_by"] == "machine" and line["outcome"] == "released":
            assert line["step_ms"]["chip"] > 0, "released without its chip"
    assert set(summary["device_classes_ready"]) >= DEVICE_CLASSES
    assert summary["around"] == ["power", "printer", "rfid_reader", "uav", "xray_inbox"]
    assert summary["records_lost"] == summary["records_doubled"] == 0
    assert summary["records_accepted"] == summary["records_at_centre"] == summary["records_acknowledged"]
    assert_a7_visitors_with_customs_pass_as_fast_as_citizens_elsewhere(travellers)
    assert_nothing_personal_was_logged(tmp_path / "site")


def assert_a7_visitors_with_customs_pass_as_fast_as_citizens_elsewhere(travellers: list[dict[str, object]]) -> None:
    """The whole passage, chip and customs included, of foreign short-stay visitors whom the machine let through: 20 s at most for 95 %.

    The demo's travellers lose no time; what people take is added.
    """
    passed = [line for line in travellers if (line["outcome"], line["decided_by"]) == ("released", "machine")]
    assert {line["corridor"] for line in passed} >= {"green", "red"}, "customs is part of it"
    seconds = [HUMAN_S + float(str(line["seconds"])) for line in passed]
    p95_s = percentile(seconds, 0.95)
    assert p95_s is not None
    assert p95_s <= WHOLE_PASSAGE_S, seconds


def assert_nothing_personal_was_logged(site: Path) -> None:
    """No log line holds a name, a document number or a machine readable zone of any traveller."""
    for log in site.glob("*.log"):
        text = log.read_text(encoding="utf-8", errors="replace")
        for personal in ("SPECIMEN", "TRAVELLER<", "<<<<", "SPECIM"):
            assert personal not in text, f"{log.name} holds {personal!r}"


@pytest.mark.mosquitto
def test_mosquitto_serves_by_one_setting(tmp_path: Path) -> None:
    code, travellers, summary = demo("--travellers", "2", "--mosquitto", "/usr/sbin/mosquitto")
    assert code == 0, (travellers, summary)
