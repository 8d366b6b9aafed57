"""A TCP proxy that does to a link what networks do: slow, stalled, half open, cut in the middle of a packet, reset, and deaf to acknowledgements.

It stands between a gate and its broker on the loopback. One fault at a time, begun and ended by the test; connections made while a fault holds suffer
it, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

_CHUNK_BYTES = 4_096
PUBACK = 4
"""The type of MQTT's answer to a QoS 1 publication (MQTT 3.1.1, 2.2.1)."""


@dataclass(slots=True)
class Fault:
    """What happens to bytes on their way.

    `bits_per_s` 0: as fast as they come. `lost` of the chunks wait `retry_s` for their next try, as TCP has it. Stalled: nothing moves until the fault
    ends. Half open: a connection of this time never speaks again, and nobody is told. `without`: every n-th PUBACK to the gate is left out.
    """

    name: str = "none"
    delay_s: float = 0.0
    bits_per_s: int = 0
    lost: float = 0.0
    retry_s: float = 0.4
    is_stalled: bool = False
    is_half_open: bool = False
    without: int = 0


@dataclass(slots=True)
class LinkProxy:
    """Serves on `port`; everything goes to `target_port` and back under the fault of the moment."""

    target_port: int
    fault: Fault = field(default_factory=Fault)
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    port: int = 0
    dropped: int = 0
    _server: asyncio.Server | None = None
    _pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = field(default_factory=set)
    _heals: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.heal()
        self.reset()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def suffer(self, fault: Fault) -> None:
        """Begin a fault; the one before ends."""
        self._heals.set()
        self._heals = asyncio.Event()
        self.fault = fault

    def heal(self) -> None:
        """End the fault."""
        self.suffer(Fault())

    def reset(self) -> None:
        """Cut every connection with RST: what lay in buffers is gone, also a packet that was half sent."""
        for pair in self._pairs.copy():
            for writer in pair:
                peer: socket.socket = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, far_writer)
        self._pairs.add(pair)
        ways = [
            asyncio.create_task(self._carry(reader, far_writer, lambda data: data)),
            asyncio.create_task(self._carry(far_reader, writer, self._without_answers())),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._pairs.discard(pair)
            for one in pair:
                one.transport.abort()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[bytes], bytes]
    ) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            fault = self.fault
            if fault.is_half_open:
                await asyncio.get_running_loop().create_future()
            if fault.is_stalled:
                await self._heals.wait()
            wait_s = fault.delay_s + (8 * len(data) / fault.bits_per_s if fault.bits_per_s else 0.0)
            while self.dice.random() < fault.lost:
                wait_s += fault.retry_s
            if wait_s:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._heals.wait()
            writer.write(change(data))
            await writer.drain()

    def _without_answers(self) -> Callable[[bytes], bytes]:
        """Return what takes every n-th PUBACK out of one connection's stream; n is `fault.without`."""
        held = bytearray()
        seen = 0

        def change(data: bytes) -> bytes:
            nonlocal seen
            held.extend(data)
            passed = bytearray()
            while (length := _packet_bytes(held)) and length <= len(held):
                packet = bytes(held[:length])
                del held[:length]
                if packet[0] >> 4 == PUBACK:
                    seen += 1
                    if self.fault.without and seen % self.fault.without == 0:
                        self.dropped += 1
                        continue
                passed += packet
            return bytes(passed)

        return change


def _packet_bytes(held: bytearray) -> int:
    """Return the length of the MQTT packet that begins here (2.2.3), 0 while it cannot be told."""
    length = 0
    for place in range(1, 5):
        if place >= len(held):
            return 0
        length |= (held[place] & 0x7F) << 7 * (place - 1)
        if not held[place] & 0x80:
            return 1 + place + length
    return 0
