"""The ledger: idempotent, free of order, the only place where a record counts as delivered.

A known id with the same hash is a duplicate and acknowledged again; with another hash it is an alarm. A place in the chain that is
taken by another record is the same alarm. What cannot be stored goes to quarantine with its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from central_sync import strict_json
from central_sync.centre import passage_counts
from central_sync.centre.schema import ALARMS, LEDGER, QUARANTINE, RECORDS, insert
from central_sync.envelope import Batch, StoredBody
from central_sync.errors import LedgerFault, RecordRefused
from central_sync.messages import PLACE, Record, first_prev_hash, read_record

TAMPER = "tampered_record"
CHAIN_BROKEN = "chain_broken"
POISON = "record_quarantined"
TAMPER_REASON = "CS-REC-010"
TRAINING_REASON = "CS-REC-011"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one row of a batch. `reason` is empty for `stored`."""

    seq: int
    hash: bytes
    status: Literal["stored", "quarantined"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Judged:
    row: StoredBody
    record: Record | None
    reason: str = ""
    why: str = ""


class Ledger:
    """Over an engine of `schema.open_engine`. Blocking: call it from a thread."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._dialect = engine.dialect.name

    def store(self, batches: Sequence[Batch], now: datetime) -> list[list[Verdict]]:
        """Store batches in one transaction; the verdicts, batch by batch, hold once this returns. Raises `LedgerFault`."""
        judged = [[_judge(batch, row) for row in batch.bodies] for batch in batches]  # before the transaction begins
        try:
            with self._engine.begin() as connection:
                return [self._store(connection, batch, rows, now) for batch, rows in zip(batches, judged, strict=True)]
        except SQLAlchemyError as error:
            raise LedgerFault(f"the centre's database refused: {type(error).__name__}") from error

    def raise_alarm(self, gate: str, kind: str, subject: str, detail: str, now: datetime) -> None:
        """Raise or repeat an alarm. Raises `LedgerFault`."""
        try:
            with self._engine.begin() as connection:
                self.alarm(connection, gate, kind, subject, detail, now)
        except SQLAlchemyError as error:
            raise LedgerFault(f"the centre's database refused: {type(error).__name__}") from error

    def alarm(self, connection: sa.Connection, gate: str, kind: str, subject: str, detail: str, now: datetime) -> None:
        """Raise or repeat an alarm inside a transaction."""
        _log.warning("centre_alarm", gate=gate, kind=kind, subject=subject, detail=detail)
        statement = insert(self._dialect, ALARMS).values(
            gate=gate,
            kind=kind,
            subject=subject,
            detail=detail,
            first_at=now.isoformat(),
            last_at=now.isoformat(),
            times=1,
        )
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["gate", "kind", "subject"],
                set_={"last_at": now.isoformat(), "times": ALARMS.c.times + 1},
            )
        )

    def _store(self, connection: sa.Connection, batch: Batch, rows: Sequence[_Judged], now: datetime) -> list[Verdict]:
        readable = {str(one.record.id): one for one in rows if one.record is not None}
        fresh = self._enter(connection, batch, readable)
        self._keep_bodies(connection, batch, [readable[record_id] for record_id in fresh], now)
        stored = [readable[record_id].record for record_id in fresh]
        counted = [one for one in stored if one is not None]
        passage_counts.note(connection, self._dialect, batch.source, counted)
        known = self._known(connection, batch, [record_id for record_id in readable if record_id not in fresh])
        verdicts: list[Verdict] = []
        for one in rows:
            row = one.row
            record_id = str(one.record.id) if one.record else ""
            if (
                one.record is not None
                and readable[record_id] is one
                and (record_id in fresh or known.get(record_id) == (batch.source, str(batch.epoch), row.seq, row.hash))
            ):
                verdicts.append(Verdict(row.seq, row.hash, "stored"))
                continue
            reason, why = (one.reason, one.why) if one.record is None else (TAMPER_REASON, "id or place already taken")
            kind = POISON if one.record is None else TAMPER
            self._keep_aside(connection, batch, row, (reason, why), now)
            self.alarm(connection, batch.source, kind, f"{batch.epoch}/{row.seq}", f"{reason}: {why}", now)
            verdicts.append(Verdict(row.seq, row.hash, "quarantined", reason))
        self._compare_neighbours(connection, batch, now)
        return verdicts

    def _enter(self, connection: sa.Connection, batch: Batch, readable: dict[str, _Judged]) -> set[str]:
        if not readable:
            return set()
        statement = insert(self._dialect, LEDGER).on_conflict_do_nothing().returning(LEDGER.c.id)
        values = [
            {
                "id": record_id,
                "gate": batch.source,
                "epoch": str(batch.epoch),
                "seq": one.row.seq,
                "hash": one.row.hash,
            }
            for record_id, one in readable.items()
        ]
        return set(connection.execute(statement, values).scalars())

    def _keep_bodies(self, connection: sa.Connection, batch: Batch, rows: Sequence[_Judged], now: datetime) -> None:
        values = []
        for one in rows:
            assert one.record is not None
            corridor, outcome, reasons = _summary(one.record)
            values.append(
                {
                    "id": str(one.record.id),
                    "gate": batch.source,
                    "kind": one.record.kind,
                    "time": one.record.time.isoformat(),
                    "stored_at": now.isoformat(),
                    "corridor": corridor,
                    "outcome": outcome,
                    "reasons": strict_json.dumps(reasons).decode(),
                    "body": one.row.body,
                }
            )
        if values:
            connection.execute(sa.insert(RECORDS), values)

    def _known(
        self, connection: sa.Connection, batch: Batch, ids: Sequence[str]
    ) -> dict[str, tuple[str, str, int, bytes]]:
        if not ids:
            return {}
        statement = sa.select(LEDGER).where(LEDGER.c.id.in_(ids))
        return {
            row.id: (row.gate, row.epoch, row.seq, bytes(row.hash))
            for row in connection.execute(statement)
            if row.gate == batch.source
        }

    def _keep_aside(
        self, connection: sa.Connection, batch: Batch, row: StoredBody, reason: tuple[str, str], now: datetime
    ) -> None:
        statement = insert(self._dialect, QUARANTINE).values(
            gate=batch.source,
            epoch=str(batch.epoch),
            seq=row.seq,
            hash=row.hash,
            reason=reason[0],
            why=reason[1],
            received_at=now.isoformat(),
            body=row.body,
        )
        connection.execute(statement.on_conflict_do_nothing())

    def _compare_neighbours(self, connection: sa.Connection, batch: Batch, now: datetime) -> None:
        """Raise an alarm where the hash before a run is not the one in the ledger."""
        hashes = {row.seq: row.hash for row in batch.bodies}
        starts = [row for row in batch.bodies if row.seq - 1 not in hashes]
        statement = sa.select(LEDGER.c.seq, LEDGER.c.hash).where(
            LEDGER.c.gate == batch.source,
            LEDGER.c.epoch == str(batch.epoch),
            LEDGER.c.seq.in_([row.seq - 1 for row in starts]),
        )
        before = {row.seq: bytes(row.hash) for row in connection.execute(statement)}
        for row in starts:
            expected = first_prev_hash(batch.epoch) if row.seq == 1 else before.get(row.seq - 1)
            if expected is not None and expected != row.prev_hash:
                subject = f"{batch.epoch}/{row.seq}"
                self.alarm(connection, batch.source, CHAIN_BROKEN, subject, "the hash before it differs", now)


def _judge(batch: Batch, row: StoredBody) -> _Judged:
    try:
        record = read_record(row.body)
    except RecordRefused as refusal:
        return _Judged(row, None, refusal.code, str(refusal))
    place = (record.source, record.epoch, record.seq, record.prev_hash)
    if place != (batch.source, batch.epoch, row.seq, row.prev_hash.hex()):
        return _Judged(row, None, PLACE, "source, epoch, seq or prev_hash differ from the batch")
    if record.training:
        return _Judged(row, None, TRAINING_REASON, "a record of a training gate, whose travellers are not real")
    return _Judged(row, record)


def _summary(record: Record) -> tuple[str, str, list[str]]:
    """Return corridor, outcome and reason codes as the monitor shows them."""
    members = record.data
    outcome = next(
        (str(members[name]) for name in ("admission", "passage", "action", "state", "priority") if members.get(name)),
        "",
    )
    reasons = [*members.get("admission_reasons", []), *members.get("corridor_reasons", [])]
    if isinstance(members.get("reason"), dict):
        reasons.append(members["reason"])
    return str(members.get("corridor", "")), outcome, [str(reason["code"]) for reason in reasons]
