"""Scores of many comparisons at once: matrix products over blocks of probes, normalised by the gate's own functions.

A cohort *across* normalises every comparison with other people of the same set: people are dealt into folds, and a comparison
between folds a and b uses a cohort of everybody else, so neither of its two people has a part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from models.cohort import Cohort, fit
from models.error_rates import EvaluationFault
from models.evaluation_pairs import Trials
from models.score_normalisation import CohortStatistics, ScoreDefinition, cohort_statistics, comparison_scores

FOLDS = 10
_COMPONENTS = 32  # at most: a component covers 15 people or more
_LARGEST_BLOCK = 1 << 23
_SMALLEST_COHORT = 15
_NOTHING = CohortStatistics(np.zeros(0), np.ones(0))

Vectors = NDArray[np.float32]
CohortOf = Callable[[Vectors], Cohort]


def distance_scores(trials: Trials, probes: Vectors, references: Vectors) -> NDArray[np.float32]:
    """Return minus the Euclidean distance of every comparison: for features that were not brought to unit length."""
    squares = (references.astype(np.float64) ** 2).sum(axis=1)

    def scored(rows: slice, products: NDArray[np.float64]) -> NDArray[np.float64]:
        own = (probes[rows].astype(np.float64) ** 2).sum(axis=1)
        distances: NDArray[np.float64] = -np.sqrt(np.maximum(own[:, None] + squares - 2 * products, 0))
        return distances

    return _in_blocks(trials, probes, references, scored)


def unit_scores(
    trials: Trials, probes: Vectors, references: Vectors, definition: ScoreDefinition, cohort: Cohort | None
) -> NDArray[np.float32]:
    """Return the score of every comparison of unit-length features, as the definition says; a cosine needs no cohort."""
    if cohort is None:
        of_probes = of_references = _NOTHING
    elif cohort.vectors.shape[1] != probes.shape[1]:
        raise EvaluationFault(f"cohort {cohort.cohort_id} is of other features than these", code="MD-EVA-007")
    else:
        of_probes, of_references = (
            cohort_statistics(vectors, cohort, definition.top) for vectors in (probes, references)
        )
    return _in_blocks(
        trials,
        probes,
        references,
        lambda rows, products: definition.scores(products, _part(of_probes, rows), of_references),
    )


def _part(statistics: CohortStatistics, rows: slice) -> CohortStatistics:
    return CohortStatistics(statistics.mean[rows], statistics.deviation[rows])


def _in_blocks(
    trials: Trials,
    probes: Vectors,
    references: Vectors,
    scored: Callable[[slice, NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float32]:
    """Return the scores that `scored` makes of the inner products of blocks of probes with all references."""
    scores = np.empty(len(trials.first), dtype=np.float32)
    wide = references.astype(np.float64)
    for rows, chosen in _blocks(trials):
        matrix = scored(rows, probes[rows].astype(np.float64) @ wide.T)
        scores[chosen] = matrix[trials.first[chosen] - rows.start, trials.second[chosen]]
    return scores


def _blocks(trials: Trials) -> Iterator[tuple[slice, slice]]:
    """Yield (probes, comparisons) slices whose score matrix is not too large; the comparisons are in the order of probes."""
    rows = max(1, _LARGEST_BLOCK // max(len(trials.references), 1))
    for start in range(0, len(trials.probes), rows):
        stop = min(start + rows, len(trials.probes))
        low, high = np.searchsorted(trials.first, (start, stop))
        if high > low:
            yield slice(start, stop), slice(int(low), int(high))


def mixture_cohort(seed: int) -> CohortOf:
    """Return how a cohort without people is made of one vector per person: fitted and drawn with the seed."""
    return lambda people: fit(people, _COMPONENTS, seed).sample(seed=seed + 1)


def people_cohort(people: Vectors) -> Cohort:
    """Return a cohort that is the people themselves: what a cohort could bring at best, for evaluation only, never kept."""
    return Cohort("people", people)


def scores_across(
    trials: Trials,
    probes: Vectors,
    references: Vectors,
    definition: ScoreDefinition,
    cohort_of: CohortOf,
    seed: int,
    folds: int = FOLDS,
) -> NDArray[np.float32]:
    """Return the score of every comparison, normalised against a cohort made of people other than its two.

    The first picture of each person stands for him. Raises `EvaluationFault` when fewer than 15 people remain for a cohort.
    """
    people = np.unique(np.concatenate((trials.probe_people, trials.reference_people)))
    folds = min(folds, len(people))
    fold_of = np.zeros(int(people.max()) + 1, dtype=np.int32)
    fold_of[np.random.default_rng(seed).permutation(people)] = np.arange(len(people)) % folds
    of_probe, of_reference = fold_of[trials.probe_people], fold_of[trials.reference_people]
    _, one_each = np.unique(trials.reference_people, return_index=True)
    scores = np.empty(len(trials.first), dtype=np.float32)
    fold_pair = of_probe[trials.first] * folds + of_reference[trials.second]
    order = np.argsort(fold_pair, kind="stable")
    ends = np.searchsorted(fold_pair[order], np.arange(folds * folds + 1))
    for low in range(folds):
        for high in range(low, folds):
            pairs = [pair for pair in {low * folds + high, high * folds + low} if ends[pair] < ends[pair + 1]]
            if not pairs:
                continue
            others = one_each[~np.isin(of_reference[one_each], (low, high))]
            if len(others) < _SMALLEST_COHORT:
                raise EvaluationFault(
                    f"{len(people)} people are too few for cohorts of {_SMALLEST_COHORT} others", code="MD-EVA-007"
                )
            cohort = cohort_of(references[others])
            for pair in pairs:
                rows = np.flatnonzero(of_probe == pair // folds)
                columns = np.flatnonzero(of_reference == pair % folds)
                matrix = comparison_scores(probes[rows], references[columns], cohort, definition)
                chosen = order[ends[pair] : ends[pair + 1]]
                row = np.searchsorted(rows, trials.first[chosen])
                scores[chosen] = matrix[row, np.searchsorted(columns, trials.second[chosen])]
    return scores
