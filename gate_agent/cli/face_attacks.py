"""`egate face attacks --presentations DIR`: error rates of attack detection on an operator's own labelled presentations.

    DIR/bona_fide/SUBJECT/PRESENTATION               DIR/attacks/SPECIES/ARTEFACT/PRESENTATION

A presentation is a video (.mp4, .avi, .mjpeg, .mjpg, .mov, .mkv) or a folder of frames (.jpg, .png), named in their order.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import cv2

from gate_agent.cli.attack_folders import FolderPresentation, digest_of, frames_of, presentations_in
from gate_agent.cli.evaluation_report import EvaluateFault, write_whole
from gate_agent.cli.model_choice import add_model_arguments, chosen
from gate_agent.clock import SystemClock
from models.attack_detector import ALARM_FROM, DOUBTFUL_FROM
from models.attack_evaluation import RECORD_FORMAT, AttackEvaluation, Presentation, Verdict, evaluated
from models.attack_presentations import FRAMES_PER_S, LONGEST_S, PresentationJudge
from models.errors import ModelsError
from models.face_chain import FaceChain
from models.pipeline import load_chain

SUMMARY = "measure attack detection on labelled presentations: APCER per species, BPCER, no responses, verdict"
_BAR_WIDTH = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare presentations, models and outputs."""
    parser.add_argument(
        "--presentations",
        type=Path,
        required=True,
        metavar="DIR",
        help="bona_fide/SUBJECT/PRESENTATION and attacks/SPECIES/ARTEFACT/PRESENTATION; videos or folders of frames",
    )
    parser.add_argument(
        "--frame-rate",
        type=_frame_rate,
        default=FRAMES_PER_S,
        metavar="N",
        help=f"frames a second of folders of frames and raw .mjpeg ({FRAMES_PER_S:g}); faster videos are thinned to {FRAMES_PER_S:g}",
    )
    parser.add_argument(
        "--output", type=Path, metavar="RECORD", help="write the whole record (JSON), each presentation included"
    )
    parser.add_argument(
        "--rating",
        type=Path,
        metavar="FILE",
        help="write the record (TOML) that an attack detector's manifest names as its proof",
    )
    parser.add_argument("--rating-id", default="", metavar="ID", help="name of that record")
    parser.add_argument(
        "--alarm-score",
        type=_score,
        default=ALARM_FROM,
        help=f"score that alarms ({ALARM_FROM:g}), as the site sets it",
    )
    parser.add_argument(
        "--doubt-score", type=_score, default=DOUBTFUL_FROM, help=f"score that is doubtful ({DOUBTFUL_FROM:g})"
    )
    add_model_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _score(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError("above 0, at most 1")
    return value


def _frame_rate(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 240:
        raise argparse.ArgumentTypeError("1 to 240")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Print rates and verdict; return 0 whatever the verdict is. Raises `EvaluateFault` for folders and files that cannot be used."""
    listed = presentations_in(arguments.presentations)
    if arguments.rating and not arguments.rating_id:
        raise EvaluateFault("--rating needs --rating-id")
    if arguments.doubt_score > arguments.alarm_score:
        raise EvaluateFault("--doubt-score lies above --alarm-score")
    cv2.setNumThreads(1)
    try:
        chain = _chain(arguments)
        judge = PresentationJudge(chain, alarm_from=arguments.alarm_score, doubtful_from=arguments.doubt_score)
        presentations = _judged(listed, judge, arguments.frame_rate)
    except ModelsError as error:
        raise EvaluateFault(str(error), code=error.code) from error
    evaluation = evaluated(presentations)
    record = _record(arguments.presentations, listed, judge, presentations, evaluation)
    if arguments.output:
        write_whole(arguments.output, (json.dumps(record, indent=1) + "\n").encode())
    if arguments.rating:
        write_whole(arguments.rating, _rating(arguments.rating_id, record["date"], chain, evaluation).encode())
    if arguments.json:
        print(json.dumps({key: value for key, value in record.items() if key != "presentations"}))
    else:
        print("\n".join(_lines(record["configuration_id"], evaluation)))
    return 0


def _chain(arguments: argparse.Namespace) -> FaceChain:
    choice = chosen(arguments)
    return load_chain(choice, choice.operator_folder())


def _judged(listed: list[FolderPresentation], judge: PresentationJudge, frame_rate: float) -> list[Presentation]:
    judged = []
    for index, one in enumerate(listed, start=1):
        found = judge.judged(frames_of(one.path, frame_rate))
        if not found.frames:
            raise EvaluateFault(f"{one.path} holds no frame that can be read")
        judged.append(
            Presentation(
                one.species,
                one.source,
                one.path.name,
                found.outcome,
                found.highest_score,
                found.last_score,
                found.frames,
                found.frames_with_face,
            )
        )
        _show_progress(index, len(listed), one.path)
    return judged


def _show_progress(done: int, total: int, path: Path) -> None:
    """Draw a bar on a terminal, otherwise a line every tenth; on standard error."""
    if sys.stderr.isatty():
        filled = round(_BAR_WIDTH * done / total)
        bar = f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}]"
        end = "\n" if done == total else ""
        print(f"\rpresentations {bar} {done}/{total} {path.name[:30]:<30}", end=end, file=sys.stderr, flush=True)
    elif done * 10 // total > (done - 1) * 10 // total:
        print(f"presentations {done}/{total}", file=sys.stderr, flush=True)


def _record(
    folder: Path,
    listed: list[FolderPresentation],
    judge: PresentationJudge,
    presentations: list[Presentation],
    evaluation: AttackEvaluation,
) -> dict[str, Any]:
    return {
        "format": RECORD_FORMAT,
        "date": SystemClock().now().date().isoformat(),
        "set": folder.resolve().name,
        "set_sha256": hashlib.sha256("".join(digest_of(one.path, folder) for one in listed).encode()).hexdigest(),
        "configuration_id": judge.configuration_id,
        "alarm_from": judge.alarm_from,
        "doubtful_from": judge.doubtful_from,
        "longest_s": LONGEST_S,
        "frames_per_s": FRAMES_PER_S,
        **evaluation.fields(),
        "presentations": [
            {
                "species": one.species or None,
                "source": one.source,
                "name": one.name,
                "outcome": one.outcome.value,
                "highest_score": one.highest_score,
                "last_score": one.last_score,
                "frames": one.frames,
                "frames_with_face": one.frames_with_face,
            }
            for one in presentations
        ],
    }


def _rating(rating_id: str, date: str, chain: FaceChain, evaluation: AttackEvaluation) -> str:
    """Return the record for a manifest (format of `models.attack_rating`); refused unless it proves something about a model."""
    if not chain.attack_models:
        raise EvaluateFault(
            "no attack detector of the operator's is loaded; there is nothing that a manifest could prove"
        )
    if evaluation.verdict is Verdict.NOT_ENOUGH:
        raise EvaluateFault(f"too few presentations for a rating: {evaluation.reasons[0]}")
    bona_fide = evaluation.bpcer
    lines = [
        f"rating_id = {json.dumps(rating_id)}",
        f'date = "{date}"',
        f"bona_fide = {{presentations = {bona_fide.presentations}, errors = {bona_fide.errors}}}",
        "[models]",
        *(
            f'{json.dumps(network.manifest.model_id)} = "{network.manifest.sha256}"'
            for network in chain.attack_models[0].networks
        ),
    ]
    for one in evaluation.species:
        lines += [
            "[[species]]",
            f"name = {json.dumps(one.name)}",
            f"presentations = {one.apcer.presentations}",
            f"errors = {one.apcer.errors}",
        ]
    return "\n".join(lines) + "\n"


def _lines(configuration_id: str, evaluation: AttackEvaluation) -> list[str]:
    lines = [f"attack detection {configuration_id}"]
    if evaluation.species:
        lines.append(f"{'species':<20} {'APCER (95 %)':<32} {'APNRR (95 %)':<32} artefacts detected")
    for one in evaluation.species:
        detected = sum(artefact.is_detected for artefact in one.artefacts)
        lines.append(f"{one.name:<20} {one.apcer!s:<32} {one.apnrr!s:<32} {detected} of {len(one.artefacts)}")
    if evaluation.worst:
        lines.append(f"worst species: {evaluation.worst.name}, APCER {evaluation.worst.apcer}")
    if evaluation.bpcer.presentations:
        lines.append(
            f"bona fide ({len(evaluation.subjects)} subjects): BPCER {evaluation.bpcer}, BPNRR {evaluation.bpnrr}"
        )
    lines.append(f"trial of TR-03122-3: {evaluation.verdict.value.replace('_', ' ')}")
    return [*lines, *(f"  {reason}" for reason in evaluation.reasons)]
