"""A driver survives any number of lost links. On Python 3.11.2 (Debian 12) a failed TaskGroup spoils later timeouts of its task."""

from __future__ import annotations

import asyncio
from pathlib import Path

from drivers import contracts as dc
from drivers.document_reader.twin import MrzReaderTwin
from drivers.registry import build
from gate_agent.clock import SystemClock

LINES = ("P<UTO" + "A" * 39, "L898902C36UTO7408122F1204159ZE184226B<<<<<10")


async def reached(driver: dc.Driver, state: dc.DeviceState) -> None:
    async with asyncio.timeout(5):
        while driver.state is not state:
            await asyncio.sleep(0.002)


async def test_sixty_cut_cables_leave_the_driver_alive(tmp_path: Path) -> None:
    twin = MrzReaderTwin(tmp_path / "reader")
    await twin.plug()
    driver = build("reader", "mrz_serial", {"path": str(twin.path)}, lambda _event: None, SystemClock())
    task = asyncio.create_task(driver.run())
    for turn in range(60):
        await reached(driver, dc.DeviceState.READY)
        twin.cut_after(1 + turn)
        twin.present(LINES)
        await reached(driver, dc.DeviceState.ABSENT)
        await asyncio.sleep(0.01 * (turn % 3))
        assert not task.done(), "the driver ended without a word"
        await twin.plug()
    await reached(driver, dc.DeviceState.READY)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await twin.unplug()
