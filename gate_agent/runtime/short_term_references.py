"""Short-term references in the agent: kept at entry, used and shredded at exit, and whatever expires meanwhile destroyed in time.

The disk work runs in a thread. A fault here never decides about a traveller: without a reference the document's portrait is compared
as always. A destruction that the disk refused is owed and tried again every 20 s until it is done.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta

import structlog

from gate_agent.clock import Clock
from gate_agent.domain.identifiers import uuid7
from gate_agent.errors import StoreFault
from gate_agent.store.face_references import Destruction, FaceReferences, ShredReason

_SWEEP_S = 20.0  # a key is to be destroyed within 60 s of exit or expiry

Audit = Callable[[Destruction], None]
"""Hears of every destruction, for the audit log."""

log = structlog.get_logger()


class ShortTermReferences:
    """The agent's side of `FaceReferences`. `stay` is how long a reference is kept at most."""

    def __init__(self, references: FaceReferences, clock: Clock, stay: timedelta, audit: Audit | None = None) -> None:
        self._references = references
        self._clock = clock
        self._stay = stay
        self._audit = audit
        self._owed: set[tuple[str, str]] = set()

    async def entered(self, issuing_state: str, document_number: str, content: bytes | bytearray) -> bool:
        """Keep a reference of a holder who has entered; False when it could not be kept. `content` stays the caller's to overwrite."""
        now, holder = self._clock.now(), (issuing_state, document_number)
        try:
            kept = await asyncio.to_thread(self._references.put, holder, content, self._new_id(), now, now + self._stay)
        except StoreFault as fault:
            log.warning("face_reference_not_kept", code=fault.code)
            return False
        self._owed.discard(holder)  # keeping a new one has destroyed the old one
        self._tell(kept.destroyed)
        if kept.record_id is None:
            log.warning("face_references_full")
        return kept.record_id is not None

    async def reference_of(self, issuing_state: str, document_number: str) -> bytearray | None:
        """Return the content kept for a holder, the caller's to overwrite after use; None when there is none that can be used."""
        holder = (issuing_state, document_number)
        if holder in self._owed:
            return None
        try:
            found = await asyncio.to_thread(self._references.take, holder, self._clock.now())
        except StoreFault as fault:
            log.error("face_reference_not_usable", code=fault.code)
            return None
        return None if found is None else found.content

    async def left(self, issuing_state: str, document_number: str) -> None:
        """Destroy the reference of a holder who has left; if the disk refuses, it is owed and never used again."""
        self._owed.add((issuing_state, document_number))
        await self._settle()

    async def run(self) -> None:
        """Destroy what has expired and what is owed, until cancelled."""
        while True:
            await self.sweep()
            await asyncio.sleep(_SWEEP_S)

    async def sweep(self) -> None:
        """Destroy what has expired and what is owed, once."""
        await self._settle()
        try:
            self._tell(await asyncio.to_thread(self._references.shred_expired, self._clock.now()))
        except StoreFault as fault:
            log.error("face_references_not_shredded", code=fault.code)

    async def _settle(self) -> None:
        for holder in sorted(self._owed):
            if holder not in self._owed:  # came back meanwhile: his new reference is not owed
                continue
            try:
                facts = await asyncio.to_thread(self._references.shred, holder, self._clock.now(), ShredReason.EXIT)
            except StoreFault as fault:
                log.error("face_reference_not_shredded", code=fault.code)
                return
            self._owed.discard(holder)
            self._tell(facts)

    def _tell(self, facts: tuple[Destruction, ...]) -> None:
        for fact in facts:
            log.info("face_reference_destroyed", record_id=str(fact.record_id), reason=fact.reason)
            if self._audit is not None:
                self._audit(fact)

    def _new_id(self) -> uuid.UUID:
        return uuid7(int(self._clock.now().timestamp() * 1000))
