"""Links: open, read, write, close over a serial port (or pty) and TCP, on the event loop, never blocking it.

`read` raises on end of file, hang-up and input/output errors, so that an unplugged device is seen at once. Nothing here ever waits for
the port to drain: `flush` and `tcdrain` hang on a device that is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import termios
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import serial

from drivers.errors import LinkAbsent, LinkFault, LinkLost, LinkRefused, LinkStalled
from drivers.reach import REACH

Direction = Literal["rx", "tx", "open"]
Tap = Callable[[Direction, bytes], None]

READ_BYTES = 65_536
BUFFER_LIMIT_BYTES = 1 << 20
WRITE_TIMEOUT_S = 2.0
_ABSENT = {
    errno.ENOENT,
    errno.ENXIO,
    errno.ENODEV,
    errno.EIO,
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
}


class Link(ABC):
    """One open way to a device. `turn()` is held by whoever waits for the answer to what it wrote."""

    def __init__(self, tap: Tap | None = None) -> None:
        self._tap = tap
        self._lock = asyncio.Lock()
        self.tapped("open", b"")

    def tapped(self, direction: Direction, chunk: bytes) -> None:
        """Let the recorder see these bytes."""
        if self._tap is not None:
            self._tap(direction, chunk)

    def turn(self) -> asyncio.Lock:
        """Return the lock under which a request and its answer belong together."""
        return self._lock

    @property
    def has_bytes(self) -> bool:
        """Tell whether `read` would return at once; False when a link cannot tell."""
        return False

    @abstractmethod
    async def read(self) -> bytes:
        """Return the bytes that came in, at least one; safe to cancel. Raises `LinkLost`."""

    @abstractmethod
    async def write(self, chunk: bytes) -> None:
        """Hand bytes to the device. Raises `LinkLost` or `LinkStalled`."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of the device; never raises, never waits for it."""


def opening_fault(path: str, error: Exception) -> LinkFault:
    """Return what an error at opening a device means: it is not there, or it does not let itself be opened."""
    if getattr(error, "errno", None) in _ABSENT or not Path(path).exists():
        return LinkAbsent(f"{path} is not there")
    return LinkRefused(f"{path} cannot be opened: {error}")


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial port by its stable path (`/dev/serial/by-id/…`) and its line settings."""

    path: str
    baud: int = 115_200
    data_bits: int = 8
    parity: str = "N"
    stop_bits: float = 1
    rts_cts: bool = False
    xon_xoff: bool = False

    async def open(self, tap: Tap | None = None) -> Link:
        """Open the port exclusively. Raises `LinkAbsent` or `LinkRefused`."""
        try:
            port = serial.Serial(
                self.path,
                baudrate=self.baud,
                bytesize=self.data_bits,
                parity=self.parity,
                stopbits=self.stop_bits,
                rtscts=self.rts_cts,
                xonxoff=self.xon_xoff,
                timeout=0,
                exclusive=True,
            )
        except (OSError, termios.error, ValueError) as error:
            raise opening_fault(self.path, error) from error
        try:
            # pyserial sets VMIN 0, where "nothing there" and "hung up" both read as no bytes.
            attributes = termios.tcgetattr(port.fileno())
            attributes[6][termios.VMIN] = 1
            attributes[6][termios.VTIME] = 0
            termios.tcsetattr(port.fileno(), termios.TCSANOW, attributes)
        except (OSError, termios.error) as error:
            port.close()
            raise opening_fault(self.path, error) from error
        return SerialLink(port, tap)

    def is_there(self) -> bool:
        """Tell whether the path exists now."""
        return Path(self.path).exists()


class DescriptorLink(Link):
    """An open character device, read by the event loop through its descriptor, which must not block."""

    def __init__(self, fd: int, name: str, tap: Tap | None = None) -> None:
        super().__init__(tap)
        self._fd = fd
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._lost: LinkLost | None = None
        self._is_closed = False
        self._is_reading = True
        self._loop.add_reader(self._fd, self._on_readable)

    def _on_readable(self) -> None:
        try:
            chunk = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(errno.errorcode.get(error.errno or 0, "input/output error"))
            return
        if not chunk:
            self._lose("hung up")
            return
        self.tapped("rx", chunk)
        self._buffer += chunk
        if len(self._buffer) > BUFFER_LIMIT_BYTES:
            self._pause()
        self._arrived.set()

    def _pause(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._fd)

    def _lose(self, why: str) -> None:
        self._lost = LinkLost(f"{self._name}: {why}")
        self._pause()
        self._loop.remove_writer(self._fd)
        self._arrived.set()

    @property
    def has_bytes(self) -> bool:
        """Tell whether bytes came in that nobody read yet."""
        return bool(self._buffer)

    async def read(self) -> bytes:
        """Return the bytes that came in; what came before the loss is still returned."""
        while not self._buffer:
            if self._lost is not None:
                raise self._lost
            self._arrived.clear()
            await self._arrived.wait()
        chunk = bytes(self._buffer)
        self._buffer.clear()
        if not self._is_reading and self._lost is None and not self._is_closed:
            self._is_reading = True
            self._loop.add_reader(self._fd, self._on_readable)
        return chunk

    async def write(self, chunk: bytes) -> None:
        """Write all of `chunk` within two seconds."""
        self.tapped("tx", chunk)
        rest = memoryview(chunk)
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                while rest:
                    if self._lost is not None or self._is_closed:
                        raise self._lost or LinkLost(f"{self._name}: closed")
                    try:
                        rest = rest[os.write(self._fd, rest) :]
                    except BlockingIOError:
                        await self._writable()
        except TimeoutError as error:
            raise LinkStalled(f"{self._name} takes no bytes") from error
        except OSError as error:
            self._lose("write failed")
            raise LinkLost(f"{self._name}: write failed") from error

    async def _writable(self) -> None:
        ready = asyncio.Event()
        self._loop.add_writer(self._fd, ready.set)
        try:
            await ready.wait()
        finally:
            if not self._is_closed:
                self._loop.remove_writer(self._fd)

    async def close(self) -> None:
        """Close at once."""
        if self._is_closed:
            return
        self._pause()
        self._loop.remove_writer(self._fd)
        self._is_closed = True
        if self._lost is None:
            self._lost = LinkLost(f"{self._name}: closed")
        self._arrived.set()
        self.let_go()

    def let_go(self) -> None:
        """Give the descriptor back; called once, when nothing reads it any more."""
        with contextlib.suppress(OSError):
            os.close(self._fd)


class SerialLink(DescriptorLink):
    """An open serial port."""

    def __init__(self, port: serial.Serial, tap: Tap | None = None) -> None:
        super().__init__(port.fileno(), str(port.name), tap)
        self._port = port

    def let_go(self) -> None:
        """Close the port; unsent bytes are thrown away, so that the kernel does not wait for a device that is gone."""
        with contextlib.suppress(OSError, termios.error):
            termios.tcflush(self._fd, termios.TCOFLUSH)
        with contextlib.suppress(OSError, termios.error):
            self._port.close()


@dataclass(frozen=True, slots=True)
class TcpPeer:
    """A device that listens on a TCP port."""

    host: str
    port: int

    async def open(self, tap: Tap | None = None) -> Link:
        """Connect. Raises `LinkAbsent` or `LinkForbidden`; the caller limits the time."""
        address = await REACH.get().address_of(self.host, self.port)
        try:
            reader, writer = await asyncio.open_connection(address, self.port, limit=READ_BYTES)
        except OSError as error:
            raise LinkAbsent(f"{self.host} port {self.port} does not answer: {error.strerror or error}") from error
        return TcpLink(reader, writer, f"{self.host}:{self.port}", tap)

    def is_there(self) -> bool:
        """Return False: a host can only be asked by connecting."""
        return False


class TcpLink(Link):
    """An open TCP connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str, tap: Tap | None = None
    ) -> None:
        super().__init__(tap)
        self._reader = reader
        self._writer = writer
        self._peer = peer

    async def read(self) -> bytes:
        """Return the bytes that came in. Raises `LinkLost` when the peer closed or reset."""
        try:
            chunk = await self._reader.read(READ_BYTES)
        except OSError as error:
            raise LinkLost(f"{self._peer}: {error.strerror or 'reset'}") from error
        if not chunk:
            raise LinkLost(f"{self._peer}: closed by the device")
        self.tapped("rx", chunk)
        return chunk

    async def write(self, chunk: bytes) -> None:
        """Hand over all of `chunk` within two seconds."""
        if self._writer.is_closing():
            raise LinkLost(f"{self._peer}: closed")
        self.tapped("tx", chunk)
        try:
            self._writer.write(chunk)
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await self._writer.drain()
        except TimeoutError as error:
            raise LinkStalled(f"{self._peer} takes no bytes") from error
        except OSError as error:
            raise LinkLost(f"{self._peer}: {error.strerror or 'reset'}") from error

    async def close(self) -> None:
        """Abort the connection; half-open peers are not waited for."""
        self._writer.transport.abort()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
