"""Thresholds come from a record that holds for exactly these models, or there is no comparison."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibration import calibration_for, compare, parse_calibration, shipped_identity
from models.errors import CalibrationRefused
from models.results import ComparisonDecision


def unit_pair(distance):
    """Two unit vectors that far apart."""
    cosine = 1 - distance * distance / 2
    first, second = np.zeros(128, np.float32), np.zeros(128, np.float32)
    first[0] = 1
    second[0], second[1] = cosine, np.sqrt(max(1 - cosine * cosine, 0))
    return first, second


@pytest.fixture(scope="module")
def record():
    return calibration_for(shipped_identity())


def test_the_record_gives_the_strictest_distances(record):
    assert record.operating_point(1e-4) == (1e-4, 0.336)
    assert record.operating_point(1e-3) == (1e-3, 0.358)
    assert record.operating_point(5e-4) == (1e-4, 0.336)  # between two proven rates: the stricter one
    assert record.non_match_distance == 0.424


@pytest.mark.parametrize("rate", [1e-5, 0, -1, 2e-3, 0.5, float("nan")])
def test_unproven_rates_are_refused(record, rate):
    with pytest.raises(CalibrationRefused):
        record.operating_point(rate)


@pytest.mark.parametrize(
    "change",
    [
        {"precision": "int8"},
        {"fusion": "L2"},
        {"chip_rule": "affine"},
        {"box_rule": "clipped"},
        {"converter": "0"},
        {"sources": (("embedder", "0" * 64),)},
    ],
)
def test_any_other_model_fusion_or_precision_has_no_record(change):
    with pytest.raises(CalibrationRefused, match="no calibration record"):
        calibration_for(replace(shipped_identity(), **change))


@pytest.mark.parametrize(
    ("distance", "decision"),
    [
        (0.0, ComparisonDecision.MATCH),
        (0.335, ComparisonDecision.MATCH),
        (0.337, ComparisonDecision.UNDETERMINED),
        (0.423, ComparisonDecision.UNDETERMINED),
        (0.425, ComparisonDecision.NON_MATCH),
        (0.6, ComparisonDecision.NON_MATCH),
        (1.4, ComparisonDecision.NON_MATCH),
    ],
)
def test_guard_band(record, distance, decision):
    result = compare(*unit_pair(distance), record, 1e-4)
    assert result.decision is decision
    assert result.threshold == pytest.approx(0.9436, abs=5e-5)
    assert result.comparison_score == pytest.approx(1 - distance**2 / 2, abs=1e-6)
    assert result.calibration_id == "dlib-flip-l2-fp32-1"


@given(st.floats(0, 1.99), st.sampled_from([1e-3, 1e-4]))
def test_decision_agrees_with_score_and_is_symmetric(distance, rate):
    held = calibration_for(shipped_identity())
    first, second = unit_pair(distance)
    one, other = compare(first, second, held, rate), compare(second, first, held, rate)
    assert one == other
    assert (one.decision is ComparisonDecision.MATCH) == (one.comparison_score >= one.threshold)


@pytest.mark.parametrize(
    "features", [np.zeros(128), np.ones(128), np.full(128, np.nan), np.ones(127) / np.sqrt(127), np.ones((1, 128))]
)
def test_features_that_are_no_unit_vector_are_refused(record, features):
    good, _ = unit_pair(0)
    with pytest.raises(CalibrationRefused, match="unit vector"):
        compare(features, good, record, 1e-4)
    with pytest.raises(CalibrationRefused, match="unit vector"):
        compare(good, features, record, 1e-4)


def test_incomplete_or_contradictory_records_are_refused():
    text = (resources.files("models") / "calibrations" / "dlib-flip-l2-fp32-1.toml").read_text()
    for broken in (
        "",
        text.replace("0.336", "0.4"),
        text.replace("distance = 0.424", "distance = 0.3"),
        text.replace('fusion = "flip+L2"\n', ""),
        text.replace("[sources]", "[elsewhere]"),
    ):
        with pytest.raises(CalibrationRefused) as refusal:
            parse_calibration(broken, "record.toml")
        assert refusal.value.code == "MD-CAL-004"
