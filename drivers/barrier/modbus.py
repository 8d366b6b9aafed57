"""Modbus without input or output: TCP frames, requests and responses, for client, twin, replay and fuzzing alike.

Sources: MODBUS Application Protocol 1.1b3 (section 6, functions 1 to 6, 15, 16; section 7, exceptions) and MODBUS Messaging on TCP/IP 1.0b
(section 3.1.3, MBAP header).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from drivers.barrier.errors import ModbusMismatch, ModbusRefused

MBAP = struct.Struct(">HHHB")  # transaction, protocol 0, length (unit and PDU), unit
PDU_LIMIT_BYTES = 253
BITS_LIMIT = 2000
REGISTERS_LIMIT = 125


class Function(IntEnum):
    """The functions used here."""

    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4
    WRITE_COIL = 5
    WRITE_REGISTER = 6
    WRITE_COILS = 15
    WRITE_REGISTERS = 16


_BITS = {Function.READ_COILS, Function.READ_DISCRETE_INPUTS}
READS = {*_BITS, Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS}


@dataclass(frozen=True, slots=True)
class Adu:
    """One frame: transaction number, unit, protocol data unit."""

    transaction: int
    unit: int
    pdu: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """A question: `count` items from `address`, or the `values` to write there (coils as 0 and 1)."""

    function: Function
    address: int
    count: int = 1
    values: tuple[int, ...] = ()


class MbapCodec:
    """Cuts a TCP stream into frames. Bytes that can be no header are skipped and counted; at most one frame is kept."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.dropped_bytes = 0

    def reset(self) -> None:
        """Forget an unfinished frame."""
        self._buffer.clear()

    def feed(self, received: bytes) -> list[Adu]:
        """Return the frames that are complete after these bytes."""
        frames = []
        self._buffer += received
        offset = 0
        while len(self._buffer) - offset >= MBAP.size + 1:
            transaction, protocol, length, unit = MBAP.unpack_from(self._buffer, offset)
            if protocol != 0 or not 2 <= length <= PDU_LIMIT_BYTES + 1:
                offset += 1
                self.dropped_bytes += 1
                continue
            end = offset + MBAP.size - 1 + length
            if len(self._buffer) < end:
                break
            frames.append(Adu(transaction, unit, bytes(self._buffer[offset + MBAP.size : end])))
            offset = end
        del self._buffer[:offset]
        return frames

    def encode(self, message: Adu) -> bytes:
        """Return the frame."""
        return MBAP.pack(message.transaction, 0, len(message.pdu) + 1, message.unit) + message.pdu


def pack_bits(values: tuple[int, ...]) -> bytes:
    """Return bits packed, the first in the lowest bit of the first byte."""
    packed = bytearray((len(values) + 7) // 8)
    for index, value in enumerate(values):
        if value:
            packed[index // 8] |= 1 << index % 8
    return bytes(packed)


def unpack_bits(packed: bytes, count: int) -> tuple[int, ...]:
    """Return the first `count` bits."""
    return tuple(packed[index // 8] >> index % 8 & 1 for index in range(count))


def request_pdu(request: Request) -> bytes:
    """Return the bytes of a request."""
    function, address = request.function, request.address
    if function in READS:
        return struct.pack(">BHH", function, address, request.count)
    if function is Function.WRITE_COIL:
        return struct.pack(">BHH", function, address, 0xFF00 if request.values[0] else 0)
    if function is Function.WRITE_REGISTER:
        return struct.pack(">BHH", function, address, request.values[0])
    is_coils = function is Function.WRITE_COILS
    count = len(request.values)
    body = pack_bits(request.values) if is_coils else struct.pack(f">{count}H", *request.values)
    return struct.pack(">BHHB", function, address, count, len(body)) + body


def parse_request(pdu: bytes) -> Request:
    """Return what a client asks. Raises `ModbusRefused` with the exception to answer: 1 unknown function, 3 malformed or out of limits."""
    try:
        function = Function(pdu[0])
    except (ValueError, IndexError):
        raise ModbusRefused(pdu[0] if pdu else 0, 1) from None
    refused = ModbusRefused(function, 3)
    if len(pdu) < 5:
        raise refused
    address, word = struct.unpack_from(">HH", pdu, 1)
    if function in READS:
        if len(pdu) != 5 or not 1 <= word <= (BITS_LIMIT if function in _BITS else REGISTERS_LIMIT):
            raise refused
        return Request(function, address, word)
    if function is Function.WRITE_COIL:
        if len(pdu) != 5 or word not in {0, 0xFF00}:
            raise refused
        return Request(function, address, values=(1 if word else 0,))
    if function is Function.WRITE_REGISTER:
        if len(pdu) != 5:
            raise refused
        return Request(function, address, values=(word,))
    is_coils = function is Function.WRITE_COILS
    size = (word + 7) // 8 if is_coils else 2 * word
    if not 1 <= word <= (1968 if is_coils else 123) or len(pdu) != 6 + size or pdu[5] != size:
        raise refused
    body = pdu[6:]
    values = unpack_bits(body, word) if is_coils else struct.unpack(f">{word}H", body)
    return Request(function, address, word, values)


def response_pdu(request: Request, values: tuple[int, ...] = ()) -> bytes:
    """Return the answer to a request; `values` are what a read found."""
    if request.function in READS:
        body = pack_bits(values) if request.function in _BITS else struct.pack(f">{len(values)}H", *values)
        return bytes([request.function, len(body)]) + body
    return request_pdu(request)[:5]


def exception_pdu(function: int, exception: int) -> bytes:
    """Return an exception response."""
    return bytes([function & 0x7F | 0x80, exception])


def parse_response(request: Request, pdu: bytes) -> tuple[int, ...]:
    """Return the values that a read found, nothing for a confirmed write. Raises `ModbusRefused` or `ModbusMismatch`."""
    function = request.function
    if len(pdu) == 2 and pdu[0] == function | 0x80:
        raise ModbusRefused(function, pdu[1])
    if not pdu or pdu[0] != function:
        raise ModbusMismatch(f"function {function} was answered with {pdu[:1].hex() or 'nothing'}")
    if function not in READS:
        if pdu != request_pdu(request)[:5]:
            raise ModbusMismatch(f"the confirmation of function {function} names something else")
        return ()
    size = (request.count + 7) // 8 if function in _BITS else 2 * request.count
    if len(pdu) != 2 + size or pdu[1] != size:
        raise ModbusMismatch(f"{len(pdu) - 2} bytes came for {request.count} values")
    if function in _BITS:
        return unpack_bits(pdu[2:], request.count)
    return struct.unpack(f">{request.count}H", pdu[2:])
