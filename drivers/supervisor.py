"""The supervisor of one device: opens its link, keeps its state, notices silence, reopens with backoff, lets no exception out.

    ABSENT -> STARTING (opened, probe sent) -> READY (the first bytes that make sense) -> FAULT (silent, unintelligible, refused)

Silence for `quiet_s` -> `probe()`; nothing that makes sense for `dead_s` -> FAULT, close, reopen. A driver derives from
`SupervisedDriver` and says how its link is opened, how it is probed and what its bytes mean.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from drivers.contracts import Clock, DeviceClass, DeviceState, EventSink
from drivers.errors import DeviceSilent, DeviceUnintelligible, DriverFault, LinkAbsent, NotReady, UnexpectedFailure
from drivers.link import Link, Tap
from drivers.reporter import Reporter

LOG = structlog.get_logger()
PRESENCE_CHECK_S = 0.05
_Raised = TypeVar("_Raised", bound=BaseException)


class LinkSource(Protocol):
    """Opens the link of a device: those of `drivers.link` and `drivers.listening_link`, `drivers.bus.Seat`."""

    async def open(self, tap: Tap | None = None) -> Link:
        """Return an open link. Raises `LinkFault`."""
        ...

    def is_there(self) -> bool:
        """Tell cheaply that an absent device came back; False when only opening can tell."""
        ...


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a device may be silent, in seconds. None: never probed, never declared dead (a device that only speaks when used)."""

    quiet_s: float | None = 5.0
    dead_s: float | None = 15.0
    open_timeout_s: float = 3.0
    backoff_base_s: float = 0.05
    backoff_cap_s: float = 5.0


class Backoff:
    """Growing pauses with jitter: each is 0.5 to 1 times its step, steps double from `base_s` to `cap_s`."""

    def __init__(self, base_s: float, cap_s: float, chance: random.Random) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._chance = chance
        self._step_s = base_s

    def reset(self) -> None:
        """Start again at the base, as after the first bytes."""
        self._step_s = self._base_s

    def next_s(self) -> float:
        """Return the next pause."""
        step_s, self._step_s = self._step_s, min(self._step_s * 2, self._cap_s)
        return step_s * self._chance.uniform(0.5, 1.0)


class SupervisedDriver(ABC):
    """Base of a driver: one task (`run`) owns the device. Derived classes hold what the device means, nothing about reconnecting."""

    device_class: DeviceClass
    capabilities: frozenset[str] = frozenset()
    events: frozenset[type] = frozenset()  # payloads that it may tell, StateChanged besides
    gap_s: float | None = None  # inter-byte gap that ends a frame, for devices without an end mark

    def __init__(self, name: str, timing: Timing, sink: EventSink, clock: Clock) -> None:
        self.name = name
        self.timing = timing
        self.clock = clock
        self.reporter = Reporter(name, sink, clock)
        self.tap: Tap | None = None
        # Jitter is no secret; devices and starts differ, so a power cut does not make all of them knock at once.
        chance = random.Random(f"{name} {clock.monotonic_s()}")
        self._backoff = Backoff(timing.backoff_base_s, timing.backoff_cap_s, chance)
        self._link: Link | None = None

    @property
    def state(self) -> DeviceState:
        """The current state."""
        return self.reporter.state

    @property
    def link(self) -> Link:
        """The open link. Raises `NotReady` when there is none."""
        if self._link is None:
            raise NotReady(f"{self.name} is {self.state.value}")
        return self._link

    # ---- what a driver says about its device

    @property
    @abstractmethod
    def source(self) -> LinkSource:
        """How the link is opened."""

    @abstractmethod
    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        """Decode and report; return whether the bytes made sense. Called for live and replayed bytes alike."""

    async def probe(self) -> None:  # noqa: B027 - a hook that most drivers leave out
        """Ask the device for a sign of life; also sent right after opening. Nothing for devices that cannot be asked."""

    async def converse(self) -> None:  # noqa: B027 - a hook that most drivers leave out
        """Run beside the reading while the link is open (polling); may return. A `DriverFault` raised here ends the link."""

    def sent(self, chunk: bytes) -> None:  # noqa: B027 - a hook that most drivers leave out
        """Note bytes that were sent, when replaying a tape whose answers need their questions."""

    def gap(self, t_mono_s: float) -> None:  # noqa: B027 - a hook that most drivers leave out
        """Finish a frame: the line was silent for `gap_s`."""

    def opened(self) -> None:  # noqa: B027 - a hook that most drivers leave out
        """Forget what belonged to the last connection; called before the first byte of a new one."""

    async def ended(self) -> None:  # noqa: B027 - a hook that most drivers leave out
        """Let go of what outlives a link, such as a port that the device calls; called when the driver is cancelled."""

    # ---- the supervisor

    async def run(self) -> None:
        """Own the device until cancelled."""
        try:
            await self._own()
        finally:
            await self.ended()

    async def _own(self) -> None:
        while True:
            # A task of its own: on Python 3.11.2 a failed TaskGroup leaves its parent marked as being cancelled, and the next
            # asyncio.timeout in that task would end the driver without a word.
            fault = await asyncio.create_task(self._attempt(), name=f"{self.name} attempt")
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError  # the device failed in the moment it was to be let go: the fault came out instead
            self.reporter.change(fault.state, fault)
            await self._pause(self._backoff.next_s())

    def replay(self, tape: Iterable[tuple[float, str, bytes]]) -> None:
        """Report what a recorded tape `(t, direction, bytes)` means; gives the same payloads as when it was recorded."""
        last_s: float | None = None
        for t_mono_s, direction, chunk in tape:
            if self.gap_s is not None and last_s is not None and t_mono_s - last_s >= self.gap_s:
                self.gap(last_s + self.gap_s)
            last_s = None
            if direction == "open":
                self.opened()
            elif direction == "tx":
                self.sent(chunk)
            else:
                self.received(chunk, t_mono_s)
                last_s = t_mono_s
        if self.gap_s is not None and last_s is not None:
            self.gap(last_s + self.gap_s)

    async def _attempt(self) -> DriverFault:
        """Open and converse once; return the fault that ended it. Only cancellation leaves as an exception."""
        try:
            async with asyncio.timeout(self.timing.open_timeout_s):
                link = await self.source.open(self.tap)
        except DriverFault as fault:
            return fault
        except TimeoutError:
            return LinkAbsent(f"{self.name} cannot be opened in time")
        except Exception as error:  # noqa: BLE001 - the supervisor turns anything into a recorded fault
            return self._unexpected(error)
        try:
            self._link = link
            self.opened()
            self.reporter.change(DeviceState.STARTING)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(link), name=f"{self.name} reading")
                group.create_task(self._converse(), name=f"{self.name} conversing")
        except ExceptionGroup as group_raised:
            raised = _first(group_raised)
            return raised if isinstance(raised, DriverFault) else self._unexpected(raised)
        except Exception as error:  # noqa: BLE001 - as above; a sink that raises ends here
            return self._unexpected(error)
        finally:
            self._link = None
            await link.close()
        return UnexpectedFailure(f"{self.name} stopped reading")

    async def _converse(self) -> None:
        await self.probe()
        await self.converse()

    async def _pump(self, link: Link) -> None:
        loop = asyncio.get_running_loop()
        quiet_s, dead_s, gap_s = self.timing.quiet_s, self.timing.dead_s, self.gap_s
        heard = sense = probed = loop.time()
        has_gap_open = False
        while True:
            deadlines = [
                gap_s + heard if gap_s is not None and has_gap_open else None,
                quiet_s + max(sense, probed) if quiet_s is not None else None,
                dead_s + sense if dead_s is not None else None,
            ]
            try:
                async with asyncio.timeout_at(min((at for at in deadlines if at is not None), default=None)):
                    chunk = await link.read()
            except TimeoutError:
                if link.has_bytes:
                    continue  # this loop was late, not the device
                now = loop.time()
                if dead_s is not None and now >= sense + dead_s:
                    raise self._dead(heard > sense) from None
                if gap_s is not None and has_gap_open and now >= heard + gap_s:
                    has_gap_open = False
                    self.gap(self.clock.monotonic_s())
                if quiet_s is not None and now >= max(sense, probed) + quiet_s:
                    probed = now
                    await self.probe()
                continue
            has_gap_open = True
            has_sense = self.received(chunk, self.clock.monotonic_s())
            heard = loop.time()  # what came while these bytes were being understood is no silence
            if has_sense:
                sense = heard
                self.declare_ready()

    def declare_ready(self) -> None:
        """Report READY, once per connection. Drivers call it before they report the first message, so that READY comes first."""
        if self.state is not DeviceState.READY:
            self._backoff.reset()
            self.reporter.change(DeviceState.READY)

    def _dead(self, was_heard: bool) -> DriverFault:
        if was_heard:
            return DeviceUnintelligible(f"{self.name} sent nothing that makes sense for {self.timing.dead_s} s")
        return DeviceSilent(f"{self.name} was silent for {self.timing.dead_s} s")

    def _unexpected(self, error: BaseException) -> UnexpectedFailure:
        LOG.error("device_failed_unexpectedly", device=self.name, error=type(error).__name__)
        return UnexpectedFailure(f"{self.name}: {type(error).__name__}: {error}")

    async def _pause(self, pause_s: float) -> None:
        """Wait; an absent device whose path comes back ends the wait."""
        if self.state is not DeviceState.ABSENT:
            await asyncio.sleep(pause_s)
            return
        was_missing = False
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                while not ((is_there := self.source.is_there()) and was_missing):
                    was_missing = was_missing or not is_there
                    await asyncio.sleep(PRESENCE_CHECK_S)


def _first(group: BaseExceptionGroup[_Raised]) -> _Raised:
    """Return the first exception of a group, however deep it lies."""
    for inner in group.exceptions:
        return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
    raise AssertionError("an exception group is never empty")
