"""`turnstile_serial`: a turnstile on a serial line. It ends every release by itself, after one passage or its own waiting time.

Only the frame and one command are published (`turnstile_codec`). What else the turnstile understands and tells is a site's to write down from the
manual: without a confirmation, a passage, a sign of life and a command that locks, the options are refused. A release is never sent twice;
one that is good for several passages is sent again after each passage.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any, Literal, Self

import structlog
from pydantic import Field, model_validator

from drivers.barrier.door_watch import SLACK_S
from drivers.barrier.errors import LockedDown, ReleaseNotMade, ReleaseUndetermined
from drivers.barrier.irregularities import Irregularities
from drivers.barrier.permits import COUNT_LIMIT
from drivers.barrier.shown_signal import ShownSignal
from drivers.barrier.turnstile_codec import COMMAND_LIMIT_BYTES, Command, TurnstileCodec
from drivers.codec import BadFrame
from drivers.contracts import (
    BarrierInputs,
    Clock,
    DeviceClass,
    Door,
    EventSink,
    GateSignal,
    Irregularity,
    Unsupported,
)
from drivers.dialogue import Dialogue
from drivers.errors import DeviceRefused, DeviceSilent, DriverFault, LinkFault, NotReady
from drivers.framed_driver import FramedDriver
from drivers.options import HexBytes, SerialOptions
from drivers.supervisor import LinkSource

LOG = structlog.get_logger()
Signal = Literal[
    "taken",
    "refused",
    "alive",
    "entrance_open",
    "entrance_closed",
    "entrance_passed",
    "exit_open",
    "exit_closed",
    "exit_passed",
    "entrance_back",
    "exit_back",
    "fire_on",
    "fire_off",
    "tamper_on",
    "tamper_off",
    "emergency_stop_on",
    "emergency_stop_off",
]
_COUNTER_SIZE = 0x10000
_NOTHING = BarrierInputs(
    entrance_open=False, exit_open=False, occupancy=0, entrance_passages=0, exit_passages=0, fire=False, tamper=False
)


class TurnstileOptions(SerialOptions):
    """Options of `turnstile_serial`."""

    exit_release: HexBytes = Field(
        b"H",
        min_length=1,
        max_length=COMMAND_LIMIT_BYTES,
        description="Command that releases the exit for one passage.",
    )
    entrance_release: HexBytes | None = Field(
        None,
        min_length=1,
        max_length=COMMAND_LIMIT_BYTES,
        description="The same for the entrance; none: there is no entrance.",
    )
    lock: HexBytes = Field(
        min_length=1, max_length=COMMAND_LIMIT_BYTES, description="Command that ends every running release."
    )
    status: HexBytes = Field(
        min_length=1, max_length=COMMAND_LIMIT_BYTES, description="Command that asks for a sign of life."
    )
    told: dict[str, Signal] = Field(
        description="What the turnstile tells: command in hex, and what it means. `taken`, `alive` and `exit_passed` are needed."
    )
    shows: dict[GateSignal, HexBytes] = Field(
        {},
        description="Commands for its lights and sounder, by what they tell: `closed`, `enter`, `leave`, `alarm`, `evacuate`.",
    )
    shows_ttl_s: float | None = Field(
        None,
        ge=2,
        le=60,
        description="Time after which the turnstile itself tells `closed` again when it was told nothing, as set on the turnstile; needed with"
        " anything else in `shows`, for lights that stay green when the software is gone invite people.",
    )
    wait_s: float = Field(
        gt=0, le=120, description="Time after which the turnstile itself ends a release, as set on the turnstile."
    )
    reply_timeout_s: float = Field(0.5, gt=0, le=5, description="Longest wait for a confirmation.")
    frame_gap_s: float = Field(0.1, gt=0, le=5, description="Silence inside a frame after which it is torn.")
    quiet_s: float = Field(
        0.3, gt=0, le=60, description="Silence after which the turnstile is asked for a sign of life."
    )
    dead_s: float = Field(1.0, gt=0, le=60, description="Silence after which it counts as dead and is opened again.")

    @model_validator(mode="after")
    def _is_told_enough(self) -> Self:
        needed = {"taken", "alive", "exit_passed"} | ({"entrance_passed"} if self.entrance_release else set())
        if missing := sorted(needed - set(self.told.values())):
            raise ValueError(f"told has nothing for {', '.join(missing)}")
        if self.shows.keys() - {GateSignal.CLOSED} and self.shows_ttl_s is None:
            raise ValueError("shows needs shows_ttl_s: the turnstile's own lights must end when the software is gone")
        self.signals()
        return self

    def signals(self) -> dict[bytes, Signal]:
        """Return what each command of the turnstile means. Raises `ValueError`."""
        try:
            return {bytes.fromhex(content): signal for content, signal in self.told.items()}
        except ValueError:
            raise ValueError("told: commands are written in hex, such as '50 01'") from None


class TurnstileSerial(FramedDriver[Command]):
    """A supervised turnstile; `capabilities` names its directions. It has no cell, so its occupancy is always 0."""

    codec: TurnstileCodec
    device_class = DeviceClass.BARRIER
    events = frozenset({BarrierInputs})

    def __init__(self, name: str, options: TurnstileOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, options.timing(), sink, clock)
        self.gap_s = options.frame_gap_s
        self.codec = TurnstileCodec()
        self._options = options
        self._signals = options.signals()
        commands = {Door.ENTRANCE: options.entrance_release, Door.EXIT: options.exit_release}
        self._releases = {door: Command(content) for door, content in commands.items() if content is not None}
        lights = ("signal",) if options.shows else ()
        self.capabilities = frozenset({*(door.value for door in self._releases), *lights})
        self._dialogue: Dialogue[Signal] = Dialogue(name, options.reply_timeout_s)
        self._asking = asyncio.Lock()
        self._sent_codec = TurnstileCodec()
        self._inputs = _NOTHING
        self._reported: BarrierInputs | None = None
        self._irregularities = Irregularities()
        self._sent: set[Door] = set()
        self._may_pass_until_s: dict[Door, float] = {}
        self._passed_until_s: dict[
            Door, float
        ] = {}  # somebody passed on a release; until when another one is a tailgater
        self._passages_left: dict[Door, tuple[int, float]] = {}  # of a running release, and until when
        self._next: set[asyncio.Task[None]] = set()
        self._is_locked_down = False
        self._shown = ShownSignal()
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def source(self) -> LinkSource:
        """The serial port."""
        return self._options.port()

    def opened(self) -> None:
        """Report anew; counters go on, for a passage that nobody heard of is none."""
        super().opened()
        self._sent_codec.reset()
        self._reported = None

    async def probe(self) -> None:
        """Ask for a sign of life."""
        async with self.link.turn():
            await self.link.write(self.codec.encode(Command(self._options.status)))

    def sent(self, chunk: bytes) -> None:
        """Note the releases that were asked for; they permit from the next answer on, whatever that is."""
        for message in self._sent_codec.feed(chunk):
            self._sent |= {door for door, command in self._releases.items() if command == message}

    def take(self, message: Command | BadFrame, t_mono_s: float) -> bool:
        """Take what the turnstile tells; report the inputs when they changed."""
        if isinstance(message, BadFrame):
            self.reporter.record(message.fault())
            return False
        signal = self._signals.get(message.content)
        if signal is None:
            return False  # nothing that the site's options know
        self.declare_ready()
        for door in self._sent:
            self._may_pass_until_s[door] = t_mono_s + self._options.wait_s + SLACK_S
        self._sent.clear()
        self._apply(signal, t_mono_s)
        self._set("irregularities", self._irregularities.at(t_mono_s))
        if self._inputs != self._reported:
            self._reported = self._inputs
            self.reporter.emit(self._inputs, t_mono_s, message.content)
        self._dialogue.answered(signal)
        return True

    def _apply(self, signal: Signal, t_mono_s: float) -> None:
        place, _, what = signal.rpartition("_")
        if place in {"fire", "emergency_stop", "tamper"}:
            self._set(place, what == "on")
        elif what in {"open", "closed"}:
            self._set(f"{place}_open", what == "open")
            if what == "open" and not self._may_pass(Door(place), t_mono_s):
                self._note(Irregularity.DOOR_FORCED, t_mono_s)
        elif what == "back":
            self._count(f"{place}_back_passages")
            if place == Door.EXIT or not self._may_pass(Door(place), t_mono_s):
                self._note(Irregularity.WRONG_WAY, t_mono_s)
        elif what == "passed":
            self._count(f"{place}_passages")
            self._passed(Door(place), t_mono_s)

    def _passed(self, door: Door, t_mono_s: float) -> None:
        """One release, one passage."""
        if self._may_pass(door, t_mono_s):
            self._passed_until_s[door] = self._may_pass_until_s.pop(door, t_mono_s)
            self._release_next(door)
        elif t_mono_s <= self._passed_until_s.get(door, float("-inf")):
            self._note(Irregularity.TAILGATING, t_mono_s)
        else:
            self._note(Irregularity.PASSAGE_WITHOUT_RELEASE, t_mono_s)

    def _may_pass(self, door: Door, t_mono_s: float) -> bool:
        return self._inputs.fire or t_mono_s <= self._may_pass_until_s.get(door, float("-inf"))

    def _note(self, kind: Irregularity, t_mono_s: float) -> None:
        if self._irregularities.note(kind, t_mono_s):
            LOG.warning("gate_irregularity", device=self.name, kind=kind.value)

    def _count(self, counter: str) -> None:
        self._set(counter, (getattr(self._inputs, counter) + 1) % _COUNTER_SIZE)

    def _set(self, field: str, value: object) -> None:
        changes: dict[str, Any] = {field: value}
        self._inputs = replace(self._inputs, **changes)

    # ---- commands

    async def release(self, direction: Door, count: int, ttl_s: float) -> None:
        """Release one direction for `count` passages, one after another; returns when the turnstile confirmed the first.

        Raises `Unsupported` (no such direction), `ReleaseNotMade` (also when the turnstile would wait longer than `ttl_s`; `LockedDown`
        in a lockdown) or `ReleaseUndetermined`.
        """
        command = self._releases.get(direction)
        if command is None:
            raise Unsupported(f"{self.name} has no {direction.value} direction")
        if not 1 <= count <= COUNT_LIMIT:
            raise ReleaseNotMade(f"a release for {count} passages cannot be made")
        if ttl_s < self._options.wait_s:
            raise ReleaseNotMade(
                f"{self.name} would hold the release for {self._options.wait_s} s, longer than {ttl_s} s"
            )
        self._passages_left[direction] = (count - 1, asyncio.get_running_loop().time() + ttl_s)
        try:
            await self._release_once(direction, command)
        except DriverFault:
            self._passages_left.pop(direction, None)
            raise

    async def end_releases(self) -> None:
        """End every running release. Tried twice; raises the fault that remains."""
        self._passages_left.clear()
        try:
            await self._ask(Command(self._options.lock))
        except DeviceSilent:
            await self._ask(Command(self._options.lock))  # locking twice does no harm

    async def lockdown(self) -> None:
        """End every running release and refuse new ones until `lift_lockdown`; raises what `end_releases` does, and refuses all the same."""
        self._is_locked_down = True
        await self.end_releases()

    async def lift_lockdown(self) -> None:
        """Take releases again."""
        self._is_locked_down = False

    async def signal(self, signal: GateSignal, ttl_s: float) -> None:
        """Have lights and sounder tell this for `ttl_s`, told to the turnstile each time, whose own timer ends it, too.

        Nothing when the site's options have no command for it. Raises `Unsupported` without any.
        """
        if not self._options.shows:
            raise Unsupported(f"{self.name} has neither lights nor sounder")
        loop = asyncio.get_running_loop()
        self._shown.tell(signal, loop.time() + ttl_s)
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = loop.call_later(max(ttl_s, 0.0), self._signal_expired)
        await self._show()

    def _signal_expired(self) -> None:
        self._later(self._show_closed())

    async def _show_closed(self) -> None:
        try:
            await self._show()
        except DriverFault as fault:  # its own timer ends the signal all the same
            LOG.warning("signal_not_ended", device=self.name, code=fault.code)

    async def _show(self) -> None:
        signal = self._shown.at(asyncio.get_running_loop().time(), is_fire=self._inputs.fire)
        if (content := self._options.shows.get(signal)) is not None:
            await self._ask(Command(content))

    async def _release_once(self, direction: Door, command: Command) -> None:
        try:
            await self._ask(command)
        except (NotReady, DeviceRefused) as fault:
            raise ReleaseNotMade(f"{self.name} did not release the {direction.value}: {fault}") from fault
        except (DeviceSilent, LinkFault) as fault:
            raise ReleaseUndetermined(
                f"{self.name} did not confirm the release of the {direction.value}: {fault}"
            ) from fault

    def _release_next(self, door: Door) -> None:
        """Release the next passage of a release that is good for several, while its time lasts. Nothing on a tape: there nobody waits."""
        left, until_s = self._passages_left.pop(door, (0, 0.0))
        if not left or self._link is None:
            return
        loop = asyncio.get_running_loop()
        if until_s - loop.time() >= self._options.wait_s:
            self._passages_left[door] = (left - 1, until_s)
            self._later(self._release_again(door))

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"{self.name} later")
        self._next.add(task)
        task.add_done_callback(self._next.discard)

    async def _release_again(self, door: Door) -> None:
        try:
            await self._release_once(door, self._releases[door])
        except (ReleaseNotMade, ReleaseUndetermined) as fault:
            self._passages_left.pop(door, None)
            LOG.warning("passage_not_released", device=self.name, door=door.value, code=fault.code)

    async def read_inputs(self) -> BarrierInputs:
        """Return the inputs as they were last told. Raises `NotReady` when the turnstile is away."""
        if self._reported is None:
            raise NotReady(f"{self.name} told nothing yet")
        return self._inputs

    async def _ask(self, command: Command) -> None:
        """Send a command once and wait for its confirmation."""
        async with self._asking:
            if self._is_locked_down and command in self._releases.values():
                raise LockedDown(f"{self.name}: a lockdown is in force")
            frame = self.codec.encode(command)
            link = self.link
            self.sent(frame)
            try:
                answer = await self._dialogue.ask(link, frame, lambda signal: signal in {"taken", "refused"})
            except DriverFault:
                await asyncio.sleep(self._options.reply_timeout_s)  # a late confirmation is not one of the next command
                raise
        if answer == "refused":
            raise DeviceRefused(f"{self.name} refused the command")


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> TurnstileSerial:
    """Return the driver. Raises `OptionsRefused`."""
    return TurnstileSerial(name, TurnstileOptions.read(name, options), sink, clock)
