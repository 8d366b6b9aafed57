"""Driver `jointech_seal`: the TCP server that the seal trackers of one protocol call.

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

from drivers.codec import BadFrame
from drivers.contracts import (
    Clock,
    DeviceClass,
    DeviceState,
    EventSink,
    SealReported,
)
from drivers.errors import DriverFault, LinkForbidden, OptionsRefused
from drivers.reach import REACH
from drivers.reporter import Reporter
from drivers.seal_tracker.codec import Heard
from drivers.seal_tracker.errors import (
    NoTracker,
    OnlyNoise,
    PortNotOpened,
    ProtocolNotBuiltIn,
    SealFrameRejected,
    TrackersSilent,
)
from drivers.seal_tracker.events import TAMPER_KINDS, SealEvent
from drivers.seal_tracker.protocols import protocol_named
from drivers.seal_tracker.repeats import RecentFrames
from drivers.supervisor import Backoff

READ_BYTES = 4096
ANSWER_BACKLOG_BYTES = 1 << 16
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0

_log = structlog.get_logger("drivers.seal_tracker")


class SealServerOptions(BaseModel):
    """Options of a `jointech_seal` device; unknown ones are refused."""

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
    startup_configuration: str = Field(
        "",
        max_length=64,
        pattern=r"[0-9,]*",
        description="Configuration that an eSeal gets when it starts, as its maker writes it (eSeal only).",
    )
    connections_limit: int = Field(
        64, ge=1, le=4096, description="Most trackers connected at once; more are turned away."
    )
    silent_s: float = Field(900.0, gt=0, le=86_400, description="A connection silent for so long is closed.")
    noise_limit_bytes: int = Field(16_384, ge=64, description="A connection with so many unusable bytes is closed.")

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
    capabilities = frozenset({"seals"})
    events = frozenset({SealReported})

    def __init__(self, name: str, options: SealServerOptions, sink: EventSink, clock: Clock) -> None:
        self.name = name
        self.port = options.port
        self._options = options
        self._protocol = protocol_named(options.protocol)
        self._clock = clock
        self.reporter = Reporter(name, sink, clock)
        self._connections: set[asyncio.Task[None]] = set()
        self._recent = RecentFrames()

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
                server = await asyncio.start_server(self._accept, self._options.host, self.port, reuse_address=True)
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

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= self._options.connections_limit:
            _log.warning("seal_connection_turned_away", device=self.name, limit=self._options.connections_limit)
            writer.transport.abort()
            return
        self._connections.add(task)
        fault: DriverFault = NoTracker("the last tracker left")
        try:
            fault = await self._converse(reader, writer)
        except asyncio.CancelledError:
            return  # the server ends; asyncio's own callback would log a cancelled connection as an error
        except OSError:
            _log.info("seal_connection_lost", device=self.name)
        finally:
            self._connections.discard(task)
            writer.transport.abort()
        if not self._connections:
            self.reporter.change(fault.state, fault)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> DriverFault:
        """Serve one connection to its end; return why it ended."""
        codec = self._protocol.new_codec(
            clock_offset_h=self._options.clock_offset_h, startup_configuration=self._options.startup_configuration
        )
        while True:
            try:
                async with asyncio.timeout(self._options.silent_s):
                    received = await reader.read(READ_BYTES)
            except TimeoutError:
                return TrackersSilent("the tracker said nothing for too long")
            if not received:
                return NoTracker("the last tracker left")
            received_s = self._clock.monotonic_s()
            for item in codec.feed(received):
                if isinstance(item, BadFrame):
                    self.reporter.record(SealFrameRejected(item.reason))
                    continue
                self._report(item, received_s)
                writer.write(codec.encode(item.decoded, self._clock.now()))
            if writer.transport.get_write_buffer_size() > ANSWER_BACKLOG_BYTES:
                return NoTracker("the tracker does not take its answers")
            if codec.dropped_bytes > self._options.noise_limit_bytes:
                return OnlyNoise(f"{codec.dropped_bytes} bytes made no frame")

    def _report(self, heard: Heard, received_s: float) -> None:
        self.reporter.change(DeviceState.READY)
        if heard.decoded.events and self._recent.is_repeat(heard.decoded.seal_id, heard.frame, received_s):
            return
        for event in sorted(heard.decoded.events, key=_attack_last):
            report = SealReported(
                seal_id=event.seal_id or heard.decoded.seal_id,
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
