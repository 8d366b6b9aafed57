"""Stubs of unaccompanied goods: opened with a declaration, closed by the barcode of the parcel that brings them, overdue once.

The traveller may announce the number of the parcel (CN 22, CN 23; UPU S10) when he knows it; whoever hands out the parcel reads its
barcode, which finds the stub and closes it. An announcement is anybody's word, the number of the stub on the papers is not: it goes before.
What was listed and for whom is sealed; readable are id, day and state.
"""

from __future__ import annotations

import hmac
import json
import sqlite3
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from gate_agent.domain.declaration import UnaccompaniedGoods
from gate_agent.web.portal import notices, tries
from gate_agent.web.portal.book_keys import BookKeys
from gate_agent.web.portal.notices import Change

TABLE = (
    "CREATE TABLE IF NOT EXISTS stubs (stub_id TEXT PRIMARY KEY, holder BLOB NOT NULL, sealed BLOB NOT NULL, deadline TEXT,"
    " declared_on TEXT NOT NULL, parcel BLOB UNIQUE, state TEXT NOT NULL, is_overdue_told INTEGER NOT NULL DEFAULT 0, closed_on TEXT,"
    " failures INTEGER NOT NULL DEFAULT 0, locked_until TEXT NOT NULL DEFAULT '')"
)
LATER_COLUMNS = {
    "failures": "ALTER TABLE stubs ADD COLUMN failures INTEGER NOT NULL DEFAULT 0",
    "locked_until": "ALTER TABLE stubs ADD COLUMN locked_until TEXT NOT NULL DEFAULT ''",
}
_FIND = {
    "id": "SELECT stub_id, sealed, deadline, declared_on, state FROM stubs WHERE stub_id = ?",
    "parcel": "SELECT stub_id, sealed, deadline, declared_on, state FROM stubs WHERE parcel = ?",
}
OPEN, ANNOUNCED, CLOSED = "open", "announced", "closed"


@dataclass(frozen=True, slots=True)
class Stub:
    """One stub. `state`: open, announced (its parcel is known), closed (its parcel came)."""

    stub_id: str
    items: tuple[str, ...]
    deadline: date | None
    declared_on: date
    state: str


def open_stub(
    connection: sqlite3.Connection,
    keys: BookKeys,
    at: datetime,
    goods: UnaccompaniedGoods,
    document_number: str,
    declared_on: date,
) -> None:
    """Open a stub inside the caller's transaction."""
    sealed = keys.seal(json.dumps(list(goods.items)).encode(), "stub")
    connection.execute(
        "INSERT INTO stubs (stub_id, holder, sealed, deadline, declared_on, state) VALUES (?, ?, ?, ?, ?, ?)",
        (
            goods.stub_id,
            keys.mark("holder", goods.stub_id, document_number),
            sealed,
            None if goods.deadline is None else goods.deadline.isoformat(),
            declared_on.isoformat(),
            OPEN,
        ),
    )
    notices.append(connection, at, Change("stub", goods.stub_id, "opened"))


def stub_of(
    connection: sqlite3.Connection, keys: BookKeys, now: datetime, stub_id: str, document_number: str
) -> Stub | None:
    """Return the stub of the holder of a document; None for an unknown one, for somebody else's, and while it rests after many tries."""
    row = connection.execute(
        "SELECT holder, failures FROM stubs WHERE stub_id = ? AND locked_until <= ?", (stub_id, now.isoformat())
    ).fetchone()
    if row is None:
        return None
    is_right = hmac.compare_digest(row[0], keys.mark("holder", stub_id, document_number))
    failures, locked_until = tries.counted(row[1], now, is_right=is_right)
    connection.execute(
        "UPDATE stubs SET failures = ?, locked_until = ? WHERE stub_id = ?", (failures, locked_until, stub_id)
    )
    return _one(connection, keys, "id", stub_id) if is_right else None


def announce(connection: sqlite3.Connection, keys: BookKeys, at: datetime, stub_id: str, parcel: str) -> bool:
    """Note the parcel that brings the goods of a stub; False when it is another stub's, or this one is closed.

    The first announcement is told; another number instead of it is not, or one could have messages sent as often as one likes.
    """
    mark = keys.mark("parcel", parcel)
    taken = connection.execute("SELECT stub_id FROM stubs WHERE parcel = ?", (mark,)).fetchone()
    if taken is not None:
        return bool(taken[0] == stub_id)
    first = connection.execute(
        "UPDATE stubs SET parcel = ?, state = ? WHERE stub_id = ? AND state = ?", (mark, ANNOUNCED, stub_id, OPEN)
    )
    if first.rowcount:
        notices.append(connection, at, Change("stub", stub_id, ANNOUNCED))
        return True
    again = connection.execute(
        "UPDATE stubs SET parcel = ? WHERE stub_id = ? AND state = ?", (mark, stub_id, ANNOUNCED)
    )
    return again.rowcount == 1


def arrived(
    connection: sqlite3.Connection, keys: BookKeys, at: datetime, on: date, parcel: str, stub_id: str = ""
) -> Stub | None:
    """Close the stub that the papers of a parcel name, or else the one that it was announced for; None when there is none.

    Whoever else announced it loses the parcel, unless it closed his stub already. Reading the same parcel again changes nothing.
    """
    mark = keys.mark("parcel", parcel)
    announced = _one(connection, keys, "parcel", mark)
    found = _one(connection, keys, "id", stub_id) if stub_id else announced
    if found is None:
        return None
    if announced is None or announced.stub_id != found.stub_id:
        if CLOSED in {found.state, "" if announced is None else announced.state}:
            return None
        connection.execute("UPDATE stubs SET parcel = NULL, state = ? WHERE parcel = ?", (OPEN, mark))
    changed = connection.execute(
        "UPDATE stubs SET state = ?, closed_on = ?, parcel = ? WHERE stub_id = ? AND state <> ?",
        (CLOSED, on.isoformat(), mark, found.stub_id, CLOSED),
    )
    if changed.rowcount:
        notices.append(connection, at, Change("goods", found.stub_id, "arrived"))
        notices.append(connection, at, Change("stub", found.stub_id, CLOSED))
    return _one(connection, keys, "id", found.stub_id)


def tell_overdue(connection: sqlite3.Connection, at: datetime, today: date) -> int:
    """Tell of every stub whose deadline has passed, each once; return how many there were."""
    rows = connection.execute(
        "SELECT stub_id FROM stubs WHERE state <> ? AND is_overdue_told = 0 AND deadline < ? ORDER BY deadline, stub_id",
        (CLOSED, today.isoformat()),
    ).fetchall()
    for (stub_id,) in rows:
        connection.execute("UPDATE stubs SET is_overdue_told = 1 WHERE stub_id = ?", (stub_id,))
        notices.append(connection, at, Change("stub", stub_id, "overdue"))
    return len(rows)


def tidy(connection: sqlite3.Connection, today: date, closed_kept: timedelta, open_kept: timedelta) -> None:
    """Forget stubs that were closed long ago, and those whose goods did not come long after their day, inside the caller's transaction."""
    connection.execute("DELETE FROM stubs WHERE closed_on < ?", ((today - closed_kept).isoformat(),))
    connection.execute(
        "DELETE FROM stubs WHERE state <> ? AND coalesce(deadline, declared_on) < ?",
        (CLOSED, (today - open_kept).isoformat()),
    )


def _one(connection: sqlite3.Connection, keys: BookKeys, by: str, *values: object) -> Stub | None:
    row = connection.execute(_FIND[by], values).fetchone()
    content = None if row is None else keys.unseal(row[1], "stub")
    if content is None:
        return None
    return Stub(
        row[0],
        tuple(json.loads(content)),
        None if row[2] is None else date.fromisoformat(row[2]),
        date.fromisoformat(row[3]),
        row[4],
    )
