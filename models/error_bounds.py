"""95 % bounds of error rates, for independent trials and for comparisons that share people (ISO/IEC 19795-1).

`wilson_bounds` holds for independent trials. Comparisons that share a person are not independent: one person who resembles many
errs many times. `bounds_by_person` therefore leaves out one person after another with all his comparisons (jackknife), turns
the variance into a number of effective trials, never more than there are comparisons, and applies Wilson's formula to those
with Student's quantile. It needs no chance, costs one pass, and keeps lopsided bounds near 0. A non-mated comparison counts for both of
its people, which makes the bound somewhat wide rather than too narrow.

`rate_bands` bounds FNMR **at a stated FMR**, whose threshold is itself chosen on the set: bootstrap over people, where person i
drawn w_i times weighs comparison (i, j) with w_i·w_j (mated: w_i), the threshold found anew in every draw. The answer is never
narrower than `bounds_by_person` at the threshold chosen on the whole set.

No error in N trials leaves a rate of up to 3/N (rule of three), never 0; likewise N errors. This holds for independent trials:
with few people it is the least that can be said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.error_rates import RULE_OF_THREE, ScoreSet, Subjects, first_at_or_above, operating_point

Bounds = tuple[float, float]
"""Lower and upper end of a 95 % interval, both between 0 and 1."""

QUANTILE = 1.959963984540054  # of the normal distribution at 97.5 %
DRAWS = 1000
_LARGEST_BLOCK = 1 << 22  # numbers held at once: 32 MiB
_TAIL_RATIO = 4.0  # a draw may weigh the closest non-mated comparisons up to four times as much as the set does
_SMALLEST_TAIL = 256
_SLACK = 1e-9  # sums of weights are whole numbers, the allowed sum may lie a rounding error below one


def _wilson(rate: float, trials: float, quantile: float) -> Bounds:
    square = quantile * quantile
    centre = rate + square / (2 * trials)
    half = quantile * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials * trials))
    scale = 1 + square / trials
    return max((centre - half) / scale, 0.0), min((centre + half) / scale, 1.0)


def wilson_bounds(errors: int, trials: int) -> Bounds:
    """Return the 95 % bounds of an error rate for independent trials (Wilson 1927); rule of three at 0 and at all errors.

    Without trials nothing is known: (0, 1).
    """
    if trials <= 0:
        return 0.0, 1.0
    three = min(RULE_OF_THREE / trials, 1.0)
    if errors == 0:
        return 0.0, three
    if errors == trials:
        return 1.0 - three, 1.0
    return _wilson(errors / trials, trials, QUANTILE)


def _student_quantile(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's distribution (Cornish-Fisher, within 0.5 % from 4 degrees of freedom on)."""
    z, v = QUANTILE, float(freedom)
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )


def _per_person(first: Subjects, second: Subjects, people: int) -> NDArray[np.float64]:
    """Return how many comparisons each person takes part in; one with himself counts once."""
    counts = np.bincount(first, minlength=people) + np.bincount(second, minlength=people)
    counts -= np.bincount(first[first == second], minlength=people)
    return counts.astype(np.float64)


def bounds_by_person(
    errors: tuple[Subjects, Subjects], trials: tuple[Subjects, Subjects], people: int
) -> tuple[float, float]:
    """Return the 95 % bounds of an error rate when comparisons share people.

    `errors` and `trials` give the two people of every erroneous and of every comparison. (0, 1) when one person takes part in
    everything, since nothing is then known about others.
    """
    wrong, total = len(errors[0]), len(trials[0])
    if wrong in {0, total}:
        return wilson_bounds(wrong, total)
    trial_counts = _per_person(*trials, people)
    taking_part = trial_counts > 0
    left_trials = total - trial_counts[taking_part]
    if left_trials.min() <= 0:
        return 0.0, 1.0
    left_rates = (wrong - _per_person(*errors, people)[taking_part]) / left_trials
    count = len(left_rates)
    variance = (count - 1) / count * float(((left_rates - left_rates.mean()) ** 2).sum())
    rate = wrong / total
    effective = min(rate * (1 - rate) / variance, total) if variance > 0 else total
    low, high = _wilson(rate, effective, _student_quantile(count - 1))
    # people who all err alike leave no variance; then independent trials are the best that can be claimed
    least_low, least_high = wilson_bounds(wrong, total)
    return min(low, least_low), max(high, least_high)


def false_match_bounds(comparisons: ScoreSet, threshold: float) -> Bounds:
    """Return the bounds, by person, of the false match rate at a threshold."""
    place = first_at_or_above(comparisons.non_mated, threshold)
    first, second = comparisons.non_mated_first, comparisons.non_mated_second
    return bounds_by_person((first[place:], second[place:]), (first, second), comparisons.people)


def false_non_match_bounds(comparisons: ScoreSet, threshold: float) -> Bounds:
    """Return the bounds, by person, of the false non-match rate at a threshold."""
    place = first_at_or_above(comparisons.mated, threshold)
    first, second = comparisons.mated_first, comparisons.mated_second
    return bounds_by_person((first[:place], second[:place]), (first, second), comparisons.people)


def rate_bands(
    comparisons: ScoreSet, false_match_rates: Sequence[float], seed: int, draws: int = DRAWS
) -> list[Bounds]:
    """Return, per stated false match rate, the 95 % bounds of the false non-match rate at it, its threshold's choice included."""
    drawn = np.stack(list(_drawn_rates(comparisons, np.asarray(false_match_rates, dtype=np.float64), seed, draws)))
    bands: list[Bounds] = []
    for column, rate in enumerate(false_match_rates):
        low, high = false_non_match_bounds(comparisons, operating_point(comparisons, rate).threshold)
        values = drawn[:, column][np.isfinite(drawn[:, column])]
        if len(values):
            below, above = np.percentile(values, (2.5, 97.5))
            low, high = min(low, float(below)), max(high, float(above))
        bands.append((low, high))
    return bands


def _drawn_rates(
    comparisons: ScoreSet, rates: NDArray[np.float64], seed: int, draws: int
) -> Iterator[NDArray[np.float64]]:
    """Yield per draw the false non-match rate at each stated rate, threshold chosen in the draw."""
    non_mated, mated = comparisons.non_mated, comparisons.mated
    length = min(math.ceil(_TAIL_RATIO * float(rates.max()) * len(non_mated)) + _SMALLEST_TAIL, len(non_mated))
    tail = non_mated[len(non_mated) - length :][::-1]  # closest first; the rest cannot become a threshold
    first = np.ascontiguousarray(comparisons.non_mated_first[-length:][::-1])
    second = np.ascontiguousarray(comparisons.non_mated_second[-length:][::-1])
    # a threshold stands just above a score that has to fall, and misses the mated scores up to it; equal scores fall together
    ends = np.flatnonzero(np.append(tail[1:] != tail[:-1], True))
    missed = np.append(np.searchsorted(mated, tail[ends], side="right"), np.searchsorted(mated, tail[-1], side="left"))
    apart = comparisons.mated_first != comparisons.mated_second
    people_drawn = _drawn_people(comparisons.people, seed, draws)
    totals = pair_sums(people_drawn, comparisons.non_mated_first, comparisons.non_mated_second)
    for drawn, total in zip(people_drawn, totals, strict=True):
        weights = drawn.astype(np.int64)
        allowed = total * rates
        closer = np.cumsum(weights[first] * weights[second])
        if len(ends) < length:
            closer = closer[ends]
        # the first run of scores that is too much; none in the tail: at the tail's end, which misses too many rather than too few
        lost = missed[np.searchsorted(closer, allowed * (1 + _SLACK), side="right")]
        mated_weights = weights[comparisons.mated_first]
        mated_weights[apart] *= weights[comparisons.mated_second[apart]]
        misses = np.append(0, np.cumsum(mated_weights))
        yield misses[lost] / misses[-1] if misses[-1] and total else np.full(len(rates), np.nan)


def _drawn_people(people: int, seed: int, draws: int) -> NDArray[np.uint8]:
    """Return (draws, people): how many times each person was drawn when as many are drawn as there are, with replacement."""
    generator = np.random.default_rng(seed)
    drawn = np.empty((draws, people), dtype=np.uint8)  # nobody is drawn 256 times: a chance below 1e-500
    rows = max(1, _LARGEST_BLOCK // people)
    for start in range(0, draws, rows):
        size = min(rows, draws - start)
        drawn[start : start + size] = generator.multinomial(people, np.full(people, 1 / people), size=size)
    return drawn


def pair_sums(weights: NDArray[Any], first: Subjects, second: Subjects) -> NDArray[np.float64]:
    """Return, per row of weights (draws, people), the sum of w_i·w_j over all comparisons (i, j), in bounded memory."""
    draws, people = weights.shape
    rows = max(1, _LARGEST_BLOCK // people)
    sums = np.zeros(draws)
    for start in range(0, people, rows):
        stop = min(start + rows, people)
        if (start, stop) == (0, people):
            inside, other = first, second
        else:
            chosen = (first >= start) & (first < stop)
            inside, other = first[chosen] - start, second[chosen]
        codes = inside.astype(np.int64) * people + other
        counts = (
            np.bincount(codes, minlength=(stop - start) * people).reshape(stop - start, people).T.astype(np.float64)
        )
        for row in range(0, draws, rows):
            part = weights[row : row + rows].astype(np.float64)
            sums[row : row + rows] += ((part @ counts) * part[:, start:stop]).sum(axis=1)
    return sums
