"""Days of stays in a moving window, such as 90 in any 180: the day of entry and the day of exit both count.

Control asks about a day: how many days were used in the window that ends with it, and on which days more than allowed. Planning asks about
an entry: how many days from it on. Planning is not "allowed less used", because old days leave the window while the traveller stays.
Regulation (EU) 2016/399, article 6 (1) is the best known rule of the kind; the examples of its calculators are in the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from gate_agent.domain.stay import Stay

Span = tuple[int, int]
"""First and last day of a presence, as ordinals."""


@dataclass(frozen=True, slots=True)
class Control:
    """What a day's window shows; `overstayed_on` are the days in it on which more than allowed was used."""

    window_from: date
    used_days: int
    overstayed_on: tuple[date, ...]


def presences(stays: Iterable[Stay], until: date) -> list[Span]:
    """Return when somebody was in the country up to `until`, apart and in order; a stay without an exit is counted up to `until`.

    A day that several stays share counts once. Stays that end before they begin, or begin after `until`, count nothing.
    """
    last_day = until.toordinal()
    spans = sorted(
        (stay.entered_on.toordinal(), last_day if stay.exited_on is None else min(stay.exited_on.toordinal(), last_day))
        for stay in stays
    )
    apart: list[Span] = []
    for first, last in spans:
        if last < first:
            continue
        if apart and first <= apart[-1][1] + 1:
            apart[-1] = (apart[-1][0], max(apart[-1][1], last))
        else:
            apart.append((first, last))
    return apart


def control(stays: Iterable[Stay], on: date, allowed_days: int, window_days: int) -> Control:
    """Return what the window that ends with `on` shows."""
    spans = presences(stays, on)
    last = on.toordinal()
    first = last - window_days + 1
    over = [
        day
        for begin, end in spans
        for day in range(max(begin, first), min(end, last) + 1)
        if _used(spans, day, window_days) > allowed_days
    ]
    return Control(
        on - timedelta(days=window_days - 1),
        _used(spans, last, window_days),
        tuple(date.fromordinal(day) for day in over),
    )


def days_from(stays: Iterable[Stay], entry_on: date, allowed_days: int, window_days: int) -> int:
    """Return how many days somebody may stay who enters on `entry_on`, that day included; 0: not at all.

    A stay that is still open is taken as ended on the day before: it is the one that the new entry follows.
    """
    if allowed_days >= window_days:
        raise ValueError("a window that is not longer than the days allowed in it limits nothing")
    spans = presences(stays, entry_on - timedelta(days=1))
    entry = entry_on.toordinal()
    days = 0
    while days < allowed_days:
        day = entry + days
        if _used(spans, day, window_days) + min(days + 1, window_days) > allowed_days:
            break
        days += 1
    return days


def _used(spans: Sequence[Span], day: int, window_days: int) -> int:
    """Return the days present in the window that ends with `day`."""
    first = day - window_days + 1
    return sum(max(0, min(end, day) - max(begin, first) + 1) for begin, end in spans)
