"""Reading the outbox, and what an acknowledgement does to it. Functions over a connection, each inside its caller's transaction."""

from __future__ import annotations

import sqlite3
import uuid
from datetime import datetime, timedelta

from central_sync.acks import HEAD_DIFFERS, OTHER_EPOCH, Ack, AckApplied
from central_sync.commands import OTHER_EPOCH as COMMAND_OTHER_EPOCH
from central_sync.commands import Command, CommandResult
from central_sync.envelope import Lane, StoredBody
from central_sync.errors import AckRefused, CommandRefused
from central_sync.handover import BatchPage, LinkState, page_of
from central_sync.presence import ChainPosition
from gate_agent.store.journal import become_backlog, begin_epoch

_THROUGH = "(SELECT backlog_through FROM chain)"
_PAGE = "SELECT seq, epoch, prev_hash, body FROM outbox WHERE state = 'pending' AND seq > ? AND {} ORDER BY seq LIMIT ?"
_PAGES: dict[Lane, str] = {
    "live": _PAGE.format(f"lane = 'live' AND seq > {_THROUGH}"),
    "backlog": _PAGE.format(f"(lane = 'backlog' OR seq <= {_THROUGH})"),
}
_UNDELIVERED = "state = 'pending'"


def next_page(connection: sqlite3.Connection, source: str, lane: Lane, limit: int, after_seq: int) -> BatchPage:
    """Return up to `limit` pending rows of one lane and one epoch after a place, in order."""
    rows = connection.execute(_PAGES[lane], (after_seq, limit)).fetchall()
    if not rows:
        epoch = connection.execute("SELECT epoch FROM chain").fetchone()["epoch"]
        return BatchPage(source=source, epoch=uuid.UUID(epoch), lane=lane, rows=[])
    epoch = rows[0]["epoch"]
    bodies = [
        StoredBody(row["seq"], bytes(row["prev_hash"]), bytes(row["body"])) for row in rows if row["epoch"] == epoch
    ]
    return page_of(source, uuid.UUID(epoch), lane, bodies)


def apply_ack(connection: sqlite3.Connection, ack: Ack, now: datetime) -> AckApplied:
    """Mark the ranges of a verified acknowledgement.

    Raises `AckRefused` when its epoch is not ours or its head is not our own hash at that place: an acknowledgement permits purging.
    """
    if connection.execute("SELECT 1 FROM outbox WHERE epoch = ? LIMIT 1", (str(ack.epoch),)).fetchone() is None:
        raise AckRefused("an acknowledgement of an epoch that this store does not hold", code=OTHER_EPOCH)
    own = connection.execute(
        "SELECT hash FROM outbox WHERE epoch = ? AND seq = ?", (str(ack.epoch), ack.last)
    ).fetchone()
    if own is None or bytes(own["hash"]).hex() != ack.head:
        raise AckRefused(f"its head is not this gate's hash at place {ack.last}", code=HEAD_DIFFERS)
    state = "acked" if ack.status == "stored" else "quarantined"
    # a record kept aside may still be stored later; a stored one is never un-stored by a late copy of a refusal
    reopenable = "state <> 'acked'" if ack.status == "stored" else _UNDELIVERED
    changed = 0
    for first, last in ack.ranges:
        changed += connection.execute(
            f"UPDATE outbox SET state = ?, acked_at = ? WHERE epoch = ? AND seq BETWEEN ? AND ? AND {reopenable}",  # noqa: S608 - fixed text
            (state, now.isoformat(), str(ack.epoch), first, last),
        ).rowcount
    connection.execute("UPDATE chain SET last_ack_at = ?", (now.isoformat(),))
    return AckApplied(
        epoch=ack.epoch, ranges=ack.ranges, status=ack.status, changed=changed, centre_time=ack.centre_time
    )


def purge_some(connection: sqlite3.Connection, before: datetime, limit: int) -> int:
    """Delete up to `limit` rows acknowledged before a moment, oldest first, never others; return how many."""
    return connection.execute(
        "DELETE FROM outbox WHERE seq IN"
        " (SELECT seq FROM outbox WHERE state = 'acked' AND acked_at < ? ORDER BY seq LIMIT ?) AND state = 'acked'",
        (before.isoformat(), limit),
    ).rowcount


def run_command(connection: sqlite3.Connection, command: Command) -> CommandResult:
    """Execute a verified command once; a repeat gets the stored answer. Raises `CommandRefused` for an epoch that is not ours."""
    done = connection.execute("SELECT result FROM commands WHERE command_id = ?", (str(command.command_id),)).fetchone()
    if done is not None:
        return CommandResult.model_validate_json(done["result"])
    if command.action == "new_epoch":
        current = connection.execute("SELECT epoch FROM chain").fetchone()["epoch"]
        if current != str(command.epoch):
            raise CommandRefused("this store is in another epoch", code=COMMAND_OTHER_EPOCH)
        changed = 0
        if not _holds(connection, command):
            begin_epoch(connection)
            become_backlog(connection)
            changed = 1
    else:
        changed = 0
        for first, last in command.ranges:
            changed += connection.execute(
                "UPDATE outbox SET state = 'pending', lane = 'backlog', acked_at = NULL"
                " WHERE epoch = ? AND seq BETWEEN ? AND ? AND state <> 'pending'",
                (str(command.epoch), first, last),
            ).rowcount
    result = CommandResult(command_id=command.command_id, action=command.action, changed=changed)
    connection.execute("INSERT INTO commands VALUES (?, ?)", (str(command.command_id), result.model_dump_json()))
    return result


def _holds(connection: sqlite3.Connection, command: Command) -> bool:
    """Say whether the centre's highest place and hash stand in this store: then nothing went back."""
    if not command.ranges or command.head is None:
        return False
    row = connection.execute(
        "SELECT hash FROM outbox WHERE epoch = ? AND seq = ?", (str(command.epoch), command.ranges[-1][1])
    ).fetchone()
    return row is not None and bytes(row["hash"]).hex() == command.head


def position(connection: sqlite3.Connection) -> ChainPosition:
    """Return where the chain of the current epoch stands."""
    chain = connection.execute("SELECT epoch, first_seq, last_seq, head FROM chain").fetchone()
    first = connection.execute(
        "SELECT seq FROM outbox WHERE state = 'pending' AND seq >= ? ORDER BY seq LIMIT 1", (chain["first_seq"],)
    ).fetchone()
    waiting = connection.execute("SELECT count(*) AS waiting FROM outbox WHERE state = 'pending'").fetchone()["waiting"]
    return ChainPosition(
        epoch=uuid.UUID(chain["epoch"]),
        first_seq=chain["first_seq"],
        first_unacked=first["seq"] if first else chain["last_seq"] + 1,
        last_seq=chain["last_seq"],
        head=bytes(chain["head"]).hex(),
        backlog_records=waiting,
    )


def link_state(connection: sqlite3.Connection, now: datetime, *, centre_online: bool, since: datetime) -> LinkState:
    """Return how delivery stands. The oldest age counts from the record's own time of day, never below zero."""
    where = position(connection)
    oldest = connection.execute("SELECT wall FROM outbox WHERE state = 'pending' ORDER BY seq LIMIT 1").fetchone()
    aside = connection.execute("SELECT count(*) AS aside FROM outbox WHERE state = 'quarantined'").fetchone()["aside"]
    last_ack_at = connection.execute("SELECT last_ack_at FROM chain").fetchone()["last_ack_at"]
    age = now - datetime.fromisoformat(oldest["wall"]) if oldest else timedelta()
    return LinkState(
        centre_online=centre_online,
        since=since,
        backlog_records=where.backlog_records,
        oldest_age_s=max(0.0, age.total_seconds()),
        last_ack_at=datetime.fromisoformat(last_ack_at) if last_ack_at else None,
        quarantined_records=aside,
        position=where,
    )
