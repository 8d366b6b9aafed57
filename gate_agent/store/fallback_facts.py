"""What the other gates of the post told about its fallback, and the tables of `fallback_book`. Functions over a connection, inside the caller's transaction."""

from __future__ import annotations

import sqlite3

from central_sync import strict_json
from central_sync.post.facts import FallbackAnswered, FallbackOrdered, fact_body
from gate_agent.store.lookups import moment

SCHEMA = """
CREATE TABLE IF NOT EXISTS fallback_order (only INTEGER PRIMARY KEY CHECK (only = 1), content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS fallback_waiting (
  place INTEGER PRIMARY KEY AUTOINCREMENT, order_id TEXT NOT NULL UNIQUE, content BLOB NOT NULL, refusal TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS fallback_answers (
  source TEXT PRIMARY KEY, number INTEGER NOT NULL, stands INTEGER NOT NULL, order_id TEXT NOT NULL, refusal TEXT NOT NULL, at TEXT NOT NULL
) WITHOUT ROWID;
"""

MOST_WAITING = 16
"""Orders of other gates that wait to be judged; of more the oldest is dropped, and told again by its gate."""


def apply(connection: sqlite3.Connection, fact: FallbackOrdered | FallbackAnswered) -> None:
    """Keep an order until somebody has judged it, or an answer to one unless a later one is known."""
    if isinstance(fact, FallbackAnswered):
        _keep_answer(connection, fact)
        return
    connection.execute(
        "INSERT OR IGNORE INTO fallback_waiting (order_id, content) VALUES (?, ?)",
        (str(fact.order_id), fact_body(fact)),
    )
    connection.execute(
        "DELETE FROM fallback_waiting WHERE place NOT IN (SELECT place FROM fallback_waiting ORDER BY place DESC LIMIT ?)",
        (MOST_WAITING,),
    )


def order_of(content: bytes) -> FallbackOrdered:
    """Return an order that was kept."""
    return FallbackOrdered.model_validate(strict_json.loads(content))


def _keep_answer(connection: sqlite3.Connection, fact: FallbackAnswered) -> None:
    """Keep what a gate said to its latest order; who obeys an order was not refusing it later, however late that is heard."""
    connection.execute(
        "INSERT INTO fallback_answers AS known VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (source) DO UPDATE SET number = excluded.number,"
        " stands = excluded.stands, order_id = excluded.order_id, refusal = excluded.refusal, at = excluded.at"
        " WHERE (excluded.number, excluded.stands, excluded.order_id) > (known.number, known.stands, known.order_id)"
        " OR (excluded.order_id = known.order_id AND known.refusal <> '')",
        (fact.source, fact.number, fact.stands, str(fact.order_id), fact.refusal, moment(fact.occurred_at)),
    )
