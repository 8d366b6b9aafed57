"""One inspection worker as the agent's loop sees it: a child process and a packet socket, nothing that blocks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Sequence
from datetime import datetime

from gate_agent.errors import InspectionFault
from gate_agent.inspection.chip_authenticity_messages import (
    LARGEST_PACKET_BYTES,
    Answer,
    BundleReady,
    ChipJudged,
    MessageNonsense,
    RequestRefused,
    decode_answer,
    encode_request,
)

DIED, TIMED_OUT, NONSENSE, NOT_STARTED, NOT_RUNNING, REFUSED = (f"EG-INS-{number:03d}" for number in range(1, 7))


class InspectionProcess:
    """A started worker. One request at a time; after any fault the process must be ended and replaced."""

    def __init__(self, process: asyncio.subprocess.Process, channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self._last_request = 0
        self._receiving = asyncio.Lock()
        self.turn = asyncio.Lock()
        """Held by whoever waits for an answer."""
        self.ready = BundleReady()

    @property
    def process_id(self) -> int:
        """The operating system's number of the worker."""
        return self._process.pid

    @classmethod
    async def start(cls, command: Sequence[str], timeout_s: float) -> InspectionProcess:
        """Start a worker and return it once it holds its bundle. Raises `InspectionFault` when it does not get there in time."""
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
                )
        except BaseException as error:
            ours.close()
            if isinstance(error, OSError):
                raise InspectionFault(f"a worker cannot be started: {error}", code=NOT_STARTED) from error
            raise
        worker = cls(process, ours)
        try:
            answer = await worker._received(timeout_s)
        except InspectionFault as fault:
            await worker.end()
            raise InspectionFault(f"a worker did not start: {fault}", code=NOT_STARTED) from fault
        except BaseException:
            await worker.end()
            raise
        if not isinstance(answer, BundleReady):
            await worker.end()
            raise InspectionFault("a worker did not start: it spoke out of turn", code=NOT_STARTED)
        worker.ready = answer
        return worker

    async def judged(self, operation: str, now: datetime, content: bytes, timeout_s: float) -> ChipJudged:
        """Return the worker's judgement. Raises `InspectionFault` for a dead, silent or nonsensical worker."""
        self._last_request += 1
        descriptor = os.memfd_create(operation, os.MFD_CLOEXEC)
        try:
            os.pwrite(descriptor, content, 0)
            packet = encode_request(self._last_request, operation, now, len(content))
            socket.send_fds(self._channel, [packet], [descriptor])
            answer = await self._received(timeout_s)
        except OSError as error:
            raise InspectionFault(f"the worker died: {error}", code=DIED) from error
        finally:
            with contextlib.suppress(OSError):
                os.pwrite(descriptor, bytes(len(content)), 0)
            os.close(descriptor)
        if isinstance(answer, RequestRefused) and answer.request_id == self._last_request:
            raise InspectionFault(f"the worker refused the request: {answer.message}", code=REFUSED)
        if not isinstance(answer, ChipJudged) or answer.request_id != self._last_request:
            raise InspectionFault("the worker answered another question", code=NONSENSE)
        return answer

    async def _received(self, timeout_s: float) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s), self._receiving:
                packet = await loop.sock_recv(self._channel, LARGEST_PACKET_BYTES)
        except TimeoutError as error:
            raise InspectionFault(f"the worker did not answer within {timeout_s:g} s", code=TIMED_OUT) from error
        except OSError as error:
            raise InspectionFault(f"the worker died: {error}", code=DIED) from error
        if not packet:
            raise InspectionFault("the worker died", code=DIED)
        try:
            return decode_answer(packet)
        except MessageNonsense as error:
            raise InspectionFault(str(error), code=NONSENSE) from error

    async def died(self) -> int:
        """Return the exit status when the process ends."""
        return await self._process.wait()

    async def end(self) -> None:
        """Kill the process, close the socket once nobody listens to it any more, and leave no zombie behind."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
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
