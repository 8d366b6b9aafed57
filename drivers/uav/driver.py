"""`mavlink_uav`: telemetry of unmanned aircraft, MAVLink forwarded by a ground station or mavlink-router, over TCP or UDP.

It listens and never sends: no request, no heartbeat of its own, no command. Signed frames are stepped over, because nothing here could
verify them; unsigned ones are as trustworthy as the network they come over, so what they say is for people to see and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Literal, Self

from pydantic import Field, model_validator

from drivers.codec import BadFrame
from drivers.contracts import Clock, DeviceClass, EventSink
from drivers.datagram_link import DatagramLink, DatagramListener
from drivers.errors import FrameDamaged
from drivers.framed_driver import FramedDriver
from drivers.link import TcpPeer
from drivers.options import TimingOptions
from drivers.supervisor import LinkSource
from drivers.surroundings import UavReported, UavText
from drivers.uav.mavlink import CRC_EXTRA, Frame, MavlinkCodec
from drivers.uav.telemetry import AUTOPILOT_COMPONENT, Aircraft


class MavlinkUavOptions(TimingOptions):
    """Options of `mavlink_uav`."""

    transport: Literal["tcp", "udp"] = Field(
        "tcp",
        description="`tcp`: the gate calls whoever forwards telemetry; `udp`: it is sent to an address of the gate.",
    )
    host: str = Field(
        min_length=1,
        description="Address of the ground station or router that forwards telemetry; with `udp` the gate's own address that listens.",
    )
    port: int = Field(
        5760, ge=1, le=65_535, description="TCP port of the forwarder, or UDP port of the gate (often 14550)."
    )
    senders: tuple[str, ...] = Field(
        (),
        max_length=32,
        description="With `udp`: addresses that are heard; without any, whoever makes sense first, until the link falls silent.",
    )
    report_interval_ms: int = Field(
        1000, ge=0, le=600_000, description="Shortest time between two reported positions of one aircraft."
    )
    frame_gap_s: float = Field(0.5, gt=0, le=5, description="Silence inside a frame after which it is torn.")
    quiet_s: float = Field(0.0, ge=0, le=3600, description="Not used: aircraft are never asked.")
    dead_s: float = Field(15.0, ge=0, le=3600, description="Silence after which the link is opened again; 0: never.")

    @property
    def listens(self) -> bool:
        """Whether `host` and `port` are where the gate listens (`drivers.endpoints`)."""
        return self.transport == "udp"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.senders and self.transport != "udp":
            raise ValueError('`senders` belongs to `transport = "udp"`')
        for address in (*self.senders, *((self.host,) if self.transport == "udp" else ())):
            if ip_address(address).is_unspecified:
                raise ValueError("give an address of the gate's own, not every one of them")
        return self


class MavlinkUav(FramedDriver[Frame]):
    """A supervised telemetry link with up to 255 aircraft on it."""

    device_class = DeviceClass.UAV
    events = frozenset({UavReported, UavText})

    def __init__(self, name: str, options: MavlinkUavOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, options.timing(), sink, clock)
        self.gap_s = options.frame_gap_s
        self.codec = MavlinkCodec()
        self._options = options
        self._listener = (
            DatagramListener(options.host, options.port, options.senders) if options.transport == "udp" else None
        )
        self._aircraft: dict[int, Aircraft] = {}

    @property
    def source(self) -> LinkSource:
        """The TCP port that is called, or the UDP port that is listened on."""
        return self._listener or TcpPeer(self._options.host, self._options.port)

    async def ended(self) -> None:
        """Close the UDP port."""
        if self._listener is not None:
            await self._listener.close()

    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        """Take frames; a datagram ends what it began, and the sender of one that made sense is kept."""
        has_sense = super().received(chunk, t_mono_s)
        if self._listener is not None:
            self.gap(t_mono_s)
            if has_sense and isinstance(self._link, DatagramLink):
                self._link.keep_sender()
        return has_sense

    def opened(self) -> None:
        """Forget what aircraft said on the last connection."""
        super().opened()
        self._aircraft.clear()

    def take(self, message: Frame | BadFrame, t_mono_s: float) -> bool:
        """Report what an aircraft's autopilot says; other components, other messages and signed frames only show that the link lives."""
        if isinstance(message, BadFrame):
            self.reporter.record(message.fault())
            return False
        self.declare_ready()
        self.reporter.clear()
        if message.is_signed or message.message_id not in CRC_EXTRA or message.component_id != AUTOPILOT_COMPONENT:
            return True
        aircraft = self._aircraft.setdefault(
            message.system_id, Aircraft(message.system_id, self._options.report_interval_ms)
        )
        try:
            report = aircraft.absorb(message)
        except ValueError as error:
            self.reporter.record(FrameDamaged(str(error)))
            return False
        if report is not None:
            self.reporter.emit(report, t_mono_s, message.payload)
        return True


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> MavlinkUav:
    """Return the driver. Raises `OptionsRefused`."""
    return MavlinkUav(name, MavlinkUavOptions.read(name, options), sink, clock)
