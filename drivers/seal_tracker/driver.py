"""Driver `seal_server`: the TCP server that the seal trackers of one protocol call.

Any number of trackers share it; identity comes from each frame, or once per connection where the protocol has it so.

State: STARTING while listening, READY once a frame was understood, ABSENT when the last tracker left, FAULT when the port cannot be
opened (DRV-SEA-010), trackers fell silent (DRV-SEA-011) or sent nothing but noise (DRV-SEA-012). Frames are reported before they are
answered: a tracker whose answer is lost repeats, and a repeated frame is answered again but not reported again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import ClassVar

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from drivers.contracts import (
    Clock,
    DeviceClass,
    DeviceState,
    EventSink,
    SealReported,
    Unsupported,
)
from drivers.errors import DriverFault, LinkForbidden, OptionsRefused
from drivers.reach import REACH
from drivers.reporter import Reporter
from drivers.seal_commands import UnlockOutcome
from drivers.seal_tracker.codec import Heard
from drivers.seal_tracker.commands import SealCommands
from drivers.seal_tracker.conversation import READ_BYTES, Conversation, Limits
from drivers.seal_tracker.errors import (
    NoTracker,
    PortNotOpened,
    ProtocolNotBuiltIn,
    TooManyTrackers,
)
from drivers.seal_tracker.events import TAMPER_KINDS, SealEvent
from drivers.seal_tracker.jt808_fields import TABLES, TerminalModels
from drivers.seal_tracker.protocols import protocol_named
from drivers.seal_tracker.repeats import RecentFrames
from drivers.supervisor import Backoff

BACKLOG = 1024
"""Connections that may wait to be accepted: after a cut network all trackers call at once."""

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0

_log = structlog.get_logger("drivers.seal_tracker")


class SealServerOptions(BaseModel):
    """Options of a `seal_server` device; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    listens: ClassVar[bool] = True

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(ge=0, le=65535, description="Port the trackers are configured to call; 0 takes a free one.")
    protocol: str = Field(
        "jointech", description="Wire protocol of the trackers: `jointech`, `jt808`, `eseal`, `teratrack` …"
    )
    clock_offset_h: int = Field(
        8, ge=-12, le=14, description="Hours that the trackers' own clocks are ahead of UTC (JT/T 808 only)."
    )
    models: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        max_length=256,
        description=(
            "How extra fields are read, by the first digits of a terminal's number or by the model's name: any of "
            + ", ".join(f"`{name}`" for name in TABLES)
            + ". Without an entry they are kept in hex (JT/T 808 only)."
        ),
    )
    startup_configuration: str = Field(
        "",
        max_length=64,
        pattern=r"[0-9,]*",
        description="Configuration that an eSeal gets when it starts, as its maker writes it (eSeal only).",
    )
    connections_limit: int = Field(
        1024, ge=1, le=4096, description="Most trackers connected at once; more are turned away, and a fault says so."
    )
    silent_s: float = Field(
        900.0, gt=0, le=86_400, description="A connection without a frame that is understood for so long is closed."
    )
    rate_limit_bytes_s: int = Field(
        16_384, ge=64, description="A tracker that sends more, after a burst of four seconds' worth, is read later."
    )
    allow_unlock: bool = Field(
        False, description="Seals may be told to open, each time on a customs inspector's signed authorisation."
    )
    unlock_answer_s: float = Field(
        8.0, gt=0, le=9, description="A seal that answers later than this to an unlock leaves it undetermined."
    )
    noise_limit_bytes: int = Field(16_384, ge=64, description="A connection with so many unusable bytes is closed.")

    @field_validator("models")
    @classmethod
    def _are_tables(cls, models: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        unknown = sorted({name for names in models.values() for name in names} - set(TABLES))
        if unknown or "" in models:
            raise ValueError(f"no such table: {', '.join(unknown)}" if unknown else "a model needs a name")
        return models

    @field_validator("protocol")
    @classmethod
    def _is_built_in(cls, name: str) -> str:
        try:
            protocol_named(name)
        except ProtocolNotBuiltIn as refusal:
            raise ValueError(str(refusal)) from refusal
        return name


class SealTrackerServer:
    """One listening port for trackers of one protocol."""

    device_class = DeviceClass.SEAL_TRACKER
    events = frozenset({SealReported})

    def __init__(self, name: str, options: SealServerOptions, sink: EventSink, clock: Clock) -> None:
        self.name = name
        self.port = options.port
        self._options = options
        self._protocol = protocol_named(options.protocol)
        self._clock = clock
        self.reporter = Reporter(name, sink, clock)
        self._connections: set[asyncio.Task[None]] = set()
        self.capabilities = frozenset({"seals", "unlock"} if options.allow_unlock else {"seals"})
        self._commands = SealCommands(options.unlock_answer_s)
        self._is_turning_away = False
        self._recent = RecentFrames()
        self._models = TerminalModels(options.models)

    @property
    def state(self) -> DeviceState:
        """The current state."""
        return self.reporter.state

    async def run(self) -> None:
        """Listen until cancelled; a port that cannot be opened is tried again with growing pauses. Never returns by itself."""
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, random.Random(self.name))
        while True:
            try:
                REACH.get().may_listen(self._options.host, self.port)
                server = await asyncio.start_server(
                    self._accept, self._options.host, self.port, reuse_address=True, limit=READ_BYTES, backlog=BACKLOG
                )
            except LinkForbidden as forbidden:
                self.reporter.change(forbidden.state, forbidden)
                await asyncio.sleep(backoff.next_s())
                continue
            except OSError as error:
                fault = PortNotOpened(f"port {self.port} cannot be opened: {error.strerror or error}")
                self.reporter.change(fault.state, fault)
                await asyncio.sleep(backoff.next_s())
                continue
            self.port = int(server.sockets[0].getsockname()[1])
            backoff.reset()
            self.reporter.change(DeviceState.STARTING)
            try:
                await server.serve_forever()
            finally:
                server.close()
                connections = list(self._connections)
                for connection in connections:
                    connection.cancel()
                await asyncio.gather(*connections, return_exceptions=True)

    def _conversation(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Conversation:
        options = self._options
        codec = self._protocol.new_codec(
            clock_offset_h=options.clock_offset_h,
            startup_configuration=options.startup_configuration,
            models=self._models,
        )
        return Conversation(
            reader,
            writer,
            codec,
            Limits(options.silent_s, options.noise_limit_bytes, options.rate_limit_bytes_s),
            self._clock,
            report=self._report,
            record=self.reporter.record,
        )

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= self._options.connections_limit:
            self._is_turning_away = True
            self.reporter.record(TooManyTrackers(f"more than {self._options.connections_limit} trackers are connected"))
            writer.transport.abort()
            return
        self._connections.add(task)
        fault: DriverFault = NoTracker("the last tracker left")
        conversation = self._conversation(reader, writer)
        try:
            fault = await conversation.run()
        except asyncio.CancelledError:
            return  # the server ends; asyncio's own callback would log a cancelled connection as an error
        except OSError:
            _log.info("seal_connection_lost", device=self.name)
        finally:
            self._connections.discard(task)
            self._commands.ended(conversation)
            self._is_turning_away = False  # one has a place again
            writer.transport.abort()
        if not self._connections:
            self.reporter.change(fault.state, fault)

    async def unlock(self, seal_id: str) -> UnlockOutcome:
        """Tell a seal to open, once; return what it answered. See `drivers.seal_commands.SealDriver`."""
        if not self._options.allow_unlock:
            raise Unsupported("this site does not let seals be unlocked from here")
        outcome = await self._commands.unlock(seal_id)
        _log.info("seal_unlock", device=self.name, outcome=outcome.value)
        return outcome

    def _report(self, conversation: Conversation, heard: Heard, received_s: float) -> None:
        decoded = heard.decoded
        self._commands.heard(decoded.seal_id, conversation, decoded.answer)
        if not (self._is_turning_away and self.state is DeviceState.READY):  # the fault stands as long as its cause
            self.reporter.change(DeviceState.READY)
        if heard.frame and decoded.events and self._recent.is_repeat(decoded.seal_id, heard.frame, received_s):
            return
        for event in sorted(decoded.events, key=_attack_last):
            report = SealReported(
                seal_id=event.seal_id or decoded.seal_id,
                kind=event.kind,
                is_alarm=event.is_alarm,
                device_time=event.device_time,
                latitude=event.latitude_deg,
                longitude=event.longitude_deg,
                attributes=event.attributes,
            )
            self.reporter.emit(report, received_s, heard.frame)


def _attack_last(event: SealEvent) -> bool:
    """Return whether a seal was attacked: the last word of a frame, so that whoever keeps one state per seal keeps that one."""
    return event.kind in TAMPER_KINDS


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> SealTrackerServer:
    """Return the driver of one tracker port. Raises `OptionsRefused` naming the options that are wrong."""
    try:
        accepted = SealServerOptions.model_validate(dict(options))
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise OptionsRefused(f"{name}: {reasons}") from error
    return SealTrackerServer(name, accepted, sink, clock)
