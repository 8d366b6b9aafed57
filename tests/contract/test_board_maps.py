"""Boards other than the reference one: their maps, their watchdog, and releases that the software has to end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.barrier.board_maps import GENERIC, built_in_maps, read_map
from drivers.barrier.driver import build
from drivers.barrier.errors import ReleaseNotMade
from drivers.barrier.modbus import Function, Request
from drivers.barrier.modbus_client import ModbusClient
from drivers.barrier.signals import ProcessImage, poll_plan
from drivers.barrier.twin import ModbusBarrierTwin
from drivers.contracts import BarrierInputs, DeviceState, Door, StateChanged
from drivers.errors import OptionsRefused
from drivers.link import TcpPeer
from gate_agent.clock import SystemClock
from tests.contract.barrier_bench import Asking, Gate, Running

PLAIN = {
    name: point.model_dump(mode="json")
    for name, point in read_map(GENERIC).points.items()
    if name not in {"entrance_ttl", "exit_ttl", "entrance_releases", "exit_releases", "heartbeat"}
}
WATCHDOG = {"address": 3, "value": 4}


@pytest.fixture
async def twin() -> AsyncIterator[ModbusBarrierTwin]:
    made = ModbusBarrierTwin(transit_s=0.03, open_s=0.06, watchdog_s=30.0, takes_ttl=False)
    await made.plug()
    yield made
    await made.stop()


@pytest.fixture
async def gate(twin: ModbusBarrierTwin) -> AsyncIterator[Gate]:
    running = Gate(twin, table={"points": PLAIN, "watchdog": WATCHDOG})
    await running.until(running.inputs)
    yield running
    await running.stop()


async def test_the_software_ends_a_release_after_its_time_to_live(gate: Gate) -> None:
    begun_s = asyncio.get_running_loop().time()
    await gate.driver.release(Door.EXIT, 1, 0.3)
    await gate.until(lambda: not gate.twin.is_released(Door.EXIT), 0.7)
    assert asyncio.get_running_loop().time() - begun_s >= 0.3, "not before its time"
    assert len(gate.twin.released_log) == 1


async def test_a_second_release_has_its_whole_time(gate: Gate) -> None:
    await gate.driver.release(Door.EXIT, 1, 0.2)
    await gate.driver.release(Door.EXIT, 1, 1.0)
    await asyncio.sleep(0.5)
    assert gate.twin.is_released(Door.EXIT)


async def test_one_passage_ends_the_release(gate: Gate) -> None:
    await gate.driver.release(Door.EXIT, 1, 30.0)
    assert gate.twin.walk_out()
    await gate.until(lambda: not gate.twin.is_released(Door.EXIT))
    assert not any(inputs.irregularities for inputs in gate.inputs())


async def test_the_watchdog_of_the_map_ends_a_release_when_the_software_is_gone(gate: Gate) -> None:
    await gate.driver.release(Door.EXIT, 1, 30.0)
    await asyncio.sleep(0.6)  # longer than the watchdog: polling keeps it content
    assert gate.twin.is_released(Door.EXIT)
    await gate.stop()
    await gate.until(lambda: gate.twin.is_safe, 1.5)  # 0.4 s were written; the twin came with 30
    assert not gate.twin.walk_out()


async def test_a_release_that_an_earlier_run_left_is_ended(twin: ModbusBarrierTwin) -> None:
    before = Gate(twin, table={"points": PLAIN}, board_watchdog_s=30)
    await before.until(before.inputs)
    await before.driver.release(Door.EXIT, 1, 30.0)
    await before.stop()
    assert twin.is_released(Door.EXIT)
    after = Gate(twin, table={"points": PLAIN}, board_watchdog_s=30)
    await after.until(lambda: not twin.is_released(Door.EXIT))
    await after.stop()


async def test_an_end_whose_reply_is_lost_with_the_connection_is_told_again(twin: ModbusBarrierTwin) -> None:
    gate = Gate(twin, table={"points": PLAIN}, board_watchdog_s=30)  # which does not end it meanwhile
    await gate.until(gate.inputs)
    await gate.driver.release(Door.EXIT, 1, 0.3)
    await twin.unplug()
    await asyncio.sleep(0.35)
    assert twin.is_released(Door.EXIT)
    await twin.plug()
    await gate.until(lambda: not twin.is_released(Door.EXIT))
    await gate.stop()


async def test_a_watchdog_that_does_not_read_back_is_a_fault_and_nothing_is_released() -> None:
    class Stubborn(ModbusBarrierTwin):
        def _write_register(self, address: int, value: int) -> None:
            if address != WATCHDOG["address"]:
                super()._write_register(address, value)

    twin = Stubborn(takes_ttl=False)
    await twin.plug()
    gate = Gate(twin, table={"points": PLAIN, "watchdog": WATCHDOG})
    await gate.until(lambda: gate.driver.state is DeviceState.FAULT)
    faults = [event.data.fault for event in gate.events if isinstance(event.data, StateChanged)]
    assert "DRV-BAR-003" in faults
    assert not gate.inputs()
    await gate.stop()
    await twin.stop()


def faults_of(gate: Running) -> list[str]:
    return [event.data.fault for event in gate.events if isinstance(event.data, StateChanged)]


def states_of(gate: Running) -> list[DeviceState]:
    return [event.data.state for event in gate.events if isinstance(event.data, StateChanged)]


async def test_a_watchdog_that_fired_while_the_software_was_away_is_cleared_at_the_start() -> None:
    twin = ModbusBarrierTwin()
    twin.fire_watchdog()
    await twin.plug()
    gate = Gate(twin)
    await gate.until(gate.inputs)
    assert states_of(gate) == [DeviceState.STARTING, DeviceState.READY]
    await gate.driver.release(Door.EXIT, 1, 5.0)
    await gate.stop()
    await twin.stop()


async def test_a_watchdog_that_fires_meanwhile_is_a_fault_with_its_remedy_and_passes() -> None:
    twin = ModbusBarrierTwin()
    await twin.plug()
    gate = Gate(twin, heartbeat_s=0.05)
    await gate.until(gate.inputs)
    twin.fire_watchdog()
    await gate.until(lambda: "DRV-BAR-005" in faults_of(gate))
    await gate.until(lambda: gate.driver.state is DeviceState.READY)
    await gate.stop()
    await twin.stop()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda twin: twin.fire_watchdog(keeps_alarm=True), "DRV-BAR-005"),
        (lambda twin: twin.watchdog_off(), "DRV-BAR-006"),
    ],
    ids=["fired and stays so", "not enabled"],
)
async def test_a_board_whose_watchdog_protects_nobody_is_never_ready_and_released(
    spoil: Callable[[ModbusBarrierTwin], None], code: str
) -> None:
    twin = ModbusBarrierTwin()
    spoil(twin)
    await twin.plug()
    gate = Gate(twin, confirm_timeout_s=0.2)
    await gate.until(lambda: faults_of(gate).count(code) >= 2)
    assert DeviceState.READY not in states_of(gate)
    for _ in range(5):
        with pytest.raises(ReleaseNotMade):
            await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.released() == []
    await gate.stop()
    await twin.stop()


async def test_a_time_to_live_goes_to_the_board_in_its_own_unit() -> None:
    twin = ModbusBarrierTwin()
    await twin.plug()
    points = {name: point.model_dump(mode="json") for name, point in read_map(GENERIC).points.items()}
    gate = Gate(twin, table={"points": points, "ttl_unit_ms": 500})  # a board whose pulse width counts half seconds
    await gate.until(gate.inputs)
    await gate.driver.release(Door.EXIT, 1, 2.9)
    await gate.until(lambda: not twin.is_released(Door.EXIT), 2.5)  # five units of the twin are half a second
    await gate.stop()
    await twin.stop()


async def test_a_plain_board_of_another_author_is_released_and_ended() -> None:
    def bits() -> list[SimData]:
        return [SimData(0, values=[False] * 4160, datatype=DataType.BITS)]

    def registers() -> list[SimData]:
        return [SimData(0, values=[0] * 40, datatype=DataType.REGISTERS)]

    server = ModbusTcpServer(SimDevice(1, simdata=(bits(), bits(), registers(), registers())), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    port = server.transport.sockets[0].getsockname()[1]
    options = {"host": "127.0.0.1", "port": port, "map": "moxa_iologik_e1200", "board_watchdog_s": 5, "poll_ms": 20}
    gate = Running(None, build, options)
    asking = Asking(await TcpPeer("127.0.0.1", port).open(), ModbusClient(1, 1.0))
    try:
        await gate.until(gate.inputs)
        await gate.driver.release(Door.EXIT, 1, 0.4)
        assert await asking.ask(1, 0, 2) == (0, 1)
        async with asyncio.timeout(10):
            while await asking.ask(1, 0, 2) != (0, 0):
                await asyncio.sleep(0.02)
        await asking.ask(5, 4144, values=(1,))  # as the board does when its watchdog fires
        await gate.until(lambda: "DRV-BAR-005" in faults_of(gate), 10.0)
        await gate.until(lambda: gate.driver.state is DeviceState.READY, 10.0)  # cleared by the driver
        assert await asking.ask(1, 4144) == (0,)
        await asking.ask(5, 4113, values=(1,))
        await gate.until(lambda: gate.driver.state is DeviceState.FAULT, 10.0)
        with pytest.raises(ReleaseNotMade):
            await gate.driver.release(Door.EXIT, 1, 0.4)
        assert await asking.ask(1, 0, 2) == (0, 0)
        await asking.ask(5, 4113, values=(0,))
        await gate.until(lambda: gate.driver.state is DeviceState.READY, 10.0)
    finally:
        await asking.close()
        await gate.stop()
        await server.shutdown()


# ---- maps


@pytest.mark.parametrize("name", built_in_maps())
def test_a_built_in_map_is_usable_and_says_where_it_is_from(name: str) -> None:
    table = read_map(name)
    assert table.board
    assert table.source
    extra = {} if table.takes_ttl else {"board_watchdog_s": 5}
    driver = build("barrier-1", {"host": "h", "map": name, **extra}, lambda _event: None, SystemClock())
    assert driver.capabilities == {"entrance", "exit", "signal"}


def test_the_maps_of_plain_boards_read_what_their_lists_say() -> None:
    moxa, adam = read_map("moxa_iologik_e1200"), read_map("advantech_adam_6000")
    assert poll_plan(moxa) == (
        Request(Function.READ_DISCRETE_INPUTS, 0, 8),
        Request(Function.READ_INPUT_REGISTERS, 27, 3),
    )
    assert poll_plan(adam) == (Request(Function.READ_COILS, 0, 8), Request(Function.READ_HOLDING_REGISTERS, 10, 3))
    image = ProcessImage(moxa)
    image.absorb(poll_plan(moxa)[0], (0, 1, 0, 0, 1, 0, 0, 0))
    image.absorb(poll_plan(moxa)[1], (7, 0, 9))
    assert image.inputs() == BarrierInputs(
        entrance_open=False,
        exit_open=True,
        occupancy=1,
        entrance_passages=7,
        exit_passages=9,
        fire=False,
        tamper=False,
        emergency_stop=True,  # a normally closed contact
    )


POINTS = """
[points]
exit_release = { function = 5, address = 1 }
exit_ttl = { function = 6, address = 1 }
exit_open = { function = 2, address = 1 }
exit_passages = { function = 4, address = 2 }
"""


def test_a_map_of_the_sites_own_is_read_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(POINTS)
    driver = build("barrier-1", {"host": "h", "map": str(path)}, lambda _event: None, SystemClock())
    assert driver.capabilities == {"exit"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[points", "is no TOML"),
        (POINTS.replace("exit_open", "exit_opne"), "points.exit_opne"),
        (POINTS.replace("address = 2", "place = 2"), "points.exit_passages.place: Extra inputs"),
        (POINTS.replace("exit_open = {", "fire = {"), "the signal exit_open is needed"),
        (POINTS.replace("function = 2", "function = 6"), "exit_open uses one of the functions"),
        (POINTS.replace("exit_ttl = { function = 6, address = 1 }\n", ""), "tell its time as board_watchdog_s"),
        ("box = 1\n" + POINTS, "box: Extra inputs .*known: board, source, watchdog, ttl_unit_ms, points"),
        (POINTS + "[watchdog]\naddress = 3\nvalue = 0\n", "watchdog.value"),
        (POINTS + "entrance_ttl = { function = 6, address = 0 }\n", "entrance_ttl without entrance_release"),
    ],
    ids=["toml", "signal", "key", "needed", "function", "watchdog", "top key", "value", "entrance"],
)
def test_a_wrong_map_is_refused_in_plain_words(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(text)
    with pytest.raises(OptionsRefused, match=words):
        build("barrier-1", {"host": "h", "map": str(path)}, lambda _event: None, SystemClock())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"map": "moxa"}, "there are: advantech_adam_6000, generic, moxa_iologik_e1200"),
        ({"map": "/nowhere/at/all.toml"}, "cannot be read: No such file"),
        ({"map": "moxa_iologik_e1200", "table": {"points": PLAIN}}, "only one of the two"),
        ({"map": "moxa_iologik_e1200"}, "board_watchdog_s"),
    ],
    ids=["unknown", "absent", "both", "no watchdog"],
)
def test_a_wrong_choice_of_map_is_refused_in_plain_words(options: dict[str, object], words: str) -> None:
    with pytest.raises(OptionsRefused, match=words):
        build("barrier-1", {"host": "h", **options}, lambda _event: None, SystemClock())
