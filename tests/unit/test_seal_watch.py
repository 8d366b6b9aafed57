"""The seals of a gate: changes are recorded once, remembered over a restart, and settled by the customs desk alone."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from drivers.contracts import SealReported
from drivers.seal_tracker import eseal
from drivers.seal_tracker.jointech import encode_lock_frame
from drivers.seal_tracker.protocols import protocol_named
from drivers.seal_tracker.reading import Reading
from gate_agent.app import seal_watch
from gate_agent.app.seal_watch import SealWatch
from gate_agent.domain import events as ev
from gate_agent.domain.crossing import Corridor, Crossing, PassageOutcome
from gate_agent.domain.declaration import Declaration, Direction, TravelMode
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.seal import SealDoubt, SealReport, SealState
from gate_agent.domain.stay import NO_TERMS
from gate_agent.errors import StoreFault
from gate_agent.lane.commits import Commits
from gate_agent.settings import LaneSettings
from gate_agent.store.crossings import NO_RECORD
from tests.bench.seal_load import frame_of
from tests.waiting import until

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
SILENT = timedelta(hours=24)


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time

    def monotonic_s(self) -> float:
        return 0.0


class Disk:
    """A store in memory that can refuse."""

    def __init__(self) -> None:
        self.records: list[SealReport] = []
        self.histories: dict[str, str] = {}
        self.refuses: StoreFault | None = None

    async def commit_seal(self, report: SealReport, history: str = "") -> None:
        if self.refuses is not None:
            raise self.refuses
        self.records.append(report)
        await self.keep_seal(report.seal_id, history)

    async def keep_seal(self, seal_id: str, history: str) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.histories[seal_id] = history
        if not history:
            del self.histories[seal_id]

    async def seal_histories(self) -> list[str]:
        return list(self.histories.values())


class Alarms:
    def __init__(self) -> None:
        self.raised: list[Reason] = []

    async def raise_(self, reason: Reason) -> bool:
        self.raised.append(reason)
        return True


def declared(*seal_ids: str, reference: str = "D1") -> Declaration:
    return Declaration(
        b"t", reference, NOON, NOON + timedelta(days=1), Direction.EXIT, TravelMode.ROAD, seal_ids=seal_ids
    )


def told(clock: Clock, kind: str, seal_id: str = "S1", **attributes: str) -> SealReported:
    return SealReported(seal_id, kind, False, clock.time, None, None, tuple({"told": "live", **attributes}.items()))


@contextlib.asynccontextmanager
async def running(watch: SealWatch, disk: Disk, alarms: Alarms | None = None):
    task = asyncio.create_task(watch.run(disk, alarms, lambda: None))  # type: ignore[arg-type] # tests' own
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_each_change_is_one_record_and_a_breach_is_an_alarm(clock: Clock) -> None:
    watch, disk, alarms = SealWatch(clock, SILENT), Disk(), Alarms()
    async with running(watch, disk, alarms):
        assert watch.reports(declared("S1"))[0].doubt is SealDoubt.NEVER_HEARD
        for kind in ("sealed", "position", "position", "unsealed", "position", "sealed", "rope_cut"):
            watch.reported(told(clock, kind), clock.now())
        await until(lambda: len(disk.records) == 3 and bool(alarms.raised))
    assert [(one.state, one.event) for one in disk.records] == [
        (SealState.UNKNOWN, ""),
        (SealState.INTACT, ""),
        (SealState.TAMPERED, "opened_while_sealed"),
    ]
    assert alarms.raised == [Reason(ReasonCode.SEAL_TAMPERED, {"seal": "S1", "event": "opened_while_sealed"})]


async def test_a_seal_that_no_declaration_names_is_recorded_only_when_it_was_attacked(clock: Clock) -> None:
    watch, disk = SealWatch(clock, SILENT), Disk()
    async with running(watch, disk):
        for kind in ("sealed", "unsealed", "sealed"):
            watch.reported(told(clock, kind), clock.now())
        watch.reported(told(clock, "rope_cut", "S2"), clock.now())
        await until(lambda: {"S1", "S2"} <= set(disk.histories) and len(disk.records) == 1)
    assert disk.records[0].seal_id == "S2"


async def test_a_restart_forgets_no_tamper_no_sealing_and_no_journey(clock: Clock) -> None:
    watch, disk = SealWatch(clock, SILENT), Disk()
    async with running(watch, disk):
        watch.reports(declared("S1", "S2"))
        watch.reported(told(clock, "sealed"), clock.now())
        watch.reported(told(clock, "sealed", "S2"), clock.now())
        watch.reported(told(clock, "unsealed", "S2"), clock.now())
        await until(lambda: len(disk.records) == 5 or not watch._changed)
        await until(lambda: not watch._unsaved)
    disk.histories["broken"] = "{"
    again = SealWatch(clock, SILENT)
    await again.restore(disk)
    assert again.history("S1") == watch.history("S1")
    first, second = again.reports(declared("S1", "S2"))
    assert (first.state, second.state) == (SealState.INTACT, SealState.TAMPERED)
    again.reported(told(clock, "shackle_opened"), clock.now())
    assert again.reports(declared("S1"))[0].event == "opened_while_sealed"


async def test_a_seal_that_was_silent_for_long_is_forgotten_unless_it_matters(clock: Clock) -> None:
    watch, disk = SealWatch(clock, SILENT), Disk()
    async with running(watch, disk):
        watch.reported(told(clock, "sealed", "old"), clock.now())
        watch.reported(told(clock, "rope_cut", "cut"), clock.now())
        watch.reports(declared("tied"))
        await until(lambda: not watch._unsaved and not watch._changed)
    clock.time += seal_watch.KEPT_SILENT
    again = SealWatch(clock, SILENT)
    await again.restore(disk)
    assert set(again._histories) == set(disk.histories) == {"cut", "tied"}
    clock.time += timedelta(days=2)
    await SealWatch(clock, SILENT).restore(disk)
    assert set(disk.histories) == {"cut"}


async def test_a_disk_that_refuses_is_tried_again_and_a_record_that_is_none_is_left_out(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal_watch, "_RETRY_S", 0.01)
    watch, disk = SealWatch(clock, SILENT), Disk()
    disk.refuses = StoreFault("full", code="EG-STO-002")
    async with running(watch, disk):
        watch.reports(declared("S1"))
        watch.reported(told(clock, "sealed"), clock.now())
        await asyncio.sleep(0.05)
        disk.refuses = None
        await until(lambda: [one.state for one in disk.records] == [SealState.UNKNOWN, SealState.INTACT])
        disk.refuses = StoreFault("no record", code=NO_RECORD)
        watch.reports(declared("S" * 99))
        await until(lambda: not watch._changed)
        disk.refuses = None
        await until(lambda: not watch._unsaved)


async def test_the_customs_desk_settles_by_declaration_and_by_seal(clock: Clock) -> None:
    watch = SealWatch(clock, SILENT)
    watch.reports(declared("S1"))
    for seal_id in ("S1", "S2", "S3"):
        watch.reported(told(clock, "sealed", seal_id), clock.now())
        watch.reported(told(clock, "rope_cut", seal_id), clock.now())
    watch.settled("D1", ["S2", "never heard of"], "inspector-1")
    states = [one.state for one in watch.reports(declared("S1", "S2", "S3", reference="D2"))]
    assert states == [SealState.INTACT, SealState.INTACT, SealState.TAMPERED]
    assert watch.history("never heard of").marks == ()


async def test_the_seals_remembered_are_bounded_and_those_that_matter_stay(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal_watch, "SEALS_LIMIT", 3)
    watch, disk = SealWatch(clock, SILENT), Disk()
    watch.reports(declared("tied"))
    watch.reported(told(clock, "rope_cut", "cut"), clock.now())
    for number in range(5):
        watch.reported(told(clock, "sealed", f"S{number}"), clock.now())
    assert list(watch._histories) == ["tied", "cut", "S4"]
    async with running(watch, disk):
        await until(lambda: not watch._unsaved and not watch._changed)
    assert set(disk.histories) == {"tied", "cut", "S4"}


class Lane:
    """What `Commits` asks a lane's surroundings for; only seals matter here."""

    def __init__(self) -> None:
        self.arrived: list[Declaration] = []

    def seals_arrived(self, declaration: Declaration) -> None:
        self.arrived.append(declaration)

    async def commit_crossing(self, crossing: Crossing) -> None:
        """Nothing to keep."""


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("passage", list(PassageOutcome))
async def test_sealed_goods_arrive_when_the_traveller_passed_out_of_the_country(
    clock: Clock, direction: Direction, passage: PassageOutcome
) -> None:
    lane, declaration = Lane(), declared("S1")
    settings = LaneSettings(lane_id=1, direction=direction, document_reader="r", camera="c", barrier="b")
    commits = Commits(
        settings, lane, lane, clock, None,
        job=lambda _: None, report=lambda *_: None, feed=lambda _: None, new_id=uuid.uuid4, trust_version=lambda: None,
        mode_for=lambda declared: declared or TravelMode.ROAD,
    )  # type: ignore[arg-type] # fmt: skip
    answer = SimpleNamespace(corridor=Corridor.GREEN)
    borrowed = SimpleNamespace(
        transaction_id=uuid.uuid4(), decision_id=uuid.uuid4(), answer=answer, own_answer=None, document=None,
        declaration=declaration, crossing_id=None, listed=None, linked_to=None, receipt=None, terms=NO_TERMS,
    )  # fmt: skip
    await commits.crossing(borrowed, [borrowed], ev.CommitCrossing(passage), NOON.date())
    is_out = direction is Direction.EXIT and passage is PassageOutcome.PASSED
    assert lane.arrived == ([declaration] if is_out else [])


def frames_of_an_opening(protocol: str, now: datetime) -> tuple[bytes, bytes]:
    """Return a frame that says sealed and one that says opened, with the tracker's right time."""
    if protocol == "eseal":
        place = Reading(is_valid=False)
        return (
            eseal.encode("1000898", "Event-Lock", 1, now, place),
            eseal.encode("1000898", "Event-Door", 2, now + timedelta(minutes=5), place, "Open"),
        )
    sealed = frame_of(7, 1)
    sealed = replace(sealed, fix=replace(sealed.fix, device_time=now), status=0x20C0)
    opened = (
        f"({sealed.seal_id},P45,{now + timedelta(minutes=5):%d%m%y,%H%M%S},41.3,N,69.2,E,A,0,0,1,1,0012260888,0,0,2)"
    )
    return encode_lock_frame(sealed), opened.encode()


@pytest.mark.parametrize("protocol", ["eseal", "jt600"])
def test_what_a_tracker_calls_no_alarm_is_a_breach_on_the_way(protocol: str) -> None:
    clock = Clock()
    watch = SealWatch(clock, SILENT)
    codec = protocol_named(protocol).new_codec()
    seal_id = ""
    for number, frame in enumerate(frames_of_an_opening(protocol, NOON)):
        clock.time = NOON + timedelta(minutes=5 * number)
        for heard in codec.feed(frame + (b"" if frame.endswith(b"\n") else b"\r\n")):
            seal_id = heard.decoded.seal_id
            for one in heard.decoded.events:
                assert not one.is_alarm
                report = SealReported(
                    seal_id,
                    one.kind,
                    one.is_alarm,
                    one.device_time,
                    one.latitude_deg,
                    one.longitude_deg,
                    one.attributes,
                )
                watch.reported(report, clock.now())
        declaration = replace(declared(seal_id), issued_at=NOON - timedelta(hours=1))
        (known,) = watch.reports(declaration)
        expected = (SealState.INTACT, "") if number == 0 else (SealState.TAMPERED, "opened_while_sealed")
        assert (known.state, known.event) == expected
