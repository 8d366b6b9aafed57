"""The agent's drivers of a hosted camera lift and a hosted help point."""

from __future__ import annotations

import asyncio

from drivers.accessibility import LiftDirection, LiftReported
from drivers.contracts import Clock, Driver, EventSink
from drivers.errors import DriverFault
from drivers.hosted.device_client import HostedDevice
from drivers.hosted.host_link import HostLink
from drivers.hosted.messages import CallStation, MoveLift, Told


class HostedLift(HostedDevice):
    """A hosted camera lift. A host that goes leaves the end of a move to the box's time to live or watchdog."""

    def __init__(self, pattern: Driver, host: HostLink, sink: EventSink, clock: Clock) -> None:
        super().__init__(pattern, host, sink, clock)
        self._last: LiftReported | None = None
        self._moving: asyncio.Task[object] | None = None

    def told(self, message: Told) -> None:
        """Remember how the lift stands."""
        if isinstance(message.payload, LiftReported):
            self._last = message.payload
        super().told(message)

    async def move(self, direction: LiftDirection, seconds: float) -> LiftReported:
        """Move for at most `seconds` or to the limit; returns how it stands. Cancelling stops it. Raises a fault."""
        moving = self._moving = asyncio.create_task(self.ask(MoveLift(direction, seconds)), name=f"{self.name} moving")
        try:
            answer = await moving
        except asyncio.CancelledError:
            if moving.cancelled() and not _is_cancelling():  # `stop` ended it, and nobody this task
                answer = self._last
            else:
                moving.cancel()
                raise
        finally:
            self._moving = None
        if not isinstance(answer, LiftReported):
            raise DriverFault(f"{self.name}: it was not told how the lift stands")
        return answer

    def stop(self) -> None:
        """End a running move at once."""
        if self._moving is not None:
            self._moving.cancel()


class HostedHelpPoint(HostedDevice):
    """A hosted help point."""

    async def call(self) -> None:
        """Make the intercom call the guards' station. Raises a fault, or `Unsupported` without an intercom."""
        await self.ask(CallStation())


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
