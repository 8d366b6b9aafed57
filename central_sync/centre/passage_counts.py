"""Passages per gate, corridor and hour at the centre, counted with the records in the same commit, and counted again from their bodies.

Three sums are kept, so that a page over a month of a country reads thousands of rows and not millions: each gate's hours, each gate's
days, and the hours of all gates together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from central_sync.centre.schema import PASSAGE_CELLS, PASSAGES, RECORDS, insert
from central_sync.messages import Record, read_record
from central_sync.passage_counts.cells import Figures, Place, add, contribution, difference, read_figures, split
from central_sync.passage_counts.facts import COUNTED_KINDS, Passage, read_passage, transaction_of

HOUR, DAY, ALL_GATES = "hour", "day", ""

_ROWS_AT_ONCE = 1_000
_NAMES_AT_ONCE = 500
_LOCK = 0x6567617465  # of PostgreSQL: two that count at once would overwrite each other's sums


@dataclass(frozen=True, slots=True, order=True)
class CellKey:
    """One sum: `moment` is an hour as in `Place`, or a local day."""

    span: str
    gate: str
    moment: str
    corridor: str

    @property
    def name(self) -> str:
        """The key of its row."""
        return f"{self.span}|{self.gate}|{self.moment}|{self.corridor}"


Sums = dict[CellKey, Figures]


def note(connection: sa.Connection, dialect: str, gate: str, records: Iterable[Record]) -> None:
    """Count records of a gate; a record that was counted before changes nothing."""
    heard: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        transaction_id = transaction_of(record.kind, record.data)
        if transaction_id is not None:
            heard[transaction_id].append(record)
    if not heard:
        return
    if dialect == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    before = _passages(connection, gate, list(heard))
    changed: Sums = defaultdict(Figures)
    kept: list[dict[str, str]] = []
    for transaction_id, told in heard.items():
        old = before.get(transaction_id, Passage())
        new = _with(old, told)
        if new == old:
            continue
        kept.append(
            {"gate": gate, "transaction_id": transaction_id, "facts": new.model_dump_json(exclude_defaults=True)}
        )
        for place, figures in difference(contribution(transaction_id, old), contribution(transaction_id, new)).items():
            for key in keys_of(gate, place):
                add(changed[key], figures)
    if kept:
        statement = insert(dialect, PASSAGES)
        facts = {"facts": statement.excluded.facts}
        connection.execute(statement.on_conflict_do_update(index_elements=["gate", "transaction_id"], set_=facts), kept)
    _change(connection, dialect, changed)


def rebuild(engine: sa.Engine) -> bool:
    """Count a database whose records were stored before there were these counts; False when there is nothing to do."""
    with engine.begin() as connection:
        if connection.execute(sa.select(PASSAGES.c.gate).limit(1)).first() is not None:
            return False
        return _count_all(connection, engine.dialect.name)


def mend(engine: sa.Engine) -> None:
    """Throw the counts away and count every body again, in one transaction."""
    with engine.begin() as connection:
        connection.execute(PASSAGES.delete())
        connection.execute(PASSAGE_CELLS.delete())
        _count_all(connection, engine.dialect.name)


def recount(connection: sa.Connection) -> Sums:
    """Return the sums as the bodies alone give them; what is kept beside them is not looked at."""
    passages: dict[tuple[str, str], Passage] = {}
    for gate, record in _bodies(connection):
        transaction_id = transaction_of(record.kind, record.data)
        if transaction_id is not None:
            known = passages.get((gate, transaction_id), Passage())
            passages[gate, transaction_id] = known.with_record(record.kind, record.seq, record.data)
    sums: Sums = defaultdict(Figures)
    for (gate, transaction_id), passage in passages.items():
        told = contribution(transaction_id, passage)
        if told is not None:
            for key in keys_of(gate, told[0]):
                add(sums[key], told[1])
    return dict(sums)


def kept_sums(connection: sa.Connection, span: str | None = None) -> Sums:
    """Return the sums as they are kept, all or those of one span."""
    statement = sa.select(PASSAGE_CELLS)
    if span is not None:
        statement = statement.where(PASSAGE_CELLS.c.span == span)
    return {
        CellKey(row.span, row.gate, row.moment, row.corridor): read_figures(row.head, row.rest)
        for row in connection.execute(statement)
    }


def of_days(
    connection: sa.Connection, span: str, gate: str | None, since: date, until: date, *, with_rest: bool = True
) -> Iterator[tuple[str, Place, Figures]]:
    """Yield gate, place and sums of a span from one local day to another, both included; `gate` None: of each gate.

    Of the span `DAY` the place has the day for its hour. Without `with_rest` they hold the counts and the time of the whole passage only, which is quick for many gates.
    """
    columns = [PASSAGE_CELLS.c[name] for name in ("gate", "moment", "corridor", "head")]
    columns += [PASSAGE_CELLS.c.rest] if with_rest else []
    statement = sa.select(*columns).where(
        PASSAGE_CELLS.c.span == span, PASSAGE_CELLS.c.day.between(since.isoformat(), until.isoformat())
    )
    own = PASSAGE_CELLS.c.gate != ALL_GATES if gate is None else PASSAGE_CELLS.c.gate == gate
    for row in connection.execute(statement.where(own)):
        figures = read_figures(row.head, row.rest) if with_rest else read_figures(row.head)
        yield row.gate, Place(row.moment, row.corridor), figures


def keys_of(gate: str, place: Place) -> tuple[CellKey, ...]:
    """Return the sums in which a place of a gate counts."""
    return (
        CellKey(HOUR, gate, place.hour, place.corridor),
        CellKey(DAY, gate, place.day, place.corridor),
        CellKey(HOUR, ALL_GATES, place.hour, place.corridor),
    )


def _count_all(connection: sa.Connection, dialect: str) -> bool:
    waiting: dict[str, list[Record]] = defaultdict(list)
    number = 0
    for gate, record in _bodies(connection):
        waiting[gate].append(record)
        number += 1
        if number % _ROWS_AT_ONCE == 0:
            _note_all(connection, dialect, waiting)
    _note_all(connection, dialect, waiting)
    return number > 0


def _note_all(connection: sa.Connection, dialect: str, waiting: dict[str, list[Record]]) -> None:
    for gate, records in waiting.items():
        note(connection, dialect, gate, records)
    waiting.clear()


def _bodies(connection: sa.Connection) -> Iterator[tuple[str, Record]]:
    """Yield the records that count, page by page: a cursor that stays open would not see through a transaction that writes."""
    last = ""
    while True:
        statement = (
            sa.select(RECORDS.c.id, RECORDS.c.gate, RECORDS.c.body)
            .where(RECORDS.c.kind.in_(sorted(COUNTED_KINDS)), RECORDS.c.id > last)
            .order_by(RECORDS.c.id)
            .limit(_ROWS_AT_ONCE)
        )
        page = connection.execute(statement).all()
        if not page:
            return
        for row in page:
            yield row.gate, read_record(bytes(row.body))
        last = page[-1].id


def _passages(connection: sa.Connection, gate: str, names: list[str]) -> dict[str, Passage]:
    found: dict[str, Passage] = {}
    for first in range(0, len(names), _NAMES_AT_ONCE):
        statement = sa.select(PASSAGES.c.transaction_id, PASSAGES.c.facts).where(
            PASSAGES.c.gate == gate, PASSAGES.c.transaction_id.in_(names[first : first + _NAMES_AT_ONCE])
        )
        found.update({row.transaction_id: read_passage(row.facts) for row in connection.execute(statement)})
    return found


def _with(passage: Passage, records: Iterable[Record]) -> Passage:
    for record in records:
        passage = passage.with_record(record.kind, record.seq, record.data)
    return passage


def _change(connection: sa.Connection, dialect: str, changed: Mapping[CellKey, Figures]) -> None:
    names = {key.name: key for key, figures in changed.items() if any(figures.values())}
    sums = {name: Figures(changed[key]) for name, key in names.items()}
    listed = list(names)
    for first in range(0, len(listed), _NAMES_AT_ONCE):
        statement = sa.select(PASSAGE_CELLS.c.cell, PASSAGE_CELLS.c.head, PASSAGE_CELLS.c.rest).where(
            PASSAGE_CELLS.c.cell.in_(listed[first : first + _NAMES_AT_ONCE])
        )
        for row in connection.execute(statement):
            add(sums[row.cell], read_figures(row.head, row.rest))
    empty = [name for name, figures in sums.items() if not any(figures.values())]
    for first in range(0, len(empty), _NAMES_AT_ONCE):
        connection.execute(
            PASSAGE_CELLS.delete().where(PASSAGE_CELLS.c.cell.in_(empty[first : first + _NAMES_AT_ONCE]))
        )
    rows = []
    for name in listed:
        key, figures = names[name], sums[name]
        if any(figures.values()):
            head, rest = split(figures)
            rows.append(
                {"cell": name, "span": key.span, "gate": key.gate, "day": key.moment[:10], "moment": key.moment,
                 "corridor": key.corridor, "head": head, "rest": rest}
            )  # fmt: skip
    if rows:
        statement = insert(dialect, PASSAGE_CELLS)
        values = {"head": statement.excluded.head, "rest": statement.excluded.rest}
        connection.execute(statement.on_conflict_do_update(index_elements=["cell"], set_=values), rows)
