"""The host: runs the drivers of some device tables and serves one agent on a Unix socket.

The devices are owned and watched whether an agent is there or not. When an agent goes, running releases are ended and cameras stop telling
frames; the next agent is told how everything stands. A slow agent costs frames first, then its connection, and never memory.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any

import structlog

from drivers.contracts import (
    BarrierDriver,
    ChipProgress,
    Clock,
    DeviceClass,
    DeviceEvent,
    Driver,
    EventSink,
    GateSignal,
)
from drivers.errors import DriverFault
from drivers.hosted.carrying import Carrier
from drivers.hosted.channel import Channel
from drivers.hosted.errors import HostAbsent
from drivers.hosted.host_device import HostDevice
from drivers.hosted.listener import HostSocket
from drivers.hosted.messages import (
    COMMANDS_LIMIT,
    DEVICES_LIMIT,
    Ask,
    CallOff,
    FrameGivenBack,
    FromAgent,
    HostedEntry,
    Progressed,
    Set,
    Switch,
    TurnedAway,
    Welcome,
)
from drivers.hosted.packets import PacketRefused, encode
from drivers.reach import REACH, Reach
from drivers.registry import build

LOG = structlog.get_logger()
FRAME_GRACE_S = 1.0
"""So long a frame stays untouched after the agent's connection broke: an agent that lives on may be looking at it."""
_SECURE_LIMIT_S = 2.0

Build = Callable[[str, str, Mapping[str, object], EventSink, Clock], Driver]


@dataclass(frozen=True, slots=True)
class DeviceTable:
    """A device to host: its name, its driver and the driver's options."""

    name: str
    driver: str
    options: Mapping[str, object]


class HostedDevices:
    """All devices of one host. `run` serves until cancelled."""

    def __init__(
        self, tables: Sequence[DeviceTable], clock: Clock, reach: Reach | None = None, builder: Build = build
    ) -> None:
        """Build the drivers, which may go as far as `reach` (anywhere when none is given).

        One that cannot be built is left out, with an error in the journal: its options are the agent's finding, too.
        """
        self._reach = reach
        if len(tables) > DEVICES_LIMIT:
            raise ValueError(f"a host has at most {DEVICES_LIMIT} devices")
        self._clock = clock
        self.devices: dict[str, HostDevice] = {}
        for table in tables:
            try:
                driver = builder(table.name, table.driver, table.options, self._tell, clock)
            except DriverFault as fault:
                LOG.error("hosted_device_unusable", device=table.name, code=fault.code)
                continue
            self.devices[table.name] = HostDevice(driver, Carrier(driver, clock))
        self._instance = secrets.token_hex(8)
        self._agent: _Agent | None = None
        self._settling: asyncio.Task[None] | None = None
        self._returning: set[asyncio.Task[None]] = set()

    async def run(self, place: HostSocket) -> None:
        """Run the drivers and serve whoever owns the socket. Raises what a driver that is not supervised raises."""
        try:
            async with asyncio.TaskGroup() as group:
                for device in self.devices.values():
                    group.create_task(device.driver.run(), name=f"{device.driver.name} hosted", context=self._context())
                group.create_task(self._accept(place), name="host accepting")
        finally:
            if self._agent is not None:
                self._agent.channel.hang_up(HostAbsent("the host ends"))
            left_over = [*self._returning, *([self._settling] if self._settling is not None else [])]
            for task in left_over:
                task.cancel()
            await asyncio.gather(*left_over, return_exceptions=True)

    def _context(self) -> Context:
        """Return what a driver's task runs in: its links, and those of tasks that it starts, ask this reach."""
        context = copy_context()
        if self._reach is not None:
            context.run(REACH.set, self._reach)
        return context

    def _tell(self, event: DeviceEvent) -> None:
        self.devices[event.device].take(event)

    async def _accept(self, place: HostSocket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(place.listener)
            if not place.is_owner(connection):
                _turn_away(connection, "this socket belongs to another user")
                continue
            if self._agent is not None:
                _turn_away(connection, "another agent is served")
                continue
            if self._settling is not None:  # what the last agent left running is ended before the next one begins
                await asyncio.wait({self._settling})
            agent = self._agent = _Agent(connection, self.devices, self._left)
            LOG.info("agent_connected", devices=len(self.devices))
            entries = [HostedEntry(name, device.driver.device_class) for name, device in self.devices.items()]
            agent.channel.send(Welcome(self._instance, tuple(entries)))
            for device in self.devices.values():
                device.connected(agent.channel)

    def _left(self, why: str) -> None:
        LOG.warning("agent_left", why=why)
        self._agent = None
        frames = [release for device in self.devices.values() for release in device.left()]
        if frames:
            returning = asyncio.create_task(_give_back(frames), name="host frames coming back")
            self._returning.add(returning)
            returning.add_done_callback(self._returning.discard)
        self._settling = asyncio.create_task(self._settle(), name="host settling")

    async def _settle(self) -> None:
        """End what an agent left running."""
        for device in self.devices.values():
            for switch in Switch:
                _set(device.driver, switch, is_on=False)
        barriers = [one.driver for one in self.devices.values() if one.driver.device_class is DeviceClass.BARRIER]
        await asyncio.gather(*(_end_releases(barrier) for barrier in barriers))  # type: ignore[arg-type] # chosen by class


async def _give_back(frames: Sequence[Callable[[], None]]) -> None:
    try:
        await asyncio.sleep(FRAME_GRACE_S)
    finally:
        for release in frames:
            release()


async def _end_releases(barrier: BarrierDriver) -> None:
    try:
        async with asyncio.timeout(_SECURE_LIMIT_S):
            await barrier.end_releases()
            if "signal" in barrier.capabilities:
                await barrier.signal(GateSignal.CLOSED, 0.0)  # green invites people, and nobody is there to decide
            await barrier.lift_lockdown()  # the agent that ordered it refuses by itself; the next one orders its own
        LOG.info("releases_ended", device=barrier.name)
    except (DriverFault, TimeoutError) as fault:  # the time to live ends the release all the same
        LOG.warning("releases_not_ended", device=barrier.name, code=getattr(fault, "code", "timeout"))


def _set(driver: Any, switch: Switch, *, is_on: bool) -> None:
    method = getattr(driver, {Switch.ACTIVE: "set_active", Switch.READING: "set_reading"}[switch], None)
    if method is not None:
        method(active=is_on)


def _turn_away(connection: socket.socket, why: str) -> None:
    LOG.warning("agent_turned_away", why=why)
    with connection, suppress(OSError):
        connection.send(encode(TurnedAway(why)).content, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)


class _Agent:
    """The agent that is connected: its commands."""

    def __init__(
        self, connection: socket.socket, devices: Mapping[str, HostDevice], left: Callable[[str], None]
    ) -> None:
        self._devices = devices
        self._left = left
        self._commands: dict[int, asyncio.Task[None]] = {}
        self.channel = Channel(connection, FromAgent, self._hear, self._ended)

    def _hear(self, message: FromAgent, _frame: int) -> None:
        match message:
            case Ask():
                self._begin(message)
            case CallOff():
                if (task := self._commands.get(message.command_id)) is not None:
                    task.cancel()
            case Set():
                _set(self._device(message.device).driver, message.switch, is_on=message.is_on)
            case FrameGivenBack():
                self._device(message.device).give_back(message.frame_id)

    def _device(self, name: str) -> HostDevice:
        if (device := self._devices.get(name)) is None:
            raise PacketRefused("a device that this host does not have")
        return device

    def _begin(self, ask: Ask) -> None:
        device = self._device(ask.device)
        if ask.command_id in self._commands or len(self._commands) >= COMMANDS_LIMIT:
            raise PacketRefused("a command that runs already, or too many of them")
        task = asyncio.create_task(self._carry_out(device, ask), name=f"{ask.device} hosted command")
        self._commands[ask.command_id] = task
        task.add_done_callback(lambda _task: self._commands.pop(ask.command_id, None))

    async def _carry_out(self, device: HostDevice, ask: Ask) -> None:
        def report(progress: ChipProgress) -> None:
            self.channel.send(Progressed(ask.command_id, progress))

        self.channel.send(await device.carrier.answer(ask.command_id, ask.command, report))

    def _ended(self, fault: DriverFault) -> None:
        for task in self._commands.values():
            task.cancel()
        self._left(str(fault))
