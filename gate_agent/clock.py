"""Time as something handed in: wall clock for records, monotonic clock for timers and durations."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What every part that needs time is given. Tests hand in a clock they turn by hand."""

    def now(self) -> datetime:
        """Aware UTC time of day; never used for ordering or timers."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that only grow; the same base as `time.monotonic`."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Return the time of day in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Return `time.monotonic`."""
        return time.monotonic()
