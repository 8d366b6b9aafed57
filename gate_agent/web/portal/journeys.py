"""What became of declarations that this portal issued, told by the centre's records: used at a gate, inspected, a seal's new state.

A record is followed once, whatever order and however often it is read: its id is written in the transaction that writes the change.
Records about declarations of others, and of before this portal kept a book, change nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gate_agent.web.portal import notices
from gate_agent.web.portal.notices import Change

TABLES = (
    "CREATE TABLE IF NOT EXISTS journeys (name TEXT PRIMARY KEY, ends_at TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS journey_seals (seal_id TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (seal_id, name))",
    "CREATE TABLE IF NOT EXISTS followed (record_id TEXT PRIMARY KEY, at TEXT NOT NULL)",
)
KEPT = timedelta(days=30)
TOLD_SEAL_STATES = frozenset({"intact", "tampered"})


@dataclass(frozen=True, slots=True)
class CentreRecord:
    """One record of the centre: its id, its kind, its readable content."""

    record_id: str
    kind: str
    content: Mapping[str, object]


def begin(connection: sqlite3.Connection, now: datetime, name: str, seal_ids: Sequence[str]) -> None:
    """Note a declaration that was issued and the seals on it, inside the caller's transaction."""
    connection.execute(
        "INSERT OR REPLACE INTO journeys (name, ends_at) VALUES (?, ?)", (name, (now + KEPT).isoformat())
    )
    connection.executemany(
        "INSERT OR REPLACE INTO journey_seals (seal_id, name, state) VALUES (?, ?, '')",
        [(seal_id, name) for seal_id in seal_ids],
    )


def follow(connection: sqlite3.Connection, now: datetime, records: Iterable[CentreRecord]) -> int:
    """Write the changes that records tell of, inside the caller's transaction; return how many there were."""
    told = 0
    for record in records:
        is_new = connection.execute(
            "INSERT OR IGNORE INTO followed (record_id, at) VALUES (?, ?)", (record.record_id, now.isoformat())
        ).rowcount
        for change in _changes(connection, record) if is_new else ():
            notices.append(connection, now, change)
            told += 1
    return told


def tidy(connection: sqlite3.Connection, now: datetime) -> None:
    """Forget declarations of long ago, inside the caller's transaction."""
    connection.execute(
        "DELETE FROM journey_seals WHERE name IN (SELECT name FROM journeys WHERE ends_at <= ?)", (now.isoformat(),)
    )
    connection.execute("DELETE FROM journeys WHERE ends_at <= ?", (now.isoformat(),))
    connection.execute("DELETE FROM followed WHERE at <= ?", ((now - KEPT).isoformat(),))


def _changes(connection: sqlite3.Connection, record: CentreRecord) -> list[Change]:
    content = record.content
    if record.kind == "declaration" and _is_ours(connection, name := str(content["reference"])):
        return [Change("declaration", name, "used")]
    if record.kind == "inspection" and content.get("is_last") is True:
        name = str(content.get("declaration_reference", ""))
        return [Change("declaration", name, "inspected")] if _is_ours(connection, name) else []
    state = content.get("state")
    if record.kind == "seal" and state in TOLD_SEAL_STATES:
        seal = (state, content["seal_id"], state)
        names = connection.execute(
            "UPDATE journey_seals SET state = ? WHERE seal_id = ? AND state <> ? RETURNING name", seal
        ).fetchall()
        return [Change("seal", name, str(state)) for (name,) in names]
    return []


def _is_ours(connection: sqlite3.Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM journeys WHERE name = ?", (name,)).fetchone() is not None
