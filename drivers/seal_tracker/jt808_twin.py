"""Twin of a JT/T 808 padlock: registers when it is plugged in, then reports places and padlock events."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from drivers.seal_tracker.events import EVENT_NUMBERS
from drivers.seal_tracker.jt808 import VEHICLE_CONTROL, Message, encode, parse, unwrap
from drivers.seal_tracker.jt808_location import CLOCK_OFFSET_H
from drivers.seal_tracker.twin import TrackerTwin

_NUMBER_OF_EVENT = {kind: number for number, kind in EVENT_NUMBERS.items()}


@dataclass
class Jt808SealTwin(TrackerTwin):
    """A padlock with a decimal identity of at most twelve digits."""

    protocol: ClassVar[str] = "jt808"

    async def register(self) -> bytes:
        """Send 0100; return the answer 8100 with the token of the server."""
        serial = self._next_index()
        token = struct.pack(">HB", serial, 0) + (self.seal_id.lstrip("0") or "0").encode("ascii")
        return await self._exchange(0x0100, bytes(37), serial, Message(0x8100, self._phone(), 0, token))

    async def tell(
        self, latitude_deg: float, longitude_deg: float, kinds: Iterable[str] = (), *, has_fix: bool = True
    ) -> bytes:
        """Send 0200 with one padlock event field per event."""
        status = (2 if has_fix else 0) | (4 if latitude_deg < 0 else 0) | (8 if longitude_deg < 0 else 0)
        place = (round(abs(latitude_deg) * 1e6), round(abs(longitude_deg) * 1e6))
        local = self.clock.now() + timedelta(hours=CLOCK_OFFSET_H)
        body = struct.pack(">IIIIhHH", 0, status, *place, 0, 0, 0) + bytes.fromhex(f"{local:%y%m%d%H%M%S}")
        for kind in kinds:
            body += struct.pack(">BBH", 0x60, 2, _NUMBER_OF_EVENT[kind])
        serial = self._next_index()
        return await self._exchange(
            0x0200, body, serial, Message(0x8001, self._phone(), 0, struct.pack(">HHB", serial, 0x0200, 0))
        )

    async def _exchange(self, message_id: int, body: bytes, serial: int, answer: Message) -> bytes:
        return await self._send(encode(Message(message_id, self._phone(), serial, body)), unwrap(encode(answer)))

    async def command(self) -> Message:
        """Return the next command 8500 that the server sends. Raises `ConnectionError` when the connection ends first."""
        while True:
            if self._reader is None or self._stream is None:
                raise ConnectionError("the padlock is unplugged")
            received = await self._reader.read(1024)
            if not received:
                raise ConnectionError("the server closed the connection")
            for frame in self._stream.frames(received):
                if (message := parse(frame)).message_id == VEHICLE_CONTROL:
                    return message

    def answer(self, command: Message, *, is_locked: bool = False) -> None:
        """Answer a command with 0500: its serial, and a report that says whether the lock is locked."""
        status = 1 << 12 if is_locked else 0
        local = self.clock.now() + timedelta(hours=CLOCK_OFFSET_H)
        body = struct.pack(">HIIIIhHH", command.serial, 0, status, 0, 0, 0, 0, 0)
        self._write(0x0500, body + bytes.fromhex(f"{local:%y%m%d%H%M%S}"))

    def receipt(self, command: Message, result: int) -> None:
        """Say with 0001 that a command came: 0 understood, 1 failed, 2 wrong, 3 not supported."""
        self._write(0x0001, struct.pack(">HHB", command.serial, command.message_id, result))

    def _write(self, message_id: int, body: bytes) -> None:
        self._put(encode(Message(message_id, self._phone(), self._next_index(), body)))

    def _phone(self) -> bytes:
        return bytes.fromhex(self.seal_id.zfill(12))
