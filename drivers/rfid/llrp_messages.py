"""Messages of the Low Level Reader Protocol: cut out of a stream and put together.

    u16  000 version(3) type(10)    u32 length, these ten bytes included    u32 message id    parameters        big-endian

There is no start mark and no checksum. A head that can be none (first bits, version, length) is stepped over byte by byte; a message of
a type that nobody here knows is whole all the same. Source: EPCglobal Low Level Reader Protocol 1.0.1, clause 16.1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from drivers.codec import BadFrame, SteppingCodec

PORT = 5084
MESSAGE_LIMIT_BYTES = 1 << 16
_HEAD = struct.Struct(">HII")
_VERSION = 1
_TYPE_MASK = 0x3FF


class MessageType(IntEnum):
    """The messages of the subset spoken here; the answer to a request has the request's type and ten more, but for CLOSE_CONNECTION."""

    SET_READER_CONFIG = 3
    CLOSE_CONNECTION_RESPONSE = 4
    SET_READER_CONFIG_RESPONSE = 13
    CLOSE_CONNECTION = 14
    ADD_ROSPEC = 20
    DELETE_ROSPEC = 21
    START_ROSPEC = 22
    ENABLE_ROSPEC = 24
    ADD_ROSPEC_RESPONSE = 30
    DELETE_ROSPEC_RESPONSE = 31
    START_ROSPEC_RESPONSE = 32
    ENABLE_ROSPEC_RESPONSE = 34
    RO_ACCESS_REPORT = 61
    KEEPALIVE = 62
    READER_EVENT_NOTIFICATION = 63
    ENABLE_EVENTS_AND_REPORTS = 64
    KEEPALIVE_ACK = 72
    ERROR_MESSAGE = 100


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `type` is a `MessageType` or a number that none has; `body` holds its parameters."""

    type: int
    message_id: int
    body: bytes = b""


class LlrpCodec(SteppingCodec[Message]):
    """Cuts a stream into messages; keeps one message at most."""

    def __init__(self, limit_bytes: int = MESSAGE_LIMIT_BYTES) -> None:
        """`limit_bytes`: a longer message is none."""
        super().__init__("bytes that are no LLRP message")
        self._limit_bytes = limit_bytes

    def encode(self, message: Message) -> bytes:
        """Return the bytes of a message. Raises ValueError for a type, id or length that does not fit its field."""
        length = _HEAD.size + len(message.body)
        if not 0 <= message.type <= _TYPE_MASK or not 0 <= message.message_id < 1 << 32 or length > self._limit_bytes:
            raise ValueError(f"a message of type {message.type} with {length} bytes cannot be sent")
        return _HEAD.pack(_VERSION << 10 | message.type, length, message.message_id) + message.body

    def take(self, buffer: bytearray) -> tuple[int, Message | BadFrame | None] | None:
        """Return the message at the beginning."""
        if buffer[0] >> 2 != _VERSION:
            return 1, None
        if len(buffer) < _HEAD.size:
            return None
        word, length, message_id = _HEAD.unpack_from(buffer)
        if not _HEAD.size <= length <= self._limit_bytes:
            return 1, None
        if len(buffer) < length:
            return None
        return length, Message(word & _TYPE_MASK, message_id, bytes(buffer[_HEAD.size : length]))
