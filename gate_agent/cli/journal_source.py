"""Records to look through: lines of JSON, a gate's own store, or the centre's database. Read only, one record after another."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gate_agent.cli.rules_reading import QuestionRefused

if TYPE_CHECKING:
    from central_sync.messages import Record

STANDARD_INPUT = "-"


def read_journal(source: str) -> Iterator[Record]:
    """Yield the records of a source in their order of (gate, epoch, place). Raises `QuestionRefused` for what cannot be read.

    `source` is a file with one record per line, `-` for standard input, the folder of a gate's store, or the URL of the centre's database.
    """
    from central_sync.errors import RecordRefused
    from central_sync.messages import read_record

    for number, body in enumerate(_bodies(source), 1):
        try:
            yield read_record(body)
        except RecordRefused as refusal:
            raise QuestionRefused(f"{source}: record {number}: {refusal}", code=refusal.code) from refusal


def _bodies(source: str) -> Iterator[bytes]:
    if "://" in source:
        yield from _of_centre(source)
        return
    path = Path(source)
    if source != STANDARD_INPUT and path.is_dir():
        yield from _of_store(path)
        return
    try:
        stream = sys.stdin.buffer if source == STANDARD_INPUT else path.open("rb")
    except OSError as error:
        raise QuestionRefused(f"{source}: {error.strerror}") from error
    with stream:
        yield from (line for line in stream if line.strip())


def _of_store(folder: Path) -> Iterator[bytes]:
    """Read a gate's store beside its agent: what is delivered and purged there stands at the centre alone."""
    path = folder if folder.suffix == ".db" else folder / "store.db"
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise QuestionRefused(f"{path}: {error}") from error
    try:
        for (body,) in connection.execute("SELECT body FROM outbox ORDER BY seq"):
            yield bytes(body)
    except sqlite3.Error as error:
        raise QuestionRefused(f"{path}: {error}") from error
    finally:
        connection.close()


def _of_centre(url: str) -> Iterator[bytes]:
    import sqlalchemy as sa

    from central_sync.centre.schema import LEDGER, RECORDS

    statement = (
        sa.select(RECORDS.c.body)
        .join(LEDGER, LEDGER.c.id == RECORDS.c.id)
        .order_by(LEDGER.c.gate, LEDGER.c.epoch, LEDGER.c.seq)
    )
    try:
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            for (body,) in connection.execute(statement):
                yield bytes(body)
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        raise QuestionRefused(f"the centre's database cannot be read: {type(error).__name__}") from error
