"""Seeds of random selection and the draws made with them. Functions over a connection, each inside its caller's transaction.

A seed is told to the centre as a hash before its day and in clear after it; the records of both stand in the journal, in the order of what
happened. The seed itself lies on this disk alone until then (file mode 0600, `secure_delete`).
"""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import dataclass
from datetime import date, datetime

from gate_agent.domain.selection import SelectedBy, Selection, WindowCounts

SCHEMA = """
CREATE TABLE IF NOT EXISTS draw_seeds (
  commitment_id TEXT PRIMARY KEY, local_date TEXT NOT NULL UNIQUE, seed BLOB NOT NULL, commitment TEXT NOT NULL,
  committed_at TEXT NOT NULL, revealed_at TEXT
);
CREATE INDEX IF NOT EXISTS crossings_seq ON crossings (seq);
"""
INDEXES = """
CREATE INDEX IF NOT EXISTS decisions_draw ON decisions (draw_commitment, draw_number);
"""
LATER_COLUMNS = {
    "decisions": {
        "selected_by": "ALTER TABLE decisions ADD COLUMN selected_by TEXT",
        "draw_commitment": "ALTER TABLE decisions ADD COLUMN draw_commitment TEXT",
        "draw_number": "ALTER TABLE decisions ADD COLUMN draw_number INTEGER",
    }
}


@dataclass(frozen=True, slots=True)
class KeptSeed:
    """A seed of one local day; `last_number` is the highest draw that a decision was made with, 0 before the first."""

    commitment_id: uuid.UUID
    day: date
    seed: bytes
    commitment: str
    last_number: int


def secret_seeds(connection: sqlite3.Connection) -> list[KeptSeed]:
    """Return the seeds that were not told yet, oldest day first."""
    rows = connection.execute("SELECT * FROM draw_seeds WHERE revealed_at IS NULL ORDER BY local_date").fetchall()
    return [
        KeptSeed(
            uuid.UUID(row["commitment_id"]),
            date.fromisoformat(row["local_date"]),
            bytes(row["seed"]),
            row["commitment"],
            last_number(connection, uuid.UUID(row["commitment_id"])),
        )
        for row in rows
    ]


def last_number(connection: sqlite3.Connection, commitment_id: uuid.UUID) -> int:
    """Return the highest draw that a decision was made with, 0 before the first."""
    row = connection.execute(
        "SELECT max(draw_number) AS last FROM decisions WHERE draw_commitment = ?", (str(commitment_id),)
    ).fetchone()
    return int(row["last"] or 0)


def has_day(connection: sqlite3.Connection, day: date) -> bool:
    """Say whether a day has its seed."""
    row = connection.execute("SELECT 1 FROM draw_seeds WHERE local_date = ?", (day.isoformat(),)).fetchone()
    return row is not None


def keep_seed(connection: sqlite3.Connection, seed: KeptSeed, now: datetime) -> None:
    """Write a seed, with the record of its hash in the same transaction."""
    connection.execute(
        "INSERT INTO draw_seeds (commitment_id, local_date, seed, commitment, committed_at) VALUES (?, ?, ?, ?, ?)",
        (str(seed.commitment_id), seed.day.isoformat(), seed.seed, seed.commitment, now.isoformat()),
    )


def mark_revealed(connection: sqlite3.Connection, commitment_id: uuid.UUID, now: datetime) -> bool:
    """Note that a seed was told; False when it was told before."""
    cursor = connection.execute(
        "UPDATE draw_seeds SET revealed_at = ? WHERE commitment_id = ? AND revealed_at IS NULL",
        (now.isoformat(), str(commitment_id)),
    )
    return cursor.rowcount == 1


def note_selection(connection: sqlite3.Connection, decision_id: uuid.UUID, selection: Selection) -> None:
    """Write beside a decision how it came to its inspection, or to none."""
    draw = selection.draw
    connection.execute(
        "UPDATE decisions SET selected_by = ?, draw_commitment = ?, draw_number = ? WHERE decision_id = ?",
        (
            selection.selected_by.value,
            str(draw.commitment_id) if draw else None,
            draw.number if draw else None,
            str(decision_id),
        ),
    )


_WINDOW = """
SELECT count(*) AS crossings, sum(by_rule) AS by_rule, sum(at_random) AS at_random FROM (
  SELECT coalesce(d.selected_by = :rule, c.corridor = 'red') AS by_rule, coalesce(d.selected_by = :random, 0) AS at_random
  FROM crossings c LEFT JOIN decisions d ON d.decision_id = c.decision_id
  WHERE c.passage = 'passed' ORDER BY c.seq DESC LIMIT :window
)
"""


def window_counts(connection: sqlite3.Connection, window_crossings: int) -> WindowCounts:
    """Count the last confirmed crossings of this gate. Those of before there was a selection count by their colour."""
    row = connection.execute(
        _WINDOW, {"rule": SelectedBy.RULE.value, "random": SelectedBy.RANDOM.value, "window": window_crossings}
    ).fetchone()
    return WindowCounts(row["crossings"], row["by_rule"] or 0, row["at_random"] or 0)
