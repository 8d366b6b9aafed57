"""Error rates against hand-counted cases and brute force; bounds that cover what they claim; thresholds carried to another set."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.error_bounds import (
    bounds_by_person,
    false_match_bounds,
    false_non_match_bounds,
    pair_sums,
    rate_bands,
    wilson_bounds,
)
from models.error_rates import (
    EvaluationFault,
    ScoreSet,
    cautious_threshold_at,
    det_curve,
    errors_at,
    operating_point,
    threshold_at,
)

FEW_SCORES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]), min_size=1, max_size=30)


def score_set(mated, non_mated):
    """Every comparison between people of its own."""
    scores = [*mated, *non_mated]
    kinds = [True] * len(mated) + [False] * len(non_mated)
    first = [2 * place for place in range(len(scores))]
    second = [one if is_mated else one + 1 for one, is_mated in zip(first, kinds, strict=True)]
    return ScoreSet.of(np.array(scores), kinds, first, second)


def crowd(seed, people=40, pictures=4):
    """All against all of people with features of their own, some of whom scatter more than others; larger is more alike."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(people, 6))
    scatter = 0.25 * np.exp(0.5 * generator.normal(size=people))
    features = centres[:, None] + scatter[:, None, None] * generator.normal(size=(people, pictures, 6))
    features, person = features.reshape(-1, 6), np.repeat(np.arange(people), pictures)
    one, other = np.triu_indices(len(person), 1)
    scores = -np.linalg.norm(features[one] - features[other], axis=1)
    return ScoreSet.of(scores, person[one] == person[other], person[one], person[other])


# ---- rates --------------------------------------------------------------------------------------------------------------


def test_the_threshold_to_keep_is_a_strangers_score():
    non_mated = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    assert cautious_threshold_at(non_mated, 0.2) == 0.5
    assert cautious_threshold_at(non_mated, 0.4) == 0.4
    assert cautious_threshold_at(non_mated, 0.1) == np.nextafter(0.5, 1)  # nobody may pass: above everybody


def test_a_set_counted_by_hand():
    comparisons = score_set([0.95, 0.85, 0.62, 0.58], [0.9, 0.6, 0.55, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.0])
    strict = operating_point(comparisons, 0.1)
    assert (strict.threshold, strict.false_matches, strict.false_non_matches) == (np.nextafter(0.6, 1), 1, 1)
    assert (strict.false_match_rate, strict.false_non_match_rate) == (0.1, 0.25)
    loose = operating_point(comparisons, 0.2)
    assert (loose.threshold, loose.false_matches, loose.false_non_matches) == (np.nextafter(0.55, 1), 2, 0)
    between = operating_point(comparisons, 0.29)  # two of ten are allowed, not 2.9
    assert between.threshold == loose.threshold
    nobody = operating_point(comparisons, 0.05)
    assert (nobody.false_matches, nobody.false_non_matches) == (0, 3)
    assert nobody.threshold == np.nextafter(0.9, 1)
    assert det_curve(comparisons).equal_error_rate == 0.2  # at 0.58: 2 of 10 and none of 4


def test_equal_scores_fall_together():
    non_mated = np.array([0.1] * 6 + [0.5] * 3 + [0.7])
    above = np.nextafter(0.5, 1)
    assert threshold_at(non_mated, 0.1) == above
    assert (
        threshold_at(non_mated, 0.3) == above
    )  # three would be allowed, but the three at 0.5 come as four with the one above
    assert threshold_at(non_mated, 0.4) == np.nextafter(0.1, 1)
    assert threshold_at(np.full(10, 0.5), 0.9) == np.nextafter(0.5, 1)
    assert threshold_at(np.full(10, 0.5), 1.0) == 0.5


def test_a_rate_without_exact_binary_form_keeps_its_last_comparison():
    for count, allowed in ((78_000, 78), (3_000, 3), (29_000, 29), (1_000, 1)):
        point = operating_point(score_set([2.0], np.arange(count) / count), 1e-3)
        assert point.false_matches == allowed


def test_single_precision_scores_and_thresholds_agree():
    scores = np.array([0.1, 0.2, 0.3, 0.4], dtype=np.float32)
    comparisons = ScoreSet.of(scores, [True, False, True, False], [0, 1, 2, 3], [0, 2, 2, 1])
    assert errors_at(comparisons, float(scores[1])).false_matches == 2
    assert errors_at(comparisons, float(np.nextafter(float(scores[1]), 1))).false_matches == 1
    assert errors_at(comparisons, float(scores[2])).false_non_matches == 1


def test_how_many_comparisons_a_stated_rate_needs():
    assert operating_point(score_set([1.0], np.linspace(0, 1, 3000)), 1e-3).is_shown
    assert not operating_point(score_set([1.0], np.linspace(0, 1, 2999)), 1e-3).is_shown
    assert errors_at(score_set([1.0], [0.0]), 0.5).is_shown


@given(FEW_SCORES, FEW_SCORES, st.floats(0, 1))
def test_the_threshold_is_what_brute_force_finds(mated, non_mated, rate):
    comparisons = score_set(mated, non_mated)
    candidates = [min(non_mated), *(float(np.nextafter(score, math.inf)) for score in sorted(set(non_mated)))]
    expected = next(
        candidate
        for candidate in candidates
        if sum(score >= candidate for score in non_mated) / len(non_mated) <= rate * (1 + 1e-9)
    )
    point = operating_point(comparisons, rate)
    assert point.threshold == expected
    assert point.false_matches == sum(score >= expected for score in non_mated)
    assert point.false_non_matches == sum(score < expected for score in mated)


@given(FEW_SCORES, FEW_SCORES)
def test_the_curve_is_what_brute_force_finds(mated, non_mated):
    curve = det_curve(score_set(mated, non_mated))
    for threshold, false_match_rate, false_non_match_rate in zip(
        curve.thresholds, curve.false_match_rates, curve.false_non_match_rates, strict=True
    ):
        assert false_match_rate == pytest.approx(sum(score >= threshold for score in non_mated) / len(non_mated))
        assert false_non_match_rate == pytest.approx(sum(score < threshold for score in mated) / len(mated))
    assert (np.diff(curve.false_match_rates) <= 0).all()
    assert (np.diff(curve.false_non_match_rates) >= 0).all()
    assert (curve.false_match_rates[0], curve.false_non_match_rates[-1]) == (1, 1)


@given(FEW_SCORES, FEW_SCORES, st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_a_looser_rate_never_misses_more(mated, non_mated, rates):
    comparisons = score_set(mated, non_mated)
    points = [operating_point(comparisons, rate) for rate in sorted(rates)]
    for strict, loose in pairwise(points):
        assert strict.threshold >= loose.threshold
        assert strict.false_non_match_rate >= loose.false_non_match_rate


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([0.1, 0.2], [True], [0, 1], [0, 1]), "one list"),
        (([[0.1]], [[True]], [[0]], [[0]]), "one list"),
        (([0.1, math.nan], [True, False], [0, 1], [0, 2]), "not a number"),
        (([0.1, 0.2], [True, True], [0, 1], [0, 1]), "no non-mated"),
        (([0.1, 0.2], [False, False], [0, 1], [1, 0]), "no mated"),
        (([], [], [], []), "no mated"),
        (([0.1, 0.2], [True, False], [0, -1], [0, 2]), "numbered from 0"),
    ],
)
def test_sets_that_mean_nothing_are_refused(arguments, words):
    with pytest.raises(EvaluationFault, match=words):
        ScoreSet.of(*arguments)


@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan])
def test_rates_that_are_none_are_refused(rate):
    with pytest.raises(EvaluationFault, match="between 0 and 1"):
        threshold_at(np.array([0.5]), rate)


# ---- bounds -------------------------------------------------------------------------------------------------------------


def test_wilson_by_hand_and_rule_of_three():
    low, high = wilson_bounds(10, 100)
    assert (low, high) == (pytest.approx(0.0552, abs=1e-4), pytest.approx(0.1744, abs=1e-4))
    assert wilson_bounds(0, 3000) == (0, 1e-3)
    assert wilson_bounds(0, 2) == (0, 1)
    assert wilson_bounds(3000, 3000) == (1 - 1e-3, 1)
    assert wilson_bounds(0, 0) == (0, 1)


@given(st.integers(9, 500).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_bounds_hold_the_rate_and_never_say_zero_or_one(counts):
    errors, trials = counts
    low, high = wilson_bounds(errors, trials)
    assert 0 <= low <= errors / trials <= high <= 1
    assert high > 0
    assert low < 1
    if errors < trials:
        assert wilson_bounds(errors + 1, trials)[1] >= high


def people_pairs(pairs):
    array = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def test_left_out_people_by_hand():
    """Five people, each compared with each once; person 0 makes all three errors."""
    pairs = [(one, other) for one in range(5) for other in range(one + 1, 5)]
    errors = [(0, 1), (0, 2), (0, 3)]
    low, high = bounds_by_person(people_pairs(errors), people_pairs(pairs), 5)
    rates = [0 / 6, 2 / 6, 2 / 6, 2 / 6, 3 / 6]
    variance = 4 / 5 * sum((rate - sum(rates) / 5) ** 2 for rate in rates)
    trials = 0.3 * 0.7 / variance
    z = 2.776  # Student, 4 degrees of freedom
    centre, half = 0.3 + z * z / (2 * trials), z * math.sqrt(0.21 / trials + z * z / (4 * trials * trials))
    assert low == pytest.approx((centre - half) / (1 + z * z / trials), abs=2e-3)
    assert high == pytest.approx((centre + half) / (1 + z * z / trials), abs=2e-3)


def test_errors_of_one_person_widen_the_bounds_and_one_person_alone_proves_nothing():
    pairs = [(person, person) for person in range(20) for _ in range(10)]
    spread = [(person, person) for person in range(20)]
    gathered = [(0, 0)] * 10 + [(1, 1)] * 10
    trials = people_pairs(pairs)
    independent = wilson_bounds(20, 200)
    even = bounds_by_person(people_pairs(spread), trials, 20)
    uneven = bounds_by_person(people_pairs(gathered), trials, 20)
    assert even[0] <= independent[0] < independent[1] <= even[1]
    assert uneven[0] < even[0] < even[1] < uneven[1]
    assert bounds_by_person(people_pairs([(3, 3)]), people_pairs([(3, 3)] * 9), 4) == (0, 1)
    assert bounds_by_person(people_pairs([]), trials, 20) == (0, 3 / 200)


def test_bounds_by_person_cover_the_truth_where_those_for_independent_trials_do_not():
    truth = [crowd(1000 + seed, people=150) for seed in range(4)]
    non_mated = np.sort(np.concatenate([part.non_mated for part in truth]))
    mated = np.sort(np.concatenate([part.mated for part in truth]))
    threshold = threshold_at(non_mated, 0.01)
    false_non_match_rate = float((mated < threshold).mean())
    rounds, by_person, independent, missed = 120, 0, 0, 0
    for seed in range(rounds):
        comparisons = crowd(seed)
        point = errors_at(comparisons, threshold)
        low, high = false_match_bounds(comparisons, threshold)
        by_person += low <= 0.01 <= high
        low, high = wilson_bounds(point.false_matches, point.non_mated)
        independent += low <= 0.01 <= high
        low, high = false_non_match_bounds(comparisons, threshold)
        missed += low <= false_non_match_rate <= high
    assert by_person / rounds >= 0.9
    assert missed / rounds >= 0.88
    assert independent / rounds < 0.6


def test_bands_at_a_stated_rate_cover_the_truth():
    truth = [crowd(2000 + seed, people=150) for seed in range(4)]
    non_mated = np.sort(np.concatenate([part.non_mated for part in truth]))
    mated = np.sort(np.concatenate([part.mated for part in truth]))
    expected = float((mated < threshold_at(non_mated, 0.01)).mean())
    rounds = 40
    bands = [rate_bands(crowd(seed), [0.01], seed, draws=200)[0] for seed in range(rounds)]
    assert sum(low <= expected <= high for low, high in bands) / rounds >= 0.9


def test_bands_repeat_with_their_seed_and_are_never_narrower_than_at_the_fixed_threshold():
    comparisons = crowd(5)
    rates = [0.05, 0.01, 0.001]
    first = rate_bands(comparisons, rates, seed=3, draws=100)
    assert first == rate_bands(comparisons, rates, seed=3, draws=100)
    assert first != rate_bands(comparisons, rates, seed=4, draws=100)
    for rate, (low, high) in zip(rates, first, strict=True):
        point = operating_point(comparisons, rate)
        fixed = false_non_match_bounds(comparisons, point.threshold)
        assert low <= fixed[0] <= point.false_non_match_rate <= fixed[1] <= high


def test_a_draw_is_what_brute_force_finds():
    """One draw with all weights 1 is the set itself; weights of a draw are people drawn, so repeat it by hand."""
    comparisons = crowd(8, people=12, pictures=3)
    rates = np.array([0.3, 0.1, 0.02, 0.0])
    seed, draws = 11, 6
    from models.error_bounds import _drawn_rates

    found = np.vstack(list(_drawn_rates(comparisons, rates, seed, draws)))
    weights = np.random.default_rng(seed).multinomial(12, np.full(12, 1 / 12), size=draws)
    for row, drawn in enumerate(weights):
        of_non_mated = drawn[comparisons.non_mated_first] * drawn[comparisons.non_mated_second]
        of_mated = drawn[comparisons.mated_first]
        for column, rate in enumerate(rates):
            here = comparisons.non_mated[of_non_mated > 0]
            candidates = [here.min(), *np.nextafter(np.unique(here), np.inf)]
            threshold = next(
                candidate
                for candidate in candidates
                if of_non_mated[comparisons.non_mated >= candidate].sum() <= rate * of_non_mated.sum() * (1 + 1e-9)
            )
            expected = of_mated[comparisons.mated < threshold].sum() / of_mated.sum()
            assert found[row, column] == pytest.approx(expected)


def test_pair_sums_in_blocks_are_those_of_brute_force(monkeypatch):
    generator = np.random.default_rng(4)
    first, second = generator.integers(0, 9, 50), generator.integers(0, 9, 50)
    weights = generator.random((5, 9))
    expected = (weights[:, first] * weights[:, second]).sum(axis=1)
    assert pair_sums(weights, first, second) == pytest.approx(expected)
    monkeypatch.setattr("models.error_bounds._LARGEST_BLOCK", 20)
    assert pair_sums(weights, first, second) == pytest.approx(expected)
