"""The centre's page of statistics: over sums that records made, with a client and in the browser."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from central_sync.centre import passage_counts
from central_sync.centre.queries import CentreQueries
from central_sync.centre.schema import PASSAGE_CELLS, open_engine
from central_sync.messages import ReasonPart, RecordContent, first_prev_hash, read_record, record_body
from central_sync.passage_counts.cells import split
from gate_agent.domain.identifiers import uuid7
from gate_agent.web.centre.counts_page import add_counts
from gate_agent.web.pages import page_app, serving
from tests.browser.centre_page import look_at, needs_chromium, open_page
from tests.unit.test_passage_counts import EPOCH, OFFICER, ClockPart, crossing, decision, inspection

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ZONE = "Asia/Tashkent"


def contents(number: int) -> list[RecordContent]:
    """Return the records of one traveller: four of five green and untouched, one in ten red, every twelfth the guard's."""
    begun = NOW - timedelta(minutes=47 * number)
    transaction_id = uuid7(int(begun.timestamp() * 1000))
    corridor = "red" if number % 10 == 3 else "yellow" if number % 10 == 7 else "green"
    why = [ReasonPart(code="nothing_declared" if corridor == "green" else "value_over_allowance")]
    at = begun + timedelta(seconds=9 + number % 7)
    is_referred = number % 12 == 5
    told: list[RecordContent] = [
        decision(
            transaction_id,
            at,
            ZONE,
            corridor=corridor,
            corridor_reasons=why,
            admission="refer" if is_referred else "release",
        )
    ]
    if is_referred:
        at += timedelta(seconds=40)
        told.append(decision(transaction_id, at, ZONE, corridor=corridor, decided_by="guard", officers=OFFICER))
    told.append(crossing(transaction_id, at + timedelta(seconds=4), ZONE, corridor=corridor))
    if corridor != "green":
        told.append(inspection(transaction_id, at + timedelta(minutes=6), corridor=corridor, finding="found"))
    return told


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    made = open_engine(f"sqlite:///{tmp_path / 'centre.db'}")
    seq = 0
    with made.begin() as connection:
        for number in range(120):
            gate = f"UTO/demo/gate-{1 + number % 3}"
            records = []
            for content in contents(number):
                seq += 1
                body = record_body(
                    content, record_id=uuid7(seq), source=gate, time=NOW, epoch=EPOCH, seq=seq,
                    prev_hash=first_prev_hash(EPOCH), clock=ClockPart(boot_id="-", mono_ns=0, state="unknown"),
                )  # fmt: skip
                records.append(read_record(body))
            passage_counts.note(connection, "sqlite", gate, records)
    yield made
    made.dispose()


def application(engine: sa.Engine) -> FastAPI:
    app = page_app("centre")
    add_counts(app, CentreQueries(engine, now=lambda: NOW), lambda: NOW)
    return app


async def asked(engine: sa.Engine, **question: str) -> tuple[int, str]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(application(engine)), base_url="http://localhost"
    ) as client:
        answer = await client.get("/counts", params=question)
    return answer.status_code, " ".join(answer.text.split())


async def test_a5_dubai_statistics_per_corridor_gate_and_hour_are_shown(engine: sa.Engine) -> None:
    status, page = await asked(engine)
    assert status == 200
    assert "<dt>Passages</dt><dd>120</dd>" in page
    assert "<dt>Untouched by anybody</dt><dd>75.0 %</dd>" in page  # 96 green, 6 of them a guard's
    assert page.count('<tr><th scope="row"><bdi>UTO/<wbr>demo/<wbr>gate-') == 3
    for text in ("Value over allowance", "Customs", "Chip", "Whole", "By hour of the day", "80.0 %"):
        assert text in page
    _, one_day = await asked(engine, since="2026-03-01", until="2026-03-01", gate="UTO/demo/gate-1")
    assert "<bdi>17:00 +05:00</bdi>" in one_day
    assert "By gate" not in one_day
    _, red = await asked(engine, corridor="red")
    assert "<dt>Passages</dt><dd>12</dd>" in red
    assert "<dt>Untouched by anybody</dt><dd>0.0 %</dd>" in red


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ({"since": "yesterday"}, "A day is written as"),
        ({"since": "2026-03-02", "until": "2026-03-01"}, "stands behind"),
    ],
)
async def test_what_is_no_day_is_said_and_the_usual_days_are_shown(
    engine: sa.Engine, question: dict[str, str], told: str
) -> None:
    status, page = await asked(engine, **question)
    assert status == 400
    assert told in page
    assert "<dt>Passages</dt><dd>120</dd>" in page


async def test_days_without_anybody_have_a_page_too(engine: sa.Engine) -> None:
    status, page = await asked(engine, since="2020-01-01", until="2020-01-31", gate="<script>alert(1)</script>")
    assert status == 200
    assert "Nobody passed in these days." in page
    assert "<script>alert" not in page


async def test_thirty_days_of_three_hundred_gates_are_drawn_in_seconds(tmp_path: Path) -> None:
    """The sums of such a month are put there as they would stand; what is measured is question and page."""
    engine = open_engine(f"sqlite:///{tmp_path / 'month.db'}")
    figures: Counter[str] = Counter({"decided": 900, "passages": 880, "untouched": 800})
    figures.update({f"step:whole:{place}": 20 + place for place in range(50, 66)})
    rest = {
        f"step:{step}:{place}": 30 for step in ("chip", "document", "face", "page", "walk") for place in range(40, 60)
    }
    head, below = split(figures)[0], split(Counter(rest) + Counter({f"reason:r{n}": 5 for n in range(15)}))[1]
    rows = []
    for day in range(30):
        local = (NOW - timedelta(days=day)).date().isoformat()
        for corridor in ("green", "yellow", "red"):
            rows += [("day", f"UTO/demo/gate-{gate}", local, corridor) for gate in range(300)]
            for hour in range(24):
                rows.append(("hour", "", f"{local}T{hour:02d}:00+05:00", corridor))
                rows.append(("hour", "UTO/demo/gate-7", f"{local}T{hour:02d}:00+05:00", corridor))
    with engine.begin() as connection:
        connection.execute(
            PASSAGE_CELLS.insert(),
            [
                {"cell": "|".join(row), "span": row[0], "gate": row[1], "day": row[2][:10], "moment": row[2], "corridor": row[3],
                 "head": head, "rest": below}
                for row in rows
            ],
        )  # fmt: skip
    took_s = []
    for question in ({"since": "2026-01-31"}, {"since": "2026-01-31", "gate": "UTO/demo/gate-7"}):
        began_s = time.process_time()
        status, page = await asked(engine, **question)
        took_s.append(time.process_time() - began_s)
        assert status == 200
        assert str(880 * 30 * 24 * 3) in page
    engine.dispose()
    assert page.count("</tr>") > 24
    assert max(took_s) < 5.0, took_s


@pytest.mark.chromium
@needs_chromium
async def test_the_page_in_a_browser(engine: sa.Engine) -> None:
    async with open_page() as (page, complaints), serving(application(engine)) as address:
        await page.goto(f"{address}/counts?since=2026-02-20")
        await look_at(page, "counts")
        # By keyboard alone: to the corridor, to red, and asked.
        await page.locator("select[name=corridor]").focus()
        await page.keyboard.press("r")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Show"
        await page.keyboard.press("Enter")
        await page.locator("dd", has_text="0.0 %").wait_for(timeout=15_000)
        assert "corridor=red" in page.url
        assert complaints == []
