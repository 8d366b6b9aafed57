"""The tables of a gate's store: made in a new one, brought up to date in an older one."""

from __future__ import annotations

import sqlite3

from gate_agent.store import (
    draws,
    facts,
    fallback_facts,
    holder_history,
    journal,
    lookups,
    passage_counts,
    receipts,
    screened,
    seals,
    selection_book,
    stops,
    tasks,
)
from gate_agent.store.database import run_script

_ROOMS = (lookups, receipts, tasks, seals, facts, fallback_facts, selection_book, stops, screened, passage_counts)
_TABLES = "".join(room.SCHEMA for room in _ROOMS)
_LATER_COLUMNS = (
    draws.LATER_COLUMNS,
    holder_history.LATER_COLUMNS,
    tasks.LATER_COLUMNS,
    stops.LATER_COLUMNS,
    screened.LATER_COLUMNS,
)


def prepare(connection: sqlite3.Connection) -> None:
    """Make what is missing, inside the caller's transaction."""
    journal.prepare(connection)
    run_script(connection, _TABLES)
    lookups.add_columns(connection, *_LATER_COLUMNS)
    run_script(connection, draws.INDEXES + screened.INDEXES)
    stops.take_over(connection)
    passage_counts.take_over(connection)
