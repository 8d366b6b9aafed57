"""A virtual box of a few contacts behind Modbus TCP: coils, discrete inputs and registers, counted from 0; any other address is refused."""

from __future__ import annotations

import asyncio
from abc import abstractmethod

from drivers.barrier.errors import ModbusRefused
from drivers.barrier.modbus import Adu, Function, MbapCodec, Request, exception_pdu, parse_request, response_pdu
from drivers.twin import TcpTwin


class ContactBoard:
    """The contacts themselves, whatever line they are reached by."""

    @abstractmethod
    def inputs(self) -> tuple[bool, ...]:
        """Return the discrete inputs as they are now."""

    @abstractmethod
    def coils(self) -> tuple[bool, ...]:
        """Return the coils as they are now."""

    @abstractmethod
    def set_coil(self, address: int, *, on: bool) -> None:
        """Write a coil that is there."""

    def registers(self) -> tuple[int, ...]:
        """Return the holding registers."""
        return ()

    def set_register(self, address: int, value: int) -> None:  # noqa: ARG002 - a board without registers has none to write
        """Write a register that is there."""
        raise ModbusRefused(Function.WRITE_REGISTER, 2)

    def answer(self, pdu: bytes) -> bytes:
        """Carry out a request; return the answer."""
        try:
            request = parse_request(pdu)
            return response_pdu(request, self._carried_out(request))
        except ModbusRefused as refused:
            return exception_pdu(refused_function(pdu), refused.exception)

    def _carried_out(self, request: Request) -> tuple[int, ...]:
        address = request.address
        if request.function is Function.WRITE_COIL:
            if address >= len(self.coils()):
                raise ModbusRefused(request.function, 2)
            self.set_coil(address, on=bool(request.values[0]))
            return ()
        if request.function is Function.WRITE_REGISTER:
            if address >= len(self.registers()):
                raise ModbusRefused(request.function, 2)
            self.set_register(address, request.values[0])
            return ()
        tables = {
            Function.READ_COILS: self.coils(),
            Function.READ_DISCRETE_INPUTS: self.inputs(),
            Function.READ_HOLDING_REGISTERS: self.registers(),
        }
        table = tables.get(request.function)
        if table is None:
            raise ModbusRefused(request.function, 1)
        if address + request.count > len(table):
            raise ModbusRefused(request.function, 2)
        return tuple(int(value) for value in table[address : address + request.count])


def refused_function(pdu: bytes) -> int:
    """Return the function of a request that may be empty."""
    return pdu[0] if pdu else 0


class ContactBoxTwin(ContactBoard, TcpTwin):
    """The box on 127.0.0.1."""

    def __init__(self, *, port: int = 0, unit: int = 1, seed: int = 1) -> None:
        TcpTwin.__init__(self, port=port, seed=seed)
        self._unit = unit

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client; a hung box neither acts nor answers."""
        codec = MbapCodec()
        while chunk := await reader.read(4096):
            for adu in codec.feed(chunk):
                if adu.unit not in {self._unit, 0, 255} or self._is_muted:
                    continue
                self.send(writer, codec.encode(Adu(adu.transaction, adu.unit, self.answer(adu.pdu))))
            await writer.drain()
