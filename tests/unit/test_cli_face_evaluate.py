"""`egate face evaluate` as an operator calls it: on a handful of pictures, interrupted, with wrong input."""

from __future__ import annotations

import json
import shutil
import stat
import xml.etree.ElementTree as ET
from dataclasses import replace

import cv2
import numpy as np
import pytest

from gate_agent.cli import COMMANDS, evaluation_report, face_evaluate, main
from models import cohort as cohorts
from models.calibration_shelf import released_records
from models.evaluation_sampling import ChainSampler
from models.face_fusion import Fusion

COMMAND = ("face", "evaluate")
PEOPLE, PICTURES = ("s1", "s2", "s3", "s4"), 3


@pytest.fixture(scope="module")
def few(shared_data, tmp_path_factory):
    """Twelve grey pictures of four people, below a folder of this run only."""
    folder = tmp_path_factory.mktemp("few") / "images"
    for person in PEOPLE:
        (folder / person).mkdir(parents=True)
        for number in range(1, PICTURES + 1):
            shutil.copy(shared_data / "faces/att_faces" / person / f"{number}.pgm", folder / person)
    return folder


@pytest.fixture(scope="module")
def features(few, models_folder, tmp_path_factory):
    """The few pictures' features, computed once for this module; every test takes a copy."""
    path = tmp_path_factory.mktemp("features") / "features.npz"
    words = [
        "--all-against-all",
        "--images",
        few,
        "--resume",
        path,
        "--keep-features",
        "--models",
        models_folder,
        "--json",
    ]
    assert main([*COMMAND, *map(str, words)]) == 0
    return path


@pytest.fixture
def evaluate(few, features, models_folder, tmp_path, capsys):
    """Run the command on the few pictures; return exit code, standard output, standard error."""
    path = tmp_path / "features.npz"
    shutil.copy(features, path)

    def call(*words):
        options = ["--models", models_folder, "--resume", path]
        capsys.readouterr()
        try:
            code = main([*COMMAND, *map(str, words), *map(str, options)])
        except SystemExit as exit_:
            code = exit_.code
        answer = capsys.readouterr()
        return code, answer.out, answer.err

    return call


def all_of(few):
    return ("--all-against-all", "--images", few, "--keep-features")


@pytest.mark.weights
@pytest.mark.shared_data
def test_all_against_all_in_json(evaluate, few):
    code, out, err = evaluate(*all_of(few), "--json")
    assert code == 0
    record = json.loads(out)
    assert (record["mated"], record["non_mated"], record["people"], record["pictures"]) == (12, 54, 4, 12)
    assert record["failure_to_acquire_rate"] == 0
    assert record["failure_to_acquire_rate_bounds"] == [0, 0.25]
    assert record["fnmr_at_fmr_1e3"] == 0
    assert record["fnmr_at_fmr_1e4_bounds"] == [0, 0.25]
    assert record["threshold_at_fmr_1e3"] < 0.97
    assert record["pipeline"]["fusion"] == "flip"
    assert set(record["pipeline"]["models"]) == {"detector", "embedder", "landmarks"}
    assert record["set"] == few.parent.name
    assert "det" not in record
    assert "12 pictures are known" in err


@pytest.mark.weights
@pytest.mark.shared_data
def test_table_record_and_pictures_of_the_curve(evaluate, few, tmp_path):
    record, svg, png = tmp_path / "record.json", tmp_path / "det.svg", tmp_path / "det.png"
    code, out, _ = evaluate(*all_of(few), "--output", record, "--plot", svg, "--label", "first")
    assert code == 0
    assert "4 people, 12 pictures; 12 mated and 54 non-mated comparisons (first)" in out
    assert "too few comparisons to show this rate" in out
    written = json.loads(record.read_text())
    assert written["det"][-1][:2] == [1, 0]
    assert "first" in [element.text for element in ET.parse(svg).iter("{http://www.w3.org/2000/svg}text")]
    words = ("--frames", 2, "--plot", png, "--beside", record, "--thresholds-from", record)
    code, out, _ = evaluate(*all_of(few), *words)
    assert code == 0
    assert "with the thresholds of record.json" in out
    assert cv2.imread(str(png)).shape == (1120, 1520, 3)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.weights
@pytest.mark.shared_data
def test_probes_of_two_pictures_and_pairs(evaluate, few, tmp_path):
    code, out, _ = evaluate(*all_of(few), "--frames", 2, "--json")
    record = json.loads(out)
    assert (code, record["mated"], record["non_mated"], record["frames"]) == (0, 12, 108, 2)
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("s1/1.pgm s1/2.pgm 1\ns2/1.pgm s2/3.pgm 1\ns1/1.pgm s2/1.pgm 0\ns3/1.pgm s4/1.pgm 0\n")
    code, out, _ = evaluate("--pairs", pairs, "--images", few, "--keep-features", "--json")
    record = json.loads(out)
    assert (code, record["mated"], record["non_mated"], record["pictures"]) == (0, 2, 2, 6)
    assert (record["mated_not_compared"], record["non_mated_not_compared"]) == (0, 0)


@pytest.mark.weights
@pytest.mark.shared_data
def test_a_cohort_from_a_file_and_too_few_people_for_one_across(evaluate, few, tmp_path):
    rows = np.random.default_rng(1).normal(size=(40, 128))
    path = tmp_path / "cohort.npz"
    path.write_bytes(cohorts.dump(cohorts.fit(rows / np.linalg.norm(rows, axis=1, keepdims=True))))
    for score in ("as-norm", "as-additive"):
        code, out, _ = evaluate(*all_of(few), "--cohort", path, "--score", score, "--top", 200, "--json")
        record = json.loads(out)
        assert code == 0
        assert record["pipeline"]["score"]["kind"] == score
        assert record["pipeline"]["score"]["top"] == 200
        assert record["pipeline"]["cohort"].endswith("-5000-1")
    for across in ("crossfit", "crossfit-people"):
        code, _, err = evaluate(*all_of(few), "--cohort", across)
        assert code == 3
        assert "4 people are too few" in err
    path.write_bytes(b"no cohort")
    code, _, err = evaluate(*all_of(few), "--cohort", path)
    assert code == 3
    assert "MD-COH-003" in err


@pytest.mark.weights
@pytest.mark.shared_data
def test_as_the_gate_uses_it(evaluate, few, monkeypatch):
    record = released_records()[0]
    assert record.fusion is Fusion.FLIP
    code, out, err = evaluate(*all_of(few), "--calibration", record.calibration_id, "--json")
    assert code == 0, err
    answer = json.loads(out)
    assert answer["given_thresholds"]["from"] == record.calibration_id
    given = {row["stated_fmr"]: row["threshold"] for row in answer["given_thresholds"]["points"]}
    assert given == {rate: record.operating_point(rate).score for rate in given}
    assert answer["pipeline"]["score"]["kind"] == record.score.kind
    code, out, _ = evaluate(*all_of(few), "--calibration", record.calibration_id, "--frames", 2)
    assert code == 0
    assert f"with the thresholds of {record.calibration_id}" in out
    if record.cohort is not None:
        code, out, _ = evaluate(*all_of(few), "--cohort", record.calibration_id, "--json")
        assert json.loads(out)["pipeline"]["cohort"] == answer["pipeline"]["cohort"]
    code, _, err = evaluate(*all_of(few), "--calibration", "nobody")
    assert code == 2
    assert record.calibration_id in err
    other = replace(record, identity=replace(record.identity, rules="0"))
    monkeypatch.setattr(face_evaluate, "all_records", lambda _: [other])
    code, _, err = evaluate(*all_of(few), "--calibration", record.calibration_id)
    assert code == 3
    assert "other models or rules" in err


@pytest.mark.weights
@pytest.mark.shared_data
def test_features_are_deleted_at_the_end_unless_kept(evaluate, few, tmp_path):
    path = tmp_path / "features.npz"
    assert evaluate(*all_of(few))[0] == 0
    assert path.exists()
    assert evaluate("--all-against-all", "--images", few)[0] == 0
    assert not path.exists()


@pytest.mark.weights
@pytest.mark.shared_data
def test_an_interrupted_run_is_taken_up_again(few, features, models_folder, tmp_path, monkeypatch, capsys):
    path = tmp_path / "features.npz"
    words = [str(word) for word in (*all_of(few), "--models", models_folder, "--resume", path, "--json")]
    sampled, calls = ChainSampler.sampled, []

    def interrupted(self, image):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return sampled(self, image)

    monkeypatch.setattr(ChainSampler, "sampled", interrupted)
    assert main([*COMMAND, *words]) == 130
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    capsys.readouterr()
    assert main([*COMMAND, *words]) == 0
    answer = capsys.readouterr()
    assert len(calls) == 4 + 9
    assert "3 pictures are known" in answer.err
    taken_up = json.loads(answer.out)
    whole = tmp_path / "whole.npz"
    shutil.copy(features, whole)
    words[words.index(str(path))] = str(whole)
    assert main([*COMMAND, *words]) == 0
    at_once = json.loads(capsys.readouterr().out)
    changing = {"seconds", "cost_ms"}
    assert {key: value for key, value in taken_up.items() if key not in changing} == {
        key: value for key, value in at_once.items() if key not in changing
    }


@pytest.mark.weights
@pytest.mark.shared_data
def test_raw_features_are_compared_by_distance_and_nothing_found_is_counted(few, models_folder, tmp_path, capsys):
    folder = tmp_path / "set"
    shutil.copytree(few, folder, ignore=shutil.ignore_patterns("s4", "3.pgm"))
    cv2.imwrite(str(folder / "s3" / "9.pgm"), np.full((112, 92), 90, np.uint8))
    (folder / "s3" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    words = ["--all-against-all", "--images", folder, "--fusion", "raw", "--models", models_folder, "--json"]
    assert main([*COMMAND, *map(str, words)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["pipeline"]["score"] == {"kind": "distance"}
    assert record["failures_to_acquire"] == {"not_found": 1, "several": 0, "refused": 1}
    assert record["failure_to_acquire_rate"] == 0.25
    assert record["pictures_without_features"] == ["s3/9.pgm: not_found", "s3/broken.jpg: refused"]
    assert -0.9 < record["threshold_at_fmr_1e2"] < -0.3
    assert record["operating_points"][0]["generalised_fnmr"] >= 0.25
    assert record["mated"] + record["non_mated"] == 15


@pytest.mark.weights
@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("pairs", "code", "words"),
    [
        ("s1/1.pgm s1/2.pgm 1\ns1/1.pgm s2/1.pgm\n", "MD-EVA-004", "pairs.txt, line 2"),
        ("s1/1.pgm s1/nobody.pgm 1\n", "MD-EVA-005", "line 1: there is no picture"),
        ("\n", "MD-EVA-004", "lists no pair"),
        ("s1/1.pgm s1/2.pgm 1\n", "MD-EVA-002", "no non-mated comparison"),
        (None, "MD-EVA-004", "cannot be read"),
    ],
)
def test_wrong_pairs_are_faults_with_their_line(evaluate, few, tmp_path, pairs, code, words):
    path = tmp_path / "pairs.txt"
    if pairs is not None:
        path.write_text(pairs)
    exit_code, out, err = evaluate("--pairs", path, "--images", few, "--keep-features")
    assert (exit_code, out) == (3, "")
    assert code in err
    assert words in err


@pytest.mark.weights
@pytest.mark.shared_data
def test_one_person_and_no_face_are_faults(evaluate, few, models_folder, tmp_path, capsys):
    code, _, err = evaluate("--all-against-all", "--images", few / "s1", "--keep-features")
    assert code == 3
    assert "MD-EVA-002" in err
    blank = tmp_path / "blank"
    blank.mkdir()
    for name in ("a_1.png", "b_1.png"):
        cv2.imwrite(str(blank / name), np.full((100, 100), 127, np.uint8))
    code, _, err = evaluate("--all-against-all", "--images", blank, "--keep-features")
    assert code == 3
    assert "2 of 2 pictures gave no features" in err
    code, _, err = evaluate("--all-against-all", "--images", tmp_path / "nowhere")
    assert code == 3
    assert "MD-EVA-003" in err


@pytest.mark.weights
@pytest.mark.shared_data
def test_features_and_records_of_something_else_are_faults(evaluate, few, tmp_path):
    code, _, err = evaluate(*all_of(few), "--fusion", "l2")
    assert code == 3
    assert "MD-EVA-009" in err
    record = tmp_path / "record.json"
    for content, words in (("{", "cannot be read"), ("[]", "no record"), ("{}", "no record")):
        record.write_text(content)
        code, _, err = evaluate(*all_of(few), "--thresholds-from", record)
        assert code == 3
        assert words in err
    assert evaluate(*all_of(few), "--output", record)[0] == 0
    written = json.loads(record.read_text())
    written["pipeline"]["models"]["embedder"] = "fp32:0"
    record.write_text(json.dumps(written))
    code, _, err = evaluate(*all_of(few), "--thresholds-from", record)
    assert code == 3
    assert "made with another models" in err
    record.write_text(json.dumps({**written, "det": [[1]]}))
    code, _, err = evaluate(*all_of(few), "--plot", tmp_path / "x.svg", "--beside", record)
    assert code == 3
    assert "holds no curve" in err
    assert evaluate(*all_of(few), "--output", tmp_path / "no" / "folder.json")[0] == 3


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "--pairs"),
        (("--pairs", "x", "--all-against-all"), "not allowed with"),
        (("--all-against-all", "--score", "as-norm"), "needs --cohort"),
        (("--all-against-all", "--score", "cosine", "--cohort", "crossfit"), "uses no cohort"),
        (("--all-against-all", "--fusion", "raw", "--frames", "3"), "--fusion raw"),
        (("--all-against-all", "--fusion", "dlib"), "--fusion"),
        (("--pairs", "x", "--frames", "3"), "needs --all-against-all"),
        (("--all-against-all", "--frames", "0"), "1 to 32"),
        (("--all-against-all", "--plot", "det.pdf"), ".svg or .png"),
        (("--all-against-all", "--beside", "x"), "needs --plot"),
        (("--all-against-all", "--keep-features"), "needs --resume"),
        (("--all-against-all", "--calibration", "x", "--fusion", "flip"), "leave out --fusion"),
        (("--all-against-all", "--calibration", "x", "--thresholds-from", "y"), "leave out --thresholds-from"),
    ],
)
def test_options_that_contradict_each_other_are_bad_usage(words, complaint, tmp_path, capsys):
    try:
        code = main([*COMMAND, "--images", str(tmp_path), *words])
    except SystemExit as exit_:
        code = exit_.code
    assert code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_shows_rate_and_remaining_time(is_terminal, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)
    moments = iter([0.0, *(0.5 * number for number in range(1, 41))])
    monkeypatch.setattr(evaluation_report.time, "perf_counter", lambda: next(moments))
    hear = evaluation_report.console_progress()
    for done in range(1, 41):
        hear(done, 40)
    shown = capsys.readouterr().err
    if is_terminal:
        assert shown.count("\r") == 40
        assert "[" + "#" * 15 + "." * 15 + "] 20/40 2.0/s, 0:10 left" in shown
        assert shown.endswith("\n")
    else:
        assert shown.splitlines()[4] == "pictures 20/40 2.0/s, 0:10 left"
        assert len(shown.splitlines()) == 10


def test_the_row_stands_in_the_list_of_commands():
    assert COMMANDS["face evaluate"] == face_evaluate.__name__
