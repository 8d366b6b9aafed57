"""From the outbox to the broker: two lanes, each with its own window that only the centre's acknowledgements open.

Live goes first; backlog gets its turn after a short patience even when live never rests. A batch without acknowledgement is sent
again after a time that doubles up to 60 s. While the centre is away or silent, one probing batch at a time goes out per back-off
step: a stale word about the centre slows sending down and never stops it.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync.acks import AckApplied
from central_sync.envelope import Lane, seal_batch
from central_sync.handover import BatchPage, RecordSource
from central_sync.topics import LANES, GateAddress
from central_sync.transports import Publication, Transport

LONGEST_BACKOFF_S = 60.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """Windows and times; `jitter` returns a number in 0-1."""

    batch_records: int = 50
    window_batches: int = 20
    ack_timeout_s: float = 5.0
    backlog_patience_s: float = 0.1
    long_poll_s: float = 5.0
    monotonic_s: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random


@dataclass(slots=True)
class _InFlight:
    lane: Lane
    epoch: uuid.UUID
    unacked: set[int]
    publication: Publication
    deadline_s: float
    attempts: int = field(default=1)


def backoff_s(attempts: int, first_s: float, jitter: float) -> float:
    """Return how long to wait after the given number of attempts: doubling, capped at 60 s, between half and all of it."""
    longest = min(LONGEST_BACKOFF_S, first_s * 2.0 ** min(attempts - 1, 16))
    return longest * (0.5 + 0.5 * jitter)


class Uplink:
    """The sending half of one session with the broker. Made anew for each session: it starts from the lowest unacked place."""

    def __init__(
        self,
        address: GateAddress,
        source: RecordSource,
        transport: Transport,
        key: Ed25519PrivateKey,
        settings: UplinkSettings,
    ) -> None:
        self._address = address
        self._source = source
        self._transport = transport
        self._key = key
        self._settings = settings
        self._in_flight: list[_InFlight] = []
        self._after: dict[Lane, int] = {"live": 0, "backlog": 0}
        self._changed = asyncio.Event()
        self._live_is_busy = False
        self._is_announced_away = False
        self.has_acks = False
        # Held while new records go out: who holds it can publish a position that no later record overtakes.
        self.publishing = asyncio.Lock()

    @property
    def centre_is_away(self) -> bool:
        """True while the centre said so, or while a batch had to be sent again without an answer."""
        return self._is_announced_away or any(batch.attempts > 1 for batch in self._in_flight)

    async def run(self) -> None:
        """Send until the link or the agent is lost (`TransportFault`, in a group)."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_lane("live"))
            tasks.create_task(self._send_lane("backlog"))
            tasks.create_task(self._resend_late())

    def centre_announced(self, *, online: bool) -> None:
        """Note what the centre (or its will) said about itself."""
        self._is_announced_away = not online
        if online:
            self._hurry()
        self._changed.set()

    def acknowledged(self, applied: AckApplied) -> None:
        """Open the window for what the store accepted as acknowledged; an answer also proves that the centre is there."""
        self.has_acks = True
        self._is_announced_away = False
        for batch in self._in_flight:
            if batch.epoch == applied.epoch:
                for first, last in applied.ranges:
                    batch.unacked -= {seq for seq in batch.unacked if first <= seq <= last}
        self._in_flight = [batch for batch in self._in_flight if batch.unacked]
        self._hurry()
        self._changed.set()

    def rewind(self) -> None:
        """Read the outbox from its lowest unacked place again."""
        self._in_flight.clear()
        self._after = {"live": 0, "backlog": 0}
        self._changed.set()

    async def _send_lane(self, lane: Lane) -> None:
        while True:
            await self._turn(lane)
            if not any(batch.lane == lane for batch in self._in_flight):
                self._after[lane] = 0
            after_seq = self._after[lane]
            page = await self._source.next_batch(
                lane, self._settings.batch_records, after_seq, self._settings.long_poll_s
            )
            if lane == "live" and self._live_is_busy != bool(page.rows):
                self._live_is_busy = bool(page.rows)
                self._changed.set()
            if page.rows and self._after[lane] == after_seq:
                await self._send(lane, page)

    async def _send(self, lane: Lane, page: BatchPage) -> None:
        bodies = page.bodies()
        wire = seal_batch(page.source, page.epoch, lane, bodies, self._key)
        publication = Publication(self._address.topic(LANES[lane]), wire)
        self._after[lane] = bodies[-1].seq
        self._in_flight.append(
            _InFlight(lane, page.epoch, {row.seq for row in bodies}, publication, self._deadline_s(1))
        )
        async with self.publishing:
            await self._transport.publish(publication)

    async def _turn(self, lane: Lane) -> None:
        if lane == "backlog" and self._live_is_busy:
            try:
                async with asyncio.timeout(self._settings.backlog_patience_s):
                    await self._until(lambda: not self._live_is_busy)
            except TimeoutError:
                _log.debug("backlog_takes_its_turn")
        await self._until(lambda: self._has_room(lane))

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def _has_room(self, lane: Lane) -> bool:
        if self.centre_is_away:
            return not self._in_flight
        return sum(batch.lane == lane for batch in self._in_flight) < self._settings.window_batches

    def _hurry(self) -> None:
        for batch in self._in_flight:
            if batch.attempts > 1:
                batch.attempts = 1
                batch.deadline_s = min(batch.deadline_s, self._settings.monotonic_s() + self._settings.ack_timeout_s)

    async def _resend_late(self) -> None:
        while True:
            now_s = self._settings.monotonic_s()
            late = [batch for batch in self._in_flight if batch.deadline_s <= now_s]
            for batch in late[:1] if self.centre_is_away else late:
                batch.attempts += 1
                batch.deadline_s = self._deadline_s(batch.attempts)
                _log.info("batch_sent_again", lane=batch.lane, attempts=batch.attempts, records=len(batch.unacked))
                await self._transport.publish(batch.publication)
            if self.centre_is_away:
                for batch in late[1:]:  # one probe per step; the others wait for its turn to be over
                    batch.deadline_s = late[0].deadline_s
            next_s = min((batch.deadline_s for batch in self._in_flight), default=now_s + 0.5)
            await asyncio.sleep(min(0.5, max(0.01, next_s - self._settings.monotonic_s())))

    def _deadline_s(self, attempts: int) -> float:
        wait_s = backoff_s(attempts, self._settings.ack_timeout_s, self._settings.jitter())
        return self._settings.monotonic_s() + wait_s
