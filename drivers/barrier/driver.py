"""`modbus_barrier`, `modbus_rtu_barrier`: doors behind a Modbus box.

A release is good for a number of passages and has a time to live, which the box itself ends, or, on a box of plain outputs, the software,
and the box's watchdog when the software is gone; there is no command to hold closed. A lost reply is not a lost release: after one, outputs and counters are read back, and a second
pulse is sent only when they prove that the first was never made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import replace

import structlog

from drivers.barrier.board_health import BoardHealth
from drivers.barrier.box_options import BoxOptions, ModbusBarrierOptions, ModbusRtuBarrierOptions
from drivers.barrier.door_watch import DoorWatch
from drivers.barrier.errors import (
    LockedDown,
    ModbusFault,
    ModbusNoReply,
    ModbusRefused,
    ReleaseNotMade,
    ReleaseUndetermined,
)
from drivers.barrier.lights import light_requests
from drivers.barrier.modbus import Function, Request
from drivers.barrier.modbus_client import ModbusClient, Wire, serial_wire
from drivers.barrier.permits import COUNT_LIMIT, Due, Permits
from drivers.barrier.shown_signal import ShownSignal
from drivers.barrier.signals import (
    DoorPoints,
    Point,
    ProcessImage,
    door_points,
    poll_plan,
)
from drivers.bus import shared_bus
from drivers.contracts import BarrierInputs, Clock, DeviceClass, Door, EventSink, GateSignal, Unsupported
from drivers.errors import DriverFault, LinkFault, NotReady
from drivers.link import TcpPeer
from drivers.supervisor import LinkSource, SupervisedDriver

LOG = structlog.get_logger()
RETRY_PAUSE_S = 0.02


class ModbusBarrier(SupervisedDriver):
    """A supervised barrier; `capabilities` names its doors."""

    device_class = DeviceClass.BARRIER
    events = frozenset({BarrierInputs})

    def __init__(
        self,
        name: str,
        options: BoxOptions,
        line: tuple[Hashable, LinkSource, Wire],
        sink: EventSink,
        clock: Clock,
    ) -> None:
        """`line`: the address that devices may share, how it is opened, and how frames stand on it."""
        super().__init__(name, options.timing(), sink, clock)
        address, peer, wire = line
        self._options = options
        self._signals = options.signals()
        self._doors = door_points(self._signals)
        self._permits = Permits(self._doors)
        self._watch = DoorWatch(self._doors)
        has_lights = bool(light_requests(self._signals, GateSignal.CLOSED))
        self.capabilities = frozenset({*(door.value for door in self._doors), *(("signal",) if has_lights else ())})
        self._shown = ShownSignal()
        self._told: GateSignal | None = None  # the board tells this, all of it
        self._showing = asyncio.Lock()
        self._lit: dict[int, tuple[int, ...]] = {}  # what was written since the board was reached
        self._plan = poll_plan(self._signals)
        self._client = ModbusClient(options.unit, options.reply_timeout_s, wire, self._watch.asked)
        self._image = ProcessImage(self._signals)
        self._health = BoardHealth(name, self._signals, self._image, self._ask)
        self._reported: BarrierInputs | None = None
        self._is_fit = asyncio.Event()  # the board was looked at since it was reached
        self._releasing = asyncio.Lock()
        self._is_locked_down = False
        self._bus = shared_bus(address, peer) if options.is_shared else None
        self._source: LinkSource = self._bus.seat() if self._bus is not None else peer

    @property
    def source(self) -> LinkSource:
        """The connection, or a seat on the shared one."""
        return self._source

    def opened(self) -> None:
        """Forget what the last connection knew; the inputs are reported anew."""
        self._is_fit.clear()
        self._lit.clear()
        self._client.reset()
        self._image.clear()
        self._watch.opened()
        self._reported = None

    def declare_ready(self) -> None:
        """Report READY once the board was found fit to be released; on a tape, which was, with the first answer."""
        if self._link is None or self._is_fit.is_set():
            super().declare_ready()

    def sent(self, chunk: bytes) -> None:
        """Learn the questions of a tape."""
        self._client.note_sent(chunk)

    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        """Take answers; report the inputs when the last read of a poll came in and something changed."""
        answers = self._client.feed(chunk)
        for answer in answers:
            self.declare_ready()
            if answer.fault is None:
                self._image.absorb(answer.request, answer.values)
            if answer.request == self._plan[-1]:
                inputs = self._judged(t_mono_s)
                if inputs is not None and inputs != self._reported:
                    self._reported = inputs
                    self.reporter.emit(inputs, t_mono_s, chunk)
        return bool(answers)

    def _judged(self, t_mono_s: float) -> BarrierInputs | None:
        """Return the inputs with what no release of ours explains."""
        inputs = self._image.inputs()
        if inputs is None:
            return None
        before = self._watch.at(t_mono_s)
        irregularities = self._watch.judge(inputs, t_mono_s)
        for kind in irregularities:
            if kind not in before:
                LOG.warning("gate_irregularity", device=self.name, kind=kind.value)
        return replace(inputs, irregularities=irregularities)

    async def converse(self) -> None:
        """Poll without overlap and keep the watchdog content. A box that refuses ends the connection; silence is the supervisor's."""
        loop = asyncio.get_running_loop()
        next_poll_s = next_beat_s = next_look_s = loop.time()
        beats = 0
        heartbeat = self._signals.points.get("heartbeat")
        await self._health.begin()
        self._is_fit.set()
        self._told = None  # the board may have come up dark
        self._permits.connected()
        while True:
            with suppress(ModbusNoReply):
                await self._serve_permits()
                if heartbeat is not None and loop.time() >= next_beat_s:
                    next_beat_s = loop.time() + self._options.heartbeat_s
                    beats = (beats + 1) % 0x10000
                    await self._write(heartbeat, beats)
                if loop.time() >= next_look_s:
                    next_look_s = loop.time() + self._options.heartbeat_s
                    await self._health.look()
                await self._poll()
                await self._show()
            next_poll_s = max(next_poll_s + self._options.poll_ms / 1000, loop.time())
            await asyncio.sleep(next_poll_s - loop.time())

    # ---- commands

    async def release(self, direction: Door, count: int, ttl_s: float) -> None:
        """Unlock one door for `count` passages within `ttl_s`, rounded down to the board's unit; returns when the box confirmed it.

        Raises `Unsupported` (no such door), `ReleaseNotMade` (certainly not released; `LockedDown` in a lockdown) or
        `ReleaseUndetermined`.
        """
        points = self._doors.get(direction)
        if points is None:
            raise Unsupported(f"{self.name} has no {direction.value} door")
        ttl_units = int(ttl_s / points.ttl_unit_s + 1e-6)
        if not 1 <= ttl_units <= 0xFFFF:
            raise ReleaseNotMade(f"a time to live of {ttl_s} s cannot be set")
        if not 1 <= count <= COUNT_LIMIT:
            raise ReleaseNotMade(f"a release for {count} passages cannot be made")
        if count > 1 and points.passages is None:
            raise ReleaseNotMade(f"{self.name} cannot count passages through the {direction.value}")
        async with self._releasing:  # two releases at once would mix up their times to live
            self._refuse_in_lockdown()
            await self._wait_until_fit()
            pulse = (direction, points, ttl_units, count)
            if not (await self._pulse(*pulse) or await self._pulse(*pulse)):
                raise ReleaseNotMade(f"{self.name} did not take the release of the {direction.value}, twice")
            if self._is_locked_down:  # ordered while the pulse was on its way
                await self.end_releases()
                self._refuse_in_lockdown()

    async def end_releases(self) -> None:
        """End every running release at once. Both doors are tried, twice each; raises the first fault that remains."""
        self._permits.revoke()  # what fails here is tried again with every poll
        faults: list[DriverFault] = []
        for points in self._doors.values():
            off = points.release.invert
            try:
                try:
                    await self._write(points.release, int(off))
                except ModbusNoReply:
                    await self._write(points.release, int(off))  # ending a release twice does no harm
            except DriverFault as fault:
                faults.append(fault)
        if faults:
            raise faults[0]

    async def lockdown(self) -> None:
        """End every running release and refuse new ones until `lift_lockdown`; raises what `end_releases` does, and refuses all the same."""
        self._is_locked_down = True
        await self.end_releases()

    async def lift_lockdown(self) -> None:
        """Take releases again."""
        self._is_locked_down = False

    async def _wait_until_fit(self) -> None:
        """Let a board that was just reached be looked at first."""
        if self._link is None:
            return  # the release says so itself
        try:
            async with asyncio.timeout(self._options.confirm_timeout_s):
                await self._is_fit.wait()
        except TimeoutError:
            raise ReleaseNotMade(f"{self.name} was not found fit in time") from None

    def _refuse_in_lockdown(self) -> None:
        if self._is_locked_down:
            raise LockedDown(f"{self.name}: a lockdown is in force")

    async def signal(self, signal: GateSignal, ttl_s: float) -> None:
        """Have lights and sounder tell this for `ttl_s`; what cannot be told now is told as soon as the box is there.

        Raises `Unsupported` without any.
        """
        if "signal" not in self.capabilities:
            raise Unsupported(f"{self.name} has neither lights nor sounder")
        self._shown.tell(signal, asyncio.get_running_loop().time() + ttl_s)
        await self._show()

    async def _show(self) -> None:
        """Tell what is to be told now, where the board does not tell it yet."""
        if "signal" not in self.capabilities:
            return
        async with self._showing:  # two at once would mix up their lights
            shown = self._shown.at(asyncio.get_running_loop().time(), is_fire=bool(self._image.flag("fire")))
            if shown is self._told:
                return
            self._told = None
            for request in light_requests(self._signals, shown):
                if self._lit.get(request.address) != request.values:
                    await self._ask(request)
                    self._lit[request.address] = request.values
            self._told = shown

    async def read_inputs(self) -> BarrierInputs:
        """Return the inputs as they are now. Raises `NotReady`, `ModbusFault` or a link fault."""
        await self._poll()
        inputs = self._image.inputs()
        if inputs is None:
            raise NotReady(f"{self.name} did not give all inputs")
        return replace(inputs, irregularities=self._watch.at(self.clock.monotonic_s()))

    # ---- exchanges

    async def _ask(self, request: Request) -> tuple[int, ...]:
        return await self._client.ask(self.link, request)

    async def _write(self, point: Point, value: int) -> None:
        await self._ask(Request(point.function, point.address, values=(value,)))

    async def _serve_permits(self) -> None:
        """End the releases that are over, and release the next passage of those that are good for several."""
        loop = asyncio.get_running_loop()
        for door, due, permit in self._permits.due(loop.time(), self._passages):
            async with self._releasing:
                if not self._permits.is_running(door, permit):
                    continue  # a later release took its place meanwhile
                points = self._doors[door]
                if due is Due.END:
                    await self._write(points.release, int(points.release.invert))
                    self._permits.ended(door, permit)
                    continue
                ttl_units = int(self._permits.left_s(permit, loop.time()) / points.ttl_unit_s)
                if ttl_units < 1:
                    continue
                try:
                    await self._pulse(door, points, ttl_units)
                except (ReleaseNotMade, ReleaseUndetermined) as fault:
                    LOG.warning("passage_not_released", device=self.name, door=door.value, code=fault.code)

    def _passages(self, door: Door) -> int | None:
        point = self._doors[door].passages
        return None if point is None else self._image.number(point)

    async def _poll(self) -> None:
        for request in self._plan:
            await self._ask(request)

    async def _pulse(self, door: Door, points: DoorPoints, ttl_units: int, count: int = 0) -> bool:
        """Release once; False when it is proven that the door was not released and may be tried again.

        `count` begins a release for so many passages; 0 goes on with the one that runs.
        """
        before = await self._prepare(points, ttl_units)
        expires_s = asyncio.get_running_loop().time() + ttl_units * points.ttl_unit_s
        if count:
            self._permits.begin(door, count, expires_s, before[0] if points.passages is not None else None)
        try:
            await self._write(points.release, 1 ^ points.release.invert)
        except NotReady as fault:
            raise ReleaseNotMade(f"{self.name} went away before the release: {fault}") from fault
        except ModbusRefused as fault:
            raise ReleaseNotMade(f"{self.name} refused to release the {door.value}: {fault}") from fault
        except (ModbusFault, LinkFault):
            return await self._was_released(points, before, expires_s)
        return True

    async def _prepare(self, points: DoorPoints, ttl_units: int) -> tuple[int, ...]:
        """Set the time to live and return the door's counters; nothing moves yet, so any fault means "not made"."""
        fault: DriverFault | None = None
        for _ in range(2):
            try:
                counters = await self._counters(points)
                if points.ttl is not None:
                    await self._write(points.ttl, ttl_units)
            except ModbusNoReply as lost:
                fault = lost
            except DriverFault as failed:
                fault = failed
                break
            else:
                return counters
        raise ReleaseNotMade(f"{self.name} could not prepare the release: {fault}") from fault

    async def _counters(self, points: DoorPoints) -> tuple[int, ...]:
        wired = [point for point in (points.passages, points.releases) if point is not None]
        return tuple([(await self._ask(Request(point.function, point.address)))[0] for point in wired])

    async def _was_released(self, points: DoorPoints, before: tuple[int, ...], expires_s: float) -> bool:
        """Read back what a lost reply leaves open. Raises `ReleaseUndetermined` when it cannot be known."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + self._options.confirm_timeout_s
        while loop.time() < give_up_s:
            try:
                # Output before counters: a passage between the two reads ends the output, but then the counter moved.
                (output,) = await self._ask(Request(Function.READ_COILS, points.release.address))
                counters = await self._counters(points)
            except (ModbusFault, LinkFault, NotReady):
                # The box may be back in a moment.
                await asyncio.sleep(RETRY_PAUSE_S)
                continue
            if output ^ points.release.invert or counters != before:
                return True
            if points.releases is None and loop.time() >= expires_s:
                break  # it may have been made and ended again unseen
            return False
        raise ReleaseUndetermined(f"{self.name}: the reply to the release was lost and cannot be read back")


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> ModbusBarrier:
    """Return the driver of a box on the network. Raises `OptionsRefused`."""
    read = ModbusBarrierOptions.read(name, options)
    return ModbusBarrier(name, read, ((read.host, read.port), TcpPeer(read.host, read.port), Wire()), sink, clock)


def build_rtu(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> ModbusBarrier:
    """Return the driver of a box on a serial line. Raises `OptionsRefused`."""
    read = ModbusRtuBarrierOptions.read(name, options)
    wire = serial_wire(read.baud, settle_s=read.reply_timeout_s)
    return ModbusBarrier(name, read, (read.path, read.port(), wire), sink, clock)
