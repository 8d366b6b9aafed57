"""`egate counts`: what is kept, as lines and as a table; what differs from the journal is said, and mended at the centre."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from central_sync.centre import passage_counts
from central_sync.centre.schema import PASSAGE_CELLS, RECORDS, open_engine
from central_sync.messages import read_record
from gate_agent.cli import main
from gate_agent.domain.crossing import Admission, Corridor, DecidedBy
from gate_agent.domain.identifiers import uuid7
from gate_agent.store import Store
from gate_agent.store import passage_counts as of_gate
from tests.unit.test_store import CENTRE, GATE, NOW, SEALING, HandClock, crossed, decided

LIMITS = type("Limits", (), {"keep_acknowledged_days": 30, "keep_receipts_days": 1096, "ballast_bytes": 0})()


async def gate_of_a_day(folder: Path) -> None:
    """Two hours in Tashkent: six in green, one in red; one of the green ones was a guard's."""
    clock = HandClock()
    store = await Store.open(
        folder, clock, GATE, SEALING.public_key(), LIMITS, centre_public_key=CENTRE.public_key(),
        time_zone=ZoneInfo("Asia/Tashkent"),
    )  # fmt: skip
    for number in range(7):
        begun = NOW + timedelta(minutes=12 * number)
        transaction_id = uuid7(int(begun.timestamp() * 1000))
        known = {
            "transaction_id": transaction_id, "decided_at": begun, "declaration": None, "step_ms": {"chip": 3000.0},
            "corridor": Corridor.RED if number == 6 else Corridor.GREEN,
        }  # fmt: skip
        if number == 2:
            await store.commit_decision(decided(Admission.REFER, **known))
            known["decided_by"] = DecidedBy.GUARD
        decision = decided(**known)
        await store.commit_decision(decision)
        await store.commit_crossing(crossed(decision, occurred_at=begun + timedelta(seconds=20)))
    await store.close()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    asyncio.run(gate_of_a_day(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def centre(gate: Path, tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'centre.db'}"
    engine = open_engine(url)
    with closing(sqlite3.connect(gate / "store.db")) as store:
        bodies = [bytes(body) for (body,) in store.execute("SELECT body FROM outbox ORDER BY seq")]
    with engine.begin() as connection:
        for body in bodies:
            record = read_record(body)
            passage_counts.note(connection, "sqlite", record.source, [record])
            connection.execute(
                RECORDS.insert().values(
                    id=str(record.id), gate=record.source, kind=record.kind, time="", stored_at="", corridor="", outcome="",
                    reasons="[]", body=body,
                )
            )  # fmt: skip
    engine.dispose()
    return url


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_lines_per_gate_hour_and_corridor_are_the_same_at_gate_and_centre(
    gate: Path, centre: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = []
    for source in (str(gate), centre):
        assert main(["counts", "show", "--journal", source]) == 0
        told.append(lines(capsys))
    assert told[0] == told[1]
    first, green, red = told[0]
    assert (first["hour"], green["hour"]) == ("2026-05-01T17:00+05:00", "2026-05-01T18:00+05:00")
    assert (first["passages"], first["untouched"], first["by_guard"], first["untouched_percent"]) == (5, 4, 1, "80.0")
    assert (green["passages"], green["share_percent"]) == (1, "50.0")
    assert (red["corridor"], red["untouched_percent"]) == ("red", "0.0")
    steps, reasons = first["steps"], first["reasons"]
    assert isinstance(steps, dict)
    assert isinstance(reasons, dict)
    assert steps["chip"] == {"timed": 5, "p50_s": pytest.approx(3.0, rel=0.09), "p95_s": pytest.approx(3.0, rel=0.09)}
    assert list(steps) == ["chip", "guard", "walk", "whole"]
    assert reasons["all_checks_successful"] == 5


def test_a_table_has_the_same_columns_whoever_passed(gate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = []
    for corridor in ("green", "red"):
        assert (
            main(["counts", "show", "--journal", str(gate), "--by", "corridor", "--corridor", corridor, "--csv"]) == 0
        )
        tables.append(list(csv.DictReader(io.StringIO(capsys.readouterr().out))))
    (green,), (red,) = tables
    assert list(green) == list(red)
    assert (green["passages"], green["share_percent"], red["share_percent"]) == ("6", "85.7", "14.3")
    assert (green["face_p50_s"], green["whole_timed"], red["whole_timed"]) == ("", "6", "")


def test_days_and_gates_are_asked_for(gate: Path, centre: str, capsys: pytest.CaptureFixture[str]) -> None:
    for source in (str(gate), centre):
        for options, passages in (
            (["--since", "2026-05-01", "--until", "2026-05-01"], [7]), (["--since", "2026-05-02"], []), (["--until", "2026-04-30"], []),
        ):  # fmt: skip
            assert main(["counts", "show", "--journal", source, "--by", "", *options]) == 0
            assert [line["passages"] for line in lines(capsys)] == passages
    assert main(["counts", "show", "--journal", centre, "--gate", "UTO/demo/gate-2"]) == 0
    assert lines(capsys) == []
    assert main(["counts", "show", "--journal", str(gate), "--by", "nationality"]) == 3


def test_what_differs_is_said_and_the_centre_can_be_mended(
    gate: Path, centre: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for source in (str(gate), centre):
        assert main(["counts", "verify", "--journal", source]) == 0
        lines(capsys)
    with closing(sqlite3.connect(gate / "store.db")) as store:
        store.execute("""UPDATE passage_cells SET head = replace(head, '"passages":5', '"passages":6')""")
        store.commit()
    assert main(["counts", "verify", "--journal", str(gate)]) == 1
    found, summary = lines(capsys)
    assert found["differs"] == {"passages": {"kept": 6, "journal": 5}}
    assert found["hour"] == "2026-05-01T17:00+05:00"
    assert (summary["sums"], summary["after_hour"]) == (3, None)
    assert main(["counts", "mend", "--journal", str(gate)]) == 3

    engine = sa.create_engine(centre)
    with engine.begin() as connection:
        connection.execute(PASSAGE_CELLS.delete().where(PASSAGE_CELLS.c.span == "day"))
    engine.dispose()
    capsys.readouterr()
    assert main(["counts", "verify", "--journal", centre]) == 1
    assert {line["span"] for line in lines(capsys)[:-1]} == {"day"}
    assert main(["counts", "mend", "--journal", centre]) == 0
    capsys.readouterr()
    assert main(["counts", "verify", "--journal", centre]) == 0


def test_what_the_centre_stores_while_it_is_compared_is_no_difference(
    centre: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = passage_counts.kept_sums

    def kept_and_then_stored(connection: sa.Connection) -> passage_counts.Sums:
        sums = real(connection)
        engine = sa.create_engine(centre)
        with engine.begin() as other:
            other.execute(RECORDS.delete().where(RECORDS.c.kind == "crossing"))
        engine.dispose()
        return sums

    monkeypatch.setattr(passage_counts, "kept_sums", kept_and_then_stored)
    assert main(["counts", "verify", "--journal", centre]) == 0
    monkeypatch.setattr(passage_counts, "kept_sums", real)
    assert main(["counts", "verify", "--journal", centre]) == 1


def test_at_a_gate_hours_are_compared_of_which_the_journal_holds_every_passage(
    gate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(gate / "store.db")) as store:
        store.execute(
            "DELETE FROM outbox WHERE seq <= 3 OR seq = 6"
        )  # delivered and purged, one of them before its turn
        store.commit()
    assert main(["counts", "verify", "--journal", str(gate)]) == 0
    (summary,) = lines(capsys)
    assert (summary["after_hour"], summary["sums"]) == ("2026-05-01T17:00+05:00", 2)


def test_a_gate_forgets_the_passages_after_sixty_days_and_the_sums_after_four_hundred(gate: Path) -> None:
    with closing(sqlite3.connect(gate / "store.db", isolation_level=None)) as store:
        store.row_factory = sqlite3.Row

        def left(today: date) -> tuple[int, int]:
            of_gate.purge(store, today)
            told = store.execute("SELECT (SELECT count(*) FROM passage_facts), (SELECT count(*) FROM passage_cells)")
            return tuple(told.fetchone())

        day = date(2026, 5, 1)
        assert left(day + timedelta(days=60)) == (7, 3)
        assert left(day + timedelta(days=61)) == (0, 3)
        assert left(day + timedelta(days=400)) == (0, 3)
        assert left(day + timedelta(days=401)) == (0, 0)


def test_a_centre_of_before_is_counted_when_it_is_first_opened(centre: str) -> None:
    engine = open_engine(centre)
    with engine.begin() as connection:
        live = passage_counts.kept_sums(connection)
        for table in ("passages", "passage_cells"):
            connection.execute(sa.text(f"DELETE FROM {table}"))
    assert passage_counts.rebuild(engine)
    assert not passage_counts.rebuild(engine)
    with engine.connect() as connection:
        assert passage_counts.kept_sums(connection) == live
    engine.dispose()
    assert live


def test_what_is_no_store_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sqlite3.connect(tmp_path / "store.db").close()
    assert main(["counts", "show", "--journal", str(tmp_path)]) == 3
    assert "no such table" in capsys.readouterr().err
