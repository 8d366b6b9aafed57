"""The allow-list holds at the links themselves: what it does not name is never knocked at, and a name is looked up once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from drivers.barrier.twin import ModbusBarrierTwin
from drivers.camera.twin import CameraTwin
from drivers.contracts import DeviceEvent, DeviceState, StateChanged
from drivers.endpoints import Endpoints, endpoints_of
from drivers.errors import LinkAbsent, LinkForbidden, OptionsRefused
from drivers.link import TcpPeer
from drivers.listening_link import TcpListener
from drivers.reach import REACH, AllowList, Anywhere, Endpoint, endpoint_of_source
from drivers.registry import BUILT_IN, build
from gate_agent.clock import SystemClock
from tests.waiting import until


class Knocked:
    """A port that counts who connects."""

    def __init__(self) -> None:
        self.count = 0
        self.port = 0
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._called, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def _called(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count += 1
        writer.close()

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()


@pytest.fixture
async def port() -> AsyncIterator[Knocked]:
    knocked = Knocked()
    await knocked.open()
    yield knocked
    await knocked.close()


def allow(*endpoints: str, listen: tuple[str, ...] = (), names: dict[str, str] | None = None) -> AllowList:
    async def resolver(host: str, _port: int) -> str:
        if not names or host not in names:
            raise OSError("unknown name")
        return names[host]

    return AllowList([Endpoint.read(one) for one in endpoints], [Endpoint.read(one) for one in listen], resolver)


class Running:
    """A driver whose links ask a reach."""

    def __init__(self, driver: str, options: dict[str, object], reach: AllowList) -> None:
        self.events: list[DeviceEvent] = []
        self.driver: Any = build("device", driver, options, self.events.append, SystemClock())
        context = copy_context()
        context.run(REACH.set, reach)
        self.task = asyncio.get_running_loop().create_task(self.driver.run(), context=context)

    def faults(self) -> set[str]:
        return {event.data.fault for event in self.events if isinstance(event.data, StateChanged)}

    async def until(self, is_met: Callable[[], object]) -> None:
        await until(is_met, 15)

    async def end(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


def connecting(port: int) -> dict[str, dict[str, object]]:
    return {
        "modbus_barrier": {"host": "127.0.0.1", "port": port, "is_shared": True},
        "llrp_rfid": {"host": "127.0.0.1", "port": port},
        "mavlink_uav": {"host": "127.0.0.1", "port": port},
        "nut_ups": {"host": "127.0.0.1", "port": port},
        "escpos_printer": {"host": "127.0.0.1", "tcp_port": port},
        "opencv_camera": {"source": f"http://127.0.0.1:{port}/video"},
    }


@pytest.mark.parametrize("driver", sorted(connecting(1)))
async def test_no_driver_knocks_at_what_is_not_allowed(driver: str, port: Knocked) -> None:
    running = Running(driver, connecting(port.port)[driver], allow("127.0.0.1:1", f"127.0.0.2:{port.port}"))
    await running.until(lambda: "DRV-LNK-005" in running.faults())
    assert running.driver.state is DeviceState.FAULT
    await asyncio.sleep(0.3)
    assert port.count == 0
    await running.end()


@pytest.mark.parametrize(
    ("driver", "options"), [("seal_server", {"port": 0}), ("socket_chip", {"port": 0})], ids=["seals", "chip"]
)
async def test_no_driver_listens_where_it_is_not_allowed(driver: str, options: dict[str, object]) -> None:
    running = Running(driver, options, allow(listen=("127.0.0.1:1",)))
    await running.until(lambda: running.faults() == {"DRV-LNK-005"})
    assert running.driver.port == 0
    await running.end()
    allowed = Running(driver, options, allow(listen=("127.0.0.1:0",)))
    await allowed.until(lambda: allowed.driver.port)
    await allowed.end()


async def test_what_is_allowed_works_and_a_name_is_looked_up_once() -> None:
    names = {"box.local": "127.0.0.1"}
    twin = ModbusBarrierTwin()
    await twin.plug()
    options: dict[str, object] = {"host": "Box.local", "port": twin.port, "poll_ms": 10}
    running = Running("modbus_barrier", options, allow(f"box.LOCAL:{twin.port}", names={"Box.local": "127.0.0.1"}))
    await running.until(lambda: running.driver.state is DeviceState.READY)
    await running.end()
    reach = allow("box.local:1", names=names)
    assert await reach.address_of("box.local", 1) == "127.0.0.1"
    names["box.local"] = "203.0.113.9"
    assert await reach.address_of("box.local", 1) == "127.0.0.1"
    await twin.stop()


async def test_a_name_that_nobody_knows_yet_is_absent_and_asked_for_again() -> None:
    names: dict[str, str] = {"other": "127.0.0.1"}
    reach = allow("box:1", names=names)
    with pytest.raises(LinkAbsent):
        await reach.address_of("box", 1)
    names["box"] = "192.0.2.1"
    assert await reach.address_of("box", 1) == "192.0.2.1"


async def test_a_camera_is_opened_at_the_address_that_was_looked_up() -> None:
    reach = allow("cam:554", "cam:8080", "[2001:db8::1]:554", names={"cam": "192.0.2.9"})
    assert await reach.source_of("rtsp://user:pa%40ss@cam/stream?x=1") == "rtsp://user:pa%40ss@192.0.2.9:554/stream?x=1"
    assert await reach.source_of("http://cam:8080/v") == "http://192.0.2.9:8080/v"
    assert await reach.source_of("rtsp://[2001:db8::1]/s") == "rtsp://[2001:db8::1]:554/s"
    for own in ("/dev/v4l/by-id/x", "film.mp4"):
        assert await reach.source_of(own) == own
    for evil in (
        "rtsp://cam:555/s",
        "http://cam/v",
        "udp://cam:554",
        "concat:http://cam:8080/v|http://evil/",
        "tcp://x:1",
        "rtsp://cam:x/",
    ):
        with pytest.raises(LinkForbidden):
            await reach.source_of(evil)
    async with CameraTwin(fps=20, width_px=320, height_px=240, variants=3) as twin:
        twin.show_empty()
        names = {"camera.local": "127.0.0.1"}
        source = twin.url.replace("127.0.0.1", "camera.local")
        running = Running("opencv_camera", {"source": source}, allow(f"camera.local:{twin.port}", names=names))
        await running.until(lambda: running.driver.state is DeviceState.READY)
        await running.end()


async def test_a_link_without_a_reach_goes_anywhere(port: Knocked) -> None:
    assert isinstance(REACH.get(), Anywhere)
    await (await TcpPeer("localhost", port.port).open()).close()
    listener = TcpListener("127.0.0.1", 0)
    opening = asyncio.create_task(listener.open())
    while not listener.port:
        await asyncio.sleep(0.01)
    await (await TcpPeer("127.0.0.1", listener.port).open()).close()
    await (await opening).close()
    await listener.close()
    token = REACH.set(allow())
    with pytest.raises(LinkForbidden):
        await TcpListener("127.0.0.1", 0).open()
    REACH.reset(token)


def test_endpoints_are_read_from_options() -> None:
    options = connecting(7)
    for driver, written in options.items():
        assert endpoints_of(driver, written) == Endpoints(connects=(Endpoint("127.0.0.1", 7),))
    assert endpoints_of("seal_server", {"port": 9}) == Endpoints(listens=(Endpoint("127.0.0.1", 9),))
    assert endpoints_of("socket_chip", {"port": 9}) == Endpoints(listens=(Endpoint("127.0.0.1", 9),))
    for driver, written in {
        "mrz_serial": {"path": "/dev/x"},
        "escpos_printer": {"path": "/dev/x"},
        "opencv_camera": {"source": "/dev/video0"},
        "xray_folder": {"path": str(Path("/x"))},
        "pcsc_chip": {"reader": "x"},
    }.items():
        assert not endpoints_of(driver, written)
    with pytest.raises(OptionsRefused):
        endpoints_of("mrz_serial", {})


def test_every_built_in_driver_that_names_a_port_is_known_to_need_the_network() -> None:
    named = {
        name
        for name, built_in in BUILT_IN.items()
        if {"port", "tcp_port"} & built_in.options_model().model_fields.keys() or name == "opencv_camera"
    }
    assert named >= {*connecting(1), "seal_server", "socket_chip"}
    unknown = named - {*connecting(1), "seal_server", "socket_chip"}
    for name in unknown:
        model = BUILT_IN[name].options_model()
        assert "host" in model.model_fields or getattr(model, "listens", False), name


@pytest.mark.parametrize(
    "text", ["", "host", "host:", ":1", "host:x", "host:65536", "user@host:1", "host:1/x", "[::1", "a:1:2"]
)
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        Endpoint.read(text)


def test_endpoints_are_written_as_they_are_read() -> None:
    for text in ("box.local:502", "10.0.0.1:80", "[2001:db8::1]:554"):
        assert str(Endpoint.read(text)) == text
    assert endpoint_of_source("rtsp://cam") == Endpoint("cam", 554)
    assert endpoint_of_source("rtsp://") is None
