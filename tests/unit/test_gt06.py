from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.checksums import crc16_arc, crc16_false, crc16_x25
from drivers.codec import BadFrame
from drivers.seal_tracker.codec import Heard
from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.gt06 import decode, encode
from drivers.seal_tracker.protocols import protocol_named
from tests.unit.tracker_frames import GT06, GT06_BLOCK, GT06_CELLS

NOW = datetime(2026, 11, 30, 12, 15, tzinfo=UTC)


def kinds(message: int, content: bytes, *, is_extended: bool = False) -> list[tuple[str, bool]]:
    events = decode(encode(message, content, 7, is_extended=is_extended)).events
    return [(event.kind, event.is_alarm) for event in events]


def frame_of(item: Heard | BadFrame) -> bytes | BadFrame:
    return item.frame if isinstance(item, Heard) else item


def test_the_checksums_are_the_catalogued_ones() -> None:
    assert crc16_x25(b"123456789") == 0x906E
    assert crc16_false(b"123456789") == 0x29B1
    assert crc16_arc(b"123456789") == 0xBB3D
    assert crc16_arc(b"123456789", 0xFFFF) == 0x4B37


@given(st.integers(0, 255), st.binary(max_size=200), st.integers(0, 0xFFFF), st.booleans())
def test_a_frame_survives_the_wire(kind: int, content: bytes, serial: int, is_extended: bool) -> None:
    wire = encode(kind, content, serial, is_extended=is_extended)
    assert protocol_named("gt06").new_stream().frames(wire + encode(0x13, b"12345", 1)) == [
        wire,
        encode(0x13, b"12345", 1),
    ]


def test_the_position_block() -> None:
    (event,) = decode(encode(0x12, GT06_BLOCK + GT06_CELLS[1:], 1)).events
    assert (event.kind, event.device_time) == ("position", NOW)
    assert event.latitude_deg == pytest.approx(41.2995, abs=1e-6)
    assert event.longitude_deg == pytest.approx(-69.2401, abs=1e-6)
    told = dict(event.attributes)
    assert (told["course_deg"], told["satellites"]) == ("90", "9")
    assert float(told["speed_knots"]) == pytest.approx(36 / 1.852)


@pytest.mark.parametrize(
    ("status", "alarm", "expected"),
    [
        ("38", "00", ["shell_tampered"]),
        ("08", "00", ["vibration"]),
        ("10", "02", ["power_cut"]),
        ("18", "0e", ["battery_low"]),
        ("20", "01", ["emergency_button"]),
        ("00", "04", ["fence_enter"]),
        ("00", "13", ["shell_tampered"]),
        ("38", "09", ["shell_tampered", "vibration"]),
        ("47", "00", []),
    ],
)
def test_alarms_of_the_status_bytes(status: str, alarm: str, expected: list[str]) -> None:
    block = bytes.fromhex(status + "0604" + alarm + "02")
    assert kinds(0x16, GT06_BLOCK + GT06_CELLS + block) == [("position", False), *((kind, True) for kind in expected)]
    assert kinds(0x13, block) == [("status", False), *((kind, True) for kind in expected)]


def test_a_module_message_tells_the_lifted_tracker() -> None:
    assert kinds(0x70, b"\x00\x2b\x00\x01\x14", is_extended=True) == [("status", False), ("shell_tampered", True)]


def test_login_heartbeat_and_alarm_are_echoed_and_a_position_is_not() -> None:
    login, heartbeat, position, alarm, clock, _ = (decode(frame) for frame in GT06.frames)
    assert login.seal_id == "861774054558620"
    assert login.reply == encode(0x01, b"", 1)
    assert login.reply.hex() == "787805010001d9dc0d0a"
    assert heartbeat.reply == encode(0x13, b"", 2)
    assert alarm.reply == encode(0x16, b"", 0x0D0A)
    assert position.reply == b""
    assert clock.clock_reply(NOW) == encode(0x8A, bytes((26, 11, 30, 12, 15, 0)), 5)


def test_a_report_before_the_login_is_not_taken() -> None:
    codec = protocol_named("gt06").new_codec()
    items = codec.feed(GT06.frames[2] + GT06.frames[0] + GT06.frames[2])
    assert [isinstance(item, Heard) for item in items] == [False, True, True]
    assert items[0].reason == "a report before the tracker said who it is"
    assert items[2].decoded.seal_id == "861774054558620"


def test_a_date_that_is_none_loses_no_alarm() -> None:
    block = b"\x00\x00\x00" + GT06_BLOCK[3:]
    events = decode(encode(0x16, block + GT06_CELLS + bytes.fromhex("3806040002"), 1)).events
    assert [event.kind for event in events] == ["position", "shell_tampered"]
    assert events[0].device_time is None


@pytest.mark.parametrize("content", ["", "0861", "ff61774054558620"])
def test_a_login_without_an_identity_is_rejected(content: str) -> None:
    with pytest.raises(SealFrameRejected):
        decode(encode(0x01, bytes.fromhex(content), 1))


@pytest.mark.parametrize("length", ["c409", "0ffb", "0020"])
def test_a_login_that_counts_itself_too_long_ends_at_the_same_byte_however_it_comes(length: str) -> None:
    broken = bytes.fromhex(f"7979{length}010d0a")
    stream = broken + GT06.frames[1] + GT06.frames[0] + GT06.frames[2] * 120
    whole = protocol_named("gt06").new_codec().feed(stream)
    assert sum(isinstance(item, Heard) for item in whole) > 100
    for cut in range(1, len(broken) + len(GT06.frames[1]) + 12):
        codec = protocol_named("gt06").new_codec()
        items = codec.feed(stream[:cut]) + codec.feed(stream[cut:])
        assert list(map(frame_of, items)) == list(map(frame_of, whole)), cut


@given(st.binary(max_size=70), st.integers(0, 0xFFFF))
def test_two_bytes_at_once_give_the_same_as_bit_by_bit(content: bytes, start: int) -> None:
    value = start
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    assert crc16_arc(content, start) == value
