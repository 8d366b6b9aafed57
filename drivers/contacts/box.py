"""What devices of a few contacts share: a Modbus box over TCP or on a serial line, its inputs polled, its outputs written and read back by their echo.

Two devices on one box, or on one line, share its connection: each of them, the barrier too, says so with `is_shared`.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from contextlib import suppress
from typing import Self, TypeVar

from pydantic import Field, model_validator

from drivers.barrier.errors import ModbusNoReply
from drivers.barrier.modbus import Function, Request
from drivers.barrier.modbus_client import ModbusClient, Wire, serial_wire
from drivers.barrier.signals import Point
from drivers.bus import shared_bus
from drivers.contracts import Clock, EventSink
from drivers.link import TcpPeer
from drivers.options import SerialOptions
from drivers.supervisor import LinkSource, SupervisedDriver

INPUT_FUNCTIONS = frozenset(
    {
        Function.READ_COILS,
        Function.READ_DISCRETE_INPUTS,
        Function.READ_HOLDING_REGISTERS,
        Function.READ_INPUT_REGISTERS,
    }
)
_REGISTERS = frozenset({Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS})
_LONGEST_BLOCK = 16
_Name = TypeVar("_Name", bound=str)


class ContactOptions(SerialOptions):
    """Where the box is: either a `host` or the `path` of a serial line."""

    path: str = Field("", description="Stable path of a serial line, such as /dev/serial/by-id/….")
    host: str = Field("", description="Address of a box on the network.")
    tcp_port: int = Field(502, ge=1, le=65_535, description="TCP port of the box.")
    unit: int = Field(1, ge=0, le=255, description="Modbus unit.")
    is_shared: bool = Field(
        default=False, description="Other devices of this process use the same address: one connection, one lock."
    )
    baud: int = Field(19_200, ge=300, le=4_000_000, description="Bits per second.")
    parity: str = Field("E", pattern="^[NEOMS]$", description="Parity: N, E, O, M or S; a pty takes N only.")
    poll_ms: int = Field(50, ge=5, le=1000, description="Pause between the starts of two looks at the inputs.")
    reply_timeout_s: float = Field(0.25, gt=0, le=5, description="Longest wait for one reply.")
    quiet_s: float = Field(0.0, ge=0, le=3600, description="Not used: polling is the sign of life.")
    dead_s: float = Field(1.0, gt=0, le=60, description="Silence after which the box counts as dead.")
    reconnect_limit_s: float = Field(2.0, gt=0, le=60, description="Longest pause between two attempts to connect.")

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if bool(self.path) == bool(self.host):
            raise ValueError("give either `path` or `host`")
        return self

    def line(self) -> tuple[Hashable, LinkSource, Wire]:
        """Return the address that devices may share, how it is opened, and how frames stand on it."""
        if self.path:
            return self.path, self.port(), serial_wire(self.baud, settle_s=self.reply_timeout_s)
        return (self.host, self.tcp_port), TcpPeer(self.host, self.tcp_port), Wire()


def check_points(points: Mapping[_Name, Point], inputs: Iterable[_Name], coils: Iterable[_Name]) -> None:
    """Refuse inputs that are not read and outputs that are no coils. Raises `ValueError` in the site's words."""
    for name in inputs:
        point = points.get(name)
        if point is None:
            continue
        if point.function not in INPUT_FUNCTIONS:
            raise ValueError(f"{name} is read with one of the functions {sorted(int(one) for one in INPUT_FUNCTIONS)}")
        if (point.function in _REGISTERS) is (point.bit is None):
            raise ValueError(f"{name}: a flag inside a register needs its bit, everything else has none")
    for name in coils:
        point = points.get(name)
        if point is not None and (point.function is not Function.WRITE_COIL or point.bit is not None):
            raise ValueError(f"{name} is written with function {int(Function.WRITE_COIL)}")


def _plan(points: Mapping[str, Point]) -> tuple[Request, ...]:
    """Return the reads that cover the inputs, neighbours in one."""
    blocks: list[Request] = []
    for function, address in sorted({(point.function, point.address) for point in points.values()}):
        last = blocks[-1] if blocks else None
        if last is not None and last.function is function and address - last.address < _LONGEST_BLOCK:
            blocks[-1] = Request(function, last.address, address - last.address + 1)
        else:
            blocks.append(Request(function, address))
    return tuple(blocks)


class ContactBox(SupervisedDriver):
    """Base of such a device; derived classes say what its inputs mean."""

    def __init__(
        self, name: str, options: ContactOptions, inputs: Mapping[str, Point], sink: EventSink, clock: Clock
    ) -> None:
        super().__init__(name, options.timing(), sink, clock)
        address, peer, wire = options.line()
        self._poll_s = options.poll_ms / 1000
        self._inputs = dict(inputs)
        self._plan = _plan(self._inputs)
        self._values: dict[tuple[int, int], int] = {}
        self._is_known = False
        self._client = ModbusClient(options.unit, options.reply_timeout_s, wire)
        self._bus = shared_bus(address, peer) if options.is_shared else None
        self._source: LinkSource = self._bus.seat() if self._bus is not None else peer

    @property
    def source(self) -> LinkSource:
        """The connection, or a seat on the shared one."""
        return self._source

    @abstractmethod
    def contacts(self, closed: Mapping[str, bool], t_mono_s: float, raw: bytes) -> None:
        """Take all inputs as they were just read, `invert` considered."""

    async def connected(self) -> None:
        """Bring the outputs into their rest position; called before the first look at the inputs of a connection."""

    def opened(self) -> None:
        """Forget what the last connection knew."""
        self._client.reset()
        self._values.clear()
        self._is_known = False

    def declare_ready(self) -> None:
        """Report READY once the outputs are at rest and all inputs were read; the answer to a write alone says neither."""
        if self._is_known:
            super().declare_ready()

    def sent(self, chunk: bytes) -> None:
        """Learn the questions of a tape."""
        self._client.note_sent(chunk)

    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        """Take answers; hand the inputs on with the last read of a look."""
        answers = self._client.feed(chunk)
        for answer in answers:
            if answer.fault is None:
                for offset, value in enumerate(answer.values):
                    self._values[answer.request.function, answer.request.address + offset] = value
            if answer.request == self._plan[-1] and answer.fault is None:
                self._hand_on(t_mono_s, chunk)
        return bool(answers)

    def _hand_on(self, t_mono_s: float, raw: bytes) -> None:
        closed: dict[str, bool] = {}
        for name, point in self._inputs.items():
            value = self._values.get((point.function, point.address))
            if value is None:
                return  # an earlier read of this look was lost
            closed[name] = bool(value >> (point.bit or 0) & 1) ^ point.invert
        self._is_known = True
        self.declare_ready()
        self.contacts(closed, t_mono_s, raw)

    async def converse(self) -> None:
        """Look at the inputs without overlap. A box that refuses ends the connection; silence is the supervisor's."""
        loop = asyncio.get_running_loop()
        await self.connected()
        next_s = loop.time()
        while True:
            with suppress(ModbusNoReply):
                for request in self._plan:
                    await self._client.ask(self.link, request)
            next_s = max(next_s + self._poll_s, loop.time())
            await asyncio.sleep(next_s - loop.time())

    async def write(self, point: Point, value: int) -> None:
        """Write one output; `value` of a coil is whether it acts. Raises `NotReady`, `ModbusFault` or a link fault."""
        if point.function is Function.WRITE_COIL:
            value = int(bool(value) ^ point.invert)
        await self._client.ask(self.link, Request(point.function, point.address, values=(value,)))

    async def write_surely(self, point: Point, value: int) -> None:
        """Write an output whose doubled writing does no harm: once more when the reply is lost. Raises as `write`."""
        try:
            await self.write(point, value)
        except ModbusNoReply:
            await self.write(point, value)
