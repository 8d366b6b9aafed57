import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.seal_tracker import eseal, teratrack
from drivers.seal_tracker.errors import SealFrameRejected
from drivers.seal_tracker.events import STATUS_BITS, alarm_kinds
from drivers.seal_tracker.reading import Reading
from tests.unit.tracker_frames import ESEAL, MOMENT, PLACE, TERATRACK

PLACES = st.builds(
    Reading,
    is_valid=st.just(True),
    latitude_deg=st.integers(-90_000_000, 90_000_000).map(lambda count: count / 1e6),
    longitude_deg=st.integers(-180_000_000, 180_000_000).filter(bool).map(lambda count: count / 1e6),
)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)).map(lambda at: at.replace(microsecond=0, tzinfo=UTC))


@given(PLACES, TIMES, st.sampled_from(sorted(eseal.REPORTS)), st.integers(0, 10**9 - 1))
def test_an_eseal_report_survives_the_wire(place: Reading, moment: datetime, kind: str, index: int) -> None:
    decoded = eseal.decode(eseal.encode("1000898", kind, index, moment, place))
    event = decoded.events[0]
    assert (event.latitude_deg, event.longitude_deg) == (place.latitude_deg, place.longitude_deg)
    assert (event.device_time, dict(event.attributes)["index"]) == (moment, str(index))
    assert decoded.reply == f"##S,eSeal,1000898,256,3.0.6,{kind} ACK,{index},E##\r\n".encode()


@pytest.mark.parametrize(
    ("kind", "door", "event"),
    [
        ("Event-Door", "Open", ("shackle_opened", False)),
        ("Event-Door", "Close", ("shackle_closed", False)),
        ("Event-Shock", "Close", ("vibration", True)),
        ("Event-Drop", "Close", ("dropped", True)),
        ("Event-Lock", "Close", ("sealed", False)),
        ("Event-RC-Unlock", "Open", ("unsealed_by_platform", False)),
    ],
)
def test_eseal_events_have_their_normalised_names(kind: str, door: str, event: tuple[str, bool]) -> None:
    _, told = eseal.decode(eseal.encode("1", kind, 0, MOMENT, PLACE, door)).events
    assert (told.kind, told.is_alarm) == event
    assert dict(told.attributes)["door"] == door.lower()


def test_only_startup_gets_the_configuration() -> None:
    startup, normal = (eseal.encode("1000898", kind, 1, MOMENT, PLACE) for kind in ("Startup", "Normal"))
    assert eseal.decode(startup, "180,30").reply == b"##S,eSeal,1000898,256,3.0.6,Startup ACK,1,180,30,E##\r\n"
    assert eseal.decode(normal, "180,30").reply == b"##S,eSeal,1000898,256,3.0.6,Normal ACK,1,E##\r\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"1000898", b"10x0898"),
        (b",A,", b",X,"),
        (b"41.2995", b"41,2995"),
        (b"Close", b"Ajar"),
        (b"2026-11-30", b"2026/11/30"),
        (b",E##", b""),
        (b"4.0", b"full"),
    ],
)
def test_an_eseal_field_that_is_none_is_rejected(old: bytes, new: bytes) -> None:
    frame = eseal.encode("1000898", "Normal", 1, MOMENT, PLACE).strip()
    assert old in frame
    with pytest.raises(SealFrameRejected):
        eseal.decode(frame.replace(old, new))


@given(PLACES, TIMES, st.integers(0, 0x7FFF), st.integers(0, 999))
def test_a_teratrack_report_survives_the_wire(place: Reading, moment: datetime, status: int, index: int) -> None:
    carried = status & sum(1 << bit for bit in teratrack.BIT_OF_KEY.values())
    decoded = teratrack.decode(teratrack.encode("9900000007", place, moment, status, index))
    base = decoded.events[0]
    assert (base.latitude_deg, base.longitude_deg, base.device_time) == (
        place.latitude_deg,
        place.longitude_deg,
        moment,
    )
    assert dict(base.attributes)["status"] == f"{carried:04x}"
    assert [event.kind for event in decoded.events[1:]] == list(alarm_kinds(carried))
    assert decoded.reply == (b"{01}" if status & 0x20 else b"")


def test_every_json_key_stands_for_its_bit() -> None:
    assert {bit.number for bit in STATUS_BITS} - {0, 1, 2} == set(teratrack.BIT_OF_KEY.values())
    for key, bit in teratrack.BIT_OF_KEY.items():
        told = json.loads(teratrack.encode("1", PLACE, MOMENT, 1 << bit, 0))
        assert [name for name in teratrack.BIT_OF_KEY if told[name] == "1"] == [key]


def test_slave_locks_raise_their_own_alarms_unless_they_are_out_of_reach() -> None:
    told = json.loads(TERATRACK.frames[1])
    told["Slave"] = [
        {"SDeviceId": "685304", "SLockCutOff": "1", "STimeOut": "0"},
        {"SDeviceId": "224779", "SLockCutOff": "1", "STimeOut": "1"},
    ]
    _, alarm = teratrack.decode(json.dumps(told).encode()).events
    assert (alarm.kind, alarm.is_alarm, dict(alarm.attributes)["slave_lock_id"]) == ("rope_cut", True, "685304")


@pytest.mark.parametrize(
    "change",
    [
        {"MDeviceID": 7},
        {"MDeviceID": "x"},
        {"Latitude": "north"},
        {"Latitude": None},
        {"DateTime": "today"},
        {"Slave": "none"},
        {"Slave": [{}] * 33},
        {"Speed": "1" * 99},
    ],
    ids=str,
)
def test_a_teratrack_field_that_is_none_is_rejected(change: dict[str, object]) -> None:
    told = json.loads(TERATRACK.frames[0]) | change
    with pytest.raises(SealFrameRejected):
        teratrack.decode(json.dumps(told).encode())


def test_no_deep_nesting_crashes_the_decoder() -> None:
    with pytest.raises(SealFrameRejected):
        teratrack.decode(b'{"a":' * 4000 + b"1" + b"}" * 4000)


def test_answers_of_a_seal_to_commands_are_no_reports() -> None:
    decoded = eseal.decode(ESEAL.frames[-1])
    assert (decoded.message, decoded.events, decoded.reply) == ("RC-NFC DEL ACK", (), b"")
