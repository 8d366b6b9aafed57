"""Domain rows without personal data: decisions, permits to enter, crossings."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from gate_agent.domain.crossing import Admission, Corridor, Crossing, DecidedBy, Decision
from gate_agent.domain.declaration import Direction
from gate_agent.domain.reasons import Reason, ReasonCode

SCHEMA = """
CREATE TABLE IF NOT EXISTS decisions (
  decision_id TEXT PRIMARY KEY, transaction_id TEXT NOT NULL, lane_id INTEGER NOT NULL, direction TEXT NOT NULL,
  decided_at TEXT NOT NULL, local_date TEXT NOT NULL, decided_by TEXT NOT NULL, admission TEXT NOT NULL,
  corridor TEXT NOT NULL, corridor_reasons TEXT NOT NULL, seq INTEGER NOT NULL,
  tasks TEXT NOT NULL DEFAULT '', rules TEXT NOT NULL DEFAULT '[]', rulebook_version INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS entrances (
  transaction_id TEXT PRIMARY KEY, lane_id INTEGER NOT NULL, permitted_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS crossings (
  crossing_id TEXT PRIMARY KEY, transaction_id TEXT NOT NULL, decision_id TEXT NOT NULL, lane_id INTEGER NOT NULL,
  direction TEXT NOT NULL, occurred_at TEXT NOT NULL, passage TEXT NOT NULL, corridor TEXT NOT NULL, seq INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS crossings_decision ON crossings (decision_id);
"""

LATER_COLUMNS = {
    "decisions": {
        "tasks": "ALTER TABLE decisions ADD COLUMN tasks TEXT NOT NULL DEFAULT ''",
        "rules": "ALTER TABLE decisions ADD COLUMN rules TEXT NOT NULL DEFAULT '[]'",
        "rulebook_version": "ALTER TABLE decisions ADD COLUMN rulebook_version INTEGER NOT NULL DEFAULT 0",
    }
}


@dataclass(frozen=True, slots=True)
class UndecidedRelease:
    """A release whose passage nobody recorded: after a restart it becomes `passage_undetermined`."""

    decision_id: uuid.UUID
    transaction_id: uuid.UUID
    lane_id: int
    direction: Direction
    decided_at: datetime
    local_date: date
    decided_by: DecidedBy
    corridor: Corridor


def has_decision(connection: sqlite3.Connection, decision_id: uuid.UUID) -> bool:
    """Say whether a decision is on disk."""
    row = connection.execute("SELECT 1 FROM decisions WHERE decision_id = ?", (str(decision_id),)).fetchone()
    return row is not None


def has_crossing(connection: sqlite3.Connection, crossing_id: uuid.UUID) -> bool:
    """Say whether a crossing is on disk."""
    row = connection.execute("SELECT 1 FROM crossings WHERE crossing_id = ?", (str(crossing_id),)).fetchone()
    return row is not None


def keep_decision(connection: sqlite3.Connection, decision: Decision, seq: int) -> None:
    """Write the row of a decision."""
    connection.execute(
        "INSERT INTO decisions (decision_id, transaction_id, lane_id, direction, decided_at, local_date, decided_by,"
        " admission, corridor, corridor_reasons, seq, tasks, rules,"
        " rulebook_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(decision.decision_id),
            str(decision.transaction_id),
            decision.lane_id,
            decision.direction.value,
            decision.decided_at.isoformat(),
            decision.local_date.isoformat(),
            decision.decided_by.value,
            decision.answer.admission.value,
            decision.answer.corridor.value,
            reasons_text(decision.answer.corridor_reasons),
            seq,
            json.dumps([[task.agency.value, reasons_text(task.reasons)] for task in decision.answer.desk_tasks]),
            json.dumps(
                [[rule.rule_id, rule.effective_from.isoformat(), rule.certainty] for rule in decision.answer.rules]
            ),
            decision.answer.rulebook_version,
        ),
    )


def keep_entrance(connection: sqlite3.Connection, transaction_id: uuid.UUID, lane_id: int, at: datetime) -> None:
    """Write the permit to enter."""
    connection.execute(
        "INSERT OR IGNORE INTO entrances VALUES (?, ?, ?)", (str(transaction_id), lane_id, at.isoformat())
    )


def keep_crossing(connection: sqlite3.Connection, crossing: Crossing, seq: int) -> None:
    """Write the row of a crossing."""
    connection.execute(
        "INSERT INTO crossings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(crossing.crossing_id),
            str(crossing.transaction_id),
            str(crossing.decision_id),
            crossing.lane_id,
            crossing.direction.value,
            crossing.occurred_at.isoformat(),
            crossing.passage.value,
            crossing.corridor.value,
            seq,
        ),
    )


def undecided_releases(connection: sqlite3.Connection) -> list[UndecidedRelease]:
    """Return releases without a crossing, oldest first."""
    rows = connection.execute(
        "SELECT d.* FROM decisions d LEFT JOIN crossings c ON c.decision_id = d.decision_id"
        " WHERE d.admission = ? AND c.decision_id IS NULL ORDER BY d.seq",
        (Admission.RELEASE.value,),
    )
    return [
        UndecidedRelease(
            decision_id=uuid.UUID(row["decision_id"]),
            transaction_id=uuid.UUID(row["transaction_id"]),
            lane_id=row["lane_id"],
            direction=Direction(row["direction"]),
            decided_at=datetime.fromisoformat(row["decided_at"]),
            local_date=date.fromisoformat(row["local_date"]),
            decided_by=DecidedBy(row["decided_by"]),
            corridor=Corridor(row["corridor"]),
        )
        for row in rows
    ]


def reasons_text(reasons: Iterable[Reason]) -> str:
    """Return reasons as they are kept."""
    return json.dumps([[reason.code.value, dict(reason.parameters)] for reason in reasons])


def reasons_in(text: str) -> tuple[Reason, ...]:
    """Return reasons that were kept; one that a newer release wrote and this one does not know is left out."""
    known = set(ReasonCode)
    return tuple(Reason(ReasonCode(code), parameters) for code, parameters in json.loads(text) if code in known)
