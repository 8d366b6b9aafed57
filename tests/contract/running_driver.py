"""A driver that runs with its options, and everything it told; `running_reader` is the same for twins on a path or a port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from drivers.contracts import DeviceEvent, DeviceState, DocumentImage, ReadFailed, StateChanged
from drivers.registry import build
from gate_agent.clock import SystemClock
from tests.waiting import until


class RunningDriver:
    """Built at once; `run` needs a running loop."""

    def __init__(self, driver: str, **options: object) -> None:
        self.events: list[DeviceEvent] = []
        self.driver: Any = build("device", driver, options, self.events.append, SystemClock())
        self.task: asyncio.Task[None] | None = None

    def run(self) -> None:
        self.task = asyncio.create_task(self.driver.run())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task

    async def until(self, is_met: Callable[[], object], seconds: float = 15) -> None:
        await until(is_met, seconds)

    async def until_state(self, state: DeviceState) -> None:
        await self.until(lambda: self.driver.state is state)

    async def until_fault(self, code: str) -> None:
        await self.until(lambda: code in self.faults())

    async def until_ready(self) -> None:
        await self.until_state(DeviceState.READY)

    def faults(self) -> list[str]:
        return [event.data.fault for event in self.events if isinstance(event.data, StateChanged)]

    def states(self) -> list[DeviceState]:
        return [event.data.state for event in self.events if isinstance(event.data, StateChanged)]

    def told(self) -> list[Any]:
        return [event.data for event in self.events if not isinstance(event.data, StateChanged)]

    def pictures(self) -> list[DocumentImage]:
        return [one for one in self.told() if isinstance(one, DocumentImage)]

    def refused(self) -> list[str]:
        return [one.reason for one in self.told() if isinstance(one, ReadFailed)]
