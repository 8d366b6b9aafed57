"""Receipts that were given to travellers who passed, found again by document and day when the paper is lost.

The holder stands as the keyed mark of `lookups`; the code itself names nobody. It is deleted with the day until which it is kept.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import date

from gate_agent.store.lookups import Marks

SCHEMA = """
CREATE TABLE IF NOT EXISTS receipts (
  crossing_id TEXT PRIMARY KEY, holder BLOB NOT NULL, local_date TEXT NOT NULL, code TEXT NOT NULL, kept_until TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS receipts_holder ON receipts (holder, local_date);
CREATE INDEX IF NOT EXISTS receipts_kept_until ON receipts (kept_until);
"""
MOST_FOUND = 50


@dataclass(frozen=True, slots=True)
class KeptReceipt:
    """A receipt's code and the local day of its crossing."""

    local_date: date
    code: str


def keep(
    connection: sqlite3.Connection, crossing_id: str, holder: Marks, day: date, code: str, kept_until: date
) -> None:
    """Keep a receipt; what is over its time goes with it."""
    connection.execute(
        "INSERT OR IGNORE INTO receipts VALUES (?, ?, ?, ?, ?)",
        (crossing_id, holder.kept, day.isoformat(), code, kept_until.isoformat()),
    )
    purge(connection, day)


def purge(connection: sqlite3.Connection, today: date) -> int:
    """Delete what is over its time; return how many."""
    return connection.execute("DELETE FROM receipts WHERE kept_until < ?", (today.isoformat(),)).rowcount


def find(connection: sqlite3.Connection, holder: Marks, day: date | None, today: date) -> list[KeptReceipt]:
    """Return the receipts of a holder, of one local day or of all that are still to be kept today, the newest first."""
    rows = connection.execute(
        "SELECT local_date, code FROM receipts WHERE holder IN (?, ?) AND kept_until >= ?"
        " AND (? IS NULL OR local_date = ?) ORDER BY local_date DESC, crossing_id DESC LIMIT ?",
        (
            holder.kept,
            holder.kept_before,
            today.isoformat(),
            *([None if day is None else day.isoformat()] * 2),
            MOST_FOUND,
        ),
    )
    return [KeptReceipt(date.fromisoformat(row["local_date"]), row["code"]) for row in rows]
