"""`egate face calibrate`: a calibration record from evaluations of several sets, the strictest threshold at every stated rate."""

from __future__ import annotations

import argparse
import hashlib
import sys
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from gate_agent.cli.evaluation_report import EvaluateFault, read_record, write_whole
from gate_agent.clock import Clock, SystemClock
from models import cohort as cohorts
from models.calibration import parse_calibration
from models.calibration_making import CohortFile, Recorded, made_record
from models.errors import ModelsError

SUMMARY = "make a calibration record from evaluations of several sets of pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the evaluations, what the record is to hold for, and the output."""
    parser.add_argument("--id", required=True, metavar="ID", help="id of the record")
    parser.add_argument(
        "--evaluation",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="records of `egate face evaluate --output`: one pipeline, several sets, single pictures and probes of several",
    )
    parser.add_argument("--cohort", type=Path, metavar="FILE", help="the cohort file that the evaluations used")
    parser.add_argument(
        "--minimum-age", type=_age, required=True, metavar="N", help="youngest age of the people in the sets, in years"
    )
    parser.add_argument(
        "--identification",
        type=Path,
        metavar="FILE",
        help="rows [[identification]] that prove one-to-many search (TOML)",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="RECORD", help="the record to write (.toml)")


def _age(text: str) -> int:
    if not 0 <= int(text) <= 120:
        raise argparse.ArgumentTypeError("an age in years")
    return int(text)


def run(arguments: argparse.Namespace, clock: Clock | None = None) -> int:
    """Write the record, print its thresholds, return 0. Raises `EvaluateFault`: nothing is written then."""
    if arguments.output.suffix != ".toml":
        print("egate face calibrate: --output needs a file name that ends in .toml", file=sys.stderr)
        return 2
    try:
        text = _text(arguments, (clock or SystemClock()).now().date())
        record = parse_calibration(text, arguments.output.name)
    except ModelsError as error:
        raise EvaluateFault(str(error), code=error.code) from error
    write_whole(arguments.output, text.encode())
    for point in record.thresholds:
        pictures = "single picture" if point.frames == 1 else f"{point.frames} pictures"
        print(
            f"FMR {point.false_match_rate:g}, {pictures}: score {point.score:g} of the set {point.set_id}, "
            f"at most {point.upper_bound:.1e} with 95 % confidence"
        )
    print(f"non-match below {record.non_match_threshold:g}; ages from {record.minimum_age_years} years")
    return 0


def _text(arguments: argparse.Namespace, today: date) -> str:
    evaluations = [(str(path), read_record(path)) for path in arguments.evaluation]
    cohort = None
    if arguments.cohort:
        content = _content(arguments.cohort)
        model = cohorts.parse(content, arguments.cohort.name)
        cohort = CohortFile(arguments.cohort.name, hashlib.sha256(content).hexdigest(), model.model_hash())
    rows = _identification(arguments.identification) if arguments.identification else ()
    return made_record(evaluations, Recorded(arguments.id, arguments.minimum_age, today, rows), cohort)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EvaluateFault(f"{path} cannot be read: {error.strerror}") from error


def _identification(path: Path) -> tuple[Mapping[str, Any], ...]:
    try:
        table = tomllib.loads(_content(path).decode())
    except ValueError as error:
        raise EvaluateFault(f"{path} is no TOML: {error}") from error
    rows = table.get("identification")
    if set(table) != {"identification"} or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise EvaluateFault(f"{path} holds something else than rows [[identification]]")
    return tuple(rows)
