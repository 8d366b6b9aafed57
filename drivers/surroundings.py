"""What devices around the gate tell: payloads of `drivers.contracts.DeviceEvent` that no lane waits for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class UavReported:
    """Where an unmanned aircraft is and how it is, by its own word. None: unknown. Altitude above mean sea level, height above its start.

    `system_id` is its number on the link, no proof of identity.
    """

    system_id: int
    latitude: float | None
    longitude: float | None
    altitude_m: float
    height_m: float
    ground_speed_m_s: float
    heading_deg: float | None = None
    roll_deg: float | None = None
    pitch_deg: float | None = None
    battery_ratio: float | None = None
    battery_v: float | None = None
    has_fix: bool | None = None
    satellites: int | None = None
    is_armed: bool | None = None


@dataclass(frozen=True, slots=True)
class UavText:
    """A status text of an unmanned aircraft; `severity` 0 (emergency) to 7 (debug), as in RFC 5424."""

    system_id: int
    severity: int
    text: str


@dataclass(frozen=True, slots=True)
class UpsReported:
    """How the power stands. `is_battery_low`: the supply's own word; `flags`: its status words as sent (`OL`, `OB`, `LB`, `RB` …)."""

    is_on_battery: bool | None
    is_battery_low: bool
    charge_ratio: float | None
    runtime_s: float | None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UpsBatteryLow:
    """The power will end soon: time for an orderly stop. Told once per outage."""

    charge_ratio: float | None
    runtime_s: float | None


class XrayDecision(StrEnum):
    """What was decided at the X-ray. UNDETERMINED: neither; it never counts as clear."""

    CLEAR = "clear"
    ALARM = "alarm"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class XrayReported:
    """One result of X-ray screening; a later one of the same scan replaces it. `image_reference` is passed on, never opened."""

    scan_id: str
    decision: XrayDecision
    image_reference: str = ""


@dataclass(frozen=True, slots=True)
class PrinterReported:
    """Whether receipts can be printed: not without paper, with an open cover or an error. `is_paper_low`: it ends soon."""

    is_paper_out: bool
    is_paper_low: bool
    is_cover_open: bool
    has_error: bool


@dataclass(frozen=True, slots=True)
class EnclosureReported:
    """How warm an enclosure is inside, and whether its heater is ordered to heat."""

    temperature_c: float
    is_heating: bool = False


Surroundings = UavReported | UavText | UpsReported | UpsBatteryLow | XrayReported | PrinterReported | EnclosureReported
