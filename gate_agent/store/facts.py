"""Facts between the gates of a post, as one gate keeps them: its own until the post has them, those of the others taken over once.

Functions over a connection, each inside its caller's transaction. A fact is written with the crossing that it tells of, and what another
gate told is applied with the place up to which this gate has read: after a kill nothing is missing and nothing counts twice.
"""

from __future__ import annotations

import base64
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central_sync.errors import FactRefused
from central_sync.post.facts import (
    AppealUpheld,
    DeskStop,
    Fact,
    FallbackAnswered,
    FallbackOrdered,
    HolderInspected,
    StayClosed,
    StayCorrected,
    StayOpened,
    TokenUsed,
    fact_body,
    open_fact,
)
from central_sync.post.messages import FactPage, FactsSent, OwnFact, OwnFacts
from central_sync.stay_parts import CorrectedStayPart
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.selection import AppealSubject
from gate_agent.store import fallback_facts, holder_history, stops_elsewhere
from gate_agent.store.lookups import HolderKey, keep_correction, moment

SCHEMA = """
CREATE TABLE IF NOT EXISTS facts_out (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, fact_id TEXT NOT NULL UNIQUE, body BLOB NOT NULL, expires_at TEXT NOT NULL,
  sent_generation TEXT
);
CREATE INDEX IF NOT EXISTS facts_out_waiting ON facts_out (seq) WHERE sent_generation IS NULL;
CREATE TABLE IF NOT EXISTS facts_in (fact_id TEXT PRIMARY KEY, expires_at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS post_place (
  what TEXT PRIMARY KEY, generation TEXT NOT NULL, through INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stops_elsewhere (
  stop_id TEXT PRIMARY KEY, holder BLOB, source TEXT NOT NULL, expires_at TEXT NOT NULL, closed_at TEXT, seen_at TEXT,
  seen_lane INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS stops_elsewhere_open ON stops_elsewhere (holder) WHERE closed_at IS NULL;
"""

# A token is refused for its age 10 minutes after its end at the latest (clock skew); then nobody asks any more whether it was used.
TOKEN_GRACE = timedelta(days=1)
OPEN_STAY_KEPT = timedelta(days=400)
CLOSED_STAY_KEPT = timedelta(days=30)
HISTORY_KEPT = timedelta(days=30)
"""How long the fact of an inspection or a granted appeal travels; what came of it is kept by `holder_history`."""


@dataclass(frozen=True, slots=True)
class Post:
    """What a gate needs to exchange facts: the key of the marks, shared by the gates alone, and the other gates' public keys."""

    shared_key: bytes
    gates: Mapping[str, Ed25519PublicKey]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a page. `conflicts`: (fact, other gate) where a token that was consumed here was consumed there, too.

    `about_fallback`: something of it is an order about the post's fallback, to be judged, or an answer to one.
    """

    new: int = 0
    refused: int = 0
    conflicts: tuple[tuple[uuid.UUID, str], ...] = ()
    about_fallback: bool = False


def keep_own(connection: sqlite3.Connection, fact: Fact) -> None:
    """Keep a fact of this gate until the post has it."""
    connection.execute(
        "INSERT INTO facts_out (fact_id, body, expires_at) VALUES (?, ?, ?)",
        (str(fact.fact_id), fact_body(fact), moment(fact.expires_at)),
    )


def waiting(connection: sqlite3.Connection, limit: int) -> OwnFacts:
    """Return facts that the post has not got, oldest first."""
    rows = connection.execute(
        "SELECT seq, body FROM facts_out WHERE sent_generation IS NULL ORDER BY seq LIMIT ?", (limit,)
    )
    return OwnFacts(facts=[OwnFact(seq=row["seq"], body_base64=base64.b64encode(row["body"]).decode()) for row in rows])


def mark_sent(connection: sqlite3.Connection, sent: FactsSent) -> None:
    """Note what the post keeps. In a life of the post that this gate has not read in yet, facts are rather sent once more."""
    generation, _ = place(connection)
    if generation not in {None, sent.generation}:
        return
    connection.executemany(
        "UPDATE facts_out SET sent_generation = ? WHERE seq = ?", [(str(sent.generation), seq) for seq in sent.seqs]
    )


def place(connection: sqlite3.Connection, what: str = "facts") -> tuple[uuid.UUID | None, int]:
    """Return up to where this gate has read `facts` or `seals`, and in which life of the post."""
    row = connection.execute("SELECT generation, through FROM post_place WHERE what = ?", (what,)).fetchone()
    return (uuid.UUID(row["generation"]), row["through"]) if row else (None, 0)


def keep_place(connection: sqlite3.Connection, generation: uuid.UUID, through: int, what: str = "facts") -> None:
    """Note up to where this gate has read."""
    connection.execute("INSERT OR REPLACE INTO post_place VALUES (?, ?, ?)", (what, str(generation), through))


def take_page(
    connection: sqlite3.Connection, page: FactPage, post: Post, holders: HolderKey, source: str
) -> Taken | None:
    """Apply a page; None when it does not begin where this gate stands. What no gate signed is skipped, never applied."""
    generation, through = place(connection)
    if page.generation != generation:
        if page.after != 0:
            return None
        # The post lost what it had: it is told again, and a gate that knows a fact already does not count it twice.
        connection.execute(
            "UPDATE facts_out SET sent_generation = NULL WHERE sent_generation IS NOT ?", (str(page.generation),)
        )
    elif page.after != through:
        return None
    new, refused, conflicts, about_fallback = 0, 0, [], False
    for wire in page.wires():
        try:
            fact = open_fact(wire, post.gates)
        except FactRefused:
            refused += 1
            continue
        if fact.source == source or not _is_news(connection, fact):
            continue
        new += 1
        about_fallback = about_fallback or isinstance(fact, FallbackOrdered | FallbackAnswered)
        if _apply(connection, fact, holders, source):
            conflicts.append((fact.fact_id, fact.source))
    keep_place(connection, page.generation, page.through)
    return Taken(new, refused, tuple(conflicts), about_fallback)


def forget_expired(connection: sqlite3.Connection, now: datetime) -> int:
    """Delete what is past its time: facts, used tokens, stays that other gates told of; return how many rows."""
    limit = (moment(now),)
    count = connection.execute("DELETE FROM facts_out WHERE expires_at < ?", limit).rowcount
    count += connection.execute("DELETE FROM facts_in WHERE expires_at < ?", limit).rowcount
    count += connection.execute("DELETE FROM tokens_used WHERE expires_at < ?", limit).rowcount
    count += connection.execute("DELETE FROM stops_elsewhere WHERE expires_at < ?", limit).rowcount
    return count + connection.execute("DELETE FROM stays WHERE expires_at < ?", limit).rowcount


def _is_news(connection: sqlite3.Connection, fact: Fact) -> bool:
    cursor = connection.execute(
        "INSERT OR IGNORE INTO facts_in VALUES (?, ?)", (str(fact.fact_id), moment(fact.expires_at))
    )
    return cursor.rowcount == 1


def _apply(connection: sqlite3.Connection, fact: Fact, holders: HolderKey, source: str) -> bool:
    """Put a fact into effect; True when it contradicts what happened here."""
    match fact:
        case TokenUsed():
            usage = holders.of_shared(bytes.fromhex(fact.usage))
            row = connection.execute("SELECT source FROM tokens_used WHERE usage = ?", (usage,)).fetchone()
            connection.execute(
                "INSERT OR IGNORE INTO tokens_used VALUES (?, ?, ?, ?)",
                (usage, moment(fact.occurred_at), fact.source, moment(fact.expires_at)),
            )
            return row is not None and row["source"] == source
        case FallbackOrdered() | FallbackAnswered():
            fallback_facts.apply(connection, fact)
        case DeskStop():
            stops_elsewhere.apply(connection, fact, holders)
        case HolderInspected():
            holder = holders.of_shared(bytes.fromhex(fact.holder))
            holder_history.note_outcome(
                connection, fact.task_id, holder, fact.local_date, InspectionFinding(fact.finding)
            )
        case AppealUpheld():
            holder = holders.of_shared(bytes.fromhex(fact.holder))
            holder_history.uphold(connection, holder, AppealSubject(fact.subject), fact.local_date)
        case StayOpened():
            _keep_stay(connection, fact, holders, fact.entered_on.isoformat(), None)
        case StayClosed():
            entered_on = fact.entered_on.isoformat() if fact.entered_on else None
            _keep_stay(connection, fact, holders, entered_on, fact.exited_on.isoformat())
        case StayCorrected():
            part = CorrectedStayPart(entered_on=fact.entered_on, exited_on=fact.exited_on, is_void=fact.is_void)
            keep_correction(connection, fact.fact_id, fact.stay_id, part, fact.occurred_at, fact.source)
    return False


def _keep_stay(
    connection: sqlite3.Connection,
    fact: StayOpened | StayClosed,
    holders: HolderKey,
    entered_on: str | None,
    exited_on: str | None,
) -> None:
    """Merge what is known of a stay: each end is taken once, the earlier exit holds, in whatever order the gates tell."""
    at = moment(fact.occurred_at)
    holder = holders.of_shared(bytes.fromhex(fact.holder))
    permit_kind, last_day = "", None
    if isinstance(fact, StayOpened):
        permit_kind, last_day = fact.permit_kind, fact.last_day.isoformat() if fact.last_day else None
    entered_at, exited_at = (at, None) if exited_on is None else (None, at)
    connection.execute(
        "INSERT INTO stays (stay_id, holder, entered_on, exited_on, source, entered_at, exited_at, expires_at,"
        " permit_kind, last_day) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (stay_id) DO UPDATE SET"
        " entered_on = coalesce(stays.entered_on, excluded.entered_on),"
        " permit_kind = max(stays.permit_kind, excluded.permit_kind), last_day = coalesce(stays.last_day, excluded.last_day),"
        " entered_at = coalesce(stays.entered_at, excluded.entered_at),"
        " exited_on = coalesce(min(stays.exited_on, excluded.exited_on), stays.exited_on, excluded.exited_on),"
        " exited_at = coalesce(min(stays.exited_at, excluded.exited_at), stays.exited_at, excluded.exited_at),"
        " expires_at = CASE WHEN stays.expires_at IS NULL OR excluded.exited_on IS NULL THEN stays.expires_at"
        " ELSE excluded.expires_at END",
        (
            str(fact.stay_id),
            holder,
            entered_on,
            exited_on,
            fact.source,
            entered_at,
            exited_at,
            moment(fact.expires_at),
            permit_kind,
            last_day,
        ),
    )
    if (
        entered_at is not None
    ):  # an earlier stay that is still open was left unseen, whichever of the two is heard of first
        connection.execute(
            "UPDATE stays SET is_followed = 1 WHERE holder = ?1 AND exited_on IS NULL AND entered_on IS NOT NULL AND EXISTS ("
            " SELECT 1 FROM stays AS later WHERE later.holder = ?1 AND later.entered_at > stays.entered_at)",
            (holder,),
        )
