"""Changes of state that a traveller may be told of, numbered in the order in which they were committed.

A change is written in the transaction that makes it, so after a crash it is there exactly once, or neither it nor its cause. Each
channel goes through the numbers and notes how far it came. What it could not deliver waits with its count of tries, and what follows about the
same declaration waits behind it: nothing is skipped, nothing overtakes, and nobody waits for another's. A message that was sent just
before a crash may be sent again; its number says so.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

TABLES = (
    (
        "CREATE TABLE IF NOT EXISTS notices (number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, about TEXT NOT NULL,"
        " name TEXT NOT NULL, state TEXT NOT NULL)"
    ),
    "CREATE TABLE IF NOT EXISTS told (channel TEXT PRIMARY KEY, number INTEGER NOT NULL)",
    (
        "CREATE TABLE IF NOT EXISTS untaken (channel TEXT NOT NULL, number INTEGER NOT NULL, tries INTEGER NOT NULL,"
        " next_at TEXT NOT NULL, PRIMARY KEY (channel, number)) WITHOUT ROWID"
    ),
)
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)
"""A notice that was not taken is tried again after half a minute, each time twice as late, at last every hour."""
MOST_TRIES = 72
"""Then it is given up: about three days."""
STUB_ENDING = "-U"


@dataclass(frozen=True, slots=True)
class Change:
    """One change: what it is about (`declaration`, `goods`, `stub`, `seal`), its name (a reference or id), and its new state."""

    about: str
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A change with its number and moment (RFC 3339)."""

    number: int
    at: str
    change: Change

    @property
    def declaration(self) -> str:
        """The reference of the declaration that it belongs to; a stub is its declaration's."""
        return declaration_of(self.change.name)


def declaration_of(name: str) -> str:
    """Return the reference of the declaration that a reference or the number of a stub belongs to."""
    return name.removesuffix(STUB_ENDING)


def append(connection: sqlite3.Connection, at: datetime, change: Change) -> None:
    """Write a change inside the caller's transaction."""
    connection.execute(
        "INSERT INTO notices (at, about, name, state) VALUES (?, ?, ?, ?)",
        (at.isoformat(), change.about, change.name, change.state),
    )


_DUE = """
SELECT number, at, about, name, state FROM notices AS fresh WHERE number > :told
  AND NOT EXISTS (SELECT 1 FROM untaken WHERE untaken.channel = :channel AND untaken.number = fresh.number)
UNION ALL SELECT notices.number, at, about, name, state FROM untaken JOIN notices ON notices.number = untaken.number
  WHERE untaken.channel = :channel AND next_at <= :now
ORDER BY number LIMIT :most
"""


def due(connection: sqlite3.Connection, channel: str, now: datetime, most: int = 100) -> list[Notice]:
    """Return what a channel has to tell now, in order: what is behind the number it came to, and what has waited long enough."""
    named = {"channel": channel, "told": told(connection, channel), "now": now.isoformat(), "most": most}
    return [
        Notice(number, at, Change(about, name, state))
        for number, at, about, name, state in connection.execute(_DUE, named)
    ]


def told(connection: sqlite3.Connection, channel: str) -> int:
    """Return the number up to which a channel has looked at everything; a new channel begins with what comes next."""
    row = connection.execute("SELECT number FROM told WHERE channel = ?", (channel,)).fetchone()
    if row is not None:
        return int(row[0])
    last = newest(connection)
    _came_to(connection, channel, last)
    return last


def newest(connection: sqlite3.Connection) -> int:
    """Return the number of the newest notice that is kept, 0 without one."""
    (number,) = connection.execute("SELECT coalesce(max(number), 0) FROM notices").fetchone()
    return int(number)


def note_told(connection: sqlite3.Connection, channel: str, number: int) -> None:
    """Note that a channel is through with a notice, inside the caller's transaction."""
    connection.execute("DELETE FROM untaken WHERE channel = ? AND number = ?", (channel, number))
    _came_to(connection, channel, number)


def is_behind(connection: sqlite3.Connection, channel: str, notice: Notice) -> bool:
    """Say whether an earlier notice about the same declaration still waits."""
    names = (notice.declaration, notice.declaration + STUB_ENDING)
    row = connection.execute(
        "SELECT 1 FROM untaken JOIN notices USING (number) WHERE channel = ? AND number < ? AND name IN (?, ?)",
        (channel, notice.number, *names),
    ).fetchone()
    return row is not None


def wait(connection: sqlite3.Connection, channel: str, number: int, now: datetime, *, was_tried: bool) -> bool:
    """Let a notice wait, inside the caller's transaction; False when it was tried so often that it is given up."""
    row = connection.execute("SELECT tries FROM untaken WHERE channel = ? AND number = ?", (channel, number)).fetchone()
    tries = (0 if row is None else int(row[0])) + was_tried
    if tries >= MOST_TRIES:
        note_told(connection, channel, number)
        return False
    pause = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(max(0, tries - 1), 7))
    connection.execute(
        "INSERT OR REPLACE INTO untaken (channel, number, tries, next_at) VALUES (?, ?, ?, ?)",
        (channel, number, tries, (now + pause).isoformat()),
    )
    _came_to(connection, channel, number)
    return True


def tidy(connection: sqlite3.Connection, before: datetime) -> None:
    """Forget changes of before a moment, inside the caller's transaction."""
    connection.execute("DELETE FROM notices WHERE at < ?", (before.isoformat(),))
    connection.execute("DELETE FROM untaken WHERE number NOT IN (SELECT number FROM notices)")


def _came_to(connection: sqlite3.Connection, channel: str, number: int) -> None:
    connection.execute(
        "INSERT INTO told (channel, number) VALUES (?, ?)"
        " ON CONFLICT (channel) DO UPDATE SET number = max(number, excluded.number)",
        (channel, number),
    )
