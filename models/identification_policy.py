"""Whether one-to-many search may be used at all: only as far as measured searches prove its false positives rare enough.

A false positive identification is a search for a person who is not in the gallery that returns somebody (ISO/IEC 2382-37; rates
as in ISO/IEC 19795-1). One-to-many is off unless a calibration record proves, for the score it defines and with 95 % confidence, a
false positive identification rate (FPIR) of at most 1e-3 at the gallery's size or a larger one.

It is never extrapolated. Were comparisons independent and everybody alike, a false match rate f would give 1 - (1 - f)^N for a
gallery of N: `expected_at_least` computes it for documentation, because 1e-4 already means 10 % at N = 1000. Real galleries do worse:
a few people resemble many, and the rate in the tail at 1/N of a percent is nothing that a verification set has seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from models.errors import CalibrationRefused

CEILING_FALSE_POSITIVE_IDENTIFICATION_RATE = 1e-3
CONFIDENCE = 0.95
_FIELDS = {
    "set_id": str,
    "gallery_size": int,
    "threshold": float,
    "non_mated_searches": int,
    "false_positive_searches": int,
    "people": int,
    "false_positive_people": int,
}


@dataclass(frozen=True, slots=True)
class IdentificationEvidence:
    """Non-mated searches of one gallery at one threshold, and how many returned somebody; the same counted by person searched for."""

    set_id: str
    gallery_size: int
    threshold: float
    non_mated_searches: int
    false_positive_searches: int
    people: int
    false_positive_people: int

    def __post_init__(self) -> None:
        """Raise `CalibrationRefused` (MD-CAL-004) for counts that contradict each other."""
        is_sound = (
            bool(self.set_id)
            and self.gallery_size >= 1
            and math.isfinite(self.threshold)
            and 1 <= self.people <= self.non_mated_searches
            and 0 <= self.false_positive_people <= min(self.people, self.false_positive_searches)
            and self.false_positive_searches <= self.non_mated_searches
            and (self.false_positive_searches == 0) == (self.false_positive_people == 0)
        )
        if not is_sound:
            raise CalibrationRefused(
                f"identification evidence of the set {self.set_id!r} contradicts itself", code="MD-CAL-004"
            )

    @property
    def rate(self) -> float:
        """The measured FPIR: the worse of the shares by search and by person."""
        return max(self.false_positive_searches / self.non_mated_searches, self.false_positive_people / self.people)

    @property
    def upper_bound(self) -> float:
        """The FPIR that is not exceeded with 95 % confidence, the worse of by search and by person.

        Searches for one person are not independent; a person counts once, and as a false positive when any of his searches was.
        """
        return max(
            upper_bound(self.false_positive_searches, self.non_mated_searches),
            upper_bound(self.false_positive_people, self.people),
        )


class IdentificationRecord(Protocol):
    """What of a calibration record this module reads."""

    @property
    def calibration_id(self) -> str:
        """The record's name."""

    @property
    def identification(self) -> Sequence[Mapping[str, Any]]:
        """Its rows `[[identification]]`, with the fields of `IdentificationEvidence`."""


@dataclass(frozen=True, slots=True)
class IdentificationAllowance:
    """The answer: from which score a candidate counts, None when one-to-many is off, and why in plain words."""

    threshold: float | None
    upper_bound: float | None
    detail: str

    @property
    def is_allowed(self) -> bool:
        """Whether a gallery of this size may be searched."""
        return self.threshold is not None


def upper_bound(errors: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """Return the one-sided Clopper-Pearson bound: the share at which so few errors have the chance 1 - `confidence`.

    Exact for independent trials; without errors about 3 / trials, so 1e-3 needs 2995 trials. 1 when every trial was an error.
    """
    if errors >= trials:
        return 1.0
    number = np.arange(errors + 1, dtype=np.float64)
    log_ways = np.concatenate(([0.0], np.cumsum(np.log((trials - number[:-1]) / (number[:-1] + 1)))))
    low, high = errors / trials, 1.0
    for _ in range(100):
        share = (low + high) / 2
        if share in {low, high}:
            break
        chance = np.exp(log_ways + number * math.log(share) + (trials - number) * math.log1p(-share)).sum()
        low, high = (share, high) if chance > 1 - confidence else (low, share)
    return high


def expected_at_least(false_match_rate: float, gallery_size: int) -> float:
    """Return 1 - (1 - FMR)^N, what N independent comparisons would give. An illustration, and no evidence."""
    return -math.expm1(gallery_size * math.log1p(-false_match_rate))


def evidence_rows(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[IdentificationEvidence, ...]:
    """Return the evidence in a record's rows. Raises `CalibrationRefused` (MD-CAL-004) for other fields, types or counts."""
    found = []
    for row in rows:
        if set(row) != set(_FIELDS):
            differing = ", ".join(sorted(set(row) ^ set(_FIELDS)))
            raise CalibrationRefused(f"calibration record {name}: identification: {differing}", code="MD-CAL-004")
        for field, kind in _FIELDS.items():
            accepted = (int, float) if kind is float else (kind,)
            if isinstance(row[field], bool) or not isinstance(row[field], accepted):
                raise CalibrationRefused(
                    f"calibration record {name}: identification.{field}: {kind.__name__} expected", code="MD-CAL-004"
                )
        found.append(IdentificationEvidence(**row))
    return tuple(found)


def identification_allowed(
    record: IdentificationRecord | None,
    gallery_size: int,
    false_positive_identification_rate: float = CEILING_FALSE_POSITIVE_IDENTIFICATION_RATE,
) -> IdentificationAllowance:
    """Return whether a gallery of this size may be searched at a stated FPIR, and from which score a candidate counts.

    A row proves its threshold for galleries up to its own size when its upper bound is within the rate. A row of the same size or a
    smaller one, at the same threshold or a higher one, whose measured rate exceeds it disproves: of several sets the strictest
    counts. The lowest threshold that is proven and not disproven is taken. Raises `CalibrationRefused`: MD-CAL-002 for a rate
    above the ceiling of 1e-3, MD-CAL-004 for malformed rows.
    """
    limit = false_positive_identification_rate
    if not 0 < limit <= CEILING_FALSE_POSITIVE_IDENTIFICATION_RATE:
        raise CalibrationRefused(
            f"a false positive identification rate of {limit:g} is beyond the ceiling of 1e-3", code="MD-CAL-002"
        )
    if record is None:
        return IdentificationAllowance(None, None, "no calibration record")
    if gallery_size < 1:
        return IdentificationAllowance(None, None, "the gallery is empty")
    rows = evidence_rows(record.identification, record.calibration_id)
    proven = [row for row in rows if row.gallery_size >= gallery_size and row.upper_bound <= limit * (1 + 1e-9)]
    standing = [
        row
        for row in proven
        if not any(
            other.gallery_size <= row.gallery_size and other.threshold >= row.threshold and other.rate > limit
            for other in rows
        )
    ]
    if not standing:
        detail = f"record {record.calibration_id} proves no false positive identification rate of {limit:g}"
        return IdentificationAllowance(None, None, f"{detail} for a gallery of {gallery_size}")
    best = min(standing, key=lambda row: (row.threshold, row.upper_bound))
    detail = f"set {best.set_id}, gallery of {best.gallery_size}, {best.people} people searched for"
    return IdentificationAllowance(best.threshold, best.upper_bound, detail)


def measured_evidence(
    best_scores: ArrayLike, people: ArrayLike, *, threshold: float, gallery_size: int, set_id: str
) -> IdentificationEvidence:
    """Return the evidence of non-mated searches: the best score that each returned, and the number of the person searched for.

    A search that returned nobody scores -inf. Raises `CalibrationRefused` (MD-CAL-004) for unequal or empty lists, or no numbers.
    """
    scores, persons = np.asarray(best_scores, dtype=np.float64), np.asarray(people)
    if scores.ndim != 1 or scores.shape != persons.shape or not len(scores) or np.isnan(scores).any():
        raise CalibrationRefused("searches need one score and one person each", code="MD-CAL-004")
    is_false_positive = scores >= threshold
    return IdentificationEvidence(
        set_id,
        gallery_size,
        threshold,
        len(scores),
        int(np.count_nonzero(is_false_positive)),
        len(np.unique(persons)),
        len(np.unique(persons[is_false_positive])),
    )


def provable_threshold(
    best_scores: ArrayLike,
    people: ArrayLike,
    false_positive_identification_rate: float = CEILING_FALSE_POSITIVE_IDENTIFICATION_RATE,
) -> float | None:
    """Return the lowest threshold whose upper bound on these searches is within the rate; None when there are too few searches.

    Choose it on one set of people and measure it (`measured_evidence`) on another: on the set it was chosen on it flatters itself.
    """
    scores = np.asarray(best_scores, dtype=np.float64)
    finite = np.unique(scores[np.isfinite(scores)])
    steps = np.append(finite, np.nextafter(finite[-1], np.inf)) if len(finite) else np.array([-1.0])

    def is_proven(index: int) -> bool:
        evidence = measured_evidence(scores, people, threshold=float(steps[index]), gallery_size=1, set_id="choice")
        return evidence.upper_bound <= false_positive_identification_rate

    low, high = 0, len(steps) - 1
    if not is_proven(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_proven(middle) else (middle + 1, high)
    return float(steps[high])
