"""Judging pages for the lanes: one worker that looks at pictures, and the one that holds the trust bundle for the seals in them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from gate_agent.clock import Clock
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.mrz import read_mrz
from gate_agent.inspection.chip_authenticity_messages import PAGE, Judged, PageEvidence, encode_page
from gate_agent.inspection.page_checks import PageLimits
from gate_agent.runtime.chip_inspection import ChipInspectionEngine
from gate_agent.runtime.chip_inspection_process import InspectionProcess
from gate_agent.runtime.kept_worker import START_TIMEOUT_S, KeptWorker

MEMORY_BYTES = 1_500_000_000
ANSWER_TIMEOUT_S = 6.0


class PageInspectionEngine(KeptWorker):
    """Looks at pictures out of process. `start` first."""

    def __init__(
        self,
        limits: PageLimits,
        *,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        memory_bytes: int = MEMORY_BYTES,
        worker_command: Sequence[str] | None = None,
    ) -> None:
        """Prepare."""
        super().__init__(answer_timeout_s)
        command = worker_command or (sys.executable, "-I", "-m", "gate_agent.runtime.page_worker")
        self._command = [*command, "--limits", json.dumps(asdict(limits)), "--memory-bytes", str(memory_bytes)]

    async def _renew(self) -> None:
        worker = await InspectionProcess.start(self._command, START_TIMEOUT_S)
        if self._is_running:
            self._admit(worker)
        else:
            await worker.end()

    async def look(self, evidence: PageEvidence, now: datetime) -> Judged:
        """Judge the pictures of one page. Raises `InspectionFault`."""
        return await self._asked(PAGE, now, encode_page(evidence))


class PageInspector:
    """Implements `lane.ports.OpticalInspector` for the lanes whose reader takes the `expected` pictures."""

    def __init__(
        self, pages: PageInspectionEngine, seals: ChipInspectionEngine, clock: Clock, expected: frozenset[str]
    ) -> None:
        self._pages = pages
        self._seals = seals
        self._clock = clock
        self._expected = expected

    async def page(self, images: Mapping[str, bytes], lines: tuple[str, ...]) -> tuple[CheckResult, ...]:
        """Judge encoded pictures by role against the zone that was read, and the digital seals that the white one shows."""
        now = self._clock.now()
        judged = await self._pages.look(PageEvidence(images, lines, self._expected), now)
        if any(result.check is CheckName.VISIBLE_SEAL for result in judged.results):
            return judged.results
        if not judged.seals:
            return (*judged.results, CheckResult(CheckName.VISIBLE_SEAL, CheckOutcome.NOT_SUPPORTED))
        document = read_mrz(lines, now.date()).document
        return (*judged.results, *await self._seals.seals(judged.seals, document, now))
