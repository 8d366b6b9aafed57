"""One inspection worker that is always there: started, asked one thing at a time, replaced when it dies, hangs or answers nonsense."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from datetime import datetime

import structlog

from gate_agent.errors import InspectionFault
from gate_agent.inspection.chip_authenticity_messages import LARGEST_EVIDENCE_BYTES, Judged
from gate_agent.runtime.background_tasks import BackgroundTasks
from gate_agent.runtime.chip_inspection_process import NOT_RUNNING, REFUSED, TIMED_OUT, InspectionProcess

START_TIMEOUT_S = 20.0
_RETRY_S = (0.0, 0.1, 0.3, 1.0)

_log = structlog.get_logger(__name__)


class KeptWorker(ABC):
    """An engine around one worker. `start` first; every question may raise `InspectionFault`, and nothing here blocks the loop."""

    def __init__(self, answer_timeout_s: float) -> None:
        self._timeout_s = answer_timeout_s
        self._worker: InspectionProcess | None = None
        self._arrived = asyncio.Event()
        self._beside = BackgroundTasks(self._task_failed)
        self._is_running = False

    @property
    def worker_process_id(self) -> int | None:
        """Process number of the worker that judges now."""
        return self._worker.process_id if self._worker is not None else None

    async def start(self) -> None:
        """Start the worker. Raises `InspectionFault` when none can be started at all."""
        self._is_running = True
        try:
            await self._renew()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the worker and wait until it is gone."""
        self._is_running = False
        await self._beside.cancel()
        worker, self._worker = self._worker, None
        self._arrived.clear()
        if worker is not None:
            await worker.end()

    @abstractmethod
    async def _renew(self) -> None:
        """Start a worker and admit it. Raises `InspectionFault`."""

    async def _asked(self, operation: str, now: datetime, content: bytes) -> Judged:
        """Return the worker's judgement of evidence. Raises `InspectionFault`."""
        if not self._is_running:
            raise InspectionFault("the inspection is not running", code=NOT_RUNNING)
        if not 0 < len(content) <= LARGEST_EVIDENCE_BYTES:
            raise InspectionFault(f"evidence of {len(content)} bytes", code=REFUSED)
        # the exchange runs by itself: a caller that gives up must leave neither a stale answer nor a lost worker
        exchange = self._beside.spawn(self._exchanged(operation, now, content))
        try:
            return await asyncio.shield(exchange)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if exchange.cancelled() and caller is not None and not caller.cancelling():
                raise InspectionFault("the inspection was stopped", code=NOT_RUNNING) from None
            raise

    async def _exchanged(self, operation: str, now: datetime, content: bytes) -> Judged:
        worker = await self._ready_worker()
        async with worker.turn:
            try:
                return await worker.judged(operation, now, content, self._timeout_s)
            except InspectionFault as fault:
                _log.warning("inspection_worker_failed", code=fault.code, reason=str(fault))
                self._lose(worker)
                raise
            except asyncio.CancelledError:
                self._lose(worker)
                raise

    async def _ready_worker(self) -> InspectionProcess:
        try:
            async with asyncio.timeout(self._timeout_s):
                while self._worker is None:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError as error:
            raise InspectionFault("no inspection worker became ready in time", code=TIMED_OUT) from error
        return self._worker

    def _admit(self, worker: InspectionProcess) -> None:
        """Have this worker judge from now on."""
        self._worker = worker
        self._arrived.set()
        self._beside.spawn(self._mourned(worker))

    async def _mourned(self, worker: InspectionProcess) -> None:
        """Replace a worker that ends by itself."""
        status = await worker.died()
        if self._worker is worker:
            _log.warning("inspection_worker_ended", process_id=worker.process_id, exit_status=status)
            self._lose(worker)

    def _lose(self, worker: InspectionProcess) -> None:
        if self._worker is not worker:
            return
        self._worker = None
        self._arrived.clear()
        self._beside.spawn(worker.end())
        if self._is_running:
            self._beside.spawn(self._replaced())

    async def _replaced(self) -> None:
        for attempt in range(1_000_000):
            await asyncio.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
            try:
                if self._worker is None:
                    await self._renew()
            except InspectionFault as fault:
                _log.error("inspection_worker_not_started", code=fault.code, reason=str(fault))
                continue
            return

    @staticmethod
    def _task_failed(raised: BaseException) -> None:
        if not isinstance(raised, InspectionFault):  # those were told to whoever asked
            _log.error("inspection_task_failed", code=InspectionFault.code, reason=repr(raised))
