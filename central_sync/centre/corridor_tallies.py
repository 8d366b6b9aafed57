"""Crossings, inspections, findings and times for each gate and corridor, counted with the records in the same commit.

A record is counted when it is stored, so exactly once; a database of before is counted from its bodies the first time it is opened.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime

import sqlalchemy as sa

from central_sync.centre.schema import CORRIDOR_TALLIES, RECORDS, insert
from central_sync.messages import CrossingV1, InspectionV1, Record, read_record

_CUSTOMS = "customs"
_ROWS_AT_ONCE = 1_000


@dataclass(slots=True)
class CorridorTally:
    """What happened in one corridor; `seconds` is the sum over the `timed` passages, from the first document to their end."""

    crossings: int = 0
    inspections: int = 0
    found: int = 0
    amended: int = 0
    timed: int = 0
    seconds: int = 0


def note(connection: sa.Connection, dialect: str, gate: str, records: Iterable[Record]) -> None:
    """Count records of a gate that were not stored before."""
    found: dict[str, CorridorTally] = defaultdict(CorridorTally)
    for record in records:
        _count(record, found)
    _add(connection, dialect, gate, found)


def tallies(connection: sa.Connection) -> dict[str, CorridorTally]:
    """Return what was counted of all gates, by corridor."""
    columns = [sa.func.sum(CORRIDOR_TALLIES.c[one.name]).label(one.name) for one in fields(CorridorTally)]
    rows = connection.execute(sa.select(CORRIDOR_TALLIES.c.corridor, *columns).group_by(CORRIDOR_TALLIES.c.corridor))
    return {
        row.corridor: CorridorTally(**{one.name: int(getattr(row, one.name)) for one in fields(CorridorTally)})
        for row in rows
    }


def rebuild(engine: sa.Engine) -> bool:
    """Count a database whose records were stored before there were tallies; False when there is nothing to do."""
    with engine.begin() as connection:
        if connection.execute(sa.select(CORRIDOR_TALLIES.c.gate).limit(1)).first() is not None:
            return False
        found: dict[str, dict[str, CorridorTally]] = defaultdict(lambda: defaultdict(CorridorTally))
        counted = RECORDS.c.kind.in_([CrossingV1.kind, InspectionV1.kind])
        statement = sa.select(RECORDS.c.gate, RECORDS.c.body).where(counted)
        for row in connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(statement):
            _count(read_record(bytes(row.body)), found[row.gate])
        for gate, of_gate in found.items():
            _add(connection, engine.dialect.name, gate, of_gate)
        return any(found.values())


def _count(record: Record, found: dict[str, CorridorTally]) -> None:
    """Count one record: a green passage ends when it is confirmed, every other one with the last closed task of its stop."""
    if record.kind not in {CrossingV1.kind, InspectionV1.kind}:
        return
    content = record.content()
    if isinstance(content, CrossingV1) and content.passage == "passed":
        tally = found[content.corridor]
        tally.crossings += 1
        if content.corridor == "green":
            _time(tally, content.transaction_id, content.occurred_at)
    elif isinstance(content, InspectionV1):
        # records of releases before findings: red was the only corridor with a task, and customs the only agency
        tally = found[content.corridor or "red"]
        finding = content.finding
        if finding and content.agency == _CUSTOMS:
            tally.inspections += 1
            tally.found += finding == "found"
            tally.amended += finding == "amended"
        if content.is_last or not content.finding:
            _time(tally, content.transaction_id, content.closed_at)


def _time(tally: CorridorTally, transaction_id: uuid.UUID, end: datetime) -> None:
    """Count how long a transaction took; its id is a UUIDv7 (RFC 9562), whose first 48 bits are its beginning in ms."""
    if transaction_id.version != 7:
        return
    seconds = end.timestamp() - (transaction_id.int >> 80) / 1000
    if seconds >= 0:
        tally.timed += 1
        tally.seconds += round(seconds)


def _add(connection: sa.Connection, dialect: str, gate: str, found: dict[str, CorridorTally]) -> None:
    for corridor, tally in found.items():
        values = asdict(tally)
        statement = insert(dialect, CORRIDOR_TALLIES).values(gate=gate, corridor=corridor, **values)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["gate", "corridor"],
                set_={name: CORRIDOR_TALLIES.c[name] + value for name, value in values.items()},
            )
        )
