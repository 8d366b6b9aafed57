"""The seals of one gate: every message into its seal's history, every change told, all of it remembered over a restart."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from pydantic import TypeAdapter, ValidationError

from drivers.contracts import SealReported
from gate_agent.clock import Clock
from gate_agent.domain import seal_history as history_of
from gate_agent.domain.declaration import Declaration
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.seal import SealReport, SealState, Told
from gate_agent.domain.seal_history import SealHistory, SealJourney, SealMessage
from gate_agent.errors import StoreFault
from gate_agent.lane.alarms import LaneAlarms
from gate_agent.store.crossings import NO_RECORD

log = structlog.get_logger()

SEALS_LIMIT = 20_000
"""Seals remembered at once. The one heard longest ago goes first, of those that no journey and no tampering holds."""

KEPT_SILENT = timedelta(days=30)
_RETRY_S = 1.0
_HISTORY: TypeAdapter[SealHistory] = TypeAdapter(SealHistory)


class SealStore(Protocol):
    """The part of the store that remembers seals."""

    async def commit_seal(self, report: SealReport, history: str = "") -> None:
        """Make a change durable, with what has to be remembered."""
        ...

    async def keep_seal(self, seal_id: str, history: str) -> None:
        """Remember a seal; an empty history forgets it."""
        ...

    async def seal_histories(self) -> list[str]:
        """Return what is remembered."""
        ...


@dataclass(frozen=True, slots=True)
class SignedDeed:
    """Who signed for what is done to a seal, in that order (one at least), and the code of their reason."""

    officer_ids: tuple[str, ...]
    reason: str


class SealWatch:
    """Histories by seal. `reported`, `reports` and the acts never wait; `run` writes down what they changed."""

    def __init__(self, clock: Clock, silent_after: timedelta) -> None:
        self._clock = clock
        self._silent_after = silent_after
        self._histories: OrderedDict[str, SealHistory] = OrderedDict()
        self._last: dict[str, tuple[SealState, str]] = {}
        self._changed: deque[SealReport] = deque()
        self._unsaved: dict[str, None] = {}
        self._news = asyncio.Event()

    def history(self, seal_id: str) -> SealHistory:
        """Return what is kept of a seal, empty when it was never heard."""
        return self._histories.get(seal_id) or SealHistory(seal_id)

    def reported(self, told: SealReported, received_at: datetime) -> bool:
        """Take what a tracker told, with the time of its receipt; True when what is known of the seal changed."""
        attributes = dict(told.attributes)
        message = SealMessage(
            kind=told.kind,
            received_at=received_at,
            device_time=told.device_time,
            told=_told(attributes.get("told", "")),
            closure=attributes.get("closure", ""),
            index=attributes.get("index", ""),
            actor=attributes.get("actor", ""),
            latitude_deg=told.latitude,
            longitude_deg=told.longitude,
        )
        return self._put(history_of.heard(self.history(told.seal_id), message))

    def reports(self, declaration: Declaration) -> tuple[SealReport, ...]:
        """Return what is known of each seal of a declaration. Its journey is underway from then on until it expires or arrives."""
        journey = SealJourney(declaration.reference, declaration.issued_at, declaration.expires_at)
        found = []
        for seal_id in declaration.seal_ids:
            self._put(history_of.tied(self.history(seal_id), journey))
            # Judged for the journey that is asked for, whatever other declaration names the same seal.
            found.append(history_of.judge(self.history(seal_id), journey, self._clock.now(), self._silent_after))
        return tuple(found)

    def arrived(self, declaration: Declaration) -> None:
        """Note that the goods of a declaration arrived: their seals may be opened."""
        for seal_id in declaration.seal_ids:
            self._put(history_of.arrived(self.history(seal_id), declaration.reference, self._clock.now()))

    async def unlock_authorised(self, store: SealStore, seal_id: str, stands: timedelta, deed: SignedDeed) -> datetime:
        """Make durable that officers authorised an unlock; an opening while it stands is by leave. Return when. Raises `StoreFault`."""
        now, officer_id = self._clock.now(), deed.officer_ids[0]
        history = history_of.unlock_authorised(self.history(seal_id), now, now + stands, officer_id)
        await store.commit_seal(self._act(history, "unlock_authorised", deed), _text_of(history))
        # What the seal told while the disk wrote stays: the fact is added to what is known now.
        self._put(history_of.unlock_authorised(self.history(seal_id), now, now + stands, officer_id))
        return now

    def unlock_ended(
        self, seal_id: str, event: str, deed: SignedDeed, authorised_at: datetime, *, still_stands: bool
    ) -> None:
        """Note what became of the unlock that was authorised then; one that did not happen gives no leave any more."""
        history = self.history(seal_id)
        if not still_stands:
            history = history_of.unlock_ended(history, self._clock.now(), authorised_at)
        self._changed.append(self._act(history, event, deed))
        self._news.set()
        self._put(history)

    def _act(self, history: SealHistory, event: str, deed: SignedDeed) -> SealReport:
        now = self._clock.now()
        state = history_of.judge(history, history.journey, now, self._silent_after).state
        return SealReport(
            history.seal_id,
            state,
            event,
            now,
            officer_id=deed.officer_ids[0],
            officer_ids=deed.officer_ids,
            reason=deed.reason,
        )

    def settled(self, reference: str, seal_ids: Iterable[str], officer_id: str) -> None:
        """Note that a customs inspector closed the matter of a declaration, or of these seals."""
        of_declaration = [
            seal_id
            for seal_id, history in self._histories.items()
            if reference and history.journey is not None and history.journey.reference == reference
        ]
        for seal_id in dict.fromkeys([*of_declaration, *seal_ids]):
            if seal_id in self._histories:
                self._put(history_of.closed(self.history(seal_id), self._clock.now(), officer_id))

    async def restore(self, store: SealStore) -> None:
        """Take over what was remembered. Raises `StoreFault`; a history that cannot be read is left out, and told.

        Seals that were not heard for `KEPT_SILENT` are forgotten, unless a journey is underway or they were tampered with.
        """
        now = self._clock.now()
        for content in await store.seal_histories():
            try:
                history = _HISTORY.validate_json(content)
            except ValidationError:
                log.error("seal_history_unreadable")
                continue
            if _is_over(history, now):
                await store.keep_seal(history.seal_id, "")
                continue
            self._histories[history.seal_id] = history
            self._last[history.seal_id] = self._standing(history)

    async def run(self, store: SealStore, alarms: LaneAlarms | None, changed: Callable[[], None]) -> None:
        """Write down changes as they come, and raise an alarm for a seal that was attacked on its way. Serves until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._changed or self._unsaved:
                try:
                    report = await self._write_one(store)
                except StoreFault as fault:
                    log.error("seal_not_recorded", code=fault.code)
                    if fault.code == NO_RECORD and self._changed:  # another try would end the same
                        self._changed.popleft()
                    else:
                        await asyncio.sleep(_RETRY_S)
                    continue
                if report is not None and _is_breach(report) and alarms is not None:
                    parameters = {"seal": report.seal_id, "event": report.event}
                    await alarms.raise_(Reason(ReasonCode.SEAL_TAMPERED, parameters))
                    changed()

    async def _write_one(self, store: SealStore) -> SealReport | None:
        if self._changed:
            report = self._changed[0]
            await store.commit_seal(report, self._text(report.seal_id))
            self._changed.popleft()
            return report
        seal_id = next(iter(self._unsaved))
        del self._unsaved[seal_id]
        try:
            await store.keep_seal(seal_id, self._text(seal_id))
        except StoreFault:
            self._unsaved[seal_id] = None
            raise
        return None

    def _text(self, seal_id: str) -> str:
        history = self._histories.get(seal_id)
        return _text_of(history) if history is not None else ""

    def _put(self, history: SealHistory) -> bool:
        seal_id = history.seal_id
        before = self._histories.get(seal_id)
        self._histories[seal_id] = history
        self._histories.move_to_end(seal_id)
        if before is None:
            self._make_room()
        if before is None or (before.marks, before.journey) != (history.marks, history.journey):
            self._unsaved[seal_id] = None
            self._news.set()
        standing = self._standing(history)
        if self._last.get(seal_id) == standing:
            return False
        self._last[seal_id] = standing
        if history.journey is not None or standing[0] is SealState.TAMPERED:
            self._changed.append(history_of.judge(history, history.journey, self._clock.now(), self._silent_after))
            self._news.set()
            log.info("seal_changed", state=standing[0].value, seal_event=standing[1])
        return True

    def _standing(self, history: SealHistory) -> tuple[SealState, str]:
        report = history_of.judge(history, history.journey, self._clock.now(), self._silent_after)
        return report.state, report.event

    def _make_room(self) -> None:
        if len(self._histories) <= SEALS_LIMIT:
            return
        oldest = next(
            (one for one, kept in self._histories.items() if kept.journey is None and kept.tampered is None), None
        )
        if oldest is None:
            oldest = next(reversed(self._histories))
            log.warning("seal_not_remembered", limit=SEALS_LIMIT)
        del self._histories[oldest]
        self._last.pop(oldest, None)
        self._unsaved[oldest] = None
        self._news.set()


def _is_over(history: SealHistory, now: datetime) -> bool:
    journey, heard_at = history.journey, history.last_heard_at
    is_underway = journey is not None and journey.until > now - KEPT_SILENT
    return not is_underway and history.tampered is None and (heard_at is None or now - heard_at > KEPT_SILENT)


def _is_breach(report: SealReport) -> bool:
    return report.state is SealState.TAMPERED and not report.officer_id


def _text_of(history: SealHistory) -> str:
    return _HISTORY.dump_json(history).decode()


def _told(name: str) -> Told:
    return Told(name) if name in {Told.LIVE.value, Told.FROM_MEMORY.value} else Told.UNKNOWN
