"""Short-term biometric references, off by default (promise 4, second exception): kept for one stay, shredded on exit or expiry.

A file of its own, `face_references.db`, opened by the agent alone. Each record is sealed with a key of its own (AES-256-GCM, bound to
record id, holder's mark, purpose and expiry), and that key stands in the row wrapped under the site's key. Shredding overwrites the wrapped key
first, makes that durable, then deletes the row; `secure_delete=ON` and a truncating checkpoint follow each time, because a plain
DELETE leaves everything in the write-ahead log. Destruction is answered as a fact for the audit log.

Not undone by this: blocks that the file system freed, and flash cells; disk encryption is the integrator's. Faults (`StoreFault`):
EG-REF-003 the database refused, or another process holds it · EG-REF-004 a record was altered · EG-REF-005 bad content or expiry.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gate_agent.errors import StoreFault
from gate_agent.store.reference_keys import KEY_BYTES, WRAPPED_BYTES, ReferenceKeys

FILE_NAME = "face_references.db"
REFUSED, ALTERED, UNUSABLE = "EG-REF-003", "EG-REF-004", "EG-REF-005"
_TAG_BYTES = _IDENTITY_BYTES = 16
_NONCE = bytes(12)  # each key seals one record, once
_DESTROYED = bytes(WRAPPED_BYTES)

_TABLE = (
    "CREATE TABLE IF NOT EXISTS face_references (record_id BLOB PRIMARY KEY, lookup BLOB NOT NULL UNIQUE,"
    " purpose TEXT NOT NULL, expires_at INTEGER NOT NULL, wrapped_key BLOB NOT NULL, sealed BLOB NOT NULL)"
)
_STATEMENTS = (
    "PRAGMA locking_mode=EXCLUSIVE",  # one process, and no shared-memory file beside the log
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA secure_delete=ON",
    "PRAGMA trusted_schema=OFF",
    _TABLE,
    "CREATE INDEX IF NOT EXISTS face_references_expiry ON face_references (expires_at)",
)
_CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)"
_NAMED = "SELECT record_id, purpose FROM face_references"


class Purpose(StrEnum):
    """What a reference is kept for; nothing else may use it."""

    SHORT_STAY = "short_stay"


class ShredReason(StrEnum):
    """Why a reference was destroyed."""

    EXIT = "exit"
    EXPIRY = "expiry"
    REPLACED = "replaced"
    ORDER = "order"  # the holder's wish, or the site gave the feature up
    INTERRUPTED = "interrupted"  # a destruction that a power cut broke off, finished at the next start


@dataclass(frozen=True, slots=True)
class ReferenceLimits:
    """How many references, how large, and how long at most."""

    maximum_records: int = 10_000
    maximum_bytes: int = 65_536
    maximum_age: timedelta = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Destruction:
    """A fact for the audit log: the record's random id, never whose it was."""

    record_id: uuid.UUID
    purpose: str
    reason: ShredReason
    destroyed_at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of `put`. `record_id` is None when there is no room: the stay goes on without a reference."""

    record_id: uuid.UUID | None
    destroyed: tuple[Destruction, ...] = ()


@dataclass(frozen=True, slots=True)
class ShortTermReference:
    """An opened reference. `content` is the caller's to overwrite as soon as it has been used."""

    record_id: uuid.UUID
    expires_at: datetime
    content: bytearray


class FaceReferences:
    """The references of one gate; open with `FaceReferences.open`. Calls block for a disk write: use a thread."""

    def __init__(self, connection: sqlite3.Connection, keys: ReferenceKeys, limits: ReferenceLimits) -> None:
        self._connection = connection
        self._keys = keys
        self._limits = limits
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path, keys: ReferenceKeys, limits: ReferenceLimits) -> Self:
        """Open or create the file. Raises `StoreFault`. Call `shred_expired` next: it also ends broken-off destructions."""
        path = folder / FILE_NAME
        try:
            path.touch(mode=0o600)
            path.chmod(0o600)
            connection = sqlite3.connect(path, isolation_level=None, timeout=1.0, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise StoreFault(f"{path}: {error}", code=REFUSED) from error
        try:
            for statement in _STATEMENTS:
                connection.execute(statement).fetchall()
        except sqlite3.Error as error:
            connection.close()
            raise StoreFault(f"{path}: {error}", code=REFUSED) from error
        return cls(connection, keys, limits)

    def put(
        self,
        holder: tuple[str, str],
        content: bytes | bytearray,
        record_id: uuid.UUID,
        now: datetime,
        expires_at: datetime,
        purpose: Purpose = Purpose.SHORT_STAY,
    ) -> Kept:
        """Seal and keep a reference of a holder (issuing state, document number); one kept before is destroyed.

        Raises `StoreFault` for an empty or too large content, and for an expiry that is past or later than allowed.
        """
        if not 0 < len(content) <= self._limits.maximum_bytes:
            raise StoreFault(f"a reference of {len(content)} bytes", code=UNUSABLE)
        if not now < expires_at <= now + self._limits.maximum_age:
            raise StoreFault(f"a reference may be kept for at most {self._limits.maximum_age}", code=UNUSABLE)
        mark = self._keys.lookup(purpose, *holder)
        expires_s = int(expires_at.timestamp())
        record_key, wrapped = self._keys.fresh()
        sealed = AESGCM(record_key).encrypt(_NONCE, content, _bound(record_id, purpose, expires_s, mark))
        with self._guarded() as connection:
            destroyed = self._shred(self._found(mark), ShredReason.REPLACED, now)
            (count,) = connection.execute("SELECT count(*) FROM face_references").fetchone()
            if count >= self._limits.maximum_records:
                return Kept(None, destroyed)
            connection.execute(
                "INSERT INTO face_references VALUES (?, ?, ?, ?, ?, ?)",
                (record_id.bytes, mark, purpose, expires_s, wrapped, sealed),
            )
            self._checkpoint()
        return Kept(record_id, destroyed)

    def take(
        self, holder: tuple[str, str], now: datetime, purpose: Purpose = Purpose.SHORT_STAY
    ) -> ShortTermReference | None:
        """Return the opened reference of a holder; None when there is none or it has expired.

        Raises `StoreFault` for a record that was altered, moved under another holder's expiry or id, or sealed by another site.
        """
        mark = self._keys.lookup(purpose, *holder)
        with self._guarded() as connection:
            row = connection.execute(
                "SELECT record_id, purpose, expires_at, wrapped_key, sealed FROM face_references WHERE lookup = ?",
                (mark,),
            ).fetchone()
        if row is None:
            return None
        if [type(value) for value in row] != [bytes, str, int, bytes, bytes] or len(row[0]) != _IDENTITY_BYTES:
            raise StoreFault("a short-term reference was altered", code=ALTERED)
        record_id, kept_for, expires_s, wrapped, sealed = row
        if wrapped == _DESTROYED or expires_s <= now.timestamp():
            return None
        cipher = AESGCM(self._keys.unwrap(wrapped))
        try:
            identity = uuid.UUID(bytes=record_id)
            content = bytearray(len(sealed) - _TAG_BYTES)
            cipher.decrypt_into(_NONCE, sealed, _bound(identity, kept_for, expires_s, mark), content)
        except (InvalidTag, ValueError, TypeError) as error:
            raise StoreFault("a short-term reference was altered", code=ALTERED) from error
        return ShortTermReference(identity, datetime.fromtimestamp(expires_s, UTC), content)

    def shred(
        self,
        holder: tuple[str, str],
        now: datetime,
        reason: ShredReason = ShredReason.EXIT,
        purpose: Purpose = Purpose.SHORT_STAY,
    ) -> tuple[Destruction, ...]:
        """Destroy the reference of a holder; the facts for the audit log, none when there was nothing."""
        mark = self._keys.lookup(purpose, *holder)
        with self._guarded():
            return self._shred(self._found(mark), reason, now)

    def shred_expired(self, now: datetime) -> tuple[Destruction, ...]:
        """Destroy what has expired, and finish destructions that were broken off. Call it at least every 30 s."""
        with self._guarded() as connection:
            broken_off = connection.execute(_NAMED + " WHERE wrapped_key = ?", (_DESTROYED,)).fetchall()
            facts = self._shred(broken_off, ShredReason.INTERRUPTED, now)
            expired = connection.execute(_NAMED + " WHERE expires_at <= ?", (int(now.timestamp()),)).fetchall()
            return facts + self._shred(expired, ShredReason.EXPIRY, now)

    def shred_all(self, now: datetime) -> tuple[Destruction, ...]:
        """Destroy every reference: when the site switches them off, or on order."""
        with self._guarded() as connection:
            return self._shred(connection.execute(_NAMED).fetchall(), ShredReason.ORDER, now)

    def __len__(self) -> int:
        with self._guarded() as connection:
            (count,) = connection.execute("SELECT count(*) FROM face_references").fetchone()
        return int(count)

    def close(self) -> None:
        """Give the file back."""
        with self._guarded() as connection:
            self._checkpoint()
            connection.close()

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise StoreFault(f"the short-term references: {error}", code=REFUSED) from error

    def _found(self, mark: bytes) -> list[tuple[bytes, str]]:
        return self._connection.execute(_NAMED + " WHERE lookup = ?", (mark,)).fetchall()

    def _shred(self, rows: Sequence[tuple[bytes, str]], reason: ShredReason, now: datetime) -> tuple[Destruction, ...]:
        """Destroy the keys, durably; then the rows. A power cut in between leaves ciphertext that nobody can open."""
        if not rows:
            return ()
        ids = [(row[0],) for row in rows]
        for statement in (
            "UPDATE face_references SET wrapped_key = zeroblob(40), sealed = zeroblob(length(sealed)) WHERE record_id = ?",
            "DELETE FROM face_references WHERE record_id = ?",
        ):
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(statement, ids)
            self._connection.execute("COMMIT")
            self._checkpoint()
        return tuple(Destruction(_identity(row[0]), str(row[1]), reason, now) for row in rows)

    def _checkpoint(self) -> None:
        """Bring everything into the file and cut the log to nothing; a checkpoint that could not finish is a fault."""
        busy, _, _ = self._connection.execute(_CHECKPOINT).fetchone()
        if busy:
            raise sqlite3.OperationalError("the write-ahead log could not be truncated")


def forget_all(folder: Path, now: datetime) -> tuple[Destruction, ...]:
    """Destroy every reference and the file: for a site that has switched them off. No site key is needed. Raises `StoreFault`."""
    path = folder / FILE_NAME
    if not path.exists():
        return ()
    references = FaceReferences.open(folder, ReferenceKeys(secrets.token_bytes(KEY_BYTES)), ReferenceLimits())
    try:
        facts = references.shred_all(now)
    finally:
        references.close()
    path.unlink()
    return facts


def _identity(stored: object) -> uuid.UUID:
    """Return a record's id; the nil UUID for one that was altered beyond reading, which is destroyed all the same."""
    is_whole = isinstance(stored, bytes) and len(stored) == _IDENTITY_BYTES
    return uuid.UUID(bytes=stored) if is_whole else uuid.UUID(int=0)  # type: ignore[arg-type]  # bytes by the line above


def _bound(record_id: uuid.UUID, purpose: str, expires_s: int, mark: bytes) -> bytes:
    """Return what the seal is bound to; the holder's mark too, so that no record can be moved to another holder."""
    return b"egate-face-reference-1" + record_id.bytes + expires_s.to_bytes(8, "big") + mark + purpose.encode()
