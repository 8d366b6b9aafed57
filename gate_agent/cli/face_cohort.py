"""`egate face cohort`: a cohort for score normalisation that holds no person, from a site's sums or from a folder of pictures."""

from __future__ import annotations

import argparse
import functools
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gate_agent.cli.evaluation_report import EvaluateFault, console_progress, write_whole
from gate_agent.cli.model_choice import add_model_arguments, chosen
from models.cohort import CohortModel, dump, fit, parse
from models.errors import ModelsError
from models.evaluation_features import decoded
from models.evaluation_pairs import person_of, pictures_in
from models.evaluation_sampling import ChainSampler, SeveralFaces
from models.face_fusion import Fusion
from models.pipeline import load_chain
from models.results import Features
from models.site_cohort import added, parse_sums

SUMMARY = "make a cohort without people for score normalisation, from a gate's sums or from pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where people come from, how they are looked at, and the output."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--sums", type=Path, nargs="+", metavar="FILE", help="files `cohort-….sums` of gates (face.cohort_sums)"
    )
    source.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder of pictures, one taken per person; a person is a folder, or a file name without its last number",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="cohort file to write (.cohort)")
    parser.add_argument(
        "--fusion", type=Fusion, choices=[Fusion.L2, Fusion.FLIP, Fusion.FULL], default=Fusion.FLIP,
        help="looks at one picture: l2, flip (default), full; the one that the calibration record will have",
    )  # fmt: skip
    parser.add_argument("--components", type=_positive, default=16, metavar="N", help="components at most (16)")
    parser.add_argument("--seed", type=int, default=1, help="of the fit (1)")
    parser.add_argument(
        "--several",
        type=SeveralFaces,
        choices=list(SeveralFaces),
        default=SeveralFaces.REFUSE,
        help="pictures with several faces: refuse (the person's next picture is tried), or take the most central",
    )
    add_model_arguments(parser)


def _positive(text: str) -> int:
    if not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError("1 to 1000")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Write the cohort, print what it covers, return 0. Raises `EvaluateFault`: nothing is written then."""
    if arguments.output.suffix != ".cohort":
        print("egate face cohort: --output needs a file name that ends in .cohort", file=sys.stderr)
        return 2
    try:
        model = _of_sums(arguments.sums) if arguments.sums else _of_pictures(arguments)
        content = dump(model)
        parse(content, arguments.output.name)
    except ModelsError as error:
        raise EvaluateFault(str(error), code=error.code) from error
    write_whole(arguments.output, content)
    smallest = round(float(model.weights.min()) * model.people)
    print(f"{model.people} people in {len(model.weights)} components, the smallest of {smallest} people")
    print(f"sha256 {hashlib.sha256(content).hexdigest()}  {arguments.output}")
    return 0


def _of_sums(paths: Sequence[Path]) -> CohortModel:
    if len({path.resolve() for path in paths}) < len(paths):
        raise EvaluateFault("a file of sums is named twice")
    return functools.reduce(added, [parse_sums(_content(path), path.name) for path in paths]).model()


def _of_pictures(arguments: argparse.Namespace) -> CohortModel:
    names = pictures_in(arguments.images)
    choice = chosen(arguments)
    chain = load_chain(choice, choice.operator_folder())
    sampler = ChainSampler(chain, arguments.fusion, arguments.several, choice.expected_face_px)
    people: dict[str, list[str]] = {}
    for name in names:
        people.setdefault(person_of(name), []).append(name)
    progress = console_progress()
    found: list[Features] = []
    for done, pictures in enumerate(people.values(), 1):
        features = _first_features(arguments.images, pictures, sampler)
        if features is not None:
            found.append(features)
        progress(done, len(people))
    if len(found) < len(people):
        print(f"{len(people) - len(found)} of {len(people)} people have no picture with a face", file=sys.stderr)
    return fit(np.stack(found) if found else np.zeros((0, sampler.dimension)), arguments.components, arguments.seed)


def _first_features(folder: Path, names: Sequence[str], sampler: ChainSampler) -> Features | None:
    for name in names:
        image = decoded(_content(folder / name))
        features = None if image is None else sampler.sampled(image).vector
        if features is not None:
            return features
    return None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EvaluateFault(f"{path} cannot be read: {error.strerror}") from error
