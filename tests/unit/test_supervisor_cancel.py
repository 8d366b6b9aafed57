"""A driver that is cancelled in the moment its device fails ends all the same."""

from __future__ import annotations

import asyncio

from drivers.contracts import DeviceClass
from drivers.errors import LinkLost
from drivers.link import Link, Tap
from drivers.supervisor import LinkSource, SupervisedDriver, Timing
from gate_agent.clock import SystemClock


class FailingLink(Link):
    """Lost just when nobody wants it any more."""

    async def read(self) -> bytes:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as cancelled:
            raise LinkLost("gone while it was let go") from cancelled
        return b""

    async def write(self, chunk: bytes) -> None:
        raise LinkLost(f"takes no {len(chunk)} bytes")

    async def close(self) -> None:
        pass


class Source:
    def __init__(self) -> None:
        self.opened = 0

    async def open(self, tap: Tap | None = None) -> Link:
        self.opened += 1
        return FailingLink(tap)

    def is_there(self) -> bool:
        return True


class Device(SupervisedDriver):
    device_class = DeviceClass.POWER

    def __init__(self) -> None:
        super().__init__("device", Timing(None, None), lambda _event: None, SystemClock())
        self.way = Source()

    @property
    def source(self) -> LinkSource:
        return self.way

    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        return bool(chunk) and t_mono_s > 0


async def test_a_device_that_fails_while_it_is_let_go_is_not_opened_again() -> None:
    device = Device()
    task = asyncio.create_task(device.run())
    while not device.way.opened:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=10)
    assert done
    assert task.cancelled()
    assert device.way.opened == 1
