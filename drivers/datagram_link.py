"""A UDP port on which devices tell something: listened to, never answered. Each read is one datagram, and none is joined with the next.

Whoever can reach the port can send to it. `senders` names the addresses that are heard; without any, the one whose words made sense first is
kept until the link ends. Datagrams of others are dropped and counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection

from drivers.errors import LinkAbsent, LinkLost, LinkRefused, LinkStalled
from drivers.link import Link, Tap
from drivers.reach import REACH

WAITING_DATAGRAMS = 256
HEARD_WITHIN_S = 0.5
_Sender = tuple[str, int]


class DatagramListener:
    """The port. It stays open between links; a driver closes it in its `ended`."""

    def __init__(self, host: str, port: int, senders: Collection[str] = ()) -> None:
        """`host`: an own address, never all of them by accident; `port` 0 picks a free one at the first opening, and keeps it."""
        self._host = host
        self.port = port
        self._senders = frozenset(senders)
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: deque[tuple[bytes, _Sender]] = deque(maxlen=WAITING_DATAGRAMS)  # of too many the oldest go
        self._arrived = asyncio.Event()
        self._kept: _Sender | None = None
        self.dropped_datagrams = 0

    async def open(self, tap: Tap | None = None) -> Link:
        """Wait a moment for a first datagram.

        Raises `LinkRefused` when the port cannot be opened, `LinkForbidden` where it may not be, `LinkAbsent` when nobody sends.
        """
        if self._transport is None:
            REACH.get().may_listen(self._host, self.port)
            try:
                self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: _Receiver(self), local_addr=(self._host, self.port)
                )
            except OSError as error:
                raise LinkRefused(
                    f"port {self.port} on {self._host} cannot be opened: {error.strerror or error}"
                ) from error
            self.port = int(self._transport.get_extra_info("sockname")[1])
        self._kept = None
        try:
            async with asyncio.timeout(HEARD_WITHIN_S):
                while not self._waiting:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError as error:
            raise LinkAbsent(f"nobody sends to port {self.port} on {self._host}") from error
        return DatagramLink(self, tap)

    def is_there(self) -> bool:
        """Tell whether a datagram waits."""
        return bool(self._waiting)

    async def close(self) -> None:
        """Close the port, and drop what nobody read."""
        transport, self._transport = self._transport, None
        self._waiting.clear()
        if transport is not None:
            transport.close()

    def keep(self, sender: _Sender) -> None:
        """Hear nobody but this sender until the link ends; no effect where senders are listed."""
        if not self._senders:
            self._kept = sender

    def heard(self, content: bytes, sender: _Sender) -> None:
        """Take a datagram, unless it is of somebody who is not heard."""
        is_known = sender[0] in self._senders if self._senders else self._kept in {None, sender}
        if not is_known or not content:
            self.dropped_datagrams += 1
            return
        if len(self._waiting) == WAITING_DATAGRAMS:
            self.dropped_datagrams += 1
        self._waiting.append((content, sender))
        self._arrived.set()

    async def next(self) -> tuple[bytes, _Sender]:
        """Return the next datagram and its sender. Raises `LinkLost` when the port was closed."""
        while True:
            if self._transport is None:
                raise LinkLost(f"port {self.port} on {self._host} was closed")
            while self._waiting:
                content, sender = self._waiting.popleft()
                if self._senders or self._kept in {None, sender}:  # one that came before the sender was kept
                    return content, sender
                self.dropped_datagrams += 1
            self._arrived.clear()
            await self._arrived.wait()

    @property
    def has_waiting(self) -> bool:
        """Tell whether a datagram waits to be read."""
        return bool(self._waiting)


class DatagramLink(Link):
    """An open port. `read` gives one datagram; `keep_sender` says that the last one made sense."""

    def __init__(self, listener: DatagramListener, tap: Tap | None = None) -> None:
        super().__init__(tap)
        self._listener = listener
        self._last: _Sender | None = None

    @property
    def has_bytes(self) -> bool:
        """Tell whether a datagram waits to be read."""
        return self._listener.has_waiting

    def keep_sender(self) -> None:
        """Hear nobody but the sender of the datagram that was read last, where none are listed."""
        if self._last is not None:
            self._listener.keep(self._last)

    async def read(self) -> bytes:
        """Return the next datagram's content. Raises `LinkLost`."""
        content, self._last = await self._listener.next()
        self.tapped("rx", content)
        return content

    async def write(self, chunk: bytes) -> None:
        """Refuse: whoever tells something here is never answered."""
        raise LinkStalled(f"port {self._listener.port} takes no {len(chunk)} bytes: it is listened to only")

    async def close(self) -> None:
        """Let go; the port stays open."""


class _Receiver(asyncio.DatagramProtocol):
    """Hands datagrams to the listener."""

    def __init__(self, listener: DatagramListener) -> None:
        self._listener = listener

    def datagram_received(self, content: bytes, addr: tuple[str, int]) -> None:
        self._listener.heard(content, (addr[0], addr[1]))
