"""What the kernel says of this machine's network: over which interface an address is reached, and which addresses are its own.

Asked over rtnetlink (rtnetlink(7), RFC 3549), so that policy rules count as they do for the traffic itself; packing and parsing are pure.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ROUTE = struct.Struct(
    "=BBBBBBBBI"
)  # family, lengths of destination and source, service, table, protocol, scope, type, flags
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, interface
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_NEW_ADDRESS, _GET_ADDRESS, _NEW_ROUTE, _GET_ROUTE = 20, 22, 24, 26
_ERROR, _DONE = 2, 3
_REQUEST, _DUMP = 0x1, 0x300
_DESTINATION, _INTERFACE, _GATEWAY = 1, 4, 5
_ADDRESS_OF, _ADDRESS_LOCAL = 1, 2
_LOCAL_ROUTE = 2
_POINT_TO_POINT = 0x10  # IFF_POINTOPOINT
_RECEIVE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Route:
    """How an address is reached: the interface's number, through a gateway or not; `is_local`: it is this machine's own."""

    interface: int
    has_gateway: bool
    is_local: bool


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An address of this machine with the length of its network's prefix, on the interface of this number."""

    interface: int
    address: IpAddress
    prefix_bits: int

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """The network that is reached through it without a gateway."""
        return ipaddress.ip_network(f"{self.address}/{self.prefix_bits}", strict=False)


class Network(Protocol):
    """What is asked of this machine's network."""

    def route(self, address: IpAddress) -> Route | None:
        """Return how an address is reached, None when it is not."""
        ...

    def addresses(self) -> tuple[InterfaceAddress, ...]:
        """Return this machine's addresses."""
        ...

    def name(self, interface: int) -> str:
        """Return an interface's name."""
        ...

    def is_point_to_point(self, interface: int) -> bool:
        """Tell whether the interface itself has one other end only."""
        ...


def route_request(address: IpAddress) -> bytes:
    """Return the question how an address is reached."""
    family, packed = _family(address), address.packed
    body = _ROUTE.pack(family, 8 * len(packed), 0, 0, 0, 0, 0, 0, 0)
    body += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(packed), _DESTINATION) + packed
    return _HEADER.pack(_HEADER.size + len(body), _GET_ROUTE, _REQUEST, 1, 0) + body


def addresses_request() -> bytes:
    """Return the question for all addresses of this machine."""
    body = _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
    return _HEADER.pack(_HEADER.size + len(body), _GET_ADDRESS, _REQUEST | _DUMP, 1, 0) + body


def parse_route(answer: bytes) -> Route | None:
    """Return the route of an answer; None when the kernel knows none, or the answer is torn."""
    for kind, body in _messages(answer):
        if kind == _NEW_ROUTE and len(body) >= _ROUTE.size:
            is_local = _ROUTE.unpack_from(body)[7] == _LOCAL_ROUTE
            attributes = dict(_attributes(body[_ROUTE.size :]))
            interface = attributes.get(_INTERFACE, b"")
            if len(interface) == 4:
                return Route(struct.unpack("=I", interface)[0], _GATEWAY in attributes, is_local)
    return None


def parse_addresses(answer: bytes) -> tuple[InterfaceAddress, ...]:
    """Return the addresses of an answer; what is torn or of another family is left out."""
    found = []
    for kind, body in _messages(answer):
        if kind != _NEW_ADDRESS or len(body) < _ADDRESS.size:
            continue
        _, prefix_bits, _, _, interface = _ADDRESS.unpack_from(body)
        attributes = dict(_attributes(body[_ADDRESS.size :]))
        # On a point-to-point interface ADDRESS is the other end's.
        packed = attributes.get(_ADDRESS_LOCAL, attributes.get(_ADDRESS_OF, b""))
        if len(packed) in {4, 16} and prefix_bits <= 8 * len(packed):
            found.append(InterfaceAddress(interface, ipaddress.ip_address(packed), prefix_bits))
    return tuple(found)


def is_done(answer: bytes) -> bool:
    """Tell whether a list is complete with this answer."""
    return any(kind in {_DONE, _ERROR} for kind, _ in _messages(answer))


def _messages(answer: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _HEADER.size <= len(answer):
        length, kind, *_ = _HEADER.unpack_from(answer, offset)
        if not _HEADER.size <= length <= len(answer) - offset:
            return
        yield kind, answer[offset + _HEADER.size : offset + length]
        offset += _aligned(length)


def _attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if not _ATTRIBUTE.size <= length <= len(body) - offset:
            return
        yield kind, body[offset + _ATTRIBUTE.size : offset + length]
        offset += _aligned(length)


def _aligned(length: int) -> int:
    return length + 3 & ~3


def _family(address: IpAddress) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


class KernelNetwork:
    """The network namespace that the process is in. Raises `OSError` when the kernel cannot be asked."""

    def route(self, address: IpAddress) -> Route | None:
        """Return how an address is reached, None when it is not."""
        with _netlink() as kernel:
            kernel.send(route_request(address))
            return parse_route(kernel.recv(_RECEIVE_BYTES))

    def addresses(self) -> tuple[InterfaceAddress, ...]:
        """Return this machine's addresses."""
        found: tuple[InterfaceAddress, ...] = ()
        with _netlink() as kernel:
            kernel.send(addresses_request())
            while True:
                answer = kernel.recv(_RECEIVE_BYTES)
                found += parse_addresses(answer)
                if is_done(answer):
                    return found

    def name(self, interface: int) -> str:
        """Return an interface's name."""
        return socket.if_indextoname(interface)

    def is_point_to_point(self, interface: int) -> bool:
        """Tell whether the interface itself has one other end only, as a tunnel or a serial line has."""
        flags = Path("/sys/class/net", self.name(interface), "flags")
        try:
            return bool(int(flags.read_text(), 16) & _POINT_TO_POINT)
        except (OSError, ValueError):
            return False


def _netlink() -> socket.socket:
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    kernel.settimeout(2.0)
    kernel.bind((0, 0))
    return kernel
