"""Continuous evaluation: counts to rates with bounds, the cache of other people's references, and what the agent keeps of it."""

from __future__ import annotations

import asyncio
import json
import math
import stat
import uuid
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.cli import face_monitor
from gate_agent.domain.travel_document import MrzFormat, TravelDocument
from gate_agent.runtime.face_counts import FILE_NAME, FaceCounts, read_counts
from gate_agent.runtime.face_monitoring import Concluded, FaceMonitoring, PersonKeys, groups_of
from gate_agent.runtime.face_report import ReportRules, group_comparisons, point_name
from models.calibration import Calibration, ModelIdentity, Threshold
from models.cohort import Cohort
from models.errors import WorkerFault
from models.face_comparison import FaceComparer
from models.face_fusion import Fusion
from models.field_evaluation import (
    OTHERS,
    FalseMatchVerdict,
    FieldCounts,
    FieldRate,
    count_non_mated,
    false_match_rate,
    false_non_match_rate,
    group_ratio,
    needed_comparisons,
    pooled,
    verdict,
    wilson_bounds,
)
from models.non_mated_cache import MAXIMUM_AGE_S, NonMatedCache, NonMatedCounts
from models.results import ComparisonDecision
from models.score_normalisation import ScoreDefinition, ScoreKind
from models.zero_effort import STATISTICS, evaluate

NOW = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
LIMIT = 1e-3

# ---- rates and bounds ---------------------------------------------------------------------------------------------------


def test_wilson_bounds_against_published_values():
    """Newcombe 1998, Statistics in Medicine 17, table I, method 3 (score without continuity correction)."""
    for errors, trials, lower, upper in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (1, 29, 0.0061, 0.1718)):
        assert wilson_bounds(errors, trials) == pytest.approx((lower, upper), abs=5e-5)
    assert wilson_bounds(29, 29)[1] == 1.0


def test_no_error_in_3000_proves_a_thousandth_and_30000_a_ten_thousandth():
    assert wilson_bounds(0, 3000) == (0.0, pytest.approx(1e-3))
    assert wilson_bounds(0, 30_000) == (0.0, pytest.approx(1e-4))
    assert wilson_bounds(0, 1) == (0.0, 1.0)
    assert (needed_comparisons(1e-3), needed_comparisons(1e-4), needed_comparisons(1e-3, 3.0)) == (3000, 30_000, 9000)


@pytest.mark.parametrize(("errors", "trials"), [(0, 0), (-1, 5), (6, 5), (math.nan, 5), (1, math.nan)])
def test_no_proportion_is_refused(errors, trials):
    with pytest.raises(ValueError, match="no proportion"):
        wilson_bounds(errors, trials)


@given(st.integers(1, 5000), st.data())
def test_bounds_hold_the_rate_and_shrink_with_more_trials(trials, draw):
    errors = draw.draw(st.integers(0, trials))
    lower, upper = wilson_bounds(errors, trials)
    assert 0 <= lower <= errors / trials <= upper <= 1
    wider = wilson_bounds(errors / 3, trials / 3)
    assert wider[0] <= lower + 1e-12
    assert upper <= wider[1] + 1e-12


def test_comparisons_that_share_a_probe_are_not_independent():
    """Twelve false matches of one probe prove as little as one; of twelve probes and references they count in full."""
    one_probe = np.zeros((100, 100))
    one_probe[0, :12] = 1
    spread = np.zeros((100, 100))
    spread[np.arange(12), np.arange(12)] = 1
    shared, _ = count_non_mated(one_probe, 0.5)
    alone, _ = count_non_mated(spread, 0.5)
    assert (shared.false_matches, shared.probes_matched, shared.probes, shared.non_mated) == (12, 1, 100, 10_000)
    assert (alone.false_matches, alone.probes_matched) == (12, 12)
    by_one, by_twelve = false_match_rate(shared), false_match_rate(alone)
    assert by_one.rate == by_twelve.rate == 12 / 10_000
    assert (by_one.design_effect, by_twelve.design_effect) == (12.0, 1.0)
    assert (by_twelve.lower_bound, by_twelve.upper_bound) == wilson_bounds(12, 10_000)
    assert (by_one.lower_bound, by_one.upper_bound) == wilson_bounds(1, 10_000 / 12)
    one_reference, _ = count_non_mated(one_probe.T.copy(), 0.5)
    assert false_match_rate(one_reference).design_effect == 12.0


def test_clustered_bounds_cover_the_truth_where_naive_ones_do_not():
    """1 000 simulated windows in which some people are alike to many: 95 % bounds must hold in about 95 % of them."""
    rng = np.random.default_rng(3)
    probes, references = 400, 50
    truth = 0.002
    covered = naive = 0
    for _ in range(1000):
        is_wolf = (
            rng.random(probes) < 0.02
        )  # one in fifty carries all false matches, each against a tenth of the others
        scores = (rng.random((probes, references)) < np.where(is_wolf, truth / 0.02, 0.0)[:, None]).astype(float)
        counts, _ = count_non_mated(scores, 0.5)
        rate = false_match_rate(counts)
        covered += rate.lower_bound <= truth <= rate.upper_bound
        lower, upper = wilson_bounds(counts.false_matches, counts.non_mated)
        naive += lower <= truth <= upper
    assert covered >= 920, covered
    assert naive <= 800, naive


def test_counts_row_by_row_are_the_counts_of_the_table():
    rng = np.random.default_rng(5)
    scores = rng.random((40, 30))
    scores[rng.random((40, 30)) < 0.1] = np.nan
    whole, after = count_non_mated(scores, 0.9)
    rows, so_far = FieldCounts(), None
    for row in scores:
        counts, so_far = count_non_mated(row, 0.9, so_far)
        rows += counts
    assert rows == whole
    assert (so_far == after).all()
    assert whole.false_matches == int((scores >= 0.9).sum())
    assert whole - whole == FieldCounts()


def test_a_design_effect_known_from_elsewhere_is_a_floor():
    counts = FieldCounts(probes=30, non_mated=6000)
    assert false_match_rate(counts).upper_bound == pytest.approx(3 / 6000)
    assert false_match_rate(counts, 3.0).upper_bound == pytest.approx(3 / 2000)
    with pytest.raises(ValueError, match="at least 1"):
        false_match_rate(counts, 0.5)
    assert false_match_rate(FieldCounts()) is None
    assert false_non_match_rate(FieldCounts()) is None


@pytest.mark.parametrize(
    ("matches", "comparisons", "expected"),
    [
        (0, 2999, FalseMatchVerdict.NOT_ENOUGH),
        (0, 3000, FalseMatchVerdict.WITHIN),
        (1, 2000, FalseMatchVerdict.NOT_ENOUGH),
        (1, 3000, FalseMatchVerdict.ABOVE),
        (1, 6000, FalseMatchVerdict.WITHIN),
        (8, 1000, FalseMatchVerdict.ABOVE),  # so many that even the lower bound is above
        (30, 20_000, FalseMatchVerdict.ABOVE),
        (10, 20_000, FalseMatchVerdict.WITHIN),
    ],
)
def test_verdict_on_the_limit(matches, comparisons, expected):
    counts = FieldCounts(
        probes=100, non_mated=comparisons, false_matches=matches, squares_by_probe=matches, squares_by_reference=matches
    )
    assert verdict(false_match_rate(counts), LIMIT) is expected


def test_nothing_counted_is_not_enough():
    assert verdict(None, LIMIT) is FalseMatchVerdict.NOT_ENOUGH


def rate(errors, trials):
    return FieldRate(errors, trials, errors / trials, *wilson_bounds(errors, trials))


def test_worst_to_best_group():
    ratio = group_ratio({"a": rate(40, 1000), "b": rate(10, 1000), "c": rate(20, 1000)})
    assert (ratio.worst, ratio.best, ratio.ratio) == ("a", "b", pytest.approx(4.0))
    assert ratio.at_least == pytest.approx(wilson_bounds(40, 1000)[0] / wilson_bounds(10, 1000)[1])
    assert ratio.at_least > 1
    without = group_ratio({"a": rate(3, 200), "b": rate(0, 200)})
    assert (without.ratio, without.at_least < 1) == (None, True)  # no number is invented where one group shows no error
    assert group_ratio({"a": rate(3, 200)}) is None
    assert group_ratio({"a": rate(0, 200), "b": rate(0, 100)}) is None


# ---- small groups -------------------------------------------------------------------------------------------------------


def people(count):
    return FieldCounts(acquisitions=count, mated=count)


def test_small_groups_stand_together():
    shown = pooled(
        {"UZB": people(500), "KAZ": people(120), "ISL": people(1), "FRA": people(80), "ITA": people(30)}, 100
    )
    assert shown == {"UZB": people(500), "KAZ": people(120), OTHERS: people(111)}


def test_nobody_is_worked_out_by_subtracting():
    """One traveller alone below the minimum is joined by the next smallest group; alone in everything, he is left out."""
    assert pooled({"UZB": people(500), "KAZ": people(120), "ISL": people(1)}, 100) == {
        "UZB": people(500),
        OTHERS: people(121),
    }
    assert pooled({"UZB": people(60), "ISL": people(1)}, 100) == {}
    assert pooled({"UZB": people(500)}, 100) == {"UZB": people(500)}
    assert pooled({"UZB": people(99)}, 100) == {}


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 300)), st.integers(10, 200))
def test_no_shown_group_is_small_and_nothing_is_counted_twice(sizes, minimum):
    shown = pooled({label: people(size) for label, size in sizes.items()}, minimum)
    total = sum(size for size in sizes.values())
    assert all(counts.mated >= minimum for counts in shown.values())
    assert sum(counts.mated for counts in shown.values()) in {0, total} | ({total} if total >= minimum else {0})


# ---- the cache ----------------------------------------------------------------------------------------------------------


def unit(*values):
    vector = np.zeros(8, dtype=np.float32)
    vector[: len(values)] = values
    return vector / np.linalg.norm(vector)


def key(number):
    return bytes([number]) * 16


def cache(capacity=4, age=100.0, **options):
    return NonMatedCache(capacity, age, dimension=8, **options)


def counted(made, probe, name, now, **options):
    return made.count(probe, name, now, **{"thresholds": (0.9,)} | options)


def test_never_the_own_document_one_per_person_and_added_afterwards():
    made = cache()
    probe = unit(1)
    assert counted(made, probe, key(1), 0.0).overall == (FieldCounts(),)  # nobody there yet
    made.add(key(1), unit(1), 0.0)
    assert counted(made, probe, key(1), 1.0).overall[0].non_mated == 0  # the own reference never counts
    made.add(key(1), unit(1), 2.0)
    made.add(key(2), unit(0, 1), 2.0)
    assert len(made) == 2
    found = counted(made, probe, key(3), 3.0).overall[0]
    assert (found.probes, found.non_mated, found.false_matches, found.probes_matched) == (1, 2, 1, 1)


def test_the_oldest_goes_above_n_and_all_older_than_t():
    made = cache(capacity=3, age=100.0)
    for number in range(1, 5):
        made.add(key(number), unit(*([0] * number), 1), float(number))
    assert len(made) == 3
    assert counted(made, unit(0, 1), key(9), 4.0).overall[0].false_matches == 0  # the first one is gone
    made.add(key(2), unit(0, 0, 1), 50.0)  # added anew: young again
    assert made.drop_old(103.9) == 1
    assert made.drop_old(104.0) == 1
    assert counted(made, unit(1), key(9), 149.0).overall[0].non_mated == 1
    assert counted(made, unit(1), key(9), 150.0).overall[0].non_mated == 0  # counting drops what is too old first
    assert len(made) == 0


def test_what_leaves_is_overwritten():
    made = cache(capacity=2, groups=1, statistics=2)
    block = made._features
    for number in range(1, 6):
        made.add(key(number), unit(number, 1), float(number), groups=(number,), statistics=(0.1, 0.2))
    assert made._features is block
    assert {tuple(row) for row in block} == {tuple(unit(4, 1)), tuple(unit(5, 1))}
    assert made.drop(key(4))
    assert not made.drop(key(4))
    assert (np.count_nonzero(block.any(axis=1)), np.count_nonzero(made._statistics.any(axis=1))) == (1, 1)
    counted(made, unit(5, 1), key(9), 5.0, groups=(5,))
    made.wipe()
    assert len(made) == 0
    assert not any(array.any() for array in (block, made._statistics, made._groups, made._matches))


def test_a_reference_matched_again_and_again_counts_as_one_cluster():
    made = cache()
    made.add(key(1), unit(1), 0.0)
    made.add(key(2), unit(0, 1), 0.0)
    total = FieldCounts()
    for number in range(3, 8):
        total += counted(made, unit(1), key(number), 1.0).overall[0]
    assert (total.false_matches, total.probes_matched, total.squares_by_probe, total.squares_by_reference) == (
        5,
        5,
        5,
        25,
    )
    assert false_match_rate(total).design_effect == 5.0


def test_normalised_scores_and_several_thresholds():
    made = cache(points=2, statistics=2)
    made.add(key(1), unit(1, 0.5), 0.0, statistics=(0.5, 0.1))
    made.add(key(2), unit(1, 2), 0.0, statistics=(0.4, 0.05))
    seen = []

    def score_of(cosines, statistics):
        seen.append((cosines, statistics))
        return (cosines - statistics[:, 0]) / statistics[:, 1]

    found = counted(made, unit(1), key(9), 0.0, thresholds=(3.0, 0.9), score_of=score_of).overall
    assert [counts.false_matches for counts in found] == [1, 2]
    (cosines, statistics) = seen[0]
    assert cosines == pytest.approx([1 / math.sqrt(1.25), 1 / math.sqrt(5)], abs=1e-6)
    assert statistics.tolist() == [[0.5, 0.1], [0.4, 0.05]]


def test_within_the_own_group():
    made = cache(groups=2)
    made.add(key(1), unit(1), 0.0, groups=(7, 1))
    made.add(key(2), unit(1), 0.0, groups=(7, 2))
    made.add(key(3), unit(0, 1), 0.0, groups=(8, 0))
    found = counted(made, unit(1), key(9), 0.0, groups=(7, 0))
    assert found.overall[0].non_mated == 3
    assert [(rows[0].non_mated, rows[0].false_matches) for rows in found.within_group] == [(2, 2), (0, 0)]  # 0: unknown


@pytest.mark.parametrize(
    ("capacity", "age"), [(0, 60), (20_001, 60), (10, 0), (10, MAXIMUM_AGE_S + 1), (10, math.nan), (10, math.inf)]
)
def test_limits_that_are_not_allowed(capacity, age):
    with pytest.raises(WorkerFault) as fault:
        cache(capacity, age)
    assert fault.value.code == "MD-CAC-001"


def test_requests_that_are_none():
    made = cache(groups=1, statistics=2)
    good = {"groups": (1,), "statistics": (0.0, 1.0)}
    for reference, name, options in (
        (unit(1) * 2, key(1), good),
        (unit(1) * np.nan, key(1), good),
        (unit(1)[:4], key(1), good),
        (unit(1), b"X1234567", good),
        (unit(1), key(1), good | {"groups": ()}),
        (unit(1), key(1), good | {"statistics": (1.0,)}),
    ):
        with pytest.raises(WorkerFault):
            made.add(name, reference, 0.0, **options)
    assert len(made) == 0
    made = cache()
    for thresholds in ((), (math.nan,), (0.5, 0.6)):
        with pytest.raises(WorkerFault):
            counted(made, unit(1), key(1), 0.0, thresholds=thresholds)


def test_counts_travel_as_plain_numbers():
    made = cache(groups=1)
    made.add(key(1), unit(1), 0.0, groups=(3,))
    found = counted(made, unit(1), key(2), 1.0, groups=(3,))
    assert found.overall[0].false_matches == found.within_group[0][0].false_matches == 1
    assert NonMatedCounts.of_table(json.loads(json.dumps(found.table()))) == found
    for table in (
        {},
        {"overall": [], "within_group": 3},
        {"overall": [[1] * 12], "within_group": []},
        {"overall": [[0.5] * 11], "within_group": []},
        {"overall": [[-1] * 11], "within_group": []},
        {"overall": [[True] * 11], "within_group": []},
    ):
        with pytest.raises(ValueError, match="counts"):
            NonMatedCounts.of_table(table)


def unlike(count, dimension=128, seed=2):
    rows = np.random.default_rng(seed).standard_normal((count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_zero_effort_counts_are_those_of_the_comparison_that_decides():
    """Every cached reference gets the score that the comparer itself would give it, at the threshold of the probe's frames."""
    faces = unlike(40)
    record = calibration_record()
    cohort = Cohort("test", unlike(300, seed=9))
    comparer = FaceComparer(record, cohort, 128, "model", 1e-3)
    made = NonMatedCache(100, 60.0, dimension=128, points=1, statistics=STATISTICS)
    for number, face in enumerate(faces):
        found = evaluate(
            made, comparer, face, 2, face, own_key=key(number), now_mono_s=0.0, false_match_rates=(1e-3,)
        ).overall[0]
        by_hand = [comparer.compare(face, other, 2).decision is ComparisonDecision.MATCH for other in faces[:number]]
        assert (found.non_mated, found.false_matches) == (number, sum(by_hand))
    assert len(made) == 40
    total = FieldCounts()
    for number, face in enumerate(faces):
        total += evaluate(
            made, comparer, face, 1, face, own_key=key(number), now_mono_s=0.0, false_match_rates=(1e-3,)
        ).overall[0]
    assert total.non_mated == 40 * 39
    assert total.false_matches > 0  # the test's threshold is low: unlike vectors match now and then


def calibration_record():
    return Calibration(
        calibration_id="test",
        identity=ModelIdentity(()),
        fusion=Fusion.FLIP,
        score=ScoreDefinition(ScoreKind.AS_NORM, 50),
        cohort=None,
        thresholds=(Threshold(1e-3, 0.5, 1, 1e-3, "set"), Threshold(1e-3, 0.8, 2, 1e-3, "set")),
        non_match_threshold=-3.0,
        minimum_age_years=0,
        made_on=date(2026, 5, 1),
    )


# ---- the agent's side ---------------------------------------------------------------------------------------------------


class HandClock:
    def __init__(self):
        self.time, self.ticks_s = NOW, 0.0

    def now(self):
        return self.time

    def monotonic_s(self):
        return self.ticks_s

    def turn(self, **step):
        self.time += timedelta(**step)
        self.ticks_s += timedelta(**step).total_seconds()


POINTS = ("record-1@0.0001", "record-1@0.001")
THRESHOLDS = (3.0, 2.0)
RULES = ReportRules(least_design_effect=1.0, smallest_group=10, dimensions=("sex",))


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def raised():
    return []


@pytest.fixture
def monitoring(clock, raised, tmp_path):
    def alarm(lane_id, report):
        raised.append((lane_id, report is not None))

    return FaceMonitoring(RULES, POINTS, clock, folder=tmp_path, alarm=alarm, ruling_window_s=3600)


def matched(score):
    return None if score is None else tuple(score >= threshold for threshold in THRESHOLDS)


def crossed(monitoring, score=4.0, lane_id=1, **groups):
    concluded = Concluded(uuid.uuid4(), lane_id, matched(score), groups)
    monitoring.conclude(concluded)
    return concluded.transaction_id


def whole(monitoring, point=0, lane_id=1):
    (report,) = [
        row for row in monitoring.report() if (row.lane_id, row.point, row.dimension) == (lane_id, POINTS[point], "")
    ]
    return report


def probed(comparisons, matches=0):
    counts = FieldCounts(
        probes=1,
        probes_matched=min(matches, 1),
        non_mated=comparisons,
        false_matches=matches,
        squares_by_probe=matches**2,
        squares_by_reference=matches,
    )
    return NonMatedCounts((counts, counts), ((counts, counts),))


def test_false_non_match_rate_at_each_threshold(monitoring):
    for score in [4.0] * 17 + [2.5, 2.5, 1.0]:
        crossed(monitoring, score)
    crossed(monitoring, None)
    crossed(monitoring, 1.0, lane_id=2)
    strict, loose = whole(monitoring, 0), whole(monitoring, 1)
    assert (strict.false_non_match.errors, strict.false_non_match.trials) == (3, 20)
    assert (loose.false_non_match.errors, loose.false_non_match.trials) == (1, 20)
    assert (strict.failure_to_acquire.errors, strict.failure_to_acquire.trials) == (1, 21)
    assert strict.false_match is None
    assert strict.verdict is FalseMatchVerdict.NOT_ENOUGH
    assert whole(monitoring, 0, lane_id=2).false_non_match.rate == 1.0


def test_pairs_ruled_a_true_non_match_are_left_out(monitoring, clock):
    crossed(monitoring)
    other = crossed(monitoring, 1.0, sex="F")
    assert whole(monitoring).false_non_match.errors == 1
    assert monitoring.leave_out(other)
    assert (whole(monitoring).false_non_match.errors, whole(monitoring).false_non_match.trials) == (0, 1)
    assert not monitoring.leave_out(other)
    ruled_first = uuid.uuid4()
    assert not monitoring.leave_out(ruled_first)
    monitoring.conclude(Concluded(ruled_first, 1, matched(1.0)))
    assert whole(monitoring).false_non_match.trials == 1
    late = crossed(monitoring, 1.0)
    clock.turn(hours=2)
    assert not monitoring.leave_out(late)  # the link from transaction to cell is gone
    assert whole(monitoring).false_non_match.errors == 1


def test_one_transaction_counts_once(monitoring):
    concluded = Concluded(uuid.uuid4(), 1, matched(1.0))
    monitoring.conclude(concluded)
    monitoring.conclude(concluded)
    assert whole(monitoring).false_non_match.trials == 1


def test_alarm_is_raised_once_and_cleared_when_proven(monitoring, raised):
    for _ in range(10):
        monitoring.evaluated(1, probed(200), {})
    assert (raised, whole(monitoring).verdict) == ([], FalseMatchVerdict.NOT_ENOUGH)
    monitoring.evaluated(1, probed(200, 4), {})
    monitoring.evaluated(1, probed(200, 4), {})
    for _ in range(4):
        monitoring.evaluated(1, probed(200), {})
    assert whole(monitoring).verdict is FalseMatchVerdict.ABOVE
    assert raised == [(1, True)]
    for _ in range(300):
        monitoring.evaluated(1, probed(200), {})
    assert whole(monitoring).verdict is FalseMatchVerdict.WITHIN
    assert raised == [(1, True), (1, False)]


def test_an_alarm_ends_with_the_window(monitoring, raised, clock):
    for _ in range(100):
        monitoring.evaluated(1, probed(200, 3), {})
    assert raised == [(1, True)]
    clock.turn(days=31)
    monitoring.check_limit()
    assert raised == [(1, True), (1, False)]


def test_skipped_probes_are_counted_as_such(monitoring):
    monitoring.evaluated(1, None, {"sex": "F"})
    report = whole(monitoring)
    assert (report.counts.probes_skipped, report.counts.probes, report.false_match) == (1, 0, None)


def test_counts_of_another_shape_are_refused(monitoring):
    with pytest.raises(ValueError, match="zip"):
        monitoring.evaluated(1, NonMatedCounts((FieldCounts(),), ((FieldCounts(),),)), {})


def test_a_point_is_one_record_and_rate():
    assert point_name("record-1", 1e-4) == POINTS[0]


def test_a_conclusion_without_all_points_is_refused(monitoring):
    with pytest.raises(ValueError, match="zip"):
        monitoring.conclude(Concluded(uuid.uuid4(), 1, (True,)))
    assert monitoring.report() == []


def test_groups_are_off_unless_switched_on(clock):
    plain = FaceMonitoring(ReportRules(), POINTS, clock)
    for _ in range(200):
        plain.conclude(Concluded(uuid.uuid4(), 1, matched(4.0), {"sex": "F", "nationality": "UTO"}))
    assert {row.dimension for row in plain.report()} == {""}
    assert b"UTO" not in plain._counts.encoded()
    assert plain.group_numbers({"sex": "F"}) == ()
    with pytest.raises(ValueError, match="religion"):
        ReportRules(dimensions=("religion",))
    with pytest.raises(ValueError, match="groups of 10"):
        ReportRules(smallest_group=1)


def test_groups_are_counted_by_the_day_and_shown_from_a_minimum(monitoring, clock):
    for number in range(30):
        crossed(monitoring, 1.0 if number < 6 else 4.0, sex="F")
        crossed(monitoring, 1.0 if number < 2 else 4.0, sex="M")
    crossed(monitoring, 1.0, sex="X")
    rows = {row.label: row for row in monitoring.report() if row.dimension and row.point == POINTS[0]}
    assert set(rows) == {OTHERS, "M"} or set(rows) == {OTHERS, "F"}  # the single X is never to be worked out
    group_cells = [cell for cell, _ in monitoring._counts.within(NOW, RULES.window) if cell.dimension]
    assert {cell.begun_s % 86_400 for cell in group_cells} == {0}
    for _ in range(10):
        crossed(monitoring, 4.0, sex="X")
    comparisons = group_comparisons(monitoring.report())
    strict = next(row for row in comparisons if row.point == POINTS[0])
    assert (strict.rate, strict.dimension, strict.ratio.worst, strict.ratio.best) == (
        "false_non_match",
        "sex",
        "F",
        "M",
    )
    assert strict.ratio.ratio == pytest.approx(3.0)


def test_a_group_of_few_probes_shows_no_false_match_rate(monitoring):
    for number in range(30):
        crossed(monitoring, sex="F")
        crossed(monitoring, sex="M")
        monitoring.evaluated(1, probed(200), {"sex": "F" if number else "M"})
    rows = {row.label: row for row in monitoring.report() if row.dimension and row.point == POINTS[0]}
    assert rows["F"].false_match.trials == 29 * 200
    assert (rows["M"].false_match, rows["M"].counts.probes, rows["M"].counts.non_mated) == (None, 0, 0)
    assert rows["M"].false_non_match.trials == 30


def test_group_numbers_stay_the_same_and_unknown_is_nobody(monitoring):
    assert monitoring.group_numbers({"sex": "F"}) == monitoring.group_numbers({"sex": "F", "nationality": "UTO"})
    assert monitoring.group_numbers({"sex": "F"}) != monitoring.group_numbers({"sex": "M"})
    assert monitoring.group_numbers({}) == (0,)


def test_the_window_rolls(monitoring, clock):
    crossed(monitoring, 1.0)
    for _ in range(29):
        clock.turn(days=1)
        crossed(monitoring)
    assert whole(monitoring).false_non_match.errors == 1
    clock.turn(days=1, hours=1)
    assert (whole(monitoring).false_non_match.errors, whole(monitoring).false_non_match.trials) == (0, 29)
    clock.turn(days=-200)  # a clock that was wrong: what lies far ahead does not count
    assert monitoring.report() == []


def test_counts_survive_a_restart_and_hold_nobody(monitoring, clock, raised, tmp_path):
    transaction = crossed(monitoring, 1.0, sex="F")
    for _ in range(100):
        monitoring.evaluated(1, probed(200, 3), {"sex": "F"})
    before = monitoring.report()
    monitoring.save()
    path = tmp_path / FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert str(transaction) not in text
    assert str(transaction.int) not in text
    raised.clear()
    again = FaceMonitoring(
        RULES, POINTS, clock, folder=tmp_path, alarm=lambda lane, row: raised.append((lane, bool(row)))
    )
    assert again.report() == before
    again.check_limit()
    assert raised == [(1, True)]
    other_record = FaceMonitoring(RULES, ("record-2@0.0001",), clock, folder=tmp_path)
    assert other_record.report() == []  # rates of one calibration say nothing about another's


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"format":"egate-face-counts-1","cells":[[1,2,3]]}',
        b'{"format":"egate-face-counts-1","cells":[[0,"p",1,"","",[1,2]]]}',
        b'{"format":"egate-face-counts-1","cells":[[0,"p",1,"","",[1,2,3,4,5,6,7,8,9,10,true]]]}',
        b'{"format":"egate-face-counts-2","cells":[]}',
        b"\xff\xfe",
    ],
)
def test_a_broken_counts_file_is_put_aside(content, tmp_path, clock):
    (tmp_path / FILE_NAME).write_bytes(content)
    assert len(read_counts(tmp_path)) == 0
    assert not (tmp_path / FILE_NAME).exists()
    assert (tmp_path / "face_counts.unreadable").read_bytes() == content


async def test_run_writes_in_the_end_and_a_full_disk_stops_nobody(monitoring, tmp_path, monkeypatch):
    crossed(monitoring)
    task = asyncio.create_task(monitoring.run())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(read_counts(tmp_path)) == 2

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gate_agent.runtime.face_monitoring.write_counts", refuse)
    crossed(monitoring)
    monitoring.save()
    assert monitoring._counts.is_changed  # to be tried again
    assert len(FaceCounts.decoded(monitoring._counts.encoded())) == 2


def test_person_keys_are_opaque_and_die_with_the_process():
    first, second = PersonKeys(), PersonKeys()
    name = first.key_of("UTO", "X12345678")
    assert name == first.key_of("UTO", "X12345678")
    assert name != second.key_of("UTO", "X12345678")
    assert first.key_of("UTOX", "12345678") != name
    assert b"X12345678" not in name


def document(born, sex="F"):
    return TravelDocument(MrzFormat.TD3, "P", "UTO", "X1", "KAZ", "A", "B", False, born, "", sex, None, "", "", ())


def test_groups_of_a_document():
    today = date(2026, 5, 1)
    names = ("age_band", "sex", "nationality", "issuing_state")
    found = groups_of(document(date(1990, 5, 1)), today, names)
    assert found == {"age_band": "30-44", "sex": "F", "nationality": "KAZ", "issuing_state": "UTO"}
    assert groups_of(document(date(1990, 5, 1)), today, ()) == {}
    assert groups_of(document(None, "<"), today, ("age_band", "sex")) == {}
    ages = [
        groups_of(document(born), today, ("age_band",))["age_band"] for born in (date(2014, 5, 2), date(2014, 5, 1))
    ]
    assert ages == ["0-11", "12-17"]
    assert groups_of(document(date(1930, 1, 1)), today, ("age_band",)) == {"age_band": "75+"}
    assert groups_of(document(date(2027, 1, 1)), today, ("age_band",)) == {}


def test_the_command_reads_the_file(monitoring, clock, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(face_monitor, "SystemClock", lambda: clock)
    for _ in range(30):
        crossed(monitoring, sex="F")
        crossed(monitoring, 1.0, sex="M")
    monitoring.evaluated(1, probed(200), {})
    monitoring.save()
    arguments = face_monitor_arguments(tmp_path, "--json", "--smallest-group", "10")
    assert face_monitor.run(arguments) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0]["false_non_match"]["errors"] == 30
    assert rows[0]["verdict"] == "not_enough"
    assert [row["ratio"] for row in rows if "worst" in row] == [None, None]  # nobody of the best group failed
    assert face_monitor.run(face_monitor_arguments(tmp_path)) == 0
    printed = capsys.readouterr().out
    assert "not enough comparisons (200 of 9000)" in printed
    assert "sex" not in printed  # 30 travellers are below the usual minimum
    (tmp_path / FILE_NAME).write_bytes(b"broken")
    with pytest.raises(face_monitor.CountsFault):
        face_monitor.run(face_monitor_arguments(tmp_path))
    assert (tmp_path / FILE_NAME).read_bytes() == b"broken"  # looking changes nothing
    (tmp_path / FILE_NAME).unlink()
    assert face_monitor.run(face_monitor_arguments(tmp_path)) == 0
    assert capsys.readouterr().out.startswith("nothing was counted")


def face_monitor_arguments(folder, *words):
    import argparse

    parser = argparse.ArgumentParser()
    face_monitor.add_arguments(parser)
    return parser.parse_args(["--state", str(folder), *words])


def test_the_bound_falls_as_travellers_cross(monitoring):
    """What a supervisor sees in a quiet lane: not enough, then a bound that falls below the limit."""
    bounds = []
    for _ in range(40):
        monitoring.evaluated(1, probed(200), {})
        bounds.append(whole(monitoring).false_match.upper_bound)
    assert all(later < earlier for earlier, later in pairwise(bounds))
    assert bounds[14] == pytest.approx(1e-3)
    assert whole(monitoring).verdict is FalseMatchVerdict.WITHIN
