"""Packets of Zebra's Simple Serial Interface: framing and checksum, both directions.

    len  op  source  status  content (0 to 251 bytes)  check (u16, big-endian)

`len` counts the bytes before the checksum, which is the two's complement of their 16-bit sum. There is no start mark: whatever is no packet
is stepped over byte by byte, so that the next whole packet is found however the line began. Status bits are never matched by equality.
Source: Zebra 72E-40451, Simple Serial Interface Programmer Guide.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from drivers.codec import SteppingCodec

HEADER_BYTES = 4
CHECK_BYTES = 2
CONTENT_LIMIT_BYTES = 251
_SOURCE_AT = 2

DECODER = 0
FIRST_SEGMENT = 2  # the source of the first packet of several
HOST = 4
_SOURCES = {DECODER, FIRST_SEGMENT, HOST}

RETRANSMITTED = 0x01
PERMANENT = 0x08


class Opcode(IntEnum):
    """What a packet is for."""

    SEGMENT = 0x73
    MANAGEMENT = 0x80
    REVISION_REQUEST = 0xA3
    REVISION_REPLY = 0xA4
    PARAMETERS = 0xC6
    PARAMETER_REQUEST = 0xC7
    ACKNOWLEDGED = 0xD0
    REFUSED = 0xD1
    CAPABILITIES_REQUEST = 0xD3
    CAPABILITIES_REPLY = 0xD4
    START_SESSION = 0xE4
    STOP_SESSION = 0xE5
    BEEP = 0xE6
    LED_ON = 0xE7
    LED_OFF = 0xE8
    SCAN_ENABLE = 0xE9
    SCAN_DISABLE = 0xEA
    DECODED = 0xF3
    EVENT = 0xF6


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet. `opcode` may be none that is known; `source` is DECODER, FIRST_SEGMENT or HOST."""

    opcode: int
    content: bytes = b""
    source: int = DECODER
    status: int = 0

    @property
    def is_retransmitted(self) -> bool:
        """True for a packet that its sender sends again."""
        return bool(self.status & RETRANSMITTED)


def checksum(head_and_content: bytes | bytearray) -> int:
    """Return the two's complement of the 16-bit sum."""
    return -sum(head_and_content) & 0xFFFF


class SsiCodec(SteppingCodec[Packet]):
    """Cuts a line into packets, and puts them together."""

    def __init__(self) -> None:
        super().__init__("bytes that are no packet")

    def encode(self, message: Packet) -> bytes:
        """Return the bytes of a packet. Raises ValueError when its content does not fit."""
        if len(message.content) > CONTENT_LIMIT_BYTES:
            raise ValueError(f"a packet holds {CONTENT_LIMIT_BYTES} bytes, not {len(message.content)}")
        length = HEADER_BYTES + len(message.content)
        body = bytes([length, message.opcode, message.source, message.status]) + message.content
        return body + checksum(body).to_bytes(CHECK_BYTES, "big")

    def take(self, buffer: bytearray) -> tuple[int, Packet | None] | None:
        """Return the packet at the beginning."""
        length = buffer[0]
        if length < HEADER_BYTES or (len(buffer) > _SOURCE_AT and buffer[_SOURCE_AT] not in _SOURCES):
            return 1, None
        if len(buffer) < length + CHECK_BYTES:
            return None
        if checksum(buffer[:length]) != int.from_bytes(buffer[length : length + CHECK_BYTES], "big"):
            return 1, None
        _, opcode, source, status = buffer[:HEADER_BYTES]
        return length + CHECK_BYTES, Packet(opcode, bytes(buffer[HEADER_BYTES:length]), source, status)
