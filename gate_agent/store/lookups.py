"""Who used which token, who is in the country, which authorisation was seen: found again without a document number in clear.

Holders stand as HMAC-SHA-256 under a key that lies beside the store (mode 0600). A bare hash would fall in seconds: the space of
document numbers is small. At a gate with a post the marks are made in two steps: one under the key that the gates of the post share,
which is what they tell each other, and one over it under the store's own key, which is what lies on the disk.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from central_sync.stay_parts import CorrectedStayPart
from gate_agent.domain.stay import NO_TERMS, Stay, StayTerms
from gate_agent.errors import StoreFault
from gate_agent.store.disk_seal import DiskSeal

SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens_used (
  usage BLOB PRIMARY KEY, used_at TEXT NOT NULL, source TEXT NOT NULL DEFAULT '', expires_at TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stays (
  stay_id TEXT PRIMARY KEY, holder BLOB NOT NULL, entered_on TEXT, exited_on TEXT, source TEXT NOT NULL,
  bundle_version INTEGER NOT NULL DEFAULT 0, entered_at TEXT, exited_at TEXT, expires_at TEXT,
  permit_kind TEXT NOT NULL DEFAULT '', last_day TEXT, register_by TEXT, is_followed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS stays_holder ON stays (holder, exited_on);
CREATE TABLE IF NOT EXISTS stay_corrections (
  correction_id TEXT PRIMARY KEY, stay_id TEXT NOT NULL, entered_on TEXT, exited_on TEXT, is_void INTEGER NOT NULL,
  corrected_at TEXT NOT NULL, source TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS stay_corrections_stay ON stay_corrections (stay_id, corrected_at);
CREATE TABLE IF NOT EXISTS stay_notices (stay_id TEXT NOT NULL, notice TEXT NOT NULL, PRIMARY KEY (stay_id, notice)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stay_bundles (bundle_version INTEGER PRIMARY KEY, imported_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS nonces (nonce BLOB PRIMARY KEY, expires_at TEXT NOT NULL) WITHOUT ROWID;
"""

_LATER_COLUMNS: dict[str, dict[str, str]] = {
    "tokens_used": {
        "source": "ALTER TABLE tokens_used ADD COLUMN source TEXT NOT NULL DEFAULT ''",
        "expires_at": "ALTER TABLE tokens_used ADD COLUMN expires_at TEXT",
    },
    "stays": {
        "entered_at": "ALTER TABLE stays ADD COLUMN entered_at TEXT",
        "exited_at": "ALTER TABLE stays ADD COLUMN exited_at TEXT",
        "expires_at": "ALTER TABLE stays ADD COLUMN expires_at TEXT",
        "permit_kind": "ALTER TABLE stays ADD COLUMN permit_kind TEXT NOT NULL DEFAULT ''",
        "last_day": "ALTER TABLE stays ADD COLUMN last_day TEXT",
        "register_by": "ALTER TABLE stays ADD COLUMN register_by TEXT",
        "is_followed": "ALTER TABLE stays ADD COLUMN is_followed INTEGER NOT NULL DEFAULT 0",
    },
}
# Each correction names one end, so the newest of each counts; what one made void stays so.
_KNOWN = (
    "DROP VIEW IF EXISTS known_stays",
    """
CREATE VIEW known_stays AS SELECT stay_id, holder, source, entered_at, exited_at, permit_kind, last_day, register_by, is_followed,
  coalesce(entered_on, (SELECT entered_on FROM stay_corrections AS c WHERE c.stay_id = stays.stay_id AND c.entered_on IS NOT NULL
    ORDER BY corrected_at DESC, correction_id DESC LIMIT 1)) AS entered_on,
  coalesce(exited_on, (SELECT exited_on FROM stay_corrections AS c WHERE c.stay_id = stays.stay_id AND c.exited_on IS NOT NULL
    ORDER BY corrected_at DESC, correction_id DESC LIMIT 1)) AS exited_on
FROM stays WHERE NOT EXISTS (SELECT 1 FROM stay_corrections AS c WHERE c.stay_id = stays.stay_id AND c.is_void)
""",
    "CREATE INDEX IF NOT EXISTS stays_exit_alone ON stays (stay_id) WHERE entered_on IS NULL",
    "CREATE INDEX IF NOT EXISTS stays_followed ON stays (stay_id) WHERE is_followed AND exited_on IS NULL",
    "CREATE INDEX IF NOT EXISTS stays_last_day ON stays (last_day) WHERE exited_on IS NULL",
    "CREATE INDEX IF NOT EXISTS stays_register_by ON stays (register_by) WHERE exited_on IS NULL",
)
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
    """The key of the lookup tables. `sealing`: what is sealed under a key that follows from it."""

    def __init__(self, key: bytes, shared: bytes | None = None) -> None:
        self._key = key
        self._shared = shared
        self.sealing = DiskSeal(_mark(key, b"seal"))

    @classmethod
    def beside(cls, folder: Path, shared: bytes | None = None) -> HolderKey:
        """Read the key of a store, or make it for a new one; `shared` is the key of the post's gates. Raises `StoreFault`."""
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
        return cls(key, shared)

    def holder(self, issuing_state: str, document_number: str) -> Marks:
        """Return what stands for the holder of a document."""
        return self._marks(b"holder", issuing_state.encode(), document_number.encode())

    def usage(self, token_id: bytes, issuing_state: str, document_number: str) -> Marks:
        """Return what stands for a token used with a document."""
        return self._marks(b"token", token_id, issuing_state.encode(), document_number.encode())

    def of_shared(self, shared_mark: bytes) -> bytes:
        """Return what stands on this disk for a mark that another gate told."""
        return _mark(self._key, b"shared", shared_mark)

    def _marks(self, *parts: bytes) -> Marks:
        own = _mark(self._key, *parts)
        if self._shared is None:
            return Marks(own, own, None)
        told = _mark(self._shared, *parts)
        return Marks(self.of_shared(told), own, told)


class Marks(NamedTuple):
    """What stands for somebody: on this disk, on this disk before the gate had a post, and in facts (None without a post)."""

    kept: bytes
    kept_before: bytes
    told: bytes | None


def _mark(key: bytes, *parts: bytes) -> bytes:
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hmac.digest(key, framed, hashlib.sha256)


def add_columns(connection: sqlite3.Connection, *more: Mapping[str, Mapping[str, str]]) -> None:
    """Bring the tables of an older store up to date; `more` are the later columns of other tables, each with its statement."""
    for table, columns in (entry for later in (_LATER_COLUMNS, *more) for entry in later.items()):
        known = {row["name"] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}
        for name, statement in columns.items():
            if name not in known:
                connection.execute(statement)
    for statement in _KNOWN:
        connection.execute(statement)


def consume_token(
    connection: sqlite3.Connection, usage: Marks, now: datetime, source: str, expires_at: datetime
) -> None:
    """Mark a token as used with a document."""
    connection.execute(
        "INSERT OR IGNORE INTO tokens_used VALUES (?, ?, ?, ?)",
        (usage.kept, now.isoformat(), source, expires_at.isoformat()),
    )


def is_token_used(connection: sqlite3.Connection, usage: Marks) -> bool:
    """Say whether a token was used with a document."""
    row = connection.execute(
        "SELECT 1 FROM tokens_used WHERE usage IN (?, ?)", (usage.kept, usage.kept_before)
    ).fetchone()
    return row is not None


# An exit of which no gate knew the entry ends every entry before it: the order in which gates hear of the two does not matter.
_LATEST_OPEN = """
SELECT stay_id, entered_on, source FROM known_stays AS entry WHERE holder IN (:kept, :before) AND exited_on IS NULL AND NOT EXISTS (
  SELECT 1 FROM known_stays AS leaving WHERE leaving.holder IN (:kept, :before) AND leaving.entered_on IS NULL
  AND coalesce(leaving.exited_at, leaving.exited_on) >= coalesce(entry.entered_at, entry.entered_on)
) ORDER BY entered_on DESC, coalesce(entered_at, '') DESC, stay_id DESC LIMIT 1
"""


def _latest_open(connection: sqlite3.Connection, holder: Marks) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(
        _LATEST_OPEN, {"kept": holder.kept, "before": holder.kept_before}
    ).fetchone()
    return row


_STAYS = """
SELECT entered_on, source, permit_kind, last_day, coalesce(exited_on, (
  SELECT min(exited_on) FROM known_stays AS leaving WHERE leaving.holder IN (:kept, :before) AND leaving.entered_on IS NULL
  AND coalesce(leaving.exited_at, leaving.exited_on) >= coalesce(entry.entered_at, entry.entered_on)
)) AS left_on FROM known_stays AS entry WHERE holder IN (:kept, :before) AND entered_on IS NOT NULL ORDER BY entered_on, entered_at
"""


def find_stays(connection: sqlite3.Connection, holder: Marks) -> tuple[Stay, ...]:
    """Return the stays of a holder that began, oldest first."""
    rows = connection.execute(_STAYS, {"kept": holder.kept, "before": holder.kept_before})
    return tuple(
        Stay(
            date.fromisoformat(row["entered_on"]),
            None if row["left_on"] is None else date.fromisoformat(row["left_on"]),
            row["source"],
            row["permit_kind"],
            None if row["last_day"] is None else date.fromisoformat(row["last_day"]),
        )
        for row in rows
    )


def enter(
    connection: sqlite3.Connection,
    stay_id: uuid.UUID,
    holder: Marks,
    day: date,
    at: datetime,
    source: str,
    terms: StayTerms = NO_TERMS,
) -> None:
    """Open a stay. One of the same holder that is still open was left without anybody seeing it."""
    connection.execute(
        "UPDATE stays SET is_followed = 1 WHERE holder IN (?, ?) AND exited_on IS NULL",
        (holder.kept, holder.kept_before),
    )
    connection.execute(
        "INSERT INTO stays (stay_id, holder, entered_on, entered_at, source, permit_kind, last_day, register_by)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(stay_id),
            holder.kept,
            day.isoformat(),
            moment(at),
            source,
            terms.permit_kind,
            terms.last_day.isoformat() if terms.last_day else None,
            terms.register_by.isoformat() if terms.register_by else None,
        ),
    )


def leave(
    connection: sqlite3.Connection, fresh_id: uuid.UUID, holder: Marks, day: date, at: datetime, source: str
) -> tuple[uuid.UUID, date | None]:
    """Close the latest open stay; return its id and entry day. Without one, the exit alone is kept under `fresh_id`."""
    row = _latest_open(connection, holder)
    if row is None:
        connection.execute(
            "INSERT INTO stays (stay_id, holder, exited_on, exited_at, source) VALUES (?, ?, ?, ?, ?)",
            (str(fresh_id), holder.kept, day.isoformat(), moment(at), source),
        )
        return fresh_id, None
    connection.execute(
        "UPDATE stays SET exited_on = ?, exited_at = ? WHERE stay_id = ?", (day.isoformat(), moment(at), row["stay_id"])
    )
    return uuid.UUID(row["stay_id"]), date.fromisoformat(row["entered_on"])


def keep_correction(
    connection: sqlite3.Connection,
    correction_id: uuid.UUID,
    stay_id: uuid.UUID,
    part: CorrectedStayPart,
    at: datetime,
    source: str,
) -> None:
    """Keep a correction beside the stay that it is of; the stay itself may come to be known later."""
    connection.execute(
        "INSERT OR IGNORE INTO stay_corrections VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            str(correction_id),
            str(stay_id),
            part.entered_on.isoformat() if part.entered_on else None,
            part.exited_on.isoformat() if part.exited_on else None,
            part.is_void,
            moment(at),
            source,
        ),
    )


def moment(at: datetime) -> str:
    """Return a time as it is kept: UTC and always the same length, so that text compares as time."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def has_stays(connection: sqlite3.Connection, bundle_version: int) -> bool:
    """Say whether this version of the stays bundle, or a newer one, was taken over whole."""
    newest = connection.execute("SELECT max(bundle_version) AS newest FROM stay_bundles").fetchone()["newest"]
    return newest is not None and bundle_version <= newest


def keep_bundle(connection: sqlite3.Connection, bundle_version: int, now: datetime) -> None:
    """Note that a version of the stays bundle was taken over whole."""
    connection.execute("INSERT OR IGNORE INTO stay_bundles VALUES (?, ?)", (bundle_version, now.isoformat()))


def import_stays(connection: sqlite3.Connection, bundle_version: int, facts: Sequence[StayFact], key: HolderKey) -> int:
    """Take facts of a bundle over; return how many changed something. The same facts again change nothing.

    An exit that this gate saw itself is never reopened by a fact that does not know of it yet.
    """
    changed = 0
    for fact in facts:
        exited_on = fact.exited_on.isoformat() if fact.exited_on else None
        changed += connection.execute(
            "INSERT INTO stays (stay_id, holder, entered_on, exited_on, source, bundle_version) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (stay_id) DO UPDATE SET exited_on = excluded.exited_on, bundle_version = excluded.bundle_version"
            " WHERE stays.exited_on IS NULL AND excluded.exited_on IS NOT NULL",
            (
                str(fact.stay_id),
                key.holder(fact.issuing_state, fact.document_number).kept,
                fact.entered_on.isoformat(),
                exited_on,
                fact.source,
                bundle_version,
            ),
        ).rowcount
    return changed


def remember_nonce(connection: sqlite3.Connection, nonce: str, expires_at: datetime, now: datetime) -> bool:
    """Keep the nonce of an authorisation until it has expired; return False when it was seen before."""
    connection.execute("DELETE FROM nonces WHERE expires_at < ?", (now.isoformat(),))
    mark = hashlib.sha256(nonce.encode()).digest()
    cursor = connection.execute("INSERT OR IGNORE INTO nonces VALUES (?, ?)", (mark, expires_at.isoformat()))
    return cursor.rowcount == 1
