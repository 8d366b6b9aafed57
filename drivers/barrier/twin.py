"""Virtual gates: the same board behind a Modbus TCP server, or on a serial line."""

from __future__ import annotations

import asyncio
from pathlib import Path

from drivers.barrier.board import DoorBoard
from drivers.barrier.modbus import Adu, MbapCodec, exception_pdu
from drivers.barrier.modbus_rtu import BROADCAST, RtuCodec
from drivers.codec import BadFrame
from drivers.twin import PtyTwin, TcpTwin


class ModbusBarrierTwin(DoorBoard, TcpTwin):
    """A board on 127.0.0.1."""

    def __init__(
        self,
        *,
        port: int = 0,
        unit: int = 1,
        transit_s: float = 0.1,
        open_s: float = 0.3,
        watchdog_s: float = 3.0,
        takes_ttl: bool = True,
        seed: int = 1,
    ) -> None:
        """Take the times of `DoorBoard`."""
        TcpTwin.__init__(self, port=port, seed=seed)
        DoorBoard.__init__(self, transit_s=transit_s, open_s=open_s, watchdog_s=watchdog_s, takes_ttl=takes_ttl)
        self._unit = unit

    async def stop(self) -> None:
        """Cut the network and stop the doors' timers, at the end of the twin's life. After `unplug` alone the doors live on until the watchdog."""
        await self.unplug()
        self.stop_timers()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client."""
        codec = MbapCodec()
        while chunk := await reader.read(4096):
            for adu in codec.feed(chunk):
                answer = self._answer(adu)
                if answer is not None:
                    self.send(writer, codec.encode(Adu(adu.transaction, adu.unit, answer)))
            await writer.drain()

    def _answer(self, adu: Adu) -> bytes | None:
        if adu.unit not in {self._unit, 0, 255}:
            return exception_pdu(adu.pdu[0], 11)
        return None if self._is_muted else self.answer(adu.pdu)  # a hung board neither acts nor answers


class ModbusRtuBarrierTwin(DoorBoard, PtyTwin):
    """A board on a serial line; it hears other units' frames and keeps silent."""

    def __init__(
        self,
        path: Path,
        *,
        unit: int = 1,
        baud: int = 0,
        transit_s: float = 0.1,
        open_s: float = 0.3,
        watchdog_s: float = 3.0,
        takes_ttl: bool = True,
        seed: int = 1,
    ) -> None:
        """Take the times of `DoorBoard`; `baud` paces what is sent."""
        PtyTwin.__init__(self, path, baud=baud, seed=seed)
        DoorBoard.__init__(self, transit_s=transit_s, open_s=open_s, watchdog_s=watchdog_s, takes_ttl=takes_ttl)
        self._unit = unit
        self._codec = RtuCodec("requests")

    async def stop(self) -> None:
        """Pull the cable and stop the doors' timers, at the end of the twin's life."""
        await self.unplug()
        self.stop_timers()

    def plugged(self) -> None:
        """Forget half a frame."""
        self._codec.reset()

    def heard(self, chunk: bytes) -> None:
        """Answer what is asked of this unit; a broadcast is obeyed without an answer."""
        for adu in self._codec.feed(chunk):
            if isinstance(adu, BadFrame) or adu.unit not in {self._unit, BROADCAST}:
                continue
            answer = self.answer(adu.pdu)
            if answer is not None and adu.unit != BROADCAST:
                self.send(self._codec.encode(Adu(0, adu.unit, answer)))
