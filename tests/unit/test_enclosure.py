"""An enclosure: what a sensor's file says, faults with slack, and a heater that every kind of death leaves off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contracts import DeviceEvent, DeviceState, StateChanged
from drivers.enclosure.driver import HwmonEnclosure, build
from drivers.enclosure.heater import HeaterBoard, Thermostat
from drivers.enclosure.temperature_file import celsius
from drivers.enclosure.twin import HeaterBoardTwin, TemperatureTwin
from drivers.endpoints import endpoints_of
from drivers.errors import FrameDamaged, OptionsRefused
from drivers.link import TcpPeer
from drivers.reach import Endpoint
from drivers.surroundings import EnclosureReported
from gate_agent.clock import SystemClock
from tests.waiting import until


@pytest.mark.parametrize(
    ("content", "value"), [(b"21500\n", 21.5), (b"-40000", -40.0), (b"0\n", 0.0), (b"85000\n", 85.0)]
)
def test_a_temperature_is_thousandths_of_a_degree(content: bytes, value: float) -> None:
    assert celsius(content) == value


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"21.5\n", b"+5\n", b"0x10\n", b"1 2\n", b"999999\n", b"-99000\n", b"21500\n\n", b"\xd9\xa1\n"],
    ids=repr,
)
def test_what_is_no_temperature_is_refused(content: bytes) -> None:
    with pytest.raises(FrameDamaged):
        celsius(content)


@given(st.lists(st.floats(-20, 40), min_size=1, max_size=60))
def test_a_thermostat_follows_its_two_limits_and_nothing_between_them_switches(felt: list[float]) -> None:
    thermostat = Thermostat(5.0, 2.0)
    for temperature_c in felt:
        before = thermostat.is_heating
        after = thermostat.felt(temperature_c)
        assert after if temperature_c < 5.0 else True
        assert not after if temperature_c >= 7.0 else True
        assert after is before if 5.0 <= temperature_c < 7.0 else True


@pytest.mark.parametrize(
    "options",
    [
        {"low_c": 50.0, "high_c": 53.0},
        {"heat_below_c": 5.0},
        {"heater_host": "127.0.0.1"},
        {"heat_below_c": 59.0, "heater_host": "127.0.0.1"},
        {"heat_below_c": 5.0, "heater_host": "127.0.0.1", "heater_ttl_s": 600.0, "heater_unit_s": 0.001},
        {"poll_s": 61.0},
    ],
    ids=str,
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionsRefused):
        build("box", {"path": "/x", **options}, [].append, SystemClock())


def test_the_heater_s_board_is_told_to_who_checks_where_devices_go() -> None:
    sensor = {"path": "/sys/x"}
    assert not endpoints_of("hwmon_enclosure", sensor)
    heated = {**sensor, "heat_below_c": 5.0, "heater_host": "10.0.0.9", "heater_port": 502}
    assert endpoints_of("hwmon_enclosure", heated).connects == (Endpoint("10.0.0.9", 502),)


class Box:
    """A sensor, a heater's board, and the driver between them."""

    def __init__(self, folder: Path) -> None:
        self.sensor = TemperatureTwin(folder / "hwmon0" / "temp1_input")
        self.board = HeaterBoardTwin(time.monotonic, unit_s=0.1)
        self.events: list[DeviceEvent] = []
        self.folder = folder
        self.driver: HwmonEnclosure | None = None
        self.task: asyncio.Task[None] | None = None

    async def start(self, **options: object) -> None:
        await self.board.plug()
        await self.sensor.plug()
        given_options = {
            "path": str(self.folder / "hwmon*" / "temp1_input"), "poll_s": 0.02, "dead_s": 5.0, "heat_below_c": 5.0,
            "heater_host": "127.0.0.1", "heater_port": self.board.port, "heater_ttl_s": 2.0, "heater_unit_s": 0.1,
            "heater_timeout_s": 0.5, **options,
        }  # fmt: skip
        self.driver = build("box", given_options, self.events.append, SystemClock())
        self.task = asyncio.create_task(self.driver.run())
        await self.until(lambda: self.driver is not None and self.driver.state is DeviceState.READY)

    async def until(self, is_met: Callable[[], object]) -> None:
        await until(is_met, 30)

    def faults(self) -> list[str]:
        return [event.data.fault for event in self.events if isinstance(event.data, StateChanged)]

    def told(self) -> list[EnclosureReported]:
        return [event.data for event in self.events if isinstance(event.data, EnclosureReported)]

    async def die(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.task = None


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    made = Box(tmp_path)
    yield made
    await made.die()
    await made.sensor.unplug()
    await made.board.unplug()


async def test_cold_heats_by_orders_that_end_and_warm_ends_it(box: Box) -> None:
    await box.start()
    assert box.board.orders == [], "nothing is ordered while it is warm"
    box.sensor.feel(3.0)
    await box.until(lambda: len(box.board.orders) >= 3)
    assert set(box.board.orders) == {20}, "always for two seconds, never for ever"
    box.sensor.feel(6.0)
    await asyncio.sleep(0.1)
    assert box.told()[-1].is_heating, "between the limits all stays as it is"
    box.sensor.feel(8.0)
    await box.until(lambda: box.board.orders[-1] == 0)
    assert not box.board.is_on
    assert not box.told()[-1].is_heating


async def test_the_death_of_the_program_leaves_the_heater_off(box: Box) -> None:
    await box.start()
    box.sensor.feel(-10.0)
    await box.until(lambda: box.board.is_on)
    await box.die()
    orders = len(box.board.orders)
    await box.until(lambda: not box.board.is_on)
    assert len(box.board.orders) == orders, "by the board's own timer"


async def test_without_a_temperature_nothing_is_heated(box: Box) -> None:
    await box.start()
    box.sensor.feel(-10.0)
    await box.until(lambda: box.board.is_on)
    await box.sensor.unplug()
    await box.until(lambda: box.driver is not None and box.driver.state is DeviceState.ABSENT)
    orders = len(box.board.orders)
    await box.until(lambda: not box.board.is_on)
    assert len(box.board.orders) == orders
    await box.sensor.plug()
    await box.until(lambda: box.board.is_on)


async def test_a_board_that_is_not_heard_is_a_fault_and_the_sensor_goes_on(box: Box) -> None:
    await box.start(low_c=-40.0)
    await box.board.unplug()
    box.sensor.feel(-10.0)
    await box.until(lambda: "DRV-ENC-003" in box.faults())
    assert box.driver is not None
    assert box.driver.state is DeviceState.READY
    box.sensor.feel(-12.0)
    await box.until(lambda: box.told()[-1].temperature_c == -12.0)
    await box.board.plug()
    await box.until(lambda: box.faults()[-1] == "")
    await box.until(lambda: box.board.is_on)


async def test_a_board_that_hangs_or_refuses_is_a_fault(box: Box) -> None:
    await box.board.plug()
    heater = HeaterBoard(
        TcpPeer("127.0.0.1", box.board.port), unit=1, register=0x1_0000 - 1, ttl_s=60, unit_s=1, timeout_s=0.2
    )
    await heater.heat(on=True)
    assert box.board.orders == [60]
    box.board.mute()
    with pytest.raises(Exception, match="the heater's board"):
        await heater.heat(on=True)


async def test_cold_and_heat_are_faults_with_slack(box: Box) -> None:
    await box.start(low_c=0.0, high_c=60.0, heat_below_c=None, heater_host="")
    for temperature_c, fault in ((-1.0, "DRV-ENC-001"), (61.0, "DRV-ENC-002"), (30.0, "")):
        box.sensor.feel(temperature_c)
        await box.until(lambda fault=fault: box.faults()[-1] == fault)
    box.sensor.feel(61.0)
    await box.until(lambda: box.faults()[-1] == "DRV-ENC-002")
    box.sensor.feel(59.0)
    await box.until(lambda: box.told()[-1].temperature_c == 59.0)
    assert box.faults()[-1] == "DRV-ENC-002", "not yet cool enough"
    box.sensor.feel(57.0)
    await box.until(lambda: box.faults()[-1] == "")


async def test_of_two_sensors_nobody_knows_which_is_meant(box: Box) -> None:
    (box.folder / "hwmon1").mkdir()
    (box.folder / "hwmon1" / "temp1_input").write_text("20000\n")
    events: list[DeviceEvent] = []
    await box.sensor.plug()
    driver = build("box", {"path": str(box.folder / "hwmon*" / "temp1_input")}, events.append, SystemClock())
    task = asyncio.create_task(driver.run())
    await box.until(lambda: events)
    assert next(event.data.fault for event in events if isinstance(event.data, StateChanged)) == "DRV-LNK-002"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
