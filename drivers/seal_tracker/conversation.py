"""One connection of a tracker: bytes in, messages out, answers back, within limits of time and size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from drivers.codec import BadFrame
from drivers.contracts import Clock, Unsupported
from drivers.errors import DriverFault
from drivers.seal_tracker.allowance import Allowance
from drivers.seal_tracker.codec import Heard, SealCodec
from drivers.seal_tracker.errors import NoTracker, OnlyNoise, SealFrameRejected, TrackersSilent

READ_BYTES = 4096
ANSWER_BACKLOG_BYTES = 1 << 16
_PARTS_POLL_S = 1.0


class Limits(NamedTuple):
    """What one connection may do. `silent_s`: longest time without a frame that is understood."""

    silent_s: float
    noise_bytes: int
    bytes_per_s: float


class Conversation:
    """Serves one connection. `report` gets what was understood, before it is answered; `record` what could not be used."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        codec: SealCodec,
        limits: Limits,
        clock: Clock,
        *,
        report: Callable[[Conversation, Heard, float], None],
        record: Callable[[DriverFault], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._codec = codec
        self._limits = limits
        self._clock = clock
        self._report = report
        self._record = record

    async def run(self) -> DriverFault:
        """Serve the connection to its end; return why it ended. Raises `OSError` when it was lost."""
        loop = asyncio.get_running_loop()
        allowance = Allowance(self._limits.bytes_per_s, self._clock.monotonic_s())
        silent_at_s = loop.time() + self._limits.silent_s
        has_noise = False
        while True:
            wait_s = silent_at_s - loop.time()
            if wait_s <= 0:
                return self._silent(has_noise=has_noise)
            received = await self._read(min(wait_s, _PARTS_POLL_S) if self._codec.is_waiting else wait_s)
            now_s = self._clock.monotonic_s()
            if received is not None:
                if not received:
                    return NoTracker("the last tracker left")
                has_noise = True
                if self._take(received, now_s):
                    silent_at_s, has_noise = loop.time() + self._limits.silent_s, False
            for overdue in self._codec.overdue(now_s) if self._codec.is_waiting else ():
                self._report(self, overdue, now_s)
                self._writer.write(overdue.decoded.reply)
            if self._writer.transport.get_write_buffer_size() > ANSWER_BACKLOG_BYTES:
                return NoTracker("the tracker does not take its answers")
            if self._codec.dropped_bytes > self._limits.noise_bytes:
                return OnlyNoise(f"{self._codec.dropped_bytes} bytes made no frame")
            # Also when bytes are waiting already: others have their turn between two reads.
            await asyncio.sleep(allowance.pause_s(len(received or b""), now_s))

    def unlock_wire(self, seal_id: str, serial: int) -> bytes:
        """Return the command that unlocks a seal. Raises `Unsupported` where its model has none that is known."""
        wire = self._codec.unlock(seal_id, serial)
        if wire is None:
            raise Unsupported(f"no command is known that unlocks seal {seal_id}")
        return wire

    def send(self, wire: bytes) -> None:
        """Send something that is no answer."""
        self._writer.write(wire)

    async def _read(self, wait_s: float) -> bytes | None:
        """Return bytes, none at the end of the connection, None when nothing came for so long."""
        try:
            async with asyncio.timeout(wait_s):
                return await self._reader.read(READ_BYTES)
        except TimeoutError:
            return None

    def _take(self, received: bytes, now_s: float) -> bool:
        """Report and answer what these bytes complete; True when any of it was understood."""
        is_understood = False
        for item in self._codec.feed(received, now_s):
            if isinstance(item, BadFrame):
                self._record(SealFrameRejected(item.reason))
                continue
            is_understood = True
            self._report(self, item, now_s)
            self._writer.write(self._codec.encode(item.decoded, self._clock.now()))
        return is_understood

    @staticmethod
    def _silent(*, has_noise: bool) -> DriverFault:
        if has_noise:
            return OnlyNoise("bytes came, and none made a frame for too long")
        return TrackersSilent("the tracker said nothing for too long")
