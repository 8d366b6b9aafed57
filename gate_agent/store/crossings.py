"""The store as the lane and the sync API see it: facts in, durable when the call returns."""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from central_sync.acks import AckApplied, open_ack
from central_sync.commands import CommandResult, open_command
from central_sync.envelope import Lane
from central_sync.errors import RecordRefused
from central_sync.handover import BatchPage, LinkReport, LinkState
from central_sync.messages import AuditHeadV1, RecordContent
from central_sync.presence import ChainPosition
from central_sync.stay_parts import CorrectionV1
from gate_agent.clock import Clock
from gate_agent.domain.alarm import Alarm
from gate_agent.domain.crossing import Corridor, Crossing, Decision, PassageOutcome
from gate_agent.domain.seal import SealReport
from gate_agent.domain.selection import Past
from gate_agent.domain.stay import Stay
from gate_agent.errors import StoreFault
from gate_agent.store import facts, journal, lookups, outbox, passage_counts, records, seals, tasks
from gate_agent.store import receipts as kept_receipts
from gate_agent.store.database import DISK_FULL, Answer, Database, Work
from gate_agent.store.desk import DeskBook
from gate_agent.store.exchange import FactExchange
from gate_agent.store.fallback_book import FallbackBook
from gate_agent.store.identity import GateIdentity, StoreLimits
from gate_agent.store.lookups import HolderKey, StayFact
from gate_agent.store.schema import prepare
from gate_agent.store.screened import Rescreening, ScreenedCrossings
from gate_agent.store.selection_book import SelectionBook
from gate_agent.store.stay_book import StayBook
from gate_agent.store.tasks import UndecidedRelease
from gate_agent.store.training_mark import keep_apart

_log = structlog.get_logger(__name__)
_LINK_SILENT_S = 25.0
_PURGE_EVERY = timedelta(minutes=5)
_PURGE_ROWS = 20
_PURGE_AT_ONCE = 400
_STAYS_AT_ONCE = 200
NO_RECORD = "EG-STO-005"


class Store:
    """The gate's store. Open with `Store.open`; every method raises `StoreFault` when the disk refuses."""

    def __init__(
        self,
        database: Database,
        origin: journal.Origin,
        keys: tuple[X25519PublicKey, Ed25519PublicKey, HolderKey],
        settings: StoreLimits,
        exchange: FactExchange | None,
        rescreening: Rescreening | None = None,
    ) -> None:
        self.exchange = exchange
        self.rescreening = rescreening
        self._database = database
        self._origin = origin
        self._clock = origin.clock
        self._seal_key, self._centre_key, self._holders = keys
        self._settings = settings
        self._appended = asyncio.Event()
        self._purged_at: datetime | None = None
        self._link = (False, self._clock.now(), self._clock.monotonic_s())
        self.stays = StayBook(database, origin, self._seal_key, exchange, self._write)
        self.selection = SelectionBook(database, origin, (self._seal_key, self._holders), exchange, self._write)
        self.fallback = FallbackBook(database, origin, exchange)
        self.desk = DeskBook(database, origin, (self._seal_key, self._holders), exchange, self.selection, self._write)

    @classmethod
    async def open(
        cls,
        folder: Path,
        clock: Clock,
        identity: GateIdentity,
        centre_seal_public_key: X25519PublicKey,
        settings: StoreLimits,
        *,
        centre_public_key: Ed25519PublicKey,
        post: facts.Post | None = None,
        screened: ScreenedCrossings | None = None,
        time_zone: ZoneInfo | None = None,
        is_training: bool = False,
    ) -> Store:
        """Open or create the store in `folder`; only one process can. `post`: facts are exchanged; `time_zone`: records tell it.

        `is_training`: records say that nobody is real; a store is of one or the other for ever. Raises `StoreFault`.
        """
        await asyncio.to_thread(keep_apart, folder, is_training=is_training)
        source = f"{identity.country}/{identity.site}/{identity.gate_id}"
        origin = journal.Origin(source, clock, await asyncio.to_thread(journal.boot_id), time_zone, is_training)
        database = Database(folder, prepare, settings.ballast_bytes)
        await database.open()
        try:
            holders = HolderKey.beside(folder, post.shared_key if post else None)
        except StoreFault:
            await database.close()
            raise
        exchange = FactExchange(database, post, holders, origin) if post else None
        rescreening = Rescreening(database, screened, clock) if screened else None
        keys = (centre_seal_public_key, centre_public_key, holders)
        return cls(database, origin, keys, settings, exchange, rescreening)

    @property
    def source(self) -> str:
        """The `source` attribute of this gate's records."""
        return self._origin.source

    async def commit_decision(self, decision: Decision) -> None:
        """Make a decision durable, its outbox row with it. The same decision again changes nothing."""
        offset_min = self._origin.utc_offset_min(decision.decided_at)

        def work(connection: sqlite3.Connection) -> None:
            if tasks.has_decision(connection, decision.decision_id):
                return
            seq = self._append(
                connection,
                decision.decided_at,
                lambda rid: records.decision_content(decision, self._seal_key, rid, offset_min),
            )
            tasks.keep_decision(connection, decision, seq)
            self.desk.decided(connection, decision)
            self.selection.decided(connection, decision)

        await self._write(work)

    async def commit_entrance(self, transaction_id: uuid.UUID, lane_id: int) -> None:
        """Make the permit to enter durable. It leaves no record for the centre: nothing was decided yet."""
        at = self._clock.now()
        await self._write(lambda connection: tasks.keep_entrance(connection, transaction_id, lane_id, at))

    async def commit_crossing(self, crossing: Crossing) -> None:
        """Make a crossing durable. PASSED alone opens or closes the stay, consumes the token and opens a customs task."""
        offset_min = self._origin.utc_offset_min(crossing.occurred_at)

        def work(connection: sqlite3.Connection) -> None:
            if tasks.has_crossing(connection, crossing.crossing_id):
                return
            seq = self._append(
                connection,
                crossing.occurred_at,
                lambda rid: records.crossing_content(crossing, self._seal_key, rid, offset_min),
            )
            tasks.keep_crossing(connection, crossing, seq)
            if crossing.passage is PassageOutcome.PASSED:
                self._passed(connection, crossing)

        await self._write(work)

    async def commit_alarm(self, alarm: Alarm) -> None:
        """Make an alarm durable: raised, acknowledged or cleared, each time one record."""
        at = alarm.cleared_at or alarm.raised_at
        await self._record(at, lambda _rid: records.alarm_content(alarm))

    async def commit_seal(self, report: SealReport, history: str = "") -> None:
        """Make what became known of a seal durable, and with it what has to be remembered of the seal."""

        def work(connection: sqlite3.Connection) -> None:
            self._append(connection, self._clock.now(), lambda _rid: records.seal_content(report))
            if history:
                seals.keep(connection, report.seal_id, history)

        await self._write(work)

    async def keep_seal(self, seal_id: str, history: str) -> None:
        """Remember a seal over a restart; an empty history forgets it. No record for the centre."""
        await self._write(
            lambda connection: (
                seals.keep(connection, seal_id, history) if history else seals.forget(connection, seal_id)
            )
        )

    async def seal_histories(self) -> list[str]:
        """Return what is remembered of seals."""
        return await self._database.write(seals.contents)

    async def commit_correction(self, correction: CorrectionV1) -> None:
        """Make a correction of an earlier record durable; the earlier record stays."""
        await self._record(self._clock.now(), lambda _rid: correction)

    async def commit_audit_head(self, head: AuditHeadV1) -> None:
        """Make a signed head of the audit log durable, so that it leaves the gate."""
        await self._record(head.signed_at, lambda _rid: head)

    async def token_used(self, token_id: bytes, issuing_state: str, document_number: str) -> bool:
        """Say whether a token was consumed with this document."""
        usage = self._holders.usage(token_id, issuing_state, document_number)
        return await self._database.write(lambda connection: lookups.is_token_used(connection, usage))

    async def stays_of(self, issuing_state: str, document_number: str) -> tuple[Stay, ...]:
        """Return the stays of a holder that began, oldest first."""
        holder = self._holders.holder(issuing_state, document_number)
        return await self._database.write(lambda connection: lookups.find_stays(connection, holder))

    async def past_of(self, issuing_state: str, document_number: str, since: date, window_crossings: int) -> Past:
        """Return what a random selection may know of the gate and of a holder; passages count from `since` on."""
        return await self.selection.past_of(issuing_state, document_number, since, window_crossings)

    async def receipts_of(
        self, issuing_state: str, document_number: str, day: date | None
    ) -> list[kept_receipts.KeptReceipt]:
        """Return the receipts of a holder, of one local day or of all that are kept, the newest first."""
        holder = self._holders.holder(issuing_state, document_number)
        today = self._clock.now().date()
        return await self._database.write(lambda connection: kept_receipts.find(connection, holder, day, today))

    async def import_stays(self, bundle_version: int, stays: Sequence[StayFact]) -> int:
        """Take over stay facts of a verified bundle; return how many changed something. Idempotent by version.

        It goes in small transactions behind what the lanes wait for; the version counts as taken with the last of them.
        """
        if await self._write(lambda connection: lookups.has_stays(connection, bundle_version), is_urgent=False):
            return 0
        changed = 0
        for first in range(0, len(stays), _STAYS_AT_ONCE):
            work = partial(self._take_stays, bundle_version, stays[first : first + _STAYS_AT_ONCE])
            changed += await self._write(work, is_urgent=False)
        now = self._clock.now()
        await self._write(lambda connection: lookups.keep_bundle(connection, bundle_version, now), is_urgent=False)
        return changed

    def _take_stays(self, bundle_version: int, stays: Sequence[StayFact], connection: sqlite3.Connection) -> int:
        return lookups.import_stays(connection, bundle_version, stays, self._holders)

    async def remember_nonce(self, nonce: str, expires_at: datetime) -> bool:
        """Keep the nonce of an authorisation; False when it was seen before, also before a restart."""
        now = self._clock.now()
        return await self._database.write(lambda connection: lookups.remember_nonce(connection, nonce, expires_at, now))

    async def undecided_releases(self) -> list[UndecidedRelease]:
        """Return releases without a crossing: at restart the agent writes `passage_undetermined` for each."""
        return await self._database.write(tasks.undecided_releases)

    async def next_batch(self, lane: Lane, limit: int, after_seq: int = 0, wait_s: float = 0.0) -> BatchPage:
        """Return unacknowledged rows of a lane after a place; wait up to `wait_s` for the first one."""
        deadline_s = self._clock.monotonic_s() + wait_s
        while True:
            appended = self._appended
            page = await self._database.write(
                lambda connection: outbox.next_page(connection, self.source, lane, limit, after_seq), is_urgent=False
            )
            remaining_s = deadline_s - self._clock.monotonic_s()
            if page.rows or remaining_s <= 0:
                return page
            try:
                async with asyncio.timeout(remaining_s):  # wait_for of 3.11 can swallow a cancellation
                    await appended.wait()
            except TimeoutError:
                return page

    async def apply_ack(self, wire: bytes) -> AckApplied:
        """Mark what the centre acknowledged. Raises `AckRefused` unless it is signed, ours, and its head is our own hash."""
        ack = open_ack(wire, self._centre_key, self.source)
        now = self._clock.now()
        applied = await self._deliver(lambda connection: outbox.apply_ack(connection, ack, now))
        if self._database.is_short_of_space:
            await self._regain_space()
        elif self._purged_at is None or now - self._purged_at >= _PURGE_EVERY:
            await self.purge(_PURGE_AT_ONCE)
        return applied

    async def apply_command(self, wire: bytes) -> CommandResult:
        """Execute a command of the centre once. Raises `CommandRefused`."""
        command = open_command(wire, self._centre_key, self.source, self._clock.now())
        result = await self._deliver(lambda connection: outbox.run_command(connection, command))
        self._wake_readers()
        return result

    async def purge(self, limit: int | None = None) -> int:
        """Delete rows acknowledged longer ago than the settings keep them, never others; return how many. Receipts past their day go, too."""
        now = self._clock.now()
        self._purged_at = now
        await self._deliver(lambda connection: kept_receipts.purge(connection, now.date()))
        await self._deliver(lambda connection: passage_counts.purge(connection, now.date()))
        return await self._purge(now - timedelta(days=self._settings.keep_acknowledged_days), limit)

    async def position(self) -> ChainPosition:
        """Return where the chain stands, for a birth message."""
        return await self._database.write(outbox.position, is_urgent=False)

    async def report_link(self, report: LinkReport) -> None:
        """Note what `egate sync` says about the centre. When it comes back, what waited becomes backlog."""
        was_online, since, _ = self._link
        changed = report.centre_online != was_online
        self._link = (report.centre_online, self._clock.now() if changed else since, self._clock.monotonic_s())
        if changed and report.centre_online:
            await self._deliver(journal.become_backlog)
            self._wake_readers()

    async def link_state(self) -> LinkState:
        """Return how delivery stands. A silent `egate sync` counts as a centre that is away."""
        online, since, heard_s = self._link
        if online and self._clock.monotonic_s() - heard_s > _LINK_SILENT_S:
            online, since = False, self._clock.now()
            self._link = (online, since, heard_s)
        now = self._clock.now()
        return await self._database.write(
            lambda connection: outbox.link_state(connection, now, centre_online=online, since=since)
        )

    async def close(self) -> None:
        """Finish and give the store back."""
        await self._database.close()

    def _passed(self, connection: sqlite3.Connection, crossing: Crossing) -> None:
        document, declaration, at = crossing.document, crossing.declaration, crossing.occurred_at
        holder = None
        if document is not None:
            holder = self._holders.holder(document.issuing_state, document.document_number)
            stay, day = self.stays.passed(connection, crossing, holder), crossing.local_date
            if self.rescreening is not None:
                self.rescreening.rows.keep(connection, crossing, stay[0], holder)
            if crossing.receipt:
                until = day + timedelta(days=self._settings.keep_receipts_days)
                kept_receipts.keep(connection, str(crossing.crossing_id), holder, day, crossing.receipt, until)
            key = self._seal_key
            self._append(connection, at, lambda rid: records.stay_content(crossing, document, stay, key, rid))
        if declaration is not None and document is not None:
            usage = self._holders.usage(declaration.token_id, document.issuing_state, document.document_number)
            forgotten_at = declaration.expires_at + facts.TOKEN_GRACE
            lookups.consume_token(connection, usage, at, self.source, forgotten_at)
            if self.exchange is not None:
                self.exchange.tell_token(connection, at, usage, forgotten_at)
        if crossing.linked_to is not None:
            return  # the adult answers for the declaration, and for what is due
        if crossing.corridor is not Corridor.GREEN and holder is not None:
            self.selection.at_desk(connection, crossing, holder)
        if declaration is not None:
            key = self._seal_key
            self._append(connection, at, lambda rid: records.declaration_content(crossing, declaration, key, rid))
        self.desk.passed(connection, crossing, holder)

    def _append(
        self, connection: sqlite3.Connection, at: datetime, make_content: Callable[[uuid.UUID], RecordContent]
    ) -> int:
        return journal.append(connection, self._origin, make_content, at)

    async def _record(self, at: datetime, make_content: Callable[[uuid.UUID], RecordContent]) -> None:
        await self._write(lambda connection: self._append(connection, at, make_content))

    async def _write(self, work: Work[Answer], *, is_urgent: bool = True) -> Answer:
        """Do new work of the lane. On a disk that is short of space it is refused: what is free belongs to deliveries."""
        if self._database.is_short_of_space:
            raise StoreFault("the gate's disk is full", code=DISK_FULL)
        try:
            answer = await self._database.write(work, is_urgent=is_urgent)
        except (RecordRefused, ValueError) as refusal:
            what = str(refusal) if isinstance(refusal, RecordRefused) else "a value does not fit the record schema"
            raise StoreFault(f"not a record that the centre would take: {what}", code=NO_RECORD) from refusal
        self._wake_readers()
        return answer

    def _wake_readers(self) -> None:
        appended, self._appended = self._appended, asyncio.Event()
        appended.set()
        if self.exchange is not None:
            self.exchange.wake()

    async def _purge(self, before: datetime, limit: int | None = None) -> int:
        deleted = 0
        while limit is None or deleted < limit:  # small transactions, so that the lane can step in between
            count = await self._deliver(lambda connection: outbox.purge_some(connection, before, _PURGE_ROWS))
            deleted += count
            if count < _PURGE_ROWS:
                break
        return deleted

    async def _deliver(self, work: Work[Answer]) -> Answer:
        """Do what must be possible on a full disk: the ballast is freed for it, and for nothing else."""
        try:
            return await self._database.write(work, is_urgent=False)
        except StoreFault as fault:
            if fault.code != DISK_FULL:
                raise
        await asyncio.to_thread(self._database.release_ballast)
        await self._database.compact()
        return await self._database.write(work, is_urgent=False)

    async def _regain_space(self) -> None:
        """Give space back on a full disk: delivered rows go early, unsent ones never."""
        deleted = await self._purge(self._clock.now() + timedelta(seconds=1))
        await self._database.compact()
        _log.warning("store_short_of_space", acknowledged_rows_deleted_early=deleted)
