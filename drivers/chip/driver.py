"""Drivers `pcsc_chip` and `socket_chip`: a contactless chip reader, served by a process of its own and watched here.

A read that stays without a sign of life for five seconds ends: the process is replaced, the device is in FAULT until the new one
answers, and the evidence holds what was read until then. Faults stand in `drivers.chip.errors`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import structlog
from pydantic import Field

from drivers.child_process import set_within
from drivers.chip.child_messages import MessageRefused, evidence_of
from drivers.chip.errors import (
    ChipFault,
    KeysAbsent,
    NoChip,
    ReaderAbsent,
    ReaderChildEnded,
    ReaderRefused,
    ReaderServiceAbsent,
    ReaderSupportAbsent,
)
from drivers.chip.reader_process import ReaderProcess
from drivers.contracts import (
    ChipAccess,
    ChipEvidence,
    ChipFileRead,
    ChipKeys,
    ChipOpened,
    ChipPresented,
    ChipProgress,
    ChipRemoved,
    Clock,
    DeviceClass,
    DeviceState,
    EventSink,
)
from drivers.errors import DriverFault, LinkForbidden, NotReady, UnexpectedFailure
from drivers.options import Options
from drivers.reach import REACH
from drivers.reporter import Reporter
from drivers.supervisor import Backoff

TICK_S = 0.1
SILENCE_S = 4.8
START_ALLOWANCE_S = 10.0
CANCELLING_S = 1.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0

_log = structlog.get_logger("drivers.chip")
_STATE_FAULTS: dict[str, type[ChipFault]] = {
    kind.code: kind for kind in (ReaderAbsent, ReaderServiceAbsent, ReaderSupportAbsent, ReaderRefused)
}


class ChipReaderOptions(Options):
    """What both kinds of chip reader take."""

    basic_access: Literal["without_pace", "never"] = Field(
        "without_pace", description="Whether a chip that announces no PACE is opened with basic access control."
    )
    active_authentication: bool = Field(default=True, description="Have the chip sign a challenge where it can.")
    answer_timeout_s: float = Field(
        4.0, gt=0, le=4.5, description="A chip that does not answer a command for so long is given up."
    )
    read_timeout_s: float = Field(12.0, gt=0, le=60, description="Longest whole read of a chip.")
    memory_limit_bytes: int = Field(1_073_741_824, ge=268_435_456, description="Address space of the reading process.")


class PcscOptions(ChipReaderOptions):
    """Options of a `pcsc_chip` device."""

    reader: str = Field(min_length=1, description="Part of the PC/SC reader's name, such as 'OMNIKEY 5022'.")


class SocketOptions(ChipReaderOptions):
    """Options of a `socket_chip` device."""

    listens: ClassVar[bool] = True
    port: int = Field(
        ge=0, le=65_535, description="Port on 127.0.0.1 that virtual chips connect to; 0 picks a free one."
    )


@dataclass(slots=True)
class _Read:
    """A read that is going on."""

    report: Callable[[ChipProgress], None]
    begun_s: float
    heard_s: float
    end: asyncio.Future[ChipEvidence]
    access: ChipAccess = ChipAccess.NONE
    files: dict[str, bytes] = field(default_factory=dict)
    cancelled_s: float | None = None


class ChipReader:
    """One reader (`ChipDriver`)."""

    device_class = DeviceClass.CHIP_READER
    capabilities = frozenset({"read"})
    events = frozenset({ChipPresented, ChipRemoved})

    def __init__(
        self, name: str, options: ChipReaderOptions, place: Mapping[str, object], sink: EventSink, clock: Clock
    ) -> None:
        self.name = name
        self.port = 0
        self.reporter = Reporter(name, sink, clock)
        self._options = options
        self._place = place
        self._clock = clock
        self._child: ReaderProcess | None = None
        self._failure: DriverFault | None = None
        self._has_heard = False
        self._is_chip_there = False
        self._read: _Read | None = None
        self._turn = asyncio.Lock()
        # Jitter is no secret; two readers of one gate do not knock at the same moment.
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, random.Random(f"{name} {clock.monotonic_s()}"))

    @property
    def state(self) -> DeviceState:
        """The current state."""
        return self.reporter.state

    async def read(self, keys: ChipKeys, report: Callable[[ChipProgress], None]) -> ChipEvidence:
        """Open and read the chip on the reader; always returns, a fault stands in the evidence. Cancelling ends the read."""
        async with self._turn:
            if not (keys.mrz_information or keys.card_access_number):
                return _without_reading(KeysAbsent("nothing was handed in that opens a chip"))
            if self._read is not None:  # one that was cancelled and has not let go of the chip yet
                await asyncio.wait({self._read.end})
            child = self._child
            if child is None or child.ended.is_set() or self.state is not DeviceState.READY:
                return _without_reading(NotReady(f"the reader is {self.state.value}"))
            if not self._is_chip_there:
                return _without_reading(NoChip("no chip lies on the reader"))
            now_s = self._clock.monotonic_s()
            reading = self._read = _Read(report, now_s, now_s, asyncio.get_running_loop().create_future())
            child.order(
                {
                    "do": "read",
                    "mrz": keys.mrz_information,
                    "can": keys.card_access_number,
                    "alternative": keys.alternative_mrz_information,
                }
            )
            try:
                return await asyncio.shield(reading.end)
            except asyncio.CancelledError:
                # The turn goes on only when the child let go of the chip: `run` sees to it that this is soon.
                reading.cancelled_s = self._clock.monotonic_s()
                child.order({"do": "cancel"})
                raise

    async def run(self) -> None:
        """Own the reader until cancelled: start its process, watch it, replace it. Never returns by itself."""
        while True:
            # A task of its own, as in the supervisor: what fails inside leaves no mark of cancellation here.
            fault = await asyncio.create_task(self._one_process(), name=f"{self.name} attempt")
            self._chip_went()
            self.reporter.change(fault.state, fault)
            await asyncio.sleep(self._backoff.next_s())

    async def _one_process(self) -> DriverFault:
        """Run one process to its end; return why it ended."""
        self._failure = None
        self._has_heard = False
        if self._place["kind"] == "socket":
            try:
                REACH.get().may_listen("127.0.0.1", int(str(self._place["port"])))
            except LinkForbidden as forbidden:
                return forbidden
        child = self._child = ReaderProcess(self._hear)
        started_s = self._clock.monotonic_s()
        fault: DriverFault = ReaderChildEnded("the reading process ended")
        try:
            await child.start(self._orders())
            while not child.ended.is_set():
                if (overdue := self._overdue(started_s)) is not None:
                    fault = overdue
                    break
                await set_within(child.ended, TICK_S)
            else:
                fault = self._failure or fault
        except OSError as error:
            fault = ReaderChildEnded(f"no reading process can be started: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - a supervisor turns anything into a recorded fault
            _log.error("chip_reader_failed_unexpectedly", device=self.name, error=type(error).__name__)
            fault = UnexpectedFailure(f"{type(error).__name__} in the chip reader driver")
        finally:
            self._child = None
            self._end_read(fault)
            await child.stop()
        return fault

    def _overdue(self, started_s: float) -> DriverFault | None:
        """Return why the process must be replaced, None while it need not."""
        now_s = self._clock.monotonic_s()
        if not self._has_heard and now_s - started_s > START_ALLOWANCE_S:
            return ReaderChildEnded("the reading process did not start in time")
        if self._read is None:
            return None
        if now_s - self._read.heard_s > SILENCE_S:
            return ReaderChildEnded("the read was silent for too long")
        if now_s - self._read.begun_s > self._options.read_timeout_s + SILENCE_S:
            return ReaderChildEnded("the read did not end in time")
        cancelled_s = self._read.cancelled_s
        if cancelled_s is not None and now_s - cancelled_s > CANCELLING_S:
            return ReaderChildEnded("a cancelled read did not end in time")
        return None

    def _orders(self) -> dict[str, Any]:
        options = self._options
        return {
            "do": "configure",
            **self._place,
            "basic_access": options.basic_access != "never",
            "active_authentication": options.active_authentication,
            "answer_timeout_s": options.answer_timeout_s,
            "read_timeout_s": options.read_timeout_s,
            "memory_limit_bytes": options.memory_limit_bytes,
        }

    def _hear(self, message: dict[str, Any], content: bytes) -> None:
        """Take one message of the child, in the loop's thread. Raises `ValueError`, `KeyError` or `TypeError` for nonsense."""
        self._has_heard = True
        if self._read is not None:
            self._read.heard_s = self._clock.monotonic_s()
        match message["say"]:
            case "ready":
                self.port = int(message["port"])
                self._failure = None
                self._backoff.reset()
                self.reporter.change(DeviceState.READY)
            case "fault":
                self._failure = _STATE_FAULTS[message["code"]](str(message["text"]))
                self.reporter.change(self._failure.state, self._failure)
            case "presented":
                self._is_chip_there = True
                self.reporter.emit(ChipPresented(content))
            case "removed":
                self._chip_went()
            case "alive":
                pass
            case "opened" | "file" | "evidence":
                self._hear_of_read(message, content)
            case unknown:
                raise MessageRefused(f"the reading process said {str(unknown)[:20]!r}")

    def _hear_of_read(self, message: dict[str, Any], content: bytes) -> None:
        reading = self._read
        if reading is None:
            raise MessageRefused("news of a read that nobody asked for")
        is_wanted = reading.cancelled_s is None
        match message["say"]:
            case "opened":
                reading.access = ChipAccess(message["access"])
                if is_wanted:
                    reading.report(ChipOpened(reading.access))
            case "file":
                name = str(message["name"])
                reading.files[name] = content
                if is_wanted and message["is_progress"]:
                    reading.report(ChipFileRead(name, content))
            case _:
                evidence = evidence_of(message, dict(reading.files))
                self._read = None
                if not reading.end.done():
                    reading.end.set_result(evidence)

    def _end_read(self, fault: DriverFault) -> None:
        """End a read whose process is gone, with what it gave until then."""
        reading, self._read = self._read, None
        if reading is None or reading.end.done():
            return
        reading.end.set_result(
            ChipEvidence(
                access=reading.access,
                files=dict(reading.files),
                fault=fault.code,
                fault_text=str(fault),
                duration_ms=(self._clock.monotonic_s() - reading.begun_s) * 1000,
            )
        )

    def _chip_went(self) -> None:
        if self._is_chip_there:
            self._is_chip_there = False
            self.reporter.emit(ChipRemoved())


def _without_reading(fault: DriverFault) -> ChipEvidence:
    return ChipEvidence(fault=fault.code, fault_text=str(fault))


def build_pcsc(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> ChipReader:
    """Return the driver of a PC/SC reader. Raises `OptionsRefused`."""
    accepted = PcscOptions.read(name, options)
    return ChipReader(name, accepted, {"kind": "pcsc", "reader": accepted.reader}, sink, clock)


def build_socket(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> ChipReader:
    """Return the driver of a port that virtual chips connect to. Raises `OptionsRefused`."""
    accepted = SocketOptions.read(name, options)
    return ChipReader(name, accepted, {"kind": "socket", "port": accepted.port}, sink, clock)
