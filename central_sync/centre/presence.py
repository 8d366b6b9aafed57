"""Births, states and heartbeats as the centre keeps them, and what it concludes: away, backlog, missing, gone back in time."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from central_sync.centre.ledger import Ledger
from central_sync.centre.schema import LEDGER, PRESENCE, QUARANTINE, insert
from central_sync.envelope import runs_of
from central_sync.errors import LedgerFault
from central_sync.presence import Birth, ChainPosition, State

WENT_BACK = "store_went_back"
HEAD_DIFFERS = "chain_head_differs"
MISSING = "records_missing"
_MOST_MISSING_NAMED = 10_000


@dataclass(frozen=True, slots=True)
class Findings:
    """What a birth showed.

    `highest` is the highest place of the epoch at the centre and its hash; `missing` are ranges that the gate holds as acknowledged
    and the centre does not have.
    """

    went_back: bool
    highest: tuple[int, str]
    missing: list[tuple[int, int]]


class PresenceBook:
    """Over the centre's database. Blocking: call it from a thread."""

    def __init__(self, engine: sa.Engine, ledger: Ledger) -> None:
        self._engine = engine
        self._ledger = ledger
        self._dialect = engine.dialect.name

    def born(self, birth: Birth, now: datetime) -> Findings:
        """Note a birth and compare the gate's chain with the ledger. Raises `LedgerFault`."""
        try:
            with self._engine.begin() as connection:
                self._note(connection, birth.source, birth.session, birth.position, birth.protocol, now)
                return self._compare(connection, birth.source, birth.position, now)
        except SQLAlchemyError as error:
            raise LedgerFault(f"the centre's database refused: {type(error).__name__}") from error

    def heard(self, state: State, now: datetime) -> None:
        """Note a heartbeat or a will; a will of an earlier session is ignored. Raises `LedgerFault`."""
        try:
            with self._engine.begin() as connection:
                if state.online and state.position is not None:
                    self._note(connection, state.source, state.session, state.position, "", now)
                elif not state.online:
                    connection.execute(
                        sa.update(PRESENCE)
                        .where(PRESENCE.c.gate == state.source, PRESENCE.c.session == str(state.session))
                        .values(online=False)
                    )
        except SQLAlchemyError as error:
            raise LedgerFault(f"the centre's database refused: {type(error).__name__}") from error

    def _note(
        self,
        connection: sa.Connection,
        gate: str,
        session: uuid.UUID,
        position: ChainPosition,
        protocol: str,
        now: datetime,
    ) -> None:
        values = {
            "session": str(session),
            "online": True,
            "last_seen": now.isoformat(),
            "epoch": str(position.epoch),
            "first_seq": position.first_seq,
            "first_unacked": position.first_unacked,
            "last_seq": position.last_seq,
            "head": position.head,
            "backlog": position.backlog_records,
        }
        statement = insert(self._dialect, PRESENCE).values(gate=gate, protocol=protocol, **values)
        if protocol:
            values["protocol"] = protocol
        connection.execute(statement.on_conflict_do_update(index_elements=["gate"], set_=values))

    def _compare(self, connection: sa.Connection, gate: str, position: ChainPosition, now: datetime) -> Findings:
        epoch = str(position.epoch)
        own = (LEDGER.c.gate == gate, LEDGER.c.epoch == epoch)
        top = connection.execute(
            sa.select(LEDGER.c.seq, LEDGER.c.hash).where(*own).order_by(LEDGER.c.seq.desc()).limit(1)
        )
        highest, highest_hash = next(((row.seq, bytes(row.hash).hex()) for row in top), (0, ""))
        went_back = highest > position.last_seq
        if went_back:
            detail = f"the centre has place {highest}, the gate ends at {position.last_seq}"
            self._ledger.alarm(connection, gate, WENT_BACK, epoch, detail, now)
        at_head = connection.execute(sa.select(LEDGER.c.hash).where(*own, LEDGER.c.seq == position.last_seq)).scalar()
        if at_head is not None and bytes(at_head).hex() != position.head:
            self._ledger.alarm(connection, gate, HEAD_DIFFERS, f"{epoch}/{position.last_seq}", "another head", now)
        missing = missing_ranges(connection, gate, position.epoch, position.first_seq, position.first_unacked - 1)
        if missing:
            count = sum(last - first + 1 for first, last in missing)
            self._ledger.alarm(connection, gate, MISSING, epoch, f"{count} acknowledged records are not here", now)
        return Findings(went_back, (highest, highest_hash), missing)


def missing_ranges(
    connection: sa.Connection, gate: str, epoch: uuid.UUID, first: int, last: int
) -> list[tuple[int, int]]:
    """Return the places from `first` to `last` that neither the ledger nor the quarantine holds."""
    expected = last - first + 1
    if expected <= 0 or count_held(connection, gate, epoch, first, last) >= expected:
        return []
    held: set[int] = set()
    for table in (LEDGER, QUARANTINE):
        statement = sa.select(table.c.seq).where(
            table.c.gate == gate, table.c.epoch == str(epoch), table.c.seq.between(first, last)
        )
        held.update(connection.execute(statement).scalars())
    gaps: list[int] = []
    for seq in range(first, last + 1):
        if seq not in held:
            gaps.append(seq)
            if len(gaps) >= _MOST_MISSING_NAMED:
                break
    return runs_of(gaps)


def count_held(connection: sa.Connection, gate: str, epoch: uuid.UUID, first: int, last: int) -> int:
    """Return how many places of a range the ledger and the quarantine hold between them."""
    places = sa.union(
        *(
            sa.select(table.c.seq).where(
                table.c.gate == gate, table.c.epoch == str(epoch), table.c.seq.between(first, last)
            )
            for table in (LEDGER, QUARANTINE)
        )
    ).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(places)).scalar_one())
