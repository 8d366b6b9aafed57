"""Cameras: from a picture on the wire to the frame's event, and what a capture child costs, for MJPEG and RTSP at 720p and ten frames a second.

Twin, driver and child share the machine. Costs are CPU time, read from the kernel; latencies are wall time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import time
from pathlib import Path

import cv2
import numpy as np

from drivers.camera import driver as camera_driver
from drivers.camera.network_twin import NetworkCameraTwin
from drivers.camera.rtsp_twin import RtspCameraTwin
from drivers.camera.twin import CameraTwin
from drivers.contracts import DeviceEvent, DeviceState, FrameCaptured
from gate_agent import logs
from gate_agent.cli.bench import BenchRow
from gate_agent.clock import SystemClock

NAME = "cameras"
MEASURED_S = 10.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def run() -> list[BenchRow]:
    """Measure one kind of camera after the other."""
    logs.configure("bench", level="ERROR")
    return [
        row for kind, twin in (("MJPEG", CameraTwin), ("RTSP", RtspCameraTwin)) for row in asyncio.run(_of(kind, twin))
    ]


async def _of(kind: str, make: type[NetworkCameraTwin]) -> list[BenchRow]:
    sent_s = 0.0
    latencies_ms: list[float] = []

    class Stamping(make):  # type: ignore[valid-type,misc] # a twin that notes when it sends
        def packed(self, picture: bytes) -> bytes:
            nonlocal sent_s
            sent_s = time.perf_counter()
            return bytes(super().packed(picture))

    def take(event: DeviceEvent) -> None:
        if isinstance(event.data, FrameCaptured):
            latencies_ms.append((time.perf_counter() - sent_s) * 1000)
            event.data.release()

    async with Stamping(fps=10.0) as twin:
        twin.show(_scene())
        driver = camera_driver.build("bench", {"source": twin.url}, take, SystemClock())
        task = asyncio.create_task(driver.run())
        async with asyncio.timeout(30):
            while driver.state is not DeviceState.READY:
                await asyncio.sleep(0.05)
        idle = await _child_share(driver)
        driver.set_active(active=True)
        await asyncio.sleep(1.0)
        latencies_ms.clear()
        active = await _child_share(driver)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    steps = statistics.quantiles(latencies_ms, n=100)
    return [
        BenchRow(f"{kind} 720p: picture sent -> event, median", statistics.median(latencies_ms), None, None, "ms"),
        BenchRow(f"{kind} 720p: picture sent -> event, p95", steps[94], None, None, "ms"),
        BenchRow(f"{kind} 720p at 10 fps: child while active", active, None, None, "% of a core"),
        BenchRow(f"{kind} 720p at 10 fps: child while idle", idle, None, None, "% of a core"),
    ]


async def _child_share(driver: camera_driver.OpenCvCamera) -> float:
    """Return the CPU time of the driver's child over the measured time, in per cent."""
    child = driver._child
    assert child is not None
    assert child._process is not None
    before_s = _cpu_s(child._process.pid)
    await asyncio.sleep(MEASURED_S)
    return (_cpu_s(child._process.pid) - before_s) / MEASURED_S * 100


def _cpu_s(process_id: int) -> float:
    fields = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _scene() -> np.ndarray:
    blocks = np.random.default_rng(1).integers(40, 220, (53, 41, 3), np.uint8)
    return cv2.resize(blocks, (413, 531), interpolation=cv2.INTER_CUBIC)
