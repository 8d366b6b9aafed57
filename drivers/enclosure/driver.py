"""`hwmon_enclosure`: the temperature inside an enclosure from a file of the kernel, and on demand a heater behind a Modbus TCP board.

It tells the temperature when it moved by a step, and a fault while it is too cold or too hot. Without a temperature nothing is heated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Self

from pydantic import Field, model_validator

from drivers.contracts import Clock, DeviceClass, EventSink
from drivers.enclosure.errors import EnclosureFault, HeaterNotHeard, TooCold, TooHot
from drivers.enclosure.heater import HeaterBoard, Thermostat
from drivers.enclosure.temperature_file import PolledFile, celsius
from drivers.errors import FrameDamaged
from drivers.link import TcpPeer
from drivers.options import TimingOptions
from drivers.supervisor import LinkSource, SupervisedDriver
from drivers.surroundings import EnclosureReported


class HwmonEnclosureOptions(TimingOptions):
    """Options of `hwmon_enclosure`."""

    path: str = Field(
        min_length=1,
        description="File of the sensor, in thousandths of a degree, such as /sys/devices/…/hwmon/hwmon*/temp1_input; `*` may stand"
        " for one name.",
    )
    poll_s: float = Field(5.0, gt=0, le=600, description="Pause between two readings.")
    low_c: float = Field(0.0, ge=-60, le=60, description="Below it the enclosure is too cold.")
    high_c: float = Field(60.0, ge=-20, le=120, description="Above it the enclosure is too hot.")
    hysteresis_k: float = Field(
        2.0, gt=0, le=20, description="How far the temperature has to come back before heat, cold or heater end."
    )
    report_step_k: float = Field(0.5, gt=0, le=20, description="A change by so much is told.")
    heat_below_c: float | None = Field(
        None, ge=-60, le=60, description="Heat below this temperature; left out: no heater."
    )
    heater_host: str = Field("", description="Address of the Modbus TCP board that switches the heater.")
    heater_port: int = Field(502, ge=1, le=65_535, description="Its TCP port.")
    heater_unit: int = Field(1, ge=0, le=255, description="Its unit number.")
    heater_register: int = Field(
        0, ge=0, le=65_535, description="Register that switches the output on for as long as its value says."
    )
    heater_ttl_s: float = Field(
        60.0, ge=2, le=600, description="How long one order heats; it is renewed at a third of it."
    )
    heater_unit_s: float = Field(1.0, gt=0, le=60, description="What 1 in that register means.")
    heater_timeout_s: float = Field(1.0, gt=0, le=10, description="Longest wait for the board's answer.")
    quiet_s: float = Field(0.0, ge=0, le=3600, description="Not used: reading is the sign of life.")
    dead_s: float = Field(60.0, ge=0, le=3600, description="Silence after which the sensor is opened again; 0: never.")

    @property
    def further(self) -> tuple[tuple[str, int], ...]:
        """The heater's board, where there is one (`drivers.endpoints`)."""
        return ((self.heater_host, self.heater_port),) if self.heater_host else ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.low_c + 2 * self.hysteresis_k >= self.high_c:
            raise ValueError("`low_c` and `high_c` have to be apart by more than twice `hysteresis_k`")
        if (self.heat_below_c is None) is not (not self.heater_host):
            raise ValueError("`heat_below_c` and `heater_host` belong together")
        if self.heat_below_c is not None and self.heat_below_c + self.hysteresis_k >= self.high_c:
            raise ValueError("the heater has to end below `high_c`")
        if not 1 <= round(self.heater_ttl_s / self.heater_unit_s) <= 0xFFFF:
            raise ValueError("`heater_ttl_s` does not fit the register")
        if self.dead_s and self.poll_s >= self.dead_s:
            raise ValueError("`dead_s` has to be longer than `poll_s`")
        return self


class HwmonEnclosure(SupervisedDriver):
    """A supervised sensor, and the heater that it is for."""

    device_class = DeviceClass.ENCLOSURE
    events = frozenset({EnclosureReported})

    def __init__(self, name: str, options: HwmonEnclosureOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, options.timing(), sink, clock)
        self._options = options
        self._file = PolledFile(options.path, options.poll_s)
        self._reported: EnclosureReported | None = None
        self._standing: type[EnclosureFault] | None = None
        self._felt = asyncio.Event()
        self._thermostat = (
            Thermostat(options.heat_below_c, options.hysteresis_k) if options.heat_below_c is not None else None
        )
        self._heater = HeaterBoard(
            TcpPeer(options.heater_host, options.heater_port),
            unit=options.heater_unit,
            register=options.heater_register,
            ttl_s=options.heater_ttl_s,
            unit_s=options.heater_unit_s,
            timeout_s=options.heater_timeout_s,
        )

    @property
    def source(self) -> LinkSource:
        """The sensor's file."""
        return self._file

    def opened(self) -> None:
        """Tell the temperature anew."""
        self._reported = self._standing = None
        self._felt.clear()

    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        """Take one reading."""
        try:
            temperature_c = celsius(chunk)
        except FrameDamaged as damaged:
            self.reporter.record(damaged)
            return False
        self.declare_ready()
        self.reporter.clear(FrameDamaged.code)
        is_heating = self._thermostat.felt(temperature_c) if self._thermostat is not None else False
        self._felt.set()
        self._judge(temperature_c)
        last = self._reported
        if (
            last is None
            or last.is_heating is not is_heating
            or abs(temperature_c - last.temperature_c) >= self._options.report_step_k
        ):
            self._reported = EnclosureReported(temperature_c, is_heating)
            self.reporter.emit(self._reported, t_mono_s, chunk)
        return True

    async def converse(self) -> None:
        """Renew the heater's order while it is cold. It ends with the sensor: without a temperature no order is renewed."""
        if self._thermostat is None:
            return
        await self._felt.wait()
        was_heating = False
        while True:
            is_heating = self._thermostat.is_heating
            if is_heating or was_heating:
                was_heating = await self._order(on=is_heating) or is_heating
            pause_s = self._options.heater_ttl_s / 3
            await asyncio.sleep(min(pause_s, self._options.poll_s) if not is_heating else pause_s)

    async def _order(self, *, on: bool) -> bool:
        """Send an order; return whether it has to be sent again although it was "off"."""
        try:
            await self._heater.heat(on=on)
        except HeaterNotHeard as fault:
            self.reporter.record(fault)
            return True
        self.reporter.clear(HeaterNotHeard.code)
        return False

    def _judge(self, temperature_c: float) -> None:
        options, standing = self._options, self._standing
        slack_k = options.hysteresis_k
        if temperature_c < options.low_c + (slack_k if standing is TooCold else 0.0):
            now: type[EnclosureFault] | None = TooCold
        elif temperature_c > options.high_c - (slack_k if standing is TooHot else 0.0):
            now = TooHot
        else:
            now = None
        if now is standing:
            return
        self._standing = now
        if standing is not None:
            self.reporter.clear(standing.code)
        if now is not None:
            self.reporter.record(now(f"{self.name}: {temperature_c:.1f} °C"))


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> HwmonEnclosure:
    """Return the driver. Raises `OptionsRefused`."""
    return HwmonEnclosure(name, HwmonEnclosureOptions.read(name, options), sink, clock)
