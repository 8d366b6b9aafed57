"""One device on its host: what still holds of what it told, the frames that the agent has, and the number of the last message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.contracts import (
    BarrierInputs,
    ChipPresented,
    ChipRemoved,
    DeviceEvent,
    DeviceState,
    Driver,
    FrameCaptured,
    SealReported,
    StateChanged,
)
from drivers.hosted.carrying import Carrier
from drivers.hosted.channel import Channel
from drivers.hosted.messages import FRAMES_LIMIT, FrameTold, Told
from drivers.surroundings import PrinterReported, UpsBatteryLow, UpsReported, XrayReported

MISSED_LIMIT = 1024
"""Of one device; all that was missed is told in one go, and has to fit into the channel's queue."""
_HOLDING = (BarrierInputs, PrinterReported, UpsReported, UpsBatteryLow, ChipPresented)


@dataclass(slots=True)
class HostDevice:
    """A driver, and what an agent has to be told when it connects."""

    driver: Driver
    carrier: Carrier
    channel: Channel | None = None
    lent: dict[int, Callable[[], None]] = field(default_factory=dict)
    _state: DeviceEvent | None = None
    _holding: dict[type, DeviceEvent] = field(default_factory=dict)
    _missed: dict[tuple[str, ...], DeviceEvent] = field(default_factory=dict)
    _number: int = 0
    _frames: int = 0

    def connected(self, channel: Channel) -> None:
        """Tell a new agent the state, what still holds, and what came while there was none."""
        if not channel.is_open:
            return  # it left while it was told of the devices before
        self.channel, self._number = channel, 0
        missed, self._missed = self._missed, {}
        for event in (*((self._state,) if self._state else ()), *self._holding.values(), *missed.values()):
            self._send(event)

    def left(self) -> list[Callable[[], None]]:
        """Note that the agent is gone; return how the frames that it had are given back."""
        self.channel = None
        lent, self.lent = self.lent, {}
        return list(lent.values())

    def take(self, event: DeviceEvent) -> None:
        """Take what the driver tells."""
        if isinstance(event.data, FrameCaptured):
            self._lend(event, event.data)
            return
        self._note(event)
        if self.channel is not None:
            self._send(event)
        elif (key := _told_once(event)) is not None:
            self._missed.pop(key, None)  # the newest stands last
            self._missed[key] = event
            if len(self._missed) > MISSED_LIMIT:
                del self._missed[next(iter(self._missed))]

    def give_back(self, frame_id: int) -> None:
        """Take a frame back; a second time is harmless."""
        if (release := self.lent.pop(frame_id, None)) is not None:
            release()

    def _note(self, event: DeviceEvent) -> None:
        payload = event.data
        if isinstance(payload, StateChanged):
            self._state = event
            if payload.state is not DeviceState.READY:
                self._holding.clear()
        elif isinstance(payload, ChipRemoved):
            self._holding.pop(ChipPresented, None)
        elif isinstance(payload, _HOLDING):
            self._holding.pop(type(payload), None)  # the newest stands last
            self._holding[type(payload)] = event
            if isinstance(payload, UpsReported) and payload.is_on_battery is False:
                self._holding.pop(UpsBatteryLow, None)

    def _send(self, event: DeviceEvent) -> None:
        if self.channel is None or isinstance(event.data, FrameCaptured):
            return
        told = Told(event.device, self._number + 1, event.data, event.t_wall, event.t_mono_s, event.raw)
        self.channel.send(told)  # what does not travel is the driver's unforeseen failure, and takes no number
        self._number += 1

    def _lend(self, event: DeviceEvent, frame: FrameCaptured) -> None:
        """Hand a frame on, unless the agent has enough of them or is slow: then it gets a later one."""
        channel = self.channel
        if channel is None or not channel.is_open or channel.is_congested or len(self.lent) >= FRAMES_LIMIT:
            frame.release()
            return
        self._frames += 1
        self._number += 1
        self.lent[self._frames] = frame.release
        told = FrameTold(
            *(event.device, self._number, self._frames, frame.width_px, frame.height_px, frame.frame_number),
            *(frame.channel, frame.pixel_format, event.t_wall, event.t_mono_s),
        )
        channel.send(told, frame.memfd)


def _told_once(event: DeviceEvent) -> tuple[str, ...] | None:
    """Return as what an event is kept while no agent is there; None for what its device tells again, or what is worth nothing later.

    A tracker and an X-ray machine count what was taken from them as delivered. The newest of a kind replaces the one before.
    """
    match event.data:
        case SealReported(seal_id=seal_id, kind=kind):
            return ("seal", seal_id, kind)
        case XrayReported(scan_id=scan_id):
            return ("scan", scan_id)
        case _:
            return None
