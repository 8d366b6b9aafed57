"""A calibration record from evaluations: thresholds at stated false match rates, each the strictest that any set asks for.

A set speaks at a rate only when it has the comparisons for it: 3 / rate non-mated ones or more (rule of three). The upper bound that
stands beside a threshold is the one by person (`models.error_bounds`) of the set that it comes from, and never below the rate. What
goes in are the records of `models.evaluation`; what contradicts itself or the others is refused by name.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from models.calibration import CohortPin, Threshold, parse_calibration
from models.calibration_inputs import (
    NON_MATCH_RATE,
    RATES,
    EvaluationInput,
    belong_together,
    evaluation_input,
    refused,
)
from models.error_rates import RULE_OF_THREE
from models.errors import CalibrationRefused
from models.evaluation_run import CROSSFIT
from models.identification_policy import evidence_rows

_SCORE_STEP = 100_000  # scores are written with five digits
_SLACK = 1e-9
_ID = re.compile(r"[a-z0-9][a-z0-9.-]{2,63}")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a record is to be called and to hold for, beside what the evaluations say."""

    calibration_id: str
    minimum_age_years: int
    made_on: date
    identification: tuple[Mapping[str, Any], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class CohortFile:
    """The cohort that the record will name: its file name, the SHA-256 of its content, and of its mixture as evaluations name it."""

    file: str
    sha256: str
    model_hash: str


def made_record(
    evaluations: Sequence[tuple[str, Mapping[str, Any]]], recorded: Recorded, cohort: CohortFile | None = None
) -> str:
    """Return the TOML text of a calibration record made of (source name, evaluation record) pairs.

    The same evaluations in any order give the same text. Raises `CalibrationRefused`: MD-CAL-007 for evaluations that are none,
    contradict themselves or do not belong together, MD-CAL-003 when they prove no rate, MD-CAL-004 for what no record can hold.
    """
    if not _ID.fullmatch(recorded.calibration_id):
        raise CalibrationRefused(f"{recorded.calibration_id!r} is no id of a record", code="MD-CAL-004")
    read = sorted((evaluation_input(source, record) for source, record in evaluations), key=lambda one: one.order)
    if not read:
        raise CalibrationRefused("there is no evaluation", code="MD-CAL-007")
    belong_together(read)
    pin = _cohort_pin(read, cohort)
    thresholds = _thresholds(read)
    if not thresholds:
        raise CalibrationRefused(
            f"no set has the {RULE_OF_THREE / RATES[0]:.0f} non-mated comparisons of single pictures that {RATES[0]:g} needs",
            code="MD-CAL-003",
        )
    text = "\n".join(_lines(recorded, read, pin, thresholds)) + "\n"
    made = parse_calibration(text, recorded.calibration_id)
    evidence_rows(made.identification, made.calibration_id)
    return text


def _cohort_pin(read: Sequence[EvaluationInput], cohort: CohortFile | None) -> CohortPin | None:
    """Return the cohort as every evaluation that used it drew it; a crossfitted one stands in for it where its people come from."""
    kind = str(read[0].score.get("kind"))
    if kind == "cosine":
        if cohort is not None:
            raise CalibrationRefused("the evaluations are of cosines; leave out the cohort", code="MD-CAL-007")
        return None
    if kind == "distance":
        raise refused(read[0].source, "compares raw features by distance, which no record holds for")
    if cohort is None:
        raise CalibrationRefused(f"the score {kind} needs the cohort file", code="MD-CAL-007")
    drawn: dict[tuple[int, int], str] = {}
    for evaluation in read:
        name = str(evaluation.pipeline.get("cohort"))
        if name == CROSSFIT:
            continue
        found = re.fullmatch(rf"{cohort.model_hash[:16]}-([1-9]\d{{0,6}})-(\d{{1,9}})", name)
        if found is None:
            raise refused(evaluation.source, f"used the cohort {name}, not {cohort.file}")
        drawn.setdefault((int(found[1]), int(found[2])), evaluation.source)
    if len(drawn) > 1:
        raise refused(sorted(drawn.values())[1], "drew the cohort differently from the others")
    if not drawn:
        raise CalibrationRefused(
            f"no evaluation used the cohort {cohort.file} itself: evaluate a set of other people with it",
            code="MD-CAL-007",
        )
    vectors, seed = next(iter(drawn))
    return CohortPin(cohort.file, cohort.sha256, vectors, seed)


def _thresholds(read: Sequence[EvaluationInput]) -> list[Threshold]:
    """Return the strictest threshold of the sets that can speak, per number of frames and rate, single pictures first.

    Where a smaller rate is known from fewer sets, its threshold is at least the one of the larger rate.
    """
    chosen: list[Threshold] = []
    for frames in sorted({evaluation.frames for evaluation in read}):
        lowest = -math.inf
        for rate in RATES:
            asked = [(point, one) for one in read if one.frames == frames and (point := one.at(rate)) is not None]
            is_known_for_one = frames == 1 or any((row.false_match_rate, row.frames) == (rate, 1) for row in chosen)
            if not asked or not is_known_for_one:
                continue
            point, one = max(asked, key=lambda pair: (_up(pair[0].threshold), pair[0].upper_bound))
            lowest = max(_up(point.threshold), lowest)
            chosen.append(Threshold(rate, lowest, frames, point.upper_bound, one.set_id))
    return chosen


def _up(score: float) -> float:
    return math.ceil(score * _SCORE_STEP - _SLACK) / _SCORE_STEP


def _down(score: float) -> float:
    return math.floor(score * _SCORE_STEP + _SLACK) / _SCORE_STEP


def _lines(
    recorded: Recorded,
    read: Sequence[EvaluationInput],
    pin: CohortPin | None,
    thresholds: Iterable[Threshold],
) -> list[str]:
    pipeline = read[0].pipeline
    lines = [
        "# Thresholds by stated false match rate, each the strictest of the sets below. Written by `egate face calibrate`.",
        *_table(
            {
                "calibration_id": recorded.calibration_id,
                "date": recorded.made_on,
                **{name: pipeline[name] for name in ("converter", "rules", "box_rule", "fusion")},
                "minimum_age_years": recorded.minimum_age_years,
            }
        ),
    ]
    for role, words in sorted(pipeline["models"].items()):
        precision, _, sha256 = str(words).partition(":")
        lines += ["", f"[models.{role}]", *_table({"sha256": sha256, "precision": precision})]
    lines += ["", "[score]", *_table(read[0].score)]
    if pin is not None:
        pinned = {"file": pin.file, "sha256": pin.sha256, "vectors": pin.vectors, "seed": pin.seed}
        lines += ["", "[cohort]", *_table(pinned)]
    for point in thresholds:
        scored = {"false_match_rate": point.false_match_rate, "score": point.score, "frames": point.frames}
        lines += ["", "[[threshold]]", *_table({**scored, "upper_bound": point.upper_bound, "set": point.set_id})]
    loosest = min(read, key=lambda one: (_loosest(one), one.order))
    below = {"score": _down(_loosest(loosest)), "false_match_rate": NON_MATCH_RATE, "set": loosest.set_id}
    lines += ["", "# below this score it is a non-match: the 1e-2 of the loosest set", "[non_match]", *_table(below)]
    for evaluation in read:
        lines += ["", "[[evaluation]]", *_table(_evaluation_row(evaluation))]
    for evidence in recorded.identification:
        lines += ["", "[[identification]]", *_table(evidence)]
    return lines


def _loosest(evaluation: EvaluationInput) -> float:
    return next(point.threshold for point in evaluation.points if point.rate == NON_MATCH_RATE)


def _evaluation_row(evaluation: EvaluationInput) -> dict[str, Any]:
    points = [
        [point.rate, _up(point.threshold), *point.fnmr] for point in reversed(evaluation.points) if point.is_proven
    ]
    return {
        "set": evaluation.set_id,
        "sha256": evaluation.sha256,
        **evaluation.counts,
        "frames": evaluation.frames,
        "several": evaluation.several,
        "cohort": str(evaluation.pipeline.get("cohort") or "none"),
        "failure_to_acquire_rate": evaluation.failure_to_acquire_rate,
        "failure_to_acquire_rate_bounds": list(evaluation.failure_to_acquire_bounds),
        "points": points,
    }


def _table(row: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {_value(value)}" for name, value in row.items()]


def _value(value: Any) -> str:
    """Return a value as TOML writes it: text, numbers, a date, and lists of numbers."""
    if isinstance(value, str):
        written = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        return written.encode("utf-8", "replace").decode()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(part) for part in value)}]"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return repr(value)
    raise CalibrationRefused(f"a record holds texts and numbers, not {value!r}", code="MD-CAL-004")
