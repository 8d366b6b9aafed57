"""What holds for every tracker codec: however the stream is cut, whatever stands before, between and instead of its frames."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.codec import BadFrame
from drivers.seal_tracker import adm, egts, galileo, gt06, jt808, meitrack, navis, t800x, teltonika
from drivers.seal_tracker.codec import GARBAGE_LIMIT_BYTES, Heard, SealCodec
from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import ALARM_KINDS
from drivers.seal_tracker.protocols import PROTOCOLS, protocol_named
from gate_agent.cli.inspect_seal_frame import inspect_line
from tests.unit.tracker_frames import SESSIONS, Session

NOW = datetime(2026, 11, 30, 12, 15, tzinfo=UTC)
ALL_FRAMES = tuple(frame for session in SESSIONS.values() for frame in session.frames)
EVERY = pytest.mark.parametrize("name", sorted(SESSIONS))


def codec_of(session: Session) -> SealCodec:
    return protocol_named(session.protocol).new_codec()


def told(codec: SealCodec, *pieces: bytes) -> list[object]:
    """What a codec makes of pieces, in a form that compares."""
    items = [item for piece in pieces for item in codec.feed(piece)]
    return [item if isinstance(item, BadFrame) else comparable(codec, item) for item in items]


def comparable(codec: SealCodec, heard: Heard) -> tuple[object, ...]:
    decoded = heard.decoded
    return heard.frame, decoded.seal_id, decoded.message, decoded.events, codec.encode(decoded, NOW)


def test_fields_agreed_anew_hold_for_the_records_after_them_and_not_for_those_before() -> None:
    """A tracker that comes back into coverage sends all of it at once."""
    session = SESSIONS["navis"]
    login, _, agreed, records, *_ = session.frames
    fewer = navis.encode(b"*>FLEX\xb0\x0a\x0a\x0e\x80\x00", 7)
    frames = (login, agreed, records, fewer, navis.encode_flex(b"~A\x01" + bytes(4)), agreed, records)
    at_once, one_by_one = told(codec_of(session), b"".join(frames)), told(codec_of(session), *frames)
    assert at_once == one_by_one
    assert at_once[2] == at_once[6]


def heard_frames(items: list[object]) -> list[object]:
    return [item for item in items if not isinstance(item, BadFrame)]


def test_every_protocol_has_a_session_of_made_up_frames() -> None:
    assert {session.protocol for session in SESSIONS.values()} == {protocol.name for protocol in PROTOCOLS.values()}


def test_every_protocol_and_every_alarm_stands_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "trackers.md").read_text()
    assert {name for name in PROTOCOLS if f"`{name}`" not in page} <= {"gl200"}
    assert not {kind for kind in ALARM_KINDS if f"`{kind}`" not in page and not kind.startswith("denied_")}


@EVERY
def test_every_frame_of_a_session_is_understood_and_belongs_to_its_tracker(name: str) -> None:
    session = SESSIONS[name]
    items = told(codec_of(session), session.stream)
    assert len(items) == len(session.frames)
    assert not [item for item in items if isinstance(item, BadFrame)]
    assert {item[1] for item in items} == {session.seal_id}


@EVERY
def test_cutting_the_stream_anywhere_changes_nothing(name: str) -> None:
    session = SESSIONS[name]
    stream = session.stream
    whole = told(codec_of(session), stream)
    assert told(codec_of(session), *(bytes((byte,)) for byte in stream)) == whole
    for cut in range(len(stream)):
        assert told(codec_of(session), stream[:cut], stream[cut:]) == whole


@EVERY
def test_garbage_before_and_between_frames_costs_no_frame(name: str) -> None:
    session = SESSIONS[name]
    if not session.has_marks:
        return
    whole = told(codec_of(session), session.stream)
    for garbage in (b"\x00", b"\xfe\x81\x80", b"\xaa" * (GARBAGE_LIMIT_BYTES + 3)):
        dirty = b"".join(garbage + frame for frame in session.frames)
        codec = codec_of(session)
        items = told(codec, dirty)
        assert heard_frames(items) == whole
        assert (
            0 <= codec.dropped_bytes - len(garbage) * len(session.frames) <= 2 * len(session.frames)
        )  # shared end marks
        assert told(codec_of(session), *(bytes((byte,)) for byte in dirty)) == items


@EVERY
def test_no_flipped_bit_passes_a_checksum_and_none_crashes(name: str) -> None:
    session = SESSIONS[name]
    for number, frame in enumerate(session.frames):
        before = session.frames[:number] or session.frames[:1]
        codec = codec_of(session)
        right = heard_frames(told(codec, *before, frame))
        for position in range(len(frame) * 8):
            flipped = bytearray(frame)
            flipped[position // 8] ^= 1 << position % 8
            codec = codec_of(session)
            items = heard_frames(told(codec, *before, bytes(flipped), frame))
            if session.is_checked and (number or not session.unchecked_login):
                meant = [item[1:] for item in right]  # the case of a hex digit changes nothing
                wrong = [item for item in items if item[1:] not in meant]
                assert not [item for item in wrong if item[3] or item[4]]  # a lone keep-alive byte tells nothing


@given(st.sampled_from(sorted(SESSIONS)), st.data())
def test_no_bytes_crash_a_codec_and_its_memory_is_bounded(name: str, data: st.DataObject) -> None:
    session = SESSIONS[name]
    pieces = data.draw(st.lists(st.binary(max_size=60) | st.sampled_from(session.frames) | _torn(session), max_size=8))
    stream = b"".join(pieces)
    one_shot, byte_wise = codec_of(session), codec_of(session)
    whole = told(one_shot, stream)
    assert told(byte_wise, *(bytes((byte,)) for byte in stream)) == whole
    assert one_shot.dropped_bytes == byte_wise.dropped_bytes
    assert one_shot._stream.pending_bytes <= protocol_named(session.protocol).limit_bytes


def _torn(session: Session) -> st.SearchStrategy[bytes]:
    """Frames with a piece missing and a byte changed."""
    return st.builds(
        lambda frame, start, size, at, byte: _changed(frame[:start] + frame[start + size :], at, byte),
        st.sampled_from(session.frames),
        st.integers(0, 80),
        st.integers(0, 4),
        st.integers(0, 80),
        st.integers(0, 255),
    )


def _changed(frame: bytes, at: int, byte: int) -> bytes:
    return frame[:at] + bytes((byte,)) + frame[at + 1 :]


@EVERY
def test_a_torn_head_costs_no_later_frame_for_ever(name: str) -> None:
    session = SESSIONS[name]
    last = session.frames[-1]
    for size in range(1, len(last)):
        codec = codec_of(session)
        told(codec, session.frames[0], last[:size])
        later = told(codec, *itertools.repeat(last, 1 + 4096 // len(last)))
        assert any(isinstance(item, tuple) and item[0] == _unwrapped(session, last) for item in later)


def _unwrapped(session: Session, frame: bytes) -> bytes:
    return protocol_named(session.protocol).unwrap(frame)


@given(st.sampled_from(sorted(PROTOCOLS)), st.binary(min_size=1, max_size=120) | st.sampled_from(ALL_FRAMES), st.data())
def test_no_captured_bytes_crash_the_command(protocol: str, frame: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(frame) - 1))
    changed = _changed(frame, at, data.draw(st.integers(0, 255)))[: data.draw(st.integers(1, len(frame)))]
    answer = inspect_line(protocol, changed.hex())
    assert answer["error"] is None or (answer["error"].startswith("DRV-SEA-001") and answer["events"] == [])
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


RIGHT_FRAMES_OF_RUBBISH: dict[str, Callable[[int, bytes], bytes]] = {
    "jt808": lambda kind, rubbish: jt808.encode(jt808.Message(JT808_IDS[kind % len(JT808_IDS)], bytes(6), 1, rubbish)),
    "gt06": lambda kind, rubbish: gt06.encode(kind, rubbish, 1),
    "gt06 79": lambda kind, rubbish: gt06.encode(kind, rubbish, 1, is_extended=True),
    "egts": lambda kind, rubbish: egts.encode(
        1, 1, egts.encode_record(1, kind & 3, egts.encode_part(kind >> 3, rubbish))
    ),
    "egts records": lambda kind, rubbish: egts.encode(1, kind & 1, rubbish),
    "teltonika": lambda kind, rubbish: teltonika.encode(
        sorted(teltonika.CODECS)[kind % len(teltonika.CODECS)], [rubbish]
    ),
    "galileo": lambda kind, rubbish: galileo.encode(bytes((kind,)) + rubbish),
    "navis": lambda kind, rubbish: navis.encode(NAVIS_KINDS[kind % len(NAVIS_KINDS)] + rubbish, 1),
    "meitrack": lambda kind, rubbish: meitrack.encode("861774054558620", MEITRACK_KINDS[kind % 4] + rubbish),
    "t800x": lambda kind, rubbish: t800x.encode(0x23 + kind % 5, kind & 0x1F, 1, "861774054558620", rubbish),
    "adm": lambda kind, rubbish: adm.encode(kind & 0xFC, rubbish[:200]),
}
JT808_IDS = (
    0x0200,
    0x0201,
    0x0704,
    0x0210,
    0x0900,
    0x5501,
    0x5502,
    0x0702,
    0x0107,
    0x0701,
    0x6006,
    0x1300,
    0x0002,
    0x0100,
)
NAVIS_KINDS = (b"*>A", b"*>T", b"*>FLEX", b"*>S:", b"")
MEITRACK_KINDS = (b"AAA,", b"CCE,", b"CCC,", b"D82,")


@pytest.mark.parametrize("name", sorted(RIGHT_FRAMES_OF_RUBBISH))
@given(kind=st.integers(0, 255), rubbish=st.binary(max_size=200) | st.sampled_from(ALL_FRAMES), cut=st.integers(0, 40))
def test_rubbish_with_a_right_checksum_is_read_or_rejected(name: str, kind: int, rubbish: bytes, cut: int) -> None:
    protocol = protocol_named(name.split(maxsplit=1)[0])
    frame = protocol.unwrap(RIGHT_FRAMES_OF_RUBBISH[name](kind, rubbish[cut : cut + 220]))
    try:
        decoded = protocol.decode(frame)
    except SealFrameRejected:
        return
    codec = protocol.new_codec()
    assert isinstance(codec.encode(decoded, NOW), bytes)
    for event in decoded.events:
        assert event.latitude_deg is None or (abs(event.latitude_deg) <= 90 and abs(event.longitude_deg) <= 180)
        assert all(isinstance(value, str) and len(value) <= 600 for pair in event.attributes for value in pair)
