"""Power supplies through NUT: the lines of RFC 9271, what they mean, and that a low battery is told once per outage."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.codec import BadFrame
from drivers.contracts import DeviceEvent, StateChanged
from drivers.errors import OptionsRefused
from drivers.power.driver import NutUps, build, reading
from drivers.power.nut_lines import LINE_LIMIT_BYTES, Line, NutCodec
from drivers.power.twin import NutTwin
from drivers.surroundings import UpsBatteryLow, UpsReported
from gate_agent.clock import SystemClock
from tests.waiting import until

# As RFC 9271, 4.2.7 and 4.2.8 print it.
LISTED = b'BEGIN LIST VAR su700\nVAR su700 ups.mfr "APC"\nVAR su700 ups.status "OL"\nEND LIST VAR su700\n'


def driver(events: list[DeviceEvent], **options: object) -> NutUps:
    return build("ups", {"host": "127.0.0.1", **options}, events.append, SystemClock())


def answer(status: str, charge: str = "100", runtime: str = "1800") -> bytes:
    variables = {"ups.status": status, "battery.charge": charge, "battery.runtime": runtime}
    lines = [("BEGIN", "LIST", "VAR", "ups")]
    listed = [("VAR", "ups", name, value) for name, value in variables.items()]
    return b"".join(NutCodec.encode(Line(words)) for words in [*lines, *listed, ("END", "LIST", "VAR", "ups")])


def told(*chunks: bytes, **options: object) -> list[object]:
    events: list[DeviceEvent] = []
    running = driver(events, **options)
    for chunk in chunks:
        running.received(chunk, 1.0)
    return [event.data for event in events if not isinstance(event.data, StateChanged)]


def test_the_list_of_the_standard_is_read() -> None:
    assert told(LISTED, ups="su700") == [UpsReported(False, False, None, None, ("OL",))]
    assert told(LISTED) == []  # another supply's


def test_every_split_gives_the_same_lines() -> None:
    whole = NutCodec().feed(LISTED)
    assert whole[1] == Line(("VAR", "su700", "ups.mfr", "APC"))
    for at in range(len(LISTED)):
        codec = NutCodec()
        assert codec.feed(LISTED[:at]) + codec.feed(LISTED[at:]) == whole


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'VAR u m "a \\"b\\" \\\\"\r\n', ("VAR", "u", "m", 'a "b" \\')),
        (b'VAR u m ""\n', ("VAR", "u", "m", "")),
        (b"ERR DATA-STALE\n", ("ERR", "DATA-STALE")),
    ],
    ids=["escapes", "empty", "bare"],
)
def test_words_are_unquoted(content: bytes, words: tuple[str, ...]) -> None:
    assert NutCodec().feed(content) == [Line(words)]


@pytest.mark.parametrize(
    "content",
    [b'VAR u m "open\n', b'VAR u m "a"b\n', b"\xff\xfe\n", b"\n", b"x" * (LINE_LIMIT_BYTES + 1)],
    ids=["open", "glued", "no-text", "empty", "long"],
)
def test_what_is_no_line_is_dropped_and_the_next_is_read(content: bytes) -> None:
    codec = NutCodec()
    assert isinstance(codec.feed(content)[0], BadFrame)
    assert codec.feed(b"\nOK\n")[-1] == Line(("OK",))


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\r")), min_size=1, max_size=5))
def test_what_is_written_is_read_again(words: list[str]) -> None:
    written = NutCodec.encode(Line(tuple(words)))
    if len(written) <= LINE_LIMIT_BYTES:
        assert NutCodec().feed(written) == [Line(tuple(words))]


@pytest.mark.parametrize(
    ("status", "is_on_battery"), [("OL", False), ("OB DISCHRG", True), ("OL OB", True), ("BYPASS", None)]
)
def test_on_battery_is_told_unknown_is_none(status: str, is_on_battery: bool | None) -> None:
    report = reading({"ups.status": status, "battery.charge": "101", "battery.runtime": "-1"})
    assert report is not None
    assert report.is_on_battery is is_on_battery
    assert (report.charge_ratio, report.runtime_s) == (None, None)
    assert reading({"battery.charge": "50"}) is None


def test_only_a_change_is_reported_and_a_low_battery_once_per_outage() -> None:
    low = UpsBatteryLow(0.2, 360.0)
    reports = told(
        answer("OL"),
        answer("OL"),
        answer("OB", "80", "900"),
        answer("OB", "20", "360"),
        answer("OB", "19", "340"),
        answer("BYPASS", "19", "340"),
        answer("OB", "18", "330"),
        answer("OL", "18", "330"),
        answer("OB", "20", "360"),
    )
    assert [one for one in reports if isinstance(one, UpsBatteryLow)] == [low, low]
    assert [one.charge_ratio for one in reports if isinstance(one, UpsReported)] == [
        *(1.0, 0.8, 0.2, 0.19, 0.19, 0.18, 0.18, 0.2)
    ]


@pytest.mark.parametrize(
    "content",
    [answer("OB LB", "90"), answer("OB", "90", "120"), answer("OL FSD"), answer("OB", "20")],
    ids=["own-word", "runtime", "forced", "charge"],
)
def test_each_sign_of_a_low_battery_counts(content: bytes) -> None:
    assert any(isinstance(one, UpsBatteryLow) for one in told(content))


def test_a_low_battery_that_is_not_in_use_stops_nothing() -> None:
    assert not any(isinstance(one, UpsBatteryLow) for one in told(answer("OL LB CHRG", "5", "60")))


@pytest.mark.parametrize(
    ("refusal", "code"),
    [("DATA-STALE", "DRV-UPS-001"), ("DRIVER-NOT-CONNECTED", "DRV-UPS-001"), ("ACCESS-DENIED", "DRV-UPS-002")],
)
async def test_a_refusal_is_a_fault_with_its_remedy_and_ends(refusal: str, code: str) -> None:
    twin = NutTwin()
    await twin.plug()
    events: list[DeviceEvent] = []
    running = driver(events, port=twin.port, poll_s=0.01, reconnect_limit_s=0.1)
    task = asyncio.create_task(running.run())
    await until(lambda: running.state == "ready")
    twin.refusal = refusal
    await until(lambda: running.reporter.fault_code == code)
    assert running.state == "fault"
    twin.refusal = ""
    await until(lambda: running.state == "ready")
    assert running.reporter.fault_code == ""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await twin.unplug()
    assert set(twin.asked) == {("LIST", "VAR", "ups")}  # nothing else is ever sent


def test_a_name_that_would_be_another_command_is_refused() -> None:
    with pytest.raises(OptionsRefused, match="ups"):
        driver([], ups="ups\nFSD ups")


def test_a_pause_longer_than_the_patience_is_refused() -> None:
    with pytest.raises(OptionsRefused, match="dead_s"):
        driver([], poll_s=14)
