"""Modbus RTU without input or output: frames with a checksum on a serial line, whose length follows from function and count.

Sources: MODBUS over Serial Line 1.02 (section 2.5.1, RTU framing; section 6.2.2 and appendix B, CRC) and MODBUS Application Protocol 1.1b3
(section 6). A torn frame is ended by the line's silence, which the driver tells; the codec itself keeps no clock.
"""

from __future__ import annotations

from typing import Literal

from drivers.barrier.modbus import READS, Adu, Function
from drivers.checksums import crc16_arc
from drivers.codec import SteppingCodec

UNIT_LIMIT = 247
BROADCAST = 0
_FIXED_BYTES = 8  # unit, function, two words, checksum
_EXCEPTION_BYTES = 5
_MANY = {Function.WRITE_COILS, Function.WRITE_REGISTERS}
_FUNCTIONS = frozenset(Function)
_IMPOSSIBLE = 0
_CHECKSUM_START = 0xFFFF


def gap_s(baud: int) -> float:
    """Return the silence between two frames: 3.5 characters of 11 bits, 1.75 ms above 19200 bit/s (section 2.5.1.1)."""
    return 0.00175 if baud > 19_200 else 3.5 * 11 / baud


class RtuCodec(SteppingCodec[Adu]):
    """Cuts a serial line into the frames of one side. Bytes that begin no frame with a right checksum are stepped over and counted."""

    def __init__(self, side: Literal["requests", "replies"]) -> None:
        """`side`: whose frames arrive; only that tells how long they are."""
        super().__init__("no Modbus RTU frame")
        self._length = _request_bytes if side == "requests" else _reply_bytes

    def take(self, buffer: bytearray) -> tuple[int, Adu | None] | None:
        """Return the frame at the beginning; its transaction is 0, for a serial line has no numbers."""
        if buffer[0] > UNIT_LIMIT:
            return 1, None
        length = self._length(buffer)
        if length is None or len(buffer) < length:
            return None
        if length == _IMPOSSIBLE or _checksum(buffer[: length - 2]) != buffer[length - 2 : length]:
            return 1, None
        return length, Adu(0, buffer[0], bytes(buffer[1 : length - 2]))

    def encode(self, message: Adu) -> bytes:
        """Return the frame."""
        content = bytes([message.unit]) + message.pdu
        return content + _checksum(content)


def _checksum(content: bytes | bytearray) -> bytes:
    return crc16_arc(bytes(content), _CHECKSUM_START).to_bytes(2, "little")


def _request_bytes(buffer: bytearray) -> int | None:
    if len(buffer) < 2:
        return None
    if buffer[1] not in _FUNCTIONS:
        return _IMPOSSIBLE
    if buffer[1] not in _MANY:
        return _FIXED_BYTES
    if len(buffer) < 7:
        return None
    return 9 + buffer[6] if 1 <= buffer[6] <= 246 else _IMPOSSIBLE


def _reply_bytes(buffer: bytearray) -> int | None:
    if len(buffer) < 2:
        return None
    function = buffer[1]
    if buffer[0] == BROADCAST or function & 0x7F not in _FUNCTIONS:
        return _IMPOSSIBLE
    if function & 0x80:
        return _EXCEPTION_BYTES
    if function not in READS:
        return _FIXED_BYTES
    if len(buffer) < 3:
        return None
    return 5 + buffer[2] if 1 <= buffer[2] <= 250 else _IMPOSSIBLE
