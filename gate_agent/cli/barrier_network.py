"""Who else can reach the barrier: a barrier on the network has no authentication, so nothing else may hang on its wire.

Modbus knows no users and no keys: whoever reaches the board opens the doors. A serial line, or a cable from the gate's computer to the board
that nothing else hangs on, is the way to wire it. The network of the broker and that of the console lead to other people's machines.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from gate_agent.cli.findings import Finding
from gate_agent.cli.kernel_routes import InterfaceAddress, IpAddress, Network, Route
from gate_agent.settings import DeviceSettings, Settings

_CABLE_ADDRESSES = 4  # a /30 or a /126 has room for the two ends of a cable
_REMEDY = (
    "Wire the barrier over a serial line (`modbus_rtu_barrier`), or over a cable of its own to a network card that nothing else hangs on,"
    " with a prefix of 30 bits or more."
)


@dataclass(frozen=True, slots=True)
class NetworkFindings:
    """What is wrong with the barrier's network, and what deserves a warning."""

    findings: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()


def barrier_network(settings: Settings, network: Network) -> NetworkFindings:
    """Look at the way to each barrier that is reached by an address. Raises `OSError` when the kernel cannot be asked."""
    findings: list[Finding] = []
    warnings: list[Finding] = []
    addresses = network.addresses()
    neighbours = dict(_interfaces_of_others(settings, network, addresses))
    for device in _barriers(settings):
        where, host = f"device {device.name}", str(device.options["host"])
        try:
            routes = [(address, network.route(address)) for address in resolve(host)]
        except OSError as error:
            warnings.append(
                Finding(where, f"{host} cannot be looked up ({error})", "Give the barrier's address as digits.")
            )
            continue
        for address, route in routes:
            if route is None or route.is_local:
                continue  # not reached at all, which the device's own probe says, or on this machine
            name = network.name(route.interface)
            if route.interface in neighbours:
                shared = f"{address} is reached over {name}, and so is {neighbours[route.interface]}"
                findings.append(Finding(where, f"{shared}: whoever is there can open the doors", _REMEDY))
            elif route.has_gateway:
                findings.append(
                    Finding(where, f"{address} lies behind a gateway on {name}: others reach it too", _REMEDY)
                )
            elif not _is_cable(address, route, network, addresses):
                room = f"{address} is reached over {name}, a network with room for others"
                warnings.append(Finding(where, f"{room}; this protocol has no authentication", _REMEDY))
    return NetworkFindings(tuple(findings), tuple(warnings))


def resolve(host: str) -> tuple[IpAddress, ...]:
    """Return the addresses of a host. Raises `OSError`."""
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers))


def _barriers(settings: Settings) -> Iterator[DeviceSettings]:
    """Yield the lanes' barriers that are reached by an address."""
    names = {lane.barrier for lane in settings.lane}
    for device in settings.device:
        if device.name in names and "host" in device.options:
            yield device


def _interfaces_of_others(
    settings: Settings, network: Network, addresses: tuple[InterfaceAddress, ...]
) -> Iterator[tuple[int, str]]:
    """Yield the interfaces over which broker and console are reached, each with words for it; this machine's own are nobody else's."""
    for host, words in (
        (settings.console.host, f"the console, which listens on {settings.console.host}"),
        (settings.sync.broker_host, f"the broker {settings.sync.broker_host}"),
    ):
        try:
            there = resolve(host)
        except OSError:
            continue  # sync says so itself; what cannot be found is on no wire
        for address in there:
            if address.is_unspecified:
                yield from ((one.interface, words) for one in addresses if not one.address.is_loopback)
            elif not address.is_loopback:
                yield from ((one.interface, words) for one in addresses if one.address == address)
                route = network.route(address)
                if route is not None and not route.is_local:
                    yield route.interface, words


def _is_cable(address: IpAddress, route: Route, network: Network, addresses: tuple[InterfaceAddress, ...]) -> bool:
    if network.is_point_to_point(route.interface):
        return True
    return any(
        one.interface == route.interface and address in one.network and one.network.num_addresses <= _CABLE_ADDRESSES
        for one in addresses
    )
