"""The turnstile driver on its twin: what moved is proven by the twin, never by the driver's word."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.barrier.errors import LockedDown, ReleaseNotMade, ReleaseUndetermined
from drivers.barrier.turnstile import build
from drivers.barrier.turnstile_twin import LOCK, SHOWS, STATUS, WORDS, TurnstileTwin
from drivers.contracts import DeviceState, Door, GateSignal, Irregularity, Unsupported
from drivers.errors import DeviceSilent, OptionsRefused
from gate_agent.clock import SystemClock
from tests.contract.barrier_bench import Running

OPTIONS: dict[str, object] = {
    "entrance_release": "49",
    "lock": LOCK.hex(),
    "status": STATUS.hex(),
    "told": WORDS,
    "shows": {signal: content.hex() for signal, content in SHOWS.items()},
    "shows_ttl_s": 3.0,
    "wait_s": 0.4,
    "reply_timeout_s": 0.1,
}


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Running]:
    twin = TurnstileTwin(tmp_path / "turnstile", wait_s=0.4)
    await twin.plug()
    running = Running(twin, build, {"path": str(twin.path), **OPTIONS})
    await running.until(running.inputs)
    yield running
    await running.stop()
    await twin.stop()


@pytest.mark.parametrize("door", list(Door), ids=lambda door: door.value)
async def test_a_passage_is_released_once_and_counted(gate: Running, door: Door) -> None:
    assert gate.driver.capabilities == {"entrance", "exit", "signal"}
    assert not gate.twin.walk(door)
    await gate.driver.release(door, 1, 5.0)
    assert gate.twin.released_log == [door]
    assert gate.twin.walk(door)
    await gate.until(lambda: gate.inputs()[-1].entrance_passages + gate.inputs()[-1].exit_passages == 1)
    await gate.until(lambda: not (gate.inputs()[-1].exit_open or gate.inputs()[-1].entrance_open))
    assert gate.inputs()[-1].exit_passages == (door is Door.EXIT)
    assert not gate.twin.walk(door)
    assert not any(inputs.irregularities for inputs in gate.inputs())
    assert await gate.driver.read_inputs() == gate.inputs()[-1]


async def test_the_turnstile_ends_a_release_by_itself(gate: Running) -> None:
    await gate.driver.release(Door.EXIT, 1, 0.4)
    await gate.until(lambda: not gate.twin.is_released(Door.EXIT), 0.8)


async def test_a_turnstile_that_would_wait_longer_is_not_released(gate: Running) -> None:
    with pytest.raises(ReleaseNotMade, match=r"longer than 0\.3 s"):
        await gate.driver.release(Door.EXIT, 1, 0.3)
    assert gate.twin.released_log == []


async def test_a_lost_confirmation_is_undetermined_and_never_sent_again(gate: Running) -> None:
    gate.twin.lose_replies(1)
    with pytest.raises(ReleaseUndetermined):
        await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.twin.released_log == [Door.EXIT]
    assert gate.twin.walk(Door.EXIT)  # it was released, so this is no climber
    await gate.until(lambda: gate.inputs()[-1].exit_passages == 1)
    assert not gate.inputs()[-1].irregularities


async def test_a_refusal_is_told_as_not_made(gate: Running) -> None:
    gate.twin.refuses = True
    with pytest.raises(ReleaseNotMade):
        await gate.driver.release(Door.EXIT, 1, 5.0)


async def test_end_releases_ends_running_ones(gate: Running) -> None:
    await gate.driver.release(Door.ENTRANCE, 1, 5.0)
    await gate.driver.release(Door.EXIT, 1, 5.0)
    await gate.driver.end_releases()
    assert not gate.twin.walk(Door.ENTRANCE)
    assert not gate.twin.walk(Door.EXIT)


async def test_a_family_passes_one_after_another(gate: Running) -> None:
    await gate.driver.release(Door.EXIT, 3, 30.0)
    for passed in (1, 2, 3):
        await gate.until(lambda: gate.twin.is_released(Door.EXIT))
        assert gate.twin.walk(Door.EXIT)
        await gate.until(lambda passed=passed: gate.inputs()[-1].exit_passages == passed)
    await asyncio.sleep(0.1)
    assert not gate.twin.walk(Door.EXIT)
    assert gate.twin.released_log == [Door.EXIT] * 3
    assert not any(inputs.irregularities for inputs in gate.inputs())


async def test_the_next_passage_is_not_released_when_no_time_is_left_for_it(gate: Running) -> None:
    await gate.driver.release(Door.EXIT, 3, 0.4)  # as long as the turnstile waits
    assert gate.twin.walk(Door.EXIT)
    await gate.until(lambda: gate.inputs()[-1].exit_passages == 1)
    await asyncio.sleep(0.1)
    assert gate.twin.released_log == [Door.EXIT]


async def test_a_lockdown_ends_releases_and_refuses_new_ones_until_it_is_lifted(gate: Running) -> None:
    await gate.driver.release(Door.EXIT, 2, 5.0)
    await gate.driver.lockdown()
    assert not gate.twin.walk(Door.EXIT)
    with pytest.raises(LockedDown):
        await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.twin.released_log == [Door.EXIT]
    await gate.driver.lift_lockdown()
    await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.twin.walk(Door.EXIT)


async def test_away_means_not_made_and_mute_is_a_fault(gate: Running) -> None:
    gate.twin.mute()
    with pytest.raises(DeviceSilent):
        await gate.driver.end_releases()
    await gate.until(lambda: gate.driver.state is DeviceState.FAULT)
    await gate.twin.unplug()
    await gate.until(lambda: gate.driver.state is DeviceState.ABSENT)
    with pytest.raises(ReleaseNotMade):
        await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.twin.released_log == []


async def test_who_climbs_is_told_within_a_second(gate: Running) -> None:
    assert await gate.told_of_force_s(Door.EXIT) < 1.0
    await gate.until(lambda: Irregularity.PASSAGE_WITHOUT_RELEASE in gate.inputs()[-1].irregularities)
    await gate.until(lambda: not gate.inputs()[-1].irregularities, 20.0)


async def test_a_second_passage_on_one_release_is_tailgating(gate: Running) -> None:
    await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.twin.walk(Door.EXIT)
    await gate.until(lambda: gate.inputs()[-1].exit_passages == 1)
    gate.twin.tell("exit_passed")
    await gate.until(lambda: gate.inputs()[-1].irregularities == (Irregularity.TAILGATING,))


async def test_a_passage_against_the_direction_is_told(gate: Running) -> None:
    gate.twin.tell("exit_back")
    await gate.until(lambda: gate.inputs()[-1].irregularities == (Irregularity.WRONG_WAY,))
    assert gate.inputs()[-1].exit_back_passages == 1


async def test_lights_are_told_where_the_options_have_commands_for_them(gate: Running) -> None:
    assert "signal" in gate.driver.capabilities
    for signal, content in SHOWS.items():
        await gate.driver.signal(GateSignal(signal), 60.0)
        assert gate.twin.shown == content
    await gate.driver.signal(GateSignal.EVACUATE, 60.0)  # no command: nothing is sent
    assert gate.twin.shown == SHOWS["alarm"]
    dark = build("barrier-1", {"path": "/dev/null", **OPTIONS, "shows": {}}, gate.events.append, SystemClock())
    with pytest.raises(Unsupported):
        await dark.signal(GateSignal.CLOSED, 60.0)


async def test_lights_that_nobody_renews_go_red_by_the_driver_and_without_it_by_the_turnstile(gate: Running) -> None:
    await gate.driver.signal(GateSignal.LEAVE, 0.4)
    assert gate.twin.shown == SHOWS["leave"]
    await gate.until(lambda: gate.twin.shown == SHOWS["closed"])
    await gate.driver.signal(GateSignal.LEAVE, 60.0)
    await gate.stop()
    assert gate.twin.shown == SHOWS["leave"]
    await gate.until(lambda: gate.twin.shown == SHOWS["closed"], 20.0)


def test_lights_without_an_end_of_their_own_are_refused() -> None:
    with pytest.raises(OptionsRefused) as refused:
        build("barrier-1", {"path": "/dev/null", **OPTIONS, "shows_ttl_s": None}, lambda _event: None, SystemClock())
    assert "shows_ttl_s" in str(refused.value)
    only_red = {"shows": {"closed": "52"}, "shows_ttl_s": None}
    build("barrier-1", {"path": "/dev/null", **OPTIONS, **only_red}, lambda _event: None, SystemClock())


async def test_fire_and_the_tamper_contact_are_observed(gate: Running) -> None:
    gate.twin.fire()
    gate.twin.force(Door.EXIT)  # the arms drop
    await gate.until(lambda: gate.inputs()[-1].exit_passages == 1)
    assert gate.inputs()[-1].fire
    assert not gate.inputs()[-1].irregularities
    gate.twin.tell("emergency_stop_on")
    await gate.until(lambda: gate.inputs()[-1].emergency_stop)
    gate.twin.tell("emergency_stop_off")
    await gate.until(lambda: not gate.inputs()[-1].emergency_stop)
    gate.twin.tell("tamper_on")
    await gate.until(lambda: gate.inputs()[-1].tamper)
    await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.inputs()[-1].tamper  # the contact's own, which no confirmation ends


async def test_a_turnstile_with_an_exit_only(gate: Running) -> None:
    only = build(
        "barrier-1", {"path": "/dev/null", **OPTIONS, "entrance_release": None}, gate.events.append, SystemClock()
    )
    with pytest.raises(Unsupported):
        await only.release(Door.ENTRANCE, 1, 5.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"told": {"06": "taken", "53": "alive"}}, "told has nothing for entrance_passed, exit_passed"),
        ({"told": {"5802": "exit_passed"}}, "told has nothing for alive, entrance_passed, taken"),
        ({"told": WORDS | {"xyz": "taken"}}, "written in hex"),
        ({"lock": None}, "lock"),
        ({"wait_s": 0}, "wait_s"),
        ({"exit_release": ""}, "exit_release"),
    ],
    ids=["passage", "all", "hex", "lock", "wait", "empty"],
)
def test_words_that_prove_nothing_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(OptionsRefused, match=words):
        build("barrier-1", {"path": "/dev/null", **OPTIONS, **change}, lambda _event: None, SystemClock())
