"""The agent's driver of a hosted barrier: a release whose answer was lost is looked for in the inputs, and never sent twice."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from drivers.barrier.errors import LockedDown, ReleaseNotMade, ReleaseUndetermined
from drivers.contracts import BarrierInputs, Clock, Door, Driver, EventSink, GateSignal, Unsupported
from drivers.errors import DriverFault
from drivers.hosted.channel import Channel
from drivers.hosted.device_client import HostedDevice
from drivers.hosted.host_link import CommandLost, HostLink
from drivers.hosted.messages import (
    Command,
    EndReleases,
    LiftLockdown,
    LockDown,
    ReadInputs,
    ReleaseDoor,
    ShowSignal,
    Told,
)

CONFIRM_S = 3.0
_LOOK_S = 0.05


class HostedBarrier(HostedDevice):
    """A hosted barrier."""

    confirm_s = CONFIRM_S

    def __init__(self, pattern: Driver, host: HostLink, sink: EventSink, clock: Clock) -> None:
        super().__init__(pattern, host, sink, clock)
        self._inputs: BarrierInputs | None = None
        self._is_locked_down = False
        self._shown: ShowSignal | None = None
        self._aligning: asyncio.Task[None] | None = None

    def connected(self, channel: Channel) -> None:
        """Tell the host this agent's lockdown, or that there is none, and its signal: it may be another host, or keep an earlier agent's."""
        super().connected(channel)
        self._aligning = asyncio.create_task(self._align(), name=f"{self.name} told how it is")

    async def _align(self) -> None:
        commands: list[Command] = [LockDown() if self._is_locked_down else LiftLockdown()]
        if self._shown is not None:
            commands.append(self._shown)
        for command in commands:
            with suppress(CommandLost, DriverFault, Unsupported):  # told again with the next connection
                await self.host.ask(self.name, command)

    def told(self, message: Told) -> None:
        """Remember the inputs."""
        if isinstance(message.payload, BarrierInputs):
            self._inputs = message.payload
        super().told(message)

    async def release(self, direction: Door, count: int, ttl_s: float) -> None:
        """Unlock one door for `count` passages within `ttl_s`, counted from now; returns when the hardware confirmed it.

        Raises `Unsupported`, `ReleaseNotMade` (certainly not released; `LockedDown` in a lockdown), `ReleaseUndetermined`, or what else
        the driver raised.
        """
        if self._is_locked_down:  # here, too: a host that was away, or another one, knows nothing of it
            raise LockedDown(f"{self.name}: a lockdown is in force")
        before = self._inputs
        expires_s = self.clock.monotonic_s() + ttl_s
        try:
            await self.host.ask(self.name, ReleaseDoor(direction, count, expires_s))
        except CommandLost as lost:
            if not lost.was_sent:
                raise ReleaseNotMade(f"{self.name}: its host is away: {lost.fault}") from lost
            if not await self._was_made(direction, before):
                raise ReleaseUndetermined(
                    f"{self.name}: its host went before it answered, and the inputs do not show a release"
                ) from lost

    async def end_releases(self) -> None:
        """End every running release at once. Raises a fault; while the host is away, the board's time to live or watchdog ends them."""
        await self.ask(EndReleases())

    async def lockdown(self) -> None:
        """End every running release and refuse new ones; raises what `end_releases` does, and refuses all the same."""
        self._is_locked_down = True
        await self.ask(LockDown())

    async def lift_lockdown(self) -> None:
        """Take releases again. A host that is away has none of this agent's lockdowns when it is back."""
        self._is_locked_down = False
        with suppress(CommandLost):
            await self.host.ask(self.name, LiftLockdown())

    async def signal(self, signal: GateSignal, ttl_s: float) -> None:
        """Have lights and sounder tell this for `ttl_s`, another host, too. Raises `Unsupported`, or a fault."""
        self._shown = ShowSignal(signal, self.clock.monotonic_s() + ttl_s)
        await self.ask(self._shown)

    async def read_inputs(self) -> BarrierInputs:
        """Return the inputs as they are now. Raises a fault."""
        answer = await self.ask(ReadInputs())
        if not isinstance(answer, BarrierInputs):
            raise DriverFault(f"{self.name}: no inputs came back")
        return answer

    async def _was_made(self, door: Door, before: BarrierInputs | None) -> bool:
        """Look at the inputs, once the host is back, for what only a release leaves; False when nothing shows it in time."""
        if before is None:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(self.confirm_s):
                while True:
                    with suppress(DriverFault):
                        if _shows(door, before, await self.read_inputs()):
                            return True
                    await asyncio.sleep(_LOOK_S)
        return False


def _shows(door: Door, before: BarrierInputs, now: BarrierInputs) -> bool:
    """Tell whether a door opened or was passed since. A fire opens it, too, and what no release explains proves nothing."""
    if now.fire or now.tamper or now.irregularities:
        return False
    if door is Door.ENTRANCE:
        return now.entrance_passages != before.entrance_passages or (now.entrance_open and not before.entrance_open)
    return now.exit_passages != before.exit_passages or (now.exit_open and not before.exit_open)
