"""Devices as a lane sees them: what its drivers raise becomes the gate's own faults."""

from __future__ import annotations

from collections.abc import Awaitable

from drivers import contracts as dc
from drivers.errors import DriverFault
from gate_agent.errors import DeviceFault


class BarrierPort:
    """The barrier as a lane sees it: driver faults become the gate's."""

    def __init__(self, driver: dc.BarrierDriver) -> None:
        self._driver = driver

    async def release(self, door: dc.Door, count: int, ttl_s: float) -> None:
        """Release one door for so many passages."""
        await _translated(self._driver.release(door, count, ttl_s))

    async def end_releases(self) -> None:
        """End running releases."""
        await _translated(self._driver.end_releases())

    async def lockdown(self) -> None:
        """End running releases and refuse new ones."""
        await _translated(self._driver.lockdown())

    async def lift_lockdown(self) -> None:
        """Take releases again."""
        await _translated(self._driver.lift_lockdown())

    async def signal(self, signal: dc.GateSignal, ttl_s: float) -> None:
        """Switch lights and sounder for a time, where there are any."""
        if "signal" in self._driver.capabilities:
            await _translated(self._driver.signal(signal, ttl_s))


async def _translated(command: Awaitable[None]) -> None:
    try:
        await command
    except DriverFault as fault:
        raise DeviceFault(str(fault), code=fault.code) from fault


class ReaderPort:
    """The document reader as a lane sees it."""

    def __init__(self, driver: dc.ReaderDriver) -> None:
        self._driver = driver

    async def read_again(self) -> None:
        """Ask for another read."""
        await _translated(self._driver.read_again())
