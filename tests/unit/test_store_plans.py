"""What the store is asked all the time, and for each traveller, is found by an index: its tables grow for years."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pytest

from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.store import draws, holder_history, lookups, stops, stops_elsewhere
from gate_agent.store.lookups import HolderKey, Marks
from gate_agent.store.schema import prepare
from gate_agent.store.screened import ScreenedCrossings, ScreenedLimits
from gate_agent.store.stay_book import _DUE, _orphans

NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)
TODAY = date(2026, 6, 1)
HOLDER = Marks(b"now", b"before", b"told")
ID = uuid.UUID(int=7)
KEY = HolderKey(bytes(32))
SHORT = {
    "stays_exit_alone", "stays_followed", "customs_tasks_open", "stops_open", "stops_elsewhere_open",  # what is still open
    "crossings_seq",  # from its end, as far as the window reaches
}  # fmt: skip
SCREENED = ScreenedCrossings(bytes(32), ScreenedLimits(timedelta(days=90), timedelta(hours=24)))


@pytest.fixture
def connection():
    with closing(sqlite3.connect(":memory:")) as one:
        one.row_factory = sqlite3.Row
        prepare(one)
        yield one


def whole_tables(connection, ask):
    """Return the steps that read a table, or an index of all of it, from beginning to end, or make such an index for the moment."""
    statements = []
    connection.set_trace_callback(statements.append)
    ask(connection)
    connection.set_trace_callback(None)
    asked = [one for one in statements if not one.startswith(("BEGIN", "--"))]
    assert asked, "nothing was asked"
    steps = [row["detail"] for one in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {one}")]
    return [
        step
        for step in steps
        if "AUTOMATIC" in step
        or (step.startswith("SCAN ") and "subquery" not in step and step.rpartition(" ")[2] not in SHORT)
    ]


@pytest.mark.parametrize(
    "ask",
    [
        lambda one: one.execute(_DUE, {"own": "here", "today": "2026-06-01", "due": "2026-06-02"}),
        lambda one: _orphans(one, TODAY),
        stops.open_tasks,
        lambda one: stops.open_stops(one, KEY),
        lambda one: stops.note_seen(one, HOLDER, ID, NOW, "here"),
        lambda one: stops_elsewhere.note_here(one, HOLDER, NOW, 1),
        stops_elsewhere.seen_here,
        lambda one: holder_history.note_at_desk(one, ID, HOLDER, NOW),
        lambda one: holder_history.note_outcome(one, ID, b"now", TODAY, InspectionFinding.FOUND),
        lambda one: holder_history.history_of(one, HOLDER, TODAY),
        lambda one: lookups.find_stays(one, HOLDER),
        lambda one: lookups.leave(one, ID, HOLDER, TODAY, NOW, "here"),
        lambda one: draws.window_counts(one, 1000),
        lambda one: SCREENED.older_than(one, 7, TODAY, 20),
    ],
    ids=lambda ask: "",
)
def test_no_whole_table_is_read(connection, ask):
    assert whole_tables(connection, ask) == []


def test_a_question_without_an_index_would_be_found_out(connection):
    (step,) = whole_tables(connection, lambda one: one.execute("SELECT * FROM stays WHERE source = 'there'"))
    assert step.startswith("SCAN stays")


def test_a_start_looks_through_no_decisions_for_stops_that_are_there(connection):
    connection.execute(
        "INSERT INTO stops (stop_id, lane_id, direction, local_date, opened_at, corridor, reference, rules, rulebook_version)"
        " VALUES ('s', 1, 'entry', '2026-06-01', '2026-06-01T09', 'red', '', '[]', 1)"
    )
    connection.execute(
        "INSERT INTO customs_tasks (task_id, transaction_id, lane_id, created_at, declaration_reference, reasons)"
        " VALUES ('t', 's', 1, '2026-06-01T09', '', '[]')"
    )
    connection.executemany(
        "INSERT INTO decisions VALUES (?, ?, 1, 'entry', '2026', '2026', 'machine', 'release', 'green', '[]', ?, '', '[]', 0, '', '', 0)",
        ((str(number), f"s{number}", number) for number in range(1_000)),
    )
    steps = []
    connection.set_progress_handler(lambda: steps.append(1), 100)
    stops.take_over(connection)
    assert len(steps) < 10
