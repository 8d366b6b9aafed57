"""The barrier driver on its twin: what moved is proven by the twin's log of pulses, never by the driver's word."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.barrier.board_maps import GENERIC, read_map
from drivers.barrier.driver import build
from drivers.barrier.errors import LockedDown, ReleaseNotMade, ReleaseUndetermined
from drivers.barrier.twin import ModbusBarrierTwin, ModbusRtuBarrierTwin
from drivers.contracts import BarrierInputs, DeviceState, Door, GateSignal, Irregularity, StateChanged, Unsupported
from drivers.errors import NotReady, OptionsRefused
from gate_agent.clock import SystemClock
from tests.contract.barrier_bench import Gate

AnyTwin = ModbusBarrierTwin | ModbusRtuBarrierTwin


@pytest.fixture(params=["network", "serial line"])
async def twin(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AnyTwin]:
    made: AnyTwin
    if request.param == "network":
        made = ModbusBarrierTwin(transit_s=0.03, open_s=0.3, watchdog_s=0.4)
    else:
        made = ModbusRtuBarrierTwin(tmp_path / "box", transit_s=0.03, open_s=0.3, watchdog_s=0.4)
    await made.plug()
    yield made
    await made.stop()


@pytest.fixture
async def gate(twin: AnyTwin) -> AsyncIterator[Gate]:
    running = Gate(twin)
    await running.until(running.inputs)
    yield running
    await running.stop()


async def test_inputs_come_once_at_ready_and_then_on_change_only(gate: Gate) -> None:
    kinds = [type(event.data) for event in gate.events]
    assert kinds == [StateChanged, StateChanged, BarrierInputs]
    await asyncio.sleep(0.15)
    assert len(gate.inputs()) == 1
    gate.twin.set_occupancy(3)
    await gate.until(lambda: gate.inputs()[-1].occupancy == 3)
    gate.twin.fire(True)
    await gate.until(lambda: gate.inputs()[-1].fire)
    await gate.until(lambda: gate.inputs()[-1].entrance_open and gate.inputs()[-1].exit_open)
    gate.twin.fire(False)
    gate.twin.tamper(True)
    await gate.until(lambda: gate.inputs()[-1].tamper and not gate.inputs()[-1].fire)
    assert all(left != right for left, right in zip(gate.inputs(), gate.inputs()[1:], strict=False))
    assert await gate.driver.read_inputs() == gate.inputs()[-1]


async def test_a_passage_opens_counts_and_closes(gate: Gate) -> None:
    assert not gate.twin.walk_in()
    await gate.driver.release(Door.ENTRANCE, 1, 5.0)
    assert gate.released() == [Door.ENTRANCE]
    assert gate.twin.walk_in()
    await gate.until(lambda: gate.inputs()[-1].entrance_open)
    await gate.until(lambda: gate.inputs()[-1].entrance_passages == 1 and gate.inputs()[-1].occupancy == 1)
    await gate.until(lambda: not gate.inputs()[-1].entrance_open)
    assert not gate.twin.walk_in()  # one release, one passage
    await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.twin.walk_out()
    await gate.until(lambda: gate.inputs()[-1].exit_passages == 1 and gate.inputs()[-1].occupancy == 0)


async def test_the_board_ends_a_release_after_its_time_to_live(gate: Gate) -> None:
    written: list[tuple[int, int]] = []
    write = gate.twin._write_register

    def heard(address: int, value: int) -> None:
        written.append((address, value))
        write(address, value)

    gate.twin._write_register = heard  # type: ignore[method-assign] # the wire's view of it
    loop = asyncio.get_running_loop()
    asked_s = loop.time()
    await gate.driver.release(Door.EXIT, 1, 0.25)
    assert (1, 2) in written, "rounded down to two tenths of a second"
    await gate.until(lambda: not gate.twin.is_released(Door.EXIT))
    assert loop.time() - asked_s >= 0.2, "not before its time: the driver's own end counts from its request"


async def test_a_lost_reply_is_read_back_and_never_pulses_twice(gate: Gate) -> None:
    gate.twin.lose_replies(1)
    await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.released() == [Door.EXIT]


async def test_a_lost_reply_with_a_passage_meanwhile_never_pulses_twice(gate: Gate) -> None:
    gate.twin.lose_replies(1)
    releasing = asyncio.create_task(gate.driver.release(Door.EXIT, 1, 5.0))
    await gate.until(gate.released)
    assert gate.twin.walk_out()  # the output is off before the driver looks
    await releasing
    assert gate.released() == [Door.EXIT]


async def test_a_lost_request_is_proven_and_sent_again(gate: Gate) -> None:
    gate.twin.lose_requests(1)
    await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.released() == [Door.EXIT]


async def test_a_request_lost_twice_is_told_as_not_made(gate: Gate) -> None:
    gate.twin.lose_requests(2)
    with pytest.raises(ReleaseNotMade) as lost:
        await gate.driver.release(Door.EXIT, 1, 5.0)
    assert lost.value.code == "DRV-BAR-001"
    assert gate.released() == []


async def test_a_connection_lost_with_the_reply_is_read_back_after_reconnection(gate: Gate) -> None:
    gate.twin.lose_replies(1)
    releasing = asyncio.create_task(gate.driver.release(Door.EXIT, 1, 5.0))
    await gate.until(gate.released)
    await gate.twin.unplug()
    await asyncio.sleep(0.1)
    await gate.twin.plug()
    await releasing
    assert gate.released() == [Door.EXIT]


async def test_a_release_nobody_can_read_back_is_undetermined(twin: AnyTwin) -> None:
    gate = Gate(twin, confirm_timeout_s=0.3)
    await gate.until(gate.inputs)
    twin.lose_replies(1)
    releasing = asyncio.create_task(gate.driver.release(Door.EXIT, 1, 5.0))
    await gate.until(gate.released)
    await twin.unplug()
    with pytest.raises(ReleaseUndetermined) as unknown:
        await releasing
    assert unknown.value.severity == "critical"
    await gate.stop()
    assert gate.released() == [Door.EXIT]


async def test_without_a_release_counter_the_output_proves_it(twin: AnyTwin) -> None:
    points = {
        name: point.model_dump()
        for name, point in read_map(GENERIC).points.items()
        if name not in {"entrance_releases", "exit_releases"}
    }
    gate = Gate(twin, table={"points": points})
    await gate.until(gate.inputs)
    twin.lose_replies(1)
    await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.released() == [Door.EXIT]
    await gate.driver.end_releases()
    twin.lose_replies(1)
    with pytest.raises(ReleaseUndetermined):
        await gate.driver.release(Door.EXIT, 1, 0.1)  # over before anybody can look
    assert gate.released() == [Door.EXIT, Door.EXIT]
    await gate.stop()


@pytest.mark.parametrize("door", list(Door), ids=lambda door: door.value)
async def test_a_door_that_moves_without_our_release_is_told_within_a_second(gate: Gate, door: Door) -> None:
    assert await gate.told_of_force_s(door) < 1.0
    assert Irregularity.DOOR_FORCED in (await gate.driver.read_inputs()).irregularities
    await gate.until(lambda: not gate.inputs()[-1].irregularities)  # shut again, and told long enough


async def test_an_emergency_stop_is_observed_and_excuses_no_door(gate: Gate) -> None:
    gate.twin.emergency_stop(True)
    await gate.until(lambda: gate.inputs()[-1].emergency_stop)
    assert not gate.inputs()[-1].fire
    gate.twin.force(Door.EXIT)  # it stops the drives and opens nothing
    await gate.until(lambda: Irregularity.DOOR_FORCED in gate.inputs()[-1].irregularities)
    gate.twin.emergency_stop(False)
    await gate.until(lambda: not gate.inputs()[-1].emergency_stop)


async def test_releases_and_fire_are_no_tampering(gate: Gate) -> None:
    await gate.driver.release(Door.ENTRANCE, 1, 5.0)
    gate.twin.walk_in()
    gate.twin.lose_replies(1)
    await gate.driver.release(Door.EXIT, 1, 5.0)
    gate.twin.walk_out()
    await gate.until(lambda: gate.inputs()[-1].exit_passages == 1 and not gate.inputs()[-1].exit_open)
    gate.twin.fire(True)
    await gate.until(lambda: gate.inputs()[-1].entrance_open)
    await asyncio.sleep(0.1)
    gate.twin.fire(False)
    await gate.until(lambda: not gate.inputs()[-1].entrance_open)
    await asyncio.sleep(0.1)
    assert not any(inputs.irregularities for inputs in gate.inputs())


async def test_more_passages_than_released_are_tailgating(gate: Gate) -> None:
    await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.twin.walk_out()
    await gate.until(lambda: gate.inputs()[-1].exit_passages == 1)
    gate.twin.slip_through(Door.EXIT)  # behind him; whether the door was shut by then is for the machine's load to say
    either = {Irregularity.TAILGATING, Irregularity.PASSAGE_WITHOUT_RELEASE}
    await gate.until(lambda: either & set(gate.inputs()[-1].irregularities))
    await gate.until(lambda: not gate.inputs()[-1].irregularities)


async def test_two_on_one_release_are_tailgating_and_two_on_two_are_not(gate: Gate) -> None:
    await gate.driver.release(Door.EXIT, 2, 5.0)
    assert gate.twin.walk_out()
    await gate.until(lambda: gate.inputs()[-1].exit_passages == 1)
    await gate.until(lambda: gate.twin.is_released(Door.EXIT))
    assert gate.twin.walk_out()
    await gate.until(lambda: gate.inputs()[-1].exit_passages == 2)
    await asyncio.sleep(0.1)
    assert not any(inputs.irregularities for inputs in gate.inputs())
    await gate.driver.release(Door.EXIT, 1, 5.0)
    gate.twin.slip_through(Door.EXIT, 2)
    await gate.until(lambda: Irregularity.TAILGATING in gate.inputs()[-1].irregularities)


async def test_a_passage_that_nothing_released_is_told(gate: Gate) -> None:
    gate.twin.slip_through(Door.EXIT)
    await gate.until(lambda: gate.inputs()[-1].irregularities == (Irregularity.PASSAGE_WITHOUT_RELEASE,))


@pytest.mark.parametrize("door", list(Door), ids=lambda door: door.value)
async def test_a_passage_against_the_direction_is_told(gate: Gate, door: Door) -> None:
    gate.twin.walk_back(door)
    await gate.until(lambda: gate.inputs()[-1].irregularities == (Irregularity.WRONG_WAY,))


async def test_the_way_back_through_a_released_entrance_is_no_wrong_way_but_in_through_the_exit_is(gate: Gate) -> None:
    await gate.driver.release(Door.ENTRANCE, 1, 5.0)
    gate.twin.walk_back(Door.ENTRANCE)
    await gate.until(lambda: gate.inputs()[-1].entrance_back_passages == 1)
    await asyncio.sleep(0.1)
    assert not any(inputs.irregularities for inputs in gate.inputs())
    await gate.driver.release(Door.EXIT, 1, 5.0)
    gate.twin.walk_back(Door.EXIT)
    await gate.until(lambda: Irregularity.WRONG_WAY in gate.inputs()[-1].irregularities)


async def test_passages_in_a_fire_accuse_nobody(gate: Gate) -> None:
    gate.twin.fire(True)
    await gate.until(lambda: gate.inputs()[-1].fire)
    gate.twin.slip_through(Door.EXIT, 3)
    gate.twin.walk_back(Door.ENTRANCE)
    await gate.until(lambda: gate.inputs()[-1].exit_passages == 3)
    gate.twin.fire(False)
    await gate.until(lambda: not gate.inputs()[-1].fire)
    await asyncio.sleep(0.1)
    assert not any(inputs.irregularities for inputs in gate.inputs())


LIGHTS = {
    GateSignal.CLOSED: {"entrance_red", "exit_red"},
    GateSignal.ENTER: {"entrance_green", "exit_red"},
    GateSignal.LEAVE: {"entrance_red", "exit_green"},
    GateSignal.ALARM: {"entrance_red", "exit_red", "sounder"},
    GateSignal.EVACUATE: {"entrance_green", "exit_green"},
}


async def test_lights_and_sounder_tell_what_they_are_told_and_again_after_a_lost_connection(gate: Gate) -> None:
    assert "signal" in gate.driver.capabilities
    await gate.until(lambda: gate.twin.lights == LIGHTS[GateSignal.CLOSED])
    for signal in GateSignal:
        await gate.driver.signal(signal, 60.0)
        assert gate.twin.lights == LIGHTS[signal]
    await gate.twin.unplug()
    await gate.until(lambda: gate.driver.state is DeviceState.ABSENT)
    with pytest.raises(NotReady):
        await gate.driver.signal(GateSignal.LEAVE, 60.0)
    await gate.twin.plug()
    await gate.until(lambda: gate.twin.lights == LIGHTS[GateSignal.LEAVE])
    await gate.stop()
    await gate.until(
        lambda: gate.twin.lights == LIGHTS[GateSignal.CLOSED]
    )  # the watchdog: a gate without its software shows no green


async def test_a_signal_that_nobody_renews_gives_way_to_red_and_in_a_fire_to_green(gate: Gate) -> None:
    begun_s = asyncio.get_running_loop().time()
    await gate.driver.signal(GateSignal.ENTER, 0.6)
    await gate.driver.signal(GateSignal.LEAVE, 0.6)
    assert gate.twin.lights == LIGHTS[GateSignal.LEAVE]
    await gate.until(lambda: gate.twin.lights == LIGHTS[GateSignal.CLOSED])
    assert asyncio.get_running_loop().time() - begun_s >= 0.6, "not before its time"
    await gate.driver.signal(GateSignal.LEAVE, 60.0)
    await gate.driver.signal(GateSignal.LEAVE, 0.0)  # taken back
    assert gate.twin.lights == LIGHTS[GateSignal.CLOSED]
    gate.twin.fire()
    await gate.until(lambda: gate.twin.lights == LIGHTS[GateSignal.EVACUATE])
    gate.twin.fire(False)
    await gate.until(lambda: gate.twin.lights == LIGHTS[GateSignal.CLOSED])


async def test_a_gate_without_lights_says_so(twin: AnyTwin) -> None:
    points = {name: p.model_dump() for name, p in read_map(GENERIC).points.items() if "_green" not in name}
    points = {name: point for name, point in points.items() if "_red" not in name and name != "sounder"}
    gate = Gate(twin, table={"points": points})
    await gate.until(gate.inputs)
    assert "signal" not in gate.driver.capabilities
    with pytest.raises(Unsupported):
        await gate.driver.signal(GateSignal.ALARM, 60.0)
    await gate.stop()


async def test_a_release_that_was_ended_permits_no_opening(gate: Gate) -> None:
    await gate.driver.release(Door.EXIT, 1, 30.0)
    await gate.driver.end_releases()
    await asyncio.sleep(0.6)
    gate.twin.force(Door.EXIT)
    await gate.until(lambda: Irregularity.DOOR_FORCED in gate.inputs()[-1].irregularities)


async def test_a_release_of_one_door_permits_nothing_to_the_other(gate: Gate) -> None:
    await gate.driver.release(Door.ENTRANCE, 1, 30.0)
    gate.twin.force(Door.EXIT)
    await gate.until(lambda: Irregularity.DOOR_FORCED in gate.inputs()[-1].irregularities)


@pytest.mark.parametrize("keeps_open", [False, True], ids=["locks after a passage", "stays unlocked"])
async def test_a_family_passes_on_one_release_and_nobody_after_it(gate: Gate, keeps_open: bool) -> None:
    gate.twin.keeps_open(keeps_open)
    await gate.driver.release(Door.EXIT, 3, 30.0)
    for passed in (1, 2, 3):
        await gate.until(lambda: gate.twin.is_released(Door.EXIT))
        assert gate.twin.walk_out()
        await gate.until(lambda passed=passed: gate.inputs()[-1].exit_passages == passed)
    await gate.until(lambda: not gate.twin.is_released(Door.EXIT))
    await asyncio.sleep(0.1)
    assert not gate.twin.walk_out()
    assert set(gate.released()) == {Door.EXIT}
    assert not any(inputs.irregularities for inputs in gate.inputs())


async def test_a_release_for_several_ends_with_its_time(gate: Gate) -> None:
    await gate.driver.release(Door.EXIT, 5, 0.5)
    assert gate.twin.walk_out()
    await gate.until(lambda: gate.inputs()[-1].exit_passages == 1)
    await asyncio.sleep(0.7)
    assert not gate.twin.walk_out()


@pytest.mark.parametrize("count", [0, -1, 256])
async def test_a_count_that_cannot_be_is_refused(gate: Gate, count: int) -> None:
    with pytest.raises(ReleaseNotMade):
        await gate.driver.release(Door.EXIT, count, 5.0)
    assert gate.released() == []


async def test_a_lockdown_ends_releases_and_refuses_new_ones_until_it_is_lifted(gate: Gate) -> None:
    await gate.driver.release(Door.ENTRANCE, 1, 5.0)
    await gate.driver.release(Door.EXIT, 2, 5.0)
    await gate.driver.lockdown()
    assert not gate.twin.walk_in()
    assert not gate.twin.walk_out()
    with pytest.raises(LockedDown) as refused:
        await gate.driver.release(Door.EXIT, 1, 5.0)
    assert refused.value.code == "DRV-BAR-004"
    gate.twin.fire(True)
    assert gate.twin.walk_out()  # the way out is the hardware's, lockdown or not
    gate.twin.fire(False)
    pulses = len(gate.released())
    await gate.driver.lift_lockdown()
    assert len(gate.released()) == pulses  # lifting releases nothing
    await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.twin.walk_out()


async def test_a_lockdown_that_meets_a_release_on_its_way_ends_it(gate: Gate) -> None:
    gate.twin.lose_replies(1)
    releasing = asyncio.create_task(gate.driver.release(Door.EXIT, 1, 5.0))
    await gate.until(gate.released)
    await gate.driver.lockdown()
    with pytest.raises(LockedDown):
        await releasing
    assert not gate.twin.is_released(Door.EXIT)


async def test_a_lockdown_that_the_box_did_not_hear_is_told_when_it_is_back(twin: AnyTwin) -> None:
    points = {name: point.model_dump() for name, point in read_map(GENERIC).points.items()}
    del points["watchdog_enabled"]
    gate = Gate(twin, table={"points": points})
    await gate.until(gate.inputs)
    await gate.driver.release(Door.EXIT, 1, 30.0)
    gate.twin.watchdog_off()
    await gate.twin.unplug()
    await gate.until(lambda: gate.driver.state is DeviceState.ABSENT)
    with pytest.raises(NotReady):
        await gate.driver.lockdown()
    assert gate.twin.is_released(Door.EXIT)
    await gate.twin.plug()
    await gate.until(lambda: not gate.twin.is_released(Door.EXIT))
    with pytest.raises(LockedDown):
        await gate.driver.release(Door.EXIT, 1, 5.0)
    await gate.stop()


async def test_end_releases_ends_running_ones(gate: Gate) -> None:
    await gate.driver.release(Door.ENTRANCE, 1, 5.0)
    await gate.driver.release(Door.EXIT, 1, 5.0)
    await gate.driver.end_releases()
    assert not gate.twin.walk_in()
    assert not gate.twin.walk_out()


async def test_away_means_not_made(gate: Gate) -> None:
    await gate.twin.unplug()
    await gate.until(lambda: gate.driver.state is DeviceState.ABSENT)
    with pytest.raises(ReleaseNotMade):
        await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.released() == []


@pytest.mark.parametrize("ttl_s", [0.0, -1.0, 0.05, 7000.0])
async def test_a_time_to_live_that_cannot_be_set_is_refused(gate: Gate, ttl_s: float) -> None:
    with pytest.raises(ReleaseNotMade):
        await gate.driver.release(Door.EXIT, 1, ttl_s)
    assert gate.released() == []


async def test_the_watchdog_ends_a_release_when_the_software_is_gone(gate: Gate) -> None:
    await gate.driver.release(Door.EXIT, 1, 30.0)
    assert gate.twin.heartbeat > 0
    assert not gate.twin.is_safe
    await gate.stop()
    await gate.until(lambda: gate.twin.is_safe, 1.5)
    assert not gate.twin.walk_out()


async def test_polling_keeps_the_watchdog_content(gate: Gate) -> None:
    await gate.driver.release(Door.EXIT, 1, 30.0)
    await asyncio.sleep(0.7)
    assert gate.twin.is_released(Door.EXIT)


async def test_a_lane_with_an_exit_only(twin: AnyTwin) -> None:
    points = {
        name: one.model_dump() for name, one in read_map(GENERIC).points.items() if not name.startswith("entrance")
    }
    points["fire"]["invert"] = True
    gate = Gate(twin, table={"points": points})
    await gate.until(gate.inputs)
    assert gate.driver.capabilities == {"exit", "signal"}
    assert gate.inputs()[0].fire  # normally closed contact, reported as wired
    with pytest.raises(Unsupported):
        await gate.driver.release(Door.ENTRANCE, 1, 1.0)
    await gate.driver.release(Door.EXIT, 1, 1.0)
    assert gate.released() == [Door.EXIT]
    await gate.stop()


async def test_a_table_that_does_not_fit_the_box_is_a_fault_with_its_remedy(twin: AnyTwin) -> None:
    points = {name: one.model_dump() for name, one in read_map(GENERIC).points.items()}
    points["occupancy"]["address"] = 500
    gate = Gate(twin, table={"points": points})
    await gate.until(lambda: gate.driver.state is DeviceState.FAULT)
    fault = next(e.data for e in gate.events if isinstance(e.data, StateChanged) and e.data.state is DeviceState.FAULT)
    assert fault.fault == "DRV-MOD-002"
    assert "signal table" in fault.remedy
    await gate.stop()


async def test_two_devices_share_one_connection(twin: AnyTwin) -> None:
    gates = [Gate(twin, is_shared=True) for _ in range(2)]
    for gate in gates:
        await gate.until(gate.inputs)
    if isinstance(twin, ModbusBarrierTwin):  # a serial port is opened exclusively
        assert len(twin._writers) == 1
    await asyncio.gather(*(gate.driver.release(door, 1, 5.0) for gate, door in zip(gates, Door, strict=True)))
    assert sorted(gates[0].released()) == [Door.ENTRANCE, Door.EXIT]
    twin.set_occupancy(4)
    for gate in gates:
        await gate.until(lambda gate=gate: gate.inputs()[-1].occupancy == 4)
    await gates[0].stop()
    twin.set_occupancy(5)
    await gates[1].until(lambda: gates[1].inputs()[-1].occupancy == 5)
    await twin.unplug()
    await gates[1].until(lambda: gates[1].driver.state is DeviceState.ABSENT)
    await twin.plug()
    await gates[1].until(lambda: gates[1].driver.state is DeviceState.READY, 3.0)
    await gates[1].stop()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"exit_release": None}, "exit_release is needed"),
        ({"entrance_ttl": None}, "the board itself ends every release"),
        ({"fire": {"function": 5, "address": 0}}, "fire uses one of the functions"),
        ({"fire": {"function": 4, "address": 0}}, "needs its bit"),
        ({"exit_release": {"function": 5, "address": 70_000}}, "65535"),
    ],
)
def test_a_wrong_table_is_refused_in_plain_words(change: dict[str, object], words: str) -> None:
    points = {name: one.model_dump() for name, one in read_map(GENERIC).points.items()} | change
    table = {"points": {name: point for name, point in points.items() if point is not None}}
    with pytest.raises(OptionsRefused, match=words):
        build("barrier-1", {"host": "h", "table": table}, lambda _event: None, SystemClock())
