"""One inspection worker as the agent's loop sees it: what it is asked, and what it may answer."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from datetime import datetime

from gate_agent.errors import InspectionFault
from gate_agent.inspection.chip_authenticity_messages import (
    LARGEST_PACKET_BYTES,
    Answer,
    Judged,
    MessageNonsense,
    RequestRefused,
    WorkerReady,
    decode_answer,
    encode_request,
)
from gate_agent.runtime.packet_process import NonsenseHeard, PacketProcess, ProcessFaults

DIED, TIMED_OUT, NONSENSE, NOT_STARTED, NOT_RUNNING, REFUSED = (f"EG-INS-{number:03d}" for number in range(1, 7))


class InspectionProcess(PacketProcess[Answer]):
    """A started inspection worker."""

    faults = ProcessFaults(InspectionFault, DIED, TIMED_OUT, NONSENSE, NOT_STARTED)
    largest_packet_bytes = LARGEST_PACKET_BYTES
    ready = WorkerReady()

    @staticmethod
    def decoded(packet: bytes) -> Answer:
        """Return the answer in a packet."""
        try:
            return decode_answer(packet)
        except MessageNonsense as error:
            raise NonsenseHeard(str(error)) from error

    @classmethod
    async def start(cls, command: Sequence[str], timeout_s: float) -> InspectionProcess:
        """Start a worker and return it once it holds its bundle. Raises `InspectionFault` when it does not get there in time."""
        worker = await cls.spawned(command)
        try:
            answer = await worker.first_heard(timeout_s)
        except InspectionFault as fault:
            raise InspectionFault(f"a worker did not start: {fault}", code=NOT_STARTED) from fault
        if not isinstance(answer, WorkerReady):
            await worker.end()
            raise InspectionFault("a worker did not start: it spoke out of turn", code=NOT_STARTED)
        worker.ready = answer
        return worker

    async def judged(self, operation: str, now: datetime, content: bytes, timeout_s: float) -> Judged:
        """Return the worker's judgement. Raises `InspectionFault` for a dead, silent or nonsensical worker."""
        self._last_request += 1
        descriptor = os.memfd_create(operation, os.MFD_CLOEXEC)
        try:
            os.pwrite(descriptor, content, 0)
            packet = encode_request(self._last_request, operation, now, len(content))
            socket.send_fds(self._channel, [packet], [descriptor])
            answer = await self._received(timeout_s)
        except OSError as error:
            raise self._dead(error) from error
        finally:
            with contextlib.suppress(OSError):
                os.pwrite(descriptor, bytes(len(content)), 0)
            os.close(descriptor)
        if isinstance(answer, RequestRefused) and answer.request_id == self._last_request:
            raise InspectionFault(f"the worker refused the request: {answer.message}", code=REFUSED)
        if not isinstance(answer, Judged) or answer.request_id != self._last_request:
            raise InspectionFault("the worker answered another question", code=NONSENSE)
        return answer
