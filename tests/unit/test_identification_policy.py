"""One-to-many is off until searches have proven otherwise, and nothing proves it by extrapolation."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import CalibrationRefused
from models.identification_policy import (
    IdentificationEvidence,
    evidence_rows,
    expected_at_least,
    identification_allowed,
    measured_evidence,
    provable_threshold,
    upper_bound,
)


@dataclass(frozen=True)
class Record:
    identification: tuple[Mapping[str, Any], ...] = ()
    calibration_id: str = "record-1"


def row(**changes: Any) -> dict[str, Any]:
    return {
        "set_id": "set-1",
        "gallery_size": 1000,
        "threshold": 0.8,
        "non_mated_searches": 5000,
        "false_positive_searches": 0,
        "people": 4000,
        "false_positive_people": 0,
        **changes,
    }


@pytest.mark.parametrize(
    ("errors", "trials", "expected"),
    [
        # one-sided 95 % Clopper-Pearson, from the beta distribution's quantiles
        (0, 1, 0.95),
        (0, 10, 1 - 0.05 ** (1 / 10)),
        (0, 2995, 1 - 0.05 ** (1 / 2995)),
        (1, 10, 0.394163),
        (5, 100, 0.10225),
        (10, 10, 1.0),
    ],
)
def test_upper_bound_is_the_exact_binomial_one(errors: int, trials: int, expected: float) -> None:
    assert upper_bound(errors, trials) == pytest.approx(expected, abs=5e-6)


@given(trials=st.integers(1, 3000), share=st.floats(0, 0.5))
def test_upper_bound_is_where_so_few_errors_become_unlikely(trials: int, share: float) -> None:
    errors = int(trials * share)
    bound = upper_bound(errors, trials)
    chance = sum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(number + 1)
            - math.lgamma(trials - number + 1)
            + number * math.log(bound)
            + (trials - number) * math.log1p(-bound)
        )
        for number in range(errors + 1)
    )
    assert errors / trials < bound <= 1
    assert chance == pytest.approx(0.05, rel=1e-6)


def test_off_without_a_record_or_evidence() -> None:
    for record in (None, Record()):
        allowance = identification_allowed(record, 10)
        assert not allowance.is_allowed
        assert allowance.threshold is None
        assert allowance.detail
    assert not identification_allowed(Record((row(),)), 0).is_allowed


def test_on_up_to_the_proven_gallery_size_and_not_beyond() -> None:
    record = Record((row(),))
    for size in (1, 500, 1000):
        allowance = identification_allowed(record, size)
        assert allowance.threshold == 0.8
        assert allowance.upper_bound == pytest.approx(1 - 0.05 ** (1 / 4000))
    refused = identification_allowed(record, 1001)
    assert not refused.is_allowed
    assert "1001" in refused.detail


@pytest.mark.parametrize(
    ("changes", "is_allowed"),
    [
        ({"people": 2994}, False),
        ({"people": 2995}, True),
        ({"people": 10}, False),  # many searches for few people prove little
        ({"false_positive_searches": 1, "false_positive_people": 1}, False),
        (
            {"non_mated_searches": 9000, "people": 9000, "false_positive_searches": 4, "false_positive_people": 4},
            False,  # 4 / 9000 is below 1e-3, its upper bound (1.02e-3) is not
        ),
        (
            {"non_mated_searches": 9200, "people": 9200, "false_positive_searches": 4, "false_positive_people": 4},
            True,
        ),
    ],
)
def test_the_bound_decides_and_not_the_measured_share(changes: dict[str, Any], is_allowed: bool) -> None:
    assert identification_allowed(Record((row(**changes),)), 1000).is_allowed is is_allowed


def test_a_stricter_rate_needs_its_own_proof() -> None:
    record = Record((row(), row(threshold=0.9, people=40_000, non_mated_searches=40_000)))
    assert identification_allowed(record, 1000).threshold == 0.8
    assert identification_allowed(record, 1000, 1e-4).threshold == 0.9
    assert not identification_allowed(record, 1000, 1e-5).is_allowed


def test_of_several_sets_the_strictest_counts() -> None:
    worse = {"false_positive_searches": 20, "false_positive_people": 20}
    disproving = row(set_id="set-2", **worse)
    assert not identification_allowed(Record((row(), disproving)), 1000).is_allowed
    assert identification_allowed(Record((row(), disproving, row(threshold=0.85))), 1000).threshold == 0.85
    higher = row(set_id="set-2", threshold=0.9, **worse)
    assert not identification_allowed(Record((row(), higher, row(threshold=0.85))), 1000).is_allowed
    smaller = row(set_id="set-2", gallery_size=100, **worse)
    assert not identification_allowed(Record((row(), smaller)), 1000).is_allowed
    # a bigger gallery, or a lower threshold, may well do worse
    for harmless in (row(set_id="set-2", gallery_size=5000, **worse), row(set_id="set-2", threshold=0.7, **worse)):
        assert identification_allowed(Record((row(), harmless)), 1000).threshold == 0.8


@pytest.mark.parametrize("rate", [0, -1e-3, 1.1e-3, 1, math.nan])
def test_rates_above_the_ceiling_are_refused(rate: float) -> None:
    with pytest.raises(CalibrationRefused) as refusal:
        identification_allowed(Record((row(),)), 10, rate)
    assert refusal.value.code == "MD-CAL-002"


@pytest.mark.parametrize(
    "changes",
    [
        {"set_id": ""},
        {"set_id": 5},
        {"gallery_size": 0},
        {"gallery_size": 10.5},
        {"threshold": math.nan},
        {"threshold": "0.8"},
        {"people": 0},
        {"people": 5001},
        {"people": True},
        {"false_positive_searches": -1},
        {"false_positive_searches": 6000, "false_positive_people": 1},
        {"false_positive_searches": 1},
        {"false_positive_people": 1},
        {"false_positive_searches": 1, "false_positive_people": 2},
        {"upper_bound": 1e-9},
    ],
)
def test_malformed_evidence_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(CalibrationRefused) as refusal:
        identification_allowed(Record((row(**changes),)), 10)
    assert refusal.value.code == "MD-CAL-004"


def test_missing_field_is_refused_by_name() -> None:
    incomplete = row()
    del incomplete["people"]
    with pytest.raises(CalibrationRefused, match="people"):
        evidence_rows([incomplete], "record-1")


def test_evidence_counts_searches_and_people() -> None:
    evidence = measured_evidence(
        [0.9, 0.5, -math.inf, 0.8, 0.2], [1, 1, 2, 1, 3], threshold=0.8, gallery_size=77, set_id="set-3"
    )
    assert evidence == IdentificationEvidence("set-3", 77, 0.8, 5, 2, 3, 1)
    assert evidence.rate == 0.4
    assert evidence.upper_bound == max(upper_bound(2, 5), upper_bound(1, 3))
    assert evidence_rows([asdict(evidence)], "x") == (evidence,)


@pytest.mark.parametrize(("scores", "people"), [([], []), ([0.1], [1, 2]), ([math.nan], [1])])
def test_searches_that_prove_nothing_are_refused(scores: list[float], people: list[int]) -> None:
    with pytest.raises(CalibrationRefused):
        measured_evidence(scores, people, threshold=0.5, gallery_size=1, set_id="x")


@given(seed=st.integers(0, 1000), errors_allowed=st.sampled_from([0, 1, 4]))
def test_provable_threshold_is_the_lowest(seed: int, errors_allowed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.choice([0.1, 0.2, 0.3, 0.4, 0.5, -np.inf], 400)
    people = rng.permutation(400)
    rate = upper_bound(errors_allowed, 400)
    found = provable_threshold(scores, people, rate)
    assert found is not None

    def is_proven(threshold: float) -> bool:
        return measured_evidence(scores, people, threshold=threshold, gallery_size=9, set_id="x").upper_bound <= rate

    assert is_proven(found)
    lower = scores[np.isfinite(scores) & (scores < found)]
    assert not len(lower) or not is_proven(float(lower.max()))


def test_too_few_searches_prove_no_threshold() -> None:
    assert provable_threshold(np.zeros(2000), np.arange(2000)) is None
    assert provable_threshold(np.zeros(4000), np.arange(4000) % 50) is None
    assert provable_threshold(np.zeros(4000), np.arange(4000)) == np.nextafter(0.0, 1)
    assert provable_threshold(np.full(4000, -np.inf), np.arange(4000)) == -1


def test_what_a_false_match_rate_would_mean() -> None:
    assert expected_at_least(1e-4, 1) == pytest.approx(1e-4)
    assert expected_at_least(1e-4, 1000) == pytest.approx(0.0952, abs=1e-4)
    assert expected_at_least(1e-4, 1_000_000) == pytest.approx(1)
