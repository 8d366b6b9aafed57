"""`egate rules` and `egate inspect mrz-text` as people and scripts use them: fields, exit codes, and clear words for bad input."""

import io
import json
import subprocess
import sys
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_agent.cli import main
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes

TD3 = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10\n"
DUTY = {
    "direction": "entry", "mode": "air", "date": "2025-05-01", "days_abroad": 5,
    "goods": [{"description": "clothes", "value_usd": "1200.00", "mass_kg": "10"}],
}  # fmt: skip


@pytest.fixture
def egate(monkeypatch, capfd):
    """Run a command with these bytes on standard input; return exit code, decoded lines and standard error."""

    def run(*words, stdin=b""):
        text = stdin if isinstance(stdin, bytes) else json.dumps(stdin).encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text), encoding="utf-8"))
        code = main(list(words))
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, [json.loads(line) for line in out.splitlines()], err

    return run


# --- inspect mrz-text --------------------------------------------------------------------------------------------------------


def test_one_answer_per_block(egate):
    wrong = TD3.replace("L898902C36", "L898902C37")
    text = f"\n\n{TD3}\n \n{wrong}\nnothing\n\n".replace("\n", "\r\n")
    code, answers, _ = egate("inspect", "mrz-text", "--json", "--today", "2026-06-15", stdin=text.encode())
    assert code == 0
    assert [(a["valid"], a["format"]) for a in answers] == [(True, "TD3"), (False, "TD3"), (False, None)]
    assert (
        answers[0]["fields"]
        | {
            "document_number": "L898902C3",
            "primary_identifier": "ERIKSSON",
            "secondary_identifier": "ANNA MARIA",
            "issuing_state": "UTO",
            "nationality": "UTO",
            "date_of_birth": "1974-08-12",
            "sex": "F",
            "date_of_expiry": "2012-04-15",
            "optional_data": "ZE184226B",
        }
        == answers[0]["fields"]
    )
    assert answers[0]["checks"] == dict.fromkeys(
        ("document_number", "date_of_birth", "date_of_expiry", "optional_data", "composite"), "successful"
    )
    assert (answers[1]["checks"]["document_number"], answers[1]["checks"]["date_of_birth"]) == ("failed", "successful")
    assert (answers[2]["fields"], answers[2]["checks"]) == ({}, {})


@pytest.mark.parametrize(
    "text",
    [b"\xff\xfe\x00", b"\xc3(\n" * 5, b"\x00" * 100, "\u200b" * 44 + "\n", b"P<UTO" * 400_000, b"A\n" * 200_000],
    ids=["not text", "not UTF-8", "zeros", "invisible", "long line", "many lines"],
)
def test_nonsense_is_not_valid_and_never_a_fault(egate, text):
    start = time.process_time()
    code, answers, _ = egate("inspect", "mrz-text", stdin=text if isinstance(text, bytes) else text.encode())
    assert (code, [answer["valid"] for answer in answers]) == (0, [False])
    assert time.process_time() - start < 5


def test_the_tail_of_an_over_long_line_is_no_zone(egate):
    padded = " " * 8192 + TD3
    code, answers, _ = egate("inspect", "mrz-text", stdin=padded.encode())
    assert (code, [answer["valid"] for answer in answers]) == (0, [False])


def test_a_byte_order_mark_is_no_character_of_the_zone(egate):
    assert egate("inspect", "mrz-text", stdin=b"\xef\xbb\xbf" + TD3.encode())[1][0]["valid"] is True


def test_no_document_no_answer(egate):
    assert egate("inspect", "mrz-text", stdin=b"\n \n")[:2] == (0, [])


# --- rules: questions ----------------------------------------------------------------------------------------------------------


def test_duty_line_by_line_with_its_rules(egate):
    code, lines, _ = egate("rules", "duty", "--json", stdin=DUTY)
    assert code == 0
    assert lines[-1] == {
        "line": "result", "value_usd": "1200.00", "allowance_usd": "1000.00", "excess_usd": "200.00", "due_usd": "60.00",
        "rulebook_version": 1,
    }  # fmt: skip
    used = {line["line"]: (line["rule_id"], line["effective_from"]) for line in lines[:-1] if line["rule_id"]}
    assert used == {
        "value_allowance": ("uz.allowance.air.2025", "2025-05-01"),
        "charge_on_excess": ("uz.charge.2020", "2020-01-01"),
        "charge_floor": ("uz.floor.2020", "2020-01-01"),
    }
    assert egate("rules", "duty", stdin=DUTY | {"date": "2025-04-30"})[1][-1]["due_usd"] == "0.00"


def test_duty_without_rule_is_for_an_officer(egate):
    code, lines, _ = egate("rules", "duty", stdin=DUTY | {"date": "2017-01-01"})
    assert code == 0
    assert lines[-1] == {"line": "result", "officer": True, "reason": "rule_not_found", "rules": ["value_allowance"]}


def test_stay(egate):
    question = {"nationality": "UTO", "entered_on": "2026-11-01", "exit_on": "2026-12-01"}
    code, (answer,), _ = egate("rules", "stay", stdin=question)
    assert code == 0
    assert answer["last_day"] == "2026-11-30"
    assert (answer["result"], answer["reasons"]) == ("failed", [{"code": "stay_overstayed", "days": "1"}])
    assert (answer["rule_id"], answer["effective_from"]) == ("uz.stay.uto", "2018-01-01")
    assert egate("rules", "stay", stdin=question | {"nationality": "XXX"})[1][0]["officer"] is True


def test_corridor_uses_absence_and_shows_the_age_of_rates(egate):
    question = DUTY | {
        "date": "2026-01-01",
        "goods": [{"value_usd": "100"}],
        "cash": [{"amount": "1", "currency": "USD"}],
    }
    code, lines, _ = egate("rules", "corridor", stdin=question)
    assert (code, lines[-1]["corridor"]) == (0, "yellow")  # the rate is not of the day
    assert lines[-1]["reasons"][0] == {"code": "cash_rate_old", "currency": "USD", "date": "2025-04-25"}
    assert {"line": "rate", "currency": "USD", "date": "2025-04-25", "national_minor_per_unit": 1_292_717} in lines
    code, lines, _ = egate("rules", "corridor", stdin=question | {"days_abroad": 1})
    assert (lines[-1]["corridor"], lines[-1]["reasons"][0]["code"]) == ("red", "value_over_allowance")
    assert "uz.absence.air.2025" in {line.get("rule_id") for line in lines}


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("duty", b"", "not JSON"),
        ("duty", b"[]", "an object is expected"),
        ("duty", b'{"mode":"air","mode":"road"}', "key stands twice"),
        ("duty", b'{"mode":"air","days_abroad":NaN}', "NaN"),
        ("duty", b'{"goods":' + b"[" * 100_000, "nested deeper"),
        ("duty", b'{"mode":"' + b"a" * 4_000_000 + b'"}', "longer than 1000000 bytes"),
        ("duty", b"\xff{}", "not UTF-8"),
        ("duty", DUTY | {"good": []}, "not known: good"),
        ("duty", DUTY | {"mode": "boat"}, "boat"),
        ("duty", {key: DUTY[key] for key in ("date", "goods")}, "mode: is missing"),
        ("duty", DUTY | {"mode": ["air"]}, "mode"),
        ("duty", DUTY | {"date": "20250501"}, "date"),
        ("duty", DUTY | {"date": 20250501}, "date"),
        ("duty", DUTY | {"date": "2025-02-30"}, "date"),
        ("duty", DUTY | {"days_abroad": -1}, "days_abroad"),
        ("duty", DUTY | {"days_abroad": True}, "days_abroad"),
        ("duty", DUTY | {"goods": ""}, "goods: a list"),
        ("duty", DUTY | {"goods": [7]}, "goods: an object"),
        ("duty", DUTY | {"goods": [{}]}, "value_usd: is missing"),
        ("duty", DUTY | {"goods": [{"value_usd": "1", "worth": 2}]}, "not known: worth"),
        ("duty", DUTY | {"goods": [{"value_usd": "1", "value": "2", "currency": "USD"}]}, "value_usd and value"),
        ("duty", DUTY | {"goods": [{"value_usd": "1", "kind": "tea"}]}, "kind: 'tea' is none of alcohol"),
        ("duty", DUTY | {"goods": [{"value_usd": "1", "quantity": -1}]}, "quantity"),
        ("duty", DUTY | {"goods": [{"value_usd": "1", "owner": 1}]}, "owner: one of the 1 travellers"),
        ("duty", DUTY | {"travellers": 0}, "travellers"),
        ("stay", {"nationality": "UTO", "entered_on": "2026-01-01", "stays": [{"entered_on": "x"}]}, "entered_on"),
        *[
            ("duty", DUTY | {"goods": [{"value_usd": bad}]}, "value_usd")
            for bad in ("1e999999", "NaN", "-1", "1.005", "", "٣", True, None, [], "9" * 14, "1." + "0" * 40 + "1")
        ],
        ("corridor", DUTY | {"cash": [{"amount": "1", "currency": "usd"}]}, "currency"),
        ("corridor", DUTY | {"cash": [{"amount": "1"}]}, "currency: is missing"),
        ("corridor", DUTY | {"days_abroad": "5"}, "days_abroad"),
        ("stay", {"nationality": "UTO", "entered_on": "9999-12-31"}, "entered_on"),
        ("stay", {"nationality": "", "entered_on": "2026-01-01"}, "nationality"),
        ("stay", {"entered_on": "2026-01-01"}, "nationality"),
        ("stay", {"nationality": "UTO", "entered_on": "2026-01-01", "exit": "2026-01-02"}, "not known: exit"),
    ],
)
def test_a_bad_question_is_refused_in_plain_words(egate, kind, text, words):
    code, lines, err = egate("rules", kind, stdin=text)
    assert (code, lines) == (3, [])
    assert err.startswith("egate rules: EG-RUL-001: ")
    assert words in err
    assert len(err) < 500


def test_as_a_process_too():
    command = [sys.executable, "-P", "-m", "gate_agent", "rules", "duty"]
    done = subprocess.run(command, input=b"{" * 2_000_000, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.startswith(b"egate rules: EG-RUL-001: ")


# --- rules: files ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def rulebook(tmp_path):
    path = tmp_path / "rules.json"
    path.write_bytes(packaged_rulebook_bytes())
    return path


def keys(folder, name="rulebook"):
    private = Ed25519PrivateKey.generate()
    key, public = folder / f"{name}.key", folder / f"{name}.pub"
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    key.chmod(0o600)
    public.write_bytes(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return str(key), str(public)


def test_lint_of_the_packaged_rulebook_is_clean(egate, rulebook):
    assert egate("rules", "lint")[:2] == (0, [])
    assert egate("rules", "lint", str(rulebook))[:2] == (0, [])


def test_lint_names_what_a_careful_reader_would_ask(egate, rulebook):
    body = json.loads(rulebook.read_bytes())
    body["rates"] = []
    ended = next(rule for rule in body["rules"] if rule["id"] == "uz.cash.2023")
    ended["effective_to"] = "2027-01-01"
    rulebook.write_text(json.dumps(body))
    code, lines, _ = egate("rules", "lint", str(rulebook))
    findings = " | ".join(line["finding"] for line in lines)
    assert code == 1
    for words in ("uz.cash.2023: ended", "no rate for USD"):
        assert words in findings


@pytest.mark.parametrize("content", [b"{}", b"no", b'{"a":1,"a":2}', b"\xff"])
def test_lint_of_what_is_no_rulebook_is_a_finding(egate, rulebook, content):
    rulebook.write_bytes(content)
    code, lines, _ = egate("rules", "lint", str(rulebook))
    assert (code, len(lines)) == (1, 1)
    assert lines[0]["code"] in {"EG-RUL-001", "EG-POL-001"}


def test_sign_and_verify(capfdbinary, tmp_path, rulebook):
    key, public = keys(tmp_path)
    assert main(["rules", "sign", str(rulebook), "--key", key]) == 0
    bundle = tmp_path / "rulebook.bundle"
    signed = capfdbinary.readouterr().out
    bundle.write_bytes(signed)
    assert main(["rules", "verify", str(bundle), "--key", public]) == 0
    answer = json.loads(capfdbinary.readouterr().out)
    assert (answer["result"], answer["version"]) == ("successful", 1)
    assert answer["rules"] == len(json.loads(packaged_rulebook_bytes())["rules"])
    _, stranger = keys(tmp_path, "stranger")
    assert main(["rules", "verify", str(bundle), "--key", stranger]) == 1
    assert json.loads(capfdbinary.readouterr().out)["code"] == "CS-BND-002"
    for place in range(0, len(signed), 997):
        bundle.write_bytes(signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :])
        assert main(["rules", "verify", str(bundle), "--key", public]) == 1
        assert json.loads(capfdbinary.readouterr().out)["result"] == "failed"


def test_sign_and_verify_say_what_they_lack(egate, tmp_path, rulebook):
    key, public = keys(tmp_path)
    book, absent = str(rulebook), str(tmp_path / "absent")
    for words in (
        ("sign",),
        ("sign", book),
        ("sign", absent, "--key", key),
        ("sign", book, "--key", absent),
        ("sign", book, "--key", public),
        ("sign", book, "--key", key, "--days", "0"),
        ("sign", book, "--key", key, "--days", "999999999"),
        ("verify", absent, "--key", public),
        ("verify", book, "--key", absent),
        ("verify", book, "--key", key),
        ("verify", str(tmp_path), "--key", public),
        ("duty", "--rulebook", absent),
    ):
        code, lines, err = egate("rules", *words, stdin=DUTY)
        assert (code, lines) == (3, []), words
        assert err.startswith("egate rules: "), words
    assert egate("rules", "verify", book, "--key", public)[:2][0] == 1
