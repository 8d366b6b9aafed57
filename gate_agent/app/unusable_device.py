"""A device whose driver cannot be built: it stands there in fault with its remedy, and every other device works.

The roles of a lane's devices stand here, too: they say what such a device should have been.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import NoReturn

from drivers import contracts as dc
from drivers.accessibility import LiftDirection, LiftReported, Utterance
from drivers.errors import DriverFault, NotReady
from drivers.reporter import Reporter
from gate_agent.settings import LaneSettings, Settings


def lane_roles(lane: LaneSettings) -> Iterator[tuple[dc.DeviceClass, str]]:
    """Yield the devices of a lane and what each has to be, in the order in which a traveller meets them."""
    yield dc.DeviceClass.DOCUMENT_READER, lane.document_reader
    if lane.chip_reader:
        yield dc.DeviceClass.CHIP_READER, lane.chip_reader
    for name in lane.barcode:
        yield dc.DeviceClass.BARCODE, name
    for name in (lane.camera, *lane.channel_cameras):
        yield dc.DeviceClass.CAMERA, name
    if lane.low_camera:
        yield dc.DeviceClass.CAMERA, lane.low_camera
    if lane.camera_lift:
        yield dc.DeviceClass.CAMERA_LIFT, lane.camera_lift
    yield dc.DeviceClass.BARRIER, lane.barrier
    if lane.help_point:
        yield dc.DeviceClass.HELP_POINT, lane.help_point
    if lane.speaker:
        yield dc.DeviceClass.SPEAKER, lane.speaker
    for name in lane.tag_readers:
        yield dc.DeviceClass.RFID_READER, name
    if lane.printer:
        yield dc.DeviceClass.PRINTER, lane.printer


def lane_devices(lane: LaneSettings) -> tuple[str, ...]:
    """Return the names of the devices that serve a lane, each once, in the order of `lane_roles`."""
    return tuple(dict.fromkeys(name for _, name in lane_roles(lane)))


def role_of(settings: Settings, name: str) -> dc.DeviceClass | None:
    """Return what a device has to be, None when no lane names it."""
    return next((role for lane in settings.lane for role, named in lane_roles(lane) if named == name), None)


class UnusableDevice:
    """Takes the place of any driver: reports its fault once, and answers every command as a device does that is away."""

    capabilities: frozenset[str] = frozenset()
    events: frozenset[type] = frozenset()

    def __init__(
        self, name: str, device_class: dc.DeviceClass, fault: DriverFault, sink: dc.EventSink, clock: dc.Clock
    ) -> None:
        self.name = name
        self.device_class = device_class
        self._fault = fault
        self._reporter = Reporter(name, sink, clock)

    @property
    def state(self) -> dc.DeviceState:
        """FAULT, once it runs."""
        return self._reporter.state

    async def run(self) -> None:
        """Report the fault; nothing but another site file or another package ends it."""
        self._reporter.change(dc.DeviceState.FAULT, self._fault)
        await asyncio.get_running_loop().create_future()

    async def read_again(self) -> None:
        """Raise `NotReady`."""
        self._refuse()

    async def release(self, direction: dc.Door, count: int, ttl_s: float) -> None:  # noqa: ARG002 - the contract's signature
        """Raise `NotReady`: no door moves."""
        self._refuse()

    async def end_releases(self) -> None:
        """Raise `NotReady`."""
        self._refuse()

    async def lockdown(self) -> None:
        """Raise `NotReady`; nothing is released here anyway."""
        self._refuse()

    async def lift_lockdown(self) -> None:
        """Raise `NotReady`."""
        self._refuse()

    async def signal(self, signal: dc.GateSignal, ttl_s: float) -> None:  # noqa: ARG002 - as above
        """Raise `NotReady`."""
        self._refuse()

    async def read_inputs(self) -> dc.BarrierInputs:
        """Raise `NotReady`."""
        self._refuse()

    async def say(self, utterance: Utterance, volume_ratio: float = 1.0) -> None:  # noqa: ARG002 - as above
        """Raise `NotReady`: nothing is said."""
        self._refuse()

    async def move(self, direction: LiftDirection, seconds: float) -> LiftReported:  # noqa: ARG002 - as above
        """Raise `NotReady`: no lift moves."""
        self._refuse()

    def stop(self) -> None:
        """Do nothing: nothing moves."""

    async def call(self) -> None:
        """Raise `NotReady`: nobody is called."""
        self._refuse()

    async def read(self, keys: dc.ChipKeys, report: Callable[[dc.ChipProgress], None]) -> dc.ChipEvidence:  # noqa: ARG002 - as above
        """Return evidence that holds nothing but the fault."""
        return dc.ChipEvidence(fault=self._fault.code, fault_text=str(self._fault))

    def set_active(self, *, active: bool) -> None:
        """Do nothing: no frame will come."""

    def set_reading(self, *, active: bool) -> None:
        """Do nothing, as above."""

    def _refuse(self) -> NoReturn:
        raise NotReady(f"{self.name} cannot be used: {self._fault}", remedy=self._fault.remedy)
