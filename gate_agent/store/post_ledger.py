"""The post's own disk: facts of its gates, each once, until every gate has read them; orders to unlock a seal beside them.

Gates name their place by (generation, seq); `generation` is made with the database. A gate that has read further than this database
reaches proves that the disk went back in time: a new generation begins, and the gates tell everything again.
"""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from central_sync.post.messages import FactPage, FactsKept, as_text
from gate_agent.clock import Clock
from gate_agent.store import kept_unlocks
from gate_agent.store.database import Database, run_script
from gate_agent.store.kept_unlocks import Begun, KeptUnlock, NewUnlock
from gate_agent.store.lookups import moment

SCHEMA = """
CREATE TABLE IF NOT EXISTS life (
  only INTEGER PRIMARY KEY CHECK (only = 1), generation TEXT NOT NULL, lost_through INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS facts (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, fact_id TEXT NOT NULL UNIQUE, source TEXT NOT NULL, wire BLOB NOT NULL,
  received_at TEXT NOT NULL, expires_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS readers (source TEXT PRIMARY KEY, through INTEGER NOT NULL) WITHOUT ROWID;
"""

_LINGER = timedelta(hours=1)
_UNLOCKS_KEPT = timedelta(days=1)  # at least; far longer than an order is valid
_JUMP_S = 3_600.0

_log = structlog.get_logger(__name__)
ReceivedFact = tuple[uuid.UUID, bytes, datetime]
"""Id, wire form and expiry of a fact whose signature was found good."""


class PostLedger:
    """Facts of one post. Every method but `close` raises `StoreFault` when the disk refuses."""

    def __init__(
        self, folder: Path, gates: Sequence[str], clock: Clock, *, kept_days: float, limit_rows: int = 200_000
    ) -> None:
        self._database = Database(folder, _prepare, 0)
        self._gates = tuple(gates)
        self._clock = clock
        self._kept = timedelta(days=kept_days)
        self._limit_rows = limit_rows
        self._appended = asyncio.Event()
        self._clocks = (clock.now(), clock.monotonic_s())

    async def open(self) -> None:
        """Open or create the database; only one process can."""
        await self._database.open()

    async def close(self) -> None:
        """Give the database back."""
        await self._database.close()

    async def generation(self) -> uuid.UUID:
        """Return the name of this life of the database."""
        return await self._database.write(_generation)

    async def keep(self, source: str, facts: Sequence[ReceivedFact]) -> FactsKept:
        """Keep facts of a gate, each once; durable when it returns."""
        now = moment(self._clock.now())

        def work(connection: sqlite3.Connection) -> FactsKept:
            new = 0
            for fact_id, wire, expires_at in facts:
                new += connection.execute(
                    "INSERT INTO facts (fact_id, source, wire, received_at, expires_at) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT (fact_id) DO NOTHING",
                    (str(fact_id), source, wire, now, moment(expires_at)),
                ).rowcount
            return FactsKept(generation=_generation(connection), new=new)

        kept = await self._database.write(work)
        if kept.new:
            appended, self._appended = self._appended, asyncio.Event()
            appended.set()
        return kept

    async def page(self, source: str, generation: uuid.UUID | None, after: int, limit: int, wait_s: float) -> FactPage:
        """Return facts of the other gates above a place, and note that this gate has everything up to it; wait for the first one."""
        deadline_s = self._clock.monotonic_s() + wait_s
        while True:
            appended = self._appended
            page = await self._database.write(lambda connection: _page(connection, source, generation, after, limit))
            remaining_s = deadline_s - self._clock.monotonic_s()
            if page.facts or page.generation != generation or remaining_s <= 0:
                return page
            try:
                async with asyncio.timeout(remaining_s):
                    await appended.wait()
            except TimeoutError:
                return page

    async def begin_unlock(self, new: NewUnlock) -> Begun:
        """Keep an order before it is carried out, durable when it returns."""
        now = moment(self._clock.now())
        return await self._database.write(lambda connection: kept_unlocks.begin(connection, new, now))

    async def end_unlock(self, order_id: uuid.UUID, answer: str) -> None:
        """Keep what became of an order."""
        await self._database.write(lambda connection: kept_unlocks.end(connection, order_id, answer))

    async def unlock(self, order_id: uuid.UUID) -> KeptUnlock | None:
        """Return an order that was begun, None when its id is new."""
        return await self._database.write(lambda connection: kept_unlocks.find(connection, order_id))

    async def forget(self) -> int:
        """Delete what every gate of the directory has, what is past its time, and the oldest above the limit; return how many."""
        now, now_s = self._clock.now(), self._clock.monotonic_s()
        wall, monotonic_s = self._clocks
        self._clocks = (now, now_s)
        is_trusted = abs((now - wall).total_seconds() - (now_s - monotonic_s)) < _JUMP_S
        if not is_trusted:
            _log.warning("post_clock_jumped")  # nothing is deleted for its age by a clock that has just moved
        return await self._database.write(lambda connection: self._forget(connection, now, is_trusted=is_trusted))

    def _forget(self, connection: sqlite3.Connection, now: datetime, *, is_trusted: bool) -> int:
        read = {row["source"]: row["through"] for row in connection.execute("SELECT source, through FROM readers")}
        through = min((read.get(gate, 0) for gate in self._gates), default=0)
        lingering, kept = moment(now - _LINGER), moment(now - self._kept)
        count = connection.execute(
            "DELETE FROM facts WHERE seq <= ? AND received_at < ?", (through, lingering)
        ).rowcount
        lost = 0
        if is_trusted:
            lost = _highest(connection, "SELECT max(seq) AS seq FROM facts WHERE received_at < ?", (kept,))
            count += connection.execute("DELETE FROM facts WHERE received_at < ?", (kept,)).rowcount
            count += connection.execute("DELETE FROM facts WHERE expires_at < ?", (moment(now),)).rowcount
            count += kept_unlocks.forget(connection, min(kept, moment(now - _UNLOCKS_KEPT)))
        surplus = _highest(connection, "SELECT seq FROM facts ORDER BY seq DESC LIMIT 1 OFFSET ?", (self._limit_rows,))
        if surplus:
            count += connection.execute("DELETE FROM facts WHERE seq <= ?", (surplus,)).rowcount
        lost = max(lost, surplus)
        if lost > through:
            connection.execute("UPDATE life SET lost_through = max(lost_through, ?)", (lost,))
        return count


def _prepare(connection: sqlite3.Connection) -> None:
    run_script(connection, SCHEMA + kept_unlocks.SCHEMA)
    connection.execute("INSERT OR IGNORE INTO life (only, generation) VALUES (1, ?)", (str(uuid.uuid4()),))


def _generation(connection: sqlite3.Connection) -> uuid.UUID:
    return uuid.UUID(connection.execute("SELECT generation FROM life").fetchone()["generation"])


def _page(
    connection: sqlite3.Connection, source: str, generation: uuid.UUID | None, after: int, limit: int
) -> FactPage:
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'facts'").fetchone()
    last = row["seq"] if row else 0
    current = _generation(connection)
    if generation == current and after > last:
        _log.error("post_database_went_back", place=after, last=last)
        current = uuid.uuid4()
        connection.execute("UPDATE life SET generation = ?, lost_through = 0", (str(current),))
        connection.execute("DELETE FROM readers")
    if generation != current:
        after = 0
    connection.execute(
        "INSERT INTO readers VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET through = excluded.through"
        " WHERE readers.through <> excluded.through",
        (source, after),
    )
    rows = connection.execute(
        "SELECT seq, wire FROM facts WHERE seq > ? AND source <> ? ORDER BY seq LIMIT ?", (after, source, limit)
    ).fetchall()
    through = rows[-1]["seq"] if len(rows) == limit else last
    lost = connection.execute("SELECT lost_through FROM life").fetchone()["lost_through"]
    return FactPage(
        generation=current,
        after=after,
        through=max(through, after),
        gap=0 < after < lost,
        facts=as_text([row["wire"] for row in rows]),
    )


def _highest(connection: sqlite3.Connection, statement: str, values: tuple[str | int, ...]) -> int:
    row = connection.execute(statement, values).fetchone()
    return (row["seq"] or 0) if row else 0
