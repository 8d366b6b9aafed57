"""`nut_ups`: an uninterruptible power supply through the server of Network UPS Tools (`upsd`), read only.

It reports how the power stands whenever that changes, and once per outage that the battery is low, so that the gate can stop in order
while it still can. It stops nothing itself and sends the supply no command.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

from pydantic import Field, model_validator

from drivers.codec import BadFrame
from drivers.contracts import Clock, DeviceClass, EventSink
from drivers.errors import DriverFault
from drivers.framed_driver import FramedDriver
from drivers.link import TcpPeer
from drivers.options import TimingOptions
from drivers.power.errors import UpsNotServed, UpsUnreadable
from drivers.power.nut_lines import Line, NutCodec
from drivers.supervisor import LinkSource
from drivers.surroundings import UpsBatteryLow, UpsReported

VARIABLES_LIMIT = 1000
_LOST_ITS_SUPPLY = {"DATA-STALE", "DRIVER-NOT-CONNECTED"}
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")


class NutUpsOptions(TimingOptions):
    """Options of `nut_ups`."""

    host: str = Field(min_length=1, description="Address of the machine that runs `upsd`.")
    port: int = Field(3493, ge=1, le=65_535, description="Its TCP port.")
    ups: str = Field("ups", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Name of the supply in NUT's `ups.conf`.")
    poll_s: float = Field(2.0, gt=0, le=60, description="Pause between two questions.")
    reply_timeout_s: float = Field(2.0, gt=0, le=30, description="Longest wait for an answer before asking again.")
    low_charge_percent: float = Field(
        20.0,
        ge=0,
        le=100,
        description="Charge at which a battery in use counts as low; the supply's own word counts too.",
    )
    low_runtime_s: float = Field(
        120.0, ge=0, le=86_400, description="Remaining time at which a battery in use counts as low."
    )
    quiet_s: float = Field(0.0, ge=0, le=3600, description="Not used: polling is the sign of life.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.dead_s and self.poll_s + self.reply_timeout_s >= self.dead_s:
            raise ValueError("`dead_s` has to be longer than a poll and its answer")
        return self


class NutUps(FramedDriver[Line]):
    """A supervised power supply."""

    device_class = DeviceClass.POWER
    events = frozenset({UpsReported, UpsBatteryLow})

    def __init__(self, name: str, options: NutUpsOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, options.timing(), sink, clock)
        self.codec = NutCodec()
        self._options = options
        self._answered = asyncio.Event()
        self._refusal: DriverFault | None = None
        self._variables: dict[str, str] | None = None
        self._reported: UpsReported | None = None
        self._is_told_low = False

    @property
    def source(self) -> LinkSource:
        """The server's port."""
        return TcpPeer(self._options.host, self._options.port)

    def opened(self) -> None:
        """Forget half a list; how the power stands is reported anew, a low battery only once per outage."""
        super().opened()
        self._refusal = self._variables = self._reported = None

    async def converse(self) -> None:
        """Ask without overlap. A refusal ends the connection; silence is the supervisor's."""
        question = NutCodec.encode(Line(("LIST", "VAR", self._options.ups)))
        while True:
            self._answered.clear()
            await self.link.write(question)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.reply_timeout_s):
                    await self._answered.wait()
            if self._refusal is not None:
                raise self._refusal
            await asyncio.sleep(self._options.poll_s)

    def take(self, message: Line | BadFrame, t_mono_s: float) -> bool:
        """Collect a list of variables; report what it says once it is whole."""
        if isinstance(message, BadFrame):
            self.reporter.record(message.fault())
            return False
        match message.words:
            case ("BEGIN", "LIST", "VAR", ups) if ups == self._options.ups:
                self._variables = {}
            case ("VAR", ups, name, value) if self._variables is not None and ups == self._options.ups:
                if len(self._variables) < VARIABLES_LIMIT:
                    self._variables[name] = value
            case ("END", "LIST", "VAR", ups) if self._variables is not None and ups == self._options.ups:
                variables, self._variables = self._variables, None
                self._answered.set()
                return self._tell(variables, t_mono_s)
            case ("ERR", code, *_):
                kind = UpsUnreadable if code in _LOST_ITS_SUPPLY else UpsNotServed
                self._refusal = kind(f"{self.name}: the server answers {code}")
                self._answered.set()
        return False  # only a whole list is a sign of life

    def _tell(self, variables: Mapping[str, str], t_mono_s: float) -> bool:
        report = reading(variables)
        if report is None:
            return False
        self.declare_ready()
        self.reporter.clear()
        if report != self._reported:
            self._reported = report
            self.reporter.emit(report, t_mono_s)
        is_low = self._is_low(report)
        if is_low and not self._is_told_low:
            self.reporter.emit(UpsBatteryLow(report.charge_ratio, report.runtime_s), t_mono_s)
        if is_low or report.is_on_battery is False:
            self._is_told_low = is_low
        return True

    def _is_low(self, report: UpsReported) -> bool:
        if "FSD" in report.flags:
            return True  # the server's administrator has ordered the stop
        if report.is_on_battery is not True:
            return False
        has_little = report.charge_ratio is not None and report.charge_ratio * 100 <= self._options.low_charge_percent
        ends_soon = report.runtime_s is not None and report.runtime_s <= self._options.low_runtime_s
        return "LB" in report.flags or has_little or ends_soon


def reading(variables: Mapping[str, str]) -> UpsReported | None:
    """Return what a list of variables says; None without `ups.status`. On line and on battery at once counts as on battery."""
    flags = tuple(variables.get("ups.status", "").split())
    if not flags:
        return None
    charge, runtime = (_number(variables.get(name, "")) for name in ("battery.charge", "battery.runtime"))
    return UpsReported(
        is_on_battery=True if "OB" in flags else False if "OL" in flags else None,
        is_battery_low="LB" in flags,
        charge_ratio=charge / 100 if charge is not None and charge <= 100 else None,
        runtime_s=runtime,
        flags=flags,
    )


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> NutUps:
    """Return the driver. Raises `OptionsRefused`."""
    return NutUps(name, NutUpsOptions.read(name, options), sink, clock)
