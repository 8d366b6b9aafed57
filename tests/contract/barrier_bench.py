"""A barrier driver running against its twin, and what it told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from drivers.barrier.driver import ModbusBarrier, build, build_rtu
from drivers.barrier.modbus import Function, Request
from drivers.barrier.modbus_client import ModbusClient
from drivers.barrier.twin import ModbusBarrierTwin, ModbusRtuBarrierTwin
from drivers.contracts import BarrierInputs, DeviceEvent, Door, Irregularity
from drivers.link import Link
from gate_agent.clock import SystemClock
from tests.waiting import until


class Running:
    """Started at once; stop it at the end."""

    def __init__(self, twin: Any, make: Callable[..., Any], options: Mapping[str, object]) -> None:
        self.twin = twin
        self.events: list[DeviceEvent] = []
        self.driver = self.made_by(make)("barrier-1", options, self.events.append, SystemClock())
        self.task = asyncio.create_task(self.driver.run())

    def made_by(self, make: Callable[..., Any]) -> Callable[..., Any]:
        """Return what builds the driver: a suite that runs it elsewhere says so here."""
        return make

    def inputs(self) -> list[BarrierInputs]:
        return [event.data for event in self.events if isinstance(event.data, BarrierInputs)]

    async def until(self, is_met: Callable[[], object], seconds: float = 3.0) -> None:
        await until(is_met, seconds)

    async def told_of_force_s(self, door: Door) -> float:
        """Push a door open again and again; return the shortest time until that was told, of at most four tries."""
        waited_s: list[float] = []
        while not waited_s or (min(waited_s) >= 1.0 and len(waited_s) < 4):
            await self.until(lambda: not self.inputs()[-1].irregularities, 20.0)
            known = len(self.events)
            forced_s = SystemClock().monotonic_s()
            self.twin.force(door)
            await self.until(lambda: Irregularity.DOOR_FORCED in self.inputs()[-1].irregularities, 10.0)
            told = next(e for e in self.events[known:] if isinstance(e.data, BarrierInputs) and e.data.irregularities)
            waited_s.append(told.t_mono_s - forced_s)
        return min(waited_s)

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


class Gate(Running):
    """Behind a Modbus board."""

    driver: ModbusBarrier

    def __init__(self, twin: ModbusBarrierTwin | ModbusRtuBarrierTwin, **options: object) -> None:
        line: dict[str, object]
        if isinstance(twin, ModbusBarrierTwin):
            make, line = build, {"host": "127.0.0.1", "port": twin.port}
        else:  # a pty knows no parity, and a second opening that asks for it is refused by the C library
            make, line = build_rtu, {"path": str(twin.path), "parity": "N"}
        super().__init__(twin, make, line | {"poll_ms": 10, "reply_timeout_s": 0.1} | options)

    def released(self) -> list[Door]:
        return [door for door, _ in self.twin.released_log]


class Asking:
    """A Modbus client on a link that is read beside it."""

    def __init__(self, link: Link, client: ModbusClient) -> None:
        self.client = client
        self.link = link
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            self.client.feed(await self.link.read())

    async def ask(self, function: int, address: int, count: int = 1, values: tuple[int, ...] = ()) -> tuple[int, ...]:
        return await self.client.ask(self.link, Request(Function(function), address, count, values))

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self.link.close()
