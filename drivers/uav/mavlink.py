"""MAVLink 1 and 2, received only: frames by length and checksum. There is no encoder here, so no command can be sent.

A frame is `FE`/`FD`, length, [flags], sequence, system, component, message id, payload, CRC-16/X.25 without its last inversion over all
but the start byte and, last, a byte that stands for the message's definition (CRC_EXTRA; MAVLink guide, "Packet Serialization").
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from drivers.checksums import crc16_x25
from drivers.codec import BadFrame, SteppingCodec

START_1, START_2 = 0xFE, 0xFD
HEADER_1_BYTES, HEADER_2_BYTES = 6, 10
CHECKSUM_BYTES, SIGNATURE_BYTES = 2, 13
IS_SIGNED = 0x01


class MessageId(IntEnum):
    """The messages that are read; all others are stepped over."""

    HEARTBEAT = 0
    SYS_STATUS = 1
    GPS_RAW_INT = 24
    ATTITUDE = 30
    GLOBAL_POSITION_INT = 33
    STATUSTEXT = 253


CRC_EXTRA = {
    MessageId.HEARTBEAT: 50,
    MessageId.SYS_STATUS: 124,
    MessageId.GPS_RAW_INT: 24,
    MessageId.ATTITUDE: 39,
    MessageId.GLOBAL_POSITION_INT: 104,
    MessageId.STATUSTEXT: 83,
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole frame. `payload` as sent: version 2 leaves zeros out at its end. A signature is stepped over, not verified."""

    version: int
    system_id: int
    component_id: int
    sequence: int
    message_id: int
    payload: bytes
    is_signed: bool = False


def checksum(covered: bytes, crc_extra: int) -> int:
    """Return the checksum of what stands between the start byte and the checksum itself."""
    return crc16_x25(covered + bytes((crc_extra,))) ^ 0xFFFF


_UNKNOWN_EXTRA = frozenset(checksum(b"", extra) ^ checksum(b"", 0) for extra in range(256))


def is_whole(covered: bytes, message_id: int, received: int) -> bool:
    """Return whether a received checksum is right; of an unknown message, whether it is right for any definition (255 of 256 errors show)."""
    if message_id in CRC_EXTRA:
        return checksum(covered, CRC_EXTRA[MessageId(message_id)]) == received
    return (
        received ^ checksum(covered, 0) in _UNKNOWN_EXTRA
    )  # a CRC is linear: what the last byte changes depends on it alone


class MavlinkCodec(SteppingCodec[Frame]):
    """Finds the frames of both versions in a stream."""

    def __init__(self) -> None:
        super().__init__("no MAVLink frame")

    def take(self, buffer: bytearray) -> tuple[int, Frame | BadFrame | None] | None:
        """Return the frame at the beginning."""
        if buffer[0] not in {START_1, START_2}:
            return 1, None
        version = 1 if buffer[0] == START_1 else 2
        header_bytes = HEADER_1_BYTES if version == 1 else HEADER_2_BYTES
        if len(buffer) < header_bytes:
            return None
        flags = 0 if version == 1 else buffer[2]
        if flags & ~IS_SIGNED:
            return 1, None  # a receiver has to drop what it does not know to be compatible
        end = header_bytes + buffer[1]
        length = end + CHECKSUM_BYTES + (SIGNATURE_BYTES if flags & IS_SIGNED else 0)
        if len(buffer) < length:
            return None
        frame = _frame(version, bytes(buffer[:header_bytes]), bytes(buffer[header_bytes:end]), flags)
        received = int.from_bytes(buffer[end : end + CHECKSUM_BYTES], "little")
        if not is_whole(bytes(buffer[1:end]), frame.message_id, received):
            return 1, None
        return length, frame


def _frame(version: int, header: bytes, payload: bytes, flags: int) -> Frame:
    if version == 1:
        _, _, sequence, system_id, component_id, message_id = header
    else:
        sequence, system_id, component_id = header[4:7]
        message_id = int.from_bytes(header[7:10], "little")
    return Frame(version, system_id, component_id, sequence, message_id, payload, bool(flags & IS_SIGNED))
