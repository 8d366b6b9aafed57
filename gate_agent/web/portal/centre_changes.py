"""The newest records in the centre's database that may change a declaration's state; read only, at most a few hundred at a time.

The centre's ingest commits one batch after another, so records come in the order of `stored_at`; a minute is read again all the same, and the
book knows what it followed already. Faults of the database are the caller's to log: the next round reads again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from central_sync.centre.schema import RECORDS
from central_sync.errors import RecordRefused
from central_sync.messages import read_record
from gate_agent.web.portal.journeys import CentreRecord

KINDS = ("declaration", "inspection", "seal")
MOST = 500
AGAIN = timedelta(minutes=1)


class CentreChanges:
    """Reads on from where it stopped; a new one begins a day back, which also covers a portal that stood still."""

    def __init__(self, engine: sa.Engine, now: datetime) -> None:
        self._engine = engine
        self._from = now - timedelta(days=1)

    def next(self) -> list[CentreRecord]:
        """Return the records since the last call, the last minute's again. Raises `sqlalchemy.exc.SQLAlchemyError`."""
        query = (
            sa.select(RECORDS.c.id, RECORDS.c.kind, RECORDS.c.body, RECORDS.c.stored_at)
            .where(RECORDS.c.kind.in_(KINDS), RECORDS.c.stored_at >= _written(self._from))
            .order_by(RECORDS.c.stored_at, RECORDS.c.id)
            .limit(MOST)
        )
        found = []
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        for record_id, kind, body, _stored_at in rows:
            try:
                found.append(CentreRecord(record_id, kind, read_record(body).data))
            except RecordRefused:
                continue  # the centre took it once; a later format says nothing here
        if rows:
            newest = datetime.fromisoformat(rows[-1][3])
            self._from = newest if len(rows) == MOST else max(self._from, newest - AGAIN)
        return found


def _written(instant: datetime) -> str:
    """Return an instant as the centre's column has it."""
    return instant.isoformat()
