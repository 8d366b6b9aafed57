"""Passages per corridor and hour at this gate, counted as records are appended, in the same transaction. Functions over a connection."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from central_sync.errors import RecordRefused
from central_sync.messages import Record, read_record
from central_sync.passage_counts.cells import (
    Figures,
    Place,
    add,
    begun,
    contribution,
    difference,
    hour_of,
    read_figures,
    split,
)
from central_sync.passage_counts.facts import COUNTED_KINDS, Passage, read_passage, transaction_of

SCHEMA = """
CREATE TABLE IF NOT EXISTS passage_facts (
  transaction_id TEXT PRIMARY KEY, first_seq INTEGER NOT NULL, hour TEXT NOT NULL, facts TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS passage_facts_hour ON passage_facts (hour);
CREATE INDEX IF NOT EXISTS passage_facts_first ON passage_facts (first_seq);
CREATE TABLE IF NOT EXISTS passage_cells (
  hour TEXT NOT NULL, corridor TEXT NOT NULL, head TEXT NOT NULL, rest TEXT NOT NULL, PRIMARY KEY (hour, corridor)
) WITHOUT ROWID;
"""

FACTS_KEPT = timedelta(days=60)
CELLS_KEPT = timedelta(days=400)

_ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Recount:
    """Live sums beside those of the journal, for the hours that the journal still tells whole: all after `after_hour` (empty: all)."""

    live: dict[Place, Figures]
    rebuilt: dict[Place, Figures]
    records: int
    after_hour: str


def note(connection: sqlite3.Connection, kind: str, seq: int, members: Mapping[str, Any]) -> None:
    """Count a record of this gate; one that was counted before changes nothing."""
    transaction_id = transaction_of(kind, members)
    if transaction_id is None:
        return
    row = connection.execute("SELECT facts FROM passage_facts WHERE transaction_id = ?", (transaction_id,)).fetchone()
    old = read_passage(row["facts"]) if row else Passage()
    new = old.with_record(kind, seq, members)
    if new == old:
        return
    before, told = contribution(transaction_id, old), contribution(transaction_id, new)
    connection.execute(
        "INSERT INTO passage_facts (transaction_id, first_seq, hour, facts) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (transaction_id) DO UPDATE SET first_seq = excluded.first_seq, hour = excluded.hour, facts = excluded.facts",
        (
            transaction_id,
            new.first_seq,
            told[0].hour if told else _hour_begun(transaction_id),
            new.model_dump_json(exclude_defaults=True),
        ),
    )
    for place, figures in difference(before, told).items():
        _change(connection, place, figures)


def take_over(connection: sqlite3.Connection) -> None:
    """Count the records that a store held before there were counts; once, at the first start with them."""
    if connection.execute("SELECT 1 FROM passage_facts LIMIT 1").fetchone() is not None:
        return
    for _, record in _records(connection, 0):
        note(connection, record.kind, record.seq, record.data)


def cells(
    connection: sqlite3.Connection, since: date | None = None, until: date | None = None
) -> Iterator[tuple[Place, Figures]]:
    """Yield the live sums from one local day to another, both included."""
    rows = connection.execute(
        "SELECT hour, corridor, head, rest FROM passage_cells WHERE hour >= ? AND hour < ? ORDER BY hour, corridor",
        (
            since.isoformat() if since else "",
            (until + timedelta(days=1)).isoformat() if until and until < date.max else "~",
        ),
    )
    for row in rows:
        yield Place(row["hour"], row["corridor"]), read_figures(row["head"], row["rest"])


def recount(connection: sqlite3.Connection) -> Recount:
    """Count what the journal still holds without a gap, and put the live sums of the same hours beside it.

    A passage that began before that is left out, and every hour up to its own: its earlier records are at the centre only.
    """
    first = _unbroken_from(connection)
    before = {
        row["transaction_id"]: row["hour"]
        for row in connection.execute("SELECT transaction_id, hour FROM passage_facts WHERE first_seq < ?", (first,))
    }
    after = max((hour for hour in before.values() if hour), key=datetime.fromisoformat, default="")
    passages: dict[str, Passage] = {}
    records = 0
    for _, record in _records(connection, first - 1):
        transaction_id = transaction_of(record.kind, record.data)
        records += 1
        if transaction_id is not None and transaction_id not in before:
            known = passages.get(transaction_id, Passage())
            passages[transaction_id] = known.with_record(record.kind, record.seq, record.data)
    rebuilt: dict[Place, Figures] = defaultdict(Figures)
    for transaction_id, passage in passages.items():
        told = contribution(transaction_id, passage)
        if told is not None and _is_after(told[0], after):
            add(rebuilt[told[0]], told[1])
    live = {place: figures for place, figures in cells(connection) if _is_after(place, after)}
    return Recount(live, dict(rebuilt), records, after)


def purge(connection: sqlite3.Connection, today: date) -> None:
    """Forget which records a passage had once no more of them are expected, and hours that are too old to be asked for."""
    facts_before, cells_before = ((today - kept).isoformat() for kept in (FACTS_KEPT, CELLS_KEPT))
    connection.execute(
        "DELETE FROM passage_facts WHERE transaction_id IN"
        " (SELECT transaction_id FROM passage_facts WHERE hour < ? LIMIT ?)",
        (facts_before, _ROWS_AT_ONCE),
    )
    connection.execute("DELETE FROM passage_cells WHERE hour < ?", (cells_before,))


def _hour_begun(transaction_id: str) -> str:
    """Return the hour in which a passage began of which nothing counts yet, so that it is forgotten in its time."""
    begun_ms = begun(transaction_id)
    return hour_of(begun_ms or 0, None)


def _change(connection: sqlite3.Connection, place: Place, figures: Figures) -> None:
    row = connection.execute("SELECT head, rest FROM passage_cells WHERE hour = ? AND corridor = ?", place).fetchone()
    total = Figures(figures)
    if row is not None:
        add(total, read_figures(row["head"], row["rest"]))
    if any(total.values()):
        connection.execute(
            "INSERT INTO passage_cells (hour, corridor, head, rest) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (hour, corridor) DO UPDATE SET head = excluded.head, rest = excluded.rest",
            (*place, *split(total)),
        )
    else:
        connection.execute("DELETE FROM passage_cells WHERE hour = ? AND corridor = ?", place)


def _records(connection: sqlite3.Connection, after_seq: int) -> Iterator[tuple[int, Record]]:
    """Yield place and content of the records that count, page by page; one that nobody could read is at the centre's, set aside."""
    while True:
        page = connection.execute(
            "SELECT seq, kind, body FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", (after_seq, _ROWS_AT_ONCE)
        ).fetchall()
        if not page:
            return
        for row in page:
            if row["kind"] not in COUNTED_KINDS:
                continue
            try:
                yield row["seq"], read_record(bytes(row["body"]))
            except RecordRefused:
                continue
        after_seq = page[-1]["seq"]


def _unbroken_from(connection: sqlite3.Connection) -> int:
    """Return the first place from which on the outbox has no gap to its end."""
    row = connection.execute(
        "SELECT max(seq) AS gap FROM outbox AS one WHERE NOT EXISTS (SELECT 1 FROM outbox AS before WHERE before.seq = one.seq - 1)"
    ).fetchone()
    return int(row["gap"] or 1)


def _is_after(place: Place, hour: str) -> bool:
    return not hour or datetime.fromisoformat(place.hour) > datetime.fromisoformat(hour)
