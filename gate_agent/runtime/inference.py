"""Face inference for the lanes: a small pool of worker processes behind plain coroutines, and the comparison itself.

A worker that dies, hangs or talks nonsense costs the one call it was serving (`InferenceFault`) and is replaced at once; repeated
failures are spaced by at most a second. Nothing here blocks the loop: frames travel as descriptors, answers as small packets.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import structlog

from gate_agent.clock import Clock
from gate_agent.errors import InferenceFault
from gate_agent.runtime.worker_process import REFUSED, TIMED_OUT, WorkerProcess
from gate_agent.settings import FaceSettings
from models import calibration
from models.errors import CalibrationRefused
from models.image_header import MAXIMUM_CONTENT_BYTES
from models.results import FaceComparison, FaceFinding, FaceSample, Features
from models.worker_messages import Sampled

_START_TIMEOUT_S = 30.0
_RETRY_S = (0.0, 0.1, 0.3, 1.0)
NOT_RUNNING, NO_CALIBRATION = "EG-INF-005", "EG-INF-006"

_Result = TypeVar("_Result")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FaceCapture:
    """A biometric sample and the picture of the face that a guard may see (240 x 320 JPEG); both die with the transaction."""

    sample: FaceSample
    portrait_jpeg: bytes | None


class FaceEngine:
    """Samples and compares faces. `start` first; every coroutine may raise `InferenceFault`."""

    def __init__(
        self, settings: FaceSettings, models_folder: Path, clock: Clock, *, worker_command: Sequence[str] | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._command = [
            *(worker_command or (sys.executable, "-I", "-m", "models.worker")),
            "--models",
            str(models_folder.absolute()),
            "--memory-bytes",
            str(settings.worker_memory_bytes),
            "--expected-face-px",
            str(settings.expected_face_px),
        ]
        self._idle: asyncio.Queue[WorkerProcess] = asyncio.Queue()
        self._workers: set[WorkerProcess] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watches: dict[WorkerProcess, asyncio.Task[Any]] = {}
        self._failures = 0
        self._is_running = False
        try:
            self._calibration: calibration.Calibration | None = calibration.calibration_for(
                calibration.shipped_identity()
            )
        except CalibrationRefused as refusal:
            self._calibration = None
            _log.warning("face_calibration_refused", code=refusal.code, reason=str(refusal))

    @property
    def calibration_id(self) -> str | None:
        """The calibration record that thresholds come from; None: no comparison may release anybody."""
        return None if self._calibration is None else self._calibration.calibration_id

    @property
    def worker_process_ids(self) -> tuple[int, ...]:
        """Process numbers of the workers that are ready or busy now."""
        return tuple(sorted(worker.process_id for worker in self._workers))

    async def start(self) -> None:
        """Start all workers; return when they are ready. Raises `InferenceFault` when one cannot start (models absent or altered)."""
        self._is_running = True
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._settings.workers):
                    group.create_task(self._admit())
        except BaseExceptionGroup as faults:
            await self.stop()
            raise next((fault for fault in faults.exceptions if isinstance(fault, InferenceFault)), faults) from None
        except asyncio.CancelledError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End every worker and wait until none is left."""
        self._is_running = False
        tasks, self._tasks = set(self._tasks), set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        workers, self._workers = set(self._workers), set()
        self._watches.clear()
        self._idle = asyncio.Queue()
        for worker in workers:
            await worker.end()

    async def reference(self, content: bytes) -> FaceCapture:
        """Return the sample of an encoded image (JPEG, PNG, JPEG 2000) such as a document's portrait.

        An image that is refused or broken is the finding REFUSED, not a fault.
        """
        if not 0 < len(content) <= MAXIMUM_CONTENT_BYTES:
            sample = FaceSample(
                FaceFinding.REFUSED, None, None, {}, {}, "MD-IMG-003 the encoded image is empty or too large"
            )
            return FaceCapture(sample, None)
        descriptor = os.memfd_create("reference", os.MFD_CLOEXEC)
        try:
            os.pwrite(descriptor, content, 0)
            return await self._sampled("sample_image", descriptor, size_bytes=len(content))
        finally:
            os.close(descriptor)

    async def probe(self, memfd: int, width_px: int, height_px: int) -> FaceCapture:
        """Return the sample of a BGR uint8 frame in the memory file `memfd`, which stays the caller's and is only read."""
        return await self._sampled("sample_frame", memfd, width_px=width_px, height_px=height_px)

    def compare(self, probe: Features, reference: Features) -> FaceComparison:
        """Return the comparison at the stated false match rate of the settings. Raises `InferenceFault` without a calibration."""
        if self._calibration is None:
            raise InferenceFault(
                "no calibration record holds for these models; faces are not compared", code=NO_CALIBRATION
            )
        try:
            return calibration.compare(probe, reference, self._calibration, self._settings.false_match_rate)
        except CalibrationRefused as refusal:
            raise InferenceFault(f"{refusal.code}: {refusal}", code=NO_CALIBRATION) from refusal

    async def _sampled(self, operation: str, descriptor: int, **values: int) -> FaceCapture:
        if not self._is_running:
            raise InferenceFault("the face engine is not running", code=NOT_RUNNING)
        queued_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(self._settings.worker_timeout_s):
                worker = await self._idle.get()
        except TimeoutError as error:
            raise InferenceFault("no inference worker became free in time", code=TIMED_OUT) from error
        queue_ms = round((self._clock.monotonic_s() - queued_s) * 1000, 2)
        try:
            worker.submit(operation, descriptor, **values)
        except InferenceFault as fault:
            self._failed(worker, fault)
            raise
        # the answer is awaited by itself: a caller that gives up must leave neither a stale answer nor a lost worker
        exchange = self._spawn(self._answered(worker))
        try:
            answer = await asyncio.shield(exchange)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if exchange.cancelled() and caller is not None and not caller.cancelling():
                raise InferenceFault("the face engine was stopped", code=NOT_RUNNING) from None
            raise
        sample = replace(answer.sample, step_ms={"queue": queue_ms, **answer.sample.step_ms})
        return FaceCapture(sample, answer.portrait_jpeg)

    async def _answered(self, worker: WorkerProcess) -> Sampled:
        try:
            answer = await worker.answer(self._settings.worker_timeout_s)
        except InferenceFault as fault:
            if fault.code == REFUSED:
                self._offer(worker)  # it said no in good order
            else:
                self._failed(worker, fault)
            raise
        self._failures = 0
        self._offer(worker)
        return answer

    def _offer(self, worker: WorkerProcess) -> None:
        if worker in self._workers:
            self._idle.put_nowait(worker)

    def _failed(self, worker: WorkerProcess, fault: InferenceFault) -> None:
        self._replace(worker)
        _log.warning("inference_worker_failed", code=fault.code, reason=str(fault), process_id=worker.process_id)

    async def _admit(self) -> None:
        """Start one worker and offer it to callers."""
        started_s = self._clock.monotonic_s()
        worker = await WorkerProcess.start(self._command, _START_TIMEOUT_S)
        if not self._is_running:
            await worker.end()
            return
        self._workers.add(worker)
        self._watches[worker] = self._spawn(self._watch(worker))
        self._idle.put_nowait(worker)
        start_s = round(self._clock.monotonic_s() - started_s, 3)
        _log.info("inference_worker_ready", process_id=worker.process_id, start_s=start_s)

    async def _watch(self, worker: WorkerProcess) -> None:
        """Replace a worker that ends while nobody asks it anything."""
        status = await worker.died()
        if worker in self._workers:
            self._replace(worker)
            _log.warning("inference_worker_ended", process_id=worker.process_id, exit_status=status)

    def _replace(self, worker: WorkerProcess) -> None:
        if worker not in self._workers:
            return
        self._workers.discard(worker)
        self._watches.pop(worker, None)
        waiting = [self._idle.get_nowait() for _ in range(self._idle.qsize())]
        for other in waiting:
            if other is not worker:
                self._idle.put_nowait(other)
        self._spawn(self._replaced(worker))

    async def _replaced(self, worker: WorkerProcess) -> None:
        await worker.end()
        while self._is_running:
            await asyncio.sleep(_RETRY_S[min(self._failures, len(_RETRY_S) - 1)])
            self._failures += 1
            try:
                await self._admit()
            except InferenceFault as fault:
                _log.error("inference_worker_not_started", code=fault.code, reason=str(fault))
                continue
            return

    def _spawn(self, work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        """Run something beside the caller, tied to this engine's life."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None and not isinstance(fault, InferenceFault):
            _log.error("inference_task_failed", code=InferenceFault.code, reason=repr(fault))
