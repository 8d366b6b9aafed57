"""Seal tracker twins: what every tracker that calls the server does (connect, report, repeat what is not answered), and a Jointech lock."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Self

from drivers.contracts import Clock
from drivers.seal_tracker.codec import FrameStream
from drivers.seal_tracker.events import ACK_REQUIRED, STATUS_BITS
from drivers.seal_tracker.jointech import LockFrame, encode_lock_frame, lock_answer
from drivers.seal_tracker.jointech_fix import Fix
from drivers.seal_tracker.protocols import protocol_named
from drivers.twin import SlowSwitches

PROTOCOL_VERSION = 0x19
SEALED_BITS = ("rope_inserted", "motor_locked", "back_cap_closed")
_BITS = {bit.name: 1 << bit.number for bit in STATUS_BITS}
_BIT_OF_EVENT = {bit.event: bit.name for bit in STATUS_BITS if bit.event}


class AnswerMissing(Exception):
    """The server did not acknowledge a report although it was repeated."""


@dataclass
class TrackerTwin(ABC):
    """One tracker of any protocol. `plug` connects, `unplug` cuts; while muted, corrupt or slow its reports are kept back, damaged or late on the wire."""

    port: int
    clock: Clock
    host: str = "127.0.0.1"
    seal_id: str = "9900000001"
    answer_s: float = 1.0
    repeats: int = 3
    sent_frames: int = 0
    answers: list[bytes] = field(default_factory=list)
    _index: int = 0
    _is_mute: bool = False
    _is_corrupt: bool = False
    _pace: SlowSwitches = field(default_factory=lambda: SlowSwitches(seed=1))
    _reader: asyncio.StreamReader | None = None
    _writer: asyncio.StreamWriter | None = None
    _stream: FrameStream | None = None
    protocol: ClassVar[str] = ""
    attack: ClassVar[str] = "rope_cut"
    """An alarm that this tracker can tell."""

    async def __aenter__(self) -> Self:
        await self.plug()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.unplug()

    async def plug(self) -> None:
        """Connect to the server. Raises `OSError` when nobody listens."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self.host, self.port)
            self._stream = protocol_named(self.protocol).new_stream()

    async def unplug(self) -> None:
        """Cut the connection."""
        writer, self._writer, self._reader = self._writer, None, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def mute(self, *, on: bool = True) -> None:
        """Stay connected and send nothing."""
        self._is_mute = on

    def corrupt(self, *, on: bool = True) -> None:
        """Send every report with a damaged head."""
        self._is_corrupt = on

    def delay(self, seconds: float) -> None:
        """Send every report and answer so much later, in order; 0 at once."""
        self._pace.delay(seconds)

    @abstractmethod
    async def tell(
        self, latitude_deg: float, longitude_deg: float, kinds: Iterable[str] = (), *, has_fix: bool = True
    ) -> bytes:
        """Send a report with normalised events that ask for an answer; return the answer.

        Raises `AnswerMissing` after the repeats, `OSError` when unplugged, `KeyError` for an event that this tracker cannot tell.
        """

    def _next_index(self) -> int:
        self._index = (self._index + 1) % 256
        return self._index

    def damaged(self, wire: bytes) -> bytes:
        """Return a frame as it comes through a bad line: its head is lost."""
        return bytes(5) + wire[5:]

    async def _send(self, wire: bytes, expected: bytes) -> bytes:
        for _ in range(1 + self.repeats):
            if self._writer is None:
                raise ConnectionError("the tracker is unplugged")
            if not self._is_mute:
                await asyncio.sleep(self._put(self.damaged(wire) if self._is_corrupt else wire))
                self.sent_frames += 1
            if self._writer is not None:
                await self._writer.drain()
            if not expected:
                return b""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.answer_s):
                    return await self._answer(expected)
        raise AnswerMissing("the server did not acknowledge the report")

    def _put(self, wire: bytes) -> float:
        """Send bytes as late as the twin is slow; return for how many seconds they wait."""
        writer = self._writer
        if writer is None:
            raise ConnectionError("the tracker is unplugged")
        return self._pace.later(lambda: None if writer.is_closing() else writer.write(wire))

    async def _answer(self, expected: bytes) -> bytes:
        while True:
            if self._reader is None or self._stream is None:
                raise ConnectionError("the tracker is unplugged")
            received = await self._reader.read(1024)
            if not received:
                raise ConnectionError("the server closed the connection")
            for answer in self._stream.frames(received):
                self.answers.append(answer)
                if answer == expected:
                    return answer


@dataclass
class JointechSealTwin(TrackerTwin):
    """A JT701-class lock that speaks the long binary frame."""

    protocol: ClassVar[str] = "jt600"

    async def tell(
        self, latitude_deg: float, longitude_deg: float, kinds: Iterable[str] = (), *, has_fix: bool = True
    ) -> bytes:
        """Send a lock frame with the alarm bits of these events set."""
        bits = [_BIT_OF_EVENT[kind] for kind in kinds]
        return await self.report(latitude_deg, longitude_deg, [*SEALED_BITS, "ack_required", *bits], has_fix=has_fix)

    async def report(
        self,
        latitude_deg: float,
        longitude_deg: float,
        bits: Iterable[str] = SEALED_BITS,
        *,
        at: datetime | None = None,
        battery_percent: int = 90,
        has_fix: bool = True,
    ) -> bytes:
        """Send place and status; return the answer, empty when none was asked for (bit `ack_required`).

        Raises `AnswerMissing` after the repeats, `OSError` when unplugged.
        """
        index = self._next_index()
        status = sum(_BITS[name] for name in set(bits))
        flags = (1 if has_fix else 0) | (2 if latitude_deg >= 0 else 0) | (4 if longitude_deg >= 0 else 0)
        fix = Fix(
            device_time=at or self.clock.now(),
            latitude_e4min=round(abs(latitude_deg) * 600_000),
            longitude_e4min=round(abs(longitude_deg) * 600_000),
            flags=flags,
            speed_byte=0,
            course_half_deg=0,
        )
        frame = LockFrame(
            seal_id=self.seal_id,
            protocol_version=PROTOCOL_VERSION,
            type_byte=0x11,
            fix=fix,
            mileage_km=0,
            satellites=9 if has_fix else 0,
            vehicle_id=bytes(4),
            status=status,
            battery_percent=battery_percent,
            cell_id=1,
            location_area=1,
            gsm=20,
            extension=bytes(4),
            index=index,
        )
        return await self._send(encode_lock_frame(frame), lock_answer(frame) if status & ACK_REQUIRED else b"")
