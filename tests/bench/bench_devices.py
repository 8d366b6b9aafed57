"""Devices: bytes to event, unplug, replug, mute, seal frames decoded, and a Modbus round trip beside pymodbus on one server."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.barcode.twin import BarcodeReaderTwin
from drivers.barrier.modbus import Function, Request
from drivers.barrier.modbus_client import ModbusClient
from drivers.contracts import BarcodeRead, DeviceEvent, DeviceState
from drivers.link import TcpPeer
from drivers.registry import build
from drivers.seal_tracker.protocols import protocol_named
from gate_agent import logs
from gate_agent.cli.bench import BenchRow
from gate_agent.clock import SystemClock
from tests.unit.tracker_frames import SESSIONS

NAME = "devices"
SCANS = 300
ROUND_TRIPS = 400
REPLUGS = 12
SEAL_FRAMES = 12_000
SEAL_SESSIONS = ("jt600", "jt808", "eseal", "teratrack", "gt06")


def run() -> list[BenchRow]:
    """Measure everything on one event loop; latencies in milliseconds. No peer figure: ratio is None."""
    logs.configure("bench", level="WARNING")
    return [*asyncio.run(_measure()), *_seal_frames()]


def _seal_frames() -> list[BenchRow]:
    """Frames of one session per seal protocol through its codec, one frame per read, in frames per second of CPU time."""
    rows: list[BenchRow] = []
    frames, cpu_s = 0, 0.0
    for name in SEAL_SESSIONS:
        session = SESSIONS[name]
        codec = protocol_named(session.protocol).new_codec()
        reads = session.frames * (SEAL_FRAMES // len(session.frames))
        started_s = time.process_time()
        heard = sum(len(codec.feed(read)) for read in reads)
        spent_s = time.process_time() - started_s
        assert heard == len(reads)
        frames, cpu_s = frames + heard, cpu_s + spent_s
        rows.append(BenchRow(f"seal frames decoded, {name}", heard / spent_s, None, None, "frames/s"))
    return [*rows, BenchRow("seal frames decoded, all together", frames / cpu_s, None, None, "frames/s")]


async def _measure() -> list[BenchRow]:
    with tempfile.TemporaryDirectory() as folder:
        return [*await _scanner(Path(folder) / "scanner"), *await _modbus()]


async def _until(is_met: Callable[[], object], step_s: float = 0.0005) -> None:
    async with asyncio.timeout(10):
        while not is_met():
            await asyncio.sleep(step_s)


async def _scanner(path: Path) -> list[BenchRow]:
    twin = BarcodeReaderTwin(path)
    arrived = asyncio.Event()
    reads: list[tuple[bytes, float]] = []

    def hear(event: DeviceEvent) -> None:
        if isinstance(event.data, BarcodeRead):
            reads.append((event.data.payload, time.perf_counter()))
            arrived.set()

    driver: Any = build(
        "scanner", "barcode_serial", {"path": str(path), "quiet_s": 0.2, "dead_s": 1.0}, hear, SystemClock()
    )
    running = asyncio.create_task(driver.run())
    try:
        await asyncio.sleep(0.02)
        started_s = time.perf_counter()
        await twin.plug()
        await _until(lambda: driver.state is DeviceState.READY)
        first_ms = (time.perf_counter() - started_s) * 1000
        scan_ms = []
        for number in range(SCANS):
            payload = b"HC1:%06d" % number
            arrived.clear()
            sent_s = time.perf_counter()
            twin.scan(payload)
            await arrived.wait()
            assert reads[-1][0] == payload
            scan_ms.append((reads[-1][1] - sent_s) * 1000)
            await asyncio.sleep(0.002)
        unplug_ms, replug_ms = [], []
        for _ in range(REPLUGS):
            pulled_s = time.perf_counter()
            await twin.unplug()
            await _until(lambda: driver.state is DeviceState.ABSENT)
            unplug_ms.append((time.perf_counter() - pulled_s) * 1000)
            await asyncio.sleep(0.1)
            plugged_s = time.perf_counter()
            await twin.plug()
            await _until(lambda: driver.state is DeviceState.READY)
            replug_ms.append((time.perf_counter() - plugged_s) * 1000)
        await asyncio.sleep(0.05)
        twin.mute()
        muted_s = time.perf_counter()
        await _until(lambda: driver.state is DeviceState.FAULT, 0.005)
        fault_ms = (time.perf_counter() - muted_s) * 1000
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await twin.unplug()
    return [
        BenchRow("first plug to ready", first_ms, None, None, "ms"),
        BenchRow("scan to event, median", statistics.median(scan_ms), None, None, "ms"),
        BenchRow("scan to event, p99", _p99(scan_ms), None, None, "ms"),
        BenchRow("unplug detected, longest", max(unplug_ms), None, None, "ms"),
        BenchRow("replug to ready, median", statistics.median(replug_ms), None, None, "ms"),
        BenchRow("replug to ready, longest", max(replug_ms), None, None, "ms"),
        BenchRow("mute to fault, dead_s 1000 ms", fault_ms, None, None, "ms"),
    ]


async def _modbus() -> list[BenchRow]:
    """Our client and pymodbus's ask the same pymodbus server in turns, so that both meet the same moments of the machine."""
    registers = [SimData(0, values=list(range(16)), datatype=DataType.REGISTERS)]
    bits = [SimData(0, values=[True] * 16, datatype=DataType.BITS)]
    server = ModbusTcpServer(SimDevice(1, simdata=(bits, bits, registers, registers)), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    transport: Any = server.transport
    port = transport.sockets[0].getsockname()[1]
    link = await TcpPeer("127.0.0.1", port).open()
    ours = ModbusClient(1, 2.0)

    async def read() -> None:
        while True:
            ours.feed(await link.read())

    reading = asyncio.create_task(read())
    peer = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=2)
    await peer.connect()
    ours_ms, peer_ms = [], []
    request = Request(Function.READ_INPUT_REGISTERS, 0, 5)
    try:
        for _ in range(ROUND_TRIPS):
            started_s = time.perf_counter()
            values = await ours.ask(link, request)
            ours_ms.append((time.perf_counter() - started_s) * 1000)
            started_s = time.perf_counter()
            answer = await peer.read_input_registers(0, count=5)
            peer_ms.append((time.perf_counter() - started_s) * 1000)
            assert list(values) == answer.registers == [0, 1, 2, 3, 4]
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await link.close()
        peer.close()
        await server.shutdown()
    rows = []
    for name, figure in (("median", statistics.median), ("p99", _p99)):
        mine, theirs = figure(ours_ms), figure(peer_ms)
        rows.append(BenchRow(f"modbus round trip, {name}", mine, theirs, mine / theirs, "ms"))
    return rows


def _p99(samples_ms: list[float]) -> float:
    return sorted(samples_ms)[int(len(samples_ms) * 0.99) - 1]
