"""Face inference for the lanes: a small pool of worker processes behind plain coroutines.

Features never come here: a transaction's reference and probe live in one worker, which compares them and is told to forget them. So
a transaction stays with the worker that took its reference. A worker that dies, hangs or talks nonsense costs the transactions it
held (`InferenceFault`, until they are forgotten or take their reference again) and is replaced at once by one with the same models
and thresholds; repeated failures are spaced by at most a second. Nothing here blocks the loop: frames travel as descriptors,
answers as small packets.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from drivers.channels import Channel
from drivers.contracts import FrameCaptured
from gate_agent.clock import Clock
from gate_agent.errors import InferenceFault
from gate_agent.runtime.background_tasks import BackgroundTasks
from gate_agent.runtime.cohort_sums import CohortSumsFolder
from gate_agent.runtime.face_choice import choice_of, evaluation_arguments, worker_arguments
from gate_agent.runtime.face_monitoring import PersonKeys
from gate_agent.runtime.worker_process import DIED, NONSENSE, NOT_STARTED, REFUSED, TIMED_OUT, WorkerProcess
from gate_agent.settings import FaceSettings
from models.errors import CalibrationRefused
from models.image_header import MAXIMUM_CONTENT_BYTES
from models.non_mated_cache import NonMatedCounts
from models.results import FaceComparison, FaceFinding, FaceSample
from models.site_cohort import LARGEST_SUMS_BYTES
from models.worker_messages import Done, Ready, Sampled

_START_TIMEOUT_S = 30.0
_RETRY_S = (0.0, 0.1, 0.3, 1.0)
NOT_RUNNING = "EG-INF-005"
_BESIDE = {"infrared": Channel.NEAR_INFRARED, "depth": Channel.DEPTH}
"""The worker's names of the channels, in the order that it expects their files in."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FaceCapture:
    """A biometric sample and the picture of the face that a guard may see (240 x 320 JPEG); both die with the transaction."""

    sample: FaceSample
    portrait_jpeg: bytes | None
    comparison: FaceComparison | None = None


class FaceEngine:
    """Samples and compares faces. `start` first; every coroutine may raise `InferenceFault`."""

    def __init__(
        self,
        settings: FaceSettings,
        models_folder: Path,
        clock: Clock,
        *,
        state_folder: Path | None = None,
        worker_command: Sequence[str] | None = None,
    ) -> None:
        """Prepare. Sums of the site's cohort, where they are switched on, are kept in `state_folder`."""
        self._settings = settings
        self._sums = None if state_folder is None else CohortSumsFolder(state_folder)
        self._clock = clock
        self._command = [
            *(worker_command or (sys.executable, "-I", "-m", "models.worker")),
            "--memory-bytes",
            str(settings.worker_memory_bytes),
            *worker_arguments(choice_of(settings, models_folder)),
            *evaluation_arguments(settings),
        ]
        self._workers: set[WorkerProcess] = set()
        self._holders: dict[uuid.UUID, WorkerProcess] = {}
        self._arrived = asyncio.Event()
        self._ready: Ready | None = None
        self._person_keys = PersonKeys()
        self._beside = BackgroundTasks(self._task_failed)
        self._watches: dict[WorkerProcess, asyncio.Task[Any]] = {}
        self._failures = 0
        self._is_running = False

    @property
    def calibration_id(self) -> str | None:
        """The calibration record that thresholds come from; None: no comparison may release anybody."""
        return (self._ready.calibration_id or None) if self._ready else None

    @property
    def minimum_age_years(self) -> int:
        """The youngest age that the calibration record covers."""
        return self._ready.minimum_age_years if self._ready else 0

    @property
    def watched_thresholds(self) -> tuple[tuple[float, float], ...]:
        """The scores from which probes of one frame, and of several, match: at each rate that is counted at, the deciding one first."""
        return self._ready.watched_thresholds if self._ready else ()

    @property
    def worker_process_ids(self) -> tuple[int, ...]:
        """Process numbers of the workers that are ready or busy now."""
        return tuple(sorted(worker.process_id for worker in self._workers))

    async def start(self) -> None:
        """Start all workers; return when they are ready. Raises `InferenceFault` when one cannot start (models absent or altered)."""
        self._is_running, self._ready = True, None
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
        await self._beside.cancel()
        workers, self._workers = set(self._workers), set()
        self._watches.clear()
        self._holders.clear()
        for worker in workers:
            await worker.end()

    async def reference(self, transaction_id: uuid.UUID, content: bytes | bytearray) -> FaceCapture:
        """Return the look at an encoded image (JPEG, PNG, JPEG 2000) such as a document's portrait, kept as the reference.

        An image that is refused or broken is the finding REFUSED, not a fault.
        """
        return await self._encoded("reference", transaction_id, content)

    async def picture(self, transaction_id: uuid.UUID, content: bytes) -> FaceCapture:
        """Return the look at an encoded image and its comparison with the transaction's reference, by itself."""
        return await self._encoded("picture", transaction_id, content)

    async def probe(
        self,
        transaction_id: uuid.UUID,
        memfd: int,
        width_px: int,
        height_px: int,
        t_mono_s: float,
        camera: int = 0,
        *,
        beside: Sequence[FrameCaptured] = (),
    ) -> FaceCapture:
        """Return the look at a BGR uint8 frame in the memory file `memfd`, which stays the caller's and is only read.

        So do those `beside` it: the same moment and view in near infrared and in depth, at most one of each. Frames of another `camera`
        number are of another view. While a calibration record is in force, a face that was not compared under it is a fault.
        """
        named = {name: frame for name, channel in _BESIDE.items() for frame in beside if frame.channel is channel}
        sizes = {name: [frame.width_px, frame.height_px] for name, frame in named.items()}
        files = [memfd, *(frame.memfd for frame in named.values())]
        capture = await self._looked(
            "probe",
            transaction_id,
            files,
            width_px=width_px,
            height_px=height_px,
            t_mono_s=t_mono_s,
            camera=camera,
            **sizes,
        )
        record_id = capture.comparison.calibration_id if capture.comparison else None
        if capture.sample.finding is FaceFinding.FOUND and record_id != self.calibration_id:
            raise InferenceFault("a face was not compared under the record in force", code=NONSENSE)
        return capture

    async def evaluate(
        self, transaction_id: uuid.UUID, own_key: bytes, groups: Sequence[int] = ()
    ) -> NonMatedCounts | None:
        """Return what the transaction's probe gave against cached references of others; its own joins them.

        None where there is nothing to compare any more, and where its worker is busy: evaluation waits for nobody. `own_key` are
        16 to 64 opaque bytes that stand for the document's holder, `groups` one number per dimension.
        """
        worker = self._holders.get(transaction_id)
        if worker is None or worker not in self._workers or worker.turn.locked():
            return None
        asked: dict[str, str | list[int]] = {"own_key": own_key.hex(), "groups": list(groups)}
        answer = await self._exchanged(worker, "evaluate", transaction_id, (), **asked)
        if not isinstance(answer, Done):
            raise InferenceFault("the worker answered another question", code=NONSENSE)
        if answer.counts.get("evaluated") == 0:
            return None
        try:
            return NonMatedCounts.of_table(answer.counts)
        except ValueError as error:
            raise InferenceFault(f"the worker counted nonsense: {error}", code=NONSENSE) from error

    async def forget(self, transaction_id: uuid.UUID, holder: tuple[str, str] | None = None) -> None:
        """Have the worker overwrite what it holds of a transaction; a worker that cannot is ended, which forgets as well."""
        worker = self._holders.pop(transaction_id, None)
        if worker is None or worker not in self._workers:
            return
        try:
            counted = self._sums is not None and holder is not None
            name = self._person_keys.key_of(*holder).hex() if counted and holder else ""
            answer = await self._exchanged(worker, "forget", transaction_id, (), holder=name)
        except InferenceFault as fault:
            if fault.code != NOT_RUNNING:
                self._failed(worker, fault)
            return
        if self._sums is not None and isinstance(answer, Done) and answer.counts.get("sums_due"):
            self._beside.spawn(self._collected(worker, self._sums))

    async def _collected(self, worker: WorkerProcess, folder: CohortSumsFolder) -> None:
        """Add a worker's sums to the site's; sums that cannot be kept are lost, and said to be."""
        descriptor = os.memfd_create("sums", os.MFD_CLOEXEC)
        try:
            answer = await self._exchanged(worker, "sums", uuid.UUID(int=0), [descriptor])
            size_bytes = answer.counts.get("sums_bytes") if isinstance(answer, Done) else None
            if type(size_bytes) is not int or not 0 <= size_bytes <= LARGEST_SUMS_BYTES:
                raise InferenceFault("the worker answered another question", code=NONSENSE)
            if size_bytes:
                people = await asyncio.to_thread(folder.add, os.pread(descriptor, size_bytes, 0))
                _log.info("cohort_sums_added", people=people)
        except (CalibrationRefused, OSError) as error:
            _log.warning("cohort_sums_lost", why=str(error))
        finally:
            os.close(descriptor)

    async def _encoded(self, operation: str, transaction_id: uuid.UUID, content: bytes | bytearray) -> FaceCapture:
        if not 0 < len(content) <= MAXIMUM_CONTENT_BYTES:
            if operation == "reference":
                await self.forget(transaction_id)  # no earlier reference stands in for one that is refused
            sample = FaceSample(
                FaceFinding.REFUSED, None, None, {}, {}, "MD-IMG-003 the encoded image is empty or too large"
            )
            return FaceCapture(sample, None)
        descriptor = os.memfd_create(operation, os.MFD_CLOEXEC)
        try:
            os.pwrite(descriptor, content, 0)
            return await self._looked(operation, transaction_id, [descriptor], size_bytes=len(content))
        finally:
            os.pwrite(descriptor, bytes(len(content)), 0)
            os.close(descriptor)

    async def _looked(
        self, operation: str, transaction_id: uuid.UUID, descriptors: Sequence[int], **values: float | list[int]
    ) -> FaceCapture:
        queued_s = self._clock.monotonic_s()
        worker = await self._holder(transaction_id, takes_reference=operation == "reference")
        answer = await self._exchanged(worker, operation, transaction_id, descriptors, **values)
        if not isinstance(answer, Sampled):
            raise InferenceFault("the worker answered another question", code=NONSENSE)
        total_ms = (self._clock.monotonic_s() - queued_s) * 1000
        queue_ms = round(max(total_ms - sum(answer.sample.step_ms.values()), 0.0), 2)
        sample = replace(answer.sample, step_ms={"queue": queue_ms, **answer.sample.step_ms})
        return FaceCapture(sample, answer.portrait_jpeg, answer.comparison)

    async def _holder(self, transaction_id: uuid.UUID, *, takes_reference: bool) -> WorkerProcess:
        """Return the worker that holds a transaction, the least burdened one for a new one."""
        if not self._is_running:
            raise InferenceFault("the face engine is not running", code=NOT_RUNNING)
        held = self._holders.get(transaction_id)
        if held in self._workers:
            return held
        if held is not None and not takes_reference:  # again and again: nothing else brings the reference back
            raise InferenceFault("the worker that held the reference died", code=DIED)
        try:
            async with asyncio.timeout(self._settings.worker_timeout_s):
                while not self._workers:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError as error:
            raise InferenceFault("no inference worker became ready in time", code=TIMED_OUT) from error
        burdens = list(self._holders.values())
        chosen = min(self._workers, key=lambda worker: (burdens.count(worker), worker.process_id))
        self._holders[transaction_id] = chosen
        return chosen

    async def _exchanged(
        self,
        worker: WorkerProcess,
        operation: str,
        transaction_id: uuid.UUID,
        descriptors: Sequence[int],
        **values: float | str | list[int],
    ) -> Sampled | Done:
        if not self._is_running:
            raise InferenceFault("the face engine is not running", code=NOT_RUNNING)
        # the exchange runs by itself: a caller that gives up must leave neither a stale answer nor a lost worker
        duplicates = [os.dup(descriptor) for descriptor in descriptors]
        exchange = self._beside.spawn(self._answered(worker, operation, transaction_id, duplicates, values))
        try:
            return await asyncio.shield(exchange)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if exchange.cancelled() and caller is not None and not caller.cancelling():
                raise InferenceFault("the face engine was stopped", code=NOT_RUNNING) from None
            raise

    async def _answered(
        self,
        worker: WorkerProcess,
        operation: str,
        transaction_id: uuid.UUID,
        descriptors: Sequence[int],
        values: dict[str, float | str | list[int]],
    ) -> Sampled | Done:
        try:
            try:
                async with asyncio.timeout(self._settings.worker_timeout_s):
                    await worker.turn.acquire()
            except TimeoutError as error:
                fault = InferenceFault("the worker did not become free in time", code=TIMED_OUT)
                self._failed(worker, fault)
                raise fault from error
            try:
                self._check_serves(worker)
                worker.submit(operation, descriptors, transaction=transaction_id.hex, **values)
                answer = await worker.answer(self._settings.worker_timeout_s)
            except InferenceFault as fault:
                if fault.code != REFUSED:
                    self._failed(
                        worker, fault
                    )  # before the turn goes on: nobody may get it for a worker that is given up
                raise
            finally:
                worker.turn.release()
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self._failures = 0
        return answer

    def _check_serves(self, worker: WorkerProcess) -> None:
        if worker not in self._workers:
            raise InferenceFault("the worker died while its turn was waited for", code=DIED)

    def _failed(self, worker: WorkerProcess, fault: InferenceFault) -> None:
        if worker not in self._workers:
            return
        self._replace(worker)
        _log.warning("inference_worker_failed", code=fault.code, reason=str(fault), process_id=worker.process_id)

    async def _admit(self) -> None:
        """Start one worker and offer it to callers."""
        started_s = self._clock.monotonic_s()
        worker = await WorkerProcess.start(self._command, _START_TIMEOUT_S)
        if not self._is_running:
            await worker.end()
            return
        ready = replace(worker.ready, process_id=0, load_ms=0.0)
        if (
            self._ready is not None and self._ready != ready
        ):  # checks that began with one threshold do not go on with another
            await worker.end()
            raise InferenceFault("a worker has another calibration record or other models", code=NOT_STARTED)
        self._ready = ready
        self._workers.add(worker)
        self._watches[worker] = self._beside.spawn(self._watch(worker))
        if worker.ready.refusal:
            _log.warning("face_calibration_refused", reason=worker.ready.refusal)
        self._arrived.set()
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
        self._beside.spawn(self._replaced(worker))

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

    @staticmethod
    def _task_failed(raised: BaseException) -> None:
        if not isinstance(raised, InferenceFault):  # those were told to whoever asked
            _log.error("inference_task_failed", code=InferenceFault.code, reason=repr(raised))
