"""`egate watchlist`: from a table to what a gate finds, and clear words for whoever wrote the table wrong."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from gate_agent.cli import main
from tests.unit.test_watchlist_bundles import Site

HEAD = "list,entry_id,action,names,date_of_birth,sex,nationality,documents,reason,valid_from,valid_until\n"
ROWS = (
    'wanted,W-1,stop,"Йўлдошев, Ўктам|YULDASHEV, UKTAM",1985-03,M,UTO,UTO:AB1234567,fictitious,,\n'
    'wanted,W-2,inform,"KARIMOV, ALISHER",1990,M,UTO,,fictitious,,\n'
    "lost,L-1,,,,,,ZZ0000001|UTO:ZZ0000002,reported lost,,\n"
)


class Desk:
    """Where lists are made."""

    def __init__(self, folder: Path, capsys) -> None:
        site = Site(folder / "site")
        self.folder, self.capsys = folder, capsys
        self.verifying = [
            "--centre-key",
            str(site.keys / "centre.pub"),
            "--watchlist-key",
            str(site.keys / "watchlist.key"),
        ]
        self.making = ["--sign-with", str(site.keys / "centre.key"), "--out", str(folder)]
        self.base = str(folder / "watchlist.bundle")

    def write(self, rows: str, name: str = "lists.csv", head: str = HEAD) -> str:
        path = self.folder / name
        path.write_text(head + rows, encoding="utf-8")
        return str(path)

    def run(self, *words: str) -> tuple[int, dict]:
        code = main(["watchlist", *words])
        out, err = self.capsys.readouterr()
        return code, json.loads(out.splitlines()[-1]) if out.strip() else {"error": err}

    def build(self, source: str, version: str = "5", *more: str):
        return self.run("build", source, "--version", version, *self.making, *self.verifying[2:], *more)


@pytest.fixture
def desk(tmp_path, capsys):
    return Desk(tmp_path, capsys)


def asked(desk, monkeypatch, *more, **subject):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(subject).encode())))
    code, answer = desk.run("ask", desk.base, *desk.verifying, *more)
    assert code == 0, answer
    return [(match["list"], match["entry_id"], match["kind"]) for match in answer["matches"]]


def test_a_table_becomes_a_base_and_a_change_upon_it(desk, monkeypatch):
    code, made = desk.build(desk.write(ROWS), "5", "--age-limit-h", "wanted=48")
    assert (code, made["entries"], made["not_comparable"]) == (0, 3, [])
    code, told = desk.run("verify", desk.base, *desk.verifying)
    assert (code, told["result"]) == (0, "successful")
    assert told["lists"] == [
        {"name": "wanted", "age_limit_h": 48.0, "stop": 1, "inform": 1},
        {"name": "lost", "age_limit_h": None, "refer": 1},
    ]
    person = {"primary_identifier": "YOLDOSHEV", "secondary_identifier": "OKTAM", "date_of_birth": "1985-03-02"}
    assert asked(desk, monkeypatch, **person) == [("wanted", "W-1", "sound")]
    assert asked(desk, monkeypatch, document_number="ZZ-0000002", issuing_state="UTO") == [("lost", "L-1", "document")]
    assert asked(desk, monkeypatch, document_number="ZZ-0000002", issuing_state="XXX") == []
    shorter = desk.write("".join(ROWS.splitlines(keepends=True)[1:]))
    code, made = desk.run("delta", desk.base, shorter, "--version", "6", *desk.making, *desk.verifying)
    assert (code, made["entries"]) == (0, 2)
    change = ["--delta", str(desk.folder / "watchlist_delta.bundle")]
    assert asked(desk, monkeypatch, *change, **person) == []
    code, told = desk.run("verify", desk.base, *desk.verifying, *change)
    assert (told["version"], told["lists"][0]["age_limit_h"]) == (6, 48.0)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (ROWS + ROWS, "has an entry W-1 already"),
        ("wanted,W-1,,,,,,,,,\n", "a document or a name is expected"),
        ("wanted,W-1,shoot,A,,,,,,,\n", "stop, refer or inform"),
        ("wanted,W-1,,A,1985-13,,,,,,\n", "no such day"),
        ("wanted,W-1,,A,85,,,,,,\n", "a date, a month"),
        ("wanted,W-1,,A,,Q,,,,,\n", "M, F or X"),
        ("wanted,W-1,,王,,,,,,,\n", "no gate can compare"),
        (",W-1,,A,,,,,,,\n", "the name of a list"),
        ("wanted,W-1,A\n", "not as many fields"),
        ("wanted,W-1,,A,,,,,,2026-02-01,2026-01-01\n", "before valid_from"),
    ],
)
def test_a_table_that_is_wrong_is_refused_with_the_place(desk, rows, words):
    code, answer = desk.build(desk.write(rows))
    assert code == 3
    assert words in answer["error"]
    assert "EG-WLI-001" in answer["error"]
    assert not Path(desk.base).exists()


def test_wrong_columns_limits_and_versions_are_refused(desk):
    assert "unknown column born" in desk.build(desk.write("", head="list,entry_id,born\n"))[1]["error"]
    good = desk.write(ROWS)
    for limit in ("wanted", "wanted=-1", "=5", "nobody=5"):
        assert desk.build(good, "5", "--age-limit-h", limit)[0] == 3
    assert desk.build(good)[0] == 0
    assert desk.run("delta", desk.base, good, "--version", "5", *desk.making, *desk.verifying)[0] == 3


def test_verify_finds_an_altered_bundle(desk):
    desk.build(desk.write(ROWS))
    path = Path(desk.base)
    path.write_bytes(path.read_bytes().replace(b'"count":3', b'"count":4'))
    code, told = desk.run("verify", desk.base, *desk.verifying)
    assert (code, told["result"]) == (1, "failed")
