"""Tables of the centre. SQLite by default; PostgreSQL with the same statements.

The ledger is narrow and carries the unique keys; bodies stand in `records`, which a country may partition by month without touching
them. Nothing here names a traveller: personal fields stay sealed inside the bodies.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

METADATA = sa.MetaData()

LEDGER = sa.Table(
    "ledger",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("gate", sa.String(80), nullable=False),
    sa.Column("epoch", sa.String(36), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),
    sa.UniqueConstraint("gate", "epoch", "seq", name="ledger_place"),
)

RECORDS = sa.Table(
    "records",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("gate", sa.String(80), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("time", sa.String(40), nullable=False),
    sa.Column("stored_at", sa.String(40), nullable=False, index=True),
    sa.Column("corridor", sa.String(8), nullable=False),
    sa.Column("outcome", sa.String(32), nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

QUARANTINE = sa.Table(
    "quarantine",
    METADATA,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("gate", sa.String(80), nullable=False),
    sa.Column("epoch", sa.String(36), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),
    sa.Column("reason", sa.String(64), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("received_at", sa.String(40), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("gate", "epoch", "seq", "hash", name="quarantine_place"),
)

ALARMS = sa.Table(
    "alarms",
    METADATA,
    sa.Column("gate", sa.String(80), primary_key=True),
    sa.Column("kind", sa.String(48), primary_key=True),
    sa.Column("subject", sa.String(128), primary_key=True),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("first_at", sa.String(40), nullable=False),
    sa.Column("last_at", sa.String(40), nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
)

PRESENCE = sa.Table(
    "presence",
    METADATA,
    sa.Column("gate", sa.String(80), primary_key=True),
    sa.Column("session", sa.String(36), nullable=False),
    sa.Column("online", sa.Boolean, nullable=False),
    sa.Column("last_seen", sa.String(40), nullable=False),
    sa.Column("epoch", sa.String(36), nullable=False),
    sa.Column("first_seq", sa.BigInteger, nullable=False),
    sa.Column("first_unacked", sa.BigInteger, nullable=False),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
    sa.Column("head", sa.String(64), nullable=False),
    sa.Column("backlog", sa.BigInteger, nullable=False),
    sa.Column("protocol", sa.String(16), nullable=False),
)


TELEMETRY = sa.Table(
    "telemetry",
    METADATA,
    sa.Column("gate", sa.String(80), primary_key=True),
    sa.Column("heard_at", sa.String(40), nullable=False),
    sa.Column("devices", sa.Text, nullable=False),
)


PASSAGES = sa.Table(
    "passages",
    METADATA,
    sa.Column("gate", sa.String(80), primary_key=True),
    sa.Column("transaction_id", sa.String(36), primary_key=True),
    sa.Column("facts", sa.Text, nullable=False),
)

PASSAGE_CELLS = sa.Table(
    "passage_cells",
    METADATA,
    sa.Column("cell", sa.String(160), primary_key=True),  # span, gate, hour or day, corridor
    sa.Column("span", sa.String(4), nullable=False),
    sa.Column("gate", sa.String(80), nullable=False),  # empty: all gates together
    sa.Column("day", sa.String(10), nullable=False),
    sa.Column("moment", sa.String(24), nullable=False),
    sa.Column("corridor", sa.String(8), nullable=False),
    sa.Column("head", sa.Text, nullable=False),
    sa.Column("rest", sa.Text, nullable=False),
    sa.Index("passage_cells_of", "span", "gate", "day"),
    sa.Index("passage_cells_when", "span", "day"),
)


def open_engine(database_url: str) -> sa.Engine:
    """Return an engine whose commits are durable, its tables made. SQLite gets WAL and `synchronous=FULL`."""
    engine = sa.create_engine(database_url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _durable)
    METADATA.create_all(engine)
    return engine


def insert(engine_name: str, table: sa.Table) -> Any:
    """Return the dialect's INSERT, which knows ON CONFLICT."""
    return postgresql.insert(table) if engine_name == "postgresql" else sqlite.insert(table)


def _durable(connection: Any, _record: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "busy_timeout=10000"):
            # read to the end: a flush that fails while the log is changed to WAL is told behind the answer "wal"
            cursor.execute(f"PRAGMA {pragma}").fetchall()
        cursor.close()
