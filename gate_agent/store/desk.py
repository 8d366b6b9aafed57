"""The desks' side of the store: stops open with a confirmed passage and close with the last agency's task."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date, timedelta

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from central_sync.screening_part import ScreeningPart
from gate_agent.domain.agency import Agency
from gate_agent.domain.crossing import Crossing, Decision
from gate_agent.domain.declaration import Direction
from gate_agent.domain.task_closing import TaskClosing
from gate_agent.store import journal, records, stops, stops_elsewhere
from gate_agent.store.database import Database, Write
from gate_agent.store.exchange import FactExchange
from gate_agent.store.lookups import HolderKey, Marks
from gate_agent.store.selection_book import SelectionBook
from gate_agent.store.stops import CustomsTask, InspectionCount, Stop
from gate_agent.store.stops_elsewhere import SeenHere

STOP_KEPT = timedelta(days=7)
"""So long other gates remember a stop of which they heard no closing."""


class DeskBook:
    """Stops of one gate. `decided` and `passed` run inside their caller's transaction; the others raise `StoreFault` when the disk refuses."""

    def __init__(
        self,
        database: Database,
        origin: journal.Origin,
        keys: tuple[X25519PublicKey, HolderKey],
        exchange: FactExchange | None,
        selection: SelectionBook,
        write: Write,
    ) -> None:
        self._database = database
        self._origin = origin
        self._seal_key, self._holders = keys
        self._exchange = exchange
        self._selection = selection
        self._write = write

    def decided(self, connection: sqlite3.Connection, decision: Decision) -> None:
        """Look whether whoever is at an exit now still has a stop open, here or at another gate."""
        if decision.direction is not Direction.EXIT or decision.document is None:
            return
        holder = self._holders.holder(decision.document.issuing_state, decision.document.document_number)
        at = decision.decided_at
        stops.note_seen(connection, holder, decision.transaction_id, at, self._origin.source)
        for stop_id in stops_elsewhere.note_here(connection, holder, at, decision.lane_id):
            if self._exchange is not None:
                self._exchange.tell_stop(connection, at, stop_id, "seen", at + STOP_KEPT)

    def passed(self, connection: sqlite3.Connection, crossing: Crossing, holder: Marks | None) -> None:
        """Open what a confirmed passage of a holder leaves for the agencies; None: of nobody whose document was read."""
        task_ids = [self._origin.new_id() for _ in Agency]
        if stops.open_stop(connection, crossing, holder, self._holders, task_ids) and self._exchange and holder:
            at = crossing.occurred_at
            self._exchange.tell_stop(connection, at, crossing.transaction_id, "opened", at + STOP_KEPT, holder)

    async def tasks(self) -> list[CustomsTask]:
        """Return open tasks, oldest first."""
        return await self._database.write(stops.open_tasks)

    async def stops(self) -> list[Stop]:
        """Return open stops with all their tasks, oldest first."""
        return await self._database.write(lambda connection: stops.open_stops(connection, self._holders))

    async def seen_here(self) -> list[SeenHere]:
        """Return open stops of other gates whose traveller was seen at an exit of this one."""
        return await self._database.write(stops_elsewhere.seen_here)

    async def close(self, closing: TaskClosing, screening: Sequence[ScreeningPart] = ()) -> bool:
        """Close a task and record the inspection with what X-ray screening said; False when there is no such open task."""
        now = self._origin.clock.now()

        def work(connection: sqlite3.Connection) -> bool:
            closed = stops.close_task(connection, closing, closing.officers[0].officer_id, now)
            if closed is None:
                return False
            journal.append(
                connection,
                self._origin,
                lambda rid: records.inspection_content(closed, closing, screening, now, self._seal_key, rid),
                now,
            )
            if closed.task.agency is Agency.CUSTOMS:  # what a category is earned or lost by
                task = closed.task
                self._selection.inspected(
                    connection, task.task_id, task.transaction_id, closed.local_date, closing.finding
                )
            if closed.is_last and self._exchange is not None:
                stop_id = closed.task.transaction_id
                self._exchange.tell_stop(connection, now, stop_id, "closed", now + STOP_KEPT)
            return True

        return await self._write(work)

    async def inspections(self, since: date) -> list[InspectionCount]:
        """Return what was counted of closed tasks from a local day on, by day, agency and corridor."""
        return await self._database.write(lambda connection: stops.inspections(connection, since))
