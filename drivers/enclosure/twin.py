"""A virtual sensor as a file, and a virtual board whose register counts a heater's time down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from drivers.barrier.errors import ModbusRefused
from drivers.barrier.modbus import Adu, Function, MbapCodec, exception_pdu, parse_request, response_pdu
from drivers.twin import SlowSwitches, TcpTwin


class TemperatureTwin(SlowSwitches):
    """A sensor's file. Unplugged it is not there; muted it is empty, as one whose chip does not answer."""

    def __init__(self, path: Path, *, seed: int = 1) -> None:
        super().__init__(seed)
        self.path = path
        self._celsius = 21.0
        self._is_plugged = False

    @property
    def is_plugged(self) -> bool:
        """True while the file is there."""
        return self._is_plugged

    async def plug(self) -> None:
        """Make the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._is_plugged = True
        self._put()

    async def unplug(self) -> None:
        """Take the file away."""
        self._is_plugged = False
        self.path.unlink(missing_ok=True)

    def mute(self, *, on: bool = True) -> None:
        """Let the file be empty."""
        super().mute(on=on)
        self._put()

    def corrupt(self, *, on: bool = True) -> None:
        """Let the file hold something else."""
        super().corrupt(on=on)
        self._put()

    def feel(self, celsius: float) -> None:
        """Be so warm."""
        self._celsius = celsius
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._put)
        else:
            self._put()

    def _put(self) -> None:
        if not self._is_plugged:
            return
        content = b"" if self._is_muted else self.altered(f"{round(self._celsius * 1000)}\n".encode())
        unfinished = self.path.with_name(self.path.name + ".part")
        unfinished.write_bytes(content)
        unfinished.replace(self.path)


class HeaterBoardTwin(TcpTwin):
    """A board with one register: its output is on while the register, written in units of `unit_s`, has not run down."""

    def __init__(self, monotonic_s: Callable[[], float], *, port: int = 0, unit_s: float = 1.0, seed: int = 1) -> None:
        """`monotonic_s`: the board's own clock."""
        super().__init__(port=port, seed=seed)
        self._monotonic_s = monotonic_s
        self._unit_s = unit_s
        self._ends_s = monotonic_s()
        self.orders: list[int] = []

    @property
    def is_on(self) -> bool:
        """Whether the heater heats."""
        return self._monotonic_s() < self._ends_s

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Obey one client."""
        codec = MbapCodec()
        while chunk := await reader.read(4096):
            for adu in codec.feed(chunk):
                if not self._is_muted:
                    self.send(writer, codec.encode(Adu(adu.transaction, adu.unit, self._answer(adu.pdu))))
            await writer.drain()

    def _answer(self, pdu: bytes) -> bytes:
        try:
            request = parse_request(pdu)
        except ModbusRefused as refused:
            return exception_pdu(pdu[0], refused.exception)
        if request.function is not Function.WRITE_REGISTER:
            return exception_pdu(pdu[0], 1)
        (value,) = request.values
        self.orders.append(value)
        self._ends_s = self._monotonic_s() + value * self._unit_s
        return response_pdu(request, ())
