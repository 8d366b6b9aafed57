"""Judging chips for the lanes: one inspection worker behind plain coroutines, replaced after a fault and when the trust bundle changes.

Nothing here blocks the loop: evidence travels as a memory file, verdicts as small packets. A bundle that is absent or not believed does not
stop the gate: its checks stay undetermined, and the log says why. A version older than one that was in force here is never taken.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import structlog

from drivers.contracts import ChipEvidence
from gate_agent.clock import Clock
from gate_agent.domain.check import CheckResult
from gate_agent.domain.states import three_letter
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.errors import InspectionFault
from gate_agent.inspection.chip_authenticity_messages import (
    CHIP,
    SEALS,
    SECURITY_OBJECT,
    encode_evidence,
    encode_seals,
)
from gate_agent.inspection.trust_versions import CURRENT
from gate_agent.lane.ports import ChipInspection
from gate_agent.runtime.chip_inspection_process import InspectionProcess
from gate_agent.runtime.kept_worker import START_TIMEOUT_S, KeptWorker

MEMORY_BYTES = 268_435_456
ANSWER_TIMEOUT_S = 2.0
WATCH_INTERVAL_S = 10.0

_log = structlog.get_logger(__name__)


class ChipInspectionEngine(KeptWorker):
    """Implements `lane.ports.ChipInspector`, and judges the digital seals of a page by the same certificates."""

    def __init__(
        self,
        trust: Path,
        officers: Callable[[], Mapping[str, bytes]] | None,
        age_limit_days: float,
        clock: Clock,
        *,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        memory_bytes: int = MEMORY_BYTES,
        worker_command: Sequence[str] | None = None,
    ) -> None:
        """Prepare. `officers` answers with the raw Ed25519 public keys of those who may sign bundles, by id; None: any folder is believed."""
        super().__init__(answer_timeout_s)
        self._trust = trust
        self._officers = officers
        self._age_limit_days = age_limit_days
        self._clock = clock
        self._memory_bytes = memory_bytes
        self._command = tuple(worker_command or (sys.executable, "-I", "-m", "gate_agent.inspection.worker"))
        self._reloading = asyncio.Lock()
        self._highest_version = 0
        self._covered: frozenset[str] | None = None
        self._seen: object = None

    @property
    def covered_states(self) -> frozenset[str] | None:
        """Issuing states (ICAO codes) whose chips can be proven here; None: there is no bundle, nobody's can."""
        return self._covered

    @property
    def version(self) -> int:
        """The version of the bundle in force, 0 without one."""
        return self._worker.ready.version if self._worker is not None else 0

    @property
    def refusal(self) -> str:
        """Why there is no bundle; empty when there is one."""
        return self._worker.ready.refusal if self._worker is not None else "the inspection worker is not running"

    async def start(self) -> None:
        """Start the worker and the watch over the trust folder. Raises `InspectionFault` when a worker cannot be started at all."""
        await super().start()
        self._beside.spawn(self._watched())

    async def stop(self) -> None:
        """End the worker and wait until it is gone."""
        await super().stop()
        self._covered = None

    async def _renew(self) -> None:
        """Start another worker. The covered states stay as they were meanwhile."""
        await self.reload()

    async def reload(self) -> bool:
        """Put the bundle that lies in the trust folder now in force; return whether there is one.

        A bundle that is not believed replaces none that was: the one in force stays, ages and becomes stale.
        """
        async with self._reloading:
            self._seen = self._signature()
            started_s = self._clock.monotonic_s()
            worker = await InspectionProcess.start(self._arguments(), START_TIMEOUT_S)
            ready, held = worker.ready, self._worker
            if not self._is_running:
                await worker.end()
                return False
            if ready.refusal:
                _log.error("trust_bundle_refused", code="EG-INS-007", reason=ready.refusal)
                if held is not None and not held.ready.refusal:
                    await worker.end()
                    return False
            else:
                _log.info(
                    "trust_bundle_in_force",
                    version=ready.version,
                    certificates=ready.certificates,
                    skipped=ready.skipped,
                    start_s=round(self._clock.monotonic_s() - started_s, 3),
                )
            self._admit(worker)
        if held is not None:
            self._beside.spawn(self._retired(held))
        return not ready.refusal

    async def security_object(self, content: bytes, now: datetime) -> tuple[CheckResult, ...]:
        """Judge EF.SOD alone: signature, chain, revocation."""
        return (await self._asked(SECURITY_OBJECT, now, content)).results

    async def chip(self, evidence: ChipEvidence, document: TravelDocument | None, now: datetime) -> ChipInspection:
        """Judge everything a read gave; what was not read is aborted or undetermined, never successful."""
        judged = await self._asked(CHIP, now, encode_evidence(evidence, document))
        portrait = None
        if judged.portrait is not None:
            begin, end = judged.portrait
            portrait = evidence.files.get("DG2", b"")[begin:end] or None
        return ChipInspection(judged.results, judged.mrz_lines, portrait)

    async def seals(
        self, contents: Sequence[bytes], document: TravelDocument | None, now: datetime
    ) -> tuple[CheckResult, ...]:
        """Judge the digital seals that were found on a page, beside its printed zone."""
        return (await self._asked(SEALS, now, encode_seals(contents, document))).results

    def _admit(self, worker: InspectionProcess) -> None:
        ready = worker.ready
        self._highest_version = max(self._highest_version, ready.version)
        self._covered = None if ready.refusal else frozenset().union(*map(three_letter, ready.countries))
        super()._admit(worker)

    async def _retired(self, worker: InspectionProcess) -> None:
        """End a worker whose bundle was replaced, once it has answered."""
        async with worker.turn:
            await worker.end()

    async def _watched(self) -> None:
        """Take a new bundle, or a new roll of officers, as soon as it is there."""
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            if self._worker is not None and self._signature() != self._seen:
                try:
                    await self.reload()
                except InspectionFault as fault:
                    _log.error("inspection_worker_not_started", code=fault.code, reason=str(fault))

    def _signature(self) -> object:
        """Return what changes when another version is put in force: where the link points, and who may sign."""
        try:
            place = str((self._trust / CURRENT).readlink())
        except OSError:
            place = ""
        return place, None if self._officers is None else dict(self._officers())

    def _arguments(self) -> list[str]:
        arguments = [*self._command, "--trust", str(self._trust), "--age-limit-days", str(self._age_limit_days)]
        arguments += ["--lowest-version", str(self._highest_version), "--memory-bytes", str(self._memory_bytes)]
        if self._officers is None:
            return [*arguments, "--unsigned"]
        for name, key in self._officers().items():
            arguments += ["--officer", f"{name}={key.hex()}"]
        return arguments
