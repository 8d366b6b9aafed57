"""A driver over the links that no built-in driver of bytes needs yet: a port that the device calls, and a Unix socket."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from egate_example_reader.codec import Beep, ExampleCodec, Question, Symbol, Version
from egate_example_reader.driver import ExampleReader, ExampleReaderOptions

from drivers.contracts import BarcodeRead, DeviceEvent, DeviceState, StateChanged
from drivers.link import TcpPeer
from drivers.listening_link import TcpListener, UnixPeer
from drivers.supervisor import LinkSource
from gate_agent.clock import SystemClock
from tests.waiting import until

OPTIONS = {"path": "not used", "quiet_s": 0.15, "dead_s": 0.6, "reconnect_limit_s": 0.2}


class Reader(ExampleReader):
    """The template's driver on another link."""

    def __init__(self, source: Any, events: list[DeviceEvent]) -> None:
        super().__init__("reader", ExampleReaderOptions.read("reader", OPTIONS), events.append, SystemClock())
        self.way = source

    @property
    def source(self) -> LinkSource:
        return self.way

    async def ended(self) -> None:
        if isinstance(self.way, TcpListener):
            await self.way.close()


class Device:
    """The device's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.codec, self.beeps = reader, writer, ExampleCodec(), 0
        self.task = asyncio.create_task(self._obey())

    async def _obey(self) -> None:
        while chunk := await self.reader.read(4096):
            for message in self.codec.feed(chunk):
                if isinstance(message, Question):
                    self.writer.write(self.codec.encode(Version("1")))
                self.beeps += isinstance(message, Beep)

    def scan(self, payload: bytes) -> None:
        self.writer.write(self.codec.encode(Symbol(payload)))

    async def close(self) -> None:
        self.writer.transport.abort()
        await asyncio.gather(self.task, return_exceptions=True)


class Bench:
    def __init__(self, source: Any) -> None:
        self.events: list[DeviceEvent] = []
        self.driver = Reader(source, self.events)
        self.task = asyncio.create_task(self.driver.run())

    def symbols(self) -> list[bytes]:
        return [event.data.payload for event in self.events if isinstance(event.data, BarcodeRead)]

    def faults(self) -> list[str]:
        return [event.data.fault for event in self.events if isinstance(event.data, StateChanged)]

    async def state(self, state: DeviceState) -> None:
        await until(lambda: self.driver.state is state)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def listening() -> AsyncIterator[tuple[Bench, TcpListener]]:
    source = TcpListener("127.0.0.1", 0)
    bench = Bench(source)
    await until(lambda: source.port)
    yield bench, source
    await bench.stop()


async def call(source: TcpListener) -> Device:
    return Device(*await asyncio.open_connection("127.0.0.1", source.port))


async def test_a_device_that_calls_is_ready_only_when_it_speaks(listening: tuple[Bench, TcpListener]) -> None:
    bench, source = listening
    assert bench.driver.state is DeviceState.ABSENT
    device = await call(source)
    await bench.state(DeviceState.READY)
    device.scan(b"one")
    await until(bench.symbols)
    await bench.driver.beep()
    await until(lambda: device.beeps)
    await device.close()
    await bench.state(DeviceState.ABSENT)
    assert bench.faults()[-1] == "DRV-LNK-003"
    again = await call(source)
    await bench.state(DeviceState.READY)
    again.scan(b"two")
    await until(lambda: bench.symbols() == [b"one", b"two"])
    await again.close()


async def test_a_caller_that_says_nothing_is_a_fault(listening: tuple[Bench, TcpListener]) -> None:
    bench, source = listening
    _, writer = await asyncio.open_connection("127.0.0.1", source.port)
    await bench.state(DeviceState.FAULT)
    assert bench.faults()[-1] == "DRV-DEV-001"
    assert "ready" not in [event.data.state for event in bench.events if isinstance(event.data, StateChanged)]
    writer.close()


async def test_a_newer_call_takes_the_place_of_one_left_half_open(listening: tuple[Bench, TcpListener]) -> None:
    bench, source = listening
    old = await call(source)
    await bench.state(DeviceState.READY)
    new = await call(source)
    await until(old.task.done)
    await bench.state(DeviceState.READY)
    new.scan(b"new")
    await until(lambda: bench.symbols() == [b"new"])
    await old.close()
    await new.close()


async def test_the_port_is_given_back_when_the_driver_ends() -> None:
    source = TcpListener("127.0.0.1", 0)
    bench = Bench(source)
    await until(lambda: source.port)
    port = source.port
    taken = Bench(TcpListener("127.0.0.1", port))
    await taken.state(DeviceState.FAULT)
    assert taken.faults() == ["DRV-LNK-002"]
    await bench.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await taken.stop()


async def test_a_unix_socket_comes_goes_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "device.sock"
    devices: list[Device] = []
    bench = Bench(UnixPeer(str(path)))
    await until(bench.faults)
    assert (bench.driver.state, bench.faults()) == (DeviceState.ABSENT, ["DRV-LNK-001"])
    for payload in (b"one", b"two"):
        server = await asyncio.start_unix_server(lambda *streams: devices.append(Device(*streams)), path)
        await bench.state(DeviceState.READY)
        devices[-1].scan(payload)
        await until(lambda wanted=payload: bench.symbols()[-1:] == [wanted])
        server.close()
        await devices[-1].close()
        path.unlink()
        await bench.state(DeviceState.ABSENT)
    assert bench.symbols() == [b"one", b"two"]
    await bench.stop()


async def test_a_unix_socket_that_nobody_serves_is_absent(tmp_path: Path) -> None:
    path = tmp_path / "device.sock"
    server = await asyncio.start_unix_server(lambda *_streams: None, path)
    server.close()
    await server.wait_closed()
    assert path.exists()
    bench = Bench(UnixPeer(str(path)))
    await until(bench.faults)
    assert bench.faults() == ["DRV-LNK-001"]
    await bench.stop()


def test_only_a_path_can_be_looked_for() -> None:
    assert not UnixPeer("/nowhere/device.sock").is_there()
    assert not TcpPeer("127.0.0.1", 1).is_there()
    assert not TcpListener("127.0.0.1", 0).is_there()
