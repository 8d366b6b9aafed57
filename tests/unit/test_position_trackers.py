"""EGTS, Wialon IPS and Teltonika: places, identities and the exact answers."""

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.checksums import crc8_egts
from drivers.codec import BadFrame
from drivers.seal_tracker import egts, teltonika, wialon
from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import SealEvent
from drivers.seal_tracker.protocols import protocol_named
from gate_agent.cli.inspect_seal_frame import inspect_line
from tests.unit.tracker_frames import (
    EGTS,
    EGTS_IDENTITY,
    EGTS_POSITION,
    TELTONIKA,
    WIALON,
    WIALON_CHECKED,
    WIALON_REPORT,
    teltonika_record,
)

MOMENT = datetime(2026, 11, 30, 12, 15, tzinfo=UTC)


def is_the_place(event: SealEvent, *, within: float = 1e-6) -> bool:
    assert (event.kind, event.device_time) == ("position", MOMENT)
    told = dict(event.attributes)
    assert float(told["speed_knots"]) == pytest.approx(36 / 1.852)
    return event.latitude_deg == pytest.approx(41.2995, abs=within) and event.longitude_deg == pytest.approx(
        -69.2401, abs=within
    )


def test_egts_positions_belong_to_the_terminal_that_logged_in() -> None:
    codec = protocol_named("egts").new_codec()
    login, positions, _ = codec.feed(EGTS.stream)
    assert (login.decoded.seal_id, login.decoded.is_login) == ("861774054558620", True)
    assert positions.decoded.seal_id == "861774054558620"
    assert len(positions.decoded.events) == 2
    assert all(is_the_place(event) for event in positions.decoded.events)
    assert dict(positions.decoded.events[0].attributes)["course_deg"] == "270"


def test_egts_without_a_login_goes_by_the_object_of_each_record() -> None:
    records = b"".join(
        egts.encode_record(number, 2, egts.encode_part(egts.POS_DATA, EGTS_POSITION), number) for number in (7, 8, 8)
    )
    decoded = egts.decode(egts.encode(1, egts.APPDATA, records))
    assert decoded.seal_id == "8"
    assert [event.seal_id for event in decoded.events] == ["7", "", ""]


def test_egts_answers_echo_packet_and_record_numbers() -> None:
    data = egts.encode_record(0x0102, 2, egts.encode_part(egts.POS_DATA, EGTS_POSITION), 45177)
    reply = egts.decode(egts.encode(0x0304, egts.APPDATA, data)).reply
    assert reply[:4].hex() == "0100000b"
    assert reply[7:10].hex() == "040300"
    assert reply[11:-2].hex() == "040300" + "0600" + "0201" + "00" + "0202" + "00" + "0300" + "020100"
    assert egts.frame_size(bytearray(reply)) == len(reply)
    login = egts.encode(5, egts.APPDATA, egts.encode_record(9, 1, egts.encode_part(egts.TERM_IDENTITY, EGTS_IDENTITY)))
    codec = protocol_named("egts").new_codec()
    both = codec.feed(egts.decode(login).reply)
    assert [heard.decoded.message for heard in both] == ["packet 0", "records"]
    assert egts.decode(EGTS.frames[2]).reply == b""


def test_egts_crc8_is_the_catalogued_one() -> None:
    assert crc8_egts(b"123456789") == 0xF7


def test_wialon_reports_and_answers() -> None:
    login, short, full, ping, batch, message = (wialon.decode(frame) for frame in WIALON.frames)
    assert (login.seal_id, login.reply) == ("861774054558620", b"#AL#1\r\n")
    assert (short.reply, full.reply, ping.reply) == (b"#ASD#1\r\n", b"#AD#1\r\n", b"#AP#\r\n")
    assert (batch.reply, message.reply) == (b"#AB#2\r\n", b"#AM#1\r\n")
    assert is_the_place(short.events[0])
    assert [event.kind for event in full.events] == ["position", "emergency_button"]
    assert dict(full.events[0].attributes)["parameter:батарея"] == "100 %"
    assert [event.kind for event in batch.events] == ["position", "position"]


def test_wialon_minutes_above_60_count_on_and_few_satellites_are_no_fix() -> None:
    (event,) = wialon.decode(wialon.encode("SD", WIALON_REPORT.replace("4117.9700", "4064.0167"))).events
    assert event.latitude_deg == pytest.approx(40 + 64.0167 / 60)
    (event,) = wialon.decode(wialon.encode("SD", WIALON_REPORT[:-1] + "2")).events
    assert (event.kind, event.latitude_deg) == ("status", None)
    (event,) = wialon.decode(wialon.encode("SD", "NA;NA;NA;NA;NA;NA;NA;NA;NA;NA")).events
    assert (event.kind, event.device_time) == ("status", None)


def test_every_flipped_bit_of_a_checked_wialon_report_is_rejected() -> None:
    """All but those of the line end and of the digits' case in the checksum, which change nothing."""
    frame = WIALON_CHECKED.frames[1]
    right = wialon.decode(frame)
    for position in range(8 * len(frame.rstrip())):
        flipped = bytearray(frame)
        flipped[position // 8] ^= 1 << position % 8
        for item in protocol_named("wialon").new_codec().feed(b"#L#1;NA\r\n" + bytes(flipped)):
            if isinstance(item, BadFrame) or item.decoded.message == "L":
                continue
            assert item.decoded.events in {(), right.events}


@pytest.mark.parametrize(
    "line",
    [
        "#SD#1;2",
        "#SD#" + WIALON_REPORT.replace("N", "X"),
        "#SD#" + WIALON_REPORT.replace("301126", "30nov6"),
        "#SD#" + WIALON_REPORT + ";0000",
        "#SD#" + WIALON_REPORT + ";zz",
        "#D#" + WIALON_REPORT,
        "#B#" + WIALON_REPORT + "|1;2",
        "#L#;NA",
        "#L#2.0;1;NA;0000",
        "SD",
    ],
)
def test_a_wialon_line_that_is_none_is_rejected(line: str) -> None:
    with pytest.raises(SealFrameRejected):
        wialon.decode(line.encode())


def test_teltonika_records_of_every_codec_and_their_answers() -> None:
    login, *packets, message, old = (teltonika.decode(frame) for frame in TELTONIKA.frames)
    assert (login.seal_id, login.reply) == ("861774054558620", b"\x01")
    for packet in packets:
        assert packet.reply == struct.pack(">I", 2)
        assert all(is_the_place(event) for event in packet.events)
        told = dict(packet.events[0].attributes)
        assert (told["satellites"], told["gsm"], told["battery_v"]) == ("9", "4", "4.012")
    assert (message.reply, dict(message.events[0].attributes)) == (b"", {"result": "ok"})
    assert (old.events[0].latitude_deg, old.events[0].longitude_deg) == (41.5, -69.25)
    assert teltonika.decode(b"\xff").events == ()


@given(st.binary(max_size=60), st.sampled_from(sorted(teltonika.CODECS)))
def test_no_checked_rubbish_crashes_teltonika(content: bytes, codec: int) -> None:
    frame = teltonika.encode(codec, [content])
    try:
        decoded = teltonika.decode(frame)
    except SealFrameRejected:
        return
    assert decoded.seal_id == ""


def test_a_cut_capture_is_shown_and_said_to_be_cut() -> None:
    frame = teltonika.encode(teltonika.CODEC_8, [teltonika_record(teltonika.CODEC_8)])
    cut = frame[:-5]
    answer = inspect_line("teltonika", cut.hex())
    assert (answer["error"], answer["is_whole"], len(answer["events"])) == (None, False, 1)
    assert inspect_line("teltonika", frame.hex())["is_whole"] is True
    with pytest.raises(SealFrameRejected, match="length"):
        teltonika.decode(cut)
