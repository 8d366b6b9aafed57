"""Devices opened for a moment, by hand or by `egate doctor`: what state each reached, and what it told last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from drivers.contracts import DeviceClass, DeviceEvent, DeviceState, Driver, StateChanged
from drivers.errors import DeviceSilent, DriverFault
from drivers.registry import build
from drivers.supervisor import SupervisedDriver
from gate_agent.cli.findings import Finding
from gate_agent.clock import SystemClock
from gate_agent.settings import DeviceSettings


@dataclass(frozen=True, slots=True)
class Probed:
    """A device after its moment: its driver, its state with the fault that stands, the payload it told last."""

    driver: Driver
    state: StateChanged
    last: type | None

    @property
    def is_owed_a_word(self) -> bool:
        """Tell whether this device speaks when it is asked, or always: then an open one that says nothing is no good one."""
        if isinstance(self.driver, SupervisedDriver):
            return self.driver.timing.quiet_s is not None
        return self.driver.device_class is DeviceClass.CAMERA


async def run_together(drivers: Sequence[Driver], seconds: float, until: Callable[[], bool] | None = None) -> None:
    """Run drivers for a while (0: without end), or until a condition holds."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(driver.run()) for driver in drivers]
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds or None):
                while until is None or not until():  # noqa: ASYNC110 - states of several drivers, looked at now and then
                    await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()


async def probe(devices: Sequence[DeviceSettings], seconds: float) -> list[Probed]:
    """Open devices until all are READY, at most so long. Raises `OptionsRefused` for one that cannot be built."""
    last: dict[str, DeviceEvent] = {}
    states: dict[str, StateChanged] = {}

    def hear(event: DeviceEvent) -> None:
        last[event.device] = event
        if isinstance(event.data, StateChanged):
            states[event.device] = event.data
        let_go(event)

    drivers = [build(one.name, one.driver, one.options, hear, SystemClock()) for one in devices]
    await run_together(drivers, seconds, lambda: all(driver.state is DeviceState.READY for driver in drivers))
    return [
        Probed(
            driver,
            states.get(driver.name, StateChanged(driver.state)),
            type(last[driver.name].data) if driver.name in last else None,
        )
        for driver in drivers
    ]


def let_go(event: DeviceEvent) -> None:
    """Give a camera's frame back at once."""
    release = getattr(event.data, "release", None)
    if release is not None:
        release()


def probe_findings(devices: Sequence[DeviceSettings], seconds: float) -> dict[str, list[Finding]]:
    """Open each device for a moment; return by name what is wrong with it and what to do. Must not be called in a running loop."""
    found: dict[str, list[Finding]] = {}
    usable = []
    for device in devices:
        try:
            build(device.name, device.driver, device.options, let_go, SystemClock())
        except DriverFault as fault:
            found[device.name] = [Finding(f"device {device.name}", f"{fault.code}: {fault}", fault.remedy)]
        else:
            usable.append(device)
    for one in asyncio.run(probe(usable, seconds)):
        found[one.driver.name] = _state_findings(one, seconds)
    return {device.name: found[device.name] for device in devices}


def _state_findings(one: Probed, seconds: float) -> list[Finding]:
    where = f"device {one.driver.name}"
    if one.state.fault:
        return [Finding(where, f"{one.state.state.value} ({one.state.fault})", one.state.remedy)]
    if one.driver.state is DeviceState.STARTING and one.is_owed_a_word:
        return [Finding(where, f"open, and said nothing for {seconds:g} s", DeviceSilent.remedy)]
    return []
