"""Open stops of the other gates of the post, known by the mark of their traveller alone (table `stops_elsewhere` of `facts`). Functions over a connection."""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import dataclass
from datetime import datetime

from central_sync.post.facts import DeskStop
from gate_agent.store.lookups import HolderKey, Marks, moment
from gate_agent.store.stops import note_seen_elsewhere


@dataclass(frozen=True, slots=True)
class SeenHere:
    """The traveller of an open stop of another gate, `source`, is at an exit of this one."""

    stop_id: uuid.UUID
    source: str
    lane_id: int


def apply(connection: sqlite3.Connection, fact: DeskStop, holders: HolderKey) -> None:
    """Put what another gate told of a stop into effect; what is closed stays closed in whatever order it is told."""
    if fact.state == "seen":
        note_seen_elsewhere(connection, fact.stop_id, fact.occurred_at, fact.source)
        return
    is_closed = fact.state == "closed"
    connection.execute(
        "INSERT INTO stops_elsewhere (stop_id, holder, source, expires_at, closed_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (stop_id) DO UPDATE SET closed_at = coalesce(stops_elsewhere.closed_at, excluded.closed_at)",
        (
            str(fact.stop_id),
            holders.of_shared(bytes.fromhex(fact.holder)) if fact.holder else None,
            fact.source,
            moment(fact.expires_at),
            moment(fact.occurred_at) if is_closed else None,
        ),
    )


def note_here(connection: sqlite3.Connection, holder: Marks, at: datetime, lane_id: int) -> list[uuid.UUID]:
    """Note that somebody is at an exit here; return the stops of other gates that are open for this traveller and were not seen before."""
    rows = connection.execute(
        "UPDATE stops_elsewhere SET seen_at = ?, seen_lane = ? WHERE holder = ? AND closed_at IS NULL AND seen_at IS NULL"
        " RETURNING stop_id",
        (moment(at), lane_id, holder.kept),
    ).fetchall()
    return [uuid.UUID(row["stop_id"]) for row in rows]


def seen_here(connection: sqlite3.Connection) -> list[SeenHere]:
    """Return the stops of other gates whose traveller was seen here and that are still open."""
    rows = connection.execute(
        "SELECT stop_id, source, seen_lane FROM stops_elsewhere WHERE seen_at IS NOT NULL AND closed_at IS NULL ORDER BY seen_at"
    )
    return [SeenHere(uuid.UUID(row["stop_id"]), row["source"], row["seen_lane"]) for row in rows]
