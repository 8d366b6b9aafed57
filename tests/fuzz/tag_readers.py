"""LLRP: the stream of a tag reader, the parameters of its reports, and the whole driver on what a connection may bring."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from drivers.codec import BadFrame
from drivers.contracts import DeviceEvent, TagRead
from drivers.registry import build
from drivers.rfid.inventory import (
    ConnectionAttempt,
    Status,
    connection_attempt,
    encode_connection_attempt,
    encode_status,
    keepalive_ms,
    reader_config,
    rospec,
    status_of,
)
from drivers.rfid.llrp_messages import MESSAGE_LIMIT_BYTES, LlrpCodec, Message, MessageType
from drivers.rfid.llrp_parameters import ParameterNonsense
from drivers.rfid.tag_reports import TagReports, encode_tag
from drivers.tape import TapeEntry
from gate_agent.clock import SystemClock
from tests.fuzz.target import Target, cut, layers

_LONGEST_EPC_BYTES = 0xFFFF // 8 + 1
_STARTED = Message(MessageType.START_ROSPEC_RESPONSE, 5, encode_status(Status(0)))


def _stream(content: bytes) -> bool:
    """In any pieces the same messages; every byte is in a message, in what was dropped, or in the buffer."""
    codec, pieces = LlrpCodec(), LlrpCodec()
    found = codec.feed(content)
    assert [one for piece in cut(content) for one in pieces.feed(piece)] == found
    messages = [one for one in found if not isinstance(one, BadFrame)]
    wire = b"".join(map(codec.encode, messages))
    assert len(codec._buffer) < MESSAGE_LIMIT_BYTES
    assert len(wire) + codec.dropped_bytes + len(codec._buffer) == len(content)
    assert LlrpCodec().feed(wire) == messages, "what our encoder writes means the same"
    return bool(messages)


def _report(content: bytes) -> bool:
    tags = [one for one in TagReports().read(content) if isinstance(one, TagRead)]
    for tag in tags:
        assert 1 <= len(tag.epc) <= _LONGEST_EPC_BYTES
        assert tag.rssi_dbm is None or -128 <= tag.rssi_dbm <= 127
        assert list(TagReports().read(encode_tag(tag))) == [tag], "what our encoder writes means the same"
    return bool(tags)


def _answers(content: bytes) -> bool:
    is_understood = False
    for read in (status_of, connection_attempt, keepalive_ms):
        try:
            read(content)
        except ParameterNonsense:
            continue
        is_understood = is_understood or bool(content)
    return is_understood


def _driver(content: bytes) -> bool:
    """Behind the start of an inventory: only tags and states, no number left out, no exception."""
    events: list[DeviceEvent] = []
    driver: Any = build("reader", "llrp_rfid", {"host": "tape", "repeat_s": 0}, events.append, SystemClock())
    started = LlrpCodec().encode(_STARTED)
    driver.replay([TapeEntry(0.0, "open", b""), TapeEntry(0.1, "rx", started), TapeEntry(0.2, "rx", content)])
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert set(driver.reporter.fault_counts) <= {"DRV-FRM-003"}
    return any(isinstance(event.data, TagRead) for event in events)


def llrp() -> Target:
    """A stream, a report, what answers hold, and the driver."""
    seen = TagRead(bytes(range(12)), 1, -50, datetime(2026, 6, 1, 12, tzinfo=UTC), 3)
    short = TagRead(b"\x30\x05", 2)
    report = encode_tag(seen) + encode_tag(short)
    greeting = encode_connection_attempt(ConnectionAttempt.SUCCESS, 1_780_315_200_000_000)
    messages = [
        Message(MessageType.READER_EVENT_NOTIFICATION, 1, greeting),
        _STARTED,
        Message(MessageType.RO_ACCESS_REPORT, 2, report),
        Message(MessageType.KEEPALIVE, 3),
        Message(MessageType.ADD_ROSPEC, 4, rospec((1, 2))),
    ]
    wires = [LlrpCodec().encode(message) for message in messages]
    return layers(
        (_stream, [*wires, b"".join(wires)]),
        (_report, [report, encode_tag(short)]),
        (_answers, [encode_status(Status(101, "no such ROSpec")), greeting, reader_config(5000)]),
        (_driver, [*wires, b"".join(wires)]),
        limit_bytes=320,
    )
