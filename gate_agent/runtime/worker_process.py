"""One inference worker as the agent's loop sees it: a child process and a packet socket, nothing that blocks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Sequence

from gate_agent.errors import InferenceFault
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


class WorkerProcess:
    """A started worker. One request at a time; after any fault the process must be ended and replaced."""

    def __init__(self, process: asyncio.subprocess.Process, channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self._last_request = 0
        self._receiving = asyncio.Lock()
        self.turn = asyncio.Lock()
        """Held by whoever waits for an answer: one request at a time."""
        self.ready = Ready(0, 0.0)

    @property
    def process_id(self) -> int:
        """The operating system's number of the worker."""
        return self._process.pid

    @classmethod
    async def start(cls, command: Sequence[str], timeout_s: float) -> WorkerProcess:
        """Start a worker and return it once it is ready. Raises `InferenceFault` when it does not get there in time."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    "--socket-fd",
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    env={**os.environ, **_WORKER_ENVIRONMENT},
                )
        except BaseException as error:
            ours.close()
            if isinstance(error, OSError):
                raise InferenceFault(f"a worker cannot be started: {error}", code=NOT_STARTED) from error
            raise
        worker = cls(process, ours)
        try:
            answer = await worker._received(timeout_s)
        except BaseException:
            await worker.end()
            raise
        if not isinstance(answer, Ready):
            await worker.end()
            reason = f"{answer.code}: {answer.message}" if isinstance(answer, Faulted) else "it spoke out of turn"
            raise InferenceFault(f"a worker did not start: {reason}", code=NOT_STARTED)
        worker.ready = answer
        return worker

    def submit(self, operation: str, descriptor: int | None, **values: float | str | list[int]) -> None:
        """Hand a request, and a descriptor where it needs one, over without waiting. Raises `InferenceFault` for a worker that is dead or stuck."""
        self._last_request += 1
        packet = encode_request(self._last_request, operation, **values)
        try:
            if descriptor is None:
                self._channel.send(packet)
            else:
                socket.send_fds(self._channel, [packet], [descriptor])
        except BlockingIOError as error:
            raise InferenceFault("the worker does not take requests", code=TIMED_OUT) from error
        except OSError as error:
            raise InferenceFault(f"the worker died: {error}", code=DIED) from error

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

    async def _received(self, timeout_s: float) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s), self._receiving:
                packet = await loop.sock_recv(self._channel, LARGEST_ANSWER_BYTES)
        except TimeoutError as error:
            raise InferenceFault(f"the worker did not answer within {timeout_s:g} s", code=TIMED_OUT) from error
        except OSError as error:
            raise InferenceFault(f"the worker died: {error}", code=DIED) from error
        if not packet:
            raise InferenceFault("the worker died", code=DIED)
        try:
            return decode_answer(packet)
        except WorkerFault as error:
            raise InferenceFault(str(error), code=NONSENSE) from error

    async def died(self) -> int:
        """Return the exit status when the process ends."""
        return await self._process.wait()

    async def end(self) -> None:
        """Kill the process, close the socket, and leave no zombie behind. Whoever waits for an answer hears that the worker died.

        A descriptor is closed only once nobody listens to it: the next worker's socket gets its number, and a loop that still has the
        number registered would never hear that worker.
        """
        with contextlib.suppress(OSError):
            self._channel.shutdown(
                socket.SHUT_RDWR
            )  # ends a pending receive, although a child of the worker may hold its end
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        try:
            async with self._receiving:
                pass
            await self._process.wait()
        finally:
            if self._channel.fileno() >= 0:
                asyncio.get_running_loop().remove_reader(self._channel.fileno())
                self._channel.close()
