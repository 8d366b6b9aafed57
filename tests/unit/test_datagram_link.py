"""Telemetry over UDP: a datagram ends what it began, one sender is kept or all are listed, hostile ones change nothing, nothing is sent."""

from __future__ import annotations

import asyncio
import socket
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contracts import DeviceEvent, DeviceState, StateChanged
from drivers.datagram_link import WAITING_DATAGRAMS, DatagramListener
from drivers.endpoints import Endpoints, endpoints_of
from drivers.errors import LinkAbsent, LinkForbidden, LinkRefused, LinkStalled, OptionsRefused
from drivers.reach import REACH, AllowList, Endpoint
from drivers.surroundings import UavReported
from drivers.uav.driver import MavlinkUav, build
from drivers.uav.mavlink import MessageId
from drivers.uav.twin import ARMED, MavlinkUdpTwin, encode
from gate_agent.clock import SystemClock
from tests.waiting import until

HEARTBEAT = encode(MessageId.HEARTBEAT, ARMED)


def driver(events: list[DeviceEvent], port: int = 1, **options: object) -> MavlinkUav:
    given_options = {"transport": "udp", "host": "127.0.0.1", "port": port, **options}
    return build("uav", given_options, events.append, SystemClock())


def payloads(events: list[DeviceEvent]) -> list[object]:
    return [event.data for event in events if not isinstance(event.data, StateChanged)]


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("cut", range(1, len(HEARTBEAT)))
def test_two_halves_of_a_frame_in_two_datagrams_are_no_frame(cut: int) -> None:
    events: list[DeviceEvent] = []
    running = driver(events)
    assert not running.received(HEARTBEAT[:cut], 1.0)
    assert not running.received(HEARTBEAT[cut:], 1.0)
    assert running.received(HEARTBEAT, 1.0), "and the next whole one is understood"


def test_several_frames_in_one_datagram_are_all_taken() -> None:
    events: list[DeviceEvent] = []
    running = driver(events)
    twin = MavlinkUdpTwin(port=1)
    sent: list[bytes] = []
    twin.send = sent.append  # type: ignore[method-assign]
    twin.fly()
    assert running.received(b"".join(sent), 1.0)
    (report,) = payloads(events)
    assert isinstance(report, UavReported)
    assert report.battery_ratio == 0.8


@given(st.binary(max_size=400))
def test_a_hostile_datagram_changes_nothing_for_the_next(content: bytes) -> None:
    running = driver([])
    running.received(content, 1.0)
    assert running.received(HEARTBEAT, 1.0)


@pytest.mark.parametrize(
    "options",
    [{"senders": ["10.0.0.7"], "transport": "tcp"}, {"host": "0.0.0.0"}, {"host": "::"}, {"senders": ["gcs.local"]}, {"transport": "serial"}],
    ids=str,
)  # fmt: skip
def test_options_that_would_hear_everybody_or_nobody_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionsRefused):
        driver([], **options)


class Port:
    """A listener with senders at its door."""

    def __init__(self, senders: tuple[str, ...] = ()) -> None:
        self.listener = DatagramListener("127.0.0.1", free_port(), senders)
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]

    def send(self, which: int, content: bytes) -> None:
        self.sockets[which].sendto(content, ("127.0.0.1", self.listener.port))

    async def close(self) -> None:
        await self.listener.close()
        for one in self.sockets:
            one.close()


async def test_the_first_sender_that_makes_sense_is_kept_until_the_link_ends() -> None:
    port = Port()
    with pytest.raises(LinkAbsent):
        await port.listener.open()
    port.send(1, b"noise of a stranger")
    link: Any = await port.listener.open()
    port.send(0, b"first")
    assert [await link.read() for _ in range(2)] == [b"noise of a stranger", b"first"], "nobody is kept before sense"
    link.keep_sender()
    port.send(1, b"stranger")
    port.send(0, b"second")
    assert await link.read() == b"second"
    assert port.listener.dropped_datagrams == 1
    with pytest.raises(LinkStalled):
        await link.write(b"a command")
    await link.close()
    port.send(1, b"the stranger may be heard again")
    reopened = await port.listener.open()
    assert await reopened.read() == b"the stranger may be heard again"
    await port.close()


async def test_only_listed_addresses_are_heard() -> None:
    port = Port(senders=("127.0.0.9",))
    with pytest.raises(LinkAbsent):
        await port.listener.open()
    port.send(0, b"of 127.0.0.1")
    stranger = asyncio.create_task(port.listener.open())
    await until(lambda: port.listener.dropped_datagrams)
    listed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listed.bind(("127.0.0.9", 0))
    listed.sendto(b"of 127.0.0.9", ("127.0.0.1", port.listener.port))
    assert await (await stranger).read() == b"of 127.0.0.9"
    listed.close()
    await port.close()


async def test_a_flood_is_bounded_and_the_newest_stay() -> None:
    port = Port()
    port.listener.heard(b"0", ("127.0.0.1", 9))
    link = await port.listener.open()
    for number in range(3 * WAITING_DATAGRAMS):
        port.listener.heard(b"%d" % number, ("127.0.0.1", 9))
    assert port.listener.dropped_datagrams >= 2 * WAITING_DATAGRAMS
    read = [await link.read() for _ in range(WAITING_DATAGRAMS)]
    assert read[-1] == b"%d" % (3 * WAITING_DATAGRAMS - 1)
    await port.close()


async def test_a_port_that_is_taken_is_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        listener = DatagramListener("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(LinkRefused):
            await listener.open()


async def test_a_hostile_neighbour_does_not_displace_the_aircraft() -> None:
    events: list[DeviceEvent] = []
    twin = MavlinkUdpTwin(port=free_port(), heartbeat_s=0.05)
    running = driver(events, twin.port, dead_s=5.0)
    task = asyncio.create_task(running.run())
    random = Random(7)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as neighbour:
        await twin.plug()
        await until(lambda: running.state is DeviceState.READY)
        for number in range(300):
            forged = encode(MessageId.HEARTBEAT, ARMED, system_id=66) if number % 2 else random.randbytes(60)
            neighbour.sendto(forged, ("127.0.0.1", twin.port))
        for _ in range(100):  # the kernel's own buffer may overflow: telemetry comes again
            twin.fly(41.0, 69.0)
            await asyncio.sleep(0.05)
            if payloads(events):
                break
        assert {report.system_id for report in payloads(events) if isinstance(report, UavReported)} == {1}
    assert twin.heard_bytes == 0, "nothing is ever sent"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await twin.unplug()


async def test_where_the_field_service_may_not_listen_no_port_is_opened() -> None:
    port = free_port()
    here = {"transport": "udp", "host": "127.0.0.1", "port": port}
    assert endpoints_of("mavlink_uav", here) == Endpoints(listens=(Endpoint("127.0.0.1", port),))
    called = {"host": "127.0.0.1", "port": port}
    assert endpoints_of("mavlink_uav", called) == Endpoints(connects=(Endpoint("127.0.0.1", port),))
    before = REACH.set(AllowList(connect=[Endpoint("127.0.0.1", port)]))
    try:
        with pytest.raises(LinkForbidden):
            await DatagramListener("127.0.0.1", port).open()
    finally:
        REACH.reset(before)
