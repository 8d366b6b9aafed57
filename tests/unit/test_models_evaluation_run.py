"""Which pictures are compared, their scores against brute force, features that survive an interruption, records and curves."""

from __future__ import annotations

import json
import stat
import xml.etree.ElementTree as ET
from itertools import combinations

import cv2
import numpy as np
import pytest

from models import evaluation_scores
from models.cohort import Cohort
from models.det_plot import HEIGHT_PX, WIDTH_PX, Curve, det_png, det_svg, per_cent
from models.error_rates import EvaluationFault
from models.evaluation import (
    Acquisition,
    at_thresholds,
    curve_points,
    evaluated,
    generalised_fnmr,
    key_of,
    score_set,
    thresholds_in,
)
from models.evaluation_features import FeatureFile, FeatureTable, PictureFeatures, decoded, features_of
from models.evaluation_pairs import all_against_all, frame_sets, listed_pairs, pairs_of, person_of, pictures_in
from models.evaluation_run import CROSSFIT, Comparing, compared, evaluation_record, picture_set, set_name
from models.evaluation_scores import distance_scores, people_cohort, scores_across, unit_scores
from models.face_fusion import Fusion, fused
from models.results import FaceFinding
from models.score_normalisation import ScoreDefinition, ScoreKind, cohort_statistics, comparison_scores

NAMES = ["a/1.pgm", "a/2.pgm", "a/3.pgm", "b/1.pgm", "b/2.pgm", "c/1.pgm"]


def unit_rows(seed, count, dimension=8):
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


# ---- pairs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("s1/7.pgm", "s1"),
        ("deep/s1/7.pgm", "deep/s1"),
        ("Abel_Pacheco_0004.jpg", "Abel_Pacheco"),
        ("obama2.jpg", "obama"),
        ("obama.jpg", "obama"),
        ("7.jpg", "7"),
    ],
)
def test_whom_a_picture_shows(name, person):
    assert person_of(name) == person


def test_pictures_come_in_natural_order_and_nothing_else_does(tmp_path):
    for name in ("s10/1.pgm", "s2/10.JPG", "s2/9.jpg", "s2/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert pictures_in(tmp_path) == ["s2/9.jpg", "s2/10.JPG", "s10/1.pgm"]
    with pytest.raises(EvaluationFault, match="is no folder"):
        pictures_in(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EvaluationFault, match="no picture"):
        pictures_in(tmp_path / "empty")


def test_a_list_of_pairs(tmp_path):
    for name in ("a 1.jpg", "b_1.jpg", "b_2.jpg"):
        (tmp_path / name).write_bytes(b"x")
    text = "# who with whom\n\nb_1.jpg b_2.jpg 1\na 1.jpg\tb_1.jpg\t0\n"
    pairs = pairs_of(text, "pairs.txt", tmp_path)
    assert pairs == [("b_1.jpg", "b_2.jpg", True), ("a 1.jpg", "b_1.jpg", False)]
    trials = listed_pairs(["b_1.jpg", "b_2.jpg", "a 1.jpg"], pairs)
    assert list(zip(trials.first, trials.second, trials.is_mated, strict=True)) == [(0, 1, True), (2, 0, False)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("b_1.jpg b_2.jpg", "line 2: not `fileA fileB 0-or-1`"),
        ("b_1.jpg b_2.jpg 2", "line 2: not"),
        ("b_1.jpg b_2.jpg 1 1", "line 2: not"),
        ("b_1.jpg b_3.jpg 1", "line 2: there is no picture .*b_3.jpg"),
        ("b_1.jpg b_1.jpg 1", "line 2: b_1.jpg with itself"),
    ],
)
def test_a_wrong_line_is_named(line, words, tmp_path):
    for name in ("b_1.jpg", "b_2.jpg"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(EvaluationFault, match=words):
        pairs_of(f"b_1.jpg b_2.jpg 1\n{line}\n", "pairs.txt", tmp_path)
    with pytest.raises(EvaluationFault, match="lists no pair"):
        pairs_of("# nothing\n", "pairs.txt", tmp_path)


def test_all_against_all_counts():
    trials = all_against_all(NAMES)
    assert len(trials.first) == 15
    assert int(trials.is_mated.sum()) == 4
    assert (np.diff(trials.first) >= 0).all()


def test_probes_of_several_pictures():
    trials = frame_sets(NAMES, 2, seed=1)
    assert trials.probes == tuple(combinations((0, 1, 2), 2))  # only a has more than two
    mated = [
        (trials.probes[one], other)
        for one, other in zip(trials.first[trials.is_mated], trials.second[trials.is_mated], strict=True)
    ]
    assert mated == [((0, 1), 2), ((0, 2), 1), ((1, 2), 0)]
    assert int((~trials.is_mated).sum()) == 9  # three probes with three pictures of others
    with pytest.raises(EvaluationFault, match="more than 3 pictures"):
        frame_sets(NAMES, 3, seed=1)


def test_drawn_probes_repeat_with_the_seed_and_stay_bounded():
    names = [f"a/{number}.jpg" for number in range(20)] + ["b/1.jpg"]
    first, same, other = (frame_sets(names, 3, seed) for seed in (1, 1, 2))
    assert first.probes == same.probes != other.probes
    assert len(set(first.probes)) == 10
    assert all(len(set(probe)) == 3 and 20 not in probe for probe in first.probes)


def test_too_many_comparisons_are_refused_before_they_are_made():
    with pytest.raises(EvaluationFault, match="evaluate a part"):
        all_against_all([f"a_{number}.jpg" for number in range(12_000)])


# ---- scores -------------------------------------------------------------------------------------------------------------


def test_scores_in_blocks_are_those_of_single_comparisons(monkeypatch):
    vectors, cohort = unit_rows(1, 6), Cohort("c", unit_rows(2, 60))
    trials = all_against_all(NAMES)
    for block in (1 << 23, 12):
        monkeypatch.setattr(evaluation_scores, "_LARGEST_BLOCK", block)
        for definition in (
            ScoreDefinition(),
            ScoreDefinition(ScoreKind.AS_NORM, 20),
            ScoreDefinition(ScoreKind.AS_ADDITIVE, 20),
        ):
            used = None if definition.kind is ScoreKind.COSINE else cohort
            scores = unit_scores(trials, vectors, vectors, definition, used)
            for place, (one, other) in enumerate(zip(trials.first, trials.second, strict=True)):
                alone = comparison_scores(vectors[one], vectors[other], used, definition)[0, 0]
                assert scores[place] == pytest.approx(alone, abs=1e-5)
        raw = 3 * vectors
        distances = distance_scores(trials, raw, raw)
        expected = -np.linalg.norm(raw[trials.first] - raw[trials.second], axis=1)
        assert distances == pytest.approx(expected, abs=1e-5)


def test_a_cohort_across_never_holds_the_two_people_compared():
    names = [f"p{person}/{number}.jpg" for person in range(40) for number in (1, 2)]
    vectors = unit_rows(3, len(names))
    trials = all_against_all(names)
    definition = ScoreDefinition(ScoreKind.AS_NORM, 12)
    made = []

    def remembered(people):
        made.append(people)
        return people_cohort(people)

    scores = scores_across(trials, vectors, vectors, definition, remembered, seed=1, folds=4)
    assert len(made) == 10
    for place in np.random.default_rng(0).choice(len(scores), 60, replace=False):
        one, other = trials.first[place], trials.second[place]
        own = [
            vectors[number]
            for number in range(len(names))
            if trials.probe_people[number] in trials.probe_people[[one, other]]
        ]
        fitting = [
            people
            for people in made
            if not any((people == row).all(axis=1).any() for row in own)
            and scores[place]
            == pytest.approx(
                definition.scores(
                    np.array([[vectors[one].astype(float) @ vectors[other].astype(float)]]),
                    cohort_statistics(vectors[one], Cohort("", people), 12),
                    cohort_statistics(vectors[other], Cohort("", people), 12),
                )[0, 0],
                abs=1e-4,
            )
        ]
        assert fitting, "no cohort without the two people gives this score"


def test_cohorts_that_do_not_fit_are_refused():
    trials, vectors = all_against_all(NAMES), unit_rows(1, 6)
    definition = ScoreDefinition(ScoreKind.AS_NORM)
    with pytest.raises(EvaluationFault, match="of other features"):
        unit_scores(trials, vectors, vectors, definition, Cohort("c", unit_rows(2, 9, dimension=4)))
    with pytest.raises(EvaluationFault, match="too few"):
        scores_across(trials, vectors, vectors, definition, people_cohort, seed=1)


# ---- features -----------------------------------------------------------------------------------------------------------


class CountingSampler:
    """Takes mean colours as features, and fails when told to."""

    pipeline_id = "means"
    dimension = 3

    def __init__(self):
        self.seen = 0
        self.fails_at = 0

    def sampled(self, image):
        self.seen += 1
        if self.seen == self.fails_at:
            raise KeyboardInterrupt
        if image.mean() < 1:
            return PictureFeatures(FaceFinding.NOT_FOUND, None, {"detection": 2.0})
        return PictureFeatures(FaceFinding.FOUND, fused([image.mean(axis=(0, 1))]), {"detection": 2.0})


@pytest.fixture
def coloured(tmp_path):
    folder = tmp_path / "set"
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.full((8, 8), 0 if number == 5 else 40 + number * 9, np.uint8))
    return folder


def silent(done, total):
    assert 0 < done <= total


def test_an_interrupted_run_goes_on_where_it_was(coloured, tmp_path):
    path = tmp_path / "features.npz"
    sampler = CountingSampler()
    sampler.fails_at = 4
    with pytest.raises(KeyboardInterrupt):
        features_of(coloured, NAMES, sampler, FeatureFile(path, sampler), silent)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    later = CountingSampler()
    kept = FeatureFile(path, later)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(kept) == 3
    table = features_of(coloured, NAMES, later, kept, silent)
    assert later.seen == 3
    assert table.is_acquired.tolist() == [True] * 5 + [False]
    fresh = features_of(coloured, NAMES, CountingSampler(), FeatureFile(None, sampler), silent)
    assert np.array_equal(table.vectors, fresh.vectors)
    assert (table.findings, table.hashes) == (fresh.findings, fresh.hashes)
    assert fresh.step_ms == {"detection": 2.0}
    again = CountingSampler()
    assert features_of(coloured, NAMES, again, FeatureFile(path, again), silent).step_ms == {}
    assert again.seen == 0
    kept.delete()
    assert not path.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["set"], "nothing else was left behind"


def test_features_of_another_pipeline_or_of_no_file_are_refused(coloured, tmp_path):
    path = tmp_path / "features.npz"
    sampler = CountingSampler()
    features_of(coloured, NAMES, sampler, FeatureFile(path, sampler), silent)
    other = CountingSampler()
    other.pipeline_id = "else"
    with pytest.raises(EvaluationFault, match="another pipeline"):
        FeatureFile(path, other)
    for content in (b"", b"no archive", path.read_bytes()[:200]):
        path.write_bytes(content)
        with pytest.raises(EvaluationFault, match="no file of features"):
            FeatureFile(path, sampler)
    with pytest.raises(EvaluationFault, match="cannot be written"):
        features_of(coloured, NAMES, CountingSampler(), FeatureFile(tmp_path / "set/a/1.pgm/x", sampler), silent)


def test_broken_and_missing_pictures(coloured):
    (coloured / NAMES[0]).write_bytes(b"P5 broken")
    table = features_of(coloured, NAMES, CountingSampler(), FeatureFile(None, CountingSampler()), silent)
    assert table.findings[0] is FaceFinding.REFUSED
    assert decoded(b"") is None
    (coloured / NAMES[1]).unlink()
    with pytest.raises(EvaluationFault, match="cannot be read"):
        features_of(coloured, NAMES, CountingSampler(), FeatureFile(None, CountingSampler()), silent)


def test_the_hash_of_a_set_changes_with_any_picture_or_name(coloured):
    sampler = CountingSampler()
    table = features_of(coloured, NAMES, sampler, FeatureFile(None, sampler), silent)
    before = table.set_hash(NAMES)
    assert before == table.set_hash(NAMES)
    assert before != table.set_hash(["z/1.pgm", *NAMES[1:]])
    cv2.imwrite(str(coloured / NAMES[0]), np.full((8, 8), 41, np.uint8))
    assert features_of(coloured, NAMES, sampler, FeatureFile(None, sampler), silent).set_hash(NAMES) != before


# ---- records ------------------------------------------------------------------------------------------------------------


def people_table(people=30, pictures=3, missing=()):
    """Features of people whose pictures resemble each other; some pictures without features."""
    generator = np.random.default_rng(5)
    centres = unit_rows(7, people, 16)
    vectors = np.repeat(centres, pictures, axis=0) + 0.12 * generator.normal(size=(people * pictures, 16)).astype(
        np.float32
    )
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = tuple(f"p{person}/{number}.jpg" for person in range(people) for number in range(pictures))
    findings = tuple(FaceFinding.SEVERAL if place in missing else FaceFinding.FOUND for place in range(len(names)))
    return names, FeatureTable(
        tuple(f"{place:064x}" for place in range(len(names))), findings, vectors, {"detection": 1.0}
    )


def test_a_record_counted_by_hand():
    trials = all_against_all(["a/1", "a/2", "b/1", "b/2"])
    scores = np.array([0.9, 0.3, 0.6, 0.2, 0.1, 0.5])  # a1a2, a1b1, a1b2, a2b1, a2b2, b1b2
    acquisition = Acquisition(5, {FaceFinding.NOT_FOUND: 1})
    record = evaluated(score_set(trials, scores), acquisition, seed=1)
    assert (record["mated"], record["non_mated"], record["people"], record["pictures"]) == (2, 4, 2, 5)
    assert record["fnmr_at_fmr_1e3"] == 0.5
    assert record["threshold_at_fmr_1e3"] == np.nextafter(0.6, 1)
    assert record["failure_to_acquire_rate"] == 0.2
    assert record["operating_points"][1]["generalised_fnmr"] == pytest.approx(0.2 + 0.8 * 0.5)
    assert record["operating_points"][1]["fmr_bounds"] == [0, 0.75]
    assert not record["operating_points"][1]["is_shown"]
    (row,) = at_thresholds(score_set(trials, scores), acquisition, [(1e-3, 0.3)])
    assert (row["fmr"], row["fnmr"], row["stated_fmr"], row["threshold"]) == (0.5, 0, 1e-3, 0.3)
    json.dumps(record)


def test_names_and_generalised_rate():
    assert [key_of(rate) for rate in (1e-2, 1e-3, 1e-4, 1e-5)] == ["1e2", "1e3", "1e4", "1e5"]
    assert generalised_fnmr(Acquisition(10, {FaceFinding.SEVERAL: 1, FaceFinding.REFUSED: 1}), 0.5) == pytest.approx(
        0.6
    )
    assert Acquisition.of([]).failure_to_acquire_rate == 0


def test_failures_to_acquire_are_in_the_record(tmp_path):
    names, table = people_table(missing=(0, 7))
    pictures = picture_set_of(tmp_path, names)
    record = evaluation_record(pictures, table, Comparing(), {"fusion": "flip"})
    assert record["failure_to_acquire_rate"] == pytest.approx(2 / 90, abs=1e-8)
    assert record["failures_to_acquire"] == {"not_found": 0, "several": 2, "refused": 0}
    assert record["pictures_without_features"] == ["p0/0.jpg: several", "p2/1.jpg: several"]
    assert record["mated"] + record["non_mated"] == 88 * 87 // 2
    assert record["set_sha256"]


def picture_set_of(folder, names):
    from models.evaluation_run import PictureSet

    return PictureSet(folder, tuple(names))


def test_pairs_that_cannot_be_compared_are_counted(tmp_path):
    names, table = people_table(people=3, missing=(0,))
    from models.evaluation_run import PictureSet

    pairs = (
        (names[0], names[1], True),
        (names[1], names[2], True),
        (names[0], names[3], False),
        (names[1], names[4], False),
    )
    result = compared(PictureSet(tmp_path, names, pairs), table, Comparing())
    assert (result.mated_not_compared, result.non_mated_not_compared) == (1, 1)
    assert (len(result.comparisons.mated), len(result.comparisons.non_mated)) == (1, 1)


def test_three_pictures_are_fused_as_the_gate_fuses_them(tmp_path):
    names, table = people_table(people=4, pictures=4)
    result = compared(picture_set_of(tmp_path, names), table, Comparing(frames=3))
    trials = frame_sets(names, 3, 1)
    probes = np.stack([fused(table.vectors[list(probe)]) for probe in trials.probes])
    expected = np.sort(np.einsum("ij,ij->i", probes[trials.first], table.vectors[trials.second])[trials.is_mated])
    assert result.comparisons.mated == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("comparing", "words"),
    [
        (Comparing(Fusion.RAW, across=CROSSFIT), "distance"),
        (Comparing(Fusion.RAW, frames=2), "not fused"),
        (Comparing(definition=ScoreDefinition(ScoreKind.AS_NORM)), "needs a cohort"),
        (Comparing(across=CROSSFIT), "needs no cohort"),
    ],
)
def test_contradictions_are_refused(comparing, words):
    with pytest.raises(EvaluationFault, match=words):
        comparing.fields()


def test_nobody_twice_or_nobody_at_all_is_said_with_the_pictures_lost(tmp_path):
    names, table = people_table(people=1)
    with pytest.raises(EvaluationFault, match="no non-mated comparison"):
        compared(picture_set_of(tmp_path, names), table, Comparing())
    names, table = people_table(people=2, missing=range(5))
    with pytest.raises(
        EvaluationFault, match="no two pictures with features; 5 of 6 pictures gave no features"
    ) as fault:
        compared(picture_set_of(tmp_path, names), table, Comparing())
    assert fault.value.code == "MD-EVA-002"


def test_thresholds_of_one_set_on_another_and_only_of_the_same_pipeline(tmp_path):
    names, table = people_table()
    pictures = picture_set_of(tmp_path, names)
    first = evaluation_record(pictures, table, Comparing(), {"fusion": "flip"})
    second = evaluation_record(pictures, table, Comparing(frames=2), {"fusion": "flip"}, earlier=("first.json", first))
    given = second["given_thresholds"]
    assert given["from"] == "first.json"
    assert [row["threshold"] for row in given["points"]] == [row["threshold"] for row in first["operating_points"]]
    same = evaluation_record(
        pictures, table, Comparing(), {"fusion": "flip"}, earlier=("x", json.loads(json.dumps(first)))
    )
    assert [row["fnmr"] for row in same["given_thresholds"]["points"]] == [
        row["fnmr"] for row in first["operating_points"]
    ]
    definition = ScoreDefinition(ScoreKind.AS_NORM, 20)
    with pytest.raises(EvaluationFault, match="another cohort, score"):
        evaluation_record(
            pictures,
            table,
            Comparing(definition=definition, across=CROSSFIT),
            {"fusion": "flip"},
            earlier=("first.json", first),
        )
    for broken in (
        {},
        {**first, "format": "other"},
        {**first, "operating_points": [{}]},
        {**first, "operating_points": []},
    ):
        with pytest.raises(EvaluationFault):
            thresholds_in(broken, first["pipeline"], "broken.json")


def test_sets_are_called_by_a_folder_that_says_something(tmp_path):
    assert set_name(tmp_path / "lfw" / "images") == "lfw"
    assert set_name(tmp_path / "portraits") == "portraits"
    with pytest.raises(EvaluationFault, match="cannot be read"):
        picture_set(tmp_path, tmp_path / "no-pairs.txt")


# ---- curve --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def curve():
    names, table = people_table()
    trials = all_against_all(names)
    comparisons = score_set(trials, unit_scores(trials, table.vectors, table.vectors, ScoreDefinition(), None))
    return Curve("one & two", curve_points(comparisons, 1), [(1e-2, 0.11), (1e-3, 0.2)])


def test_points_of_the_curve_lie_inside_their_band_and_in_order(curve):
    rows = np.array(curve.rows)
    assert (np.diff(rows[:, 0]) >= 0).all()
    assert (np.diff(rows[:, 1]) <= 0).all()
    assert (rows[:, 2] <= rows[:, 1]).all()
    assert (rows[:, 1] <= rows[:, 3]).all()
    assert rows[-1, :2].tolist() == [1, 0]


def test_the_svg_is_whole_by_itself(curve):
    document = det_svg([curve, Curve("other", curve.rows)], "Title <1>", "a & b")
    root = ET.fromstring(document)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Title <1>", "a & b", "one & two", "other", "False match rate (FMR)", "11 %", "20 %", "0.1 %"} <= set(texts)
    assert "prefers-color-scheme: dark" in document
    assert "href" not in document
    assert document.count("http") == 1, "the namespace only"
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polygon"))) == 2
    for element in root.iter("{http://www.w3.org/2000/svg}polyline"):
        for point in element.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= WIDTH_PX
            assert 0 <= y <= HEIGHT_PX


def test_the_png_shows_curve_and_text(curve):
    image = cv2.imdecode(np.frombuffer(det_png([curve], "Title", "subtitle"), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (2 * HEIGHT_PX, 2 * WIDTH_PX, 3)
    blue = (np.abs(image.astype(int) - (165, 95, 11)).sum(axis=2) < 20).sum()
    assert blue > 2000
    assert (image[20:80].min(axis=2) < 100).sum() > 300, "the title is written"
    assert (image[:, 20:60].min(axis=2) < 100).sum() > 300, "the upright label is written"


def test_what_cannot_be_drawn_is_refused(curve):
    for curves in ([], [Curve("", [[0.1, 0.1, 0, 1]])], [curve] * 7):
        with pytest.raises(EvaluationFault):
            det_svg(curves, "", "")


@pytest.mark.parametrize(
    ("rate", "words"), [(1, "100 %"), (0.1, "10 %"), (0.058, "5.8 %"), (1e-5, "0.001 %"), (0.40926, "41 %"), (0, "0 %")]
)
def test_rates_in_per_cent(rate, words):
    assert per_cent(rate) == words
