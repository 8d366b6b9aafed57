"""Thresholds come from a record that holds for exactly this pipeline, or there is no comparison."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibration import (
    CEILING_FALSE_MATCH_RATE,
    RULES,
    Calibration,
    CohortPin,
    ModelIdentity,
    Threshold,
    parse_calibration,
    record_for,
)
from models.calibration_shelf import all_records, cohort_of, released_records
from models.chosen_models import ModelPin, chosen_models
from models.errors import CalibrationRefused, CatalogueFault
from models.face_chain import FaceChain
from models.face_fusion import Fusion
from models.operator_folder import OperatorFolder
from models.results import ComparisonDecision
from models.score_normalisation import ScoreDefinition, ScoreKind

IDENTITY = ModelIdentity(
    tuple(
        sorted({role: ModelPin(letter * 64, "fp32") for role, letter in (("embedder", "e"), ("detector", "d"))}.items())
    )
)
TEXT = f"""
calibration_id = "tried-1"
date = 2026-11-25
converter = "1"
rules = "{RULES}"
box_rule = "unclipped"
fusion = "flip"
minimum_age_years = 18
[models]
embedder = {{ sha256 = "{"e" * 64}", precision = "fp32" }}
detector = {{ sha256 = "{"d" * 64}", precision = "fp32" }}
[score]
kind = "cosine"
[[threshold]]
false_match_rate = 1e-3
score = 0.93
frames = 1
upper_bound = 2e-3
set = "one"
[[threshold]]
false_match_rate = 1e-4
score = 0.95
frames = 1
upper_bound = 3e-4
set = "other"
[[threshold]]
false_match_rate = 1e-3
score = 0.94
frames = 3
upper_bound = 2e-3
set = "one"
[[threshold]]
false_match_rate = 1e-4
score = 0.945
frames = 3
upper_bound = 3e-4
set = "one"
[non_match]
score = 0.90
"""


def record(**changes) -> Calibration:
    return replace(parse_calibration(TEXT, "tried.toml"), **changes)


def test_a_record_is_read_whole():
    read = record()
    assert read == Calibration(
        calibration_id="tried-1",
        identity=IDENTITY,
        fusion=Fusion.FLIP,
        score=ScoreDefinition(),
        cohort=None,
        thresholds=(
            Threshold(1e-3, 0.93, 1, 2e-3, "one"),
            Threshold(1e-4, 0.95, 1, 3e-4, "other"),
            Threshold(1e-3, 0.94, 3, 2e-3, "one"),
            Threshold(1e-4, 0.945, 3, 3e-4, "one"),
        ),
        non_match_threshold=0.90,
        minimum_age_years=18,
        made_on=date(2026, 11, 25),
    )


@pytest.mark.parametrize(
    ("rate", "frames", "score"),
    [
        (1e-3, 1, 0.93),
        (1e-4, 1, 0.95),
        (5e-4, 1, 0.95),  # between two proven rates: the stricter one
        (1e-3, 2, 0.94),  # several frames: the strictest of all, whichever number of frames it was measured with
        (1e-3, 3, 0.94),
        (1e-4, 3, 0.95),
    ],
)
def test_the_threshold_in_force(rate, frames, score):
    assert record().operating_point(rate, frames).score == score


def test_several_frames_never_have_a_looser_threshold_than_at_a_larger_rate():
    """Where 1e-5 is known for single frames only, theirs may lie below what several frames need at 1e-4."""
    thresholds = (
        Threshold(1e-4, 0.95, 1, 1e-4, "a"),
        Threshold(1e-5, 0.955, 1, 1e-5, "a"),
        Threshold(1e-4, 0.96, 3, 1e-4, "a"),
    )
    for ordered in (thresholds, thresholds[::-1]):
        held = record(thresholds=ordered)
        assert held.operating_point(1e-4).score == 0.95
    assert [held.operating_point(1e-5, frames).score for frames in (1, 2, 3)] == [0.955, 0.96, 0.96]
    assert [held.proven_frames(rate) for rate in (1e-3, 1e-4, 5e-5, 1e-5)] == [3, 3, 1, 1]


@pytest.mark.parametrize("rate", [1e-5, 9.9e-5, 0, -1, 2e-3, 0.5, float("nan")])
def test_unproven_rates_are_refused(rate):
    with pytest.raises(CalibrationRefused) as refusal:
        record().operating_point(rate)
    assert refusal.value.code == ("MD-CAL-003" if 0 < rate < 1e-4 else "MD-CAL-002")


@given(st.floats(1e-4, CEILING_FALSE_MATCH_RATE), st.integers(1, 9))
def test_no_threshold_is_looser_than_the_wanted_rate_or_than_a_single_frames(rate, frames):
    held = record()
    point = held.operating_point(rate, frames)
    assert point.false_match_rate <= rate * (1 + 1e-9)
    assert point.score >= held.operating_point(rate, 1).score


@pytest.mark.parametrize(
    ("score", "decision"),
    [
        (1.0, ComparisonDecision.MATCH),
        (0.95, ComparisonDecision.MATCH),
        (0.9499999, ComparisonDecision.UNDETERMINED),
        (0.90, ComparisonDecision.UNDETERMINED),
        (0.8999999, ComparisonDecision.NON_MATCH),
        (-1.0, ComparisonDecision.NON_MATCH),
        (float("nan"), ComparisonDecision.UNDETERMINED),  # never a match
    ],
)
def test_guard_band(score, decision):
    held = record()
    assert held.decided(score, held.operating_point(1e-4)) is decision


@pytest.mark.parametrize(
    "identity",
    [
        replace(IDENTITY, rules="0"),
        replace(IDENTITY, box_rule="clipped"),
        replace(IDENTITY, converter="0"),
        replace(IDENTITY, models=IDENTITY.models[:1]),
        replace(IDENTITY, models=(*IDENTITY.models, ("landmarks", ModelPin("a" * 64, "fp32")))),
        replace(IDENTITY, models=(IDENTITY.models[0], ("embedder", ModelPin("e" * 64, "int8")))),
        replace(IDENTITY, models=(IDENTITY.models[0], ("embedder", ModelPin("0" * 64, "fp32")))),
    ],
)
def test_any_other_model_rule_or_precision_has_no_record(identity):
    assert record_for(IDENTITY, [record()]) == record()
    with pytest.raises(CalibrationRefused, match="no calibration record holds") as refusal:
        record_for(identity, [record()])
    assert refusal.value.code == "MD-CAL-001"


def test_the_identity_does_not_depend_on_the_order_of_roles():
    pins = {"embedder": ("e" * 64, "fp32"), "detector": ("d" * 64, "fp32")}
    assert ModelIdentity.of(pins) == ModelIdentity.of(dict(reversed(pins.items()))) == IDENTITY


def test_the_newest_record_counts_or_the_one_that_is_named():
    older, newer = record(), record(calibration_id="tried-0", made_on=date(2026, 11, 26))
    foreign = record(calibration_id="foreign", identity=replace(IDENTITY, rules="9"), made_on=date(2027, 1, 1))
    for records in ([older, newer, foreign], [foreign, newer, older]):
        assert record_for(IDENTITY, records) is newer
        assert record_for(IDENTITY, records, "tried-1") is older
        with pytest.raises(CalibrationRefused, match="named foreign"):
            record_for(IDENTITY, records, "foreign")
    same_day = record(calibration_id="tried-2")
    assert record_for(IDENTITY, [same_day, older]) is same_day


COHORT = '\n[cohort]\nfile = "a.cohort"\nsha256 = "{}"\nvectors = 100\nseed = 1\n'.format("0" * 64)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (TEXT, "", "models"),
        (TEXT, "= nothing", "tried.toml"),
        ('fusion = "flip"\n', "", "fusion"),
        ('fusion = "flip"', 'fusion = "blend"', "blend"),
        ("[models]", "[elsewhere]", "models"),
        ("minimum_age_years = 18", "minimum_age_years = -1", "too small"),
        ("date = 2026-11-25", 'date = "someday"', "someday"),
        ("[non_match]\nscore = 0.90", "[non_match]\n", "score"),
        ("calibration_id", 'threshold_again = "x"\ncalibration_id', "unknown keys threshold_again"),
        ('kind = "cosine"', 'kind = "cosine"\nmean_wait = 1.0', "mean_wait"),
        ('kind = "cosine"', 'kind = "cosine"\ntop = 0', "too small"),
        ('kind = "cosine"', 'kind = "cosine"\nmean_weight = nan', "no number"),
        ('kind = "cosine"', 'kind = "as-additive"', "needs a cohort"),
        ("score = 0.95", "score = 0.92", "do not fall"),
        ("score = 0.95", "score = nan", "no number"),
        ("score = 0.90", "score = 0.931", "guard band"),
        ("score = 0.90", "score = nan", "no number"),
        ("upper_bound = 3e-4", "upper_bound = 0.9e-4", "upper bound"),
        ("upper_bound = 3e-4", "upper_bound = 1.5", "upper bound"),
        ("false_match_rate = 1e-4", "false_match_rate = 1e-3", "do not fall|every rate|upper bound"),
        ("false_match_rate = 1e-4", "false_match_rate = 0.0", "upper bound"),
        ("frames = 1", "frames = 2", "single frame"),
        ("frames = 1", "frames = 0", "too small"),
        ('set = "other"', 'sets = "other"', "set"),
    ],
)
def test_incomplete_or_contradictory_records_are_refused(old, new, complaint):
    assert old in TEXT
    with pytest.raises(CalibrationRefused, match=complaint) as refusal:
        parse_calibration(TEXT.replace(old, new, 1), "tried.toml")
    assert refusal.value.code == "MD-CAL-004"


def test_a_rate_proven_for_several_frames_only_is_refused():
    """A single frame would otherwise be judged by a threshold of fused probes."""
    more = (
        '[[threshold]]\nfalse_match_rate = 1e-5\nscore = 0.97\nframes = 3\nupper_bound = 1e-4\nset = "one"\n[non_match]'
    )
    with pytest.raises(CalibrationRefused, match="single frame at every rate"):
        parse_calibration(TEXT.replace("[non_match]", more), "tried.toml")


def test_a_cosine_has_no_cohort_and_a_normalised_score_has_one():
    with pytest.raises(CalibrationRefused, match="a cosine has none"):
        parse_calibration(TEXT + COHORT, "tried.toml")
    read = parse_calibration(TEXT.replace('"cosine"', '"as-norm"') + COHORT, "tried.toml")
    assert (read.score.kind, read.cohort) == (ScoreKind.AS_NORM, CohortPin("a.cohort", "0" * 64, 100, 1))
    with pytest.raises(CalibrationRefused, match="bits"):
        parse_calibration(TEXT.replace('"cosine"', '"as-norm"') + COHORT + "bits = 8\n", "tried.toml")


# ---- the records that are shipped ---------------------------------------------------------------------------------------


def test_every_released_record_reaches_a_gates_default_and_states_its_sets():
    records = released_records()
    assert records
    assert len({held.calibration_id for held in records}) == len(records)
    for held in records:
        point = held.operating_point(1e-4)
        assert point.upper_bound >= point.false_match_rate
        assert point.set_id
        assert held.minimum_age_years >= 18


@pytest.mark.weights
def test_a_released_record_holds_for_the_shipped_models(models_folder):
    chain = FaceChain(chosen_models(models_folder))
    held = record_for(ModelIdentity.of(chain.identity), released_records())
    cohort = cohort_of(held)
    assert cohort is None or cohort.vectors.shape == (held.cohort.vectors, chain.dimension)


def normalised(held: Calibration, **changes) -> Calibration:
    return replace(held, cohort=replace(held.cohort, **changes))


def test_a_record_is_used_with_exactly_its_cohort(tmp_path):
    held = next(held for held in released_records() if held.cohort is not None)
    with pytest.raises(CalibrationRefused, match="not the one") as refusal:
        cohort_of(normalised(held, sha256="0" * 64))
    assert refusal.value.code == "MD-CAL-006"
    absent = normalised(held, file="of-the-site.cohort")
    with pytest.raises(CatalogueFault, match="is not there"):
        cohort_of(absent)
    (tmp_path / "cohorts").mkdir()
    operator = OperatorFolder(tmp_path, allow_unsigned=True)
    with pytest.raises(CatalogueFault):
        cohort_of(absent, operator)
    (tmp_path / "cohorts" / "of-the-site.cohort").write_bytes(b"something")
    with pytest.raises(CalibrationRefused, match="not the one"):
        cohort_of(absent, operator)
    named = normalised(absent, sha256=hashlib.sha256(b"something").hexdigest())
    with pytest.raises(CalibrationRefused) as refusal:
        cohort_of(named, operator)
    assert refusal.value.code == "MD-COH-003"


def test_an_operators_record_stands_beside_the_released_ones_under_its_own_id(tmp_path):
    (tmp_path / "calibrations").mkdir()
    place = tmp_path / "calibrations" / "own.toml"
    place.write_text(TEXT)
    operator = OperatorFolder(tmp_path, allow_unsigned=True)
    assert [*released_records(), record()] == all_records(operator)
    taken = released_records()[0].calibration_id
    place.write_text(TEXT.replace("tried-1", taken))
    with pytest.raises(CalibrationRefused, match="used twice"):
        all_records(operator)
    place.write_text(TEXT)
    with pytest.raises(CatalogueFault):
        all_records(OperatorFolder(tmp_path))  # unsigned
