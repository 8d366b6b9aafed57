"""The centre's monitor page: over a real ledger, with a client and in the browser."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from central_sync.centre.queries import CentreQueries
from central_sync.centre.schema import ALARMS, PASSAGE_CELLS, PRESENCE, RECORDS, open_engine
from central_sync.passage_counts.cells import bucket, split
from gate_agent.web.centre.application import add_monitor
from gate_agent.web.pages import page_app, serving
from tests.browser.centre_page import look_at, needs_chromium, open_page

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\u202e" + "x" * 300


def ledger(folder: Path) -> sa.Engine:
    engine = open_engine(f"sqlite:///{folder / 'centre.db'}")
    with engine.begin() as connection:
        for number, (online, backlog) in enumerate([(True, 0), (False, 37), (True, 2)], start=1):
            connection.execute(
                PRESENCE.insert().values(
                    gate=f"UTO/demo/gate-{number}", session=str(uuid.uuid4()), online=online, epoch=str(uuid.uuid4()),
                    last_seen=(NOW - timedelta(seconds=3 if online else 7000)).isoformat(), first_seq=1, first_unacked=1,
                    last_seq=120 + number, head="", backlog=backlog, protocol="mqtt 5",
                )
            )  # fmt: skip
        for number, corridor in enumerate(["green"] * 6 + ["yellow"] * 3 + ["red"]):
            connection.execute(
                RECORDS.insert().values(
                    id=str(uuid.uuid4()), gate="UTO/demo/gate-1", kind="crossing", time=NOW.isoformat(),
                    stored_at=(NOW - timedelta(seconds=number)).isoformat(), corridor=corridor, outcome="passed",
                    reasons='["value_over_allowance"]' if corridor == "red" else "[]", body=b"SEALED",
                )
            )  # fmt: skip
        for day, corridor, passages, inspections, found, took_s in (
            (NOW, "green", 5, 0, 0, 42),
            (NOW - timedelta(days=6), "green", 1, 0, 0, 42),
            (NOW - timedelta(days=7), "green", 500, 0, 0, 42),  # too long ago
            (NOW, "yellow", 3, 8, 1, 540),
            (NOW, "red", 1, 12, 3, 4_680),
        ):
            figures = Counter(passages=passages, inspections=inspections, found=found)
            figures[f"step:whole:{bucket(took_s * 1000)}"] = passages
            head, rest = split(figures)
            moment = f"{day.date()}T12:00+05:00"
            connection.execute(
                PASSAGE_CELLS.insert().values(
                    cell=f"hour||{moment}|{corridor}", span="hour", gate="", day=moment[:10], moment=moment,
                    corridor=corridor, head=head, rest=rest,
                )
            )  # fmt: skip
        connection.execute(
            ALARMS.insert().values(
                gate="UTO/demo/gate-2", kind="records_missing", subject="x", detail=HOSTILE,
                first_at=NOW.isoformat(), last_at=NOW.isoformat(), times=2,
            )
        )  # fmt: skip
    return engine


def monitor(engine: sa.Engine) -> FastAPI:
    app = page_app("centre")
    add_monitor(app, CentreQueries(engine, now=lambda: NOW), lambda: NOW, refresh_s=1)
    return app


async def test_gates_corridors_and_records_are_shown(tmp_path: Path) -> None:
    engine = ledger(tmp_path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(monitor(engine)), base_url="http://localhost") as client:
        page = (await client.get("/")).text
        assert (await client.get("/healthz")).status_code == 204
    engine.dispose()
    assert "2 of 3" in page
    assert ">39<" in page  # 37 + 2 records still at the gates
    assert page.index("UTO/demo/gate-2") < page.index("UTO/demo/gate-1")  # what is wrong stands first
    for text in ("Half within 42 s", "Half within 1 h 16 min", "Findings in 25.0 % of 12 inspections"):
        assert text in page
    for text in ("60.0 %", "30.0 %", "10.0 %", "value over allowance", "✕ away", "● online"):
        assert text in page
    assert "<script>alert" not in page
    assert "SEALED" not in page


async def test_an_empty_centre_has_a_page_too(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'centre.db'}")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(monitor(engine)), base_url="http://localhost") as client:
        page = (await client.get("/")).text
    engine.dispose()
    assert "No gate was heard of yet." in page
    assert "0 of 0" in page


@pytest.mark.chromium
@needs_chromium
async def test_the_page_in_a_browser(tmp_path: Path) -> None:
    engine = ledger(tmp_path)
    async with open_page() as (page, complaints):
        async with serving(monitor(engine)) as address:
            await page.goto(address)
            await look_at(page, "centre")
            with engine.begin() as connection:
                connection.execute(PRESENCE.delete().where(PRESENCE.c.gate == "UTO/demo/gate-2"))
            await page.get_by_text("2 of 2").wait_for(timeout=15_000)
            assert complaints == []
        await page.locator("#stale", has_text="Connection lost").wait_for(timeout=15_000)
    engine.dispose()
