"""The host dies, hangs or lies; the agent dies, is slow or is not the only one. What moved is proven by the twin, never by a driver's word."""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.barrier.errors import LockedDown, ReleaseNotMade, ReleaseUndetermined
from drivers.barrier.twin import ModbusBarrierTwin
from drivers.camera.twin import CameraTwin
from drivers.chip.twin.chip_twin import ChipTwin
from drivers.chip.twin.variants import Variant
from drivers.contracts import (
    BarrierInputs,
    ChipEvidence,
    ChipFileRead,
    ChipKeys,
    ChipPresented,
    ChipProgress,
    ChipRemoved,
    DeviceClass,
    DeviceEvent,
    DeviceState,
    DocumentImage,
    Door,
    FrameCaptured,
    GateSignal,
    SealReported,
    StateChanged,
    Unsupported,
)
from drivers.errors import DriverFault
from drivers.hosted import channel as channel_module
from drivers.hosted.barrier_client import HostedBarrier
from drivers.hosted.channel import QUEUE_LIMIT_FILES, QUEUE_LIMIT_PACKETS
from drivers.hosted.clients import client_of
from drivers.hosted.device_client import HostedDevice
from drivers.hosted.host_device import MISSED_LIMIT
from drivers.hosted.host_link import HostLink
from drivers.hosted.listener import inherited, listen
from drivers.hosted.messages import FRAMES_LIMIT, FrameTold, FromHost, ReadInputs, ReleaseDoor, Welcome
from drivers.hosted.packets import decode
from drivers.hosted.server import DeviceTable, HostedDevices
from drivers.printer.errors import ReceiptUndetermined
from drivers.printer.twin import EscposTwin
from drivers.registry import build
from drivers.reporter import Reporter
from drivers.seal_commands import UnlockOutcome
from drivers.seal_tracker.jt808_twin import Jt808SealTwin
from drivers.surroundings import XrayDecision, XrayReported
from gate_agent.clock import SystemClock
from tests.contract.virtual_passports import MRZ_INFORMATION, passport
from tests.waiting import until

CLOCK = SystemClock()
ROOT = Path(__file__).parents[2]


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Guest:
    """The agent's side of one device."""

    def __init__(self, path: Path, name: str, driver: str, options: dict[str, object], *, keeps: bool = False) -> None:
        self.events: list[DeviceEvent] = []
        self.frames: list[FrameCaptured] = []
        self.keeps = keeps
        self.device: Any = client_of(build(name, driver, options, self._take, CLOCK), HostLink(path), self._take, CLOCK)
        self.task = asyncio.create_task(self.device.run())

    def _take(self, event: DeviceEvent) -> None:
        self.events.append(event)
        if isinstance(event.data, FrameCaptured):
            if self.keeps:
                self.frames.append(event.data)
            else:
                event.data.release()

    def told(self, kind: type) -> list[Any]:
        return [event.data for event in self.events if isinstance(event.data, kind)]

    async def until_state(self, state: DeviceState) -> float:
        return await until(lambda: self.device.state is state)

    async def end(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


class Host:
    """A host in a process of its own."""

    def __init__(self, path: Path, *tables: tuple[str, str, dict[str, object]]) -> None:
        self.path = path
        self.tables = tables
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.faults.host_process", str(self.path), json.dumps(self.tables)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)

    def kill(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()


@pytest.fixture
def path() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="egate-"))  # short: a socket's path has 107 bytes at most
    yield folder / "host.sock"
    shutil.rmtree(folder)


@pytest.fixture
async def barrier() -> AsyncIterator[ModbusBarrierTwin]:
    twin = ModbusBarrierTwin(transit_s=0.03, open_s=0.06)
    await twin.plug()
    yield twin
    await twin.stop()


def options_of(twin: ModbusBarrierTwin, **more: object) -> dict[str, object]:
    return {"host": "127.0.0.1", "port": twin.port, "poll_ms": 10, "reply_timeout_s": 0.1, **more}


class Pair:
    """A host in a process of its own, and the agent's side of its barrier."""

    def __init__(self, path: Path, twin: ModbusBarrierTwin, **more: object) -> None:
        options = options_of(twin, **more)
        self.host = Host(path, ("barrier-1", "modbus_barrier", options))
        self.guest = Guest(path, "barrier-1", "modbus_barrier", options)

    async def ready(self) -> None:
        await self.guest.until_state(DeviceState.READY)
        await until(lambda: self.guest.told(BarrierInputs))


@pytest.fixture
async def pair(path: Path, barrier: ModbusBarrierTwin) -> AsyncIterator[Pair]:
    running = Pair(path, barrier, reply_timeout_s=2.0)
    await running.ready()
    yield running
    await running.guest.end()
    running.host.kill()


async def test_a_killed_host_is_a_fault_of_its_devices_at_once_and_it_comes_back(pair: Pair) -> None:
    waited_s = []
    for _ in range(3):
        pair.host.kill()
        waited_s.append(await pair.guest.until_state(DeviceState.ABSENT))
        change = pair.guest.told(StateChanged)[-1]
        assert change.fault == "DRV-HST-001"
        assert change.remedy
        with pytest.raises(ReleaseNotMade):
            await pair.guest.device.release(Door.EXIT, 1, 5.0)
        with pytest.raises(DriverFault) as away:
            await pair.guest.device.end_releases()
        assert away.value.code == "DRV-HST-001"
        pair.host.start()
        await pair.guest.until_state(DeviceState.READY)
    assert min(waited_s) < 0.5
    assert [event.seq for event in pair.guest.events] == list(range(1, len(pair.guest.events) + 1))


async def test_a_release_whose_host_is_killed_is_undetermined_and_not_sent_again(
    pair: Pair, barrier: ModbusBarrierTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HostedBarrier, "confirm_s", 0.5)
    barrier.lose_replies(1)
    releasing = asyncio.create_task(pair.guest.device.release(Door.EXIT, 1, 20.0))
    await until(lambda: barrier.released_log)
    pair.host.kill()
    with pytest.raises(ReleaseUndetermined) as unknown:
        await releasing
    assert unknown.value.code == "DRV-BAR-002"
    pair.host.start()
    await pair.guest.until_state(DeviceState.READY)
    assert len(barrier.released_log) == 1


async def test_a_release_is_proven_by_the_passage_once_the_host_is_back(
    pair: Pair, barrier: ModbusBarrierTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HostedBarrier, "confirm_s", 20.0)
    barrier.lose_replies(1)
    releasing = asyncio.create_task(pair.guest.device.release(Door.EXIT, 1, 20.0))
    await until(lambda: barrier.released_log)
    pair.host.kill()
    barrier.walk_out()
    await until(lambda: not barrier.is_released(Door.EXIT))
    await asyncio.sleep(0.3)  # the door is shut again: only the counter tells
    pair.host.start()
    await releasing
    assert len(barrier.released_log) == 1


async def test_a_release_that_waited_longer_than_its_time_to_live_is_never_made(
    pair: Pair, barrier: ModbusBarrierTwin
) -> None:
    pair.host.kill(signal.SIGSTOP)
    releasing = asyncio.create_task(pair.guest.device.release(Door.EXIT, 1, 0.4))
    await asyncio.sleep(0.8)
    pair.host.kill(signal.SIGCONT)
    with pytest.raises(ReleaseNotMade):
        await releasing
    assert barrier.released_log == []
    await pair.guest.device.release(Door.EXIT, 1, 5.0)
    assert len(barrier.released_log) == 1


async def test_a_host_that_hangs_is_a_fault_and_it_goes_on_when_it_does(
    path: Path, barrier: ModbusBarrierTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_module, "ALIVE_S", 0.1)
    running = Pair(path, barrier)
    await running.ready()
    running.host.kill(signal.SIGSTOP)
    await running.guest.until_state(DeviceState.FAULT)
    assert running.guest.told(StateChanged)[-1].fault == "DRV-HST-002"
    running.host.kill(signal.SIGCONT)
    await running.guest.until_state(DeviceState.READY)
    await running.guest.end()
    running.host.kill()


async def test_an_agent_that_goes_leaves_no_door_released(path: Path, barrier: ModbusBarrierTwin) -> None:
    running = Pair(path, barrier)
    await running.ready()
    await running.guest.device.release(Door.EXIT, 1, 60.0)
    assert barrier.is_released(Door.EXIT)
    await running.guest.end()
    await until(lambda: not barrier.is_released(Door.EXIT))
    again = Guest(path, "barrier-1", "modbus_barrier", options_of(barrier))
    await again.until_state(DeviceState.READY)
    await until(lambda: again.told(BarrierInputs))  # what stands is told, though nothing changed
    await again.end()
    running.host.kill()


async def test_a_lockdown_is_the_agents_own_on_whichever_host(
    path: Path, barrier: ModbusBarrierTwin, pair: Pair
) -> None:
    await pair.guest.device.lockdown()
    pair.host.kill()
    await pair.guest.until_state(DeviceState.ABSENT)
    pair.host.start()
    await pair.guest.until_state(DeviceState.READY)
    with pytest.raises(LockedDown):
        await pair.guest.device.release(Door.EXIT, 1, 5.0)
    with pytest.raises(LockedDown):  # the new host knows of it, too: nothing else asks it
        await pair.guest.device.host.ask("barrier-1", ReleaseDoor(Door.EXIT, 1, CLOCK.monotonic_s() + 5))
    await pair.guest.end()
    again = Guest(path, "barrier-1", "modbus_barrier", options_of(barrier))
    await again.until_state(DeviceState.READY)
    await asyncio.wait({again.device._aligning})
    await again.device.release(Door.EXIT, 1, 5.0)  # an agent that starts again knows of no lockdown
    assert len(barrier.released_log) == 1
    await again.end()


async def test_lights_are_told_again_to_a_host_that_came_back(pair: Pair, barrier: ModbusBarrierTwin) -> None:
    await pair.guest.device.signal(GateSignal.LEAVE, 60.0)
    assert "exit_green" in barrier.lights
    pair.host.kill()
    await pair.guest.until_state(DeviceState.ABSENT)
    await until(lambda: "exit_green" not in barrier.lights)  # the board's watchdog: nobody speaks to it
    pair.host.start()
    await pair.guest.until_state(DeviceState.READY)
    await until(lambda: "exit_green" in barrier.lights)


# ---- in this process: what a host does to its own memory and descriptors


class Source:
    """A camera and barrier in one: tells what it is told to, with frames in memory files of its own."""

    device_class = DeviceClass.CAMERA
    capabilities = frozenset({"frames"})
    events = frozenset({FrameCaptured, BarrierInputs})

    def __init__(self, name: str, sink: Callable[[DeviceEvent], None]) -> None:
        self.name = name
        self.reporter = Reporter(name, sink, CLOCK)
        self.lent = 0
        self.released: list[int] = []
        self.is_active = False
        self._memory = os.memfd_create("frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self._memory, 300)
        fcntl.fcntl(self._memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)

    @property
    def state(self) -> DeviceState:
        return self.reporter.state

    def set_active(self, *, active: bool) -> None:
        self.is_active = active

    async def run(self) -> None:
        self.reporter.change(DeviceState.READY)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            os.close(self._memory)

    def frame(self) -> None:
        self.lent += 1
        number = self.lent
        self.reporter.emit(FrameCaptured(self._memory, 10, 10, number, lambda: self.released.append(number)))

    def inputs(self, occupancy: int) -> None:
        self.reporter.emit(BarrierInputs(False, False, occupancy, 0, 0, fire=False, tamper=False))


class Hosting:
    """A host in this process, with a source."""

    def __init__(self, path: Path) -> None:
        self.host = HostedDevices(
            [DeviceTable("source", "source", {})],
            CLOCK,
            builder=lambda name, _driver, _options, sink, _clock: Source(name, sink),
        )
        self.place = listen(path)
        self.task = asyncio.create_task(self.host.run(self.place))
        self.source: Source = self.host.devices["source"].driver

    def guest(self, path: Path, take: Callable[[DeviceEvent], None]) -> HostedDevice:
        pattern: Any = Source("source", lambda _event: None)
        os.close(pattern._memory)
        return client_of(pattern, HostLink(path), take, CLOCK)

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.place.close()


@pytest.fixture
async def hosting(path: Path) -> AsyncIterator[Hosting]:
    running = Hosting(path)
    yield running
    await running.end()


async def test_frames_are_given_back_exactly_once_and_no_descriptor_is_left(path: Path, hosting: Hosting) -> None:
    events: list[DeviceEvent] = []
    device: Any = hosting.guest(path, events.append)
    task = asyncio.create_task(device.run())
    await until(lambda: device.state is DeviceState.READY)
    device.set_active(active=True)
    await until(lambda: hosting.source.is_active)
    before = open_descriptors()

    def frames() -> list[FrameCaptured]:
        return [event.data for event in events if isinstance(event.data, FrameCaptured)]

    for number in range(1, 51):
        hosting.source.frame()
        await until(lambda number=number: len(frames()) == number)
        assert frames()[-1].frame_number == number
        assert os.fstat(frames()[-1].memfd).st_size == 300
        frames()[-1].release()
        frames()[-1].release()
        await until(lambda number=number: len(hosting.source.released) == number)
    assert open_descriptors() == before
    assert hosting.source.released == list(range(1, 51))
    for _ in range(20):  # an agent that keeps frames gets no more than it may hold
        hosting.source.frame()
    await until(lambda: len(frames()) == 50 + FRAMES_LIMIT)
    hosting.source.inputs(3)  # and what a barrier tells comes all the same
    await until(lambda: any(isinstance(event.data, BarrierInputs) for event in events))
    assert len(frames()) == 50 + FRAMES_LIMIT
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    kept = frames()[50:]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for frame in kept:
        frame.release()
    await until(lambda: len(hosting.source.released) == hosting.source.lent)
    assert not hosting.source.is_active  # nobody is there to look
    assert sorted(hosting.source.released) == list(range(1, hosting.source.lent + 1))


async def test_frames_that_come_when_the_camera_was_switched_off_are_given_back(path: Path, hosting: Hosting) -> None:
    events: list[DeviceEvent] = []
    device: Any = hosting.guest(path, events.append)
    task = asyncio.create_task(device.run())
    await until(lambda: device.state is DeviceState.READY)
    hosting.source.frame()
    await until(lambda: hosting.source.released == [1])
    assert not any(isinstance(event.data, FrameCaptured) for event in events)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def connected(path: Path) -> socket.socket:
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    raw.settimeout(15)
    raw.connect(str(path))
    return raw


async def test_an_agent_that_takes_nothing_is_hung_up_on_before_it_costs_memory(path: Path, hosting: Hosting) -> None:
    with connected(path):
        await until(lambda: hosting.host.devices["source"].channel)
        for number in range(20_000):
            hosting.source.inputs(number)
            if hosting.host.devices["source"].channel is None:
                break
        assert number < QUEUE_LIMIT_PACKETS + 2000  # what the socket itself holds, and the queue
        hosting.source.frame()
        assert hosting.source.released == [1]  # nobody there: no frame is kept
    events: list[DeviceEvent] = []
    device = hosting.guest(path, events.append)
    task = asyncio.create_task(device.run())
    await until(lambda: [event.data.occupancy for event in events if isinstance(event.data, BarrierInputs)] == [number])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_came_while_no_agent_was_there_is_told_to_the_next(path: Path, hosting: Hosting) -> None:
    reporter = hosting.source.reporter

    def report(seal_id: str, kind: str, latitude: float | None = None) -> None:
        reporter.emit(SealReported(seal_id, kind, kind == "rope_cut", None, latitude, latitude))

    await until(lambda: hosting.source.state is DeviceState.READY)
    for number in range(3):
        report("S1", "position", float(number))
    report("S1", "rope_cut")
    report("S2", "sealed")
    report("S1", "position", 9.0)
    reporter.emit(XrayReported("scan-1", XrayDecision.UNDETERMINED))
    reporter.emit(XrayReported("scan-1", XrayDecision.ALARM))
    events: list[DeviceEvent] = []

    def heard() -> list[object]:
        return [event.data for event in events if not isinstance(event.data, StateChanged)]

    for _ in range(2):  # and only once
        device = hosting.guest(path, events.append)
        task = asyncio.create_task(device.run())
        await until(lambda device=device: device.state is DeviceState.READY and len(heard()) >= 4)
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    told = heard()
    assert [(one.seal_id, one.kind, one.latitude) for one in told if isinstance(one, SealReported)] == [
        ("S1", "rope_cut", None),
        ("S2", "sealed", None),
        ("S1", "position", 9.0),
    ]
    assert told[-1] == XrayReported("scan-1", XrayDecision.ALARM)
    assert len(told) == 4
    for number in range(MISSED_LIMIT + 10):
        report(f"S{number}", "sealed")
    events.clear()
    device = hosting.guest(path, events.append)
    task = asyncio.create_task(device.run())
    await until(lambda: len(events) == 1 + MISSED_LIMIT)  # the state, and the newest
    assert events[-1].data.seal_id == f"S{MISSED_LIMIT + 9}"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_long_contents_that_nobody_takes_cost_no_descriptors(path: Path, hosting: Hosting) -> None:
    before = open_descriptors()
    with connected(path):
        await until(lambda: hosting.host.devices["source"].channel)
        for number in range(600):
            hosting.source.inputs(number)  # fills the socket
        for _ in range(QUEUE_LIMIT_FILES + 1):
            hosting.source.reporter.emit(DocumentImage("white", "image/jpeg", bytes(50_000)))
        assert hosting.host.devices["source"].channel is None
    await until(lambda: open_descriptors() == before)


async def test_frames_never_queue_before_what_a_slow_agent_must_hear(path: Path, hosting: Hosting) -> None:
    with connected(path) as slow:
        await until(lambda: hosting.host.devices["source"].channel)
        for number in range(600):  # more than the socket takes
            hosting.source.inputs(number)
            hosting.source.frame()
        heard: list[Any] = []
        while not heard or getattr(getattr(heard[-1], "payload", None), "occupancy", 0) != 599:
            content, descriptors, _, _ = await asyncio.to_thread(socket.recv_fds, slow, 100_000, 2)
            message, frame = decode(content, descriptors, FromHost)
            heard.append(message)
            if frame >= 0:
                os.close(frame)
        assert isinstance(heard[0], Welcome)
        assert sum(isinstance(message, FrameTold) for message in heard) <= FRAMES_LIMIT


async def test_a_second_agent_is_turned_away_and_the_first_does_not_notice(path: Path, hosting: Hosting) -> None:
    first, second = [], []
    one, two = hosting.guest(path, first.append), hosting.guest(path, second.append)
    running = asyncio.create_task(one.run())
    await until(lambda: one.state is DeviceState.READY)
    intruding = asyncio.create_task(two.run())
    await until(lambda: second)
    assert second[0].data.fault == "DRV-HST-003"
    assert one.state is DeviceState.READY
    assert len(first) == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await until(lambda: two.state is DeviceState.READY)  # the place is free
    intruding.cancel()
    await asyncio.gather(intruding, return_exceptions=True)


async def test_another_users_process_is_turned_away(path: Path, hosting: Hosting) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    hosting.place.owner_uid += 1
    events: list[DeviceEvent] = []
    device = hosting.guest(path, events.append)
    task = asyncio.create_task(device.run())
    await until(lambda: events)
    assert events[0].data.fault == "DRV-HST-003"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("noise", [b"\x00", b"\x02\x00\x00\x02\x00\x00\x00\x00{}", os.urandom(70_000), b"\x01" * 9])
async def test_noise_ends_its_own_connection_and_nothing_else(path: Path, hosting: Hosting, noise: bytes) -> None:
    with connected(path) as raw:
        await asyncio.to_thread(raw.recv, 100_000)
        raw.send(noise)
        while await asyncio.to_thread(raw.recv, 100_000):
            continue  # what was told before it was heard
    events: list[DeviceEvent] = []
    device = hosting.guest(path, events.append)
    task = asyncio.create_task(device.run())
    await until(lambda: device.state is DeviceState.READY)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_agent_that_cannot_take_an_event_is_in_fault_and_connects_again(path: Path, hosting: Hosting) -> None:
    events: list[DeviceEvent] = []

    def take(event: DeviceEvent) -> None:
        events.append(event)
        if isinstance(event.data, BarrierInputs) and event.data.occupancy == 13:
            raise ZeroDivisionError("a sink")

    device = hosting.guest(path, take)
    task = asyncio.create_task(device.run())
    await until(lambda: device.state is DeviceState.READY)
    hosting.source.inputs(13)
    await until(lambda: "DRV-DEV-005" in {getattr(event.data, "fault", "") for event in events})
    hosting.source.inputs(1)
    await until(lambda: getattr(events[-1].data, "occupancy", 0) == 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("noise", [b"\x01\x00\x00\x02\x00\x00\x00\x00{}", b"\x02\x00\x00\x02\x00\x00\x00\x00{}"])
async def test_a_host_of_another_version_is_a_fault_with_its_remedy(path: Path, noise: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen()
        guest = Guest(path, "barrier-1", "modbus_barrier", {"host": "127.0.0.1", "port": 1})
        connection = (await asyncio.to_thread(listener.accept))[0]
        connection.send(noise)
        await until(lambda: guest.told(StateChanged))
        assert guest.told(StateChanged)[0].fault == "DRV-HST-004"
        connection.close()
        await guest.end()


async def test_a_device_that_the_host_does_not_have_is_told_alone(path: Path, hosting: Hosting) -> None:
    guest = Guest(path, "barrier-1", "modbus_barrier", {"host": "127.0.0.1", "port": 1})
    await until(lambda: guest.told(StateChanged))
    assert guest.told(StateChanged)[0].fault == "DRV-HST-005"
    with pytest.raises(ReleaseNotMade):
        await guest.device.release(Door.EXIT, 1, 5.0)
    await guest.end()


async def test_a_command_that_the_device_does_not_have_is_unsupported(path: Path, hosting: Hosting) -> None:
    device = hosting.guest(path, lambda _event: None)
    task = asyncio.create_task(device.run())
    await until(lambda: device.state is DeviceState.READY)
    with pytest.raises(Unsupported, match="read_inputs"):
        await device.ask(ReadInputs())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_camera_is_switched_as_it_was_after_its_host_came_back(path: Path) -> None:
    async with CameraTwin(fps=20, width_px=320, height_px=240, variants=3) as twin:
        twin.show_empty()
        options: dict[str, object] = {"source": twin.url, "fps": 20}
        host = Host(path, ("camera-1", "opencv_camera", options))
        guest = Guest(path, "camera-1", "opencv_camera", options)
        guest.device.set_active(active=True)
        await until(lambda: guest.told(FrameCaptured), 30)
        host.kill()
        await guest.until_state(DeviceState.ABSENT)
        seen = len(guest.told(FrameCaptured))
        host.start()
        await until(lambda: len(guest.told(FrameCaptured)) > seen + 2, 30)
        await guest.end()
        host.kill()


async def test_a_receipt_whose_host_is_killed_is_undetermined(path: Path, tmp_path: Path) -> None:
    twin = EscposTwin(tmp_path / "printer")
    await twin.plug()
    options: dict[str, object] = {"path": str(twin.path), "poll_s": 0.05, "reply_timeout_s": 1.0}
    host = Host(path, ("printer-1", "escpos_printer", options))
    guest = Guest(path, "printer-1", "escpos_printer", options)
    await guest.until_state(DeviceState.READY)
    await guest.device.print_receipt(["Utopia"], b"UTO")
    with pytest.raises(ValueError, match="1025"):
        await guest.device.print_receipt(["Utopia"], bytes(1025))
    host.kill(signal.SIGSTOP)
    printing = asyncio.create_task(guest.device.print_receipt(["Utopia"]))
    await asyncio.sleep(0.1)
    host.kill()
    with pytest.raises(ReceiptUndetermined):
        await printing
    await guest.end()
    await twin.unplug()


async def test_an_unlock_whose_host_is_killed_is_undetermined_and_one_that_was_not_sent_is_not(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options: dict[str, object] = {
        "port": port, "protocol": "jt808", "allow_unlock": True, "models": {"99": ["vehicle_control"]},
    }  # fmt: skip
    host = Host(path, ("seals", "seal_server", options))
    guest = Guest(path, "seals", "seal_server", options)
    assert guest.device.capabilities == {"seals", "unlock"}
    await guest.until_state(DeviceState.STARTING)
    async with Jt808SealTwin(port, CLOCK, seal_id="990000000007") as twin:
        await twin.tell(41.0, 69.0)
        unlock = asyncio.create_task(guest.device.unlock("990000000007"))
        twin.answer(await twin.command())
        assert await unlock is UnlockOutcome.CONFIRMED
        with pytest.raises(DriverFault, match="not connected"):
            await guest.device.unlock("990000000008")
        unlock = asyncio.create_task(guest.device.unlock("990000000007"))
        await twin.command()
        host.kill()
        assert await unlock is UnlockOutcome.UNDETERMINED
        await guest.until_state(DeviceState.ABSENT)
        with pytest.raises(DriverFault):
            await guest.device.unlock("990000000007")
    await guest.end()


async def test_a_chip_read_ends_with_what_was_read_when_its_host_is_killed(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    twin = ChipTwin(port)
    host = Host(path, ("chip-1", "socket_chip", {"port": port}))
    guest = Guest(path, "chip-1", "socket_chip", {"port": port})
    await guest.until_state(DeviceState.READY)
    await twin.plug()
    twin.present(passport(Variant()))
    await until(lambda: guest.told(ChipPresented), 30)
    keys, progress = ChipKeys(MRZ_INFORMATION), list[ChipProgress]()
    evidence: ChipEvidence = await guest.device.read(keys, progress.append)
    assert evidence.fault == ""
    assert evidence.files["DG2"]
    assert {one.name for one in progress if isinstance(one, ChipFileRead)} >= {"DG1", "DG2"}
    progress.clear()
    given_up = asyncio.create_task(guest.device.read(keys, progress.append))
    await until(lambda: progress)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert (await guest.device.read(keys, lambda _: None)).files["DG2"]  # it was called off there, too
    progress.clear()
    reading = asyncio.create_task(guest.device.read(keys, progress.append))
    await until(lambda: progress)
    host.kill()
    evidence = await reading
    assert evidence.fault == "DRV-HST-001"
    await guest.until_state(DeviceState.ABSENT)
    assert len(guest.told(ChipRemoved)) == 1
    assert (await guest.device.read(keys, progress.append)).fault == "DRV-HST-001"
    await guest.end()
    await twin.unplug()


def test_a_socket_that_systemd_hands_over_is_used_and_belongs_to_its_owner(path: Path) -> None:
    script = (
        "import os, socket, subprocess, sys\n"
        "listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        f"listener.bind({str(path)!r}); listener.listen()\n"
        "os.dup2(listener.fileno(), 3)\n"
        "environment = {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1', 'LISTEN_FDNAMES': 'field'}\n"
        "from drivers.hosted.listener import inherited\n"
        "place = inherited(environment)\n"
        "assert environment == {} and place.owner_uid == os.getuid() and not os.get_inheritable(3)\n"
        "place.close()\n"
        f"assert os.path.exists({str(path)!r})\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
    assert inherited({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) is None
    assert inherited({}) is None


async def test_two_hosts_never_share_a_socket_and_a_dead_ones_is_taken_over(path: Path) -> None:
    place = listen(path)
    with pytest.raises(DriverFault) as taken:
        listen(path)
    assert taken.value.code == "DRV-HST-003"
    place.listener.close()  # as a host that was killed leaves it
    listen(path).close()
    assert not path.exists()
