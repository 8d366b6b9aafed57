"""Galileosky, Navtelecom, Meitrack, Envotech, ADM, T800X and Queclink: the place of every session, and the exact answers."""

import struct
from datetime import UTC, datetime

import pytest

from drivers.checksums import crc8_egts, xor
from drivers.seal_tracker import adm, envotech, galileo, meitrack, navis, queclink, t800x
from drivers.seal_tracker.codec import Heard
from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import SealEvent
from drivers.seal_tracker.protocols import protocol_named
from gate_agent.cli.inspect_seal_frame import inspect_line
from tests.unit.tracker_frames import (
    ADM,
    ENVOTECH,
    GALILEO,
    MEITRACK,
    NAVIS,
    QUECLINK,
    SESSIONS,
    T800X,
    Session,
)

MOMENT = datetime(2026, 11, 30, 12, 15, tzinfo=UTC)


def heard(session: Session) -> list[Heard]:
    items = protocol_named(session.protocol).new_codec().feed(session.stream)
    assert all(isinstance(item, Heard) for item in items)
    return items


def positions(session: Session) -> list[SealEvent]:
    return [event for item in heard(session) for event in item.decoded.events if event.kind == "position"]


@pytest.mark.parametrize(
    ("name", "count"),
    [("galileo", 3), ("navis", 5), ("meitrack", 5), ("envotech", 3), ("adm", 1), ("t800x", 5), ("gl200text", 3)],
)
def test_the_places_of_a_session(name: str, count: int) -> None:
    told = positions(SESSIONS[name])
    assert len(told) == count
    for event in told:
        assert event.latitude_deg == pytest.approx(41.2995, abs=2e-6)
        assert event.longitude_deg == pytest.approx(-69.2401, abs=3e-6)
        assert abs((event.device_time - MOMENT).total_seconds()) <= 3
        attributes = dict(event.attributes)
        assert float(attributes["speed_knots"]) == pytest.approx(36 if name == "envotech" else 36 / 1.852)
        assert float(attributes["course_deg"]) == 90
        assert float(attributes.get("altitude_m", 455)) == 455


def test_galileosky_is_answered_with_its_checksum() -> None:
    for item in heard(GALILEO):
        mark = b"\x07" if item.frame[:1] == b"\x07" else b"\x02"
        assert item.decoded.reply == mark + item.frame[-2:]
    assert dict(heard(GALILEO)[2].decoded.events[0].attributes) == {"result": "ok"}


def test_a_tag_that_nobody_knows_ends_the_packet_and_it_is_still_answered() -> None:
    decoded = galileo.decode(galileo.encode(b"\x20\x00\x00\x00\x01\x30" + bytes(9) + b"\xff\x01"))
    assert [event.kind for event in decoded.events] == ["position"]
    assert decoded.reply


def test_navtelecom_answers() -> None:
    login, records, agreed, array, single, _ = (item.decoded for item in heard(NAVIS))
    for decoded, data in ((login, b"*<S"), (records, b"*<A\x02"), (agreed, b"*<FLEX\xb0\x0a\x0a")):
        assert decoded.reply[:4] == b"@NTC"
        assert struct.unpack("<IIHB", decoded.reply[4:15]) == (7, 1, len(data), xor(data)) or decoded.reply[16:] == data
        assert (xor(decoded.reply[:15]), decoded.reply[16:]) == (decoded.reply[15], data)
    assert array.reply == b"~A\x02" + bytes((crc8_egts(b"~A\x02"),))
    assert single.reply[:-1] == b"~T\x07\x00\x00\x00"


def test_flex_is_not_taken_before_it_was_agreed() -> None:
    codec = protocol_named("navis").new_codec()
    codec.feed(NAVIS.frames[0])
    assert not [item for item in codec.feed(NAVIS.frames[3]) if isinstance(item, Heard)]
    codec.feed(NAVIS.frames[2])
    assert [item for item in codec.feed(NAVIS.frames[3]) if isinstance(item, Heard)]


def test_an_unknown_flex_version_is_answered_with_ours() -> None:
    decoded = navis.decode(navis.encode(b"*>FLEX\xb0\x1e\x1e\xff", 7))
    assert decoded.reply[16:] == b"*<FLEX\xb0\x14\x14"


def test_meitrack_reports_and_the_deletion_of_what_was_sent() -> None:
    text, numbered, answer, tagged, packed = (item.decoded for item in heard(MEITRACK))
    assert {text.reply, numbered.reply, answer.reply, tagged.reply} == {b""}
    assert dict(answer.events[0].attributes) == {"result": "D82,0"}
    assert [event.kind for event in tagged.events] == ["position", "card_presented"]
    told = dict(tagged.events[0].attributes)
    assert (told["actor"], told["locked"]) == ("12165644", "true")
    assert packed.reply.startswith(b"@@A27,861774054558620,CCC,2*")
    star = packed.reply.index(b"*") + 1
    assert int(packed.reply[star : star + 2], 16) == sum(packed.reply[:star]) & 0xFF


def test_a_changed_meitrack_capture_is_shown_and_not_taken() -> None:
    changed = MEITRACK.frames[0].replace(b"41.299500", b"42.299500")
    with pytest.raises(SealFrameRejected, match="checksum"):
        meitrack.decode(changed)
    answer = inspect_line("meitrack", changed.hex())
    assert (answer["error"], answer["is_whole"], answer["events"][0]["lat"]) == (None, False, 42.2995)


def test_an_envotech_lock_opens_and_closes() -> None:
    kinds = [[event.kind for event in item.decoded.events] for item in heard(ENVOTECH)]
    assert kinds == [["position", "shackle_closed"], ["position", "shackle_opened"], ["position"]]
    with pytest.raises(SealFrameRejected):
        envotech.decode(ENVOTECH.frames[0].replace(b",F016109,", b",X016109,"))


def test_adm_tells_its_imei_once_or_before_each_message() -> None:
    login, record, answer = (item.decoded for item in heard(ADM))
    assert (login.seal_id, login.is_login, record.events[0].kind) == ("861774054558620", True, "position")
    assert dict(answer.events[0].attributes) == {"result": "ID=1"}
    assert adm.decode(b"861774054558621" + ADM.frames[1]).seal_id == "861774054558621"


def test_t800x_answers_all_but_positions() -> None:
    login, position, alarm, solar, manoeuvre = (item.decoded for item in heard(T800X))
    assert login.reply == T800X.frames[0]
    assert (position.reply, solar.reply) == (b"", b"")
    assert alarm.reply == t800x.encode(0x25, t800x.ALARM_2, 3, "861774054558620", b"\x03")
    assert [event.kind for event in alarm.events] == ["position", "emergency_button"]
    assert len(manoeuvre.events) == 2
    assert dict(position.events[0].attributes)["battery_percent"] == "85"


def test_queclink_times_and_answers() -> None:
    fix, alarm, state, beat = (item.decoded for item in heard(QUECLINK))
    assert [event.device_time for event in fix.events] == [MOMENT, MOMENT]
    assert [event.kind for event in alarm.events] == ["position", "emergency_button"]
    assert alarm.events[0].device_time == datetime(2026, 11, 30, 12, 15, 3, tzinfo=UTC)
    assert dict(alarm.events[0].attributes)["fix_time"] == "2026-11-30T12:15:00Z"
    assert [event.kind for event in state.events] == ["status"]
    assert (beat.reply, beat.events) == (b"+SACK:GTHBD,1A0401,11F3$", ())


@pytest.mark.parametrize("text", [b"+RESP:GTFRI,1A0401,861774054558620,,0$", b"+RESP:GTFRI,xx,1$", b"+RESP:GTFRI$"])
def test_a_queclink_message_without_its_frame_is_rejected(text: bytes) -> None:
    with pytest.raises(SealFrameRejected):
        queclink.decode(text)
