"""From sums to what people read: groups by gate, hour and corridor, with shares in tenths of a percent and times as percentiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from central_sync.passage_counts.cells import COUNTS, WHOLE, Figures, Place, add, percentile_ms, reasons, times
from central_sync.passage_counts.facts import CORRIDORS

_PARTS: dict[str, Callable[[str, Place], str]] = {
    "gate": lambda gate, _place: gate,
    "day": lambda _gate, place: place.day,
    "hour": lambda _gate, place: place.hour,
    "hour_of_day": lambda _gate, place: place.hour[11:13],
    "corridor": lambda _gate, place: place.corridor,
}
GROUPS = tuple(_PARTS)
"""What lines can be made of."""
STEPS = (
    "declaration",
    "document",
    "page",
    "chip",
    "face",
    "software",
    "guard",
    "walk",
    "border",
    "customs",
    "health",
    "quarantine",
)
"""Steps in the order in which a traveller meets them; others that records tell follow by name."""


@dataclass(frozen=True, slots=True)
class StepTimes:
    """One step: how often it was timed, and its percentiles in seconds, within 9 %."""

    timed: int
    p50_s: float
    p95_s: float


@dataclass(slots=True)
class Group:
    """One line: `key` has a value for each name asked for. `siblings` are the passages of all corridors in the same group."""

    key: dict[str, str]
    figures: Figures = field(default_factory=Figures)
    siblings: int = 0

    def count(self, name: str) -> int:
        """Return one of `COUNTS`."""
        return self.figures[name]

    @property
    def untouched_permille(self) -> int | None:
        """The share of those who passed without needing a person, among all who were decided about, in tenths of a percent."""
        return permille(self.count("untouched"), self.count("decided"))

    @property
    def share_permille(self) -> int | None:
        """The share of this corridor's passages among those of all corridors, in tenths of a percent."""
        return permille(self.count("passages"), self.siblings)

    def steps(self) -> dict[str, StepTimes]:
        """Return what steps took, the whole passage last."""
        measured = times(self.figures)
        order = [*(name for name in STEPS if name in measured), *sorted(measured.keys() - {*STEPS, WHOLE})]
        order += [WHOLE] if WHOLE in measured else []
        return {name: step_times(measured[name]) for name in order}

    def reasons(self) -> dict[str, int]:
        """Return how many passages had each reason, the most frequent first."""
        return reasons(self.figures)

    def line(self) -> dict[str, object]:
        """Return the group as a JSON line."""
        told: dict[str, object] = {**self.key, **{name: self.count(name) for name in COUNTS}}
        told["share_percent"] = percent(self.share_permille)
        told["untouched_percent"] = percent(self.untouched_permille)
        told["steps"] = {
            name: {"timed": one.timed, "p50_s": one.p50_s, "p95_s": one.p95_s} for name, one in self.steps().items()
        }
        told["reasons"] = self.reasons()
        return told


def grouped(cells: Iterable[tuple[str, Place, Figures]], by: Sequence[str], corridor: str = "") -> list[Group]:
    """Return the groups of cells (gate, place, figures), sorted; with `corridor` its alone, its share still among all."""
    groups: dict[tuple[str, ...], Group] = {}
    passages: dict[tuple[str, ...], int] = {}
    parts = [_PARTS[name] for name in by]
    parts_beside = [_PARTS[name] for name in by if name != "corridor"]
    for gate, place, figures in cells:
        beside = tuple(part(gate, place) for part in parts_beside)
        passages[beside] = passages.get(beside, 0) + figures["passages"]
        if corridor and place.corridor != corridor:
            continue
        key = tuple(part(gate, place) for part in parts)
        group = groups.get(key)
        if group is None:
            group = groups[key] = Group(dict(zip(by, key, strict=True)))
        add(group.figures, figures)
    for group in groups.values():
        group.siblings = passages[tuple(value for name, value in group.key.items() if name != "corridor")]
    return sorted(groups.values(), key=lambda one: tuple(_rank(name, value) for name, value in one.key.items()))


def step_times(buckets: dict[int, int]) -> StepTimes:
    """Return the percentiles of a histogram that is not empty."""
    half, most = (percentile_ms(buckets, number) or 0.0 for number in (50, 95))
    return StepTimes(sum(buckets.values()), round(half / 1000, 3), round(most / 1000, 3))


def permille(part: int, whole: int) -> int | None:
    """Return a share in tenths of a percent, rounded half up; None of nothing."""
    return (2_000 * part + whole) // (2 * whole) if whole else None


def percent(share_permille: int | None) -> str | None:
    """Return a share as it is written: `98.8`."""
    return None if share_permille is None else f"{share_permille // 10}.{share_permille % 10}"


def _rank(name: str, value: str) -> tuple[int, str]:
    if name == "corridor" and value in CORRIDORS:
        return CORRIDORS.index(value), value
    if name == "hour":  # a later offset is an earlier hour on the same clock face
        sign = -1 if value[16] == "+" else 1
        return 0, f"{value[:16]}{1_000 + sign * int(value[17:19] + value[20:22]):05d}"
    return 0, value
