"""What the gate remembers of seals over a restart, one text per seal; who wrote it knows how to read it."""

from __future__ import annotations

import sqlite3

SCHEMA = """
CREATE TABLE IF NOT EXISTS seal_histories (seal_id TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;
"""


def keep(connection: sqlite3.Connection, seal_id: str, content: str) -> None:
    """Write what is remembered of a seal in the place of what was."""
    connection.execute("INSERT OR REPLACE INTO seal_histories VALUES (?, ?)", (seal_id, content))


def forget(connection: sqlite3.Connection, seal_id: str) -> None:
    """Remember nothing of a seal any more."""
    connection.execute("DELETE FROM seal_histories WHERE seal_id = ?", (seal_id,))


def contents(connection: sqlite3.Connection) -> list[str]:
    """Return everything remembered."""
    return [str(row["content"]) for row in connection.execute("SELECT content FROM seal_histories ORDER BY seal_id")]
