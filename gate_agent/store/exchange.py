"""The gate's side of the exchange of facts with the other gates of its post, over the store's own connection."""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from datetime import date, datetime
from typing import Literal

from central_sync.post.facts import (
    AppealUpheld,
    DeskStop,
    HolderInspected,
    StayClosed,
    StayCorrected,
    StayOpened,
    TokenUsed,
)
from central_sync.post.messages import FactPage, FactsSent, OwnFacts
from central_sync.stay_parts import CorrectedStayPart
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.selection import AppealSubject
from gate_agent.domain.stay import NO_TERMS, StayTerms
from gate_agent.store import facts
from gate_agent.store.database import Database
from gate_agent.store.journal import Origin
from gate_agent.store.lookups import HolderKey, Marks


class FactExchange:
    """Facts out and in. Every method but `tell_…` and `wake` raises `StoreFault` when the disk refuses."""

    def __init__(self, database: Database, post: facts.Post, holders: HolderKey, origin: Origin) -> None:
        self._database = database
        self._post = post
        self._holders = holders
        self._origin = origin
        self._appended = asyncio.Event()

    def tell_stay(
        self,
        connection: sqlite3.Connection,
        at: datetime,
        holder: Marks,
        stay: tuple[uuid.UUID, date | None, date | None],
        terms: StayTerms = NO_TERMS,
    ) -> None:
        """Keep the fact of a confirmed passage inside its transaction; `stay` is its id, entry day and exit day."""
        stay_id, entered_on, exited_on = stay
        is_open = exited_on is None
        attributes = self._attributes(at, at + (facts.OPEN_STAY_KEPT if is_open else facts.CLOSED_STAY_KEPT))
        kind = StayOpened if is_open else StayClosed
        terms_told = {"permit_kind": terms.permit_kind, "last_day": terms.last_day}
        days = {"entered_on": entered_on} | (terms_told if is_open else {"exited_on": exited_on})
        fact = kind.model_validate(attributes | {"stay_id": stay_id, "holder": _told(holder)} | days)
        facts.keep_own(connection, fact)

    def tell_correction(
        self, connection: sqlite3.Connection, at: datetime, stay_id: uuid.UUID, part: CorrectedStayPart
    ) -> None:
        """Keep the fact of a correction inside its transaction."""
        fact = StayCorrected.model_validate(
            self._attributes(at, at + facts.OPEN_STAY_KEPT)
            | {"stay_id": stay_id, "entered_on": part.entered_on, "exited_on": part.exited_on, "is_void": part.is_void}
        )
        facts.keep_own(connection, fact)

    def tell_token(self, connection: sqlite3.Connection, at: datetime, usage: Marks, expires_at: datetime) -> None:
        """Keep the fact of a consumed token inside the transaction of its crossing."""
        fact = TokenUsed.model_validate(self._attributes(at, expires_at) | {"usage": _told(usage)})
        facts.keep_own(connection, fact)

    def tell_stop(
        self,
        connection: sqlite3.Connection,
        at: datetime,
        stop_id: uuid.UUID,
        state: Literal["opened", "closed", "seen"],
        expires_at: datetime,
        holder: Marks | None = None,
    ) -> None:
        """Keep the fact of what became of a stop at the desks; `holder` goes with its opening alone."""
        told = {"stop_id": stop_id, "state": state, "holder": _told(holder) if holder else None}
        facts.keep_own(connection, DeskStop.model_validate(self._attributes(at, expires_at) | told))

    def tell_inspection(
        self,
        connection: sqlite3.Connection,
        at: datetime,
        holder: Marks,
        task_id: uuid.UUID,
        on: date,
        finding: InspectionFinding,
    ) -> None:
        """Keep the fact of a finished inspection inside the transaction that closes its task."""
        told = {"task_id": task_id, "holder": _told(holder), "local_date": on, "finding": finding.value}
        attributes = self._attributes(at, at + facts.HISTORY_KEPT)
        facts.keep_own(connection, HolderInspected.model_validate(attributes | told))

    def tell_appeal(
        self, connection: sqlite3.Connection, at: datetime, holder: Marks, subject: AppealSubject, on: date
    ) -> None:
        """Keep the fact of a granted appeal inside the transaction that records it."""
        told = {"holder": _told(holder), "local_date": on, "subject": subject.value}
        facts.keep_own(connection, AppealUpheld.model_validate(self._attributes(at, at + facts.HISTORY_KEPT) | told))

    def _attributes(self, at: datetime, expires_at: datetime) -> dict[str, object]:
        return {
            "fact_id": self._origin.new_id(),
            "source": self._origin.source,
            "occurred_at": at,
            "expires_at": expires_at,
        }

    def wake(self) -> None:
        """Something was written: whoever waits for facts looks again."""
        appended, self._appended = self._appended, asyncio.Event()
        appended.set()

    async def own_facts(self, limit: int, wait_s: float) -> OwnFacts:
        """Return facts that the post has not got; wait up to `wait_s` for the first one."""
        appended = self._appended
        page = await self._database.write(lambda connection: facts.waiting(connection, limit), is_urgent=False)
        if page.facts or wait_s <= 0:
            return page
        try:
            async with asyncio.timeout(wait_s):
                await appended.wait()
        except TimeoutError:
            return page
        return await self._database.write(lambda connection: facts.waiting(connection, limit), is_urgent=False)

    async def facts_sent(self, sent: FactsSent) -> None:
        """Note what the post keeps."""
        await self._database.write(lambda connection: facts.mark_sent(connection, sent), is_urgent=False)

    async def place(self, what: str = "facts") -> tuple[uuid.UUID | None, int]:
        """Return up to where the facts of the other gates, or the reports of `seals`, were read."""
        return await self._database.write(lambda connection: facts.place(connection, what), is_urgent=False)

    async def keep_seal_place(self, generation: uuid.UUID, through: int) -> None:
        """Note up to where the reports of seals were read, and what they changed is durable."""
        await self._database.write(
            lambda connection: facts.keep_place(connection, generation, through, "seals"), is_urgent=False
        )

    async def take_page(self, page: FactPage) -> facts.Taken | None:
        """Put facts of the other gates into effect, each once; None when the page does not begin where this gate stands."""
        return await self._database.write(
            lambda connection: facts.take_page(connection, page, self._post, self._holders, self._origin.source)
        )

    async def forget_expired(self) -> int:
        """Delete what is past its time; return how many rows."""
        now = self._origin.clock.now()
        return await self._database.write(lambda connection: facts.forget_expired(connection, now), is_urgent=False)


def _told(marks: Marks) -> str:
    assert marks.told is not None, "a store with an exchange has the key of the post's gates"
    return marks.told.hex()
