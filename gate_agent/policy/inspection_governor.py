"""The governor of the inspection rate: which probability of a random inspection holds red and random together in their band.

It moves the random part alone. A finding by rule is red however full the band is; then the random part falls to its least value, never to
nothing, so that nobody can count on not being drawn. Whole numbers only: the same counts give the same answer on every machine.
"""

from __future__ import annotations

from datetime import date

from gate_agent.domain.selection import WindowCounts
from gate_agent.policy.rulebook import Rule, Rulebook, RuleNotFound

BASE, BAND = "random_selection", "inspection_band"
BAND_PARAMETERS = (
    "window_crossings",
    "horizon_crossings",
    "least_basis_points",
    "most_basis_points",
    "lower_basis_points",
    "upper_basis_points",
)
_PPM = 1_000_000
_PPM_OF_BASIS_POINT = 100


def governed_ppm(rulebook: Rulebook, on: date, counts: WindowCounts) -> tuple[int, tuple[Rule, ...]] | RuleNotFound:
    """Return the probability in parts per million, and the rules it comes from.

    Without a band the rulebook's own probability holds. `RuleNotFound`: this rulebook says nothing of random selection.
    """
    base, band = rulebook.find(BASE, on), rulebook.find(BAND, on)
    if isinstance(base, RuleNotFound):
        return base
    if base.value == 0:
        return 0, (base,)  # a country that draws nobody
    if isinstance(band, RuleNotFound):
        return base.value * _PPM_OF_BASIS_POINT, (base,)
    return _held(band, counts), (base, band)


def limits_ppm(rulebook: Rulebook, on: date) -> tuple[int, int]:
    """Return the least and the most that a traveller's own probability can be."""
    band = rulebook.find(BAND, on)
    if isinstance(band, RuleNotFound):
        return 0, _PPM
    return _limits_of(band)


def _limits_of(band: Rule) -> tuple[int, int]:
    return (
        band.parameter("least_basis_points") * _PPM_OF_BASIS_POINT,
        band.parameter("most_basis_points") * _PPM_OF_BASIS_POINT,
    )


def _held(band: Rule, counts: WindowCounts) -> int:
    """Return the probability that brings the window to its target within the horizon.

    Over the next `horizon` crossings so many inspections are wanted as the target asks for, plus what the window lacks, less the findings
    that its share of findings lets one expect; they are spread over the travellers without one.
    """
    target, horizon = band.value * _PPM_OF_BASIS_POINT, band.parameter("horizon_crossings")
    least, most = _limits_of(band)
    seen = max(1, counts.crossings)
    others = horizon * (seen - counts.by_rule)
    if others <= 0:
        return least
    lacking = target * (horizon + counts.crossings) - _PPM * (counts.by_rule + counts.at_random)
    wanted = seen * lacking - _PPM * counts.by_rule * horizon
    return min(most, max(least, wanted // others))
