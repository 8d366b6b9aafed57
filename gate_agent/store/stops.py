"""Stops at the desks: what a passage left for the agencies to look at, until every one of them has closed its task.

Functions over a connection, each inside its caller's transaction. While a stop is open, who it is about and what was declared lie here for
the officers, sealed under the store's key; the last closing destroys it. What stays is what the gate counts.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from gate_agent.domain.agency import Agency
from gate_agent.domain.crossing import Corridor, Crossing, RuleUse
from gate_agent.domain.declaration import Declaration, DeclaredGoods, Direction, TravelMode
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.money import Money
from gate_agent.domain.reasons import Reason
from gate_agent.domain.task_closing import TaskClosing
from gate_agent.store.lookups import HolderKey, Marks
from gate_agent.store.tasks import reasons_in, reasons_text

SCHEMA = """
CREATE TABLE IF NOT EXISTS customs_tasks (
  task_id TEXT PRIMARY KEY, transaction_id TEXT NOT NULL, lane_id INTEGER NOT NULL, created_at TEXT NOT NULL,
  declaration_reference TEXT NOT NULL, reasons TEXT NOT NULL, closed_by TEXT NOT NULL DEFAULT '', closed_at TEXT,
  agency TEXT NOT NULL DEFAULT 'customs', corridor TEXT NOT NULL DEFAULT 'red', finding TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS customs_tasks_open ON customs_tasks (transaction_id) WHERE closed_at IS NULL;
CREATE INDEX IF NOT EXISTS customs_tasks_stop ON customs_tasks (transaction_id);
CREATE TABLE IF NOT EXISTS stops (
  stop_id TEXT PRIMARY KEY, lane_id INTEGER NOT NULL, direction TEXT NOT NULL, local_date TEXT NOT NULL,
  opened_at TEXT NOT NULL, corridor TEXT NOT NULL, reference TEXT NOT NULL, rules TEXT NOT NULL,
  rulebook_version INTEGER NOT NULL, holder BLOB, content BLOB,
  seen_at TEXT, seen_by TEXT NOT NULL DEFAULT '', closed_at TEXT
);
CREATE INDEX IF NOT EXISTS stops_open ON stops (holder) WHERE closed_at IS NULL;
CREATE TABLE IF NOT EXISTS inspections (
  day TEXT NOT NULL, agency TEXT NOT NULL, corridor TEXT NOT NULL, closed INTEGER NOT NULL, found INTEGER NOT NULL,
  amended INTEGER NOT NULL, seconds INTEGER NOT NULL, PRIMARY KEY (day, agency, corridor)
) WITHOUT ROWID;
"""
LATER_COLUMNS = {
    "customs_tasks": {
        "agency": "ALTER TABLE customs_tasks ADD COLUMN agency TEXT NOT NULL DEFAULT 'customs'",
        "corridor": "ALTER TABLE customs_tasks ADD COLUMN corridor TEXT NOT NULL DEFAULT 'red'",
        "finding": "ALTER TABLE customs_tasks ADD COLUMN finding TEXT NOT NULL DEFAULT ''",
    }
}
_IDENTITY = ("primary_identifier", "secondary_identifier", "document_number", "date_of_birth", "sex", "issuing_state", "nationality", "document_code")  # fmt: skip


@dataclass(frozen=True, slots=True)
class CustomsTask:
    """What one agency is asked at a stop; `closed_by` is empty while open."""

    task_id: uuid.UUID
    transaction_id: uuid.UUID
    lane_id: int
    created_at: datetime
    declaration_reference: str
    reasons: tuple[Reason, ...]
    agency: Agency = Agency.CUSTOMS
    corridor: Corridor = Corridor.RED
    closed_by: str = ""
    closed_at: datetime | None = None
    finding: InspectionFinding | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """What the traveller declared, as far as a desk needs it. `unaccompanied`: the stub of goods that follow, then what they are."""

    mode: TravelMode | None = None
    goods: tuple[DeclaredGoods, ...] = ()
    cash: tuple[Money, ...] = ()
    seal_ids: tuple[str, ...] = ()
    small_children: int = 0
    travellers: int = 1
    vehicles: tuple[str, ...] = ()
    phone_imeis: tuple[str, ...] = ()
    unaccompanied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """A traveller whom the desks expect; open while one of `tasks` is. `identity` is empty where no document was read.

    `seen_by` names the gate at whose exit the traveller was seen meanwhile.
    """

    stop_id: uuid.UUID
    lane_id: int
    direction: Direction
    local_date: date
    opened_at: datetime
    corridor: Corridor
    reference: str
    rules: tuple[RuleUse, ...]
    rulebook_version: int
    identity: dict[str, str]
    declared: Declared
    seen_by: str
    tasks: tuple[CustomsTask, ...]


@dataclass(frozen=True, slots=True)
class InspectionCount:
    """Closed tasks of one agency and corridor on one local day: how many, how many with a finding, and how long they were open in all."""

    day: date
    agency: Agency
    corridor: Corridor
    closed: int
    found: int
    amended: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Closed:
    """A task that was closed now, of a stop of this local day; `is_last`: the stop is closed by it."""

    task: CustomsTask
    local_date: date
    is_last: bool


def take_over(connection: sqlite3.Connection) -> None:
    """Give open tasks of an older release the stop that they belong to; tasks that have theirs cost a start nothing."""
    connection.execute(
        "INSERT OR IGNORE INTO stops (stop_id, lane_id, direction, local_date, opened_at, corridor, reference, rules,"
        " rulebook_version) SELECT t.transaction_id, t.lane_id, coalesce(d.direction, 'entry'),"
        " coalesce(d.local_date, substr(t.created_at, 1, 10)), t.created_at, t.corridor, t.declaration_reference, '[]', 0"
        " FROM customs_tasks t LEFT JOIN decisions d ON d.transaction_id = t.transaction_id WHERE t.closed_at IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM stops WHERE stop_id = t.transaction_id)"
    )


def open_stop(
    connection: sqlite3.Connection, crossing: Crossing, holder: Marks | None, key: HolderKey, task_ids: list[uuid.UUID]
) -> bool:
    """Open what the decision that released left for the agencies; False when that is nothing. `task_ids`: one for each agency."""
    row = connection.execute(
        "SELECT tasks, corridor_reasons, rules, rulebook_version FROM decisions WHERE decision_id = ?",
        (str(crossing.decision_id),),
    ).fetchone()
    if row is not None and row["tasks"]:
        asked = [(Agency(agency), reasons) for agency, reasons in json.loads(row["tasks"])]
    elif crossing.corridor is Corridor.GREEN:
        asked = []
    else:
        asked = [(Agency.CUSTOMS, row["corridor_reasons"] if row else reasons_text(()))]
    if not asked:
        return False
    declaration, stop_id = crossing.declaration, str(crossing.transaction_id)
    reference = declaration.reference if declaration else ""
    connection.execute(
        "INSERT INTO stops (stop_id, lane_id, direction, local_date, opened_at, corridor, reference, rules,"
        " rulebook_version, holder, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            stop_id,
            crossing.lane_id,
            crossing.direction.value,
            crossing.local_date.isoformat(),
            crossing.occurred_at.isoformat(),
            crossing.corridor.value,
            reference,
            row["rules"] if row else "[]",
            row["rulebook_version"] if row else 0,
            holder.kept if holder else None,
            key.sealing.seal(_content(crossing), stop_id),
        ),
    )
    for task_id, (agency, reasons) in zip(task_ids, asked, strict=False):
        connection.execute(
            "INSERT INTO customs_tasks (task_id, transaction_id, lane_id, created_at, declaration_reference, reasons,"
            " agency, corridor) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                str(task_id),
                stop_id,
                crossing.lane_id,
                crossing.occurred_at.isoformat(),
                reference,
                reasons,
                agency.value,
                crossing.corridor.value,
            ),
        )
    return True


def open_tasks(connection: sqlite3.Connection) -> list[CustomsTask]:
    """Return open tasks, oldest first."""
    rows = connection.execute("SELECT * FROM customs_tasks WHERE closed_at IS NULL ORDER BY created_at, task_id")
    return [_task(row) for row in rows]


def open_stops(connection: sqlite3.Connection, key: HolderKey) -> list[Stop]:
    """Return open stops with all their tasks, oldest first."""
    rows = connection.execute("SELECT * FROM stops WHERE closed_at IS NULL ORDER BY opened_at, stop_id").fetchall()
    tasks: dict[str, list[CustomsTask]] = defaultdict(list)
    for row in connection.execute(
        "SELECT * FROM customs_tasks WHERE transaction_id IN (SELECT stop_id FROM stops WHERE closed_at IS NULL)"
        " ORDER BY created_at, task_id"
    ):
        tasks[row["transaction_id"]].append(_task(row))
    order = list(Agency)
    return [_stop(row, sorted(tasks[row["stop_id"]], key=lambda task: order.index(task.agency)), key) for row in rows]


def close_task(connection: sqlite3.Connection, closing: TaskClosing, officer_id: str, now: datetime) -> Closed | None:
    """Close a task and count it; the last one of a stop destroys what was kept for the officers. None when there is no such open task."""
    row = connection.execute(
        "SELECT * FROM customs_tasks WHERE task_id = ? AND closed_at IS NULL", (str(closing.task_id),)
    ).fetchone()
    if row is None:
        return None
    connection.execute(
        "UPDATE customs_tasks SET closed_by = ?, closed_at = ?, finding = ? WHERE task_id = ?",
        (officer_id, now.isoformat(), closing.finding.value, str(closing.task_id)),
    )
    task, stop_id = _task(row), row["transaction_id"]
    stop = connection.execute("SELECT local_date FROM stops WHERE stop_id = ?", (stop_id,)).fetchone()
    day = date.fromisoformat(stop["local_date"])
    connection.execute(
        "INSERT INTO inspections VALUES (?, ?, ?, 1, ?, ?, ?) ON CONFLICT DO UPDATE SET closed = closed + 1,"
        " found = found + excluded.found, amended = amended + excluded.amended, seconds = seconds + excluded.seconds",
        (
            day.isoformat(),
            task.agency.value,
            task.corridor.value,
            closing.finding is InspectionFinding.FOUND,
            closing.finding is InspectionFinding.AMENDED,
            max(0, round((now - task.created_at).total_seconds())),
        ),
    )
    left = connection.execute(
        "SELECT 1 FROM customs_tasks WHERE transaction_id = ? AND closed_at IS NULL", (stop_id,)
    ).fetchone()
    if left is None:
        connection.execute(
            "UPDATE stops SET closed_at = ?, content = NULL, holder = NULL WHERE stop_id = ?",
            (now.isoformat(), stop_id),
        )
    return Closed(task, day, left is None)


def note_seen(connection: sqlite3.Connection, holder: Marks, own: uuid.UUID, at: datetime, source: str) -> None:
    """Note on open stops of this gate that their traveller is at an exit now, in another transaction than theirs."""
    connection.execute(
        "UPDATE stops SET seen_at = ?, seen_by = ? WHERE closed_at IS NULL AND seen_at IS NULL AND holder IN (?, ?)"
        " AND stop_id != ?",
        (at.isoformat(), source, holder.kept, holder.kept_before, str(own)),
    )


def note_seen_elsewhere(connection: sqlite3.Connection, stop_id: uuid.UUID, at: datetime, source: str) -> None:
    """Note what another gate told: the traveller of this stop is at its exit."""
    connection.execute(
        "UPDATE stops SET seen_at = ?, seen_by = ? WHERE stop_id = ? AND closed_at IS NULL AND seen_at IS NULL",
        (at.isoformat(), source, str(stop_id)),
    )


def inspections(connection: sqlite3.Connection, since: date) -> list[InspectionCount]:
    """Return what was counted from a local day on, by day, agency and corridor."""
    rows = connection.execute(
        "SELECT * FROM inspections WHERE day >= ? ORDER BY day, agency, corridor", (since.isoformat(),)
    )
    return [
        InspectionCount(
            date.fromisoformat(row["day"]),
            Agency(row["agency"]),
            Corridor(row["corridor"]),
            row["closed"],
            row["found"],
            row["amended"],
            row["seconds"],
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
        reasons=reasons_in(row["reasons"]),
        agency=Agency(row["agency"]),
        corridor=Corridor(row["corridor"]),
        closed_by=row["closed_by"],
        closed_at=datetime.fromisoformat(row["closed_at"]) if row["closed_at"] else None,
        finding=InspectionFinding(row["finding"]) if row["finding"] else None,
    )


def _stop(row: sqlite3.Row, tasks: list[CustomsTask], key: HolderKey) -> Stop:
    content = json.loads(key.sealing.unseal(row["content"], row["stop_id"])) if row["content"] else {}
    return Stop(
        stop_id=uuid.UUID(row["stop_id"]),
        lane_id=row["lane_id"],
        direction=Direction(row["direction"]),
        local_date=date.fromisoformat(row["local_date"]),
        opened_at=datetime.fromisoformat(row["opened_at"]),
        corridor=Corridor(row["corridor"]),
        reference=row["reference"],
        rules=tuple(
            RuleUse(name, date.fromisoformat(on), certainty) for name, on, certainty in json.loads(row["rules"])
        ),
        rulebook_version=row["rulebook_version"],
        identity=content.get("identity", {}),
        declared=_declared_in(content.get("declared")),
        seen_by=row["seen_by"],
        tasks=tuple(tasks),
    )


def _content(crossing: Crossing) -> bytes:
    """Return what is kept for the officers, to be sealed."""
    identity: dict[str, str] = {}
    if crossing.document is not None:
        identity = {name: getattr(crossing.document, name) for name in _IDENTITY}
        born = crossing.document.date_of_birth
        identity["date_of_birth"] = born.isoformat() if born else crossing.document.date_of_birth_text
    return json.dumps({"identity": identity, "declared": _declared(crossing.declaration)}).encode()


def _declared(declaration: Declaration | None) -> dict[str, object] | None:
    if declaration is None:
        return None
    apart = declaration.unaccompanied
    return {
        "mode": declaration.mode.value,
        "goods": [
            {
                "description": line.description,
                "value": [line.value.amount_minor, line.value.currency],
                "mass_g": line.mass_g,
                "kind": line.kind,
                "quantity": line.quantity,
                "owner": line.owner,
                "is_temporary": line.is_temporary,
                "mark": line.mark,
            }
            for line in declaration.goods
        ],
        "cash": [[amount.amount_minor, amount.currency] for amount in declaration.cash],
        "seal_ids": list(declaration.seal_ids),
        "small_children": declaration.small_children,
        "travellers": declaration.travellers,
        "vehicles": [f"{one.plate} {one.country} {one.make}".strip() for one in declaration.vehicles],
        "phone_imeis": list(declaration.phone_imeis),
        "unaccompanied": [apart.stub_id, *apart.items] if apart else [],
    }


def _declared_in(kept: dict[str, Any] | None) -> Declared:
    if not kept:
        return Declared()
    return Declared(
        mode=TravelMode(kept["mode"]),
        goods=tuple(DeclaredGoods(**(line | {"value": Money(*line["value"])})) for line in kept["goods"]),
        cash=tuple(Money(amount, currency) for amount, currency in kept["cash"]),
        seal_ids=tuple(kept["seal_ids"]),
        small_children=kept["small_children"],
        travellers=kept["travellers"],
        vehicles=tuple(kept["vehicles"]),
        phone_imeis=tuple(kept["phone_imeis"]),
        unaccompanied=tuple(kept["unaccompanied"]),
    )
