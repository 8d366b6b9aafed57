"""Which hour a passage counts in, and what it adds there. Cells are sums of whole numbers: they add, subtract and merge in any order.

An hour is a local one, written with its offset from UTC (RFC 3339), so that the hour that comes twice in autumn is two hours. Records of
releases that did not tell the offset count in the hour of UTC, written `-00:00` as RFC 3339 asks for an unknown one.

Times are counted in buckets, four to each doubling: a percentile read from them is within 9 % of the true one.
"""

from __future__ import annotations

import json
import math
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog

from central_sync.passage_counts.facts import Passage

COUNTS = (
    "decided",
    "passages",
    "untouched",
    "referred",
    "by_guard",
    "inspections",
    "found",
    "amended",
    "appeals",
    "upheld",
)
WHOLE = "whole"
_WHOLE_PREFIX = f"step:{WHOLE}:"

_BUCKETS_PER_DOUBLING = 4
_LAST_BUCKET = 127
_FIRST_MS, _LAST_MS = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000) for year in (2, 9999))
_log = structlog.get_logger(__name__)

Figures = Counter[str]
"""`passages` and the other counts; `step:NAME:BUCKET` for a time; `reason:CODE`."""


class Place(NamedTuple):
    """Where a passage counts: `hour` as `2026-10-25T02:00+02:00`."""

    hour: str
    corridor: str

    @property
    def day(self) -> str:
        """The local day."""
        return self.hour[:10]


def contribution(transaction_id: str, passage: Passage) -> tuple[Place, Figures] | None:
    """Return what a passage adds and where; None before a decision or a crossing of it was heard."""
    decided, crossed = passage.decided, passage.crossed
    is_passed = crossed is not None and crossed.is_passed
    source = crossed if is_passed or decided is None else decided
    if source is None:
        return None
    corridor = crossed.corridor if crossed is not None else source.corridor
    figures = Figures()
    figures["decided"] = int(decided is not None)
    figures["passages"] = int(is_passed)
    figures["referred"] = int(passage.machine is not None and passage.machine.is_referral)
    figures["by_guard"] = int(passage.guard is not None)
    is_clear = decided is not None and not passage.is_touched and corridor == "green" and not passage.tasks
    figures["untouched"] = int(is_passed and is_clear)
    figures["appeals"] = len(passage.appeals)
    figures["upheld"] = sum(one.is_upheld for one in passage.appeals.values())
    for task in passage.tasks.values():
        if task.finding and task.agency == "customs":
            figures["inspections"] += 1
            figures["found"] += task.finding == "found"
            figures["amended"] += task.finding == "amended"
    for reason in {code for one in (passage.machine, passage.guard) if one is not None for code in one.reasons}:
        figures[f"reason:{reason}"] = 1
    for name, took_ms in _steps(transaction_id, passage, corridor):
        figures[f"step:{name}:{bucket(took_ms)}"] += 1
    return Place(hour_of(source.at_ms, source.utc_offset_min), corridor), +figures


Told = tuple[Place, Figures] | None
"""What `contribution` returns."""


def difference(before: Told, after: Told) -> dict[Place, Figures]:
    """Return what has to be added to which cells (less than nothing: taken out) when a passage became another one."""
    changed: dict[Place, Figures] = {}
    for told, sign in ((before, -1), (after, 1)):
        if told is not None:
            place, figures = told
            add(changed.setdefault(place, Figures()), figures, sign)
    return {place: figures for place, figures in changed.items() if any(figures.values())}


def add(total: Figures, figures: Mapping[str, int], sign: int = 1) -> None:
    """Add figures to a total, or take them out."""
    for name, number in figures.items():
        total[name] += sign * number


def bucket(took_ms: int) -> int:
    """Return the bucket of a time in milliseconds."""
    return 0 if took_ms < 1 else min(_LAST_BUCKET, math.floor(_BUCKETS_PER_DOUBLING * math.log2(took_ms)))


def percentile_ms(buckets: Mapping[int, int], percent: int) -> float | None:
    """Return a percentile (nearest rank) in milliseconds, the middle of its bucket; None of nothing."""
    rank = -(-sum(buckets.values()) * percent // 100)
    seen = 0
    for number in sorted(buckets):
        seen += buckets[number]
        if seen >= rank > 0:
            return float(2 ** ((number + 0.5) / _BUCKETS_PER_DOUBLING))
    return None


def times(figures: Mapping[str, int]) -> dict[str, dict[int, int]]:
    """Return the histogram of each step: bucket to number."""
    found: dict[str, dict[int, int]] = {}
    for name, number in figures.items():
        if name.startswith("step:") and number:
            _, step, place = name.split(":")
            found.setdefault(step, {})[int(place)] = number
    return found


def reasons(figures: Mapping[str, int]) -> dict[str, int]:
    """Return how often each reason was given, the most frequent first."""
    found = {name.removeprefix("reason:"): number for name, number in figures.items() if name.startswith("reason:")}
    return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))


def split(figures: Figures) -> tuple[str, str]:
    """Return figures as they are kept: the counts and the time of the whole passage, which most questions ask for; the rest."""
    head: dict[str, int] = {}
    rest: dict[str, int] = {}
    for name in sorted(figures):
        if figures[name]:
            is_head = ":" not in name or name.startswith(_WHOLE_PREFIX)
            (head if is_head else rest)[name] = figures[name]
    return json.dumps(head, separators=(",", ":")), json.dumps(rest, separators=(",", ":"))


def read_figures(*parts: str) -> Figures:
    """Return kept figures. What cannot be read counts as nothing, and the log says so: records must go on being stored."""
    figures = Figures()
    try:
        for part in parts:
            dict.update(figures, json.loads(part))  # no name stands in two parts
    except (ValueError, TypeError) as error:
        _log.error("passage_counts_unreadable_count_them_anew", why=type(error).__name__)
    return figures


def hour_of(at_ms: int, utc_offset_min: int | None) -> str:
    """Return the hour of a moment as it stands in `Place`; a clock that is beyond the calendar's ends counts at them."""
    within_ms = min(max(at_ms, _FIRST_MS), _LAST_MS)
    local = datetime.fromtimestamp(within_ms / 1000, UTC) + timedelta(minutes=utc_offset_min or 0)
    hours, minutes = divmod(abs(utc_offset_min or 0), 60)
    sign = "-" if utc_offset_min is None or utc_offset_min < 0 else "+"
    return f"{local.isoformat()[:13]}:00{sign}{hours:02d}:{minutes:02d}"


def _steps(transaction_id: str, passage: Passage, corridor: str) -> Iterable[tuple[str, int]]:
    """Yield name and milliseconds of each step that the records tell."""
    machine, guard, crossed, decided = passage.machine, passage.guard, passage.crossed, passage.decided
    known = machine or guard
    if known is not None:
        yield from known.steps_ms.items()
    if passage.declared is not None and passage.declared.filled_in_s is not None:
        yield "declaration", passage.declared.filled_in_s * 1000
    if machine is not None and machine.is_referral and guard is not None and guard.at_ms >= machine.at_ms:
        yield "guard", guard.at_ms - machine.at_ms
    for task in passage.tasks.values():
        if task.takes_ms is not None:
            yield task.agency, task.takes_ms
    if crossed is None or not crossed.is_passed:
        return
    if decided is not None and crossed.at_ms >= decided.at_ms:
        yield "walk", crossed.at_ms - decided.at_ms
    last = [task.closed_ms for task in passage.tasks.values() if task.is_last]
    end_ms = crossed.at_ms if corridor == "green" else max(last, default=None)
    begun_ms = begun(transaction_id)
    if end_ms is not None and begun_ms is not None and end_ms >= begun_ms:
        yield WHOLE, end_ms - begun_ms


def begun(transaction_id: str) -> int | None:
    """Return when a transaction began, in ms since 1970: the first 48 bits of its id, a UUIDv7 (RFC 9562); None for another id."""
    number = uuid.UUID(transaction_id)
    return number.int >> 80 if number.version == 7 else None
