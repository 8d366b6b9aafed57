"""Stays that somebody has to look at: shown on the console from memory, corrected by an officer's signed order; reminders go out from here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from zoneinfo import ZoneInfo

import structlog

from gate_agent.app.knowledge import StayBundle
from gate_agent.clock import Clock
from gate_agent.errors import StoreFault
from gate_agent.lane.authorisation import VerifiedAuthorisation
from gate_agent.store import Store
from gate_agent.store.stay_book import CorrectionAnswer, CorrectionKind, StayBook, StayCorrection, StayOrphan
from gate_agent.web.lane_api_messages import ActionAnswer
from gate_agent.web.stay_messages import StayOrphanView

log = structlog.get_logger()

_LOOK_S = 20.0
_NO_SUCH_STAY = "EG-LAN-003"
_DAY_WRONG = "EG-LAN-013"


class StayDesk:
    """The stays of one gate, as its console sees them."""

    def __init__(self, book: StayBook, clock: Clock, time_zone: str, changed: Callable[[], None]) -> None:
        self._book = book
        self._clock = clock
        self._zone = ZoneInfo(time_zone)
        self._changed = changed
        self._orphans: list[StayOrphanView] = []

    def _today(self) -> date:
        return self._clock.now().astimezone(self._zone).date()

    def orphans(self) -> list[StayOrphanView]:
        """Return the stays that somebody has to look at, oldest first."""
        return self._orphans

    async def correct(self, verified: VerifiedAuthorisation) -> ActionAnswer:
        """Carry out a correction that was authorised."""
        order = verified.authorisation
        if order.subject_id is None or order.stay_correction is None:
            return ActionAnswer.refused(_NO_SUCH_STAY, "no stay is named")
        correction = StayCorrection(
            order.authorisation_id,
            order.subject_id,
            CorrectionKind(order.stay_correction),
            order.stay_day,
            tuple(officer.officer_id for officer in verified.officers),
            order.reason_code,
            order.reason_text,
        )
        match await self._book.correct(correction, self._today()):
            case CorrectionAnswer.NO_SUCH_STAY:
                return ActionAnswer.refused(_NO_SUCH_STAY, "there is no such stay now")
            case CorrectionAnswer.DAY_WRONG:
                return ActionAnswer.refused(_DAY_WRONG, "the day does not fit this stay")
        await self.look()
        return ActionAnswer.done()

    async def look(self) -> None:
        """Read the orphans again, and tell the consoles where they changed."""
        found = [_view(orphan) for orphan in await self._book.orphans(self._today())]
        if found != self._orphans:
            self._orphans = found
            self._changed()

    async def run(self) -> None:
        """Look now and then, and write the reminders that are due, until cancelled."""
        while True:
            try:
                await self.look()
                reminded = await self._book.remind(self._today())
            except StoreFault as fault:
                log.error("stays_not_readable", code=fault.code)
            else:
                if reminded:
                    log.info("stay_notices_written", count=reminded)
            await asyncio.sleep(_LOOK_S)


class StayImport:
    """Takes over the stays that the centre told. What the disk refuses is held and tried again, however long that takes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._taken: StayBundle | None = None
        self._logged: tuple[int, str] | None = None

    async def take(self, bundle: StayBundle | None) -> None:
        """Take a bundle over unless it was; a fault is logged with its code, once, and the next call tries again."""
        if bundle is None or bundle is self._taken:
            return
        try:
            count = await self._store.import_stays(bundle.version, bundle.facts)
        except StoreFault as fault:
            if self._logged != (bundle.version, fault.code):
                self._logged = (bundle.version, fault.code)
                log.error("stays_not_imported", code=fault.code, version=bundle.version)
            return
        self._taken, self._logged = bundle, None
        log.info("stays_imported", count=count, version=bundle.version)


def _view(orphan: StayOrphan) -> StayOrphanView:
    return StayOrphanView(
        stay_id=orphan.stay_id,
        kind=orphan.kind.value,
        entered_on=orphan.entered_on,
        exited_on=orphan.exited_on,
        last_day=orphan.last_day,
        source=orphan.source,
        mark=orphan.mark,
    )
