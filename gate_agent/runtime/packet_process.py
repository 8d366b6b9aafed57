"""A child process behind a packet socket, as the agent's loop sees it: started, heard with a limit, ended; nothing that blocks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Self, TypeVar

from gate_agent.errors import EgateError

Message = TypeVar("Message")


class NonsenseHeard(Exception):
    """A packet that is no message of this process."""


@dataclass(frozen=True, slots=True)
class ProcessFaults:
    """What the faults of one kind of process are raised as, and the code of each."""

    fault: type[EgateError]
    died: str
    timed_out: str
    nonsense: str
    not_started: str


class PacketProcess(ABC, Generic[Message]):
    """A started process. One request at a time; after any fault it must be ended and replaced."""

    faults: ClassVar[ProcessFaults]
    largest_packet_bytes: ClassVar[int]

    def __init__(self, process: asyncio.subprocess.Process, channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self._last_request = 0
        self._receiving = asyncio.Lock()
        self.turn = asyncio.Lock()
        """Held by whoever waits for an answer: one request at a time."""

    @property
    def process_id(self) -> int:
        """The operating system's number of the process."""
        return self._process.pid

    @staticmethod
    @abstractmethod
    def decoded(packet: bytes) -> Message:
        """Return the message of a packet. Raises `NonsenseHeard`."""

    @classmethod
    async def spawned(cls, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Self:
        """Start the process; nothing was heard of it yet. Raises the fault when there can be none."""
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
                    env=None if environment is None else {**os.environ, **environment},
                )
        except BaseException as error:
            ours.close()
            if isinstance(error, OSError):
                faults = cls.faults
                raise faults.fault(f"a worker cannot be started: {error}", code=faults.not_started) from error
            raise
        return cls(process, ours)

    async def first_heard(self, timeout_s: float) -> Message:
        """Return what the process says of itself when it is ready. It is ended when it does not get there."""
        try:
            return await self._received(timeout_s)
        except BaseException:
            await self.end()
            raise

    async def _received(self, timeout_s: float) -> Message:
        faults, loop = self.faults, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s), self._receiving:
                packet = await loop.sock_recv(self._channel, self.largest_packet_bytes)
        except TimeoutError as error:
            raise faults.fault(f"the worker did not answer within {timeout_s:g} s", code=faults.timed_out) from error
        except OSError as error:
            raise self._dead(error) from error
        if not packet:
            raise faults.fault("the worker died", code=faults.died)
        try:
            return self.decoded(packet)
        except NonsenseHeard as error:
            raise faults.fault(str(error), code=faults.nonsense) from error

    def _dead(self, error: OSError) -> EgateError:
        return self.faults.fault(f"the worker died: {error}", code=self.faults.died)

    async def died(self) -> int:
        """Return the exit status when the process ends."""
        return await self._process.wait()

    async def end(self) -> None:
        """Kill the process, close the socket, and leave no zombie behind. Whoever waits for an answer hears that the worker died.

        A descriptor is closed only once nobody listens to it: the next worker's socket gets its number, and a loop that still has the
        number registered would never hear that worker.
        """
        with contextlib.suppress(OSError):
            # Ends a pending receive, although a child of the worker may hold its end.
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
