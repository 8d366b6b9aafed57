"""Reports of seals as the post hands them to its gates: whatever the driver contract says of one, in order, signed page by page."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import TypeAdapter

from central_sync import signed, strict_json
from central_sync.post.messages import SEALS_PURPOSE, SealNotice, SealPage
from drivers import contracts as dc
from gate_agent.clock import Clock
from gate_agent.errors import StoreFault
from gate_agent.store.seal_book import KeptReport, NewReport, SealBook

_MOST_WAITING = 10_000

log = structlog.get_logger()
_SEAL_REPORT = TypeAdapter(dc.SealReported)


class SealPages:
    """`runtime.post_api.SealSource` over the book."""

    def __init__(self, book: SealBook, key: Ed25519PrivateKey, clock: Clock) -> None:
        self._book = book
        self._key = key
        self._clock = clock
        self._appended = asyncio.Event()
        self.disk_fault = ""
        self._waiting: deque[NewReport] = deque(maxlen=_MOST_WAITING)

    def keep(self, event: dc.DeviceEvent, report: dc.SealReported) -> None:
        """Keep a report. What the disk refuses waits in memory; `disk_fault` says so until it is kept."""
        content = strict_json.dumps(_SEAL_REPORT.dump_python(report, mode="json"))
        if len(self._waiting) == self._waiting.maxlen:
            log.error("seal_report_lost", device=self._waiting[0].device)
        self._waiting.append(NewReport(report.seal_id, report.kind, report.is_alarm, event.device, content, event.raw))
        self.keep_waiting()

    def keep_waiting(self) -> None:
        """Keep what the disk refused before."""
        try:
            while self._waiting:
                self._book.keep(self._waiting[0])
                self._waiting.popleft()
                appended, self._appended = self._appended, asyncio.Event()
                appended.set()
        except StoreFault as fault:
            log.error("seal_report_not_kept", waiting=len(self._waiting), code=fault.code)
            self.disk_fault = fault.code
        else:
            self.disk_fault = ""

    async def page(self, generation: uuid.UUID | None, after: int, limit: int, wait_s: float) -> bytes:
        """Return a signed page; wait up to `wait_s` for the first report. Raises `StoreFault`."""
        appended = self._appended
        page = self._page(generation, after, limit)
        if not page.notices and page.generation == generation and wait_s > 0:
            try:
                async with asyncio.timeout(wait_s):
                    await appended.wait()
            except TimeoutError:
                pass  # an empty page says that nothing happened
            page = self._page(generation, after, limit)
        return signed.sign(SEALS_PURPOSE, page.model_dump_json().encode(), self._key)

    def _page(self, generation: uuid.UUID | None, after: int, limit: int) -> SealPage:
        is_known = generation == self._book.generation and after <= self._book.last
        found = self._book.after(after if is_known else None, limit)
        return SealPage(
            generation=self._book.generation,
            after=after if is_known else 0,
            through=found.through,
            gap=found.is_thinned and is_known,
            notices=[self._notice(report) for report in found.reports],
        )

    def _notice(self, report: KeptReport) -> SealNotice:
        content = strict_json.load_object(report.content)
        age_s = max(0.0, (self._clock.now() - report.received_at).total_seconds())
        return SealNotice(seq=report.seq, device=report.device, age_s=age_s, report=content)
