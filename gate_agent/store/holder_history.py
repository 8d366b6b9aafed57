"""What past inspections and appeals say about a holder, found again by the holder's mark: no name and no number stands here.

Functions over a connection, each inside its caller's transaction. A row is deleted when no rulebook can ask for it any more.
"""

from __future__ import annotations

import sqlite3
import uuid
from datetime import date, datetime, timedelta

from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.selection import AppealSubject, HolderHistory, InspectionOutcome
from gate_agent.store.lookups import Marks

SCHEMA = """
CREATE TABLE IF NOT EXISTS inspection_outcomes (
  task_id TEXT PRIMARY KEY, holder BLOB NOT NULL, local_date TEXT NOT NULL, finding TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS inspection_outcomes_holder ON inspection_outcomes (holder);
CREATE INDEX IF NOT EXISTS inspection_outcomes_day ON inspection_outcomes (local_date);
CREATE TABLE IF NOT EXISTS holders_at_desk (
  transaction_id TEXT PRIMARY KEY, holder BLOB NOT NULL, opened_at TEXT NOT NULL, told BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS holders_at_desk_opened ON holders_at_desk (opened_at);
CREATE TABLE IF NOT EXISTS appeals_upheld (
  holder BLOB NOT NULL, subject TEXT NOT NULL, local_date TEXT NOT NULL, PRIMARY KEY (holder, subject)
) WITHOUT ROWID;
"""
LATER_COLUMNS = {"holders_at_desk": {"told": "ALTER TABLE holders_at_desk ADD COLUMN told BLOB"}}

OUTCOMES_KEPT = timedelta(days=1_100)
"""Longer than any memory of a rulebook that is meant to forget; what is older counts nowhere."""
AT_DESK_KEPT = timedelta(days=60)
"""How long after a crossing its traveller can still appeal by its number."""


def note_at_desk(connection: sqlite3.Connection, transaction_id: uuid.UUID, holder: Marks, at: datetime) -> None:
    """Remember whose crossing it was that the desk is asked about."""
    limit = (at - AT_DESK_KEPT).isoformat()
    connection.execute("DELETE FROM holders_at_desk WHERE opened_at < ?", (limit,))
    connection.execute(
        "INSERT OR IGNORE INTO holders_at_desk (transaction_id, holder, opened_at, told) VALUES (?, ?, ?, ?)",
        (str(transaction_id), holder.kept, at.isoformat(), holder.told),
    )


def at_desk(connection: sqlite3.Connection, transaction_id: uuid.UUID) -> Marks | None:
    """Return whose crossing the desk was asked about, None when nobody knows any more."""
    row = connection.execute(
        "SELECT holder, told FROM holders_at_desk WHERE transaction_id = ?", (str(transaction_id),)
    ).fetchone()
    return Marks(bytes(row["holder"]), bytes(row["holder"]), row["told"]) if row else None


def note_outcome(
    connection: sqlite3.Connection, task_id: uuid.UUID, holder: bytes, on: date, finding: InspectionFinding
) -> bool:
    """Count what an inspection came to, here or at another gate; False when it was counted before."""
    limit = (on - OUTCOMES_KEPT).isoformat()
    connection.execute("DELETE FROM inspection_outcomes WHERE local_date < ?", (limit,))
    cursor = connection.execute(
        "INSERT OR IGNORE INTO inspection_outcomes VALUES (?, ?, ?, ?)",
        (str(task_id), holder, on.isoformat(), finding.value),
    )
    return cursor.rowcount == 1


def uphold(connection: sqlite3.Connection, holder: bytes, subject: AppealSubject, on: date) -> None:
    """Grant an appeal; the newest day holds."""
    connection.execute(
        "INSERT INTO appeals_upheld VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET"
        " local_date = max(local_date, excluded.local_date)",
        (holder, subject.value, on.isoformat()),
    )


_PASSAGES = """
SELECT entered_on AS day FROM stays WHERE holder IN (:kept, :before) AND entered_on >= :since
UNION ALL SELECT exited_on FROM stays WHERE holder IN (:kept, :before) AND exited_on >= :since ORDER BY day
"""


def history_of(connection: sqlite3.Connection, holder: Marks, since: date) -> HolderHistory:
    """Return a holder's inspections, confirmed passages from a day on (this gate's and those told by others), and granted appeals."""
    marks = {"kept": holder.kept, "before": holder.kept_before, "since": since.isoformat()}
    outcomes = connection.execute(
        "SELECT local_date, finding FROM inspection_outcomes WHERE holder IN (:kept, :before) ORDER BY local_date, task_id",
        marks,
    )
    inspections = tuple(
        InspectionOutcome(date.fromisoformat(row["local_date"]), InspectionFinding(row["finding"])) for row in outcomes
    )
    days = tuple(date.fromisoformat(row["day"]) for row in connection.execute(_PASSAGES, marks))
    upheld: dict[AppealSubject, date] = {}
    for row in connection.execute(
        "SELECT subject, local_date FROM appeals_upheld WHERE holder IN (:kept, :before) ORDER BY local_date", marks
    ):
        upheld[AppealSubject(row["subject"])] = date.fromisoformat(row["local_date"])
    return HolderHistory(inspections, days, upheld)
