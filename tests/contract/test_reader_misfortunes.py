"""Every reader on its twin through whatever happens to cables and lines: alive, ready within three seconds, in step with the next frame."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.contracts import DeviceEvent, DeviceState
from drivers.registry import build
from drivers.twin import PathTwin, TcpTwin
from gate_agent.clock import SystemClock
from tests.contract import rig_core, rig_rfid, rig_scanners

RIGS = rig_core.RIGS | rig_scanners.RIGS | rig_rfid.RIGS
READERS = {name: rig for name, rig in RIGS.items() if not name.endswith("_barrier") and name != "turnstile_serial"}
RECONNECT_S = 3.0
OPEN = {DeviceState.STARTING, DeviceState.READY}


class Line:
    """A running reader on its twin; `heard` counts what it was told of reads."""

    def __init__(self, rig: Any) -> None:
        self.rig = rig
        self.twin: PathTwin | TcpTwin = rig.twin
        self.noise = rig.noise or rig.twin.send
        self.events: list[DeviceEvent] = []
        self.driver: Any = build("reader", rig.driver, rig.options(), self.events.append, SystemClock())
        self.task = asyncio.create_task(self.driver.run())

    @property
    def heard(self) -> int:
        return sum(isinstance(event.data, self.rig.told) for event in self.events)

    async def until_ready(self) -> float:
        """Return the seconds until the reader is open (and ready, where it can be asked)."""
        wanted = OPEN if self.rig.speaks_only_when_used else {DeviceState.READY}
        started_s = time.monotonic()
        async with asyncio.timeout(RECONNECT_S):
            while self.driver.state not in wanted or not self.twin.is_plugged:
                await asyncio.sleep(0.002)
        return time.monotonic() - started_s

    async def read(self) -> None:
        """Let the twin read once: that is told, whatever came before."""
        before = self.heard
        self.rig.stir()
        async with asyncio.timeout(RECONNECT_S):
            while self.heard == before:
                await asyncio.sleep(0.002)


@pytest.fixture(params=sorted(READERS))
async def line(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Line]:
    rig = await READERS[request.param](tmp_path)
    await rig.twin.plug()
    running = Line(rig)
    await running.until_ready()
    await running.read()
    yield running
    running.task.cancel()
    await asyncio.gather(running.task, return_exceptions=True)
    await rig.close()


@pytest.mark.parametrize("sent_bytes", [1, 3, 9, 20, 40])
async def test_a_cable_pulled_inside_a_frame_costs_that_frame_and_no_other(line: Line, sent_bytes: int) -> None:
    line.twin.cut_after(sent_bytes)
    line.rig.stir()
    async with asyncio.timeout(RECONNECT_S):
        while line.twin.is_plugged or line.driver.state in OPEN:
            await asyncio.sleep(0.002)
    await line.twin.plug()
    await line.until_ready()
    await line.read()


async def test_after_noise_the_next_frame_is_told(line: Line) -> None:
    chance = random.Random(21)
    for length in (1, 7, 64, 700):
        line.noise(chance.randbytes(length))
        await asyncio.sleep(line.driver.gap_s + 0.1)
        await line.read()
    assert not line.task.done()


async def test_soak_of_kill_mute_corrupt_noise_and_replug(line: Line) -> None:
    chance = random.Random(22)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(60):
        match chance.choice(["read", "read", "replug", "noise", "tear", "corrupt", "mute"]):
            case "read":
                line.rig.stir()
            case "noise":
                line.noise(chance.randbytes(40))
            case "tear":
                line.twin.cut_after(chance.randrange(1, 60))
                line.rig.stir()
                await asyncio.sleep(0.02)
                await line.twin.plug()
            case "corrupt":
                line.twin.corrupt()
                line.rig.stir()
                line.twin.corrupt(on=False)
            case "mute":
                line.twin.mute()
                line.rig.stir()
                await asyncio.sleep(0.02)
                line.twin.mute(on=False)
            case "replug":
                await line.twin.unplug()
                await asyncio.sleep(0.01)
                await line.twin.plug()
        await asyncio.sleep(0.01)
    line.twin._cut_after_bytes = None
    await line.twin.plug()
    await asyncio.sleep(line.driver.gap_s + 0.1)  # what was torn is over
    await line.until_ready()
    await line.read()
    assert not line.task.done()
    assert [event.seq for event in line.events] == list(range(1, len(line.events) + 1))
    assert "DRV-DEV-005" not in line.driver.reporter.fault_counts
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors + 1


async def test_replugged_ten_times_it_is_ready_within_three_seconds_each_time(line: Line) -> None:
    for _ in range(10):
        await line.twin.unplug()
        async with asyncio.timeout(RECONNECT_S):
            while line.driver.state is not DeviceState.ABSENT:
                await asyncio.sleep(0.002)
        await line.twin.plug()
        assert await line.until_ready() < RECONNECT_S
    await line.read()
