"""The other ways to a device: one that calls us on a TCP port, and one behind a Unix socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import LinkRefused
from drivers.link import READ_BYTES, Link, Tap, TcpLink, opening_fault
from drivers.reach import REACH


@dataclass(frozen=True, slots=True)
class UnixPeer:
    """A device, or the process that serves it, behind a Unix socket on this machine."""

    path: str

    async def open(self, tap: Tap | None = None) -> Link:
        """Connect. Raises `LinkAbsent` or `LinkRefused`; the caller limits the time."""
        try:
            reader, writer = await asyncio.open_unix_connection(self.path, limit=READ_BYTES)
        except OSError as error:
            raise opening_fault(self.path, error) from error
        return TcpLink(reader, writer, self.path, tap)

    def is_there(self) -> bool:
        """Tell whether the socket's path exists now."""
        return Path(self.path).exists()


class TcpListener:
    """A port that one device calls. Its newest call counts: an older one is what a power cut left half open.

    The port stays open between calls; a driver closes it in its `ended`.
    """

    def __init__(self, host: str, port: int) -> None:
        """`port` 0 picks a free one at the first opening, and keeps it."""
        self._host = host
        self.port = port
        self._server: asyncio.Server | None = None
        self._waiting: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._newest: asyncio.StreamWriter | None = None

    async def open(self, tap: Tap | None = None) -> Link:
        """Wait for a call. Raises `LinkForbidden` or `LinkRefused` when the port cannot be opened; the caller limits the time."""
        if self._server is None:
            REACH.get().may_listen(self._host, self.port)
            try:
                self._server = await asyncio.start_server(
                    self._called, self._host, self.port, limit=READ_BYTES, reuse_address=True
                )
            except OSError as error:
                raise LinkRefused(
                    f"port {self.port} on {self._host} cannot be opened: {error.strerror or error}"
                ) from error
            self.port = int(self._server.sockets[0].getsockname()[1])
        while True:
            reader, writer = await self._waiting.get()
            if not writer.is_closing():
                return TcpLink(reader, writer, f"a caller on port {self.port}", tap)

    def is_there(self) -> bool:
        """Tell whether a call waits to be taken."""
        return not self._waiting.empty()

    async def close(self) -> None:
        """Close the port, and drop calls that nobody took."""
        server, self._server = self._server, None
        if self._newest is not None:
            self._newest.transport.abort()
            self._newest = None
        while not self._waiting.empty():
            self._waiting.get_nowait()
        if server is not None:
            server.close()
            await server.wait_closed()

    def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._newest is not None:
            self._newest.transport.abort()
        self._newest = writer
        self._waiting.put_nowait((reader, writer))
