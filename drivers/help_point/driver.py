"""`modbus_help_point`: a help button and a door station's intercom on contacts of a Modbus box.

The call itself is the station's and the telephone system's business: one output starts it, as the station's own button would, and one input tells
that somebody speaks. Neither SIP nor any maker's protocol is spoken here, and no voice passes through the gate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from drivers.accessibility import HelpPressed, IntercomReported
from drivers.barrier.signals import Point
from drivers.contacts.box import ContactBox, ContactOptions, check_points
from drivers.contracts import Clock, DeviceClass, EventSink, Unsupported
from drivers.errors import DriverFault
from drivers.help_point.errors import ButtonStuck, CallNotMade

HelpSignal = Literal["help", "intercom_active", "intercom_call"]
_INPUTS: tuple[HelpSignal, ...] = ("help", "intercom_active")


class HelpPointOptions(ContactOptions):
    """Options of `modbus_help_point`."""

    points: dict[HelpSignal, Point] = Field(
        description="Signals by name: the input `help`, and if wired the output `intercom_call`, which starts the station's call, and the input"
        " `intercom_active`, closed while somebody speaks."
    )
    call_pulse_s: float = Field(
        0.5, gt=0, le=10, description="How long `intercom_call` is closed, as a finger would press."
    )
    stuck_s: float = Field(30.0, gt=0, le=3600, description="A button closed for longer is taken for stuck.")

    @model_validator(mode="after")
    def _is_wired(self) -> Self:
        if "help" not in self.points:
            raise ValueError("the signal help is needed")
        check_points(self.points, _INPUTS, ("intercom_call",))
        return self


class HelpPoint(ContactBox):
    """A supervised help point."""

    device_class = DeviceClass.HELP_POINT
    events = frozenset({HelpPressed, IntercomReported})

    def __init__(self, name: str, options: HelpPointOptions, sink: EventSink, clock: Clock) -> None:
        points = options.points
        super().__init__(name, options, {one: points[one] for one in _INPUTS if one in points}, sink, clock)
        self._help = options
        self.capabilities = frozenset({"call"} if "intercom_call" in points else ())
        self._pressed_since_s: float | None = None
        self._is_active = False
        self._calling = asyncio.Lock()

    async def connected(self) -> None:
        """Let go of the call output: a pulse may have been under way."""
        output = self._help.points.get("intercom_call")
        if output is not None:
            await self.write_surely(output, 0)

    def contacts(self, closed: Mapping[str, bool], t_mono_s: float, raw: bytes) -> None:
        """Report a press once, and the intercom as it changes. A press that lasts over a lost connection is still the same one."""
        if not closed["help"]:
            self._pressed_since_s = None
            self.reporter.clear(ButtonStuck.code)
        elif self._pressed_since_s is None:
            self._pressed_since_s = t_mono_s
            self.reporter.emit(HelpPressed(), t_mono_s, raw)
        elif t_mono_s - self._pressed_since_s > self._help.stuck_s:
            self.reporter.record(ButtonStuck(f"{self.name}: closed for more than {self._help.stuck_s:g} s"))
        is_active = closed.get("intercom_active", False)
        if is_active is not self._is_active:
            self._is_active = is_active
            self.reporter.emit(IntercomReported(is_active), t_mono_s, raw)

    async def call(self) -> None:
        """Start the station's call with one pulse; nothing where somebody speaks already. Raises `Unsupported` or `CallNotMade`."""
        output = self._help.points.get("intercom_call")
        if output is None:
            raise Unsupported(f"{self.name} has no output that starts a call")
        async with self._calling:
            if self._is_active:
                return
            try:
                await self.write(output, 1)
                await asyncio.sleep(self._help.call_pulse_s)
                await self.write_surely(output, 0)
            except DriverFault as fault:
                failed = CallNotMade(f"{self.name}: {fault}")
                self.reporter.record(failed)
                raise failed from fault
            self.reporter.clear(CallNotMade.code)


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> HelpPoint:
    """Return the driver. Raises `OptionsRefused`."""
    return HelpPoint(name, HelpPointOptions.read(name, options), sink, clock)
