"""Who crossed under which version of the lists, so that a later version can be held against it: sealed, and no longer than needed.

A row is a crossing's id, lane, moment and list version in the open; whom it is about is sealed (AES-256-GCM under a key derived from the site's
watchlist key, bound to the crossing). Kept of somebody: name, document, birth date, sex, nationality, and keys of the entries known then. A row
of an entry goes with any later exit of its holder, whichever gate of the post saw it or officer named its day, with a stay made void, and at its
time limit; `secure_delete` overwrites it.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import date, datetime, timedelta

import structlog
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gate_agent.clock import Clock
from gate_agent.domain.crossing import Crossing
from gate_agent.domain.declaration import Direction
from gate_agent.errors import StoreFault
from gate_agent.inspection.watchlist import Subject
from gate_agent.store.database import Database
from gate_agent.store.disk_seal import DiskSeal
from gate_agent.store.lookups import Marks, moment

SCHEMA = """
CREATE TABLE IF NOT EXISTS screened (
  crossing_id TEXT PRIMARY KEY, lane_id INTEGER NOT NULL, occurred_at TEXT NOT NULL, version INTEGER NOT NULL,
  stay_id TEXT, expires_at TEXT NOT NULL, sealed BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS screened_version ON screened (version);
CREATE INDEX IF NOT EXISTS screened_stay ON screened (stay_id);
"""
LATER_COLUMNS = {"screened": {"held_on": "ALTER TABLE screened ADD COLUMN held_on TEXT NOT NULL DEFAULT ''"}}
"""The local day on which a crossing was last held against the lists; empty in rows of a store that did not keep it."""
INDEXES = """
CREATE INDEX IF NOT EXISTS screened_held ON screened (held_on);
"""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ScreenedLimits:
    """How long somebody stays known for this: inside the country at most, and after an exit."""

    inside: timedelta
    after_exit: timedelta


@dataclass(frozen=True, slots=True)
class Screened:
    """A crossing that a later version of the lists has to be held against. `seen` are the keys of entries known before."""

    crossing_id: uuid.UUID
    lane_id: int
    occurred_at: datetime
    is_inside: bool
    subject: Subject
    seen: frozenset[int]


class ScreenedCrossings:
    """The rows of one store. Methods run inside their caller's transaction."""

    def __init__(self, site_key: bytes, limits: ScreenedLimits) -> None:
        self._seal = DiskSeal(HKDF(hashes.SHA256(), 32, None, b"egate watchlist rescreening").derive(site_key))
        self._limits = limits

    def keep(self, connection: sqlite3.Connection, crossing: Crossing, stay_id: uuid.UUID, holder: Marks) -> None:
        """Keep a confirmed passage. An exit ends what was kept of every entry of its holder."""
        assert crossing.document is not None, "a passage without a document is nobody's"
        is_entry = crossing.direction is Direction.ENTRY
        if not is_entry:
            connection.execute(
                "DELETE FROM screened WHERE stay_id IN (SELECT stay_id FROM stays WHERE holder IN (?, ?))",
                (holder.kept, holder.kept_before),
            )
        kept = self._limits.inside if is_entry else self._limits.after_exit
        if not kept:
            return
        subject = Subject.of(crossing.document, crossing.local_date)
        connection.execute(
            "INSERT INTO screened (crossing_id, lane_id, occurred_at, version, stay_id, expires_at, sealed, held_on)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                str(crossing.crossing_id),
                crossing.lane_id,
                moment(crossing.occurred_at),
                crossing.watchlist_version,
                str(stay_id) if is_entry else None,
                moment(crossing.occurred_at + kept),
                self._sealed(str(crossing.crossing_id), subject, crossing.watchlist_seen),
                crossing.local_date.isoformat(),
            ),
        )

    def older_than(self, connection: sqlite3.Connection, version: int, today: date, limit: int) -> list[Screened]:
        """Return crossings that were last held against an older version, or before `today` (local), oldest first.

        A row that cannot be opened is deleted.
        """
        rows = connection.execute(
            "SELECT * FROM screened WHERE version < ? OR held_on < ? ORDER BY occurred_at, crossing_id LIMIT ?",
            (version, today.isoformat(), limit),
        ).fetchall()
        found = []
        for row in rows:
            opened = self._opened(row["crossing_id"], row["sealed"])
            if opened is None:
                log.error("screened_row_altered", crossing_id=row["crossing_id"])
                connection.execute("DELETE FROM screened WHERE crossing_id = ?", (row["crossing_id"],))
                continue
            subject, seen = opened
            at = datetime.fromisoformat(row["occurred_at"])
            found.append(
                Screened(uuid.UUID(row["crossing_id"]), row["lane_id"], at, row["stay_id"] is not None, subject, seen)
            )
        return found

    def mark(self, connection: sqlite3.Connection, version: int, today: date, done: Iterable[Screened]) -> None:
        """Note that crossings were held against a version on a local day, and the entries known since."""
        for one in done:
            identity = str(one.crossing_id)
            connection.execute(
                "UPDATE screened SET version = max(version, ?), held_on = ?, sealed = ? WHERE crossing_id = ?",
                (version, today.isoformat(), self._sealed(identity, one.subject, one.seen), identity),
            )

    def _sealed(self, crossing_id: str, subject: Subject, seen: Iterable[int]) -> bytes:
        content = json.dumps([list(astuple(subject)), sorted(seen)], ensure_ascii=False).encode()
        padded = content + b" " * (-len(content) % 256)  # its length says nothing about a name
        return self._seal.seal(padded, crossing_id)

    def _opened(self, crossing_id: str, sealed: bytes) -> tuple[Subject, frozenset[int]] | None:
        try:
            opened = self._seal.unseal(sealed, crossing_id)
        except StoreFault:
            return None
        subject, seen = json.loads(opened)
        return Subject(*subject), frozenset(seen)


class Rescreening:
    """The rows as whoever holds them against a new version sees them. Every method raises `StoreFault` when the disk refuses."""

    def __init__(self, database: Database, rows: ScreenedCrossings, clock: Clock) -> None:
        self.rows = rows
        self._database = database
        self._clock = clock

    async def older_than(self, version: int, today: date, limit: int) -> list[Screened]:
        """Return crossings that are still to be held against this version on this local day."""
        return await self._database.write(
            lambda connection: self.rows.older_than(connection, version, today, limit), is_urgent=False
        )

    async def mark(self, version: int, today: date, done: Sequence[Screened]) -> None:
        """Note what was held against a version on a local day."""
        await self._database.write(lambda connection: self.rows.mark(connection, version, today, done), is_urgent=False)

    async def forget(self) -> int:
        """Delete what is no longer needed; return how many rows."""
        now = self._clock.now()
        return await self._database.write(lambda connection: forget_screened(connection, now), is_urgent=False)


# Of a stay that this store knows, the holder is inside while it is not void, has no exit day of its own (an officer's counts), and no exit of
# his is known from later on: one at a gate that did not know the entry stands in a row of its own.
_FORGET = """
DELETE FROM screened WHERE expires_at < ? OR (
  EXISTS (SELECT 1 FROM stays WHERE stays.stay_id = screened.stay_id) AND NOT EXISTS (
    SELECT 1 FROM known_stays AS entry WHERE entry.stay_id = screened.stay_id AND entry.exited_on IS NULL AND NOT EXISTS (
      SELECT 1 FROM known_stays AS leaving WHERE leaving.holder = entry.holder AND leaving.exited_on IS NOT NULL
      AND coalesce(leaving.exited_at, leaving.exited_on) >= coalesce(entry.entered_at, entry.entered_on)
    )
  )
)
"""


def forget_screened(connection: sqlite3.Connection, now: datetime) -> int:
    """Delete what is past its time, and entries whose holder has left; return how many rows."""
    return connection.execute(_FORGET, (moment(now),)).rowcount
