import io
import json
import struct
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.checksums import xor
from drivers.seal_tracker import jt808_fields
from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import EVENT_NUMBERS
from drivers.seal_tracker.jt808 import Message, decode, encode, parse, unwrap
from drivers.seal_tracker.jt808_fields import STANDARD, TABLES, TerminalModels
from gate_agent import cli
from tests.unit.tracker_frames import JT808_EVENT, JT808_LOCKS, PHONE, jt808_frame, jt808_report

NOW = datetime(2026, 11, 30, 12, 15, tzinfo=UTC)
MESSAGES = st.builds(
    Message,
    message_id=st.integers(0, 0xFFFF).filter(lambda number: number not in (0x4401, 0x5501, 0x5502)),
    phone=st.binary(min_size=6, max_size=6),
    serial=st.integers(0, 0xFFFF),
    body=st.binary(max_size=1023),
) | st.builds(
    Message,
    message_id=st.just(0x0200),
    phone=st.binary(min_size=10, max_size=10),
    serial=st.integers(0, 0xFFFF),
    body=st.binary(max_size=1023),
    version=st.integers(0, 255),
    flags=st.just(0x4000),
)


EVERY_TABLE = TerminalModels({"1862": [name for name in TABLES if name != "paired_lock"]})


def kinds(extras: bytes, models: TerminalModels | None = EVERY_TABLE, **fields: int) -> list[tuple[str, bool]]:
    events = decode(unwrap(jt808_frame(0x0200, jt808_report(extras, **fields))), models=models).events
    return [(event.kind, event.is_alarm) for event in events]


def attributes(extras: bytes, models: TerminalModels | None = EVERY_TABLE) -> dict[str, str]:
    return dict(decode(unwrap(jt808_frame(0x0200, jt808_report(extras))), models=models).events[0].attributes)


@given(MESSAGES)
def test_a_message_survives_the_wire(message: Message) -> None:
    wire = encode(message)
    parsed = parse(unwrap(wire))
    assert (parsed.message_id, parsed.phone, parsed.serial, parsed.body) == (
        message.message_id,
        message.phone,
        message.serial,
        message.body,
    )
    assert wire[1:-1].count(b"\x7e") == 0


@given(MESSAGES.filter(lambda message: message.version is None), st.binary(min_size=1, max_size=1))
def test_the_other_delimiter_survives_too(message: Message, first: bytes) -> None:
    other = Message(message.message_id, first + message.phone, message.serial, message.body, 0xE7)
    wire = encode(other)
    assert parse(unwrap(wire)).body == message.body
    assert wire[1:-1].count(b"\xe7") == 0


@given(st.binary(max_size=300))
def test_the_folded_checksum_is_the_plain_one(content: bytes) -> None:
    plain = 0
    for byte in content:
        plain ^= byte
    assert xor(content) == plain


def test_answers_are_exactly_the_required_ones() -> None:
    register = parse(unwrap(decode(unwrap(jt808_frame(0x0100, bytes(37), 5))).reply))
    assert (register.message_id, register.phone) == (0x8100, PHONE)
    assert register.body == struct.pack(">HB", 5, 0) + b"1862"
    for message_id in (0x0002, 0x0003, 0x0102, 0x0200, 0x0704, 0x0900):
        body = jt808_report() if message_id == 0x0200 else b"\x00\x00\x00" if message_id == 0x0704 else b"\x01"
        answer = parse(unwrap(decode(unwrap(jt808_frame(message_id, body, 6))).reply))
        assert (answer.message_id, answer.body) == (0x8001, struct.pack(">HHB", 6, message_id, 0))
    decoded = decode(unwrap(jt808_frame(0x0109)))
    assert decoded.reply == b""
    clock = parse(unwrap(decoded.clock_reply(NOW)))
    assert (clock.message_id, clock.body.hex()) == (0x8109, "07ea0b1e0c0f0000")


def test_a_lock_report_is_answered_only_when_it_asks() -> None:
    body = bytes.fromhex("30112620150041179700069144060705" + "2d") + bytes(18)
    asked = decode(unwrap(jt808_frame(0x5501, body, 9, flags=0x8000)))
    assert asked.reply.hex() == "7e44010003" + PHONE.hex() + "01" + "550100" + f"{asked.reply[-2]:02x}" + "7e"
    assert xor(asked.reply[1:-1]) == 0
    assert decode(unwrap(jt808_frame(0x5501, body, 9))).reply == b""


def test_places_are_signed_by_the_status_and_the_clock_runs_on_gmt8() -> None:
    (event,) = decode(unwrap(jt808_frame(0x0200, jt808_report(status=0b1110)))).events
    assert (event.latitude_deg, event.longitude_deg) == (-41.2995, -69.2401)
    assert event.device_time == NOW
    told = dict(event.attributes)
    assert (told["altitude_m"], told["course_deg"]) == ("455", "90")
    assert float(told["speed_knots"]) == pytest.approx(3.6 / 1.852)
    (event,) = decode(unwrap(jt808_frame(0x0200, jt808_report(status=0)))).events
    assert (event.kind, event.latitude_deg) == ("status", None)
    assert dict(event.attributes)["last_latitude_deg"] == "41.299500000"


@pytest.mark.parametrize("number", sorted(EVENT_NUMBERS))
def test_padlock_events_have_their_normalised_names(number: int) -> None:
    assert kinds(b"\x60\x02" + number.to_bytes(2, "big"))[1][0] == EVENT_NUMBERS[number]


def test_lock_fields() -> None:
    assert kinds(JT808_EVENT) == [("position", False), ("rope_cut", True)]
    assert attributes(JT808_EVENT)["actor"] == "00000000"
    locks = attributes(JT808_LOCKS)
    assert (locks["lock1_id"], locks["lock1_battery_v"], locks["lock1_sealed"]) == ("7e7d00000001", "3.84", "true")
    paired = attributes(b"\xd5\x0e\x01" + bytes(10) + b"\x53\x00\x20")
    assert (paired["lock1_battery_percent"], paired["lock1_locked"]) == ("83", "false")
    assert kinds(b"\xeb\x08\x00\x06\x00\x89\xff\xff\xef\xff") == [
        ("position", False),
        ("shell_tampered", True),
    ]
    assert kinds(b"", alarms=1 << 7 | 1 << 15) == [("position", False), ("battery_low", True), ("vibration", True)]


@pytest.mark.parametrize("models", [None, EVERY_TABLE], ids=["no model", "a model"])
def test_a_password_is_never_passed_on(models: TerminalModels | None) -> None:
    for extras in (b"\x67\x08" + b"13214322", b"\x0b\x07\x22" + b"132143"):
        told = attributes(extras, models)
        assert models is None or told["password_given"] == "true"
        assert "132143" not in str(told)
        assert "313332313433" not in str(told)


NONE = TerminalModels({})
CUT = b"\x60\x02\x00\x11"


def test_without_a_model_makers_fields_are_kept_as_they_are_and_mean_nothing() -> None:
    assert kinds(CUT, NONE, alarms=1 << 16) == [("position", False)]
    told = attributes(CUT + b"\x01\x04\x00\x00\x00\x0a" + b"\x67\x0213", NONE)
    assert (told["field_60"], told["odometer_m"], told["field_67"]) == ("0011", "1000", "withheld, 2 bytes")


@pytest.mark.parametrize(
    ("tables", "is_read"),
    [
        ({"18": ["padlock"]}, True),
        ({"18": ["padlock"], "1862": []}, False),
        ({"1862": ["padlock"], "18": []}, True),
        ({"99": ["padlock"]}, False),
        ({"HB-1AL": ["padlock"]}, True),
        ({"HB-1": ["padlock"]}, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("year", [2011, 2013, 2019])
def test_the_table_goes_by_number_or_by_the_model_that_registered(
    tables: dict[str, list[str]], is_read: bool, year: int
) -> None:
    models = TerminalModels(tables)
    body = {
        2011: bytes(9) + b"HB-1AL  " + bytes(8),
        2013: bytes(9) + b"HB-1AL".ljust(20, b"\x00") + bytes(8),
        2019: bytes(15) + b"HB-1AL".ljust(30, b"\x00") + bytes(31),
    }[year]
    header = {"version": 1} if year == 2019 else {}
    phone = bytes(4) + PHONE if year == 2019 else PHONE
    decode(unwrap(encode(Message(0x0100, phone, 1, body, **header))), models=models)
    report = unwrap(encode(Message(0x0200, phone, 2, jt808_report(CUT), **header)))
    told = [event.kind for event in decode(report, models=models).events]
    assert told == (["position", "rope_cut"] if is_read else ["position"])


def test_the_models_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jt808_fields, "MODELS_LIMIT", 2)
    models = TerminalModels({"HB-1AL": ["padlock"]})
    for number in range(4):
        models.registered(str(number), "HB-1AL")
    assert [models.table_of(str(number)) is STANDARD for number in range(4)] == [True, True, False, False]


def test_fields_of_other_makers_under_the_same_numbers_are_passed_over() -> None:
    for extras in (
        b"\x63\x02\x00\x01",
        b"\xda\x01\x00",
        b"\xe8\x01\x00",
        b"\xe1\x00",
        b"\xeb\x02\x00\x09",
        b"\xd5\x05\x09",
    ):
        assert kinds(extras, TerminalModels({"1862": TABLES})) == [("position", False)]


def test_text_between_frames_is_told_and_not_answered() -> None:
    decoded = decode(b"(740190311185,1,001,ELOCK,3,529439)")
    assert decoded.reply == b""
    assert dict(decoded.events[0].attributes) == {"result": "(740190311185,1,001,ELOCK,3,529439)"}


def test_a_lock_that_asks_for_the_time_in_text_is_told_it() -> None:
    decoded = decode(b"(740190311185,1,001,BASE,2,TIME)")
    assert decoded.events == ()
    assert decoded.clock_reply(NOW) == b"(740190311185,1,001,BASE,2,20261130121500)"


def test_length_checksum_and_encryption_are_strict() -> None:
    frame = unwrap(jt808_frame(0x0200, jt808_report()))
    longer = frame[:-2] + b"\x00" + frame[-2:]
    encrypted = unwrap(jt808_frame(0x0200, jt808_report(), flags=0x0400))
    for wrong, reason in ((longer, "length"), (frame[:-2] + b"\x00\x7e", "checksum"), (encrypted, "encrypted")):
        with pytest.raises(SealFrameRejected, match=reason):
            decode(wrong)


def test_a_part_of_a_long_message_is_answered_and_not_misread() -> None:
    decoded = decode(unwrap(jt808_frame(0x0200, b"\xff" * 20, part=(2, 1))))
    assert decoded.events == ()
    assert parse(unwrap(decoded.reply)).message_id == 0x8001


def test_the_command_takes_captures_from_the_wire(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    wire = jt808_frame(0x0200, jt808_report(JT808_LOCKS))
    assert b"\x7d" in wire[1:-1]
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{wire.hex()}\n"))
    assert cli.main(["inspect", "seal-frame", "--protocol", "JT808", "--wire", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["seal_id"], answer["error"]) == ("1862", None)
    assert answer["events"][0]["lat"] == 41.2995
    assert "field_63" in answer["events"][0]["attributes"]
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{wire.hex()}\n"))
    told = ["inspect", "seal-frame", "--protocol", "jt808", "--wire", "--json", "--table", "padlock"]
    assert cli.main(told) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["events"][0]["attributes"]["lock1_sealed"] == "true"
