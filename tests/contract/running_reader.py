"""A driver that runs on its twin, and everything it told."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from drivers.contracts import DeviceEvent, DeviceState, StateChanged
from drivers.registry import build
from drivers.twin import PathTwin
from gate_agent.clock import SystemClock
from tests.waiting import until


class Reader:
    build = staticmethod(build)

    def __init__(self, driver: str, twin: Any, **options: object) -> None:
        self.twin = twin
        self.events: list[DeviceEvent] = []
        where = {"path": str(twin.path)} if isinstance(twin, PathTwin) else {"host": "127.0.0.1", "port": twin.port}
        self.driver: Any = self.build("reader", driver, where | options, self.events.append, SystemClock())
        self.task = asyncio.create_task(self.driver.run())

    def told(self, *kinds: type) -> list[Any]:
        return [event.data for event in self.events if isinstance(event.data, kinds)]

    def documents(self) -> list[Any]:
        return [event.data for event in self.events if not isinstance(event.data, StateChanged)]

    async def until(self, is_met: Callable[[], object], seconds: float = 3.0) -> None:
        await until(is_met, seconds)

    async def until_state(self, state: DeviceState) -> None:
        await self.until(lambda: self.driver.state is state)

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        await self.twin.unplug()
