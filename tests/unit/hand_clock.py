"""A clock that tests turn by hand."""

from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


class HandClock:
    """`turn` moves both clocks; `time` alone is the time of day, as an operator sets it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.time, self.ticks_s = now, 0.0

    def now(self) -> datetime:
        return self.time

    def monotonic_s(self) -> float:
        return self.ticks_s

    def turn(self, **step: float) -> None:
        self.time += timedelta(**step)
        self.ticks_s += timedelta(**step).total_seconds()
