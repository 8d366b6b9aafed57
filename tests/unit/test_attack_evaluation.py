"""Rates and verdict of attack detection over labelled presentations, its folders, its command. Rendered scenes prove no rate."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.cli.attack_folders import digest_of, frames_of, presentations_in
from gate_agent.cli.evaluation_report import EvaluateFault
from models.attack_detector import ALARM_FROM, DOUBTFUL_FROM
from models.attack_evaluation import (
    GUIDELINE_SPECIES,
    AttackEvaluation,
    Outcome,
    Presentation,
    Rate,
    Verdict,
    classified,
    evaluated,
    rated_configuration_id,
)
from models.errors import CalibrationRefused
from tests.unit.attack_scenes import Camera, presentation

Trial = dict[tuple[str, str], list[Outcome]]


def trial(**changes: int) -> Trial:
    """A trial of the guideline's size in which everything is right."""
    counts = {"subjects": 3, "per_subject": 20, "artefacts": 4, "per_artefact": 10, "species": 8} | changes
    answer: Trial = {}
    for subject in range(counts["subjects"]):
        answer["", f"s{subject}"] = [Outcome.BONA_FIDE] * counts["per_subject"]
    for name in GUIDELINE_SPECIES[: counts["species"]]:
        for artefact in range(counts["artefacts"]):
            answer[name, f"a{artefact}"] = [Outcome.ATTACK] * counts["per_artefact"]
    return answer


def judged(outcomes: Trial) -> AttackEvaluation:
    return evaluated(
        Presentation(species, source, f"{index}", outcome)
        for (species, source), listed in outcomes.items()
        for index, outcome in enumerate(listed)
    )


# ---- one presentation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "outcome"),
    [
        ([], Outcome.NO_FACE),
        ([None, None], Outcome.NO_RESPONSE),
        ([None, 0.1], Outcome.BONA_FIDE),
        ([0.1, None], Outcome.BONA_FIDE),
        ([0.1, 0.5], Outcome.NO_RESPONSE),
        ([0.9, 0.1], Outcome.ATTACK),
        ([ALARM_FROM], Outcome.ATTACK),
        ([DOUBTFUL_FROM], Outcome.NO_RESPONSE),
    ],
)
def test_a_presentation_comes_to_what_the_gate_would_make_of_it(scores: list[float | None], outcome: Outcome) -> None:
    assert classified(scores, ALARM_FROM, DOUBTFUL_FROM) is outcome


# ---- rates --------------------------------------------------------------------------------------------------------------


def test_no_error_is_written_as_what_it_proves() -> None:
    assert str(Rate(0, 100)) == "<= 3/100 (3.0%)"
    assert str(Rate(0, 2)) == "0/2, too few to say anything"
    assert str(Rate(5, 100)).startswith("5/100 = 5.0% (")


@given(st.integers(0, 400), st.integers(1, 400))
def test_bounds_hold_the_rate(errors: int, presentations: int) -> None:
    rate = Rate(min(errors, presentations), presentations)
    low, high = rate.bounds
    assert 0 <= low <= rate.rate <= high <= 1
    assert high > 0


def test_species_are_never_pooled_and_the_worst_is_named() -> None:
    outcomes = trial()
    outcomes["latex_mask", "a0"] = [Outcome.BONA_FIDE] * 3 + [Outcome.ATTACK] * 7
    evaluation = judged(outcomes)
    assert evaluation.worst is not None
    assert evaluation.worst.name == "latex_mask"
    rates = {one.name: one.apcer.rate for one in evaluation.species}
    assert rates["latex_mask"] == 3 / 40
    assert all(rate == 0 for name, rate in rates.items() if name != "latex_mask")
    record = evaluation.fields()
    assert "apcer" not in record
    assert record["worst_species"] == "latex_mask"


def test_no_response_is_counted_apart_from_error() -> None:
    outcomes = trial()
    outcomes["paper_photo", "a0"] = [Outcome.NO_RESPONSE] * 2 + [Outcome.ATTACK] * 8
    outcomes["", "s0"] = [Outcome.NO_FACE] + [Outcome.BONA_FIDE] * 19
    evaluation = judged(outcomes)
    paper = next(one for one in evaluation.species if one.name == "paper_photo")
    assert (paper.apcer.errors, paper.apnrr.errors) == (0, 2)
    assert (evaluation.bpcer.errors, evaluation.bpnrr.errors) == (0, 1)


# ---- verdict (TC-PAD-FI-APP-002) ----------------------------------------------------------------------------------------


def test_a_full_trial_without_fault_passes() -> None:
    evaluation = judged(trial())
    assert (evaluation.verdict, evaluation.reasons) == (Verdict.PASSED, ())


@pytest.mark.parametrize(
    "smaller", [{"subjects": 2}, {"per_subject": 19}, {"artefacts": 3}, {"per_artefact": 9}, {"species": 7}]
)
def test_a_smaller_trial_is_not_enough(smaller: dict[str, int]) -> None:
    evaluation = judged(trial(**smaller))
    assert evaluation.verdict is Verdict.NOT_ENOUGH
    assert "needed" in evaluation.reasons[0]


@pytest.mark.parametrize(("refused", "verdict"), [(3, Verdict.PASSED), (4, Verdict.FAILED)])
@pytest.mark.parametrize("kind", [Outcome.ATTACK, Outcome.NO_RESPONSE, Outcome.NO_FACE])
def test_more_than_three_bona_fide_refused_fail(refused: int, verdict: Verdict, kind: Outcome) -> None:
    outcomes = trial()
    outcomes["", "s1"] = [kind] * refused + [Outcome.BONA_FIDE] * (20 - refused)
    assert judged(outcomes).verdict is verdict


def test_a_species_that_never_alarms_fails() -> None:
    outcomes = trial()
    for artefact in range(4):
        outcomes["silicone_mask", f"a{artefact}"] = [Outcome.BONA_FIDE] * 10
    evaluation = judged(outcomes)
    assert evaluation.verdict is Verdict.FAILED
    assert evaluation.reasons == ("silicone_mask: never noticed",)


@pytest.mark.parametrize(("undetected", "verdict"), [(8, Verdict.PASSED), (9, Verdict.FAILED)])
@pytest.mark.parametrize(("alarms", "counts"), [(5, True), (6, False)])
def test_nine_undetected_artefacts_fail(undetected: int, verdict: Verdict, alarms: int, *, counts: bool) -> None:
    """Detected means noticed in at least 6 of 10; 5 of 10 is not."""
    outcomes = trial()
    places = [(name, f"a{artefact}") for name in GUIDELINE_SPECIES for artefact in range(4)]
    for place in places[:undetected]:
        outcomes[place] = [Outcome.ATTACK] * alarms + [Outcome.BONA_FIDE] * (10 - alarms)
    assert judged(outcomes).verdict is (verdict if counts else Verdict.PASSED)


@pytest.mark.parametrize(("without_face", "is_detected"), [(6, True), (5, False)])
def test_only_a_repeatable_missing_face_counts_as_detected(without_face: int, *, is_detected: bool) -> None:
    outcomes = trial()
    rest = [Outcome.ATTACK] * 2 + [Outcome.BONA_FIDE] * (8 - without_face)
    outcomes["fabric_mask", "a3"] = [Outcome.NO_FACE] * without_face + rest
    fabric = next(one for one in judged(outcomes).species if one.name == "fabric_mask")
    assert fabric.artefacts[3].is_detected is is_detected


# ---- records ------------------------------------------------------------------------------------------------------------


def record(**changes: object) -> str:
    fields = {
        "format": "attack_evaluation/1",
        "alarm_from": ALARM_FROM,
        "doubtful_from": DOUBTFUL_FROM,
        "configuration_id": "cues-1",
        **judged(trial()).fields(),
        **changes,
    }
    return json.dumps(fields)


def test_a_record_rates_the_configuration_that_it_names() -> None:
    assert rated_configuration_id(record()) == "cues-1"


def test_a_rating_holds_for_the_thresholds_it_was_measured_at() -> None:
    stricter = record(alarm_from=0.7, doubtful_from=0.3)
    assert rated_configuration_id(stricter, 0.7, 0.3) == "cues-1"
    with pytest.raises(CalibrationRefused, match="other thresholds"):
        rated_configuration_id(stricter)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        record(format="attack_evaluation/0"),
        record(alarm_from=0.99),
        record(verdict="not_enough_presentations"),
        record(verdict="splendid"),
        record(species={}),
        record(bpcer={"presentations": 0}),
    ],
)
def test_what_proves_nothing_rates_nothing(text: str) -> None:
    with pytest.raises(CalibrationRefused) as refusal:
        rated_configuration_id(text)
    assert refusal.value.code == "MD-CAL-004"


# ---- folders ------------------------------------------------------------------------------------------------------------


def put_frames(folder: Path, count: int = 3) -> Path:
    folder.mkdir(parents=True)
    for index in range(count):
        cv2.imwrite(str(folder / f"{index:03}.png"), np.full((96, 128, 3), 5 * index, np.uint8))
    return folder


def put_video(path: Path, frames: list[np.ndarray], rate_hz: float = 15.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    size = (frames[0].shape[1], frames[0].shape[0])
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate_hz, size)
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def test_labels_come_from_the_folders(tmp_path: Path) -> None:
    put_frames(tmp_path / "bona_fide" / "anna" / "one")
    put_video(tmp_path / "attacks" / "paper_photo" / "a4" / "one.avi", [np.zeros((96, 128, 3), np.uint8)] * 3)
    listed = presentations_in(tmp_path)
    assert [(one.species, one.source, one.path.name) for one in listed] == [
        ("", "anna", "one"),
        ("paper_photo", "a4", "one.avi"),
    ]


def spoilt(tmp_path: Path, kind: str) -> Path:
    put_frames(tmp_path / "bona_fide" / "anna" / "one")
    if kind == "absent":
        return tmp_path / "nowhere"
    if kind == "strange":
        (tmp_path / "attack").mkdir()
    if kind == "file":
        (tmp_path / "bona_fide" / "note.txt").write_text("x")
    if kind == "no_video":
        (tmp_path / "bona_fide" / "anna" / "two.txt").write_text("x")
    if kind == "no_frame":
        (tmp_path / "bona_fide" / "anna" / "one" / "x.txt").write_text("x")
    if kind == "empty_subject":
        (tmp_path / "bona_fide" / "berta").mkdir()
    if kind == "empty_presentation":
        (tmp_path / "bona_fide" / "anna" / "two").mkdir()
    if kind == "nothing":
        (tmp_path / "empty").mkdir()
        return tmp_path / "empty"
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("absent", "is no folder"),
        ("strange", "expected are bona_fide and attacks"),
        ("file", "should hold a folder per subject"),
        ("no_video", "neither a video"),
        ("no_frame", "is no frame"),
        ("empty_subject", "is empty"),
        ("empty_presentation", "holds no frames"),
        ("nothing", "holds no presentation"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_path(tmp_path: Path, kind: str, words: str) -> None:
    with pytest.raises(EvaluateFault, match=words):
        presentations_in(spoilt(tmp_path, kind))


def test_frames_come_in_order_with_their_times_and_not_faster_than_the_gate_looks(tmp_path: Path) -> None:
    folder = put_frames(tmp_path / "frames", 30)
    frames = list(frames_of(folder, 30.0))
    assert len(frames) == 15
    times = [t_s for _, t_s in frames]
    assert times == sorted(times)
    assert times[0] == 0
    fast = put_video(tmp_path / "fast.avi", [np.full((96, 128, 3), index, np.uint8) for index in range(60)], 60.0)
    assert 14 <= len(list(frames_of(fast, 15.0))) <= 16
    slow = put_video(tmp_path / "slow.avi", [np.full((96, 128, 3), index, np.uint8) for index in range(20)], 10.0)
    assert [round(t_s, 3) for _, t_s in frames_of(slow, 15.0)] == [round(index / 10, 3) for index in range(20)]


def test_ten_seconds_are_looked_at_and_no_more(tmp_path: Path) -> None:
    folder = put_frames(tmp_path / "frames", 40)
    assert list(frames_of(folder, 2.0))[-1][1] == 10.0


def test_broken_files_are_refused(tmp_path: Path) -> None:
    folder = put_frames(tmp_path / "frames")
    (folder / "001.png").write_bytes(b"no picture")
    with pytest.raises(EvaluateFault, match=r"001\.png cannot be decoded"):
        list(frames_of(folder, 15.0))
    video = tmp_path / "x.avi"
    video.write_bytes(b"no video")
    with pytest.raises(EvaluateFault, match="cannot be read as a video"):
        list(frames_of(video, 15.0))


def test_a_set_is_recognised_by_its_bytes(tmp_path: Path) -> None:
    folder = put_frames(tmp_path / "frames")
    before = digest_of(folder, tmp_path)
    assert before == digest_of(folder, tmp_path)
    cv2.imwrite(str(folder / "002.png"), np.full((96, 128, 3), 99, np.uint8))
    assert digest_of(folder, tmp_path) != before


# ---- the command --------------------------------------------------------------------------------------------------------


@pytest.mark.weights
def test_the_command_runs_presentations_through_the_gates_own_steps(
    tmp_path: Path, models_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Detector, points and attack detection on rendered videos. The rates it prints are of drawn faces and mean nothing else."""
    from gate_agent.cli import main

    folder = tmp_path / "set"
    camera = Camera(640, 360, 550.0)
    for kind, place in (("head", "bona_fide/drawn-1"), ("print", "attacks/paper_photo/a4-1")):
        frames = [frame.image for frame in presentation(kind, 1, frames=12, motion="turn", camera=camera)]
        put_video(folder / place / "1.avi", frames)
    put_frames(folder / "attacks" / "paper_mask" / "blank-1" / "1")
    output = tmp_path / "record.json"
    options = ["--presentations", str(folder), "--models", str(models_folder), "--output", str(output)]
    assert main(["face", "attacks", *options, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    written = json.loads(output.read_text())
    assert written.pop("presentations")[0]["outcome"] == "bona_fide"
    assert shown == written
    assert shown["verdict"] == "not_enough_presentations"
    assert shown["species"]["paper_photo"]["artefacts"]["a4-1"]["alarms"] == 1
    assert shown["species"]["paper_mask"]["apnrr"]["errors"] == 1
    with pytest.raises(CalibrationRefused):
        rated_configuration_id(output.read_text())
    assert main(["face", "attacks", *options]) == 0
    text = capsys.readouterr().out
    assert "worst species" in text
    assert "trial of TR-03122-3: not enough presentations" in text
    rating = ["--rating", str(tmp_path / "rating.toml"), "--rating-id", "x"]
    assert main(["face", "attacks", *options, *rating]) == 3
    assert "nothing that a manifest could prove" in capsys.readouterr().err
    assert not (tmp_path / "rating.toml").exists()


def test_thresholds_that_contradict_each_other_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from gate_agent.cli import main

    put_frames(tmp_path / "bona_fide" / "anna" / "one")
    options = ["--presentations", str(tmp_path), "--alarm-score", "0.3", "--doubt-score", "0.5"]
    assert main(["face", "attacks", *options]) == 3
    assert "above --alarm-score" in capsys.readouterr().err


def test_a_bad_folder_ends_the_command_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from gate_agent.cli import main

    assert main(["face", "attacks", "--presentations", str(tmp_path / "nowhere")]) == 3
    assert "is no folder" in capsys.readouterr().err


def test_a_rating_is_in_the_format_that_a_manifest_names() -> None:
    """The text the command writes is read by the same function that decides whether a manifest's proof counts."""
    from types import SimpleNamespace

    from gate_agent.cli.face_attacks import _rating
    from models.attack_rating import is_rating_of

    sha256 = "ab" * 32
    manifest = SimpleNamespace(model_id="tiny", sha256=sha256)
    chain = SimpleNamespace(attack_models=(SimpleNamespace(networks=(SimpleNamespace(manifest=manifest),)),))
    text = _rating("site-1", "2026-01-01", chain, judged(trial()))  # type: ignore[arg-type]
    assert is_rating_of(manifest, text, "site-1.toml")  # type: ignore[arg-type]
    assert not is_rating_of(SimpleNamespace(model_id="tiny", sha256="cd" * 32), text, "site-1.toml")  # type: ignore[arg-type]
    with pytest.raises(EvaluateFault, match="too few presentations"):
        _rating("site-1", "2026-01-01", chain, judged(trial(species=3)))  # type: ignore[arg-type]
