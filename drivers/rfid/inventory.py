"""What the host says to let a reader inventory tags, and what the reader answers. Source: EPCglobal LLRP 1.0.1, clauses 10, 12, 13 and 16.

One ROSpec without triggers of its own runs from its start until it is deleted, on the configured antennas, and reports each tag at once.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from drivers.rfid.llrp_parameters import ParameterNonsense, ParameterType, encode_parameter, first_parameter

ROSPEC_ID = 1
EVERY_ROSPEC = 0
EVERY_ANTENNA = 0
_NO_TRIGGER = 0
_GEN2 = 1
_PERIODIC = 1
_AFTER_TAGS = 1
# AntennaID, PeakRSSI, FirstSeenTimestamp, TagSeenCount; clause 13.2.1.1
_CONTENT = 1 << 12 | 1 << 10 | 1 << 9 | 1 << 7
_STATUS_HEAD = struct.Struct(">HH")


class ConnectionAttempt(IntEnum):
    """What a reader says to whoever connects (clause 13.2.6)."""

    SUCCESS = 0
    FAILED_READER_INITIATED_EXISTS = 1
    FAILED_CLIENT_INITIATED_EXISTS = 2
    FAILED = 3
    ANOTHER_ATTEMPTED = 4


@dataclass(frozen=True, slots=True)
class Status:
    """Outcome of a request: 0 is success; the text is the reader's."""

    code: int
    text: str = ""


def rospec_number(rospec_id: int) -> bytes:
    """Return the body of DELETE, ENABLE and START_ROSPEC."""
    return struct.pack(">I", rospec_id)


def reader_config(keepalive_ms: int) -> bytes:
    """Return the body of SET_READER_CONFIG: a sign of life every `keepalive_ms`, all else as it is."""
    return b"\x00" + encode_parameter(ParameterType.KEEPALIVE_SPEC, struct.pack(">BI", _PERIODIC, keepalive_ms))


def keepalive_ms(config: bytes) -> int:
    """Return what a SET_READER_CONFIG asks for; 0 when it asks for no sign of life. Raises `ParameterNonsense`."""
    spec = first_parameter(config[1:], ParameterType.KEEPALIVE_SPEC)
    if spec is None:
        return 0
    if len(spec) != 5:
        raise ParameterNonsense(f"a keep-alive of {len(spec)} bytes")
    kind, period_ms = struct.unpack(">BI", spec)
    return int(period_ms) if kind == _PERIODIC else 0


def rospec(antennas: Sequence[int]) -> bytes:
    """Return the body of ADD_ROSPEC."""
    start = encode_parameter(ParameterType.ROSPEC_START_TRIGGER, bytes([_NO_TRIGGER]))
    stop = encode_parameter(ParameterType.ROSPEC_STOP_TRIGGER, struct.pack(">BI", _NO_TRIGGER, 0))
    boundary = encode_parameter(ParameterType.RO_BOUNDARY_SPEC, start + stop)
    inventory = struct.pack(f">H{len(antennas)}H", len(antennas), *antennas)
    inventory += encode_parameter(ParameterType.AI_SPEC_STOP_TRIGGER, struct.pack(">BI", _NO_TRIGGER, 0))
    inventory += encode_parameter(ParameterType.INVENTORY_PARAMETER_SPEC, struct.pack(">HB", 1, _GEN2))
    selector = encode_parameter(ParameterType.TAG_REPORT_CONTENT_SELECTOR, struct.pack(">H", _CONTENT))
    report = encode_parameter(ParameterType.RO_REPORT_SPEC, struct.pack(">BH", _AFTER_TAGS, 1) + selector)
    head = struct.pack(">IBB", ROSPEC_ID, 0, 0)  # highest priority, disabled
    spec = encode_parameter(ParameterType.AI_SPEC, inventory)
    return encode_parameter(ParameterType.ROSPEC, head + boundary + spec + report)


def encode_status(status: Status) -> bytes:
    """Return the LLRPStatus of an answer."""
    text = status.text.encode()
    return encode_parameter(ParameterType.LLRP_STATUS, _STATUS_HEAD.pack(status.code, len(text)) + text)


def status_of(body: bytes) -> Status:
    """Return the status of an answer. Raises `ParameterNonsense`."""
    content = first_parameter(body, ParameterType.LLRP_STATUS)
    if content is None or len(content) < _STATUS_HEAD.size:
        raise ParameterNonsense("an answer without status")
    code, text_bytes = _STATUS_HEAD.unpack_from(content)
    text = content[_STATUS_HEAD.size : _STATUS_HEAD.size + text_bytes]
    return Status(code, text.decode("utf-8", "replace"))


def encode_connection_attempt(attempt: ConnectionAttempt, utc_us: int) -> bytes:
    """Return the body of the READER_EVENT_NOTIFICATION that greets a client."""
    stamp = encode_parameter(ParameterType.UTC_TIMESTAMP, struct.pack(">Q", utc_us))
    event = encode_parameter(ParameterType.CONNECTION_ATTEMPT_EVENT, struct.pack(">H", attempt))
    return encode_parameter(ParameterType.READER_EVENT_NOTIFICATION_DATA, stamp + event)


def connection_attempt(body: bytes) -> int | None:
    """Return the status of a connection attempt (a `ConnectionAttempt` where known), None in a notification of something else.

    Raises `ParameterNonsense`.
    """
    told = first_parameter(body, ParameterType.READER_EVENT_NOTIFICATION_DATA)
    if told is None:
        raise ParameterNonsense("a notification without data")
    event = first_parameter(told, ParameterType.CONNECTION_ATTEMPT_EVENT)
    if event is None:
        return None
    if len(event) != 2:
        raise ParameterNonsense(f"a connection attempt of {len(event)} bytes")
    return int.from_bytes(event, "big")
