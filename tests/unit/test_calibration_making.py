"""A record is made of evaluations: the strictest threshold of the sets that have the comparisons, or a refusal by name."""

from __future__ import annotations

import argparse
import json
import tomllib
from copy import deepcopy
from datetime import UTC, date, datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.cli import face_calibrate, main
from gate_agent.cli.evaluation_report import EvaluateFault
from models.calibration import BOX_RULE, RULES, CohortPin, Threshold, parse_calibration
from models.calibration_making import CohortFile, Recorded, made_record
from models.cohort import dump, fit
from models.conversion.constants import CONVERTER_VERSION
from models.errors import CalibrationRefused
from models.face_fusion import Fusion
from tests.unit.test_models_cohort import people

RECORDED = Recorded("site-flip-1", 18, date(2026, 11, 25))
RATES = (1e-2, 1e-3, 1e-4, 1e-5)
PIPELINE = {
    "models": {"embedder": "fp32:" + "e" * 64, "detector": "int8:" + "d" * 64},
    "converter": CONVERTER_VERSION,
    "rules": RULES,
    "box_rule": BOX_RULE,
    "expected_face_px": 120,
    "fusion": "flip",
    "score": {"kind": "cosine"},
    "cohort": None,
}


def evaluation(name="north", thresholds=(0.90, 0.92, 0.94, 0.96), *, non_mated=400_000, frames=1, **changes):
    """An evaluation record as `egate face evaluate --output` writes it, as far as it matters here."""
    points = []
    for rate, threshold in zip(RATES, thresholds, strict=True):
        errors = int(rate * non_mated)
        fmr = round(errors / non_mated, 9)
        points.append(
            {
                "stated_fmr": rate,
                "threshold": threshold,
                "fmr": fmr,
                "fmr_bounds": [round(fmr * 0.5, 9), round(min(fmr * 2 + 1e-6, 1), 9)],
                "false_matches": errors,
                "fnmr": 0.05,
                "fnmr_bounds": [0.03, 0.08],
            }
        )
    return {
        "format": "egate-face-evaluation-1",
        "set": name,
        "set_sha256": f"{hash_of(name)}",
        "frames": frames,
        "several": "centre",
        "people": 300,
        "pictures": 900,
        "mated": 1000,
        "non_mated": non_mated,
        "failure_to_acquire_rate": 0.01,
        "failure_to_acquire_rate_bounds": [0.005, 0.02],
        "pipeline": deepcopy(PIPELINE),
        "operating_points": points,
    } | changes


def hash_of(name):
    return name.encode().hex().ljust(64, "0")


def made(*records, recorded=RECORDED, cohort=None):
    return parse_calibration(
        made_record([(f"{number}.json", one) for number, one in enumerate(records)], recorded, cohort), "made"
    )


NORTH = evaluation()
SOUTH = evaluation("south", (0.89, 0.93, 0.935, 0.97), non_mated=50_000)  # too few comparisons for 1e-5
NORTH_3 = evaluation(frames=3, thresholds=(0.91, 0.925, 0.945, 0.965))


def test_the_strictest_of_the_sets_that_can_speak():
    record = made(NORTH, SOUTH, NORTH_3)
    assert record.thresholds == (
        Threshold(1e-3, 0.93, 1, 0.002001, "south"),
        Threshold(1e-4, 0.94, 1, 0.000201, "north"),
        Threshold(1e-5, 0.96, 1, 2.1e-05, "north"),  # the south would ask for 0.97, of too few comparisons
        Threshold(1e-3, 0.925, 3, 0.002001, "north"),
        Threshold(1e-4, 0.945, 3, 0.000201, "north"),
        Threshold(1e-5, 0.965, 3, 2.1e-05, "north"),
    )
    assert record.non_match_threshold == 0.89
    assert (record.calibration_id, record.minimum_age_years) == ("site-flip-1", 18)
    assert (record.made_on, record.fusion, record.cohort) == (date(2026, 11, 25), Fusion.FLIP, None)
    assert {role: tuple(pin) for role, pin in record.identity.models} == {
        "detector": ("d" * 64, "int8"),
        "embedder": ("e" * 64, "fp32"),
    }


def test_what_was_measured_stays_in_the_record():
    rows = made(NORTH, SOUTH).evaluations
    assert [row["set"] for row in rows] == ["north", "south"]
    assert rows[1] == {
        "set": "south",
        "sha256": hash_of("south"),
        "people": 300,
        "pictures": 900,
        "mated": 1000,
        "non_mated": 50_000,
        "frames": 1,
        "several": "centre",
        "cohort": "none",
        "failure_to_acquire_rate": 0.01,
        "failure_to_acquire_rate_bounds": [0.005, 0.02],
        "points": [[rate, score, 0.05, 0.03, 0.08] for rate, score in ((1e-2, 0.89), (1e-3, 0.93), (1e-4, 0.935))],
    }


def test_the_order_of_the_files_does_not_matter():
    texts = {
        made_record([(f"{one['set']}{one['frames']}", one) for one in order], RECORDED)
        for order in permutations((NORTH, SOUTH, NORTH_3))
    }
    assert len(texts) == 1


@given(st.lists(st.floats(0.5, 0.99), min_size=4, max_size=4), st.lists(st.floats(0.5, 0.99), min_size=4, max_size=4))
def test_no_threshold_is_looser_than_any_set_asks_for(one, other):
    """At every rate: rounding goes to the strict side, and a rarer false match never costs a lower score."""
    first, second = evaluation(thresholds=sorted(one)), evaluation("south", sorted(other), non_mated=31_000)
    record = made(first, second)
    for rate, place in ((1e-3, 1), (1e-4, 2), (1e-5, 3)):
        score = record.operating_point(rate).score
        assert score >= sorted(one)[place] - 1e-12
        if rate >= 1e-4:
            assert score >= sorted(other)[place] - 1e-12
        assert record.operating_point(rate).upper_bound >= rate
    assert record.non_match_threshold <= min(*one, *other) + 1e-12
    assert record.operating_point(1e-5).score >= record.operating_point(1e-4).score


def test_a_rarer_rate_known_from_fewer_sets_is_at_least_as_strict():
    lenient, strict = (
        evaluation("lenient", (0.8, 0.82, 0.84, 0.86)),
        evaluation("strict", (0.9, 0.92, 0.94, 0.95), non_mated=50_000),
    )
    record = made(lenient, strict)
    assert [point.score for point in record.thresholds] == [0.92, 0.94, 0.94]
    assert record.thresholds[2].set_id == "lenient"  # whose bound holds at a higher score all the more


def test_a_bound_below_its_rate_is_lifted_to_it():
    narrow = evaluation()
    for point in narrow["operating_points"]:
        point["fmr_bounds"] = [point["fmr"], point["fmr"]]
        point["false_matches"] -= 1
        point["fmr"] = round(point["false_matches"] / 400_000, 9)
        point["fmr_bounds"] = [0.0, point["fmr"]]
    assert [point.upper_bound for point in made(narrow).thresholds] == [1e-3, 1e-4, 1e-5]


def test_several_frames_state_only_rates_that_single_pictures_prove():
    record = made(evaluation(non_mated=50_000), NORTH_3)
    assert [(point.false_match_rate, point.frames) for point in record.thresholds] == [
        (1e-3, 1),
        (1e-4, 1),
        (1e-3, 3),
        (1e-4, 3),
    ]


def test_sets_too_small_for_any_rate_make_no_record():
    for records in ((evaluation(non_mated=2999),), (NORTH_3,)):
        with pytest.raises(CalibrationRefused, match="3000 non-mated comparisons of single pictures") as refusal:
            made(*records)
        assert refusal.value.code == "MD-CAL-003"
    assert [point.false_match_rate for point in made(evaluation(non_mated=3000)).thresholds] == [1e-3]


def changed(path, value, record=NORTH):
    """A copy of an evaluation with one value changed."""
    copy = deepcopy(record)
    place = copy
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (["format"], "egate-face-evaluation-0", "no record"),
        (["set"], None, "lacks a part"),
        (["pipeline"], None, "lacks a part"),
        (["pipeline", "models"], None, "lacks a part"),
        (["pipeline", "models"], {}, "another models"),
        (["pipeline", "fusion"], None, "another fusion"),
        (["operating_points"], [], "state each rate once"),
        (["operating_points", 2], None, "state each rate once"),
        (["operating_points", 2, "stated_fmr"], 1e-3, "state each rate once|contradicts"),
        (["operating_points", 1, "threshold"], float("nan"), "contradicts itself"),
        (["operating_points", 1, "threshold"], 0.5, "rise with the false match rate"),
        (["operating_points", 1, "threshold"], "high", "lacks a part"),
        (["operating_points", 1, "fmr"], 0.002, "contradicts itself"),
        (["operating_points", 1, "false_matches"], 4000, "contradicts itself"),
        (["operating_points", 1, "fmr_bounds"], [0.1, 0.2], "contradicts itself"),
        (["operating_points", 1, "fmr_bounds"], [0.0, 1.5], "contradicts itself"),
        (["operating_points", 1, "fmr_bounds"], [0.0], "lacks a part"),
        (["operating_points", 1, "fnmr"], 0.5, "contradicts itself"),
        (["non_mated"], 10, "contradicts itself"),
        (["people"], 0, "counts nothing"),
        (["frames"], 0, "counts nothing"),
        (["failure_to_acquire_rate"], 1.0, "counts nothing"),
        (["pipeline", "rules"], "1", "another rules"),
        (["pipeline", "expected_face_px"], 90, "another expected_face_px"),
        (["pipeline", "fusion"], "full", "another fusion"),
        (["pipeline", "models", "embedder"], "fp32:0", "another models"),
        (["pipeline", "score"], {"kind": "as-norm", "top": 5}, "another score"),
        (["set"], "south", "one name of a set"),
        (["set_sha256"], hash_of("south"), "one name of a set"),
    ],
)
def test_contradictory_evaluations_are_refused_by_name(path, value, complaint):
    with pytest.raises(CalibrationRefused, match=complaint) as refusal:
        made_record([("good.json", SOUTH), ("bad.json", changed(path, value))], RECORDED)
    assert refusal.value.code == "MD-CAL-007"
    assert "bad.json" in str(refusal.value)


def test_one_evaluation_twice_or_none_is_refused():
    with pytest.raises(CalibrationRefused, match="evaluate the same"):
        made(NORTH, NORTH)
    assert made(NORTH, NORTH | {"several": "refuse"}).thresholds  # another rule for pictures of several people
    with pytest.raises(CalibrationRefused, match="no evaluation"):
        made()


def test_evaluations_of_an_earlier_release_are_refused():
    for key in ("rules", "converter", "box_rule"):
        with pytest.raises(CalibrationRefused, match=f"another {key} than this release"):
            made(changed(["pipeline", key], "0"))


@pytest.mark.parametrize("name", ["", "a", "Site", "site/1", "../x", "site 1", "x" * 65])
def test_ids_that_are_none_are_refused(name):
    with pytest.raises(CalibrationRefused, match="no id"):
        made(NORTH, recorded=Recorded(name, 18, date(2026, 1, 1)))


@given(st.text(min_size=1, max_size=40))
def test_any_name_of_a_set_can_be_written_and_read(name):
    rows = tomllib.loads(made_record([("x", evaluation(name.encode("utf-8", "replace").decode()))], RECORDED))
    assert rows["evaluation"][0]["set"] == name.encode("utf-8", "replace").decode()


# ---- normalised scores ------------------------------------------------------------------------------------------------------

MODEL = fit(people(60), 3)
COHORT = CohortFile("site.cohort", "5" * 64, MODEL.model_hash())
SCORE = {"kind": "as-additive", "top": 40, "mean_weight": 0.4, "deviation_weight": 3.0}


def normalised(record, cohort):
    return record | {"pipeline": {**record["pipeline"], "score": SCORE, "cohort": cohort}}


DRAWN = MODEL.sample(700, 4).cohort_id


def test_the_cohort_is_pinned_as_the_evaluations_drew_it():
    record = made(normalised(NORTH, "crossfit"), normalised(SOUTH, DRAWN), cohort=COHORT)
    assert record.cohort == CohortPin("site.cohort", "5" * 64, 700, 4)
    assert (record.score.kind, record.score.top, record.score.deviation_weight) == ("as-additive", 40, 3.0)
    assert [row["cohort"] for row in record.evaluations] == ["crossfit", DRAWN]


@pytest.mark.parametrize(
    ("cohorts", "given", "complaint"),
    [
        ((DRAWN, DRAWN), None, "needs the cohort file"),
        ((DRAWN, MODEL.sample(700, 5).cohort_id), COHORT, "drew the cohort differently"),
        ((DRAWN, "0123456789abcdef-700-4"), COHORT, "used the cohort"),
        ((DRAWN, "crossfit-people"), COHORT, "used the cohort"),
        (("crossfit", "crossfit"), COHORT, "itself"),
    ],
)
def test_another_cohort_is_refused(cohorts, given, complaint):
    with pytest.raises(CalibrationRefused, match=complaint) as refusal:
        made(normalised(NORTH, cohorts[0]), normalised(SOUTH, cohorts[1]), cohort=given)
    assert refusal.value.code == "MD-CAL-007"


def test_a_cosine_takes_no_cohort_and_a_distance_makes_no_record():
    with pytest.raises(CalibrationRefused, match="leave out the cohort"):
        made(NORTH, cohort=COHORT)
    with pytest.raises(CalibrationRefused, match="by distance"):
        made(changed(["pipeline", "score"], {"kind": "distance"}))
    with pytest.raises(CalibrationRefused, match="no models"):
        made(changed(["pipeline", "models"], {}))
    with pytest.raises(CalibrationRefused, match="no score"):
        made(changed(["pipeline", "score"], None))


EVIDENCE = {
    "set_id": "north", "gallery_size": 50, "threshold": 0.97, "non_mated_searches": 9000, "false_positive_searches": 0,
    "people": 4000, "false_positive_people": 0,
}  # fmt: skip


def test_evidence_for_identification_is_carried_over_or_refused():
    assert made(NORTH, recorded=Recorded("site-1", 18, date(2026, 1, 1), (EVIDENCE,))).identification == (EVIDENCE,)
    for wrong in ({**EVIDENCE, "people": 0}, {"set_id": "north"}, {**EVIDENCE, "threshold": "high"}):
        with pytest.raises(CalibrationRefused):
            made(NORTH, recorded=Recorded("site-1", 18, date(2026, 1, 1), (wrong,)))


# ---- the command ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    """Evaluations and a cohort on disk."""
    for name, record in (("north", normalised(NORTH, "crossfit")), ("south", normalised(SOUTH, DRAWN))):
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
    (tmp_path / "site.cohort").write_bytes(dump(MODEL))
    (tmp_path / "rows.toml").write_text(
        "[[identification]]\n" + "\n".join(f"{name} = {json.dumps(value)}" for name, value in EVIDENCE.items())
    )
    return tmp_path


def words(folder, *more):
    evaluations = ("--evaluation", folder / "north.json", folder / "south.json")
    return [str(word) for word in ("--id", "site-1", "--minimum-age", 18, *evaluations, *more)]


def test_the_command_writes_a_record_that_can_be_read(files, capsys):
    class Clock:
        def now(self):
            return datetime(2031, 2, 3, tzinfo=UTC)

    parser = argparse.ArgumentParser()
    face_calibrate.add_arguments(parser)
    output = files / "site-1.toml"
    more = ("--cohort", files / "site.cohort", "--identification", files / "rows.toml", "--output", output)
    assert face_calibrate.run(parser.parse_args(words(files, *more)), Clock()) == 0
    record = parse_calibration(output.read_text(), output.name)
    assert (record.made_on, record.identification) == (date(2031, 2, 3), (EVIDENCE,))
    assert record.cohort.file == "site.cohort"
    shown = capsys.readouterr().out
    assert "FMR 0.0001, single picture: score 0.94 of the set north" in shown
    assert "non-match below 0.89; ages from 18 years" in shown


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ((), "needs the cohort file"),
        (("--cohort", "north.json"), "cohort north.json"),
        (("--cohort", "nowhere.cohort"), "cannot be read"),
        (("--cohort", "site.cohort", "--identification", "north.json"), "TOML"),
        (("--cohort", "site.cohort", "--identification", "site.toml"), "something else"),
    ],
)
def test_the_command_names_what_is_wrong_and_writes_nothing(files, capsys, more, complaint):
    (files / "site.toml").write_text("identification = 7\n")
    output = files / "out.toml"
    options = [files / word if "." in word else word for word in more]
    assert main(["face", "calibrate", *words(files, *options, "--output", output)]) == 3
    assert complaint in capsys.readouterr().err
    assert not output.exists()
    (files / "north.json").write_text("[]")
    assert main(["face", "calibrate", *words(files, *options, "--output", output)]) == 3
    assert not output.exists()


def test_bad_usage(files, capsys):
    assert main(["face", "calibrate", *words(files, "--output", files / "record.json")]) == 2
    assert "ends in .toml" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["face", "calibrate", "--id", "x"])
    assert issubclass(EvaluateFault, Exception)
