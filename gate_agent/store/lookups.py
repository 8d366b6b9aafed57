"""Who used which token, who is in the country, which authorisation was seen: found again without a document number in clear.

Holders stand as HMAC-SHA-256 under a key that lies beside the store (mode 0600). A bare hash would fall in seconds: the space of
document numbers is small.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from gate_agent.domain.stay import Stay
from gate_agent.errors import StoreFault

SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens_used (usage BLOB PRIMARY KEY, used_at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stays (
  stay_id TEXT PRIMARY KEY, holder BLOB NOT NULL, entered_on TEXT, exited_on TEXT, source TEXT NOT NULL,
  bundle_version INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS stays_holder ON stays (holder, exited_on);
CREATE TABLE IF NOT EXISTS stay_bundles (bundle_version INTEGER PRIMARY KEY, imported_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS nonces (nonce BLOB PRIMARY KEY, expires_at TEXT NOT NULL) WITHOUT ROWID;
"""

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class StayFact:
    """A stay that the centre knows of. `stay_id` names it on every gate."""

    stay_id: uuid.UUID
    issuing_state: str
    document_number: str
    entered_on: date
    exited_on: date | None
    source: str


class HolderKey:
    """The key of the lookup tables."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def beside(cls, folder: Path) -> HolderKey:
        """Read the key of a store, or make it for a new one. Raises `StoreFault`."""
        path = folder / "lookup.key"
        try:
            if not path.exists():
                fresh = path.with_suffix(".new")
                fresh.unlink(missing_ok=True)
                descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(secrets.token_bytes(_KEY_BYTES))
                    stream.flush()
                    os.fsync(stream.fileno())
                fresh.replace(path)
            key = path.read_bytes()
        except OSError as error:
            raise StoreFault(f"{path}: {error.strerror}") from error
        if len(key) != _KEY_BYTES:
            raise StoreFault(f"{path} is not a lookup key; with another key used tokens would not be found")
        return cls(key)

    def holder(self, issuing_state: str, document_number: str) -> bytes:
        """Return what stands for the holder of a document."""
        return self._mark(b"holder", issuing_state.encode(), document_number.encode())

    def usage(self, token_id: bytes, issuing_state: str, document_number: str) -> bytes:
        """Return what stands for a token used with a document."""
        return self._mark(b"token", token_id, issuing_state.encode(), document_number.encode())

    def _mark(self, *parts: bytes) -> bytes:
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._key, framed, hashlib.sha256)


def consume_token(connection: sqlite3.Connection, usage: bytes, now: datetime) -> None:
    """Mark a token as used with a document."""
    connection.execute("INSERT OR IGNORE INTO tokens_used VALUES (?, ?)", (usage, now.isoformat()))


def is_token_used(connection: sqlite3.Connection, usage: bytes) -> bool:
    """Say whether a token was used with a document."""
    return connection.execute("SELECT 1 FROM tokens_used WHERE usage = ?", (usage,)).fetchone() is not None


def find_stays(connection: sqlite3.Connection, holder: bytes) -> tuple[Stay, ...]:
    """Return the stays of a holder that began, oldest first; an exit without an entry says nothing of days."""
    rows = connection.execute(
        "SELECT entered_on, exited_on, source FROM stays WHERE holder = ? AND entered_on IS NOT NULL ORDER BY entered_on",
        (holder,),
    )
    return tuple(
        Stay(
            date.fromisoformat(row["entered_on"]),
            None if row["exited_on"] is None else date.fromisoformat(row["exited_on"]),
            row["source"],
        )
        for row in rows
    )


def enter(connection: sqlite3.Connection, stay_id: uuid.UUID, holder: bytes, day: date, source: str) -> None:
    """Open a stay."""
    connection.execute(
        "INSERT INTO stays (stay_id, holder, entered_on, source) VALUES (?, ?, ?, ?)",
        (str(stay_id), holder, day.isoformat(), source),
    )


def leave(
    connection: sqlite3.Connection, fresh_id: uuid.UUID, holder: bytes, day: date, source: str
) -> tuple[uuid.UUID, date | None]:
    """Close the latest open stay; return its id and entry day. Without one, the exit alone is kept under `fresh_id`."""
    row = connection.execute(
        "SELECT stay_id, entered_on FROM stays WHERE holder = ? AND exited_on IS NULL ORDER BY entered_on DESC LIMIT 1",
        (holder,),
    ).fetchone()
    if row is None:
        connection.execute(
            "INSERT INTO stays (stay_id, holder, exited_on, source) VALUES (?, ?, ?, ?)",
            (str(fresh_id), holder, day.isoformat(), source),
        )
        return fresh_id, None
    connection.execute("UPDATE stays SET exited_on = ? WHERE stay_id = ?", (day.isoformat(), row["stay_id"]))
    return uuid.UUID(row["stay_id"]), date.fromisoformat(row["entered_on"])


def import_stays(
    connection: sqlite3.Connection, bundle_version: int, facts: Sequence[StayFact], key: HolderKey, now: datetime
) -> int:
    """Take facts of a bundle over; return how many changed something. A version taken before, or an older one, changes nothing.

    An exit that this gate saw itself is never reopened by a fact that does not know of it yet.
    """
    newest = connection.execute("SELECT max(bundle_version) AS newest FROM stay_bundles").fetchone()["newest"]
    if newest is not None and bundle_version <= newest:
        return 0
    changed = 0
    for fact in facts:
        exited_on = fact.exited_on.isoformat() if fact.exited_on else None
        changed += connection.execute(
            "INSERT INTO stays (stay_id, holder, entered_on, exited_on, source, bundle_version) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (stay_id) DO UPDATE SET exited_on = excluded.exited_on, bundle_version = excluded.bundle_version"
            " WHERE stays.exited_on IS NULL AND excluded.exited_on IS NOT NULL",
            (
                str(fact.stay_id),
                key.holder(fact.issuing_state, fact.document_number),
                fact.entered_on.isoformat(),
                exited_on,
                fact.source,
                bundle_version,
            ),
        ).rowcount
    connection.execute("INSERT INTO stay_bundles VALUES (?, ?)", (bundle_version, now.isoformat()))
    return changed


def remember_nonce(connection: sqlite3.Connection, nonce: str, expires_at: datetime, now: datetime) -> bool:
    """Keep the nonce of an authorisation until it has expired; return False when it was seen before."""
    connection.execute("DELETE FROM nonces WHERE expires_at < ?", (now.isoformat(),))
    mark = hashlib.sha256(nonce.encode()).digest()
    cursor = connection.execute("INSERT OR IGNORE INTO nonces VALUES (?, ?)", (mark, expires_at.isoformat()))
    return cursor.rowcount == 1
