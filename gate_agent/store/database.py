"""The gate's own disk: one SQLite file, one process, one thread that owns the connection.

WAL with `synchronous=FULL`: what was answered as committed survives a power cut. Faults (`StoreFault`):
EG-STO-001 disk or database error · EG-STO-002 disk full · EG-STO-003 another process holds the store · EG-STO-004 store closed · EG-STO-005 not
a record that the centre would take.
"""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import queue
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, Protocol, TypeVar

import structlog

from gate_agent.errors import StoreFault

DISK_ERROR, DISK_FULL, HELD_BY_ANOTHER, CLOSED = (f"EG-STO-{number:03d}" for number in range(1, 5))

Answer = TypeVar("Answer")
Work = Callable[[sqlite3.Connection], Answer]

_PRAGMAS = (
    "auto_vacuum=INCREMENTAL",  # so that a purge can give space back; takes effect in a new file only, hence first
    "journal_mode=WAL",
    "synchronous=FULL",
    "secure_delete=ON",
    "wal_autocheckpoint=256",  # a log of about 1 MB, well below the ballast
    "trusted_schema=OFF",
)
_log = structlog.get_logger(__name__)


class Write(Protocol):
    """How a part of the store does new work of a lane: refused on a disk that is short of space, and told to whoever reads records."""

    def __call__(self, work: Work[Answer], *, is_urgent: bool = True) -> Awaitable[Answer]:
        """Do work in one transaction, as `Database.write` does. Raises `StoreFault`."""
        ...


def run_script(connection: sqlite3.Connection, script: str) -> None:
    """Run statements one by one, inside the caller's transaction: `executescript` would end it. Each ends with `;` at the end of its line."""
    for statement in script.split(";\n"):
        if statement.strip():
            connection.execute(statement)


class Database:
    """A facade over the writer thread. Every piece of work is one transaction: all of it is durable, or none of it happened."""

    def __init__(self, folder: Path, prepare: Work[None], ballast_bytes: int) -> None:
        self._folder = folder
        self._path = folder / "store.db"
        self._prepare = prepare
        self._ballast = folder / "ballast"
        self._ballast_bytes = ballast_bytes
        self._jobs: queue.PriorityQueue[tuple[int, int, Callable[[], None] | None]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._connection: sqlite3.Connection | None = None
        self._lock: IO[bytes] | None = None
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._is_closed = False

    async def open(self) -> None:
        """Take the lock and prepare the file. Raises `StoreFault`."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = (self._folder / "store.lock").open("ab")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if self._lock is not None:
                self._lock.close()
            raise StoreFault(f"another process holds the store in {self._folder}", code=HELD_BY_ANOTHER) from error
        except OSError as error:
            raise StoreFault(f"{self._folder}: {error.strerror}", code=DISK_ERROR) from error
        self._thread.start()
        try:
            await self.write(self._prepare)
        except StoreFault:
            await self.close()
            raise
        self.restore_ballast()

    async def write(self, work: Work[Answer], *, is_urgent: bool = True) -> Answer:
        """Run `work` in one transaction; return after it is durable. Raises `StoreFault` when it is not.

        What the lane waits for is urgent and overtakes the traffic of deliveries; order within each is kept.

        A caller that is cancelled meanwhile does not know the outcome: the transaction may have been committed.
        """
        return await self._in_thread(lambda: self._transact(work), 0 if is_urgent else 1)

    async def compact(self) -> None:
        """Give freed pages back to the file system and truncate the write-ahead log. Raises `StoreFault`."""
        await self._in_thread(self._compact, 1)

    async def _in_thread(self, task: Callable[[], Answer], rank: int) -> Answer:
        if self._is_closed:
            raise StoreFault("the store is closed", code=CLOSED)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()

        def job() -> None:
            try:
                value = task()
            except Exception as error:  # noqa: BLE001 - carried to the caller, who waits for it
                _hand_over(loop, answer, None, error)
            else:
                _hand_over(loop, answer, value, None)

        self._jobs.put((rank, next(self._numbers), job))
        return await answer

    async def close(self) -> None:
        """Finish what is queued, truncate the write-ahead log and give the lock back."""
        if self._is_closed:
            return
        self._is_closed = True
        self._jobs.put((9, next(self._numbers), None))
        await asyncio.to_thread(self._thread.join)
        if self._lock is not None:
            self._lock.close()

    @property
    def is_short_of_space(self) -> bool:
        """True while the ballast is spent and there is no room to lay it down again: only deliveries may be recorded."""
        if not self._ballast_bytes or self._ballast.exists():
            return False
        self.restore_ballast()
        return not self._ballast.exists()

    def release_ballast(self) -> bool:
        """Free the ballast so that deliveries can be recorded and purged on a full disk; say whether there was any."""
        try:
            self._ballast.unlink()
        except FileNotFoundError:
            return False
        _log.warning("ballast_released")
        return True

    def restore_ballast(self) -> None:
        """Lay the ballast down again while twice its size is free."""
        if not self._ballast_bytes or self._ballast.exists():
            return
        space = os.statvfs(self._folder)
        if space.f_bavail * space.f_frsize < 2 * self._ballast_bytes:
            return
        try:
            with self._ballast.open("xb") as stream:
                os.posix_fallocate(stream.fileno(), 0, self._ballast_bytes)
                os.fsync(stream.fileno())
        except OSError as error:
            self._ballast.unlink(missing_ok=True)
            _log.warning("ballast_not_laid", why=error.strerror)

    def _serve(self) -> None:
        while True:
            _, _, job = self._jobs.get()
            if job is None:
                break
            job()
        self._disconnect(truncate=True)

    def _transact(self, work: Work[Answer]) -> Answer:
        try:
            connection = self._connection or self._connect()
            connection.execute("BEGIN IMMEDIATE")
            try:
                value = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._fault(error) from error
        return value

    def _compact(self) -> None:
        try:
            connection = self._connection or self._connect()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.execute("PRAGMA incremental_vacuum").fetchall()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def _fault(self, error: sqlite3.Error) -> StoreFault:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            return StoreFault("the gate's disk is full", code=DISK_FULL)
        if not isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            self._disconnect(
                truncate=False
            )  # after a failed sync nothing in memory can be trusted: begin from the disk
        return StoreFault(f"the gate's disk refused: {error}", code=DISK_ERROR)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=5.0, check_same_thread=False)
        try:
            self._path.chmod(0o600)
            connection.row_factory = sqlite3.Row
            for pragma in _PRAGMAS:
                # Read to the end: a flush that fails while the log is changed to WAL is told behind the answer "wal". Unheard, the file
                # keeps its rollback journal, whose last act, taking a name away, a power cut undoes together with the transaction.
                connection.execute(f"PRAGMA {pragma}").fetchall()
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _disconnect(self, *, truncate: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if truncate:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
        except sqlite3.Error as error:
            _log.warning("store_not_closed_in_order", why=str(error))


def _hand_over(
    loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Answer], value: Answer | None, error: Exception | None
) -> None:
    def settle() -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(value)  # type: ignore[arg-type]  # None is the value where the work answers None

    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)
