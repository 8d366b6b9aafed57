"""One inference worker as the agent's loop sees it: what it is asked, and what it may answer."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from gate_agent.errors import InferenceFault
from gate_agent.runtime.packet_process import NonsenseHeard, PacketProcess, ProcessFaults
from models import freed_memory
from models.errors import WorkerFault
from models.worker_messages import (
    LARGEST_ANSWER_BYTES,
    Answer,
    Done,
    Faulted,
    Ready,
    Sampled,
    decode_answer,
    encode_request,
)

DIED, TIMED_OUT, NONSENSE, NOT_STARTED, REFUSED = "EG-INF-001", "EG-INF-002", "EG-INF-003", "EG-INF-004", "EG-INF-007"
_OUT_OF_MEMORY = "MD-WRK-004"
_WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_LOG_LEVEL": "SILENT",
    **freed_memory.ENVIRONMENT,
}


class WorkerProcess(PacketProcess[Answer]):
    """A started inference worker."""

    faults = ProcessFaults(InferenceFault, DIED, TIMED_OUT, NONSENSE, NOT_STARTED)
    largest_packet_bytes = LARGEST_ANSWER_BYTES
    ready = Ready(0, 0.0)

    @staticmethod
    def decoded(packet: bytes) -> Answer:
        """Return the answer in a packet."""
        try:
            return decode_answer(packet)
        except WorkerFault as error:
            raise NonsenseHeard(str(error)) from error

    @classmethod
    async def start(cls, command: Sequence[str], timeout_s: float) -> WorkerProcess:
        """Start a worker and return it once it is ready. Raises `InferenceFault` when it does not get there in time."""
        worker = await cls.spawned(command, _WORKER_ENVIRONMENT)
        answer = await worker.first_heard(timeout_s)
        if not isinstance(answer, Ready):
            await worker.end()
            reason = f"{answer.code}: {answer.message}" if isinstance(answer, Faulted) else "it spoke out of turn"
            raise InferenceFault(f"a worker did not start: {reason}", code=NOT_STARTED)
        worker.ready = answer
        return worker

    def submit(self, operation: str, descriptors: Sequence[int], **values: float | str | list[int]) -> None:
        """Hand a request, and the descriptors that it needs, over without waiting. Raises `InferenceFault` for a worker that is dead or stuck."""
        self._last_request += 1
        packet = encode_request(self._last_request, operation, **values)
        try:
            socket.send_fds(self._channel, [packet], descriptors)
        except BlockingIOError as error:
            raise InferenceFault("the worker does not take requests", code=TIMED_OUT) from error
        except OSError as error:
            raise self._dead(error) from error

    async def answer(self, timeout_s: float) -> Sampled | Done:
        """Return the answer to the request submitted last. Raises `InferenceFault` for a dead, silent or nonsensical worker."""
        answer = await self._received(timeout_s)
        if isinstance(answer, Faulted) and answer.request_id == self._last_request:
            if answer.code == _OUT_OF_MEMORY:  # what did not fit this time will not fit the next time either
                raise InferenceFault(f"the worker is to be replaced: {answer.code}: {answer.message}", code=DIED)
            raise InferenceFault(f"the worker refused the request: {answer.code}: {answer.message}", code=REFUSED)
        if not isinstance(answer, Sampled | Done) or answer.request_id != self._last_request:
            raise InferenceFault("the worker answered another question", code=NONSENSE)
        return answer
