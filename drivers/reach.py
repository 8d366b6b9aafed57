"""Where drivers may go on the network: links ask the reach of the task they are opened in before they connect or listen.

Without a reach set, everything is allowed: a technician's `egate devices probe` is not the field service. A process that hosts devices runs
each driver in a context whose `REACH` is an `AllowList`; tasks and buses that a driver starts inherit it. A name is resolved once, with the
first success, and its address kept until the process ends: what a name server says later moves no connection to a barrier.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from drivers.errors import LinkAbsent, LinkForbidden

URL_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address with its port, as it is written: a name, or an address."""

    host: str
    port: int

    def __str__(self) -> str:
        """As a site file has it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def read(cls, text: str) -> Endpoint:
        """Return the endpoint that is written as `host:port` or `[address]:port`. Raises `ValueError`."""
        try:
            parts = urlsplit(f"//{text}")
            is_whole = parts.netloc == text and parts.username is None and parts.hostname
            host, port = parts.hostname or "", parts.port
        except ValueError:
            is_whole, host, port = None, "", None
        if not is_whole or port is None or "/" in text:
            raise ValueError(f"{text!r} is no `host:port`")
        return cls(host, port)


class Reach(Protocol):
    """What decides."""

    async def address_of(self, host: str, port: int) -> str:
        """Return the address to connect to. Raises `LinkForbidden`, or `LinkAbsent` for a name that nobody knows."""
        ...

    def may_listen(self, host: str, port: int) -> None:
        """Raise `LinkForbidden` when nothing may listen there."""
        ...

    async def source_of(self, source: str) -> str:
        """Return the address of a stream with its host resolved; what is no address of a stream, as it is. Raises as `address_of`."""
        ...


class Anywhere:
    """No limits; names are resolved anew for each connection."""

    async def address_of(self, host: str, port: int) -> str:  # noqa: ARG002 - the signature of a reach
        """Return the host as it is."""
        return host

    def may_listen(self, host: str, port: int) -> None:
        """Allow it."""

    async def source_of(self, source: str) -> str:
        """Return the source as it is."""
        return source


Resolve = Callable[[str, int], Awaitable[str]]


async def resolve(host: str, port: int) -> str:
    """Return the first address of a name. Raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return str(found[0][4][0])


class AllowList:
    """What a site file allows, and nothing else."""

    def __init__(
        self, connect: Iterable[Endpoint], listen: Iterable[Endpoint] = (), resolver: Resolve = resolve
    ) -> None:
        self._connect = {(one.host.lower(), one.port) for one in connect}
        self._listen = {(one.host.lower(), one.port) for one in listen}
        self._resolver = resolver
        self._pinned: dict[str, str] = {}

    async def address_of(self, host: str, port: int) -> str:
        """Return the address, the same for ever once it is known. Raises `LinkForbidden` or `LinkAbsent`."""
        name = host.lower()
        if (name, port) not in self._connect:
            raise LinkForbidden(f"{Endpoint(host, port)} is not on the list of what may be connected to")
        if name not in self._pinned:
            try:
                self._pinned[name] = host if _is_address(host) else await self._resolver(host, port)
            except OSError as error:
                raise LinkAbsent(f"{host} has no address: {error.strerror or error}") from error
        return self._pinned[name]

    def may_listen(self, host: str, port: int) -> None:
        """Raise `LinkForbidden` unless just this address and port are listed."""
        if (host.lower(), port) not in self._listen:
            raise LinkForbidden(f"{Endpoint(host, port)} is not on the list of where may be listened")

    async def source_of(self, source: str) -> str:
        """Return the stream's address with its host resolved. Raises `LinkForbidden` for one whose host cannot be told."""
        if "://" not in source:
            return source  # a device file or a film
        if (endpoint := endpoint_of_source(source)) is None:
            raise LinkForbidden("a stream of this kind cannot be told apart from other hosts")
        address = await self.address_of(endpoint.host, endpoint.port)
        parts = urlsplit(source)
        login = parts.netloc.rpartition("@")[0]
        place = str(Endpoint(address, endpoint.port))
        return urlunsplit(parts._replace(netloc=f"{login}@{place}" if login else place))


REACH: ContextVar[Reach] = ContextVar("reach", default=Anywhere())  # noqa: B039 - it holds nothing that changes


def endpoint_of_source(source: str) -> Endpoint | None:
    """Return the host of a stream's address; None for a device file, a film, and what cannot be told."""
    try:
        parts = urlsplit(source)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in URL_PORTS or not parts.hostname:
        return None
    return Endpoint(parts.hostname, URL_PORTS[parts.scheme] if port is None else port)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
