"""Drivers: bytes to event beside the bare line, unplug, replug, mute; what idle devices cost; seal frames decoded; Modbus beside pymodbus."""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import tempfile
import time
import tty
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.barcode.honeywell_twin import HoneywellTwin
from drivers.barcode.ssi_twin import ZebraSsiTwin
from drivers.barcode.twin import BarcodeReaderTwin
from drivers.barcode.wedge_twin import HidWedgeTwin
from drivers.barrier.modbus import Function, Request
from drivers.barrier.modbus_client import ModbusClient
from drivers.contracts import BarcodeRead, DeviceEvent, DeviceState, MrzRead
from drivers.document_reader.elyctis_twin import ElyctisTwin
from drivers.document_reader.twin import MrzReaderTwin
from drivers.link import TcpPeer
from drivers.registry import build
from drivers.seal_tracker.protocols import protocol_named
from drivers.twin import PtyTwin
from gate_agent import logs
from gate_agent.cli.bench import BenchRow
from gate_agent.clock import SystemClock
from tests.bench.seal_load import acknowledged
from tests.unit.tracker_frames import SESSIONS

NAME = "drivers"
SCANS = 300
ROUND_TRIPS = 400
REPLUGS = 12
SEAL_FRAMES = 12_000
IDLE_DEVICES = 20
IDLE_S = 20.0
CONNECTED_SEALS, MESSAGES_EACH = 1_000, 5


def run() -> list[BenchRow]:
    """Measure everything on one event loop; latencies in milliseconds. A reader's peer is the bare line."""
    logs.configure("bench", level="WARNING")
    return [*asyncio.run(_measure()), *_seal_frames(), *_connected_seals()]


def _connected_seals() -> list[BenchRow]:
    """A thousand trackers at one server at once; all on this machine, the trackers in a process of their own."""
    counted = acknowledged(CONNECTED_SEALS, MESSAGES_EACH)
    return [
        BenchRow(
            f"{CONNECTED_SEALS} trackers at once, messages acknowledged",
            counted.acknowledged,
            None,
            counted.acknowledged / counted.sent,
            "of those sent",
        ),
        BenchRow("server's processor time for a message", counted.server_cpu_s / counted.sent * 1000, None, None, "ms"),
    ]


def _seal_frames() -> list[BenchRow]:
    """Frames of one session per tracker protocol through its codec, one frame per read, in frames per second of CPU time."""
    rows: list[BenchRow] = []
    frames, cpu_s = 0, 0.0
    for name, session in SESSIONS.items():
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
        readers = [row for one in READERS for row in await _reader(one, Path(folder) / one.driver)]
        return [*readers, await _idle(Path(folder)), *await _modbus()]


async def _until(is_met: Callable[[], object], step_s: float = 0.0005) -> None:
    async with asyncio.timeout(10):
        while not is_met():
            await asyncio.sleep(step_s)


@dataclass(frozen=True)
class _Reading:
    """A reader to measure: its driver with options, its twin, what makes it read, and what that tells."""

    driver: str
    twin: Callable[[Path], Any]
    read: Callable[[Any, bytes], object]
    told: type
    options: dict[str, object] = field(default_factory=dict)
    is_askable: bool = True


def _present(twin: Any, payload: bytes) -> None:
    twin.present((payload.decode().ljust(44, "<"), "0" * 44))


READERS = (
    _Reading("barcode_serial", BarcodeReaderTwin, lambda twin, payload: twin.scan(payload), BarcodeRead),
    _Reading("zebra_ssi", ZebraSsiTwin, lambda twin, payload: twin.scan(payload), BarcodeRead),
    _Reading("honeywell_serial", HoneywellTwin, lambda twin, payload: twin.scan(payload), BarcodeRead),
    _Reading(
        "hid_wedge",
        HidWedgeTwin,
        lambda twin, payload: twin.scan(payload),
        BarcodeRead,
        {"is_exclusive": False},
        is_askable=False,
    ),
    _Reading("mrz_serial", MrzReaderTwin, _present, MrzRead),
    _Reading("elyctis_tlv", ElyctisTwin, _present, MrzRead),
)


async def _idle(folder: Path) -> BenchRow:
    """Twenty supervised devices that nobody uses, probed as they are by default, and their twins, all in this process."""
    askable = [one for one in READERS if one.is_askable]
    twins, running, drivers = [], [], []
    for number in range(IDLE_DEVICES):
        reading = askable[number % len(askable)]
        path = folder / f"idle-{number}"
        twin = reading.twin(path)
        await twin.plug()
        driver: Any = build(f"idle-{number}", reading.driver, {"path": str(path)}, lambda _event: None, SystemClock())
        twins.append(twin)
        drivers.append(driver)
        running.append(asyncio.create_task(driver.run()))
    try:
        await _until(lambda: all(driver.state is DeviceState.READY for driver in drivers))
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        await asyncio.sleep(IDLE_S)
        spent_s, spent_cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        assert all(driver.state is DeviceState.READY for driver in drivers)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for twin in twins:
            await twin.unplug()
    return BenchRow(
        f"{IDLE_DEVICES} idle devices and their twins", spent_cpu_s / spent_s * 100, None, None, "% of a core"
    )


class _BareLine:
    """The same kind of line without a driver: what the kernel alone takes from write to readable."""

    def __init__(self, *, is_pty: bool) -> None:
        self._read_fd, self._write_fd = os.openpty() if is_pty else os.pipe()
        if is_pty:
            tty.setraw(self._read_fd)
        os.set_blocking(self._read_fd, False)
        self._arrived = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._read_fd, self._arrive)

    def _arrive(self) -> None:
        os.read(self._read_fd, 4096)
        self._arrived_s = time.perf_counter()
        self._arrived.set()

    async def pass_ms(self) -> float:
        self._arrived.clear()
        sent_s = time.perf_counter()
        os.write(self._write_fd, b"HC1:0000001\r")
        await self._arrived.wait()
        return (self._arrived_s - sent_s) * 1000

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._read_fd)
        os.close(self._read_fd)
        os.close(self._write_fd)


async def _reader(reading: _Reading, path: Path) -> list[BenchRow]:
    twin = reading.twin(path)
    arrived = asyncio.Event()
    reads: list[tuple[str, float]] = []

    def hear(event: DeviceEvent) -> None:
        if isinstance(event.data, reading.told):
            reads.append((str(event.data), time.perf_counter()))
            arrived.set()

    silence = {"quiet_s": 0.2, "dead_s": 1.0} if reading.is_askable else {}
    options = {"path": str(path), **silence, **reading.options}
    driver: Any = build("reader", reading.driver, options, hear, SystemClock())
    # A device that only speaks when it is used is open and no more until its first read.
    open_state = DeviceState.READY if reading.is_askable else DeviceState.STARTING
    running = asyncio.create_task(driver.run())
    try:
        await asyncio.sleep(0.02)
        started_s = time.perf_counter()
        await twin.plug()
        await _until(lambda: driver.state is open_state)
        first_ms = (time.perf_counter() - started_s) * 1000
        scan_ms, cpu_ms, bare_ms = [], [], []
        bare = _BareLine(is_pty=isinstance(twin, PtyTwin))
        for number in range(SCANS):
            bare_ms.append(await bare.pass_ms())
            payload = b"HC1<%06d" % number
            arrived.clear()
            sent_s, sent_cpu_s = time.perf_counter(), time.process_time()
            reading.read(twin, payload)
            await arrived.wait()
            cpu_ms.append((time.process_time() - sent_cpu_s) * 1000)
            assert payload.decode() in reads[-1][0]
            scan_ms.append((reads[-1][1] - sent_s) * 1000)
            await asyncio.sleep(0.002)
        bare.close()
        unplug_ms, replug_ms = [], []
        for _ in range(REPLUGS):
            pulled_s = time.perf_counter()
            await twin.unplug()
            await _until(lambda: driver.state is DeviceState.ABSENT)
            unplug_ms.append((time.perf_counter() - pulled_s) * 1000)
            await asyncio.sleep(0.1)
            plugged_s = time.perf_counter()
            await twin.plug()
            await _until(lambda: driver.state is open_state)
            replug_ms.append((time.perf_counter() - plugged_s) * 1000)
        fault_ms = None
        if reading.is_askable:
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
    figures = {
        "first plug to ready": first_ms,
        "read to event, median": statistics.median(scan_ms),
        "read to event, p99": _p99(scan_ms),
        "read to event, processor time p99": _p99(cpu_ms),
        "unplug detected, longest": max(unplug_ms),
        "replug to ready, median": statistics.median(replug_ms),
        "replug to ready, longest": max(replug_ms),
        "mute to fault, dead_s 1000 ms": fault_ms,
    }
    bare_figures = {
        "read to event, median": statistics.median(bare_ms),
        "read to event, p99": _p99(bare_ms),
    }
    return [
        BenchRow(f"{reading.driver}: {name}", figure, peer, figure / peer if peer is not None else None, "ms")
        for name, figure in figures.items()
        for peer in (bare_figures.get(name),)
        if figure is not None
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
