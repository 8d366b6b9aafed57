"""A running seal server and what it told, for tests of a class that has a server instead of a line."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from drivers.contracts import DeviceEvent, DeviceState, SealReported, StateChanged
from drivers.seal_tracker import driver as seal_driver
from gate_agent.clock import SystemClock

CLOCK = SystemClock()
PATIENCE_S = 120.0


class SealServer:
    """The driver on a free port, with every event that it told."""

    def __init__(self, **options: object) -> None:
        self.events: list[DeviceEvent] = []
        self.driver = seal_driver.build("seals", {"port": 0, **options}, self.events.append, CLOCK)
        self.task = asyncio.create_task(self.driver.run())

    def reports(self) -> list[SealReported]:
        """Return what was told of seals."""
        return [event.data for event in self.events if isinstance(event.data, SealReported)]

    def faults(self) -> list[str]:
        """Return the fault of each state that was told, empty for none."""
        return [event.data.fault for event in self.events if isinstance(event.data, StateChanged)]


@contextlib.asynccontextmanager
async def serving(**options: object) -> AsyncIterator[SealServer]:
    """Run a server that listens; everything inside has to end within `PATIENCE_S`."""
    server = SealServer(**options)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while server.driver.state is not DeviceState.STARTING:
                await asyncio.sleep(0.005)
            yield server
    finally:
        server.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await server.task
