import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from drivers.contracts import DeviceEvent, DeviceState, SealReported, StateChanged
from drivers.errors import OptionsRefused
from drivers.seal_tracker import driver as seal_driver
from drivers.seal_tracker.events import TAMPER_KINDS
from drivers.seal_tracker.jt808_twin import Jt808SealTwin
from drivers.seal_tracker.protocols import protocol_named
from drivers.seal_tracker.text_twins import ESealTwin, TeraTrackTwin
from drivers.seal_tracker.twin import SEALED_BITS, AnswerMissing, JointechSealTwin, TrackerTwin
from gate_agent.clock import SystemClock
from tests.unit.tracker_frames import SESSIONS
from tests.waiting import until

CLOCK = SystemClock()
PATIENCE_S = 20.0
"""How long a tracker waits for an answer that does come."""


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


class Lane:
    """A running server with the events it told."""

    def __init__(self, **options: object) -> None:
        self.events: list[DeviceEvent] = []
        self.driver = seal_driver.build("seals", {"port": 0, **options}, self.events.append, CLOCK)
        self.task = asyncio.create_task(self.driver.run())

    async def until(self, is_met: Callable[[], bool], seconds: float = 3.0) -> None:
        await until(is_met, seconds)

    async def until_state(self, state: DeviceState, seconds: float = 3.0) -> None:
        await self.until(lambda: self.driver.state is state, seconds)

    def reports(self) -> list[SealReported]:
        return [event.data for event in self.events if isinstance(event.data, SealReported)]

    async def end(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def lane() -> AsyncIterator[Lane]:
    running = Lane(silent_s=0.4, noise_limit_bytes=256, connections_limit=3)
    await running.until_state(DeviceState.STARTING)
    yield running
    await running.end()


async def test_a_report_makes_it_ready_and_is_answered(lane: Lane) -> None:
    async with JointechSealTwin(lane.driver.port, CLOCK, seal_id="9900000007") as twin:
        assert lane.driver.state is DeviceState.STARTING
        answer = await twin.report(41.2995, -69.2401, [*SEALED_BITS, "rope_cut_alarm", "ack_required"])
        assert answer == b"(P69,0,1)"
        assert lane.driver.state is DeviceState.READY
        position, alarm = lane.reports()
        assert (position.seal_id, position.kind, position.is_alarm) == ("9900000007", "position", False)
        assert position.latitude == pytest.approx(41.2995, abs=1e-6)
        assert position.longitude == pytest.approx(-69.2401, abs=1e-6)
        assert (alarm.kind, alarm.is_alarm) == ("rope_cut", True)
        assert lane.events[-1].raw[:1] == b"$"
        assert twin.sent_frames == 1


TWINS_MODELS = {"99": ["padlock"]}
TWINS: tuple[type[TrackerTwin], ...] = (JointechSealTwin, Jt808SealTwin, ESealTwin, TeraTrackTwin)


@pytest.mark.parametrize("kind_of_twin", TWINS, ids=lambda twin: twin.protocol)
class TestEveryProtocol:
    """One suite for the trackers of every protocol that has a twin."""

    @pytest.fixture
    async def lane(self, kind_of_twin: type[TrackerTwin]) -> AsyncIterator[Lane]:
        running = Lane(protocol=kind_of_twin.protocol, models=TWINS_MODELS, silent_s=0.4, noise_limit_bytes=2048)
        await running.until_state(DeviceState.STARTING)
        yield running
        await running.end()

    async def test_a_report_with_an_alarm_is_told_and_answered(
        self, lane: Lane, kind_of_twin: type[TrackerTwin]
    ) -> None:
        async with kind_of_twin(lane.driver.port, CLOCK, seal_id="9900000007") as twin:
            assert await twin.tell(41.2995, -69.2401, [twin.attack])
            assert lane.driver.state is DeviceState.READY
            position, alarm = lane.reports()
            assert (position.seal_id, position.kind, position.is_alarm) == ("9900000007", "position", False)
            assert position.latitude == pytest.approx(41.2995, abs=1e-6)
            assert position.longitude == pytest.approx(-69.2401, abs=1e-6)
            assert (alarm.seal_id, alarm.is_alarm) == ("9900000007", True)
            assert alarm.kind == twin.attack
            assert abs((position.device_time - CLOCK.now()).total_seconds()) < 5
            assert twin.sent_frames == 1

    async def test_without_a_fix_the_event_stays_and_the_place_goes(
        self, lane: Lane, kind_of_twin: type[TrackerTwin]
    ) -> None:
        async with kind_of_twin(lane.driver.port, CLOCK) as twin:
            assert await twin.tell(0, 0, has_fix=False)
            (report,) = lane.reports()
            assert (report.kind, report.latitude, report.longitude) == ("status", None, None)

    async def test_a_damaged_report_is_repeated_until_it_is_understood(
        self, lane: Lane, kind_of_twin: type[TrackerTwin]
    ) -> None:
        async with kind_of_twin(lane.driver.port, CLOCK, answer_s=0.05, repeats=1) as twin:
            twin.corrupt()
            with pytest.raises(AnswerMissing):
                await twin.tell(1, 1)
            assert lane.reports() == []
            twin.corrupt(on=False)
            twin.answer_s = PATIENCE_S
            assert await twin.tell(1, 1)
            assert [report.kind for report in lane.reports()] == ["position"]

    async def test_a_repeated_frame_is_answered_and_not_told_again(
        self, lane: Lane, kind_of_twin: type[TrackerTwin]
    ) -> None:
        twin = kind_of_twin(lane.driver.port, CLOCK)
        sent: list[tuple[bytes, bytes]] = []
        send = twin._send

        async def remembered(wire: bytes, expected: bytes) -> bytes:
            sent.append((wire, expected))
            return await send(wire, expected)

        twin._send = remembered
        await twin.plug()
        await twin.tell(1, 1, [twin.attack])
        assert await send(*sent[0])
        await twin.unplug()
        await twin.plug()
        assert await send(*sent[0])
        assert [report.kind for report in lane.reports()] == ["position", twin.attack]
        await twin.tell(2, 2)
        assert [report.kind for report in lane.reports()] == ["position", twin.attack, "position"]
        await twin.unplug()

    async def test_a_mute_tracker_is_a_fault_and_a_replugged_one_is_ready(
        self, lane: Lane, kind_of_twin: type[TrackerTwin]
    ) -> None:
        twin = kind_of_twin(lane.driver.port, CLOCK, answer_s=PATIENCE_S, repeats=1)
        await twin.plug()
        await twin.tell(1, 1)
        twin.mute()
        twin.answer_s = 0.1
        with pytest.raises(AnswerMissing):
            await twin.tell(1, 1)
        await lane.until_state(DeviceState.FAULT)
        await twin.unplug()
        twin.mute(on=False)
        twin.answer_s = PATIENCE_S
        await twin.plug()
        assert await twin.tell(1, 1)
        assert lane.driver.state is DeviceState.READY
        await twin.unplug()
        await lane.until_state(DeviceState.ABSENT)


@pytest.mark.parametrize("name", sorted(SESSIONS))
async def test_a_session_of_every_protocol_is_told_and_answered_over_tcp(name: str) -> None:
    session = SESSIONS[name]
    codec = protocol_named(session.protocol).new_codec()
    decoded = [item.decoded for item in codec.feed(b"".join(dict.fromkeys(session.frames)))]
    told = [
        event.kind for each in decoded for event in sorted(each.events, key=lambda event: event.kind in TAMPER_KINDS)
    ]
    server = Lane(protocol=session.protocol)
    await server.until_state(DeviceState.STARTING)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.driver.port)
    writer.write(b"".join(dict.fromkeys(session.frames)))
    answers = sum(len(codec.encode(each, CLOCK.now())) for each in decoded)
    async with asyncio.timeout(3):
        assert len(await reader.readexactly(answers)) == answers
    await server.until(lambda: len(server.reports()) == len(told))
    assert [report.kind for report in server.reports()] == told
    assert {report.seal_id for report in server.reports()} == {session.seal_id}
    assert server.driver.state is DeviceState.READY
    writer.close()
    await server.until_state(DeviceState.ABSENT)
    await server.end()


async def test_an_attack_is_the_last_word_of_a_frame(lane: Lane) -> None:
    async with JointechSealTwin(lane.driver.port, CLOCK) as twin:
        await twin.tell(1, 1, ["vibration", "rope_cut", "battery_low"])
        assert [report.kind for report in lane.reports()] == ["position", "vibration", "battery_low", "rope_cut"]


async def test_a_padlock_registers(lane: Lane) -> None:
    padlocks = Lane(protocol="jt808")
    await padlocks.until_state(DeviceState.STARTING)
    async with Jt808SealTwin(padlocks.driver.port, CLOCK, seal_id="990000000007") as twin:
        assert (await twin.register())[-14:-2] == b"990000000007"
        assert padlocks.driver.state is DeviceState.READY
        assert padlocks.reports() == []
    await padlocks.end()


async def test_nothing_is_answered_that_asks_for_no_answer(lane: Lane) -> None:
    async with JointechSealTwin(lane.driver.port, CLOCK) as twin:
        await twin.report(1, 1)
        assert await twin.report(1, 1, ["ack_required"]) == b"(P69,0,2)"
        assert twin.answers == [b"(P69,0,2)"]


async def test_unplug_is_seen_and_a_replug_makes_it_ready_again(lane: Lane) -> None:
    twin = JointechSealTwin(lane.driver.port, CLOCK)
    for _ in range(3):
        await twin.plug()
        await twin.report(1, 1, has_fix=False)
        await lane.until_state(DeviceState.READY)
        await twin.unplug()
        await lane.until_state(DeviceState.ABSENT)
    assert {report.kind for report in lane.reports()} == {"status"}
    assert all(report.latitude is None for report in lane.reports())


async def test_a_silent_tracker_is_a_fault_and_its_connection_ends(lane: Lane) -> None:
    async with JointechSealTwin(lane.driver.port, CLOCK, answer_s=0.1, repeats=1) as twin:
        await twin.report(1, 1)
        await lane.until_state(DeviceState.READY)
        twin.mute()
        with pytest.raises(AnswerMissing):
            await twin.report(1, 1, ["ack_required"])
        await lane.until_state(DeviceState.FAULT)
    changes = [event.data for event in lane.events if isinstance(event.data, StateChanged)]
    assert changes[-1].fault == "DRV-SEA-011"
    assert changes[-1].remedy


async def test_noise_is_no_report_and_a_repeated_frame_gets_through_after_it(lane: Lane) -> None:
    async with JointechSealTwin(lane.driver.port, CLOCK, answer_s=0.05, repeats=1) as twin:
        twin.corrupt()
        with pytest.raises(AnswerMissing):
            await twin.report(1, 1, ["ack_required"])
        assert lane.reports() == []
        twin.corrupt(on=False)
        twin.answer_s = PATIENCE_S
        assert await twin.report(1, 1, ["ack_required"]) == b"(P69,0,2)"
        twin.corrupt()
        for _ in range(8):
            with contextlib.suppress(OSError):
                await twin.report(1, 1)
        await lane.until_state(DeviceState.FAULT)
    assert [event.data for event in lane.events][-1].fault == "DRV-SEA-012"


async def test_connections_are_bounded(lane: Lane) -> None:
    twins = [JointechSealTwin(lane.driver.port, CLOCK, seal_id=f"990000000{number}") for number in range(4)]
    for twin in twins:
        await twin.plug()
    for twin in twins[:3]:
        assert await twin.report(1, 1, ["ack_required"])
    with pytest.raises(OSError):
        await twins[3].report(1, 1, ["ack_required"])
    for twin in twins:
        await twin.unplug()


async def test_a_taken_port_is_a_fault_until_it_is_free(lane: Lane) -> None:
    second = Lane(port=lane.driver.port)
    await second.until_state(DeviceState.FAULT)
    await lane.end()
    await second.until_state(DeviceState.STARTING)
    await second.end()
    assert [event.data.fault for event in second.events] == ["DRV-SEA-010", ""]


async def test_sequence_has_no_gaps_and_cancelling_leaves_nothing() -> None:
    tasks, descriptors = len(asyncio.all_tasks()), open_descriptors()
    running = Lane()
    await running.until_state(DeviceState.STARTING)
    twin = JointechSealTwin(running.driver.port, CLOCK)
    await twin.plug()
    for _ in range(20):
        await twin.report(2, 2, ["ack_required", "vibration_alarm", "low_battery_alarm"])
    await running.end()
    await twin.unplug()
    await running.until(lambda: len(asyncio.all_tasks()) == tasks and open_descriptors() == descriptors)
    assert [event.seq for event in running.events] == list(range(1, len(running.events) + 1))
    assert len(running.reports()) == 60
    stamps_s = [event.t_mono_s for event in running.events if isinstance(event.data, SealReported)]
    assert stamps_s == sorted(stamps_s)


@pytest.mark.parametrize(
    "options", [{"port": 0, "colour": "red"}, {"port": 70000}, {"port": 0, "protocol": "smoke"}, {}], ids=str
)
def test_wrong_options_are_refused_by_name(options: dict[str, object]) -> None:
    with pytest.raises(OptionsRefused, match=r"colour|port|protocol"):
        seal_driver.build("seals", options, lambda _: None, CLOCK)
