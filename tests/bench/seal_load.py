"""Many seal trackers at once: a server in this process, and trackers in another one that count what is acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from drivers.contracts import DeviceEvent, DeviceState, SealReported
from drivers.seal_tracker.driver import SealTrackerServer, build
from drivers.seal_tracker.jointech import LockFrame, encode_lock_frame, lock_answer
from drivers.seal_tracker.jointech_fix import Fix
from gate_agent.clock import SystemClock

CHECKOUT = Path(__file__).parents[2]
DESCRIPTORS_BESIDE = 64
PATIENCE_S = 120.0
"""A message without its answer for so long was not acknowledged. Generous: the machine may be busy with other things."""


class TooFewDescriptors(Exception):
    """The hard limit of open files of this machine is too low for so many connections."""


@dataclass(frozen=True)
class Acknowledged:
    """What came of it. CPU in seconds: of the server's process from the first connection to the last answer, and of the trackers'."""

    connections: int
    sent: int
    acknowledged: int
    reported: int
    server_cpu_s: float
    trackers_cpu_s: float
    wall_s: float
    server_growth_bytes: int
    """What the server's process grew by at most while they were connected (resident memory)."""


def acknowledged(connections: int, messages_each: int) -> Acknowledged:
    """Connect so many trackers at once and let each send so many messages, one after the other, each after the answer to the last.

    Raises `TooFewDescriptors`. What is missing shows in the counts.
    """
    raise_descriptor_limit(connections + DESCRIPTORS_BESIDE)
    return asyncio.run(_served(connections, messages_each))


def raise_descriptor_limit(needed: int) -> None:
    """Raise this process's limit of open files within the hard limit. Raises `TooFewDescriptors`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise TooFewDescriptors(f"{needed} open files are needed, the hard limit is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def frame_of(seal: int, index: int) -> LockFrame:
    """Return the report number `index` of tracker number `seal`; it asks for an answer."""
    moment = datetime(2026, 11, 30, 12, index // 60 % 60, index % 60, tzinfo=UTC)
    fix = Fix(moment, 24_779_700, 41_544_060, flags=7, speed_byte=0, course_half_deg=0)
    return LockFrame(
        f"99{seal:08d}", 0x19, 0x11, fix, 0, 9, bytes(4), 0x20E0, 90, 1, 1, 20, bytes(4), index % 256
    )  # fmt: skip


async def _served(connections: int, messages_each: int) -> Acknowledged:
    reported, grown = 0, [0]

    def count(event: DeviceEvent) -> None:
        nonlocal reported
        reported += isinstance(event.data, SealReported)

    server = build("seals", {"port": 0, "connections_limit": min(4096, connections)}, count, SystemClock())
    task = asyncio.create_task(server.run())
    try:
        await _listening(server)
        started_s, cpu_s = time.monotonic(), time.process_time()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.seal_load", str(server.port), str(connections), str(messages_each),
            stdout=asyncio.subprocess.PIPE, cwd=CHECKOUT,
        )  # fmt: skip
        watch = asyncio.create_task(_watch(grown))
        out, _ = await process.communicate()
        watch.cancel()
        spent_s, wall_s = time.process_time() - cpu_s, time.monotonic() - started_s
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    told = json.loads(out)
    return Acknowledged(
        told["connections"], told["sent"], told["acknowledged"], reported, spent_s, told["cpu_s"], wall_s, grown[0]
    )


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def _watch(grown: list[int]) -> None:
    before = _resident_bytes()
    while True:
        grown[0] = max(grown[0], _resident_bytes() - before)
        await asyncio.sleep(0.05)


async def _listening(server: SealTrackerServer) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while server.state is not DeviceState.STARTING:
            await asyncio.sleep(0.01)


async def _trackers(port: int, connections: int, messages_each: int) -> dict[str, float]:
    counts = {"connections": 0, "sent": 0, "acknowledged": 0}
    everybody = asyncio.Event()

    async def tracker(seal: int) -> None:
        first = frame_of(seal, 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        counts["connections"] += 1
        if counts["connections"] == connections:
            everybody.set()
        await everybody.wait()  # all are connected before the first one says anything
        for index in range(messages_each):
            report = replace(first, index=index % 256, mileage_km=index)
            writer.write(encode_lock_frame(report))
            counts["sent"] += 1
            answer = lock_answer(report)
            is_acknowledged = await reader.readexactly(len(answer)) == answer
            counts["acknowledged"] += is_acknowledged
        writer.close()

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(tracker(seal) for seal in range(connections)), return_exceptions=True)
    return {**counts, "cpu_s": time.process_time()}


def _main(port: str, connections: str, messages_each: str) -> None:
    raise_descriptor_limit(int(connections) + DESCRIPTORS_BESIDE)
    sys.stdout.write(json.dumps(asyncio.run(_trackers(int(port), int(connections), int(messages_each)))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
