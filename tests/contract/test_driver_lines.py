"""Every driver of a byte stream through a cable that is pulled inside a message, a line of one byte per second, and a slow device."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.contracts import DeviceState
from tests.contract.test_driver_contract import RIGS, Bench

NO_STREAM = {"hwmon_enclosure", "page_folder", "sane_scanner", "xray_folder", "mavlink_uav_udp"}
"""Files, programs and datagrams: nothing of theirs is cut in the middle on a line."""

RECONNECT_S = 3.0
PATIENCE_S = 20.0


@pytest.fixture(params=sorted(RIGS.keys() - NO_STREAM))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    rig = await RIGS[request.param](tmp_path)
    running = Bench(rig)
    await running.ready()
    await running.stir()
    yield running
    await running.stop()
    await rig.close()


class Trickle:
    """Makes a twin send one byte per second from now on, until `end`; what waits then is lost, as on a cable that was changed."""

    def __init__(self, twin: Any) -> None:
        self._twin = twin
        self._send = twin.send
        self._due_s = 0.0
        self._waiting: list[asyncio.TimerHandle] = []
        twin.send = self._slowly

    def _slowly(self, *arguments: Any) -> None:
        *where, chunk = arguments
        loop = asyncio.get_running_loop()
        for byte in bytes(chunk):
            self._due_s = max(self._due_s + 1.0, loop.time())
            self._waiting.append(loop.call_at(self._due_s, self._send, *where, bytes([byte])))

    def end(self) -> None:
        for timer in self._waiting:
            timer.cancel()
        self._twin.send = self._send


async def told_again(bench: Bench) -> None:
    """What was lost may have been a contact's change, so that the next one is no news; the one after it is."""
    bench.rig.stir()
    await asyncio.sleep(0.5)
    await bench.stir()


@pytest.mark.parametrize("sent_bytes", [1, 5, 11])
async def test_half_a_message_costs_no_more_than_itself(bench: Bench, sent_bytes: int) -> None:
    twin = bench.rig.twin
    twin.cut_after(sent_bytes)
    bench.rig.stir()
    await bench.until(lambda: not twin.is_plugged, PATIENCE_S)
    await bench.until(lambda: bench.driver.state is DeviceState.ABSENT, PATIENCE_S)
    twin._cut_after_bytes = None
    await twin.plug()
    assert await bench.until_ready(PATIENCE_S) < RECONNECT_S
    await told_again(bench)
    assert "DRV-DEV-005" not in {change.fault for change in bench.states()}
    assert not bench.task.done()


async def test_one_byte_per_second_harms_nothing_and_is_over_with_the_line(bench: Bench) -> None:
    line = Trickle(bench.rig.twin)
    ends_s = asyncio.get_running_loop().time() + 4.0
    while asyncio.get_running_loop().time() < ends_s:
        bench.rig.stir()
        await asyncio.sleep(0.4)
    assert not bench.task.done()
    line.end()
    await bench.rig.twin.unplug()
    await bench.until(lambda: bench.driver.state is DeviceState.ABSENT, PATIENCE_S)  # it may pause between two attempts
    await bench.rig.twin.plug()
    assert await bench.until_ready(PATIENCE_S) < RECONNECT_S
    await told_again(bench)
    assert "DRV-DEV-005" not in {change.fault for change in bench.states()}
    assert [event.seq for event in bench.events] == list(range(1, len(bench.events) + 1))


async def test_a_slow_device_is_heard_late_and_in_order(bench: Bench) -> None:
    bench.rig.twin.delay(0.05)
    for _ in range(3):
        await bench.stir()
    assert bench.driver.state is DeviceState.READY
    bench.rig.twin.delay(0.0)
    await bench.stir()
    told = [event.t_mono_s for event in bench.events if isinstance(event.data, bench.rig.told)]
    assert told == sorted(told)
