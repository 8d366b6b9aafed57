"""Normalised scores are what their definitions say, whichever way they are computed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cohort import Cohort
from models.score_normalisation import (
    CohortStatistics,
    ScoreDefinition,
    ScoreKind,
    cohort_statistics,
    comparison_scores,
)

DIMENSION = 12


def units(count, seed):
    rows = np.random.default_rng(seed).normal(size=(count, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


PROBES, REFERENCES, COHORT = units(5, 1), units(4, 2), Cohort("strangers", units(300, 3))


def largest(features, top):
    """Mean and deviation of one vector's largest scores, one at a time and sorted."""
    scores = sorted((float(np.dot(features, stranger)) for stranger in COHORT.vectors.astype(np.float64)), reverse=True)
    kept = scores[:top]
    mean = sum(kept) / len(kept)
    return mean, (sum((score - mean) ** 2 for score in kept) / len(kept)) ** 0.5


@settings(max_examples=20)
@given(st.integers(2, 320))
def test_statistics_are_of_the_largest_scores(top):
    statistics = cohort_statistics(PROBES, COHORT, top)
    for row, features in enumerate(PROBES.astype(np.float64)):
        mean, deviation = largest(features, top)
        assert statistics.mean[row] == pytest.approx(mean, abs=1e-6)
        assert statistics.deviation[row] == pytest.approx(deviation, abs=1e-6)


def test_statistics_do_not_depend_on_how_many_rows_are_asked_for_at_once():
    many = units(2100, 4)  # more than one block
    together = cohort_statistics(many, COHORT, 40)
    for row in (0, 1023, 1024, 2099):
        alone = cohort_statistics(many[row], COHORT, 40)
        assert alone.mean[0] == pytest.approx(together.mean[row], abs=1e-6)
        assert alone.deviation[0] == pytest.approx(together.deviation[row], abs=1e-6)


def test_strangers_who_all_score_alike_leave_a_deviation_that_can_be_divided_by():
    statistics = cohort_statistics(PROBES[:1], Cohort("one", np.repeat(COHORT.vectors[:1], 9, axis=0)), 5)
    assert statistics.deviation[0] == pytest.approx(1e-4)
    assert np.isfinite(ScoreDefinition(ScoreKind.AS_NORM).scores(np.array([[0.5]]), statistics, statistics)).all()


@pytest.mark.parametrize("top", [10, 100, 300])
def test_adaptive_symmetric_normalisation_by_its_definition(top):
    scores = comparison_scores(PROBES, REFERENCES, COHORT, ScoreDefinition(ScoreKind.AS_NORM, top))
    for row, probe in enumerate(PROBES.astype(np.float64)):
        for column, reference in enumerate(REFERENCES.astype(np.float64)):
            cosine = float(probe @ reference)
            (probe_mean, probe_deviation), (mean, deviation) = largest(probe, top), largest(reference, top)
            expected = ((cosine - probe_mean) / probe_deviation + (cosine - mean) / deviation) / 2
            assert scores[row, column] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("mean_weight", "deviation_weight"), [(0.4, 3.0), (1.0, 0.0), (0.0, 1.0)])
def test_the_additive_score_takes_away_shares_of_mean_and_deviation(mean_weight, deviation_weight):
    definition = ScoreDefinition(ScoreKind.AS_ADDITIVE, 60, mean_weight, deviation_weight)
    scores = comparison_scores(PROBES, REFERENCES, COHORT, definition)
    for row, probe in enumerate(PROBES.astype(np.float64)):
        for column, reference in enumerate(REFERENCES.astype(np.float64)):
            taken = 0.0
            for mean, deviation in (largest(probe, 60), largest(reference, 60)):
                taken += mean_weight * mean + deviation_weight * deviation
            assert scores[row, column] == pytest.approx(float(probe @ reference) - taken / 2, abs=1e-5)


def test_without_weights_the_additive_score_is_the_cosine():
    definition = ScoreDefinition(ScoreKind.AS_ADDITIVE, 60, 0.0, 0.0)
    cosines = PROBES.astype(np.float64) @ REFERENCES.astype(np.float64).T
    assert comparison_scores(PROBES, REFERENCES, COHORT, definition) == pytest.approx(cosines)


def test_a_cosine_stays_as_it_is_and_needs_no_cohort():
    cosines = PROBES.astype(np.float64) @ REFERENCES.astype(np.float64).T
    for cohort in (None, COHORT):
        assert np.array_equal(comparison_scores(PROBES, REFERENCES, cohort, ScoreDefinition()), cosines)
    assert comparison_scores(PROBES[0], REFERENCES[0], None, ScoreDefinition()).shape == (1, 1)


@given(st.integers(0, 4), st.integers(0, 3), st.sampled_from(list(ScoreKind)))
def test_scores_do_not_depend_on_who_is_probe_and_who_reference(row, column, kind):
    definition = ScoreDefinition(kind, 50)
    one = comparison_scores(PROBES[row], REFERENCES[column], COHORT, definition)
    other = comparison_scores(REFERENCES[column], PROBES[row], COHORT, definition)
    assert one[0, 0] == pytest.approx(other[0, 0], abs=1e-9)


def test_a_face_that_resembles_everybody_scores_lower_after_normalisation():
    """What it is for: the same cosine means less for a face near the middle of all faces."""
    ordinary, everybody = (
        CohortStatistics(np.array([0.2]), np.array([0.05])),
        CohortStatistics(np.array([0.5]), np.array([0.05])),
    )
    cosine = np.array([[0.6]])
    for kind in (ScoreKind.AS_NORM, ScoreKind.AS_ADDITIVE):
        definition = ScoreDefinition(kind)
        assert definition.scores(cosine, everybody, ordinary) < definition.scores(cosine, ordinary, ordinary)
