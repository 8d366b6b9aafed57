"""A camera driver under test: what it is pointed at, what it told, and how long that took."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from drivers.camera import driver as camera_driver
from drivers.contracts import DeviceEvent, DeviceState, FrameCaptured, StateChanged
from gate_agent.clock import SystemClock
from tests.waiting import until

FAST_LIMITS = {"stale_s": 1.6, "frozen_s": 0.8, "black_s": 0.6, "idle_fps": 10.0, "minimum_fps": 0.0}
"""Short where the twin alone decides, and long or off where a busy machine would: times are proven on a clock turned by hand."""


def scene(seed: int = 0) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(40, 220, (53, 41, 3), np.uint8)
    return cv2.resize(blocks, (413, 531), interpolation=cv2.INTER_CUBIC)


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


class Post:
    """A camera driver at a twin, with the events it told; frames are given back at once unless `keeps` is set."""

    build = staticmethod(camera_driver.build)

    def __init__(self, source: str, **options: object) -> None:
        self.events: list[DeviceEvent] = []
        self.kept: list[FrameCaptured] = []
        self.keeps = False
        self.driver = self.build("camera", {"source": source, **options}, self._take, SystemClock())
        self.task = asyncio.create_task(self.driver.run())

    def _take(self, event: DeviceEvent) -> None:
        self.events.append(event)
        if isinstance(event.data, FrameCaptured):
            if self.keeps:
                self.kept.append(event.data)
            else:
                event.data.release()

    def told(self, kind: type) -> list[DeviceEvent]:
        return [event for event in self.events if isinstance(event.data, kind)]

    def faults(self) -> list[str]:
        return [event.data.fault for event in self.told(StateChanged) if event.data.fault]

    async def until(self, is_met: Callable[[], bool], seconds: float = 15.0) -> float:
        return await until(is_met, seconds)

    async def until_state(self, state: DeviceState, seconds: float = 15.0) -> float:
        return await self.until(lambda: self.driver.state is state, seconds)

    async def end(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
