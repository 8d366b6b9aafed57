"""Orders to unlock a seal on the post's disk: each id is begun once, before anything is sent, and its answer is kept.

A row without an answer was begun by a process that died: nobody knows whether the seal heard it.
"""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import dataclass

SCHEMA = """
CREATE TABLE IF NOT EXISTS unlocks (
  order_id TEXT PRIMARY KEY, source TEXT NOT NULL, seal_id TEXT NOT NULL, digest BLOB NOT NULL,
  received_at TEXT NOT NULL, answer TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class KeptUnlock:
    """An order that came before: SHA-256 of its wire form, and its answer (empty: none)."""

    digest: bytes
    answer: str


@dataclass(frozen=True, slots=True)
class NewUnlock:
    """An order to be begun."""

    order_id: uuid.UUID
    source: str
    seal_id: str
    digest: bytes


def begin(connection: sqlite3.Connection, new: NewUnlock, now: str) -> bool:
    """Keep an order; False when its id is known."""
    values = (str(new.order_id), new.source, new.seal_id, new.digest, now)
    statement = (
        "INSERT INTO unlocks (order_id, source, seal_id, digest, received_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (order_id) DO NOTHING"
    )
    return connection.execute(statement, values).rowcount == 1


def end(connection: sqlite3.Connection, order_id: uuid.UUID, answer: str) -> None:
    """Keep the answer of an order."""
    connection.execute("UPDATE unlocks SET answer = ? WHERE order_id = ?", (answer, str(order_id)))


def find(connection: sqlite3.Connection, order_id: uuid.UUID) -> KeptUnlock | None:
    """Return an order that was begun."""
    row = connection.execute("SELECT digest, answer FROM unlocks WHERE order_id = ?", (str(order_id),)).fetchone()
    return KeptUnlock(row["digest"], row["answer"]) if row else None


def forget(connection: sqlite3.Connection, before: str) -> int:
    """Delete orders received before a moment; return how many."""
    return connection.execute("DELETE FROM unlocks WHERE received_at < ?", (before,)).rowcount
