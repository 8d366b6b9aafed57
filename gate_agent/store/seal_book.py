"""Reports of seals on the post's disk: every one for some hours, and after that the newest of each kind and seal.

Written in the caller's thread, before the tracker gets its answer: a tracker that was answered does not say it again. An alarm is synced
to the disk, what else happens survives the death of the process and, but for the last moments, a power cut. `seq` only grows.
"""

from __future__ import annotations

import hashlib
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gate_agent.clock import Clock
from gate_agent.errors import StoreFault
from gate_agent.store.database import DISK_ERROR, DISK_FULL
from gate_agent.store.lookups import moment

SCHEMA = """
CREATE TABLE IF NOT EXISTS life (
  only INTEGER PRIMARY KEY CHECK (only = 1), generation TEXT NOT NULL, thinned_through INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS reports (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, seal_id TEXT NOT NULL, kind TEXT NOT NULL, device TEXT NOT NULL,
  received_at TEXT NOT NULL, content BLOB NOT NULL, frame BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS reports_frame ON reports (frame);
CREATE TABLE IF NOT EXISTS newest (
  seal_id TEXT NOT NULL, kind TEXT NOT NULL, seq INTEGER NOT NULL, is_alarm INTEGER NOT NULL, device TEXT NOT NULL,
  received_at TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (seal_id, kind)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS newest_seq ON newest (seq);
"""

_STATE_KEPT = timedelta(days=90)
_REPEATS_WITHIN = timedelta(minutes=10)
_JUMP_S = 3_600.0
_REPORTS = "SELECT seq, device, received_at, content FROM reports WHERE seq > ? ORDER BY seq LIMIT ?"
_NEWEST = "SELECT seq, device, received_at, content FROM newest WHERE seq > ? ORDER BY seq LIMIT ?"


@dataclass(frozen=True, slots=True)
class NewReport:
    """A report to be kept: `content` is all of it, `frame` the bytes that it was decoded from (empty: unknown)."""

    seal_id: str
    kind: str
    is_alarm: bool
    device: str
    content: bytes
    frame: bytes = b""


@dataclass(frozen=True, slots=True)
class KeptReport:
    """One report as it was kept."""

    seq: int
    device: str
    received_at: datetime
    content: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """Reports above a place, up to `through`; `is_thinned`: of some seals only the newest of each kind are among them."""

    reports: tuple[KeptReport, ...]
    through: int
    is_thinned: bool


class SealBook:
    """The book. `open` comes first; every method raises `StoreFault` when the disk refuses."""

    def __init__(self, path: Path, clock: Clock, *, kept_h: float, limit_rows: int) -> None:
        self.generation = uuid.UUID(int=0)
        self.last = 0
        self._path = path
        self._clock = clock
        self._kept = timedelta(hours=kept_h)
        self._limit_rows = limit_rows
        self._connection: sqlite3.Connection | None = None
        self._clocks = (clock.now(), clock.monotonic_s())

    def open(self) -> None:
        """Open or create the file."""
        with self._faults():
            connection = sqlite3.connect(self._path, isolation_level=None)
            self._path.chmod(0o600)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(SCHEMA)
            connection.execute("INSERT OR IGNORE INTO life (only, generation) VALUES (1, ?)", (str(uuid.uuid4()),))
            self.generation = uuid.UUID(connection.execute("SELECT generation FROM life").fetchone()["generation"])
            row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'reports'").fetchone()
            self.last = row["seq"] if row else 0
            self._connection = connection

    def close(self) -> None:
        """Give the file back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def keep(self, report: NewReport) -> bool:
        """Keep a report; False when it is a repeat: a tracker whose answer was lost with the process before this one."""
        now = self._clock.now()
        digest = hashlib.blake2b(report.frame + report.content, digest_size=16).digest()
        with self._faults(), self._transaction(is_synced=report.is_alarm) as connection:
            known = connection.execute(
                "SELECT 1 FROM reports WHERE frame = ? AND received_at > ?", (digest, moment(now - _REPEATS_WITHIN))
            )
            if report.frame and known.fetchone() is not None:
                return False
            seq = connection.execute(
                "INSERT INTO reports (seal_id, kind, device, received_at, content, frame) VALUES (?, ?, ?, ?, ?, ?)",
                (report.seal_id, report.kind, report.device, moment(now), report.content, digest),
            ).lastrowid
            assert seq is not None, "an insert has a row"
            connection.execute(
                "INSERT OR REPLACE INTO newest VALUES (?, ?, ?, ?, ?, ?, ?)",
                (report.seal_id, report.kind, seq, report.is_alarm, report.device, moment(now), report.content),
            )
        self.last = seq
        return True

    def after(self, place: int | None, limit: int) -> Found:
        """Return reports above a place, in order. Without a place, and where reports are gone, the newest of each kind stand for all."""
        with self._faults():
            connection = self._open_connection()
            thinned = connection.execute("SELECT thinned_through FROM life").fetchone()["thinned_through"]
            is_thinned = place is None or place < thinned
            rows = connection.execute(_NEWEST if is_thinned else _REPORTS, (place or 0, limit)).fetchall()
        through = rows[-1]["seq"] if len(rows) == limit else self.last
        reports = tuple(
            KeptReport(row["seq"], row["device"], datetime.fromisoformat(row["received_at"]), row["content"])
            for row in rows
        )
        return Found(reports, max(through, place or 0), is_thinned)

    def forget(self) -> int:
        """Delete what is past its time, and the oldest above the limit, alarms last; return how many."""
        now, now_s = self._clock.now(), self._clock.monotonic_s()
        wall, monotonic_s = self._clocks
        self._clocks = (now, now_s)
        has_jumped = abs((now - wall).total_seconds() - (now_s - monotonic_s)) >= _JUMP_S
        with self._faults(), self._transaction(is_synced=False) as connection:
            seqs = [
                connection.execute(
                    "SELECT seq FROM reports ORDER BY seq DESC LIMIT 1 OFFSET ?", (self._limit_rows,)
                ).fetchone()
            ]
            if not has_jumped:  # nothing is deleted for its age by a clock that has just moved
                seqs.append(
                    connection.execute(
                        "SELECT max(seq) AS seq FROM reports WHERE received_at < ?", (moment(now - self._kept),)
                    ).fetchone()
                )
            through = max((row["seq"] or 0 for row in seqs if row is not None), default=0)
            count = connection.execute("DELETE FROM reports WHERE seq <= ?", (through,)).rowcount
            connection.execute("UPDATE life SET thinned_through = max(thinned_through, ?)", (through,))
            if not has_jumped:
                count += connection.execute(
                    "DELETE FROM newest WHERE received_at < ?", (moment(now - _STATE_KEPT),)
                ).rowcount
            count += connection.execute(
                "DELETE FROM newest WHERE seq IN"
                " (SELECT seq FROM newest ORDER BY is_alarm DESC, seq DESC LIMIT -1 OFFSET ?)",
                (self._limit_rows,),
            ).rowcount
        return count

    @contextmanager
    def _transaction(self, *, is_synced: bool) -> Iterator[sqlite3.Connection]:
        connection = self._open_connection()
        connection.execute("PRAGMA synchronous=FULL" if is_synced else "PRAGMA synchronous=NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreFault("the book of seals is closed", code=DISK_ERROR)
        return self._connection

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            is_full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
            raise StoreFault(f"the post's disk refused: {error}", code=DISK_FULL if is_full else DISK_ERROR) from error
        except OSError as error:
            raise StoreFault(f"{self._path}: {error.strerror}", code=DISK_ERROR) from error
