"""One suite for every driver: first plug, unplug, replug, mute, corrupt, tape, cancel. Rigs come from the `rig_*.py` files beside it.

Rigs of drivers that are no part of eGate come from the folders that the variable EGATE_RIGS names (docs/drivers.md).
"""

import asyncio
import contextlib
import importlib.util
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.contracts import DeviceEvent, DeviceState, StateChanged
from drivers.errors import DriverUnknown, OptionsRefused
from drivers.registry import build, driver_names
from drivers.tape import MemoryTape
from gate_agent.clock import SystemClock
from tests.waiting import until

CLOCK = SystemClock()


def load_rigs(folders: list[Path]) -> dict[str, Any]:
    rigs: dict[str, Any] = {}
    for path in sorted(path for folder in folders for path in folder.glob("rig_*.py")):
        spec = importlib.util.spec_from_file_location(f"egate_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        rigs |= module.RIGS
    return rigs


DECLARING = {
    *("mrz_serial", "elyctis_tlv", "barcode_serial", "zebra_ssi", "honeywell_serial", "hid_wedge", "example_reader")
}
OTHERS = [Path(folder) for folder in os.environ.get("EGATE_RIGS", "").split(os.pathsep) if folder]
RIGS = load_rigs([Path(__file__).parent, *OTHERS])


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


class Bench:
    """A rig with its running driver and everything it told."""

    def __init__(self, rig: Any) -> None:
        self.rig = rig
        self.events: list[DeviceEvent] = []
        self.driver: Any = None
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.driver = build("device", self.rig.driver, self.rig.options(), self.events.append, CLOCK)
        self.task = asyncio.create_task(self.driver.run())

    async def until(self, is_met: Callable[[], object], seconds: float) -> float:
        return await until(is_met, seconds)

    async def until_state(self, state: DeviceState, seconds: float) -> float:
        return await self.until(lambda: self.driver.state is state, seconds)

    async def until_gone(self) -> float:
        """Wait until an unplugged device is missed; one without a connection only by its silence."""
        return await self.until_state(DeviceState.ABSENT, getattr(self.rig, "gone_after_s", 0.0) + 1.0)

    async def until_ready(self, seconds: float) -> float:
        """Wait for READY; a device that speaks only when it is used is used."""
        opened = {DeviceState.STARTING, DeviceState.READY}
        waited_s = await self.until(lambda: self.driver.state in opened, seconds)
        if self.rig.speaks_only_when_used:
            self.rig.stir()
        return waited_s + await self.until_state(DeviceState.READY, seconds)

    async def ready(self) -> None:
        await self.rig.twin.plug()
        self.start()
        await self.until_ready(2.0)
        if self.rig.tells_its_state:  # or its first report would be taken for what `stir` did
            await self.until(lambda: any(isinstance(event.data, self.rig.told) for event in self.events), 2.0)

    async def stir(self) -> Any:
        """Make the device tell something; return the payload."""
        before = len(self.events)
        self.rig.stir()
        told = self.rig.told
        await self.until(lambda: any(isinstance(event.data, told) for event in self.events[before:]), 2.0)
        return next(event.data for event in self.events[before:] if isinstance(event.data, told))

    def states(self) -> list[StateChanged]:
        return [event.data for event in self.events if isinstance(event.data, StateChanged)]

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task
            self.task = None


@pytest.fixture(params=sorted(RIGS))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    rig = await RIGS[request.param](tmp_path)
    running = Bench(rig)
    yield running
    await running.stop()
    await rig.close()


async def test_absent_until_the_first_plug_then_ready(bench: Bench) -> None:
    bench.start()
    await bench.until(bench.states, 1.0)
    assert bench.driver.state is DeviceState.ABSENT
    assert bench.states()[0].fault == "DRV-LNK-001"
    assert bench.states()[0].remedy
    await bench.rig.twin.plug()
    assert await bench.until_ready(2.0) < 1.0
    assert [change.state for change in bench.states()] == [DeviceState.ABSENT, DeviceState.STARTING, DeviceState.READY]
    await bench.stir()


async def test_unplug_is_detected_and_replug_is_ready_again(bench: Bench) -> None:
    await bench.ready()
    for _ in range(3):
        await bench.rig.twin.unplug()
        assert await bench.until_gone() < getattr(bench.rig, "gone_after_s", 0.0) + 0.5
        await bench.rig.twin.plug()
        assert await bench.until_ready(3.0) < 2.0
        await bench.stir()


async def test_mute_becomes_a_fault_after_dead_s_and_is_cleared(bench: Bench) -> None:
    await bench.ready()
    bench.rig.twin.mute()
    if bench.rig.speaks_only_when_used:
        await asyncio.sleep(1.2)
        assert bench.driver.state is DeviceState.READY  # silence is no fault of a device that nobody can ask
        bench.rig.twin.mute(on=False)
        await bench.stir()
        return
    seconds = await bench.until_state(DeviceState.FAULT, 3.0)
    assert 0.3 < seconds < 1.5
    assert bench.states()[-1].fault == "DRV-DEV-001"
    bench.rig.twin.mute(on=False)
    await bench.until_ready(3.0)
    assert bench.states()[-1] == StateChanged(DeviceState.READY)
    await bench.stir()


async def test_damaged_bytes_never_escape_and_it_recovers(bench: Bench) -> None:
    await bench.ready()
    bench.rig.twin.corrupt()
    for _ in range(40):
        bench.rig.stir()
        await asyncio.sleep(0.005)
    assert not bench.task.done()
    bench.rig.twin.corrupt(on=False)
    await bench.until_ready(4.0)
    await asyncio.sleep(0.6)  # what was torn is over
    await bench.until_ready(4.0)
    await bench.stir()
    assert "DRV-DEV-005" not in {change.fault for change in bench.states()}


async def test_seq_has_no_gaps_and_time_runs_forward(bench: Bench) -> None:
    await bench.ready()
    for _ in range(5):
        await bench.stir()
    await bench.rig.twin.unplug()
    await bench.until_gone()
    assert [event.seq for event in bench.events] == list(range(1, len(bench.events) + 1))
    told = [event.t_mono_s for event in bench.events if isinstance(event.data, bench.rig.told)]
    assert told == sorted(told)
    assert all(event.t_wall.utcoffset() is not None for event in bench.events)


async def test_it_tells_only_what_it_declared(bench: Bench) -> None:
    await bench.ready()
    await bench.stir()
    bench.rig.twin.corrupt()
    for _ in range(20):
        bench.rig.stir()
        await asyncio.sleep(0.005)
    events = bench.driver.events
    if bench.rig.driver in DECLARING:
        assert bench.rig.told in events
    if events:
        assert {type(event.data) for event in bench.events} <= {*events, StateChanged}


async def test_a_tape_replays_to_the_same_events(bench: Bench) -> None:
    await bench.rig.twin.plug()
    tape = MemoryTape(CLOCK)
    bench.start()
    bench.driver.tap = tape.record
    await bench.until_ready(2.0)
    for _ in range(20):
        await bench.stir()
    await bench.rig.twin.unplug()
    await bench.until_gone()
    await bench.rig.twin.plug()
    await bench.until_ready(3.0)
    await bench.stir()
    await bench.stop()
    again: list[DeviceEvent] = []
    build("device", bench.rig.driver, bench.rig.options(), again.append, CLOCK).replay(tape.entries)  # type: ignore[attr-defined]
    recorded = [(event.data, event.raw) for event in bench.events if not isinstance(event.data, StateChanged)]
    assert len(recorded) >= 21
    replayed = [(event.data, event.raw) for event in again if not isinstance(event.data, StateChanged)]
    if not bench.rig.is_taped:  # a channel with keys of its own each time: nothing of a tape is believed
        assert replayed == []
        return
    # The tape may end with bytes that came in when the driver was already being stopped.
    assert replayed[: len(recorded)] == recorded
    assert len(replayed) - len(recorded) <= 2


async def test_cancel_leaves_no_task_and_no_descriptor(bench: Bench) -> None:
    await bench.rig.twin.plug()
    tasks, descriptors = asyncio.all_tasks(), open_descriptors()
    bench.start()
    await bench.until_ready(2.0)
    await bench.stir()
    await bench.stop()
    await bench.until(lambda: asyncio.all_tasks() <= tasks and open_descriptors() <= descriptors, 1.0)


async def test_an_unforeseen_exception_becomes_a_fault_and_it_recovers(bench: Bench) -> None:
    await bench.rig.twin.plug()
    bench.start()
    original = bench.driver.received

    def fail(chunk: bytes, t_mono_s: float) -> bool:
        bench.driver.received = original
        raise ZeroDivisionError("third party")

    bench.driver.received = fail
    if bench.rig.speaks_only_when_used:
        bench.rig.stir()
    await bench.until(lambda: any(change.fault == "DRV-DEV-005" for change in bench.states()), 2.0)
    await bench.until_ready(3.0)
    await bench.stir()


async def test_unknown_options_are_refused_by_name(bench: Bench) -> None:
    with pytest.raises(OptionsRefused, match="colour") as refused:
        build("device", bench.rig.driver, {**bench.rig.options(), "colour": "red"}, bench.events.append, CLOCK)
    assert refused.value.code == "DRV-OPT-001"
    assert not refused.value.retryable


def test_an_unknown_driver_names_those_there_are() -> None:
    with pytest.raises(DriverUnknown, match="mrz_serial") as unknown:
        build("device", "no_such_driver", {}, lambda _event: None, CLOCK)
    assert unknown.value.code == "DRV-OPT-002"


def test_the_built_in_drivers_are_there() -> None:
    expected = {"mrz_serial", "barcode_serial", "modbus_barrier", "opencv_camera", "seal_server"}
    assert expected <= set(driver_names())
