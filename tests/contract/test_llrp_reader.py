"""`llrp_rfid` on its twin: start-up in order, signs of life, repeats, refusals, another client, damage."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from drivers.contracts import DeviceClass, DeviceEvent, DeviceState, StateChanged, TagRead
from drivers.errors import OptionsRefused
from drivers.registry import build
from drivers.rfid.inventory import Status, encode_status
from drivers.rfid.llrp_messages import LlrpCodec, Message, MessageType
from drivers.rfid.llrp_parameters import ParameterType, encode_parameter
from drivers.rfid.llrp_twin import LlrpTwin
from drivers.rfid.tag_reports import encode_tag
from drivers.tape import TapeEntry
from gate_agent.cli.devices_events import event_line, event_object
from gate_agent.cli.devices_twin import commands_of
from gate_agent.clock import SystemClock
from tests.contract.running_reader import Reader

START_UP = [
    MessageType.DELETE_ROSPEC,
    MessageType.SET_READER_CONFIG,
    MessageType.ADD_ROSPEC,
    MessageType.ENABLE_ROSPEC,
    MessageType.START_ROSPEC,
]
SEAL = bytes.fromhex("3034000000000000000000aa")
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class FixedClock(SystemClock):
    def now(self) -> datetime:
        return NOON


def over(twin: LlrpTwin, **options: object) -> Reader:
    """Return a running reader; the twin must be plugged."""
    timing = {"keepalive_s": 0.2, "reply_timeout_s": 0.3, "frame_gap_s": 0.1}
    return Reader("llrp_rfid", twin, **timing | options)


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    twin = LlrpTwin(FixedClock())
    await twin.plug()
    running = over(twin)
    await running.until_state(DeviceState.READY)
    yield running
    await running.stop()


async def test_it_starts_up_in_order_and_tells_a_tag(reader: Reader) -> None:
    assert reader.driver.device_class is DeviceClass.RFID_READER
    assert reader.twin.requests == START_UP
    reader.twin.see(SEAL, antenna=2, rssi_dbm=-61)
    await reader.until(lambda: reader.told(TagRead))
    assert reader.told(TagRead) == [TagRead(SEAL, 2, -61, NOON, 1)]
    assert reader.told(StateChanged) == [StateChanged(DeviceState.STARTING), StateChanged(DeviceState.READY)]


async def test_signs_of_life_are_acknowledged_and_keep_it_ready(reader: Reader) -> None:
    await reader.until(lambda: reader.twin.acknowledged_count >= 5)
    assert reader.driver.state is DeviceState.READY


async def test_three_missed_signs_of_life_are_a_fault_and_two_are_none() -> None:
    twin = LlrpTwin(SystemClock())
    await twin.plug()
    reader = over(twin, keepalive_s=0.5)
    await reader.until(lambda: twin.acknowledged_count >= 1)
    twin.mute()
    await asyncio.sleep(1.1)
    assert reader.driver.state is DeviceState.READY
    await reader.until_state(DeviceState.FAULT)
    assert reader.told(StateChanged)[-1].fault == "DRV-DEV-001"
    twin.mute(on=False)
    await reader.until_state(DeviceState.READY)
    assert twin.requests[-5:] == START_UP
    await reader.stop()


async def test_a_tag_that_stays_is_told_once_also_after_a_reconnection(reader: Reader) -> None:
    for _ in range(5):
        reader.twin.see(SEAL)
    reader.twin.see(SEAL, antenna=2)
    await reader.until(lambda: len(reader.told(TagRead)) == 2)
    await reader.twin.unplug()
    await reader.until_state(DeviceState.ABSENT)
    await reader.twin.plug()
    await reader.until_state(DeviceState.READY)
    reader.twin.see(SEAL)
    reader.twin.see(b"another")
    await reader.until(lambda: len(reader.told(TagRead)) == 3)
    assert [(tag.epc, tag.antenna) for tag in reader.told(TagRead)] == [(SEAL, 1), (SEAL, 2), (b"another", 1)]


async def test_it_takes_leave_when_it_is_ended(reader: Reader) -> None:
    reader.task.cancel()
    await reader.until(lambda: reader.twin.requests == [*START_UP, MessageType.CLOSE_CONNECTION])


async def test_several_tags_in_one_report_are_told_each(reader: Reader) -> None:
    sent = [TagRead(bytes([number]) * length) for number, length in ((1, 2), (2, 12), (3, 62))]
    reader.twin.report(*sent)
    await reader.until(lambda: len(reader.told(TagRead)) == 3)
    assert reader.told(TagRead) == sent


@pytest.mark.parametrize("kind", START_UP)
async def test_a_request_that_is_refused_is_a_fault_and_tried_again(kind: MessageType) -> None:
    twin = LlrpTwin(SystemClock())
    await twin.plug()
    twin.refused.add(kind)
    reader = over(twin)
    await reader.until_state(DeviceState.FAULT)
    assert reader.told(StateChanged)[-1].fault == "DRV-DEV-003"
    assert StateChanged(DeviceState.READY) not in reader.told(StateChanged)
    twin.refused.clear()
    await reader.until_state(DeviceState.READY)
    await reader.stop()


async def test_a_reader_with_another_client_says_so_until_that_one_leaves(reader: Reader) -> None:
    second = over(reader.twin)
    await second.until_state(DeviceState.FAULT)
    assert second.told(StateChanged)[-1].fault == "DRV-RFI-001"
    assert StateChanged(DeviceState.READY) not in second.told(StateChanged)
    assert reader.driver.state is DeviceState.READY
    reader.task.cancel()
    await second.until_state(DeviceState.READY)
    second.task.cancel()
    await asyncio.gather(reader.task, second.task, return_exceptions=True)


async def test_a_device_that_accepts_and_never_greets_is_a_fault() -> None:
    twin = LlrpTwin(SystemClock())
    await twin.plug()
    twin.mute()
    reader = over(twin)
    await reader.until_state(DeviceState.FAULT)
    assert reader.told(StateChanged)[-1].fault == "DRV-DEV-001"
    await reader.stop()


async def test_a_broken_report_is_recorded_and_cleared_by_the_next_tag(reader: Reader) -> None:
    body = encode_parameter(ParameterType.TAG_REPORT_DATA, b"\x81\x00\x01") + encode_tag(TagRead(SEAL))
    reader.twin.say(LlrpCodec().encode(Message(MessageType.RO_ACCESS_REPORT, 1, body)))
    await reader.until(lambda: reader.told(TagRead))
    assert [change.fault for change in reader.told(StateChanged)] == ["", "", "DRV-FRM-003", ""]
    assert reader.driver.state is DeviceState.READY


async def test_messages_of_other_types_are_stepped_over(reader: Reader) -> None:
    for kind in (1, 12, 1023, MessageType.CLOSE_CONNECTION_RESPONSE):
        reader.twin.say(LlrpCodec().encode(Message(kind, 1, bytes(5))))
    reader.twin.see(SEAL)
    await reader.until(lambda: reader.told(TagRead))
    assert not reader.driver.reporter.fault_counts


async def test_a_complaint_about_what_nobody_waits_for_changes_nothing(reader: Reader) -> None:
    """Readers that hold no reports may not know ENABLE_EVENTS_AND_REPORTS, and answer it with an error."""
    reader.twin.say(LlrpCodec().encode(Message(MessageType.ERROR_MESSAGE, 6, encode_status(Status(109, "unknown")))))
    reader.twin.see(SEAL)
    await reader.until(lambda: reader.told(TagRead))
    assert reader.driver.state is DeviceState.READY


async def test_a_flood_of_signs_of_life_is_not_owed_without_end(reader: Reader) -> None:
    flood = LlrpCodec().encode(Message(MessageType.KEEPALIVE, 1)) * 5000
    reader.driver.received(flood, 0.0)
    assert reader.driver._owed.qsize() <= 64
    reader.twin.see(SEAL)
    await reader.until(lambda: reader.told(TagRead))


async def test_slow_bytes_make_the_same_message(reader: Reader) -> None:
    wire = LlrpCodec().encode(Message(MessageType.RO_ACCESS_REPORT, 1, encode_tag(TagRead(SEAL, 1))))
    reader.twin._beat_every(0)  # nothing of its own between the bytes
    for byte in wire:
        reader.twin.say(bytes([byte]))
        await asyncio.sleep(0.01)
    await reader.until(lambda: reader.told(TagRead) == [TagRead(SEAL, 1)])


# ---- on a tape, where the time is the tape's


def replayed(*messages: tuple[float, Message], repeat_s: float = 5.0) -> list[Any]:
    events: list[DeviceEvent] = []
    driver: Any = build("reader", "llrp_rfid", {"host": "tape", "repeat_s": repeat_s}, events.append, SystemClock())
    sent = [TapeEntry(at_s, "rx", LlrpCodec().encode(message)) for at_s, message in messages]
    driver.replay([TapeEntry(0.0, "open", b""), *sent])
    return [event.data for event in events]


def report(epc: bytes) -> Message:
    return Message(MessageType.RO_ACCESS_REPORT, 9, encode_tag(TagRead(epc)))


def started(code: int = 0) -> Message:
    return Message(MessageType.START_ROSPEC_RESPONSE, 5, encode_status(Status(code)))


def test_repeats_go_by_the_time_of_the_bytes() -> None:
    seen = ((at_s, report(SEAL)) for at_s in (1.0, 1.5, 5.9, 6.0, 10.9, 11.0))
    told = [one for one in replayed((0.5, started()), *seen) if isinstance(one, TagRead)]
    assert len(told) == 3
    every = replayed((0.5, started()), (1.0, report(SEAL)), (1.0, report(SEAL)), repeat_s=0)
    assert every == [StateChanged(DeviceState.READY), TagRead(SEAL), TagRead(SEAL)]


def test_what_comes_before_the_inventory_runs_is_no_event_and_no_readiness() -> None:
    assert replayed((0.1, report(SEAL)), (0.2, Message(MessageType.KEEPALIVE, 1)), (0.3, started(101))) == []


# ---- at the command line


def test_the_twin_takes_tags_by_hand() -> None:
    twin_commands = commands_of(LlrpTwin(SystemClock()))
    assert {"see", "mute", "corrupt", "delay", "plug", "unplug"} == set(twin_commands)
    assert twin_commands["see"](["3034aa", "2"]) is None
    with pytest.raises(ValueError, match="hexadecimal"):
        twin_commands["see"](["no tag"])


def test_a_watched_tag_is_printed_with_its_epc() -> None:
    event = DeviceEvent("seals", TagRead(SEAL, 2, -61, NOON, 1), NOON, 1.0, 3)
    row = event_object(event, with_content=False)
    told = {
        "epc": SEAL.hex(),
        "antenna": 2,
        "rssi_dbm": -61,
        "first_seen": "2026-06-01T12:00:00+00:00",
        "seen_count": 1,
    }
    assert {"device": "seals", "kind": "TagRead", **told}.items() <= row.items()
    assert f"seals #3  TagRead  epc={SEAL.hex()}  antenna=2  rssi_dbm=-61" in event_line(row)


@pytest.mark.parametrize(
    "options", [{"antennas": []}, {"antennas": [-1]}, {"keepalive_s": 0.01}, {"port": 0}, {"host": ""}]
)
def test_options_that_make_no_sense_are_refused_by_name(options: dict[str, object]) -> None:
    with pytest.raises(OptionsRefused, match=next(iter(options))):
        build("seals", "llrp_rfid", {"host": "reader", **options}, lambda _event: None, SystemClock())
