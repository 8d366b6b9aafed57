"""The portal reads on in a real database of the centre: used declarations and seals become notices, once, through restarts and silence."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from central_sync.centre.schema import RECORDS, open_engine
from central_sync.messages import ClockPart, DeclarationV1, SealV1, first_prev_hash, record_body
from gate_agent.web.portal.centre_changes import MOST, CentreChanges
from gate_agent.web.portal.housekeeping import Housekeeping
from tests.scenario.portal_visit import NOW, HandClock, changes_of, open_book, portal

EPOCH = uuid.UUID("01900000-0000-7000-8000-0000000000ee")


def stored(engine: sa.Engine, content: DeclarationV1 | SealV1, number: int, at: datetime) -> None:
    """Put a record into the centre's table as its ingest does."""
    record_id = uuid.UUID(f"01900000-0000-7000-8000-{number:012d}")
    body = record_body(
        content, record_id=record_id, source="UTO/demo/gate-1", time=NOW, epoch=EPOCH, seq=1,
        prev_hash=first_prev_hash(EPOCH), clock=ClockPart(boot_id="b", mono_ns=1, state="unknown"),
    )  # fmt: skip
    with engine.begin() as connection:
        connection.execute(
            RECORDS.insert().values(
                id=str(record_id), gate="UTO/demo/gate-1", kind=content.kind, time=NOW.isoformat(),
                stored_at=at.isoformat(), corridor="", outcome="", reasons="[]", body=body,
            )
        )  # fmt: skip


def used(reference: str) -> DeclarationV1:
    return DeclarationV1(transaction_id=EPOCH, token_id="ab" * 16, reference=reference, direction="entry", mode="air")


async def test_records_of_the_centre_become_notices_once(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'centre.db'}")
    book = open_book(tmp_path / "portal")
    pages = portal(HandClock(), book)
    book.issued(NOW, "7K3M-92QF", None, "L898902C3", seal_ids=("7201110001",), declared_on=date(2026, 3, 5))
    stored(engine, used("2222-2222"), 1, NOW)
    stored(engine, SealV1(seal_id="7201110001", state="intact", received_at=NOW), 2, NOW)
    changes = CentreChanges(engine, NOW)
    await Housekeeping(pages, book, changes=changes).once()
    stored(engine, used("7K3M-92QF"), 3, NOW + timedelta(seconds=5))
    for _ in range(2):
        await Housekeeping(pages, book, changes=changes).once()
    await Housekeeping(pages, book, changes=CentreChanges(engine, NOW)).once()  # the portal was started again
    assert changes_of(book) == [
        ("declaration", "issued"), ("seal", "intact"), ("declaration", "used"),
    ]  # fmt: skip


async def test_more_than_a_page_of_records_is_read_on_and_a_missing_centre_is_asked_again(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'centre.db'}")
    book = open_book(tmp_path / "portal")
    pages = portal(HandClock(), book)
    book.issued(NOW, "7K3M-92QF", None, "L898902C3", declared_on=date(2026, 3, 5))
    for number in range(MOST + 1):
        stored(engine, used("2222-2222" if number < MOST else "7K3M-92QF"), number + 1, NOW + timedelta(seconds=number))
    away = sa.create_engine(f"sqlite:///{tmp_path / 'none' / 'centre.db'}")
    without_centre = Housekeeping(pages, book, changes=CentreChanges(away, NOW))
    for _ in range(2):
        await without_centre.once()
    assert without_centre.failed == {"follow_centre": 2}
    housekeeping = Housekeeping(pages, book, changes=CentreChanges(engine, NOW))
    for _ in range(2):
        await housekeeping.once()
    assert not housekeeping.failed
    assert changes_of(book) == [("declaration", "issued"), ("declaration", "used")]
