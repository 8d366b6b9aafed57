"""The seal server under load: a thousand trackers at once, one that floods, one that is silent, and one too many."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace

import pytest

from drivers.contracts import DeviceState
from drivers.seal_tracker.allowance import BURST_S, Allowance
from drivers.seal_tracker.jointech import encode_lock_frame, lock_answer
from tests.bench.seal_load import Acknowledged, TooFewDescriptors, acknowledged, frame_of
from tests.contract.seal_serving import SealServer, serving

CONNECTIONS = 1000
MESSAGES = 5


@pytest.fixture(scope="module")
def load() -> Acknowledged:
    try:
        return acknowledged(CONNECTIONS, MESSAGES)
    except TooFewDescriptors as few:
        pytest.skip(str(few))


def test_a_thousand_trackers_at_once_have_every_message_acknowledged_and_told(load: Acknowledged) -> None:
    assert load.connections == CONNECTIONS
    assert (load.sent, load.acknowledged, load.reported) == (CONNECTIONS * MESSAGES,) * 3


def test_a_thousand_trackers_cost_little_memory_and_processor_time(load: Acknowledged) -> None:
    assert load.server_cpu_s / load.sent < 0.002, "seconds of one core per message; a fifth of a millisecond is usual"
    assert load.server_growth_bytes < 128 << 20, "twenty megabytes are usual"


def reports_of(server: SealServer, seal: int) -> int:
    return sum(report.seal_id == f"99{seal:08d}" for report in server.reports())


def numbered(seal: int, count: int) -> list[bytes]:
    first = frame_of(seal, 0)
    return [encode_lock_frame(replace(first, index=number % 256, mileage_km=number)) for number in range(count)]


async def converse(port: int, seal: int, messages: int) -> int:
    """Return how many of a tracker's messages were acknowledged, each sent after the answer to the last."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answered = 0
    for index in range(messages):
        report = replace(frame_of(seal, 0), index=index % 256, mileage_km=index)
        writer.write(encode_lock_frame(report))
        answer = lock_answer(report)
        answered += await reader.readexactly(len(answer)) == answer
    writer.close()
    return answered


async def test_a_flooding_tracker_gets_what_it_may_send_and_slows_nobody() -> None:
    rate_bytes_s = 2048
    async with serving(rate_limit_bytes_s=rate_bytes_s) as server:
        _, flood = await asyncio.open_connection("127.0.0.1", server.driver.port)
        silent = [await asyncio.open_connection("127.0.0.1", server.driver.port) for _ in range(5)]
        frames = numbered(1, 20_000)
        started_s = time.monotonic()
        flood.write(b"".join(frames))
        assert await asyncio.gather(*(converse(server.driver.port, seal, 20) for seal in range(10, 30))) == [20] * 20
        spent_s = time.monotonic() - started_s
        most = rate_bytes_s * (BURST_S + spent_s) / len(frames[0]) + 4096 / len(frames[0]) + 2
        assert reports_of(server, 1) <= most
        assert reports_of(server, 1) < len(frames), "held back"
        assert "DRV-SEA-012" not in server.faults(), "and not cut: it may be a tracker that empties its memory"
        flood.transport.abort()
        for _, writer in silent:
            writer.close()


async def test_bytes_that_never_make_a_frame_are_ended_by_time_too() -> None:
    async with serving(silent_s=0.5) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.driver.port)
        with contextlib.suppress(OSError):
            while not reader.at_eof():
                writer.write(b"$")  # a byte now and then: never silent, never a frame
                await asyncio.sleep(0.05)
                if server.faults()[-1] == "DRV-SEA-012":
                    break
        assert server.faults()[-1] == "DRV-SEA-012"
        writer.close()


async def test_one_too_many_is_turned_away_and_the_fault_stands_until_a_place_is_free() -> None:
    async with serving(connections_limit=1) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.driver.port)
        report = frame_of(1, 0)
        writer.write(encode_lock_frame(report))
        await reader.readexactly(len(lock_answer(report)))
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await converse(server.driver.port, 2, 1)
        assert server.faults()[-1] == "DRV-SEA-014"
        for number in range(1, 4):
            report = replace(report, index=number)
            writer.write(encode_lock_frame(report))
            await reader.readexactly(len(lock_answer(report)))
        assert server.faults()[-1] == "DRV-SEA-014", "others that are served do not hide it"
        writer.close()
        while server.driver.state is not DeviceState.ABSENT:
            await asyncio.sleep(0.01)
        assert await converse(server.driver.port, 2, 2) == 2
        assert server.driver.state is DeviceState.READY
        assert "" in server.faults()[-2:]


def test_what_is_allowed_fills_up_with_time_and_not_above_the_burst() -> None:
    allowance = Allowance(100.0, 0.0)
    assert allowance.pause_s(400, 0.0) == 0.0
    assert allowance.pause_s(50, 0.0) == pytest.approx(0.5)
    assert allowance.pause_s(0, 0.5) == 0.0
    assert allowance.pause_s(400, 1000.0) == 0.0
    assert allowance.pause_s(100, 1000.0) == pytest.approx(1.0)
