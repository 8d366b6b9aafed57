"""The walk-through worker as a lane sees it: a child process and a packet socket, one request at a time, nothing that blocks.

A worker that dies, hangs or talks nonsense is ended, and every later call raises `InferenceFault`: the demonstration does not mend it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

from gate_agent.domain.walk_through_events import FaceStanding
from gate_agent.errors import InferenceFault
from gate_agent.lane.walk_through_ports import MatchedFace
from gate_agent.runtime.worker_process import DIED, NONSENSE, NOT_STARTED, REFUSED, TIMED_OUT
from models.errors import WorkerFault
from models.freed_memory import ENVIRONMENT as WIPING
from models.results import FaceFinding
from models.walk_through_matching import SeenTrack
from models.walk_through_messages import (
    LARGEST_MESSAGE_BYTES,
    Answer,
    Consumed,
    Enrolled,
    Faulted,
    Looked,
    Ready,
    Withdrawn,
    decode_answer,
    encode_request,
)

_START_TIMEOUT_S = 120.0
_ANSWER_TIMEOUT_S = 30.0
_MEMORY_BYTES = 1_500_000_000
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OPENCV_LOG_LEVEL": "SILENT", **WIPING}

_Wanted = TypeVar("_Wanted", Enrolled, Looked, Consumed, Withdrawn)


class WalkThroughWorker:
    """A `GalleryMatcher` over a worker process; `async with` owns the process. Its references die with it."""

    def __init__(self, models_folder: Path, *, largest_gallery: int = 8) -> None:
        self._command = [
            *(sys.executable, "-I", "-m", "models.walk_through_worker"),
            *("--models", str(models_folder.absolute())),
            *("--memory-bytes", str(_MEMORY_BYTES)),
            *("--largest-gallery", str(largest_gallery)),
            "--demonstration",
        ]
        self._process: asyncio.subprocess.Process | None = None
        self._channel: socket.socket | None = None
        self._turn = asyncio.Lock()
        self._last_request = 0
        self._ready: Ready | None = None
        self.look_ms: list[float] = []

    async def __aenter__(self) -> Self:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._channel = ours
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    "--socket-fd",
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    env={**os.environ, **_ENVIRONMENT},
                )
            answer = await self._received(_START_TIMEOUT_S)
        except BaseException:
            await self._end()
            raise
        if not isinstance(answer, Ready):
            await self._end()
            reason = f"{answer.code}: {answer.message}" if isinstance(answer, Faulted) else "it spoke out of turn"
            raise InferenceFault(f"the walk-through worker did not start: {reason}", code=NOT_STARTED)
        self._ready = answer
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._end()

    @property
    def ready(self) -> Ready:
        """What the worker said of its calibration when it started."""
        assert self._ready is not None, "used inside `async with`"
        return self._ready

    @property
    def calibration_id(self) -> str:
        """The calibration record that the threshold comes from."""
        return self.ready.calibration_id

    @property
    def threshold(self) -> float:
        """Comparison score from which an entry passes."""
        return self.ready.threshold

    @property
    def minimum_age_years(self) -> int:
        """The youngest age that is searched."""
        return self.ready.minimum_age_years

    async def enrol(self, transaction_id: uuid.UUID, content: bytes) -> FaceFinding:
        """Take an encoded portrait into the gallery; only FOUND did."""
        if not content:
            return FaceFinding.REFUSED
        descriptor = os.memfd_create("reference", os.MFD_CLOEXEC)
        try:
            os.pwrite(descriptor, content, 0)
            entry, size_bytes = str(transaction_id), len(content)
            return (await self._asked(Enrolled, "enrol", (descriptor,), entry=entry, size_bytes=size_bytes)).finding
        finally:
            os.close(descriptor)

    async def look(self, memfd: int, width_px: int, height_px: int, t_mono_s: float) -> Sequence[MatchedFace]:
        """Look at a BGR frame in the memory file `memfd`, which stays the caller's; return every followed face."""
        answer = await self._asked(Looked, "look", (memfd,), width_px=width_px, height_px=height_px, t_mono_s=t_mono_s)
        self.look_ms.append(answer.step_ms)
        return [_matched(track) for track in answer.tracks]

    async def consume(self, transaction_id: uuid.UUID, proof: int) -> bool:
        """Use a gallery entry up; True once, and only while that very proof stands."""
        return (await self._asked(Consumed, "consume", (), entry=str(transaction_id), proof=proof)).is_granted

    async def withdraw(self, transaction_id: uuid.UUID) -> None:
        """Destroy a reference; returns when it is overwritten."""
        await self._asked(Withdrawn, "withdraw", (), entry=str(transaction_id))

    async def _asked(
        self, wanted: type[_Wanted], operation: str, descriptors: Sequence[int], **values: float | str
    ) -> _Wanted:
        """Ask and wait. Who is cancelled meanwhile leaves the answer to be taken by nobody, and the worker in order."""
        asking = asyncio.create_task(self._exchanged(wanted, operation, descriptors, values))
        asking.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(asking)

    async def _exchanged(
        self, wanted: type[_Wanted], operation: str, descriptors: Sequence[int], values: Mapping[str, float | str]
    ) -> _Wanted:
        async with self._turn:
            if self._channel is None:
                raise InferenceFault("the walk-through worker is not running", code=DIED)
            self._last_request += 1
            packet = encode_request(self._last_request, operation, **values)
            try:
                socket.send_fds(self._channel, [packet], list(descriptors))
                answer = await self._received(_ANSWER_TIMEOUT_S)
            except OSError as error:
                await self._end()
                raise InferenceFault(f"the walk-through worker died: {error}", code=DIED) from error
            except InferenceFault:
                await self._end()  # an answer that comes too late would be taken for the next one
                raise
            if isinstance(answer, Faulted) and answer.request_id == self._last_request:
                raise InferenceFault(f"the worker refused: {answer.code}: {answer.message}", code=REFUSED)
            if not isinstance(answer, wanted) or answer.request_id != self._last_request:
                await self._end()
                raise InferenceFault("the worker answered another question", code=NONSENSE)
            return answer

    async def _received(self, timeout_s: float) -> Answer:
        assert self._channel is not None, "asked of a started worker"
        try:
            async with asyncio.timeout(timeout_s):
                packet = await asyncio.get_running_loop().sock_recv(self._channel, LARGEST_MESSAGE_BYTES)
        except TimeoutError as error:
            raise InferenceFault(f"the worker did not answer within {timeout_s:g} s", code=TIMED_OUT) from error
        if not packet:
            raise InferenceFault("the walk-through worker died", code=DIED)
        try:
            return decode_answer(packet)
        except WorkerFault as error:
            raise InferenceFault(str(error), code=NONSENSE) from error

    async def _end(self) -> None:
        """Hang up, kill, and leave no zombie behind."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


def _matched(track: SeenTrack) -> MatchedFace:
    transaction_id = uuid.UUID(track.entry) if track.entry else None
    standing = FaceStanding(track.standing.value)
    return MatchedFace(track.track_id, track.box, track.proof, standing, transaction_id, track.score)
