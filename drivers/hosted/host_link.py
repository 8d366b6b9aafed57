"""The agent's side of one host: a connection shared by all its devices, made again with growing pauses.

A command that was on its way when the host went ends as `CommandLost`, which says whether it may have been carried out.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog

from drivers.contracts import ChipProgress, DeviceClass, Unsupported
from drivers.errors import DriverFault
from drivers.hosted.channel import Channel
from drivers.hosted.errors import DeviceNotHosted, HostAbsent, HostSilent, HostTaken
from drivers.hosted.messages import (
    Ask,
    CallOff,
    Command,
    Done,
    Failed,
    FailureKind,
    FrameTold,
    FromHost,
    Progressed,
    Told,
    TurnedAway,
    Welcome,
)
from drivers.hosted.packets import Packet, PacketRefused
from drivers.supervisor import Backoff

LOG = structlog.get_logger()
WELCOME_S = 3.0
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0


class CommandLost(Exception):
    """The host went before it answered. `was_sent`: it may have been carried out; else it certainly was not."""

    def __init__(self, fault: DriverFault, *, was_sent: bool) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.was_sent = was_sent


class Guest(Protocol):
    """A device of the agent, as its host's link sees it."""

    name: str
    device_class: DeviceClass

    def connected(self, channel: Channel) -> None:
        """Take up the device: the host is there and has it."""
        ...

    def lost(self, fault: DriverFault) -> None:
        """Give the device up: the host is away, or does not have it."""
        ...

    def told(self, message: Told) -> None:
        """Take what the device told."""
        ...

    def frame_told(self, message: FrameTold, descriptor: int) -> None:
        """Take a frame; the descriptor is the guest's."""
        ...


@dataclass(slots=True)
class _Pending:
    answer: asyncio.Future[Any]
    report: Callable[[ChipProgress], None]
    packet: Packet | None = None


class HostLink:
    """One host, by the path of its socket. It is connected while at least one device runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guests: dict[str, Guest] = {}
        self._task: asyncio.Task[None] | None = None
        self._current: Channel | None = None
        self._channel: Channel | None = None  # the same, once the host said welcome
        self._welcome: asyncio.Future[None] | None = None
        self._end: asyncio.Future[DriverFault] | None = None
        self._pending: dict[int, _Pending] = {}
        self._last_id = 0
        self._numbers: Counter[str] = Counter()
        self._hosted: frozenset[str] = frozenset()
        self._why_away: DriverFault = HostAbsent(f"{path} was not connected yet")
        # Jitter is no secret; agents of one post do not knock at the same moment.
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, random.Random(str(path)))

    @asynccontextmanager
    async def hosting(self, guest: Guest) -> AsyncIterator[asyncio.Task[None]]:
        """Keep the host connected for a device; yields the task that does so, which never ends by itself."""
        self._guests[guest.name] = guest
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=f"host {self._path.name}")
        elif self._channel is not None:
            self._channel.hang_up(HostAbsent("another device joins, which has to be told how it stands"))
        try:
            yield self._task
        finally:
            del self._guests[guest.name]
            if not self._guests:
                task, self._task = self._task, None
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def ask(self, device: str, command: Command, report: Callable[[ChipProgress], None] = lambda _: None) -> Any:
        """Have a command carried out; return its result. Raises `CommandLost`, or what the driver raised. Cancelling calls it off."""
        channel = self._channel
        if channel is None or device not in self._hosted:
            raise CommandLost(self.fault_of(device), was_sent=False)
        self._last_id += 1
        command_id = self._last_id
        pending = _Pending(asyncio.get_running_loop().create_future(), report)
        self._pending[command_id] = pending
        try:
            pending.packet = channel.send(Ask(command_id, device, command))
            return await pending.answer
        except asyncio.CancelledError:
            channel.send(CallOff(command_id))
            raise
        finally:
            self._pending.pop(command_id, None)

    def fault_of(self, device: str) -> DriverFault:
        """Return why a device cannot be reached now."""
        if self._channel is not None and device not in self._hosted:
            return DeviceNotHosted(f"{self._path} does not host {device}")
        return self._why_away

    # ---- the connection

    async def _keep(self) -> None:
        while True:
            self._why_away = fault = await self._connection()
            self._gone(fault)
            await asyncio.sleep(self._backoff.next_s())

    async def _connection(self) -> DriverFault:
        """Connect once and stay connected; return the fault that ended it."""
        loop = asyncio.get_running_loop()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            async with asyncio.timeout(WELCOME_S):
                await loop.sock_connect(connection, str(self._path))
        except TimeoutError:
            connection.close()
            return HostSilent(f"{self._path} takes no connection")
        except OSError as error:
            connection.close()
            taken = isinstance(error, PermissionError)
            return (HostTaken if taken else HostAbsent)(f"{self._path}: {error.strerror or error}")
        except asyncio.CancelledError:
            connection.close()
            raise
        self._welcome, self._end = loop.create_future(), loop.create_future()
        self._numbers.clear()
        channel = self._current = Channel(connection, FromHost, self._hear, self._ended)
        try:
            futures: set[asyncio.Future[Any]] = {self._welcome, self._end}
            await asyncio.wait(futures, timeout=WELCOME_S, return_when=asyncio.FIRST_COMPLETED)
            if not self._welcome.done() and not self._end.done():
                self._end.set_result(HostSilent(f"{self._path} does not answer"))
            return await self._end
        finally:
            self._channel = self._current = None
            channel.hang_up(HostAbsent("the agent ends"))
            self._settle(channel)

    def _ended(self, fault: DriverFault) -> None:
        if self._end is not None and not self._end.done():
            self._end.set_result(fault)

    def _settle(self, channel: Channel) -> None:
        """End the commands that are not answered."""
        fault = self._end.result() if self._end is not None and self._end.done() else HostAbsent("the agent ends")
        for pending in self._pending.values():
            if not pending.answer.done():
                was_sent = pending.packet is not None and pending.packet not in channel.unsent
                pending.answer.set_exception(CommandLost(fault, was_sent=was_sent))

    def _gone(self, fault: DriverFault) -> None:
        self._hosted = frozenset()
        LOG.info("host_away", host=self._path.name, code=fault.code)
        for guest in list(self._guests.values()):
            guest.lost(fault)

    # ---- what the host says

    def _hear(self, message: FromHost, descriptor: int) -> None:
        if isinstance(message, TurnedAway):
            if self._end is not None and not self._end.done():
                self._end.set_result(HostTaken(f"{self._path}: {message.reason}"))
            return
        if isinstance(message, Welcome) is (self._channel is not None):
            if descriptor >= 0:
                os.close(descriptor)
            raise PacketRefused("a host says welcome once, and first")
        match message:
            case Welcome():
                self._welcomed(message)
            case Told():
                self._count(message)
                if (guest := self._guests.get(message.device)) is not None and message.device in self._hosted:
                    guest.told(message)
            case FrameTold():
                self._frame(message, descriptor)
            case Progressed():
                if (pending := self._pending.get(message.command_id)) is not None:
                    pending.report(message.progress)
            case Done():
                if (pending := self._pending.get(message.command_id)) is not None and not pending.answer.done():
                    pending.answer.set_result(message.result)
            case Failed():
                if (pending := self._pending.get(message.command_id)) is not None and not pending.answer.done():
                    pending.answer.set_exception(_exception_of(message))

    def _welcomed(self, message: Welcome) -> None:
        if self._welcome is None or self._current is None:
            return
        self._channel = self._current
        self._welcome.set_result(None)
        self._backoff.reset()
        classes = {entry.name: entry.device_class for entry in message.devices}
        LOG.info("host_connected", host=self._path.name, devices=len(classes))
        own = {name for name, guest in self._guests.items() if classes.get(name) is guest.device_class}
        self._hosted = frozenset(own)
        for name, guest in list(self._guests.items()):
            if name in own:
                guest.connected(self._channel)
            else:
                guest.lost(DeviceNotHosted(f"{self._path} does not host {name} as a {guest.device_class.value}"))

    def _count(self, message: Told | FrameTold) -> None:
        self._numbers[message.device] += 1
        if self._numbers[message.device] != message.number:
            raise PacketRefused(f"message {message.number} of a device after {self._numbers[message.device] - 1}")

    def _frame(self, message: FrameTold, descriptor: int) -> None:
        try:
            self._count(message)
        except PacketRefused:
            os.close(descriptor)
            raise
        guest = self._guests.get(message.device)
        if guest is None or message.device not in self._hosted:
            os.close(descriptor)
            return
        guest.frame_told(message, descriptor)


def _exception_of(failed: Failed) -> Exception:
    """Return the exception that the driver raised, as far as it travels."""
    if failed.kind is FailureKind.UNSUPPORTED:
        return Unsupported(failed.text)
    if failed.kind is FailureKind.WRONG_VALUE:
        return ValueError(failed.text)
    kind = fault_classes().get(failed.code, DriverFault)
    fault = kind.__new__(kind)
    DriverFault.__init__(fault, failed.text, code=failed.code, remedy=failed.remedy)
    return fault


def fault_classes() -> dict[str, type[DriverFault]]:
    """Return the faults that are known here, by their code."""
    known: dict[str, type[DriverFault]] = {}
    waiting: list[type[DriverFault]] = [DriverFault]
    while waiting:
        kind = waiting.pop()
        if "code" in vars(kind):
            known.setdefault(kind.code, kind)
        waiting += kind.__subclasses__()
    return known
