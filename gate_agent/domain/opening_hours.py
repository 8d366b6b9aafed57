"""The hours in which a lane is open, by the clock on the wall: pure, the time is handed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SPAN_PATTERN = r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$"
"""How a span is written: `06:00-22:30`."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OpeningSpan:
    """From one time of day to another, every day; one whose end is not after its start goes over midnight."""

    opens: time
    closes: time

    @classmethod
    def read(cls, text: str) -> OpeningSpan:
        """Return the span of a text that fits `SPAN_PATTERN`. Raises `ValueError` for any other."""
        opens, closes = text.split("-")
        return cls(time.fromisoformat(opens), time.fromisoformat(closes))

    def holds(self, now: datetime, zone: ZoneInfo) -> bool:
        """Whether it is open at `now` (aware), by the local time of `zone`.

        Where the clock is changed a time of day comes twice, or not at all: such a span is rather longer than shorter.
        """
        moment = now.astimezone(UTC)
        today = now.astimezone(zone).date()
        return any(self._opening(day, zone) <= moment < self._closing(day, zone) for day in (today - _DAY, today))

    def _opening(self, day: date, zone: ZoneInfo) -> datetime:
        return min(_moments(day, self.opens, zone))

    def _closing(self, day: date, zone: ZoneInfo) -> datetime:
        return max(_moments(day if self.closes > self.opens else day + _DAY, self.closes, zone))


def is_open(spans: Iterable[OpeningSpan], now: datetime, zone: ZoneInfo) -> bool:
    """Tell whether a lane with these spans is open at `now` (aware)."""
    return any(span.holds(now, zone) for span in spans)


def _moments(day: date, at: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return both readings of a local time; they differ only where the clock is changed (PEP 495)."""
    local = datetime.combine(day, at, zone)
    return local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
