"""Orders to unlock a seal on the post's disk: each id is begun once, before anything is sent, and its answer is kept.

An officer's authorisation is used up by the order that was begun with it, in the same transaction: another order cannot have it. A row without an answer was begun by a process that died: nobody knows whether the seal heard it.
"""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import dataclass
from enum import Enum, auto

SCHEMA = """
CREATE TABLE IF NOT EXISTS unlocks (
  order_id TEXT PRIMARY KEY, source TEXT NOT NULL, seal_id TEXT NOT NULL, digest BLOB NOT NULL,
  received_at TEXT NOT NULL, answer TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unlock_nonces (
  nonce TEXT PRIMARY KEY, order_id TEXT NOT NULL, received_at TEXT NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class KeptUnlock:
    """An order that came before: SHA-256 of its wire form, and its answer (empty: none)."""

    digest: bytes
    answer: str


@dataclass(frozen=True, slots=True)
class NewUnlock:
    """An order to be begun, and the nonce of its officer's authorisation."""

    order_id: uuid.UUID
    source: str
    seal_id: str
    digest: bytes
    nonce: str


class Begun(Enum):
    """Whether an order was begun."""

    YES = auto()
    ORDER_KNOWN = auto()
    AUTHORISATION_USED = auto()


def begin(connection: sqlite3.Connection, new: NewUnlock, now: str) -> Begun:
    """Keep an order and use its authorisation up, unless either is known."""
    if connection.execute("SELECT 1 FROM unlock_nonces WHERE nonce = ?", (new.nonce,)).fetchone():
        return Begun.AUTHORISATION_USED
    values = (str(new.order_id), new.source, new.seal_id, new.digest, now)
    statement = (
        "INSERT INTO unlocks (order_id, source, seal_id, digest, received_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (order_id) DO NOTHING"
    )
    if connection.execute(statement, values).rowcount != 1:
        return Begun.ORDER_KNOWN
    connection.execute("INSERT INTO unlock_nonces VALUES (?, ?, ?)", (new.nonce, str(new.order_id), now))
    return Begun.YES


def end(connection: sqlite3.Connection, order_id: uuid.UUID, answer: str) -> None:
    """Keep the answer of an order."""
    connection.execute("UPDATE unlocks SET answer = ? WHERE order_id = ?", (answer, str(order_id)))


def find(connection: sqlite3.Connection, order_id: uuid.UUID) -> KeptUnlock | None:
    """Return an order that was begun."""
    row = connection.execute("SELECT digest, answer FROM unlocks WHERE order_id = ?", (str(order_id),)).fetchone()
    return KeptUnlock(row["digest"], row["answer"]) if row else None


def forget(connection: sqlite3.Connection, before: str) -> int:
    """Delete orders received before a moment; return how many. No authorisation is valid for as long as they are kept."""
    connection.execute("DELETE FROM unlock_nonces WHERE received_at < ?", (before,))
    return connection.execute("DELETE FROM unlocks WHERE received_at < ?", (before,)).rowcount
