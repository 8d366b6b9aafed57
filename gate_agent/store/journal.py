"""The outbox as a journal: each record gets its place in the epoch and a hash that contains the hash before it."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from central_sync.messages import ClockPart, RecordContent, chain_hash, first_prev_hash, record_body
from central_sync.passage_counts.facts import COUNTED_KINDS
from gate_agent.clock import Clock
from gate_agent.domain.identifiers import uuid7
from gate_agent.errors import StoreFault
from gate_agent.store import passage_counts
from gate_agent.store.database import run_script

SCHEMA = """
CREATE TABLE IF NOT EXISTS chain (
  only INTEGER PRIMARY KEY CHECK (only = 1), epoch TEXT NOT NULL, first_seq INTEGER NOT NULL,
  last_seq INTEGER NOT NULL, head BLOB NOT NULL, backlog_through INTEGER NOT NULL DEFAULT 0, last_ack_at TEXT
);
CREATE TABLE IF NOT EXISTS outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, epoch TEXT NOT NULL, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
  lane TEXT NOT NULL CHECK (lane IN ('live', 'backlog')), body BLOB NOT NULL, prev_hash BLOB NOT NULL, hash BLOB NOT NULL,
  wall TEXT NOT NULL, boot_id TEXT NOT NULL, mono_ns INTEGER NOT NULL, clock_state TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'acked', 'quarantined')), acked_at TEXT
);
CREATE INDEX IF NOT EXISTS outbox_pending ON outbox (seq) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS outbox_acked ON outbox (acked_at) WHERE state = 'acked';
CREATE INDEX IF NOT EXISTS outbox_aside ON outbox (seq) WHERE state = 'quarantined';
CREATE TABLE IF NOT EXISTS commands (command_id TEXT PRIMARY KEY, result TEXT NOT NULL);
"""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Origin:
    """What every record of this gate says about where and when it was made."""

    source: str
    clock: Clock
    boot_id: str
    zone: ZoneInfo | None = None
    is_training: bool = False

    def utc_offset_min(self, at: datetime) -> int | None:
        """Return by how many minutes local time is ahead of UTC at a moment; None where the zone was not told."""
        offset = at.astimezone(self.zone).utcoffset() if self.zone is not None else None
        return None if offset is None else round(offset.total_seconds() / 60)

    def clock_part(self) -> ClockPart:
        """Return both clocks. The sync state is `unknown`: this process has no network and asks no time server."""
        return ClockPart(boot_id=self.boot_id, mono_ns=int(self.clock.monotonic_s() * 1e9), state="unknown")

    def new_id(self) -> uuid.UUID:
        """Return a fresh UUIDv7."""
        return uuid7(int(self.clock.now().timestamp() * 1000))


def boot_id() -> str:
    """Return the kernel's id of this boot, `unknown` where there is none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def prepare(connection: sqlite3.Connection) -> None:
    """Create the tables and, in a new store, its epoch; rows that were never acknowledged become backlog."""
    run_script(connection, SCHEMA)
    if connection.execute("SELECT 1 FROM chain").fetchone() is None:
        epoch = uuid.uuid4()
        connection.execute(
            "INSERT INTO chain (only, epoch, first_seq, last_seq, head) VALUES (1, ?, 1, 0, ?)",
            (str(epoch), first_prev_hash(epoch)),
        )
    become_backlog(connection)


def become_backlog(connection: sqlite3.Connection) -> None:
    """Let everything up to the last place count as backlog. One small write, however much is waiting."""
    connection.execute("UPDATE chain SET backlog_through = last_seq")


def begin_epoch(connection: sqlite3.Connection) -> uuid.UUID:
    """Continue under a fresh epoch: places go on growing, the chain starts anew. Used when the store went back in time."""
    epoch = uuid.uuid4()
    connection.execute(
        "UPDATE chain SET epoch = ?, first_seq = last_seq + 1, head = ?", (str(epoch), first_prev_hash(epoch))
    )
    return epoch


def append(
    connection: sqlite3.Connection,
    origin: Origin,
    make_content: Callable[[uuid.UUID], RecordContent],
    at: datetime,
) -> int:
    """Append one record inside the caller's transaction, count it, and return its place.

    `make_content` gets the record's id, to which sealed fields are bound. Raises `RecordRefused` for content that breaks the schema.
    """
    chain = connection.execute("SELECT epoch, last_seq, head FROM chain").fetchone()
    seq, prev_hash, epoch = int(chain["last_seq"]) + 1, bytes(chain["head"]), uuid.UUID(chain["epoch"])
    record_id = origin.new_id()
    content = make_content(record_id)
    clock = origin.clock_part()
    body = record_body(
        content,
        record_id=record_id,
        source=origin.source,
        time=at,
        epoch=epoch,
        seq=seq,
        prev_hash=prev_hash,
        clock=clock,
        **({"training": True} if origin.is_training else {}),
    )
    head = chain_hash(prev_hash, body)
    cursor = connection.execute(
        "INSERT INTO outbox (epoch, id, kind, lane, body, prev_hash, hash, wall, boot_id, mono_ns, clock_state, state)"
        " VALUES (?, ?, ?, 'live', ?, ?, ?, ?, ?, ?, ?, 'pending')",
        (
            str(epoch),
            str(record_id),
            content.kind,
            body,
            prev_hash,
            head,
            at.isoformat(),
            clock.boot_id,
            clock.mono_ns,
            clock.state,
        ),
    )
    if cursor.lastrowid != seq:
        raise StoreFault(f"the outbox gave place {cursor.lastrowid} where {seq} is due")
    connection.execute("UPDATE chain SET last_seq = ?, head = ?", (seq, head))
    if content.kind in COUNTED_KINDS:
        passage_counts.note(connection, content.kind, seq, content.model_dump(mode="json"))
    return seq
