"""A help button on a Modbus box and on USB: each press once, the intercom's call as one pulse, a stuck button as a fault."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.accessibility import HelpPressed, IntercomReported
from drivers.barcode.hid_wedge import EVIOCGRAB
from drivers.contracts import DeviceEvent, StateChanged, Unsupported
from drivers.errors import DriverFault, OptionsRefused
from drivers.help_point.button import HelpButton, HelpButtonOptions
from drivers.help_point.driver import build
from drivers.help_point.twin import KEY_F12, POINTS, HelpButtonTwin, HelpPointTwin
from gate_agent.clock import SystemClock
from tests.waiting import until

CLOCK = SystemClock()


class Point:
    def __init__(self, driver: Any, events: list[DeviceEvent]) -> None:
        self.driver, self.events = driver, events
        self.task = asyncio.create_task(driver.run())

    async def until(self, is_met: Callable[[], object], seconds: float = 10.0) -> None:
        await until(is_met, seconds)

    def told(self, kind: type) -> list[Any]:
        return [event.data for event in self.events if isinstance(event.data, kind)]

    def faults(self) -> list[str]:
        return [change.fault for change in self.told(StateChanged)]

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@contextlib.asynccontextmanager
async def at_a_box(**options: Any):
    twin = HelpPointTwin()
    await twin.plug()
    events: list[DeviceEvent] = []
    given = {"host": "127.0.0.1", "tcp_port": twin.port, "points": POINTS, "poll_ms": 10, "call_pulse_s": 0.05}
    point = Point(build("help", {**given, **options}, events.append, CLOCK), events)
    await point.until(lambda: point.driver.state.value == "ready")
    try:
        yield twin, point
    finally:
        await point.stop()
        await twin.unplug()


async def test_a_press_is_told_once_however_long_it_lasts() -> None:
    async with at_a_box() as (twin, point):
        for number in (1, 2):
            twin.press()
            await point.until(lambda number=number: len(point.told(HelpPressed)) == number)
            await asyncio.sleep(0.1)
            twin.press(on=False)
            await point.until(lambda: point.driver._pressed_since_s is None)
        assert len(point.told(HelpPressed)) == 2


async def test_a_button_that_stays_pressed_is_a_fault_until_it_is_let_go() -> None:
    async with at_a_box(stuck_s=0.2) as (twin, point):
        twin.press()
        await point.until(lambda: "DRV-HLP-001" in point.faults())
        assert len(point.told(HelpPressed)) == 1
        twin.press(on=False)
        await point.until(lambda: point.faults()[-1] == "")


async def test_a_press_that_outlasts_the_connection_is_still_one() -> None:
    async with at_a_box() as (twin, point):
        twin.press()
        await point.until(lambda: point.told(HelpPressed))
        await twin.unplug()
        await point.until(lambda: point.driver.state.value == "absent")
        await twin.plug()
        await point.until(lambda: point.driver.state.value == "ready")
        await asyncio.sleep(0.1)
        assert len(point.told(HelpPressed)) == 1


async def test_the_call_is_one_pulse_and_none_while_somebody_speaks() -> None:
    async with at_a_box() as (twin, point):
        await point.driver.call()
        assert (twin.calls, twin.coils()) == (1, (False,))
        twin.speak()
        await point.until(lambda: point.told(IntercomReported) == [IntercomReported(is_active=True)])
        await point.driver.call()
        assert twin.calls == 1
        twin.speak(on=False)
        await point.until(lambda: point.told(IntercomReported)[-1] == IntercomReported(is_active=False))


async def test_a_call_that_cannot_be_made_is_a_fault() -> None:
    async with at_a_box(reply_timeout_s=0.05, dead_s=30) as (twin, point):
        twin.mute()
        with pytest.raises(DriverFault) as failed:
            await point.driver.call()
        assert failed.value.code == "DRV-HLP-002"
        assert "DRV-HLP-002" in point.faults()


async def test_a_point_without_an_intercom_says_so() -> None:
    async with at_a_box(points={"help": POINTS["help"]}) as (_, point):
        assert point.driver.capabilities == frozenset()
        with pytest.raises(Unsupported):
            await point.driver.call()


def test_a_wrong_wiring_is_refused() -> None:
    with pytest.raises(OptionsRefused, match="help is needed"):
        build("help", {"host": "x", "points": {"intercom_call": POINTS["intercom_call"]}}, lambda _event: None, CLOCK)


@pytest.mark.parametrize(("key_code", "told"), [(0, 2), (KEY_F12, 1)])
async def test_a_usb_button_is_grabbed_and_its_key_counts(tmp_path: Path, key_code: int, told: int) -> None:
    twin, grabbed = HelpButtonTwin(tmp_path / "button"), []
    await twin.plug()
    events: list[DeviceEvent] = []
    options = HelpButtonOptions(path=str(twin.path), key_code=key_code)
    button = HelpButton(
        "help", options, events.append, CLOCK, lambda _fd, request, value: grabbed.append((request, value))
    )
    point = Point(button, events)
    try:
        await point.until(lambda: point.driver.state.value == "starting")
        twin.press()
        twin.press(28)
        await point.until(lambda: len(point.told(HelpPressed)) == told)
        await asyncio.sleep(0.05)
        assert len(point.told(HelpPressed)) == told
        assert grabbed == [(EVIOCGRAB, 1)]
    finally:
        await point.stop()
        await twin.unplug()


def test_a_real_keyboard_is_never_left_ungrabbed() -> None:
    with pytest.raises(ValueError, match="is_exclusive"):
        HelpButtonOptions(path="/dev/input/event3", is_exclusive=False)
