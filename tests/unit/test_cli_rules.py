"""`egate rules` and `egate inspect mrz-text` as scripts use them: standard input, JSON lines, exit codes."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_agent.cli import main
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes

PROJECT = Path(__file__).resolve().parents[2]
ATLANTIS = PROJECT / "gate_agent" / "policy" / "rulebooks" / "atlantis.json"


class Typed:
    """Standard input that holds some bytes."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)
        self._text = io.TextIOWrapper(self.buffer, encoding="utf-8", errors="surrogateescape")
        self.readline = self._text.readline


def ask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, content: bytes | str
) -> tuple[int, list[dict[str, object]], str]:
    monkeypatch.setattr(sys, "stdin", Typed(content.encode() if isinstance(content, str) else content))
    code = main(words.split())
    printed = capsys.readouterr()
    return code, [json.loads(line) for line in printed.out.splitlines()], printed.err


def test_duty_line_by_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    question = {
        "direction": "entry",
        "mode": "air",
        "date": "2025-05-01",
        "days_abroad": 5,
        "goods": [{"description": "clothes", "value_usd": "1200.00", "mass_kg": "10"}],
    }
    code, lines, _ = ask(monkeypatch, capsys, "rules duty", json.dumps(question))
    assert code == 0
    assert lines[-1]["due_usd"] == "60.00"
    used = {line["rule_id"]: line["effective_from"] for line in lines if line.get("rule_id")}
    assert used["uz.allowance.air.2025"] == "2025-05-01"
    assert used["uz.charge.2020"] == "2020-01-01"


def test_stay_and_corridor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    question = {"nationality": "UTO", "entered_on": "2026-11-01", "exit_on": "2026-12-01"}
    code, lines, _ = ask(monkeypatch, capsys, "rules stay", json.dumps(question))
    assert (code, lines[-1]["last_day"], lines[-1]["result"]) == (0, "2026-11-30", "failed")
    question = {"mode": "air", "date": "2026-01-01", "cash": [{"amount": "15000", "currency": "USD"}]}
    code, lines, _ = ask(monkeypatch, capsys, "rules corridor", json.dumps(question))
    assert (code, lines[-1]["corridor"]) == (0, "red")


def test_a_currency_without_a_minor_unit_is_asked_about_in_whole_units(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def reasons(yen: str) -> list[str]:
        question = {"mode": "air", "date": "2026-06-01", "cash": [{"amount": yen, "currency": "JPY"}]}
        _, lines, _ = ask(monkeypatch, capsys, f"rules corridor --rulebook {ATLANTIS}", json.dumps(question))
        return [reason["code"] for reason in lines[-1]["reasons"]]  # type: ignore[attr-defined]

    assert "cash_over_threshold" not in reasons("500000")  # 2 minor units of Atlantis each, 10,000.00 in all
    assert "cash_over_threshold" in reasons("500001")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "nonsense",
        '{"mode": "air", "mode": "road", "date": "2025-05-01"}',
        '{"mode": "air", "date": "2025-05-01", "goods": [{"value_usd": NaN, "mass_kg": "1"}]}',
        '{"mode": "air", "date": "2025-05-01", "days_abroad": -1}',
        '{"mode": "air", "date": "2025-05-01", "days_abroad": 99999999999999999999}',
        '{"mode": "air", "date": "2025-05-01", "goods": [{"value_usd": "-5", "mass_kg": "1"}]}',
        '{"mode": "air", "date": "2025-05-01", "goods": [{"value_usd": "1.005", "mass_kg": "1"}]}',
        '{"mode": "air", "date": "2025-05-01", "goods": {}, "x": ' + "[" * 50_000 + "]" * 50_000 + "}",
        '{"mode": "balloon", "date": "2025-05-01"}',
        '{"mode": "air", "date": "yesterday"}',
    ],
)
def test_a_question_that_is_none_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    code, lines, errors = ask(monkeypatch, capsys, "rules duty", text)
    assert (code, lines) == (3, [])
    assert errors.startswith("egate rules: EG-")
    assert len(errors) < 400


def egate(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "gate_agent", *map(str, words)],
        capture_output=True,
        check=False,
        cwd=PROJECT,
        timeout=60,
    )


def test_lint_sign_and_verify_agree(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    (tmp_path / "rulebook.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (tmp_path / "rulebook.pub").write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    rules, bundle = tmp_path / "rules.json", tmp_path / "rulebook.bundle"
    rules.write_bytes(packaged_rulebook_bytes())
    assert egate("rules", "lint", rules).returncode == 0
    signed = egate("rules", "sign", rules, "--key", tmp_path / "rulebook.key")
    assert signed.returncode == 0, signed.stderr
    bundle.write_bytes(signed.stdout)
    verified = egate("rules", "verify", bundle, "--key", tmp_path / "rulebook.pub")
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["result"] == "successful"
    bundle.write_bytes(signed.stdout.replace(b'"value":100000', b'"value":900000', 1))
    forged = egate("rules", "verify", bundle, "--key", tmp_path / "rulebook.pub")
    assert json.loads(forged.stdout)["result"] == "failed"
    body = json.loads(packaged_rulebook_bytes())
    body["rules"][0]["value"] = "a lot"
    rules.write_text(json.dumps(body))
    found = egate("rules", "lint", rules)
    assert found.returncode == 1
    assert b"rules[0].value" in found.stdout


def test_zones_on_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    passport = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"
    wrong = passport.replace("<<<10", "<<<20")
    content = f"{passport}\n\n\n{wrong} \r\n\nnonsense\n" + "X" * 100_000
    code, lines, _ = ask(monkeypatch, capsys, "inspect mrz-text --json --today 2026-06-15", content)
    assert code == 0
    assert [(line["valid"], line["format"]) for line in lines] == [(True, "TD3"), (False, "TD3"), (False, None)]
    fields = lines[0]["fields"]
    assert isinstance(fields, dict)
    assert (fields["document_number"], fields["date_of_birth"], fields["date_of_expiry"]) == (
        "L898902C3",
        "1974-08-12",
        "2012-04-15",
    )
    assert lines[0]["checks"] == dict.fromkeys(
        ("document_number", "date_of_birth", "date_of_expiry", "optional_data", "composite"), "successful"
    )
    assert isinstance(lines[1]["checks"], dict)
    assert [name for name, outcome in lines[1]["checks"].items() if outcome == "failed"] == [
        "optional_data",
        "composite",
    ]
