"""Ingest: verify, parse, commit, and only then acknowledge. Several batches that wait together share one commit."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync.acks import Ack, sign_ack
from central_sync.centre.directory import GateDirectory
from central_sync.centre.ledger import Ledger, Verdict
from central_sync.envelope import Batch, open_batch, runs_of
from central_sync.errors import EnvelopeRefused, IdentityFault, LedgerFault
from central_sync.topics import GateAddress, address_of
from central_sync.transports import Publication

MAX_BATCHES_PER_COMMIT = 16
ENVELOPE_REFUSED = "batch_refused"

_WAITING_LIMIT = 1_000
_ALARM_PAUSE = timedelta(seconds=10)
_log = structlog.get_logger(__name__)


class Ingest:
    """Takes wire bytes of batches; `publish` gets acknowledgements after the commit."""

    def __init__(
        self,
        ledger: Ledger,
        directory: GateDirectory,
        centre_key: Ed25519PrivateKey,
        publish: Callable[[Publication], Awaitable[None]],
        now: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._directory = directory
        self._centre_key = centre_key
        self._publish = publish
        self._now = now
        self._waiting: asyncio.Queue[tuple[GateAddress, bytes]] = asyncio.Queue(_WAITING_LIMIT)
        self._alarmed: dict[tuple[str, str], datetime] = {}

    def offer(self, address: GateAddress, wire: bytes) -> None:
        """Queue a batch. When too many wait, it is dropped: the gate sends it again."""
        try:
            self._waiting.put_nowait((address, wire))
        except asyncio.QueueFull:
            _log.warning("ingest_full_batch_dropped", gate=address.source)

    async def run(self) -> None:
        """Take batches in until cancelled. `TransportFault` leaves when an acknowledgement cannot be handed over."""
        while True:
            wires = [await self._waiting.get()]
            while len(wires) < MAX_BATCHES_PER_COMMIT and not self._waiting.empty():
                wires.append(self._waiting.get_nowait())
            await self.take_in(wires)

    async def take_in(self, wires: Sequence[tuple[GateAddress, bytes]]) -> None:
        """Take several batches in: one commit, then the acknowledgements."""
        try:
            answers = await asyncio.to_thread(self._store, wires)
        except LedgerFault as fault:
            _log.error("ledger_fault_nothing_acknowledged", code=fault.code, why=str(fault))
            return
        for publication in answers:
            await self._publish(publication)

    def _store(self, wires: Sequence[tuple[GateAddress, bytes]]) -> list[Publication]:
        batches: list[Batch] = []
        for address, wire in wires:
            try:
                batches.append(open_batch(wire, self._directory.key(address), address.source))
            except (EnvelopeRefused, IdentityFault) as refusal:
                self._refused(address, refusal)
        if not batches:
            return []
        verdicts = self._ledger.store(batches, self._now())
        return self._answers(batches, verdicts)

    def _refused(self, address: GateAddress, refusal: EnvelopeRefused | IdentityFault) -> None:
        _log.warning("batch_refused", gate=address.source, code=refusal.code, why=str(refusal))
        if isinstance(refusal, IdentityFault):
            return  # anybody can write to an unknown gate's topic: it must not fill the database
        now = self._now()
        last = self._alarmed.get((address.source, refusal.code))
        if last is None or now - last >= _ALARM_PAUSE:
            self._alarmed[address.source, refusal.code] = now
            self._ledger.raise_alarm(address.source, ENVELOPE_REFUSED, refusal.code, str(refusal), now)

    def _answers(self, batches: Sequence[Batch], verdicts: Sequence[Sequence[Verdict]]) -> list[Publication]:
        """One acknowledgement per gate, epoch and verdict, however many batches shared the commit."""
        groups: dict[tuple[str, uuid.UUID, Literal["stored", "quarantined"], str], dict[int, bytes]] = {}
        for batch, rows in zip(batches, verdicts, strict=True):
            for verdict in rows:
                group = groups.setdefault((batch.source, batch.epoch, verdict.status, verdict.reason), {})
                group[verdict.seq] = verdict.hash
        return [
            Publication(address_of(source).topic("down/ack"), self._ack(source, epoch, status, reason, hashes))
            for (source, epoch, status, reason), hashes in groups.items()
        ]

    def _ack(
        self,
        source: str,
        epoch: uuid.UUID,
        status: Literal["stored", "quarantined"],
        reason: str,
        hashes: dict[int, bytes],
    ) -> bytes:
        ack = Ack(
            source=source,
            epoch=epoch,
            ranges=runs_of(sorted(hashes)),
            status=status,
            head=hashes[max(hashes)].hex(),
            centre_time=self._now(),
            reason=reason,
        )
        return sign_ack(ack, self._centre_key)
