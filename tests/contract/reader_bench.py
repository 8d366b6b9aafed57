"""A chip reader's driver that runs, and everything it told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from drivers.chip.driver import ChipReader
from drivers.contracts import (
    ChipEvidence,
    ChipKeys,
    ChipPresented,
    ChipProgress,
    ChipRemoved,
    DeviceEvent,
    DeviceState,
    StateChanged,
)
from drivers.registry import build
from gate_agent.clock import SystemClock
from tests.waiting import until


class ReaderBench:
    """Made inside a running loop; `stop` ends the driver and its process."""

    def __init__(self, driver: str, **options: object) -> None:
        self.events: list[DeviceEvent] = []
        self.progress: list[ChipProgress] = []
        reader = build("chip", driver, options, self.events.append, SystemClock())
        assert isinstance(reader, ChipReader)
        self.reader = reader
        self._task = asyncio.create_task(reader.run())

    async def until(self, is_met: Callable[[], object], seconds: float = 20.0) -> None:
        await until(is_met, seconds)

    async def ready(self) -> None:
        await self.until(lambda: self.reader.state is DeviceState.READY)

    def count(self, kind: type) -> int:
        return sum(isinstance(event.data, kind) for event in self.events)

    @property
    def is_chip_there(self) -> bool:
        return self.count(ChipPresented) > self.count(ChipRemoved)

    def states(self) -> list[tuple[DeviceState, str]]:
        return [(event.data.state, event.data.fault) for event in self.events if isinstance(event.data, StateChanged)]

    async def read(self, keys: ChipKeys) -> ChipEvidence:
        return await self.reader.read(keys, self.progress.append)

    def child(self) -> int:
        process: Any = self.reader._child
        return int(process._process.pid)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
