"""LLRP without a line: captured bytes, parameters, damage, limits, what is asked of a reader, and how long a tag is a repeat."""

import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.codec import BadFrame
from drivers.contracts import TagRead
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
from drivers.rfid.llrp_messages import LlrpCodec, Message, MessageType
from drivers.rfid.llrp_parameters import (
    Parameter,
    ParameterNonsense,
    ParameterType,
    encode_parameter,
    first_parameter,
    parameters,
)
from drivers.rfid.recent_tags import RecentTags
from drivers.rfid.tag_reports import TagReports, encode_tag

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "devices" / "llrp_vectors.json"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

tags = st.builds(
    TagRead,
    st.binary(min_size=1, max_size=62),
    st.none() | st.integers(0, 0xFFFF),
    st.none() | st.integers(-128, 127),
    st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    st.none() | st.integers(0, 0xFFFF),
)


def tag_reports(body: bytes) -> Iterator[TagRead | ParameterNonsense]:
    return TagReports().read(body)


def captured() -> Any:
    if not SHARED.is_file():
        pytest.skip("llrp_vectors.json is not beside the project")
    return json.loads(SHARED.read_text())


@pytest.mark.shared_data
def test_captured_reports_mean_what_their_reader_saw_and_encode_to_the_same_bytes() -> None:
    reports = captured()["reports"]
    assert len(reports) == 12
    for vector in reports:
        wire = bytes.fromhex(vector["hex"])
        (message,) = LlrpCodec().feed(wire)
        assert message == Message(MessageType.RO_ACCESS_REPORT, vector["message_id"], wire[10:])
        (tag,) = tag_reports(message.body)
        assert isinstance(tag, TagRead)
        told = vector["tag"]
        assert tag == TagRead(
            bytes.fromhex(told["epc"]),
            told["antenna"],
            told["rssi_dbm"],
            EPOCH + timedelta(microseconds=told["first_seen_us"]),
            told["seen_count"],
        )
        # This reader leads with antenna, RSSI, first seen, count; ours writes the same parameters in the same order.
        assert LlrpCodec().encode(Message(message.type, message.message_id, encode_tag(tag))) == wire


@pytest.mark.shared_data
def test_a_captured_greeting_is_a_success() -> None:
    (vector,) = captured()["events"]
    wire = bytes.fromhex(vector["hex"])
    (message,) = LlrpCodec().feed(wire)
    assert isinstance(message, Message)
    assert message.type == MessageType.READER_EVENT_NOTIFICATION
    assert connection_attempt(message.body) == ConnectionAttempt.SUCCESS
    assert encode_connection_attempt(ConnectionAttempt.SUCCESS, vector["utc_us"]) == message.body


@given(tags)
def test_a_tag_goes_round(sent: TagRead) -> None:
    assert list(tag_reports(encode_tag(sent))) == [sent]


@given(st.lists(tags, min_size=2, max_size=5))
def test_what_a_reader_leaves_out_is_as_it_was_in_the_report_before(sent: list[TagRead]) -> None:
    """LLRP 1.0.1, clause 13.2.3: an enabled parameter that is absent has the value received last."""
    told = list(tag_reports(b"".join(map(encode_tag, sent))))
    for name in ("antenna", "rssi_dbm", "first_seen", "seen_count"):
        last = None
        for wire, one in zip(sent, told, strict=True):
            last = last if getattr(wire, name) is None else getattr(wire, name)
            assert getattr(one, name) == last
    assert [one.epc for one in told if isinstance(one, TagRead)] == [one.epc for one in sent]


def test_a_tag_without_anything_but_its_epc_says_nothing_else() -> None:
    assert list(tag_reports(encode_tag(TagRead(b"\x30\x05")))) == [TagRead(b"\x30\x05")]


def test_all_the_known_short_parameters_are_stepped_over() -> None:
    # Types and sizes as in clause 16.2.7.3, not as in the table of the parser.
    known = {3: 8, 4: 8, 5: 8, 7: 2, 9: 4, 10: 2, 11: 2, 12: 2, 14: 2, 16: 4}
    between = b"".join(bytes([0x80 | kind]) + bytes(size) for kind, size in known.items())
    content = encode_parameter(ParameterType.EPC_96, bytes(range(12))) + between + b"\x86\xce"
    assert list(tag_reports(encode_parameter(ParameterType.TAG_REPORT_DATA, content))) == [
        TagRead(bytes(range(12)), rssi_dbm=-50)
    ]


def test_an_unknown_short_parameter_ends_its_report_and_no_other() -> None:
    cut = encode_parameter(ParameterType.EPC_96, bytes(12)) + b"\x81\x00\x02" + b"\xff\x01\x02" + b"\x86\xce"
    lost = b"\xff" + encode_parameter(ParameterType.EPC_96, bytes(12))
    body = b"".join(encode_parameter(ParameterType.TAG_REPORT_DATA, content) for content in (cut, lost))
    before, first, second, third = tag_reports(
        encode_tag(TagRead(b"one", 1, -40)) + body + encode_tag(TagRead(b"next"))
    )
    assert before == TagRead(b"one", 1, -40)
    assert first == TagRead(bytes(12), antenna=2)  # its RSSI may stand behind the unknown parameter
    assert isinstance(second, ParameterNonsense)
    assert third == TagRead(b"next", 2, -40)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "without EPC"),
        (b"\x81\x00\x01", "without EPC"),
        (b"\x8d\x00", "longer than what holds it"),
        (b"\x00\xf1\x00", "ends inside its head"),
        (b"\x00\xf1\x00\x03", "with 3 bytes"),
        (b"\x04\x00\x00\x04", "type 1024"),
        (
            b"\x00\xf1\x00\x07\x00\x08\xaa" + b"\x00\x08\x00\x10" + b"\x30" * 12,
            "type 8 with 16 bytes",
        ),  # a count of seven words
        (b"\x00\xf1\x00\x06\x00\x00", "0 bits in 0 bytes"),
        (b"\x00\xf1\x00\x07\x00\x10\xaa", "16 bits in 1 bytes"),
        (b"\x00\xf1\x00\x08\x00\x08\xaa\xbb", "8 bits in 2 bytes"),
    ],
)
def test_a_report_that_does_not_add_up_says_why(content: bytes, reason: str) -> None:
    bad, good = tag_reports(encode_parameter(ParameterType.TAG_REPORT_DATA, content) + encode_tag(TagRead(b"good")))
    assert isinstance(bad, ParameterNonsense)
    assert reason in str(bad)
    assert good == TagRead(b"good")


def test_an_epc_need_not_fill_its_last_byte() -> None:
    content = encode_parameter(ParameterType.EPC_DATA, b"\x00\x0c\xab\xc0")
    assert list(tag_reports(encode_parameter(ParameterType.TAG_REPORT_DATA, content))) == [TagRead(b"\xab\xc0")]


def test_a_time_beyond_the_calendar_is_none() -> None:
    content = encode_parameter(ParameterType.EPC_96, bytes(12)) + b"\x82" + b"\xff" * 8
    assert list(tag_reports(encode_parameter(ParameterType.TAG_REPORT_DATA, content))) == [TagRead(bytes(12))]


@given(st.binary(max_size=200))
def test_any_bytes_are_tags_or_a_reason(body: bytes) -> None:
    for one in tag_reports(body):
        assert isinstance(one, TagRead | ParameterNonsense)
        assert not isinstance(one, TagRead) or 1 <= len(one.epc) <= len(body)
    for read in (status_of, connection_attempt, keepalive_ms):
        try:
            read(body)
        except ParameterNonsense:
            continue


# ---- messages


def test_a_head_that_can_be_none_is_stepped_over() -> None:
    good = Message(MessageType.KEEPALIVE, 7)
    wire = LlrpCodec().encode(good)
    too_short = struct.pack(">HII", 0x043E, 9, 1)
    too_long = struct.pack(">HII", 0x043E, (1 << 16) + 1, 1)
    other_version = struct.pack(">HII", 0x083E, 10, 1)
    for noise in (too_short, too_long, other_version, b"\xff" * 30):
        codec = LlrpCodec()
        bad, message = codec.feed(noise + wire)
        assert isinstance(bad, BadFrame)
        assert message == good
        assert codec.dropped_bytes == len(noise)


def test_a_message_torn_by_silence_is_dropped_and_the_next_one_taken() -> None:
    codec = LlrpCodec()
    torn = codec.encode(Message(MessageType.RO_ACCESS_REPORT, 1, bytes(40)))[:-1]
    assert codec.feed(torn) == []
    (bad,) = codec.silence()
    assert bad == BadFrame("bytes that are no LLRP message", 49, torn)
    whole = Message(MessageType.KEEPALIVE, 2)
    assert codec.feed(codec.encode(whole)) == [whole]


def test_memory_is_bounded_and_the_limit_exact() -> None:
    codec = LlrpCodec()
    largest = Message(MessageType.RO_ACCESS_REPORT, 1, bytes((1 << 16) - 10))
    wire = codec.encode(largest)
    for _ in range(20):
        assert codec.feed(wire) == [largest]
    codec.feed(wire[:-1])
    assert len(codec._buffer) < 1 << 16
    for unfit in (Message(61, 1, bytes((1 << 16) - 9)), Message(1024, 1), Message(61, 1 << 32)):
        with pytest.raises(ValueError, match="cannot be sent"):
            codec.encode(unfit)


# ---- the inventory


def test_what_is_asked_stands_where_the_standard_puts_it() -> None:
    """Bytes counted out by hand from clauses 16.1 and 16.2 of LLRP 1.0.1."""
    assert reader_config(5000).hex() == "00" + "00dc0009" + "01" + "00001388"
    boundary = "00b20012" + "00b30005" + "00" + "00b60009" + "00" + "00000000"
    antennas = "00b7001a" + "0002" + "0001" + "0002" + "00b80009" + "00" + "00000000" + "00ba0007" + "0001" + "01"
    report = "00ed000d" + "01" + "0001" + "00ee0006" + "1680"
    assert rospec((1, 2)).hex() == "00b10043" + "00000001" + "00" + "00" + boundary + antennas + report
    assert keepalive_ms(reader_config(300)) == 300
    assert keepalive_ms(b"\x00") == 0
    with pytest.raises(ParameterNonsense):
        keepalive_ms(b"\x00" + encode_parameter(ParameterType.KEEPALIVE_SPEC, b"\x01"))


@given(st.integers(0, 0xFFFF), st.text(max_size=40))
def test_a_status_goes_round(code: int, text: str) -> None:
    assert status_of(encode_status(Status(code, text))) == Status(code, text)


def test_an_answer_without_status_and_a_notification_without_data_are_nonsense() -> None:
    for body in (b"", encode_parameter(ParameterType.LLRP_STATUS, b"\x00")):
        with pytest.raises(ParameterNonsense):
            status_of(body)
    with pytest.raises(ParameterNonsense):
        connection_attempt(b"")
    assert connection_attempt(encode_parameter(ParameterType.READER_EVENT_NOTIFICATION_DATA)) is None
    short = encode_parameter(ParameterType.CONNECTION_ATTEMPT_EVENT, b"\x00")
    with pytest.raises(ParameterNonsense):
        connection_attempt(encode_parameter(ParameterType.READER_EVENT_NOTIFICATION_DATA, short))


def test_parameters_are_written_to_their_size_only() -> None:
    with pytest.raises(ValueError, match="takes 12 bytes"):
        encode_parameter(ParameterType.EPC_96, bytes(11))
    with pytest.raises(ValueError, match="cannot hold"):
        encode_parameter(ParameterType.EPC_DATA, bytes(0xFFFF))
    custom = b"\x03\xff\x00\x06ab" + encode_parameter(ParameterType.LLRP_STATUS, bytes(4))
    assert list(parameters(custom)) == [Parameter(1023, b"ab"), Parameter(287, bytes(4))]
    assert first_parameter(custom, ParameterType.EPC_DATA) is None


# ---- repeats


def test_a_tag_that_stays_is_told_once_in_each_window_whatever_else_it_says() -> None:
    recent = RecentTags(5.0)
    told_s = [
        at_s
        for at_s in (0.0, 0.1, 4.9, 5.0, 5.1, 9.9, 10.0, 30.0)
        if not recent.is_repeat(TagRead(b"a", 1, int(-at_s), NOON + timedelta(seconds=at_s)), at_s)
    ]
    assert told_s == [0.0, 5.0, 10.0, 30.0]
    assert not recent.is_repeat(TagRead(b"a", 2), 30.0)  # another antenna is another place
    assert not recent.is_repeat(TagRead(b"b", 1), 30.0)
    assert recent.is_repeat(TagRead(b"a", 1), 30.1)


def test_a_window_of_nothing_tells_every_report() -> None:
    recent = RecentTags(0.0)
    assert not any(recent.is_repeat(TagRead(b"a", 1), 1.0) for _ in range(3))


def test_what_was_told_longest_ago_is_forgotten_first() -> None:
    recent = RecentTags(60.0, limit=2)
    for epc, at_s in ((b"a", 0.0), (b"b", 1.0), (b"c", 2.0)):
        assert not recent.is_repeat(TagRead(epc), at_s)
    assert recent.is_repeat(TagRead(b"c"), 3.0)
    assert recent.is_repeat(TagRead(b"b"), 3.0)
    assert not recent.is_repeat(TagRead(b"a"), 3.0)
