"""What of the portal outlives a draft: drafts that travellers saved, stubs of goods that follow, notices, and counted seconds.

One SQLite file, written through (`synchronous=FULL`) before a page says so; deleted content is overwritten (`secure_delete`, and the log is
emptied). Everything that points to a person is sealed (`book_keys`). Calls block for a disk write of a few milliseconds. Faults
(`BookFault`): EG-POR-001 the file cannot be opened or written.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Self

from gate_agent.domain.declaration import UnaccompaniedGoods
from gate_agent.errors import EgateError
from gate_agent.web.portal import journeys, notices, stubs, tries
from gate_agent.web.portal.book_keys import BookKeys
from gate_agent.web.portal.issue import spoken_code
from gate_agent.web.portal.journeys import CentreRecord
from gate_agent.web.portal.notices import Change, Notice
from gate_agent.web.portal.stubs import Stub

FILE_NAME = "portal.db"
MOST_SAVED = 100_000
CLOSED_KEPT = timedelta(days=30)
MOST_PER_ADDRESS = 5
"""Declarations that one address hears of at a time: whoever types somebody else's number cannot have him flooded."""

_STATEMENTS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA secure_delete=ON",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA busy_timeout=5000",
    (
        "CREATE TABLE IF NOT EXISTS saved (mark BLOB PRIMARY KEY, sealed BLOB NOT NULL, expires_at TEXT NOT NULL,"
        " failures INTEGER NOT NULL DEFAULT 0, locked_until TEXT NOT NULL DEFAULT '')"
    ),
    "CREATE INDEX IF NOT EXISTS saved_expiry ON saved (expires_at)",
    (
        "CREATE TABLE IF NOT EXISTS contacts (name TEXT PRIMARY KEY, channel TEXT NOT NULL, sealed BLOB NOT NULL,"
        " expires_at TEXT NOT NULL, mark BLOB NOT NULL DEFAULT x'', since INTEGER NOT NULL DEFAULT 0)"
    ),
    (
        "CREATE TABLE IF NOT EXISTS page_times (page TEXT NOT NULL, seconds INTEGER NOT NULL, answers INTEGER NOT NULL,"
        " PRIMARY KEY (page, seconds))"
    ),
    stubs.TABLE,
    *notices.TABLES,
    *journeys.TABLES,
)
_LATER_COLUMNS = {
    "contacts": {
        "mark": "ALTER TABLE contacts ADD COLUMN mark BLOB NOT NULL DEFAULT x''",
        "since": "ALTER TABLE contacts ADD COLUMN since INTEGER NOT NULL DEFAULT 0",
    },
    "stubs": stubs.LATER_COLUMNS,
}
_LAST_STATEMENTS = ("CREATE INDEX IF NOT EXISTS contacts_mark ON contacts (mark)",)


class BookFault(EgateError):
    """The portal's book cannot be opened or written."""

    code = "EG-POR-001"


@dataclass(frozen=True, slots=True)
class Contact:
    """Where somebody wants to be told: a channel that the site switched on, an address of that channel, a language."""

    channel: str
    address: str
    language: str


class Book:
    """The portal's file; open with `Book.open`. `saved_days` 0: nothing is saved. Every method raises `BookFault`."""

    def __init__(self, connection: sqlite3.Connection, keys: BookKeys, saved_days: int, stub_days: int) -> None:
        self._connection = connection
        self._keys = keys
        self.saved_days = saved_days
        self._stub_kept = timedelta(days=stub_days)

    @classmethod
    def open(cls, folder: Path, site_key: bytes, saved_days: int, stub_days: int) -> Self:
        """Open or create the file. Raises `BookFault`, and `ValueError` for a site key that is none."""
        keys = BookKeys(site_key)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = folder / FILE_NAME
            path.touch(mode=0o600)
            connection = sqlite3.connect(path, isolation_level=None)
            for statement in _STATEMENTS:  # read to the end: a failed change to WAL is told behind its answer
                connection.execute(statement).fetchall()
            _add_columns(connection)
            for statement in _LAST_STATEMENTS:
                connection.execute(statement)
        except (OSError, sqlite3.Error) as error:
            raise BookFault(f"{folder}: {error}") from error
        return cls(connection, keys, saved_days, stub_days)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:  # also after a commit that the disk refused
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise BookFault(str(error)) from error
            raise

    # saved drafts

    def save(
        self,
        now: datetime,
        content: bytes,
        document_number: str,
        code: str = "",
        new_code: Callable[[], str] = spoken_code,
    ) -> str:
        """Keep a draft and return the code that opens it, with the document number; an earlier copy under `code` is replaced."""
        code = code or new_code()
        sealed = self._keys.seal(content, "draft", code, document_number)
        with self._transaction() as connection:
            connection.execute("DELETE FROM saved WHERE expires_at <= ?", (now.isoformat(),))
            (count,) = connection.execute("SELECT count(*) FROM saved").fetchone()
            if count >= MOST_SAVED:
                raise BookFault("there is no room for another draft")
            connection.execute(
                "INSERT OR REPLACE INTO saved (mark, sealed, expires_at) VALUES (?, ?, ?)",
                (self._keys.mark("draft", code), sealed, (now + timedelta(days=self.saved_days)).isoformat()),
            )
        return code

    def saved(self, now: datetime, code: str, document_number: str) -> bytes | None:
        """Return a saved draft; None when there is none, when the number is another one, or while the code rests after many tries."""
        mark = self._keys.mark("draft", code)
        with self._transaction() as connection:
            row = connection.execute(
                "SELECT sealed, failures FROM saved WHERE mark = ? AND expires_at > ? AND locked_until <= ?",
                (mark, now.isoformat(), now.isoformat()),
            ).fetchone()
            if row is None:
                return None
            content = self._keys.unseal(row[0], "draft", code, document_number)
            failures, locked = tries.counted(row[1], now, is_right=content is not None)
            connection.execute(
                "UPDATE saved SET failures = ?, locked_until = ? WHERE mark = ?", (failures, locked, mark)
            )
            return content

    def forget_saved(self, code: str) -> None:
        """Destroy a saved draft."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM saved WHERE mark = ?", (self._keys.mark("draft", code),))
        self._empty_log()

    # declarations and stubs

    def issued(
        self,
        now: datetime,
        reference: str,
        stub: UnaccompaniedGoods | None,
        document_number: str,
        *,
        seal_ids: Sequence[str] = (),
        saved_code: str = "",
        declared_on: date,
    ) -> None:
        """Note that a declaration was issued: the change, its seals, its stub, and the end of its saved draft, all or nothing."""
        with self._transaction() as connection:
            notices.append(connection, now, Change("declaration", reference, "issued"))
            journeys.begin(connection, now, reference, seal_ids)
            if stub is not None:
                stubs.open_stub(connection, self._keys, now, stub, document_number, declared_on)
            if saved_code:
                connection.execute("DELETE FROM saved WHERE mark = ?", (self._keys.mark("draft", saved_code),))
        if saved_code:
            self._empty_log()

    def stub(self, now: datetime, stub_id: str, document_number: str) -> Stub | None:
        """Return the stub of the holder of a document; None also while it rests after many tries."""
        with self._transaction() as connection:
            return stubs.stub_of(connection, self._keys, now, stub_id, document_number)

    def announce(self, now: datetime, stub_id: str, parcel: str) -> bool:
        """Note the parcel that brings the goods of a stub; False when that cannot be."""
        with self._transaction() as connection:
            return stubs.announce(connection, self._keys, now, stub_id, parcel)

    def arrived(self, now: datetime, on: date, parcel: str, stub_id: str = "") -> Stub | None:
        """Close the stub of a parcel whose barcode was read; None when no stub knows it."""
        with self._transaction() as connection:
            return stubs.arrived(connection, self._keys, now, on, parcel, stub_id)

    def follow(self, now: datetime, records: Sequence[CentreRecord]) -> int:
        """Write the changes that the centre's records tell of, each once; return how many there were."""
        with self._transaction() as connection:
            return journeys.follow(connection, now, records)

    # notices

    def want_notices(self, now: datetime, name: str, contact: Contact) -> bool:
        """Keep where later notices about a declaration go: for 30 days, and as long as a stub of it is open.

        False when the address hears of `MOST_PER_ADDRESS` other declarations already.
        """
        content = json.dumps([contact.channel, contact.address, contact.language]).encode()
        mark = self._keys.mark("address", contact.channel, contact.address)
        with self._transaction() as connection:
            (others,) = connection.execute(
                "SELECT count(*) FROM contacts WHERE mark = ? AND name <> ?", (mark, name)
            ).fetchone()
            if others >= MOST_PER_ADDRESS:
                return False
            connection.execute(
                "INSERT INTO contacts (name, channel, sealed, expires_at, mark, since) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET channel = excluded.channel, sealed = excluded.sealed,"
                " expires_at = excluded.expires_at, mark = excluded.mark,"
                " since = CASE WHEN mark = excluded.mark THEN since ELSE excluded.since END",
                (
                    name,
                    contact.channel,
                    self._keys.seal(content, "contact", name),
                    (now + CLOSED_KEPT).isoformat(),
                    mark,
                    notices.newest(connection),
                ),
            )
        return True

    def hearer(self, notice: Notice) -> Contact | None:
        """Return where a notice goes: where its declaration's go, if it is newer than the wish to hear."""
        name = notice.declaration
        with self._transaction() as connection:
            row = connection.execute(
                "SELECT sealed FROM contacts WHERE name = ? AND since < ?", (name, notice.number)
            ).fetchone()
        content = None if row is None else self._keys.unseal(row[0], "contact", name)
        return None if content is None else Contact(*json.loads(content))

    def untold(self, channel: str, now: datetime) -> list[Notice]:
        """Return what a channel has to tell now, in order."""
        with self._transaction() as connection:
            return notices.due(connection, channel, now)

    def note_told(self, channel: str, number: int) -> None:
        """Note that a channel is through with a notice."""
        with self._transaction() as connection:
            notices.note_told(connection, channel, number)

    def waits_behind(self, channel: str, notice: Notice, now: datetime) -> bool:
        """Let a notice wait if an earlier one about the same declaration does; say whether."""
        with self._transaction() as connection:
            is_behind = notices.is_behind(connection, channel, notice)
            if is_behind:
                notices.wait(connection, channel, notice.number, now, was_tried=False)
            return is_behind

    def note_untaken(self, channel: str, number: int, now: datetime) -> bool:
        """Let a notice that was not taken wait; False when it was tried so often that it is given up."""
        with self._transaction() as connection:
            return notices.wait(connection, channel, number, now, was_tried=True)

    # housekeeping

    def tidy(self, now: datetime, today: date) -> int:
        """Delete what has expired, tell of overdue stubs; return how many stubs became overdue."""
        with self._transaction() as connection:
            overdue = stubs.tell_overdue(connection, now, today)
            stubs.tidy(connection, today, CLOSED_KEPT, self._stub_kept)
            connection.execute("DELETE FROM saved WHERE expires_at <= ?", (now.isoformat(),))
            connection.execute(
                "DELETE FROM contacts WHERE expires_at <= ? AND NOT EXISTS"
                " (SELECT 1 FROM stubs WHERE stub_id = contacts.name || '-U' AND state <> ?)",
                (now.isoformat(), stubs.CLOSED),
            )
            notices.tidy(connection, now - CLOSED_KEPT)
            journeys.tidy(connection, now)
        self._empty_log()
        return overdue

    def keep_times(self, counts: Mapping[tuple[str, int], int]) -> None:
        """Add counted seconds of pages to what is kept."""
        if not counts:
            return
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO page_times (page, seconds, answers) VALUES (?, ?, ?)"
                " ON CONFLICT (page, seconds) DO UPDATE SET answers = answers + excluded.answers",
                [(page, seconds, answers) for (page, seconds), answers in counts.items()],
            )

    def times(self) -> list[tuple[str, int, int]]:
        """Return the kept counts: page, seconds, answers."""
        with self._transaction() as connection:
            return connection.execute("SELECT page, seconds, answers FROM page_times").fetchall()

    def _empty_log(self) -> None:
        """Empty the write-ahead log, in which deleted content would stand on."""
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            raise BookFault(str(error)) from error


def _add_columns(connection: sqlite3.Connection) -> None:
    """Bring the tables of an older file up to date."""
    for table, columns in _LATER_COLUMNS.items():
        known = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}
        for name, statement in columns.items():
            if name not in known:
                connection.execute(statement)
