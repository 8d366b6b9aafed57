"""Packets of Zebra's Simple Serial Interface: framing and checksum, both directions.

    len  op  source  status  content (0 to 251 bytes)  check (u16, big-endian)

`len` counts the bytes before the checksum, which is the two's complement of their 16-bit sum. There is no start mark: whatever is no packet
is stepped over byte by byte, so that the next whole packet is found however the line began. Status bits are never matched by equality.
Source: Zebra 72E-40451, Simple Serial Interface Programmer Guide.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from drivers.codec import BadFrame, Skipped

HEADER_BYTES = 4
CHECK_BYTES = 2
CONTENT_LIMIT_BYTES = 251
_CHUNK_BYTES = 4096

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
    PARAMETER_DEFAULTS = 0xC8
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


class SsiCodec:
    """Cuts a line into packets. Bytes between packets come out as one `BadFrame` before the packet that ends them."""

    def __init__(self) -> None:
        self._skipped = Skipped()
        self.reset()

    def reset(self) -> None:
        """Forget an unfinished packet, as after a reconnection."""
        self._buffer = bytearray()
        self._skipped.reset()

    @property
    def dropped_bytes(self) -> int:
        """How many bytes were no packet, in all."""
        return self._skipped.dropped_bytes

    def feed(self, received: bytes) -> list[Packet | BadFrame]:
        """Return what is complete after these bytes."""
        messages: list[Packet | BadFrame] = []
        for offset in range(0, len(received), _CHUNK_BYTES):
            self._buffer += received[offset : offset + _CHUNK_BYTES]
            self._advance(messages, is_over=False)
        return messages

    def silence(self) -> list[Packet | BadFrame]:
        """Return what a silent line ends: whole packets behind a torn one, and one `BadFrame` for all that is none."""
        messages: list[Packet | BadFrame] = []
        self._advance(messages, is_over=True)
        self._buffer.clear()
        return [*messages, *self._skipped.ended()]

    def encode(self, message: Packet) -> bytes:
        """Return the bytes of a packet. Raises ValueError when its content does not fit."""
        if len(message.content) > CONTENT_LIMIT_BYTES:
            raise ValueError(f"a packet holds {CONTENT_LIMIT_BYTES} bytes, not {len(message.content)}")
        length = HEADER_BYTES + len(message.content)
        body = bytes([length, message.opcode, message.source, message.status]) + message.content
        return body + checksum(body).to_bytes(CHECK_BYTES, "big")

    def _advance(self, messages: list[Packet | BadFrame], *, is_over: bool) -> None:
        """Take packets and step over what is none; when the line `is_over`, nothing more is waited for."""
        buffer, at = self._buffer, 0
        while at < len(buffer):
            length = buffer[at]
            is_possible = length >= HEADER_BYTES and (at + 2 >= len(buffer) or buffer[at + 2] in _SOURCES)
            end = at + length
            if is_possible and end + CHECK_BYTES > len(buffer) and not is_over:
                break
            check = int.from_bytes(buffer[end : end + CHECK_BYTES], "big")
            is_whole = is_possible and end + CHECK_BYTES <= len(buffer)
            if is_whole and checksum(buffer[at:end]) == check:
                messages += self._skipped.ended()
                opcode, source, status = buffer[at + 1 : at + HEADER_BYTES]
                messages.append(Packet(opcode, bytes(buffer[at + HEADER_BYTES : end]), source, status))
                at = end + CHECK_BYTES
            else:
                messages += self._skipped.add(buffer[at : at + 1])
                at += 1
        del buffer[:at]
