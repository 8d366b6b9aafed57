"""A tracker's place and time as told, and the events made of it; shared by every protocol whose report is a position with extras."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from drivers.seal_tracker.events import ALARM_KINDS, SealEvent

KNOTS_PER_KMH = 1 / 1.852
Attributes = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """Where and when a tracker says it is. Degrees WGS 84, north and east positive; `fix_time` only when it differs from `device_time`.

    Without a fix many trackers repeat the last place they knew: it stays data, and is no position.
    """

    device_time: datetime | None = None
    is_valid: bool = False
    latitude_deg: float = 0.0
    longitude_deg: float = 0.0
    altitude_m: float | None = None
    speed_knots: float = 0.0
    course_deg: float = 0.0
    fix_time: datetime | None = None

    @property
    def is_on_earth(self) -> bool:
        """Whether the coordinates are coordinates at all (NaN is none)."""
        return -90 <= self.latitude_deg <= 90 and -180 <= self.longitude_deg <= 180


def reading_events(reading: Reading, attributes: Attributes = (), kinds: Collection[str] = ()) -> tuple[SealEvent, ...]:
    """Return `position` (or `status` when there is no fix), then one event per further kind, all at the same place and time.

    Coordinates that are none cost the place, never the event: a torn rope must not be lost with them.
    """
    is_on_earth = reading.is_on_earth
    has_place = reading.is_valid and is_on_earth
    told = [("speed_knots", f"{reading.speed_knots:.8g}"), ("course_deg", f"{reading.course_deg:.10g}")]
    if reading.altitude_m is not None:
        told.append(("altitude_m", f"{reading.altitude_m:.10g}"))
    if reading.fix_time is not None and reading.fix_time != reading.device_time:
        told.append(("fix_time", time_text(reading.fix_time)))
    if not has_place and is_on_earth and (reading.latitude_deg or reading.longitude_deg):
        told.append(("last_latitude_deg", f"{reading.latitude_deg:.9f}"))
        told.append(("last_longitude_deg", f"{reading.longitude_deg:.9f}"))
    latitude, longitude = (reading.latitude_deg, reading.longitude_deg) if has_place else (None, None)
    all_told = (*told, *attributes)
    moment = reading.device_time
    base = SealEvent("position" if has_place else "status", False, moment, latitude, longitude, all_told)
    if not kinds:
        return (base,)
    return (
        base,
        *(SealEvent(kind, kind in ALARM_KINDS, moment, latitude, longitude, all_told) for kind in dict.fromkeys(kinds)),
    )


def time_text(moment: datetime) -> str:
    """Return an aware UTC time as RFC 3339 text."""
    return moment.isoformat().replace("+00:00", "Z")


def message_event(attributes: Attributes, device_time: datetime | None = None) -> tuple[SealEvent, ...]:
    """Return the `status` event of a message that tells something but no place."""
    return (SealEvent("status", False, device_time, None, None, attributes),)


def utc(year: int, month: int, day: int, hour: int, minute: int, second: int, offset_h: int = 0) -> datetime | None:
    """Return a device's calendar time as UTC, None when it is no date: a broken clock must not lose the report."""
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        return moment - timedelta(hours=offset_h) if offset_h else moment
    except (ValueError, OverflowError):
        return None


def from_epoch(seconds: float) -> datetime | None:
    """Return seconds since 1970 as UTC, None when they are beyond any date."""
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return None
