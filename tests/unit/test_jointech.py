import contextlib
import io
import itertools
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.seal_tracker.codec import FRAME_LIMIT_BYTES
from drivers.seal_tracker.errors import ProtocolNotBuiltIn, SealFrameRejected
from drivers.seal_tracker.events import ACK_REQUIRED, STATUS_BITS, alarm_kinds
from drivers.seal_tracker.jointech import (
    LockFrame,
    decode,
    decode_binary,
    encode_lock_frame,
    escape,
    unescape,
)
from drivers.seal_tracker.jointech_fix import Fix
from drivers.seal_tracker.protocols import protocol_named
from gate_agent import cli
from gate_agent.cli.inspect_seal_frame import inspect_line

DEVICES = Path(__file__).parents[2].parent / "shared" / "data" / "devices"
LOCK = bytes.fromhex("2475201509261110002313101503464722331560113555309f00000000002d0500cb206800f064109326381a03")
UNLOCK = b"(2050018634,P45,051124,204046,9.861502,N,83.950336,W,A,1.25,0,1,1,0012260888,0,0,7)"
BASE_KINDS = {"position", "status"}


def frames_of(name: str, protocol: str = "Jt600") -> list[dict]:
    frames = json.loads((DEVICES / name).read_text())["frames"]
    return [frame for frame in frames if frame.get("protocol", protocol) == protocol]


def hex_of(frame: dict) -> str:
    if "hex" in frame:
        return frame["hex"]
    return frame["frame"] if frame["encoding"] == "hex" else frame["frame"].encode("latin1").hex()


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["seal_frames.json", "tracker_frames.json", "jointech_vendor_frames.json"])
def test_field_frames_give_the_expected_places_and_bits(name: str) -> None:
    frames = frames_of(name)
    assert len(frames) == {"seal_frames.json": 7, "tracker_frames.json": 15, "jointech_vendor_frames.json": 1}[name]
    for frame in frames:
        answer = inspect_line("jt600", hex_of(frame))
        assert answer["error"] is None
        base = [event for event in answer["events"] if event["kind"] in BASE_KINDS]
        assert len(base) == len(frame["expected"])
        for event, expected in zip(base, frame["expected"], strict=True):
            assert event["time"] == expected["device_time"].replace(".000Z", "Z")
            if expected["valid"]:
                assert event["lat"] == pytest.approx(expected["lat"], abs=1e-6)
                assert event["lon"] == pytest.approx(expected["lon"], abs=1e-6)
                assert float(event["attributes"]["speed_knots"]) == pytest.approx(expected["speed_kn"], rel=1e-4)
                assert float(event["attributes"]["course_deg"]) == expected["course_deg"]
            else:
                assert (event["kind"], event["lat"], event["lon"]) == ("status", None, None)
            if "seal_bits" in expected:
                assert event["seal_bits"] == expected["seal_bits"]
            if "seal_bits_set" in frame:
                assert {key for key, is_set in event["seal_bits"].items() if is_set} == set(frame["seal_bits_set"])


@pytest.mark.shared_data
def test_splitter_vectors() -> None:
    vectors = [
        vector
        for vector in json.loads((DEVICES / "framing_vectors.json").read_text())["vectors"]
        if vector["protocol"] == "Jt600"
    ]
    assert len(vectors) == 11
    for vector in vectors:
        wire, expected = bytes.fromhex(vector["input_hex"]), bytes.fromhex(vector["expected_hex"])
        assert protocol_named("jt600").new_stream().frames(wire)[0] == expected
        splitter = protocol_named("jt600").new_stream()
        assert next(frame for byte in wire for frame in splitter.frames(bytes((byte,)))) == expected


def test_answers_are_exactly_the_required_ones() -> None:
    assert decode(LOCK).reply == b"(P35)"
    newer = bytearray(LOCK)
    newer[6] = 0x19
    assert decode(bytes(newer)).reply == b"(P69,0,3)"
    quiet = bytearray(LOCK)
    quiet[37] &= 0xFF ^ ACK_REQUIRED
    assert decode(bytes(quiet)).reply == b""
    assert decode(UNLOCK).reply == b"(P69,0,7)"
    report = (
        b"(3301210003,%s,040812,185302,T,22.564025,N,113.242329,E,5.21,152,9,32%%,00000000000011,10133,5173,22,100,1)"
    )
    for kind in (b"U01", b"U02", b"U03"):
        assert decode(report % kind).reply == b"(S39)"
    assert decode(report.replace(b"%s,", b"U06,4,").replace(b"%%", b"%")).reply == b"(S20)"
    assert decode(b"(7560405553,@JT)") == type(decode(UNLOCK))("7560405553", "@JT", ())


def test_an_unlock_says_who_and_keeps_decimal_speeds() -> None:
    decoded = decode(UNLOCK)
    assert [(event.kind, event.is_alarm) for event in decoded.events] == [
        ("position", False),
        ("unsealed_by_card", False),
    ]
    attributes = dict(decoded.events[1].attributes)
    assert attributes["actor"] == "0012260888"
    assert float(attributes["speed_knots"]) == pytest.approx(1.25 * 0.868976)
    refused = decode(UNLOCK.replace(b",1,1,0012260888,0,0,7", b",1,0,0000000000,0,6,7"))
    assert [(event.kind, event.is_alarm) for event in refused.events[1:]] == [
        ("denied_password_unseal", False),
        ("password_lockout", True),
    ]


@given(status=st.integers(0, 0x7FFF))
def test_each_alarm_bit_gives_one_marked_event(status: int) -> None:
    wire = LOCK[:36] + status.to_bytes(2, "big") + LOCK[38:]
    events = decode(wire).events
    alarms = [event.kind for event in events if event.is_alarm]
    assert alarms == list(alarm_kinds(status))
    assert len(alarms) == sum(bit.name.endswith("_alarm") for bit in STATUS_BITS if status >> bit.number & 1)
    assert dict(events[0].attributes)["status"] == f"{status:04x}"


def test_charging_is_an_event_and_no_percentage() -> None:
    events = decode(LOCK[:38] + b"\xff" + LOCK[39:]).events
    assert [event.kind for event in events if not event.is_alarm] == ["position", "charging"]
    assert dict(events[0].attributes)["battery_percent"] == ""


FIXES = st.builds(
    Fix,
    device_time=st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(
        lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
    ),
    latitude_e4min=st.integers(0, 90 * 600_000),
    longitude_e4min=st.integers(0, 180 * 600_000),
    flags=st.integers(0, 9),
    speed_byte=st.integers(0, 255),
    course_half_deg=st.integers(0, 255),
)
LOCK_FRAMES = st.builds(
    LockFrame,
    seal_id=st.from_regex(r"[0-9]{10}", fullmatch=True),
    protocol_version=st.integers(0, 255),
    type_byte=st.integers(0, 255),
    fix=FIXES,
    mileage_km=st.integers(0, 2**32 - 1),
    satellites=st.integers(0, 255),
    vehicle_id=st.binary(min_size=4, max_size=4),
    status=st.integers(0, 0xFFFF),
    battery_percent=st.integers(0, 100) | st.just(255),
    cell_id=st.integers(0, 0xFFFF),
    location_area=st.integers(0, 0xFFFF),
    gsm=st.integers(0, 255),
    extension=st.binary(max_size=40),
    index=st.integers(0, 255),
)


@given(LOCK_FRAMES)
def test_a_lock_frame_survives_the_wire(frame: LockFrame) -> None:
    wire = encode_lock_frame(frame)
    assert decode_binary(wire) == frame
    assert protocol_named("jt600").new_stream().frames(wire) == [wire]


@given(st.binary(max_size=200))
def test_escapes_round_trip(content: bytes) -> None:
    assert unescape(escape(content)) == content
    assert not set(escape(content)) & {0x28, 0x29, 0x2C}


WIRE_FRAMES = st.one_of(LOCK_FRAMES.map(encode_lock_frame), st.just(UNLOCK), st.just(b"(7560405553,@JT)"))


@given(frames=st.lists(WIRE_FRAMES, max_size=4), noise=st.binary(max_size=20), cuts=st.lists(st.integers(0, 400)))
def test_frames_are_the_same_however_the_stream_is_cut(frames: list[bytes], noise: bytes, cuts: list[int]) -> None:
    stream = noise.replace(b"$", b"").replace(b"(", b"") + b"".join(frames)
    whole = protocol_named("jt600").new_stream().frames(stream)
    assert whole == frames
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    torn = protocol_named("jt600").new_stream()
    pieces = [stream[start:end] for start, end in itertools.pairwise(edges)]
    assert [frame for piece in pieces for frame in torn.frames(piece)] == whole


@given(st.lists(st.binary(max_size=300) | WIRE_FRAMES, max_size=6))
def test_no_bytes_crash_the_splitter_and_its_memory_is_bounded(pieces: list[bytes]) -> None:
    one_shot, byte_wise = protocol_named("jt600").new_stream(), protocol_named("jt600").new_stream()
    stream = b"".join(pieces)
    whole = one_shot.frames(stream)
    assert [frame for byte in stream for frame in byte_wise.frames(bytes((byte,)))] == whole
    assert one_shot.pending_bytes <= FRAME_LIMIT_BYTES
    assert one_shot.dropped_bytes == byte_wise.dropped_bytes
    for frame in whole:
        with contextlib.suppress(SealFrameRejected):
            assert decode(frame).seal_id.isdecimal()


@pytest.mark.parametrize("wire", [LOCK, UNLOCK], ids=["binary", "text"])
def test_any_flipped_bit_is_read_or_rejected_never_a_crash(wire: bytes) -> None:
    for position in range(len(wire) * 8):
        flipped = bytearray(wire)
        flipped[position // 8] ^= 1 << position % 8
        for frame in protocol_named("jt600").new_stream().frames(bytes(flipped) + LOCK):
            try:
                decoded = decode(frame)
            except SealFrameRejected:
                continue
            assert decoded.seal_id.isdecimal()


@pytest.mark.parametrize("torn", [LOCK[:20], UNLOCK[:30], b"$$$$", b"(((", b"$" + b"\xff" * 30])
def test_a_torn_head_costs_no_later_frame_for_ever(torn: bytes) -> None:
    splitter = protocol_named("jt600").new_stream()
    frames = splitter.frames(torn) + [frame for _ in range(60) for frame in splitter.frames(LOCK)]
    assert frames.count(LOCK) >= 10


def test_the_command_answers_line_by_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{LOCK.hex()}\n\nzz\n00ff\n{UNLOCK.hex().upper()}\n"))
    assert cli.main(["inspect", "seal-frame", "--protocol", "Jointech", "--json"]) == 0
    good, no_hex, no_frame, unlock = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert [event["kind"] for event in good["events"]] == ["position", "vibration"]
    assert good["events"][1]["is_alarm"] is True
    assert bytes.fromhex(good["reply_hex"]) == b"(P35)"
    assert no_hex["error"] == "DRV-SEA-003: the line is not hexadecimal"
    assert no_frame["error"].startswith("DRV-SEA-001")
    assert unlock["events"][1]["kind"] == "unsealed_by_card"


def test_a_protocol_that_is_not_built_in_is_a_clear_error() -> None:
    answer = inspect_line("smoke", LOCK.hex())
    assert answer["error"].startswith("DRV-SEA-002: protocol 'smoke' is not built in")
    assert answer["events"] == []
    with pytest.raises(ProtocolNotBuiltIn):
        protocol_named("smoke")


def test_captures_come_escaped_or_not() -> None:
    inner = b"8054201973,1,168,WLNET,5,2," + bytes.fromhex(
        "28022508595325169288057327940900002802250859551021220618730140644701011d43000000"
    )
    plain = b"(" + inner + b")"
    wire = b"(" + inner.replace(b"\x28", b"\x3d\x15") + b")"
    answers = [inspect_line("jointech", captured.hex()) for captured in (plain, wire)]
    assert answers[0] == answers[1]
    assert answers[0]["events"][0]["attributes"]["temperature_c"] == "28.5"
    assert protocol_named("jt600").new_stream().frames(wire) == [plain]
