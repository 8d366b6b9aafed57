"""A lift behind a real Modbus box: it goes where it is asked to, stops by itself, and shares a connection with the barrier."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from drivers.accessibility import LiftDirection, LiftReported
from drivers.barrier.modbus import Adu
from drivers.barrier.twin import ModbusBarrierTwin
from drivers.camera_lift.driver import build
from drivers.camera_lift.errors import LiftStopped, LimitsWrong
from drivers.camera_lift.twin import POINTS, CameraLiftTwin
from drivers.contracts import BarrierInputs, DeviceEvent, DeviceState, Door, StateChanged
from drivers.errors import DriverFault, OptionsRefused
from drivers.registry import build as build_any
from gate_agent.clock import SystemClock
from tests.waiting import until

UP, DOWN = LiftDirection.UP, LiftDirection.DOWN
CLOCK = SystemClock()


class Lift:
    def __init__(self, twin: Any, **options: Any) -> None:
        self.twin = twin
        self.events: list[DeviceEvent] = []
        given = {"host": "127.0.0.1", "tcp_port": twin.port, "points": POINTS, "poll_ms": 10, "reply_timeout_s": 0.2}
        self.driver = build("lift", {**given, **options}, self.events.append, CLOCK)
        self.task = asyncio.create_task(self.driver.run())

    async def until(self, is_met: Callable[[], object], seconds: float = 10.0) -> None:
        await until(is_met, seconds)

    async def ready(self) -> None:
        await self.until(lambda: any(isinstance(event.data, LiftReported) for event in self.events))

    def faults(self) -> list[str]:
        return [event.data.fault for event in self.events if isinstance(event.data, StateChanged)]

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def lift() -> AsyncIterator[Lift]:
    twin = CameraLiftTwin(speed_mm_per_s=200.0)
    await twin.plug()
    made = Lift(twin)
    await made.ready()
    yield made
    await made.stop()
    await twin.unplug()


async def test_it_is_ready_when_its_outputs_are_at_rest_and_its_limits_known_and_not_sooner() -> None:
    twin = CameraLiftTwin()
    await twin.plug()
    lift = Lift(twin)
    connected, states = lift.driver.connected, []

    async def watched() -> None:
        await connected()
        states.append(lift.driver.state)

    lift.driver.connected = watched  # type: ignore[method-assign] # what comes before the first look
    await lift.ready()
    assert states == [DeviceState.STARTING]
    told = [event.data for event in lift.events if event.data != StateChanged(DeviceState.STARTING)]
    assert told[:2] == [StateChanged(DeviceState.READY), lift.driver._report()]
    await lift.stop()
    await twin.unplug()


async def test_a_move_takes_its_time_and_says_so(lift: Lift) -> None:
    before_mm = lift.twin.height_mm
    report = await lift.driver.move(UP, 0.5)
    assert report == LiftReported(None, is_at_upper_limit=False, is_at_lower_limit=False, is_stopped=False)
    assert 60 <= lift.twin.height_mm - before_mm <= 300  # the box ends it after its time whatever the software does
    assert not lift.twin.is_moving
    moving = [event.data.moving for event in lift.events if isinstance(event.data, LiftReported)]
    assert moving == [None, UP, None]


async def test_a_move_ends_at_the_limit_and_there_is_no_further(lift: Lift) -> None:
    lift.twin.put(100)
    report = await lift.driver.move(DOWN, 3.0)
    assert report.is_at_lower_limit
    assert lift.twin.height_mm == 0
    moves = list(lift.twin.moves)
    assert (await lift.driver.move(DOWN, 3.0)).is_at_lower_limit
    assert lift.twin.moves == moves, "nothing is switched at the limit"


@pytest.mark.parametrize("way", ["cancel", "stop"])
async def test_it_stops_when_it_is_not_wanted_any_more(lift: Lift, way: str) -> None:
    moving = asyncio.create_task(lift.driver.move(UP, 3.0))
    await lift.until(lambda: lift.twin.is_moving)
    if way == "cancel":
        moving.cancel()
    else:
        lift.driver.stop()
    with contextlib.suppress(asyncio.CancelledError):
        await moving
    assert not lift.twin.is_moving
    at_mm = lift.twin.height_mm
    await asyncio.sleep(0.1)
    assert lift.twin.height_mm == at_mm


async def test_its_stop_contact_ends_a_move_and_forbids_the_next(lift: Lift) -> None:
    moving = asyncio.create_task(lift.driver.move(UP, 3.0))
    await lift.until(lambda: lift.twin.is_moving)
    lift.twin.press_stop()
    with pytest.raises(LiftStopped):
        await moving
    with pytest.raises(LiftStopped):
        await lift.driver.move(DOWN, 1.0)
    assert "DRV-LFT-001" in lift.faults()
    lift.twin.press_stop(on=False)
    await lift.until(lambda: lift.faults()[-1] == "")
    await lift.driver.move(DOWN, 0.2)


async def test_limits_that_contradict_each_other_keep_it_where_it_is(lift: Lift) -> None:
    lift.twin.break_limits()
    await lift.until(lambda: "DRV-LFT-002" in lift.faults())
    with pytest.raises(LimitsWrong):
        await lift.driver.move(UP, 1.0)
    assert lift.twin.moves == []
    lift.twin.break_limits(on=False)
    await lift.until(lambda: lift.faults()[-1] == "")


async def test_a_lost_connection_ends_the_move_on_the_box_and_nothing_goes_on_afterwards(lift: Lift) -> None:
    moving = asyncio.create_task(lift.driver.move(UP, 0.8))
    await lift.until(lambda: lift.twin.is_moving)
    await lift.twin.unplug()
    with pytest.raises(DriverFault):
        await moving
    await asyncio.sleep(0.9)
    assert not lift.twin.is_moving, "the box's own time to live ended it"
    await lift.twin.plug()
    await lift.until(lambda: lift.driver.state is DeviceState.READY)
    at_mm = lift.twin.height_mm
    await asyncio.sleep(0.2)
    assert lift.twin.height_mm == at_mm


async def test_up_and_down_never_act_together(lift: Lift) -> None:
    both = await asyncio.gather(lift.driver.move(UP, 0.3), lift.driver.move(DOWN, 0.3))
    assert [one.moving for one in both] == [None, None]
    assert lift.twin.moves == ["up", "down"]


class OneBox(ModbusBarrierTwin):
    """A barrier's box, unit 1, and a lift's, unit 2, behind one address."""

    def __init__(self, lift: CameraLiftTwin) -> None:
        super().__init__()
        self.lift = lift

    def _answer(self, adu: Adu) -> bytes | None:
        return self.lift.answer(adu.pdu) if adu.unit == 2 else super()._answer(adu)


async def test_lift_and_barrier_share_one_connection() -> None:
    lift_twin = CameraLiftTwin(speed_mm_per_s=200.0)
    box = OneBox(lift_twin)
    await box.plug()
    events: list[DeviceEvent] = []
    options = {"host": "127.0.0.1", "port": box.port, "is_shared": True, "poll_ms": 20}
    barrier: Any = build_any("barrier", "modbus_barrier", options, events.append, CLOCK)
    running = asyncio.create_task(barrier.run())
    lift = Lift(box, is_shared=True, unit=2)
    try:
        await lift.ready()
        await lift.until(lambda: any(isinstance(event.data, BarrierInputs) for event in events))
        assert len(box._writers) == 1
        await asyncio.gather(lift.driver.move(DOWN, 0.4), barrier.release(Door.EXIT, 1, 2.0))
        assert lift_twin.moves == ["down"]
        assert [door for door, _ in box.released_log] == [Door.EXIT]
    finally:
        await lift.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await box.stop()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"up": None}, "up is needed"),
        ({"ttl": None}, "board_watchdog_s"),
        ({"up": {"function": 2, "address": 0}}, "up is written with function 5"),
        ({"stop": {"function": 3, "address": 0}}, "needs its bit"),
        ({"ttl": {"function": 5, "address": 0}}, "ttl is written with function 6"),
    ],
)
def test_a_wrong_wiring_is_refused(change: dict[str, Any], complaint: str) -> None:
    points = {name: point for name, point in {**POINTS, **change}.items() if point is not None}
    with pytest.raises(OptionsRefused, match=complaint):
        build("lift", {"host": "127.0.0.1", "points": points}, lambda _event: None, CLOCK)
    with pytest.raises(OptionsRefused, match="either `path` or `host`"):
        build("lift", {"points": POINTS}, lambda _event: None, CLOCK)
