"""`egate face evaluate`: error rates of the face comparison on an operator's own pictures, with bounds, curve and record."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from gate_agent.cli.evaluation_report import (
    EvaluateFault,
    console_progress,
    lines_of,
    plotted,
    read_record,
    write_whole,
)
from gate_agent.cli.model_choice import add_model_arguments, chosen
from models import cohort as cohorts
from models.calibration import Calibration, ModelIdentity
from models.calibration_shelf import all_records, cohort_of
from models.cohort import Cohort
from models.errors import ModelsError
from models.evaluation_features import FeatureFile, features_of
from models.evaluation_run import CROSSFIT, CROSSFIT_PEOPLE, Comparing, evaluation_record, picture_set
from models.evaluation_sampling import ChainSampler, SeveralFaces, pipeline_fields
from models.face_fusion import Fusion
from models.operator_folder import OperatorFolder
from models.pipeline import load_chain
from models.score_normalisation import ScoreDefinition, ScoreKind

SUMMARY = "measure error rates on a set of pictures: FNMR at stated FMRs with bounds, failures to acquire, DET curve"
_TOP_OF_PEOPLE = 100  # of a few hundred real people; a drawn cohort is larger


class _Usage(Exception):
    """Options contradict each other."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare pictures, comparison, thresholds and outputs."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--pairs", type=Path, metavar="FILE", help="list of pairs: fileA fileB 0-or-1, one per line")
    which.add_argument(
        "--all-against-all",
        action="store_true",
        help="every picture with every other; a person is a folder, or a file name without its last number",
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of the pictures")
    parser.add_argument("--frames", type=_frames, default=1, metavar="N", help="pictures fused into each probe (1)")
    parser.add_argument(
        "--fusion", type=Fusion, choices=list(Fusion), help="looks at one picture: raw, l2, flip (default), full"
    )
    parser.add_argument(
        "--score",
        type=ScoreKind,
        choices=list(ScoreKind),
        help="cosine, or with a cohort as-additive (default) or as-norm",
    )
    parser.add_argument("--top", type=_positive, metavar="N", help="cohort vectors that count for a face")
    parser.add_argument(
        "--cohort",
        metavar="C",
        default="",
        help="none, a cohort file, a calibration record's id (its cohort), crossfit (fitted on the other people of this set), or "
        "crossfit-people (those people themselves: the most a cohort could bring)",
    )
    parser.add_argument(
        "--calibration", metavar="ID", help="fusion, score, cohort and thresholds of this record, as the gate uses it"
    )
    parser.add_argument(
        "--several",
        type=SeveralFaces,
        choices=list(SeveralFaces),
        default=SeveralFaces.REFUSE,
        help="pictures with several faces: refuse as the gate does (failure to acquire), or take the most central",
    )
    parser.add_argument(
        "--thresholds-from", type=Path, metavar="RECORD", help="report this record's thresholds here too"
    )
    parser.add_argument("--plot", type=_plot, metavar="FILE", help="draw the DET curve (.svg or .png)")
    parser.add_argument(
        "--beside",
        type=Path,
        nargs="+",
        default=[],
        metavar="RECORD",
        help="draw the curves of earlier records beside it",
    )
    parser.add_argument("--label", metavar="TEXT", help="name of this curve in the plot and the record")
    parser.add_argument("--output", type=Path, metavar="RECORD", help="write the whole record, curve included")
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="FILE",
        help="keep features here while running, and go on from them; biometric data: mode 0600, deleted at the end",
    )
    parser.add_argument("--keep-features", action="store_true", help="do not delete the file of --resume at the end")
    parser.add_argument("--seed", type=int, default=1, help="of probe sets, folds and bounds (1)")
    add_model_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return int(text)


def _frames(text: str) -> int:
    if not 1 <= int(text) <= 32:
        raise argparse.ArgumentTypeError("1 to 32")
    return int(text)


def _plot(text: str) -> Path:
    if Path(text).suffix not in {".svg", ".png"}:
        raise argparse.ArgumentTypeError("a file name that ends in .svg or .png")
    return Path(text)


def run(arguments: argparse.Namespace) -> int:
    """Print the record; return 0, or 2 for options that contradict each other. Raises `EvaluateFault`."""
    try:
        _consistent(arguments)
        record = _evaluated(arguments)
        if arguments.output:
            write_whole(arguments.output, (json.dumps(record, indent=1) + "\n").encode())
        if arguments.plot:
            write_whole(arguments.plot, plotted(record, arguments.beside, arguments.plot.suffix))
    except _Usage as error:
        print(f"egate face evaluate: {error}", file=sys.stderr)
        return 2
    except ModelsError as error:
        raise EvaluateFault(str(error), code=error.code) from error
    if arguments.json:
        print(json.dumps({key: value for key, value in record.items() if key != "det"}))
    else:
        print("\n".join(lines_of(record)))
    return 0


def _consistent(arguments: argparse.Namespace) -> None:
    chosen = [name for name in ("fusion", "score", "cohort", "top") if getattr(arguments, name)]
    if arguments.calibration and chosen:
        raise _Usage(f"--calibration says fusion, score and cohort itself; leave out --{', --'.join(chosen)}")
    if arguments.calibration and arguments.thresholds_from:
        raise _Usage("--calibration brings its own thresholds; leave out --thresholds-from")
    if arguments.pairs and arguments.frames > 1:
        raise _Usage("--frames fuses pictures of a person and needs --all-against-all")
    has_cohort = arguments.cohort not in {"", "none"}
    if not arguments.calibration and arguments.score not in {None, ScoreKind.COSINE} and not has_cohort:
        raise _Usage(f"--score {arguments.score} needs --cohort")
    if arguments.score is ScoreKind.COSINE and has_cohort:
        raise _Usage("--score cosine uses no cohort; leave out --cohort")
    if arguments.fusion is Fusion.RAW and (has_cohort or arguments.score or arguments.frames > 1):
        raise _Usage("--fusion raw compares single pictures by distance; leave out --cohort, --score and --frames")
    if arguments.beside and not arguments.plot:
        raise _Usage("--beside needs --plot")
    if arguments.keep_features and not arguments.resume:
        raise _Usage("--keep-features needs --resume")


def _evaluated(arguments: argparse.Namespace) -> dict[str, Any]:
    started = time.perf_counter()
    pictures = picture_set(arguments.images, arguments.pairs)
    earlier = None
    if arguments.thresholds_from:
        earlier = (arguments.thresholds_from.name, read_record(arguments.thresholds_from))
    choice = chosen(arguments)
    operator = choice.operator_folder()
    comparing, record = _comparing(arguments, operator)
    comparing.fields()
    chain = load_chain(choice, operator)
    if record is not None and record.identity != ModelIdentity.of(chain.identity):
        raise EvaluateFault(f"the record {record.calibration_id} is of other models or rules", code="MD-EVA-011")
    pipeline = pipeline_fields(chain, comparing.fusion, choice.expected_face_px)
    sampler = ChainSampler(chain, comparing.fusion, arguments.several, choice.expected_face_px)
    kept = FeatureFile(arguments.resume, sampler)
    if len(kept):
        print(f"{len(kept)} pictures are known from {arguments.resume}", file=sys.stderr)
    table = features_of(pictures.folder, pictures.names, sampler, kept, console_progress())
    given = (
        []
        if record is None
        else [(rate, record.operating_point(rate, arguments.frames).score) for rate in _rates(record)]
    )
    answer = evaluation_record(
        pictures, table, comparing, pipeline, earlier, given, record.calibration_id if record else ""
    )
    if not arguments.keep_features:
        kept.delete()
    answer["several"] = arguments.several.value
    answer["label"] = arguments.label or _label(comparing)
    answer["seconds"] = round(time.perf_counter() - started, 2)
    return answer


def _rates(record: Calibration) -> list[float]:
    return sorted({point.false_match_rate for point in record.thresholds if point.frames == 1}, reverse=True)


def _comparing(arguments: argparse.Namespace, operator: OperatorFolder | None) -> tuple[Comparing, Calibration | None]:
    plain = Comparing(frames=arguments.frames, seed=arguments.seed)
    if arguments.calibration:
        record = _record_named(arguments.calibration, operator)
        return replace(plain, fusion=record.fusion, definition=record.score, cohort=cohort_of(record, operator)), record
    fusion = arguments.fusion or Fusion.FLIP
    if arguments.cohort in {"", "none"}:
        return replace(plain, fusion=fusion), None
    definition = ScoreDefinition(arguments.score or ScoreKind.AS_ADDITIVE)
    if arguments.cohort in {CROSSFIT, CROSSFIT_PEOPLE}:
        top = _TOP_OF_PEOPLE if arguments.cohort == CROSSFIT_PEOPLE else definition.top
        definition = replace(definition, top=arguments.top or top)
        return replace(plain, fusion=fusion, definition=definition, across=arguments.cohort), None
    definition = replace(definition, top=arguments.top or definition.top)
    return replace(plain, fusion=fusion, definition=definition, cohort=_cohort(arguments.cohort, operator)), None


def _record_named(name: str, operator: OperatorFolder | None) -> Calibration:
    records = {record.calibration_id: record for record in all_records(operator)}
    if name not in records:
        raise _Usage(f"there is no calibration record {name}; there are: {', '.join(sorted(records))}")
    return records[name]


def _cohort(name: str, operator: OperatorFolder | None) -> Cohort:
    path = Path(name)
    if not path.is_file():
        cohort = cohort_of(_record_named(name, operator), operator)
        if cohort is None:
            raise _Usage(f"the calibration record {name} has no cohort")
        return cohort
    return cohorts.parse(path.read_bytes(), path.name).sample()


def _label(comparing: Comparing) -> str:
    words = [comparing.fusion.value]
    if comparing.definition.kind is not ScoreKind.COSINE:
        words.append(comparing.definition.kind.value)
    if comparing.frames > 1:
        words.append(f"{comparing.frames} pictures")
    return ", ".join(words)
