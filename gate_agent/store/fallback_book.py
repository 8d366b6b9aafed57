"""Orders about the post's fallback on the gate's disk: the one in force, those of other gates that nobody has judged yet, and who answered what.

What another gate tells arrives with the page of facts that it came in, in the same transaction; whether its officers may order it is judged
above this room. So nothing that was heard is lost by a kill, and what was judged is not judged again.
"""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from central_sync.post.facts import FallbackAnswered, FallbackOrdered, fact_body
from gate_agent.domain.fallback import OrderRank, is_later
from gate_agent.store.database import Database
from gate_agent.store.exchange import FactExchange
from gate_agent.store.facts import keep_own
from gate_agent.store.fallback_facts import order_of
from gate_agent.store.journal import Origin

ORDER_KEPT = timedelta(days=30)
"""How long an order, and an answer to it, travels. An order that stands longer is told again by its gate while somebody has not answered."""


@dataclass(frozen=True, slots=True)
class FallbackAnswer:
    """What another gate said to an order; an empty `refusal`: it does so."""

    source: str
    order_id: uuid.UUID
    refusal: str
    at: datetime


@dataclass(frozen=True, slots=True)
class KeptFallback:
    """What the disk knows. `waiting`: orders of other gates to be judged, with the code under which each was refused before."""

    order: FallbackOrdered | None
    waiting: tuple[tuple[FallbackOrdered, str], ...]
    answers: tuple[FallbackAnswer, ...]


def rank_of(order: FallbackOrdered) -> OrderRank:
    """Return what an order is compared by."""
    return OrderRank(order.number, order.stands, order.order_id)


class FallbackBook:
    """Every method raises `StoreFault` when the disk refuses. Without an `exchange` the gate has no post, and nothing is told."""

    def __init__(self, database: Database, origin: Origin, exchange: FactExchange | None) -> None:
        self._database = database
        self._origin = origin
        self._exchange = exchange

    async def kept(self) -> KeptFallback:
        """Return what is known."""
        return await self._database.write(_kept)

    async def keep(self, order: FallbackOrdered) -> None:
        """Keep the order in force and tell of it: an own order, or the answer to another gate's. A known or older one changes nothing."""

        def work(connection: sqlite3.Connection) -> None:
            known = _in_force(connection)
            if not is_later(rank_of(order), rank_of(known) if known is not None else None):
                return
            connection.execute("DELETE FROM fallback_waiting WHERE order_id = ?", (str(order.order_id),))
            connection.execute("INSERT OR REPLACE INTO fallback_order VALUES (1, ?)", (fact_body(order),))
            if order.source == self._origin.source:
                self._tell(connection, order)
            else:
                self._answer(connection, order, "")

        await self._database.write(work)
        self._wake()

    async def drop(self, order: FallbackOrdered) -> None:
        """Forget an order of another gate that is no news; the one in force was told again because no answer to it was heard.

        One that is news to the disk stays: what is obeyed in its place, or itself, could not be kept yet, and a kill must not lose both.
        """

        def work(connection: sqlite3.Connection) -> None:
            known = _in_force(connection)
            if known is None or is_later(rank_of(order), rank_of(known)):
                return
            connection.execute("DELETE FROM fallback_waiting WHERE order_id = ?", (str(order.order_id),))
            if known.order_id == order.order_id:
                self._answer(connection, known, "")

        await self._database.write(work)
        self._wake()

    async def refuse(self, order: FallbackOrdered, code: str, *, is_for_good: bool) -> None:
        """Tell that an order of another gate is not obeyed here, and why; for good, or until more is known of its officers."""

        def work(connection: sqlite3.Connection) -> None:
            one = (str(order.order_id),)
            if is_for_good:
                connection.execute("DELETE FROM fallback_waiting WHERE order_id = ?", one)
            connection.execute("UPDATE fallback_waiting SET refusal = ? WHERE order_id = ?", (code, *one))
            self._answer(connection, order, code)

        await self._database.write(work)
        self._wake()

    async def tell_again(self, order: FallbackOrdered) -> None:
        """Tell an own order once more: to gates that are new, or were away for longer than the post keeps facts."""
        await self._database.write(lambda connection: self._tell(connection, order))
        self._wake()

    def _tell(self, connection: sqlite3.Connection, order: FallbackOrdered) -> None:
        if self._exchange is not None:
            until = self._origin.clock.now() + ORDER_KEPT
            keep_own(connection, order.model_copy(update={"fact_id": self._origin.new_id(), "expires_at": until}))

    def _answer(self, connection: sqlite3.Connection, order: FallbackOrdered, refusal: str) -> None:
        if self._exchange is None:
            return
        now = self._origin.clock.now()
        answer = FallbackAnswered(
            fact_id=self._origin.new_id(),
            source=self._origin.source,
            occurred_at=now,
            expires_at=now + ORDER_KEPT,
            order_id=order.order_id,
            number=order.number,
            stands=order.stands,
            refusal=refusal,
        )
        keep_own(connection, answer)

    def _wake(self) -> None:
        if self._exchange is not None:
            self._exchange.wake()


def _in_force(connection: sqlite3.Connection) -> FallbackOrdered | None:
    row = connection.execute("SELECT content FROM fallback_order").fetchone()
    return order_of(row["content"]) if row else None


def _kept(connection: sqlite3.Connection) -> KeptFallback:
    waiting = connection.execute("SELECT content, refusal FROM fallback_waiting ORDER BY place").fetchall()
    answers = connection.execute("SELECT * FROM fallback_answers ORDER BY source").fetchall()
    return KeptFallback(
        _in_force(connection),
        tuple((order_of(row["content"]), row["refusal"]) for row in waiting),
        tuple(
            FallbackAnswer(
                row["source"],
                uuid.UUID(row["order_id"]),
                row["refusal"],
                datetime.fromisoformat(row["at"]),
            )
            for row in answers
        ),
    )
