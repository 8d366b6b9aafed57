"""Who else can reach the barrier: the words of the findings, on networks that are made up, and the kernel's answers, byte by byte."""

import ipaddress
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.cli.barrier_network import NetworkFindings, barrier_network
from gate_agent.cli.doctor import barrier_network_looks
from gate_agent.cli.kernel_routes import (
    InterfaceAddress,
    IpAddress,
    KernelNetwork,
    Route,
    addresses_request,
    is_done,
    parse_addresses,
    parse_route,
    route_request,
)
from gate_agent.settings import Settings

LO, CABLE, OFFICE = 1, 2, 3
BARRIER, BROKER = "192.0.2.2", "198.51.100.7"


def at(interface: int, text: str) -> InterfaceAddress:
    one = ipaddress.ip_interface(text)
    return InterfaceAddress(interface, one.ip, one.network.prefixlen)


@dataclass
class MadeUp:
    """Loopback, a cable and the office network."""

    cable: str = "192.0.2.1/30"
    routes: Mapping[str, Route] = field(default_factory=dict)
    tunnels: frozenset[int] = frozenset()

    def route(self, address: IpAddress) -> Route | None:
        if str(address) in self.routes:
            return self.routes[str(address)]
        for one in self.addresses():
            if address == one.address or address.is_loopback:
                return Route(LO, False, is_local=True)
        for one in self.addresses():
            if address in one.network:
                return Route(one.interface, False, False)
        return Route(OFFICE, has_gateway=True, is_local=False)

    def addresses(self) -> tuple[InterfaceAddress, ...]:
        return at(LO, "127.0.0.1/8"), at(CABLE, self.cable), at(OFFICE, "198.51.100.1/24")

    def name(self, interface: int) -> str:
        return {LO: "lo", CABLE: "cable0", OFFICE: "office0"}[interface]

    def is_point_to_point(self, interface: int) -> bool:
        return interface in self.tunnels


def looked_at(
    network: MadeUp, barrier: str = BARRIER, broker: str = BROKER, console: str = "127.0.0.1"
) -> NetworkFindings:
    settings = Settings.model_validate(
        {
            "sync": {"broker_host": broker},
            "console": {"host": console},
            "lane": [{"lane_id": 1, "document_reader": "r", "camera": "c", "barrier": "b"}],
            "device": [
                {"name": "r", "driver": "mrz_serial", "options": {"path": "/dev/r"}},
                {"name": "c", "driver": "opencv_camera", "options": {"source": "/dev/video0"}},
                {"name": "b", "driver": "modbus_barrier", "options": {"host": barrier}},
            ],
        }
    )
    return barrier_network(settings, network)


def test_a_cable_of_its_own_and_this_machine_are_fine() -> None:
    assert looked_at(MadeUp()) == NetworkFindings()
    assert looked_at(MadeUp(), barrier="127.0.0.1") == NetworkFindings()
    assert looked_at(MadeUp(cable="192.0.2.1/24", tunnels=frozenset({CABLE}))) == NetworkFindings()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"barrier": "198.51.100.9"}, "reached over office0, and so is the broker 198.51.100.7"),
        ({"barrier": "198.51.100.9", "broker": "127.0.0.1", "console": "198.51.100.1"}, "and so is the console, which"),
        ({"console": "0.0.0.0"}, "reached over cable0, and so is the console, which listens on 0.0.0.0"),
        ({"console": "192.0.2.1"}, "and so is the console, which listens on 192.0.2.1"),
        ({"broker": "203.0.113.5", "barrier": "198.51.100.9"}, "and so is the broker 203.0.113.5"),
        ({"broker": "127.0.0.1", "barrier": "203.0.113.9"}, "behind a gateway on office0"),
    ],
    ids=["broker", "console", "everywhere", "on the cable", "behind a gateway", "routed"],
)
def test_a_barrier_that_others_reach_is_found_with_its_remedy(changes: dict[str, str], words: str) -> None:
    found = looked_at(MadeUp(), **changes)
    assert not found.warnings
    (finding,) = found.findings
    assert finding.where == "device b"
    assert words in finding.finding
    assert "modbus_rtu_barrier" in finding.remedy


def test_a_network_with_room_for_others_is_a_warning() -> None:
    found = looked_at(MadeUp(cable="192.0.2.1/24"))
    assert not found.findings
    (warning,) = found.warnings
    assert "no authentication" in warning.finding


def test_a_policy_rule_that_leads_the_barrier_over_the_office_network_is_found() -> None:
    found = looked_at(MadeUp(routes={BARRIER: Route(OFFICE, False, False)}))
    assert "reached over office0" in found.findings[0].finding


def test_a_name_that_nobody_knows_is_told() -> None:
    found = looked_at(MadeUp(), barrier="no-such-box.invalid")
    assert "cannot be looked up" in found.warnings[0].finding


def test_a_gate_without_a_barrier_on_the_network_is_fine() -> None:
    (look,) = barrier_network_looks(Settings(), MadeUp())
    assert (look.check, look.result) == ("network", "fine")


def test_a_kernel_that_cannot_be_asked_is_no_finding(tmp_path: Path) -> None:
    class Mute(MadeUp):
        def addresses(self) -> tuple[InterfaceAddress, ...]:
            raise PermissionError(1, "not permitted")

    (look,) = barrier_network_looks(Settings(), Mute())
    assert look.result == "not_looked_at"


# ---- the kernel's answers


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body + bytes(-len(body) % 4)


def attribute(kind: int, content: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


ROUTE = struct.pack("=BBBBBBBBI", 2, 32, 0, 0, 254, 0, 0, 1, 0)


def test_a_route_is_read_from_the_answer() -> None:
    direct = message(24, ROUTE + attribute(1, b"\xc0\x00\x02\x02") + attribute(4, struct.pack("=I", 7)))
    assert parse_route(direct) == Route(7, has_gateway=False, is_local=False)
    routed = message(24, ROUTE + attribute(4, struct.pack("=I", 7)) + attribute(5, b"\xc0\x00\x02\x01"))
    assert parse_route(routed) == Route(7, has_gateway=True, is_local=False)
    assert parse_route(message(2, struct.pack("=i", -101) + bytes(16))) is None  # network is unreachable


def test_addresses_are_read_from_the_answer_over_several_messages() -> None:
    head = struct.pack("=BBBBI", 2, 30, 0, 0, 4)
    tunnel = attribute(1, b"\x0a\x00\x00\x02") + attribute(2, b"\x0a\x00\x00\x01")  # the other end, and ours
    six = message(20, struct.pack("=BBBBI", 10, 64, 0, 0, 5) + attribute(1, bytes(15) + b"\x01"))
    answer = message(20, head + tunnel) + six
    assert parse_addresses(answer) == (at(4, "10.0.0.1/30"), at(5, "::1/64"))
    assert not is_done(answer)
    assert is_done(answer + message(3, bytes(4)))


@given(st.binary(max_size=200))
def test_whatever_comes_is_parsed_without_a_failure(noise: bytes) -> None:
    parse_route(noise)
    parse_addresses(noise)
    parse_route(message(24, noise))
    parse_addresses(message(20, noise))
    is_done(noise)


@given(st.integers(0, 120), st.integers(0, 7))
def test_a_torn_or_flipped_answer_gives_a_route_or_none(place: int, bit: int) -> None:
    whole = message(24, ROUTE + attribute(1, b"\xc0\x00\x02\x02") + attribute(4, struct.pack("=I", 7)))
    parse_route(whole[: place % len(whole)])
    flipped = bytearray(whole)
    flipped[place % len(whole)] ^= 1 << bit
    parse_route(bytes(flipped))


def test_questions_have_the_length_that_they_name() -> None:
    for question in (
        route_request(ipaddress.ip_address("192.0.2.2")),
        route_request(ipaddress.ip_address("2001:db8::2")),
        addresses_request(),
    ):
        assert struct.unpack_from("=I", question)[0] == len(question)


def test_this_machine_answers() -> None:
    network = KernelNetwork()
    mine = network.addresses()
    assert any(one.address.is_loopback for one in mine) or not mine
    for one in mine:
        route = network.route(one.address)
        assert route is not None
        assert route.is_local or one.address.is_link_local
        assert network.name(one.interface) in {name for _, name in socket.if_nameindex()}
