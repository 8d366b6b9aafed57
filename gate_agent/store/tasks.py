"""Domain rows without personal data: decisions, permits to enter, crossings, and the work they leave for the customs desk."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from central_sync.messages import InspectionV1, ScreeningPart
from gate_agent.domain.crossing import Admission, Corridor, Crossing, DecidedBy, Decision
from gate_agent.domain.declaration import Direction
from gate_agent.domain.reasons import Reason, ReasonCode

SCHEMA = """
CREATE TABLE IF NOT EXISTS decisions (
  decision_id TEXT PRIMARY KEY, transaction_id TEXT NOT NULL, lane_id INTEGER NOT NULL, direction TEXT NOT NULL,
  decided_at TEXT NOT NULL, local_date TEXT NOT NULL, decided_by TEXT NOT NULL, admission TEXT NOT NULL,
  corridor TEXT NOT NULL, corridor_reasons TEXT NOT NULL, seq INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS entrances (
  transaction_id TEXT PRIMARY KEY, lane_id INTEGER NOT NULL, permitted_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS crossings (
  crossing_id TEXT PRIMARY KEY, transaction_id TEXT NOT NULL, decision_id TEXT NOT NULL, lane_id INTEGER NOT NULL,
  direction TEXT NOT NULL, occurred_at TEXT NOT NULL, passage TEXT NOT NULL, corridor TEXT NOT NULL, seq INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS crossings_decision ON crossings (decision_id);
CREATE TABLE IF NOT EXISTS customs_tasks (
  task_id TEXT PRIMARY KEY, transaction_id TEXT NOT NULL, lane_id INTEGER NOT NULL, created_at TEXT NOT NULL,
  declaration_reference TEXT NOT NULL, reasons TEXT NOT NULL, closed_by TEXT NOT NULL DEFAULT '', closed_at TEXT
);
"""


@dataclass(frozen=True, slots=True)
class CustomsTask:
    """A released traveller whom the customs desk expects; `closed_by` is empty while open."""

    task_id: uuid.UUID
    transaction_id: uuid.UUID
    lane_id: int
    created_at: datetime
    declaration_reference: str
    reasons: tuple[Reason, ...]
    closed_by: str = ""


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
        "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
            _reasons_text(decision.answer.corridor_reasons),
            seq,
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


def open_task(connection: sqlite3.Connection, task_id: uuid.UUID, crossing: Crossing) -> None:
    """Write work for the customs desk; its reasons are those of the decision that released."""
    row = connection.execute(
        "SELECT corridor_reasons FROM decisions WHERE decision_id = ?", (str(crossing.decision_id),)
    ).fetchone()
    connection.execute(
        "INSERT INTO customs_tasks (task_id, transaction_id, lane_id, created_at, declaration_reference, reasons)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            str(task_id),
            str(crossing.transaction_id),
            crossing.lane_id,
            crossing.occurred_at.isoformat(),
            crossing.declaration.reference if crossing.declaration else "",
            row["corridor_reasons"] if row else "[]",
        ),
    )


def open_tasks(connection: sqlite3.Connection) -> list[CustomsTask]:
    """Return open work, oldest first."""
    rows = connection.execute("SELECT * FROM customs_tasks WHERE closed_at IS NULL ORDER BY created_at, task_id")
    return [_task(row) for row in rows]


def close_task(
    connection: sqlite3.Connection,
    task_id: uuid.UUID,
    officer_id: str,
    now: datetime,
    screening: Sequence[ScreeningPart] = (),
) -> InspectionV1 | None:
    """Close work; return the record to write, None when there is no such open task."""
    row = connection.execute(
        "SELECT * FROM customs_tasks WHERE task_id = ? AND closed_at IS NULL", (str(task_id),)
    ).fetchone()
    if row is None:
        return None
    connection.execute(
        "UPDATE customs_tasks SET closed_by = ?, closed_at = ? WHERE task_id = ?",
        (officer_id, now.isoformat(), str(task_id)),
    )
    task = _task(row)
    return InspectionV1(
        task_id=task.task_id,
        transaction_id=task.transaction_id,
        lane_id=task.lane_id,
        opened_at=task.created_at,
        closed_at=now,
        officer_id=officer_id,
        declaration_reference=task.declaration_reference,
        screening=list(screening),
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


def _task(row: sqlite3.Row) -> CustomsTask:
    return CustomsTask(
        task_id=uuid.UUID(row["task_id"]),
        transaction_id=uuid.UUID(row["transaction_id"]),
        lane_id=row["lane_id"],
        created_at=datetime.fromisoformat(row["created_at"]),
        declaration_reference=row["declaration_reference"],
        reasons=tuple(Reason(ReasonCode(code), parameters) for code, parameters in json.loads(row["reasons"])),
        closed_by=row["closed_by"],
    )


def _reasons_text(reasons: tuple[Reason, ...]) -> str:
    return json.dumps([[reason.code.value, dict(reason.parameters)] for reason in reasons])
