"""What a gate's own traffic says about its matching: counts in, rates with 95 % bounds out (TR-03121-3, PAP EVA-VER-nCIR-1).

Two rates are counted while travellers cross. False non-match rate: comparisons of a traveller with his own document that were
no match. False match rate: zero-effort comparisons of a live probe with references of other people that were a match. Nobody
stands in these numbers.

Bounds of the false match rate: comparisons that share a probe, or a reference, are not independent. With M false matches, X of
them by each probe and Y by each reference, the variance is that of M times the design effect (sum X² + sum Y² - M) / M (two-way
clustering of a compound Poisson count); errors and trials are divided by it before Wilson's interval is taken. Without any
false match the upper bound is 3 / N. A design effect known from elsewhere may be set as a floor: few errors show no clusters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NORMAL_95 = 1.959963984540054
_RULE_OF_THREE = 3.0
OTHERS = "(others)"
"""The label under which small cells of a group are shown together."""


@dataclass(frozen=True, slots=True)
class FieldCounts:
    """Counts of one lane and time, or of a group in it; they add up.

    `mated`: comparisons with the own document, `non_matches` of them below the threshold. `non_mated`: comparisons of `probes`
    probes with other people's references, `false_matches` of them at or above it, by `probes_matched` different probes.
    `squares_by_probe` and `squares_by_reference`: sums of squared false matches per probe and per reference. `probes_skipped`:
    probes that were not evaluated, the gate being busy.
    """

    acquisitions: int = 0
    failures_to_acquire: int = 0
    mated: int = 0
    non_matches: int = 0
    probes: int = 0
    probes_matched: int = 0
    non_mated: int = 0
    false_matches: int = 0
    squares_by_probe: int = 0
    squares_by_reference: int = 0
    probes_skipped: int = 0

    def __add__(self, other: FieldCounts) -> FieldCounts:
        return FieldCounts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def __sub__(self, other: FieldCounts) -> FieldCounts:
        return FieldCounts(*(getattr(self, field.name) - getattr(other, field.name) for field in fields(self)))

    @property
    def travellers(self) -> int:
        """How many people's comparisons stand behind the counts."""
        return self.mated or self.probes


@dataclass(frozen=True, slots=True)
class FieldRate:
    """`errors` of `trials` and the 95 % bounds of their ratio; `design_effect` is by how much the trials were discounted."""

    errors: int
    trials: int
    rate: float
    lower_bound: float
    upper_bound: float
    design_effect: float = 1.0


class FalseMatchVerdict(StrEnum):
    """What the false match rate proves about its limit."""

    NOT_ENOUGH = "not_enough"  # even without any error so few comparisons prove nothing
    WITHIN = "within"  # the upper bound does not exceed the limit
    ABOVE = "above"  # the upper bound exceeds the limit


@dataclass(frozen=True, slots=True)
class GroupRatio:
    """How much worse a rate is for the worst group than for the best.

    `ratio` is None when the best group shows no error. `at_least` is what the bounds prove: the worst group's lower bound by the
    best group's upper bound; 1.0 or less means that no difference is proven.
    """

    worst: str
    best: str
    ratio: float | None
    at_least: float


def count_non_mated(
    scores: NDArray[Any], threshold: float, earlier: NDArray[np.int64] | None = None
) -> tuple[FieldCounts, NDArray[np.int64]]:
    """Return the counts of scores (probes, references) at a threshold, and the false matches of each reference so far.

    NaN marks a comparison that does not count (the own document). `earlier` (references) are false matches that each reference
    had before; what comes back goes in there next time. A probe without any comparison is not counted.
    """
    table = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    counted = ~np.isnan(table)
    matched = counted & (np.where(counted, table, -np.inf) >= threshold)
    by_probe = matched.sum(axis=1, dtype=np.int64)
    before = np.zeros(table.shape[1], dtype=np.int64) if earlier is None else earlier
    after = before + matched.sum(axis=0, dtype=np.int64)
    counts = FieldCounts(
        probes=int(counted.any(axis=1).sum()),
        probes_matched=int((by_probe > 0).sum()),
        non_mated=int(counted.sum()),
        false_matches=int(by_probe.sum()),
        squares_by_probe=int((by_probe**2).sum()),
        squares_by_reference=int((after**2 - before**2).sum()),
    )
    return counts, after


def wilson_bounds(errors: float, trials: float) -> tuple[float, float]:
    """Return the 95 % bounds of a proportion (Wilson 1927); the upper one is 3 / trials when there is no error.

    Both may be fractions: numbers after a design effect. Raises `ValueError` unless 0 <= errors <= trials and trials > 0.
    """
    if not (trials > 0 and 0 <= errors <= trials):
        raise ValueError(f"{errors} errors of {trials} trials is no proportion")
    if errors == 0:
        return 0.0, min(_RULE_OF_THREE / trials, 1.0)
    share, square = errors / trials, _NORMAL_95**2
    centre = share + square / (2 * trials)
    reach = _NORMAL_95 * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    lower, upper = (centre - reach) / (1 + square / trials), (centre + reach) / (1 + square / trials)
    return max(lower, 0.0), 1.0 if errors == trials else min(upper, 1.0)


def false_non_match_rate(counts: FieldCounts) -> FieldRate | None:
    """Return non-matches by comparisons assumed mated, each from another transaction; None without any."""
    return _rate(counts.non_matches, counts.mated, 1.0)


def failure_to_acquire_rate(counts: FieldCounts) -> FieldRate | None:
    """Return acquisitions that gave no comparison by all acquisitions; None without any."""
    return _rate(counts.failures_to_acquire, counts.acquisitions, 1.0)


def false_match_rate(counts: FieldCounts, least_design_effect: float = 1.0) -> FieldRate | None:
    """Return the zero-effort false match rate, bounded by probe and reference; None without any comparison.

    Raises `ValueError` for a design effect below 1.
    """
    if not least_design_effect >= 1:
        raise ValueError("a design effect is at least 1")
    matches = counts.false_matches
    seen = (counts.squares_by_probe + counts.squares_by_reference - matches) / matches if matches else 1.0
    return _rate(matches, counts.non_mated, max(seen, least_design_effect))


def _rate(errors: int, trials: int, design_effect: float) -> FieldRate | None:
    if trials == 0:
        return None
    lower, upper = wilson_bounds(errors / design_effect, trials / design_effect)
    return FieldRate(errors, trials, errors / trials, lower, upper, design_effect)


def needed_comparisons(limit: float, design_effect: float = 1.0) -> int:
    """Return how many comparisons without any error prove a false match rate of at most `limit` (3 / N)."""
    return math.ceil(_RULE_OF_THREE * design_effect / limit - 1e-6)


def verdict(rate: FieldRate | None, limit: float, least_design_effect: float = 1.0) -> FalseMatchVerdict:
    """Return what a false match rate proves about `limit`.

    ABOVE needs so many comparisons that they could have proven the opposite, or so many errors that even the lower bound exceeds
    the limit.
    """
    if rate is None:
        return FalseMatchVerdict.NOT_ENOUGH
    if rate.lower_bound > limit:
        return FalseMatchVerdict.ABOVE
    if rate.trials < needed_comparisons(limit, least_design_effect):
        return FalseMatchVerdict.NOT_ENOUGH
    return FalseMatchVerdict.ABOVE if rate.upper_bound > limit else FalseMatchVerdict.WITHIN


def group_ratio(rates: Mapping[str, FieldRate]) -> GroupRatio | None:
    """Return worst to best of the rates of groups by label; None for fewer than two groups or when no group shows an error."""
    if len(rates) < 2:
        return None
    ordered = sorted(rates, key=lambda label: (rates[label].rate, rates[label].upper_bound, label))
    worst, best = rates[ordered[-1]], rates[ordered[0]]
    if worst.errors == 0:
        return None
    ratio = worst.rate / best.rate if best.errors else None
    return GroupRatio(ordered[-1], ordered[0], ratio, worst.lower_bound / best.upper_bound)


def pooled(cells: Mapping[str, FieldCounts], minimum: int) -> dict[str, FieldCounts]:
    """Return the cells of a group that may be shown: those of fewer than `minimum` travellers stand together as `OTHERS`.

    When even together they are too few, the smallest other cells join them, so that nobody can work them out by subtracting;
    what cannot reach the minimum is left out whole.
    """
    ordered = sorted(cells, key=lambda label: (cells[label].travellers, label))
    together = FieldCounts()
    hidden = [label for label in ordered if cells[label].travellers < minimum]
    for label in hidden:
        together += cells[label]
    shown = ordered[len(hidden) :]
    while hidden and together.travellers < minimum and shown:
        label = shown.pop(0)
        hidden.append(label)
        together += cells[label]
    kept = {label: cells[label] for label in sorted(shown)}
    return kept | ({OTHERS: together} if hidden and together.travellers >= minimum else {})
