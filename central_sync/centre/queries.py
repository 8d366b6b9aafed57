"""What a monitor page may ask of the centre. No answer holds personal data: the tables have none outside sealed bodies."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa

from central_sync import strict_json
from central_sync.centre import passage_counts
from central_sync.centre.presence import count_held
from central_sync.centre.schema import ALARMS, LEDGER, PRESENCE, QUARANTINE, RECORDS
from central_sync.centre.telemetry import GateDevices, newest
from central_sync.passage_counts.cells import Figures, Place
from central_sync.topics import address_of


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """An alarm of the centre about a gate."""

    gate: str
    kind: str
    subject: str
    detail: str
    first_at: datetime
    last_at: datetime
    times: int


@dataclass(frozen=True, slots=True)
class GateStatus:
    """One gate; `gate` is `country/site/gate`.

    `stored` counts the current epoch; `missing` is what the gate holds as acknowledged and the centre does not have (0, or an
    alarm); `backlog` is what the gate has still to deliver.
    """

    gate: str
    site: str
    online: bool
    last_seen: datetime
    epoch: uuid.UUID
    last_seq: int
    stored: int
    missing: int
    backlog: int
    alarms: list[AlarmRow]
    protocol: str = ""


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One record without its sealed part; `reasons` are codes."""

    id: uuid.UUID
    gate: str
    kind: str
    time: datetime
    corridor: str
    outcome: str
    reasons: list[str]
    stored_at: datetime


class CentreQueries:
    """Read-only questions over an engine of `schema.open_engine`. Blocking and quick: call them from a thread."""

    def __init__(
        self,
        engine: sa.Engine,
        *,
        presence_grace_s: float = 30.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._grace = timedelta(seconds=presence_grace_s)
        self._now = now

    def gates(self) -> list[GateStatus]:
        """Return every gate that was ever heard of, by name."""
        with self._engine.connect() as connection:
            return [
                self._status(connection, row)
                for row in connection.execute(sa.select(PRESENCE).order_by(PRESENCE.c.gate)).all()
            ]

    def devices(self) -> dict[str, GateDevices]:
        """Return how each gate's devices are by the gate's name, as far as it told."""
        return newest(self._engine)

    def recent_records(self, limit: int = 50) -> list[RecordRow]:
        """Return the records stored last, newest first."""
        statement = (
            sa.select(*(column for column in RECORDS.c if column.name != "body"))
            .order_by(RECORDS.c.stored_at.desc(), RECORDS.c.id.desc())
            .limit(max(1, min(limit, 1000)))
        )
        with self._engine.connect() as connection:
            return [
                RecordRow(
                    id=uuid.UUID(row.id),
                    gate=row.gate,
                    kind=row.kind,
                    time=datetime.fromisoformat(row.time),
                    corridor=row.corridor,
                    outcome=row.outcome,
                    reasons=_codes(row.reasons),
                    stored_at=datetime.fromisoformat(row.stored_at),
                )
                for row in connection.execute(statement)
            ]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return `{"kinds": {kind: n}, "totals": {stored, quarantined, alarms}}`."""
        with self._engine.connect() as connection:
            kinds = connection.execute(sa.select(RECORDS.c.kind, sa.func.count()).group_by(RECORDS.c.kind))
            by_kind = {str(kind): int(count) for kind, count in kinds}
            totals = {
                name: int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
                for name, table in (("stored", LEDGER), ("quarantined", QUARANTINE), ("alarms", ALARMS))
            }
        return {"kinds": by_kind, "totals": totals}

    def passages(
        self, since: date, until: date, gate: str | None = None, *, with_rest: bool = True
    ) -> list[tuple[str, Place, Figures]]:
        """Return what was counted in each local hour of those days: of one gate, or of all together.

        Without `with_rest` these are the counts and the time of the whole passage, without its steps and reasons: quicker.
        """
        name = passage_counts.ALL_GATES if gate is None else gate
        return self._passages(passage_counts.HOUR, name, since, until, with_rest=with_rest)

    def passages_of_gates(self, since: date, until: date) -> list[tuple[str, Place, Figures]]:
        """Return each gate's days: counts and the time of the whole passage, without its steps and reasons; `hour` is a day."""
        return self._passages(passage_counts.DAY, None, since, until, with_rest=False)

    def gate_names(self) -> list[str]:
        """Return every gate that was ever heard of."""
        with self._engine.connect() as connection:
            return list(connection.execute(sa.select(PRESENCE.c.gate).order_by(PRESENCE.c.gate)).scalars())

    def alarms(self, limit: int = 100) -> list[AlarmRow]:
        """Return the centre's alarms, newest first."""
        with self._engine.connect() as connection:
            return _alarms(connection, None, limit)

    def _passages(
        self, span: str, gate: str | None, since: date, until: date, *, with_rest: bool
    ) -> list[tuple[str, Place, Figures]]:
        with self._engine.connect() as connection:
            return list(passage_counts.of_days(connection, span, gate, since, until, with_rest=with_rest))

    def _status(self, connection: sa.Connection, row: sa.Row[tuple[object, ...]]) -> GateStatus:
        epoch = uuid.UUID(row.epoch)
        own = (LEDGER.c.gate == row.gate, LEDGER.c.epoch == row.epoch)
        stored = connection.execute(sa.select(sa.func.count()).select_from(LEDGER).where(*own)).scalar_one()
        expected = max(0, row.first_unacked - row.first_seq)
        held = count_held(connection, row.gate, epoch, row.first_seq, row.first_unacked - 1)
        last_seen = datetime.fromisoformat(row.last_seen)
        return GateStatus(
            gate=row.gate,
            site=address_of(row.gate).site,
            online=bool(row.online) and self._now() - last_seen <= self._grace,
            last_seen=last_seen,
            epoch=epoch,
            last_seq=row.last_seq,
            stored=int(stored),
            missing=max(0, expected - held),
            backlog=row.backlog,
            alarms=_alarms(connection, row.gate, 50),
            protocol=row.protocol,
        )


def _alarms(connection: sa.Connection, gate: str | None, limit: int) -> list[AlarmRow]:
    statement = sa.select(ALARMS).order_by(ALARMS.c.last_at.desc()).limit(limit)
    if gate is not None:
        statement = statement.where(ALARMS.c.gate == gate)
    return [
        AlarmRow(
            row.gate,
            row.kind,
            row.subject,
            row.detail,
            datetime.fromisoformat(row.first_at),
            datetime.fromisoformat(row.last_at),
            row.times,
        )
        for row in connection.execute(statement)
    ]


def _codes(text: str) -> list[str]:
    value = strict_json.loads(text)
    return [str(code) for code in value] if isinstance(value, list) else []
