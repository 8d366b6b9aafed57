"""Twins: virtual devices that speak the real codec on a pty, a FIFO or a TCP port, for the demo and for tests.

A twin can be pulled out, put back, muted, slowed down and made to send damaged bytes. The pty twin keeps the slave side open itself: a master whose
slave nobody holds is readable with EIO for ever and spins a core.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import tty
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

WRITE_PIECE_BYTES = 2048
TORN_AFTER_S = 0.005


class Twin(Protocol):
    """What every twin offers; `plug` and `unplug` need a running loop."""

    async def plug(self) -> None:
        """Put the device there. Nothing when it is there already."""
        ...

    async def unplug(self) -> None:
        """Pull the device out. Nothing when it is out already."""
        ...

    def mute(self, *, on: bool = True) -> None:
        """Say nothing any more, the wire stays connected."""
        ...

    def corrupt(self, *, on: bool = True) -> None:
        """Flip one bit in everything that is sent."""
        ...

    def delay(self, seconds: float) -> None:
        """Send everything so much later, in order; 0 at once."""
        ...


class Damage:
    """Flips one bit of each piece, at places that a seed decides."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def apply(self, chunk: bytes) -> bytes:
        """Return the bytes with one bit flipped."""
        if not chunk:
            return chunk
        damaged = bytearray(chunk)
        damaged[self._chance.randrange(len(damaged))] ^= 1 << self._chance.randrange(8)
        return bytes(damaged)


class Switches:
    """What can be done to a twin whose messages are bytes: it falls silent, or what it sends is damaged."""

    def __init__(self, seed: int) -> None:
        """`seed` decides which bits `corrupt` flips."""
        self._damage = Damage(seed)
        self._is_muted = False
        self._is_corrupting = False

    def mute(self, *, on: bool = True) -> None:
        """Say nothing any more; whatever connects the device stays connected."""
        self._is_muted = on

    def corrupt(self, *, on: bool = True) -> None:
        """Flip one bit in everything that is sent."""
        self._is_corrupting = on

    def altered(self, chunk: bytes) -> bytes:
        """Return the bytes as they leave the twin."""
        return self._damage.apply(chunk) if self._is_corrupting else chunk


class SlowSwitches(Switches):
    """The same for a twin that can be slow, too."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._delay_s = 0.0
        self._last_due_s = 0.0

    def delay(self, seconds: float) -> None:
        """Send everything so much later, in order; 0 at once."""
        self._delay_s = seconds

    def later(self, act: Callable[[], None]) -> float:
        """Do something as late as the twin is slow, after whatever waits already; return for how many seconds it waits."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        if not self._delay_s and self._last_due_s <= now_s:
            act()
            return 0.0
        self._last_due_s = max(self._last_due_s, now_s + self._delay_s)
        loop.call_at(self._last_due_s, act)
        return self._last_due_s - now_s


class PathTwin(SlowSwitches, ABC):
    """A virtual device behind a stable path: unplug removes the path, plug makes it again."""

    def __init__(self, path: Path, *, baud: int = 0, seed: int = 1) -> None:
        """`baud` 0 sends at once; otherwise the bytes leave at the pace of that line (10 bits per byte)."""
        super().__init__(seed)
        self.path = path
        self._baud = baud
        self._master = self._slave = -1
        self._outgoing: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._sender: asyncio.Task[None] | None = None
        self._cut_after_bytes: int | None = None

    @property
    def is_plugged(self) -> bool:
        """True while the device is there."""
        return self._master >= 0

    async def plug(self) -> None:
        """Open a fresh device and let the stable path lead to it."""
        if self.is_plugged:
            return
        self._master, self._slave = self.make_device()
        self._outgoing = asyncio.Queue()
        self._sender = asyncio.create_task(self._send_out(), name=f"twin {self.path.name} sending")
        self.plugged()
        self.path.unlink(missing_ok=True)
        self.make_path()

    async def unplug(self) -> None:
        """Remove the path and hang up; bytes that were not sent yet are lost, as on a real cable."""
        sender = self._sender
        self._hang_up()
        if sender is not None and sender is not asyncio.current_task():
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    def cut_after(self, sent_bytes: int) -> None:
        """Pull the cable once so many further bytes were sent: tears a frame at any place."""
        self._cut_after_bytes = sent_bytes

    def send(self, chunk: bytes) -> None:
        """Send bytes to the driver, in order with everything sent before; lost while muted or unplugged."""
        if self.is_plugged and not self._is_muted:
            due_s = asyncio.get_running_loop().time() + self._delay_s
            self._outgoing.put_nowait((due_s, self.altered(chunk)))

    @abstractmethod
    def make_device(self) -> tuple[int, int]:
        """Return the descriptors of a fresh device: that which is written to, and that which keeps the driver's side open."""

    @abstractmethod
    def make_path(self) -> None:
        """Let the path, which is not there, lead to the device that was made."""

    def plugged(self) -> None:
        """Start as after power-up."""

    def _hang_up(self) -> None:
        if not self.is_plugged:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        self.path.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        self._sender = None

    async def _send_out(self) -> None:
        while True:
            due_s, rest = await self._outgoing.get()
            if (wait_s := due_s - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(wait_s)
            while rest:
                piece = rest[:WRITE_PIECE_BYTES]
                if self._cut_after_bytes is not None:
                    piece = piece[: self._cut_after_bytes]
                if self._baud:
                    piece = piece[: max(self._baud // 1000, 1)]
                    await asyncio.sleep(len(piece) * 10 / self._baud)
                written = self._write(piece)
                if written is None:
                    await asyncio.sleep(0.001)  # the reader is behind; a real line would wait, too
                    continue
                rest = rest[written:]
                if self._cut_after_bytes is not None:
                    self._cut_after_bytes -= written
                    if self._cut_after_bytes <= 0:
                        self._cut_after_bytes = None
                        await self._torn()
                        return

    async def _torn(self) -> None:
        """Hang up after the driver had a moment to read what was sent before the cut."""
        await asyncio.sleep(TORN_AFTER_S)
        self._hang_up()

    def _write(self, piece: bytes) -> int | None:
        try:
            return os.write(self._master, piece)
        except BlockingIOError:
            return None


class PtyTwin(PathTwin):
    """A virtual serial device."""

    @abstractmethod
    def heard(self, chunk: bytes) -> None:
        """Bytes came from the driver."""

    def make_device(self) -> tuple[int, int]:
        """Open a pty and listen to it."""
        master, slave = os.openpty()
        tty.setraw(slave)  # before anybody opens it: an echoing line would answer itself
        os.set_blocking(master, False)
        asyncio.get_running_loop().add_reader(master, self._on_readable)
        return master, slave

    def make_path(self) -> None:
        """Point at the pty."""
        self.path.symlink_to(os.ttyname(self._slave))

    def _on_readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                chunk = os.read(self._master, 65_536)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                return
            if chunk and not self._is_muted:
                self.heard(chunk)


class FifoTwin(PathTwin):
    """A virtual device that only speaks; its reader meets the end of the file when it is pulled out."""

    def make_device(self) -> tuple[int, int]:
        """Make a FIFO beside the path, so that nobody opens it before somebody holds its other end."""
        fresh = self._fresh_path()
        fresh.unlink(missing_ok=True)
        os.mkfifo(fresh, 0o600)
        fd = os.open(fresh, os.O_RDWR | os.O_NONBLOCK)
        return fd, os.dup(fd)

    def make_path(self) -> None:
        """Move the FIFO to where the driver looks."""
        self._fresh_path().rename(self.path)

    def _fresh_path(self) -> Path:
        return self.path.with_name(self.path.name + ".fresh")


class TcpTwin(SlowSwitches, ABC):
    """A virtual network device on 127.0.0.1. The port is chosen at the first plug and kept."""

    def __init__(self, *, port: int = 0, seed: int = 1) -> None:
        super().__init__(seed)
        self.port = port
        self._cut_after_bytes: int | None = None
        self._cutting: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def is_plugged(self) -> bool:
        """True while the device listens."""
        return self._server is not None

    async def plug(self) -> None:
        """Listen; a cut that is under way comes first."""
        if self._cutting is not None:
            await self._cutting
        if self._server is None:
            self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]
            self.plugged()

    async def unplug(self) -> None:
        """Stop listening and reset every connection."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await server.wait_closed()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def cut_after(self, sent_bytes: int) -> None:
        """Pull the cable once so many further bytes were sent: tears a message at any place."""
        self._cut_after_bytes = sent_bytes

    def plugged(self) -> None:
        """Start as after power-up."""

    @abstractmethod
    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends."""

    def send(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        """Send bytes on one connection, late where the twin is slow; lost while muted and behind a cut."""
        if self._is_muted or writer.is_closing() or self._cutting is not None:
            return
        if self._cut_after_bytes is not None:
            chunk = chunk[: self._cut_after_bytes]
            self._cut_after_bytes -= len(chunk)
        altered = self.altered(chunk)
        self.later(lambda: self._write(writer, altered))
        if self._cut_after_bytes == 0:
            self._cut_after_bytes = None
            self._cutting = asyncio.create_task(self._torn(), name="twin torn")

    @staticmethod
    def _write(writer: asyncio.StreamWriter, chunk: bytes) -> None:
        if not writer.is_closing():
            writer.write(chunk)

    async def _torn(self) -> None:
        """Hang up after the driver had a moment to read what was sent before the cut, however slow the twin is."""
        try:
            await asyncio.sleep(max(0.0, self._last_due_s - asyncio.get_running_loop().time()) + TORN_AFTER_S)
            await self.unplug()
        finally:
            self._cutting = None

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._talks.add(task)
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self.talk(reader, writer)
        finally:
            self._writers.discard(writer)
            if task is not None:
                self._talks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
