"""Parameters inside LLRP messages, both kinds, big-endian.

    TLV  u16 000000 type(10), u16 length with these four bytes, content      TV  u8 1 type(7), content of a size that the type fixes

A TV of an unknown type has no known end: whoever walks parameters stops there and keeps what came before. Source: EPCglobal LLRP 1.0.1,
clause 16.2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

_TLV_HEAD = struct.Struct(">HH")
_TV_MARK = 0x80
_TLV_TYPES = range(128, 0x400)  # the numbers below are those of TVs, in either form


class ParameterType(IntEnum):
    """The parameters of the subset. Below 128: TV; from 128: TLV."""

    ANTENNA_ID = 1
    FIRST_SEEN_UTC = 2
    FIRST_SEEN_UPTIME = 3
    LAST_SEEN_UTC = 4
    LAST_SEEN_UPTIME = 5
    PEAK_RSSI = 6
    CHANNEL_INDEX = 7
    TAG_SEEN_COUNT = 8
    ROSPEC_ID = 9
    INVENTORY_PARAMETER_SPEC_ID = 10
    C1G2_CRC = 11
    C1G2_PC = 12
    EPC_96 = 13
    SPEC_INDEX = 14
    ACCESS_SPEC_ID = 16
    UTC_TIMESTAMP = 128
    ROSPEC = 177
    RO_BOUNDARY_SPEC = 178
    ROSPEC_START_TRIGGER = 179
    ROSPEC_STOP_TRIGGER = 182
    AI_SPEC = 183
    AI_SPEC_STOP_TRIGGER = 184
    INVENTORY_PARAMETER_SPEC = 186
    KEEPALIVE_SPEC = 220
    RO_REPORT_SPEC = 237
    TAG_REPORT_CONTENT_SELECTOR = 238
    TAG_REPORT_DATA = 240
    EPC_DATA = 241
    READER_EVENT_NOTIFICATION_DATA = 246
    CONNECTION_ATTEMPT_EVENT = 256
    LLRP_STATUS = 287


_TV_SIZES: dict[int, int] = {
    ParameterType.ANTENNA_ID: 2,
    ParameterType.FIRST_SEEN_UTC: 8,
    ParameterType.FIRST_SEEN_UPTIME: 8,
    ParameterType.LAST_SEEN_UTC: 8,
    ParameterType.LAST_SEEN_UPTIME: 8,
    ParameterType.PEAK_RSSI: 1,
    ParameterType.CHANNEL_INDEX: 2,
    ParameterType.TAG_SEEN_COUNT: 2,
    ParameterType.ROSPEC_ID: 4,
    ParameterType.INVENTORY_PARAMETER_SPEC_ID: 2,
    ParameterType.C1G2_CRC: 2,
    ParameterType.C1G2_PC: 2,
    ParameterType.EPC_96: 12,
    ParameterType.SPEC_INDEX: 2,
    ParameterType.ACCESS_SPEC_ID: 4,
}


class ParameterNonsense(ValueError):
    """Bytes that are no parameters of this message; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter and its content without the head; `is_rest`: a TV of unknown type, with all that follows it."""

    type: int
    content: bytes
    is_rest: bool = False


def encode_parameter(parameter_type: ParameterType, content: bytes = b"") -> bytes:
    """Return the bytes of a parameter. Raises ValueError when the content has not the size of its TV or is too long for a TLV."""
    if (size := _TV_SIZES.get(parameter_type)) is not None:
        if len(content) != size:
            raise ValueError(f"{parameter_type.name} takes {size} bytes, not {len(content)}")
        return bytes([_TV_MARK | parameter_type]) + content
    length = _TLV_HEAD.size + len(content)
    if length > 0xFFFF:
        raise ValueError(f"{parameter_type.name} cannot hold {len(content)} bytes")
    return _TLV_HEAD.pack(parameter_type, length) + content


def parameters(content: bytes) -> Iterator[Parameter]:
    """Yield the parameters in order; a TV of an unknown type is the last one, with the rest. Raises `ParameterNonsense` where the bytes do not add up."""
    at = 0
    while at < len(content):
        if content[at] & _TV_MARK:
            kind, head_bytes = content[at] & ~_TV_MARK, 1
            size = _TV_SIZES.get(kind)
            if size is None:
                yield Parameter(kind, content[at + head_bytes :], is_rest=True)
                return
            end = at + head_bytes + size
        else:
            if len(content) - at < _TLV_HEAD.size:
                raise ParameterNonsense("a parameter ends inside its head")
            kind, length = _TLV_HEAD.unpack_from(content, at)
            if kind not in _TLV_TYPES or length < _TLV_HEAD.size:
                raise ParameterNonsense(f"a parameter of type {kind} with {length} bytes")
            head_bytes, end = _TLV_HEAD.size, at + length
        if end > len(content):
            raise ParameterNonsense(f"parameter {kind} is longer than what holds it")
        yield Parameter(kind, content[at + head_bytes : end])
        at = end


def first_parameter(content: bytes, parameter_type: ParameterType) -> bytes | None:
    """Return the content of the first parameter of a type, None when there is none. Raises `ParameterNonsense`."""
    return next((one.content for one in parameters(content) if one.type == parameter_type), None)
