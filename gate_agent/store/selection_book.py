"""The store's part in random selection: seeds, the governor's window, and what is known of a holder without a name."""

from __future__ import annotations

import sqlite3
import uuid
from datetime import date

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from central_sync.sealing import seal
from central_sync.selection_parts import AppealV1, DrawSeedV1
from gate_agent.domain.crossing import Crossing, Decision
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.selection import AppealSubject, HolderHistory, Past
from gate_agent.policy.random_selection import commitment_of
from gate_agent.store import draws, holder_history, journal
from gate_agent.store.database import Database, Write
from gate_agent.store.draws import KeptSeed
from gate_agent.store.exchange import FactExchange
from gate_agent.store.journal import Origin
from gate_agent.store.lookups import HolderKey, Marks

SCHEMA = draws.SCHEMA + holder_history.SCHEMA


class SelectionBook:
    """Selection over the store's own connection. `write` is the store's way to do new work of a lane; all methods raise `StoreFault`."""

    def __init__(
        self,
        database: Database,
        origin: Origin,
        keys: tuple[X25519PublicKey, HolderKey],
        exchange: FactExchange | None,
        write: Write,
    ) -> None:
        self._database = database
        self._origin = origin
        self._seal_key, self._holders = keys
        self._exchange = exchange
        self._write = write

    @property
    def source(self) -> str:
        """The name of this gate in its records; every draw depends on it."""
        return self._origin.source

    # inside a transaction of the store ---------------------------------------------------------------------------------

    def decided(self, connection: sqlite3.Connection, decision: Decision) -> None:
        """Note how a decision came to its inspection."""
        if decision.answer.selection is not None:
            draws.note_selection(connection, decision.decision_id, decision.answer.selection)

    def at_desk(self, connection: sqlite3.Connection, crossing: Crossing, holder: Marks) -> None:
        """Note whose crossing the desk is asked about."""
        holder_history.note_at_desk(connection, crossing.transaction_id, holder, crossing.occurred_at)

    def inspected(
        self,
        connection: sqlite3.Connection,
        task_id: uuid.UUID,
        transaction_id: uuid.UUID,
        on: date,
        finding: InspectionFinding,
    ) -> None:
        """Count what an inspection of the customs desk came to, and tell the other gates of the post."""
        holder = holder_history.at_desk(connection, transaction_id)
        if holder is None or not holder_history.note_outcome(connection, task_id, holder.kept, on, finding):
            return
        if self._exchange is not None and holder.told is not None:
            self._exchange.tell_inspection(connection, self._origin.clock.now(), holder, task_id, on, finding)

    # by themselves -----------------------------------------------------------------------------------------------------

    async def past_of(self, issuing_state: str, document_number: str, since: date, window_crossings: int) -> Past:
        """Return the gate's last confirmed crossings, and what is known of a holder: inspections, passages since a day, appeals."""
        holder = self._holders.holder(issuing_state, document_number)
        return await self._database.write(
            lambda connection: Past(
                draws.window_counts(connection, window_crossings), holder_history.history_of(connection, holder, since)
            )
        )

    async def past_at_desk(self, transaction_id: uuid.UUID, since: date) -> HolderHistory | None:
        """Return the history of whoever a desk was asked about, None when nobody knows any more whose crossing that was."""

        def work(connection: sqlite3.Connection) -> HolderHistory | None:
            holder = holder_history.at_desk(connection, transaction_id)
            return None if holder is None else holder_history.history_of(connection, holder, since)

        return await self._database.write(work)

    async def secret_seeds(self) -> list[KeptSeed]:
        """Return the seeds that were not told yet."""
        return await self._database.write(draws.secret_seeds)

    async def commit_seed(self, day: date, seed: bytes, today: date) -> None:
        """Make a day's seed durable, and the record of its hash with it; `today` is the local date. A day that has one keeps it."""
        now = self._origin.clock.now()
        kept = KeptSeed(self._origin.new_id(), day, seed, commitment_of(seed, self._origin.source, day), 0)

        def work(connection: sqlite3.Connection) -> None:
            if draws.has_day(connection, day):
                return
            draws.keep_seed(connection, kept, now)
            told = DrawSeedV1(
                commitment_id=kept.commitment_id,
                local_date=day,
                action="committed",
                told_on=today,
                commitment=kept.commitment,
            )
            journal.append(connection, self._origin, lambda _rid: told, now)

        await self._write(work)

    async def reveal_seed(self, kept: KeptSeed, today: date) -> None:
        """Record a seed whose day is over, once."""
        now = self._origin.clock.now()

        def work(connection: sqlite3.Connection) -> None:
            if not draws.mark_revealed(connection, kept.commitment_id, now):
                return
            current = draws.last_number(connection, kept.commitment_id)
            told = DrawSeedV1(
                commitment_id=kept.commitment_id,
                local_date=kept.day,
                action="revealed",
                told_on=today,
                commitment=kept.commitment,
                seed=kept.seed.hex(),
                draws=current,
            )
            journal.append(connection, self._origin, lambda _rid: told, now)

        await self._write(work)

    async def appeal(
        self, transaction_id: uuid.UUID, subject: AppealSubject, officer_id: str, on: date, note: str, *, upheld: bool
    ) -> bool:
        """Record an appeal against a category or a pattern, and put a granted one into effect; False when its traveller is not known."""
        now = self._origin.clock.now()

        def work(connection: sqlite3.Connection) -> bool:
            holder = holder_history.at_desk(connection, transaction_id)
            if holder is None:
                return False
            if upheld:
                holder_history.uphold(connection, holder.kept, subject, on)
                if self._exchange is not None and holder.told is not None:
                    self._exchange.tell_appeal(connection, now, holder, subject, on)
            journal.append(
                connection,
                self._origin,
                lambda rid: AppealV1(
                    transaction_id=transaction_id,
                    subject=subject.value,
                    upheld=upheld,
                    decided_at=now,
                    local_date=on,
                    officer_id=officer_id,
                    sealed=seal({"note": note}, self._seal_key, rid),
                ),
                now,
            )
            return True

        return await self._write(work)
