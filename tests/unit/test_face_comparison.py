"""One comparison as its record defines it: score, decision, refusals; statistics kept of a reference change nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibration import Calibration, CohortPin, ModelIdentity, Threshold
from models.cohort import fit
from models.errors import CalibrationRefused
from models.face_comparison import FaceComparer
from models.face_fusion import Fusion
from models.results import ComparisonDecision
from models.score_normalisation import ScoreDefinition, ScoreKind, comparison_scores

DIMENSION = 32


def units(count, seed):
    rows = np.random.default_rng(seed).normal(size=(count, DIMENSION)) + 0.3
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


COHORT = fit(units(90, 1), 3).sample(200)
COSINE = Calibration(
    calibration_id="tried-1",
    identity=ModelIdentity(()),
    fusion=Fusion.FLIP,
    score=ScoreDefinition(),
    cohort=None,
    thresholds=(
        Threshold(1e-3, 0.7, 1, 2e-3, "one"),
        Threshold(1e-4, 0.8, 1, 3e-4, "one"),
        Threshold(1e-4, 0.85, 3, 3e-4, "one"),
        Threshold(1e-3, 0.72, 3, 3e-3, "one"),
    ),
    non_match_threshold=0.5,
    minimum_age_years=18,
    made_on=date(2026, 11, 25),
)
PIN = CohortPin("a.cohort", "0" * 64, 200, 1)
NORMALISED = replace(COSINE, score=ScoreDefinition(ScoreKind.AS_ADDITIVE, 50, 0.4, 0.1), cohort=PIN)


def comparer(record=COSINE, cohort=None, rate=1e-4):
    return FaceComparer(record, cohort, DIMENSION, "tiny", rate)


def pair(cosine):
    """Two unit vectors of about this cosine."""
    first, second = np.zeros((2, DIMENSION), dtype=np.float32)
    first[0] = 1
    second[:2] = cosine, np.sqrt(max(1 - cosine * cosine, 0))
    return first, second


@pytest.mark.parametrize(
    ("cosine", "frames", "decision", "threshold"),
    [
        (1.0, 1, ComparisonDecision.MATCH, 0.8),
        (0.801, 1, ComparisonDecision.MATCH, 0.8),
        (0.801, 2, ComparisonDecision.UNDETERMINED, 0.85),
        (0.801, 3, ComparisonDecision.UNDETERMINED, 0.85),
        (0.799, 1, ComparisonDecision.UNDETERMINED, 0.8),
        (0.501, 1, ComparisonDecision.UNDETERMINED, 0.8),
        (0.499, 1, ComparisonDecision.NON_MATCH, 0.8),
        (-0.9, 3, ComparisonDecision.NON_MATCH, 0.85),
    ],
)
def test_decision_bands(cosine, frames, decision, threshold):
    result = comparer().compare(*pair(cosine), frames)
    assert (result.decision, result.threshold, result.frames) == (decision, threshold, frames)
    assert result.comparison_score == result.cosine == pytest.approx(cosine, abs=1e-6)
    assert (result.non_match_threshold, result.false_match_rate) == (0.5, 1e-4)
    assert (result.calibration_id, result.model_id, result.cohort_id) == ("tried-1", "tiny", "")


def test_the_stated_rate_chooses_the_threshold():
    assert comparer(rate=1e-3).compare(*pair(0.75)).decision is ComparisonDecision.MATCH
    assert comparer(rate=1e-4).compare(*pair(0.75)).decision is ComparisonDecision.UNDETERMINED
    for rate in (1e-5, 1e-2, 0.0):
        with pytest.raises(CalibrationRefused):
            comparer(rate=rate)


@given(st.floats(-1, 1), st.sampled_from([1e-3, 1e-4]), st.integers(1, 4))
def test_decision_agrees_with_score_and_is_symmetric(cosine, rate, frames):
    made = comparer(rate=rate)
    first, second = pair(cosine)
    one, other = made.compare(first, second, frames), made.compare(second, first, frames)
    assert one == other
    assert (one.decision is ComparisonDecision.MATCH) == (one.comparison_score >= one.threshold)
    assert (one.decision is ComparisonDecision.NON_MATCH) == (one.comparison_score < one.non_match_threshold)


@pytest.mark.parametrize(
    "features",
    [
        np.zeros(DIMENSION),
        np.ones(DIMENSION),
        np.full(DIMENSION, np.nan),
        np.full(DIMENSION, np.inf),
        np.ones(DIMENSION - 1) / np.sqrt(DIMENSION - 1),
        np.ones((1, DIMENSION)) / np.sqrt(DIMENSION),
        np.float32(1.0),
    ],
)
def test_features_that_are_no_unit_vector_are_refused(features):
    good, _ = pair(1)
    for made in (comparer(), comparer(NORMALISED, COHORT)):
        for pair_of_features in ((features, good), (good, features)):
            with pytest.raises(CalibrationRefused, match="unit vector") as refusal:
                made.compare(*pair_of_features)
            assert refusal.value.code == "MD-CAL-005"
        with pytest.raises(CalibrationRefused, match="unit vector"):
            made.statistics(features)


@given(st.integers(0, 30), st.integers(0, 30))
def test_kept_statistics_give_the_same_comparison_as_computed_ones(one, other):
    made = comparer(NORMALISED, COHORT)
    vectors = units(31, 7)
    kept = made.statistics(vectors[other])
    assert made.compare(vectors[one], vectors[other], 1, kept) == made.compare(vectors[one], vectors[other])


def test_a_normalised_score_is_the_definitions_and_names_its_cohort():
    vectors = units(2, 8)
    result = comparer(NORMALISED, COHORT).compare(*vectors)
    expected = comparison_scores(vectors[:1], vectors[1:], COHORT, NORMALISED.score)[0, 0]
    assert result.comparison_score == pytest.approx(expected, abs=1e-9)
    assert result.cosine == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-6)
    assert result.comparison_score < result.cosine
    assert result.cohort_id == COHORT.cohort_id


def test_a_record_without_its_cohort_or_with_one_of_other_features_is_refused():
    with pytest.raises(CalibrationRefused, match="needs its cohort") as refusal:
        comparer(NORMALISED)
    assert refusal.value.code == "MD-CAL-006"
    other = fit(np.eye(48)[np.arange(96) % 48], 1).sample(20)
    with pytest.raises(CalibrationRefused, match="not of 32 values") as refusal:
        comparer(NORMALISED, other)
    assert refusal.value.code == "MD-CAL-006"
