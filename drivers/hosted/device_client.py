"""The agent's side of any hosted device: its state and events, with the host's stamps and numbers of its own."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime

from drivers.contracts import Clock, DeviceEvent, DeviceState, Driver, EventSink, Payload, StateChanged
from drivers.errors import DriverFault
from drivers.hosted.channel import Channel
from drivers.hosted.host_link import CommandLost, HostLink
from drivers.hosted.messages import Command, FrameTold, Told
from drivers.hosted.packets import PacketRefused


class HostedDevice:
    """A device of another process. What it is like is known from its driver, which is built here as well and never run."""

    def __init__(self, pattern: Driver, host: HostLink, sink: EventSink, clock: Clock) -> None:
        self.name = pattern.name
        self.device_class = pattern.device_class
        self.capabilities = pattern.capabilities
        self.events = pattern.events
        self.host = host
        self.clock = clock
        self._sink = sink
        self._stands = (DeviceState.ABSENT, "")
        self._seq = 0

    @property
    def state(self) -> DeviceState:
        """The state that its host told, ABSENT or FAULT while the host is away."""
        return self._stands[0]

    async def run(self) -> None:
        """Stay connected to the host until cancelled."""
        async with self.host.hosting(self) as connection:
            await asyncio.shield(connection)

    def connected(self, channel: Channel) -> None:
        """Take up again what the device was switched to."""

    def lost(self, fault: DriverFault) -> None:
        """Tell that the device cannot be reached."""
        self._change(StateChanged(fault.state, fault.code, fault.remedy), self.clock.now(), self.clock.monotonic_s())

    def told(self, message: Told) -> None:
        """Tell what the host told."""
        if isinstance(message.payload, StateChanged):
            self._change(message.payload, message.t_wall, message.t_mono_s)
        else:
            self.tell(message.payload, message.t_wall, message.t_mono_s, message.raw)

    def frame_told(self, message: FrameTold, descriptor: int) -> None:  # noqa: ARG002 - the signature of a guest
        """Refuse a frame of a device that has none. Raises `PacketRefused`."""
        os.close(descriptor)
        raise PacketRefused(f"a frame of a {self.device_class.value}")

    def tell(self, payload: Payload, t_wall: datetime, t_mono_s: float, raw: bytes = b"") -> None:
        """Report something."""
        self._seq += 1
        self._sink(DeviceEvent(self.name, payload, t_wall, t_mono_s, self._seq, raw))

    async def ask(self, command: Command) -> object:
        """Have a command carried out. Raises the fault that keeps the host away, or what the driver raised."""
        try:
            answer: object = await self.host.ask(self.name, command)
        except CommandLost as lost:
            raise lost.fault from lost
        return answer

    def _change(self, change: StateChanged, t_wall: datetime, t_mono_s: float) -> None:
        if (change.state, change.fault) != self._stands or not self._seq:
            self._stands = (change.state, change.fault)
            self.tell(change, t_wall, t_mono_s)
