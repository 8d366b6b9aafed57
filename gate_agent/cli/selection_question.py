"""The part of a corridor question beside the declaration: seals, screening, and what a random selection is made from."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from gate_agent.cli.rules_reading import QuestionRefused, day_of, lines_of, named, refuse_unknown, whole_of
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.screening import Screening, ScreeningVerdict
from gate_agent.domain.seal import SealDoubt, SealReport, SealState
from gate_agent.domain.selection import (
    DRAW_RANGE,
    AppealSubject,
    Chance,
    Draw,
    HolderHistory,
    InspectionOutcome,
    Past,
    Selection,
    WindowCounts,
)
from gate_agent.policy.random_selection import SEED_BYTES, draw_value

MEMBERS = {"seals", "screening", "selection"}
_SEAL_MEMBERS = {"seal_id", "state", "event", "doubt"}
_SELECTION_MEMBERS = {"draw", "crossings", "by_rule", "at_random", "inspections", "crossing_days", "upheld"}
_DRAW_MEMBERS = {"number", "value", "seed", "gate"}
_NO_COMMITMENT = uuid.UUID(int=0)


def seals_of(question: dict[str, Any], moment: datetime) -> tuple[SealReport, ...]:
    """Return what the question says of seals."""
    return tuple(
        SealReport(
            _text(line, "seal_id"),
            named(SealState, line, "state"),
            _text(line, "event"),
            moment,
            named(SealDoubt, line, "doubt") if line.get("doubt") else None,
        )
        for line in lines_of(question, "seals", _SEAL_MEMBERS)
    )


def screening_of(question: dict[str, Any]) -> Screening | None:
    """Return the verdict of the X-ray, None when the question holds none."""
    return Screening("", named(ScreeningVerdict, question, "screening")) if "screening" in question else None


def chance_of(question: dict[str, Any], on: date) -> Chance | None:
    """Return what a random selection is made from; None: the question is about the rules alone."""
    if "selection" not in question:
        return None
    asked = question["selection"]
    refuse_unknown("selection", asked, _SELECTION_MEMBERS)
    counts = WindowCounts(*(whole_of(asked, name) or 0 for name in ("crossings", "by_rule", "at_random")))
    if counts.by_rule + counts.at_random > counts.crossings:
        raise QuestionRefused("selection: by_rule and at_random are among the crossings")
    outcomes = tuple(
        InspectionOutcome(day_of(line, "date"), named(InspectionFinding, line, "finding"))
        for line in lines_of(asked, "inspections", {"date", "finding"})
    )
    days = asked.get("crossing_days", [])
    if not isinstance(days, list):
        raise QuestionRefused("crossing_days: a list of dates is expected")
    upheld = asked.get("upheld", {})
    refuse_unknown("upheld", upheld, set(AppealSubject))
    history = HolderHistory(
        outcomes,
        tuple(day_of({"crossing_days": day}, "crossing_days") for day in days),
        {AppealSubject(subject): day_of(upheld, subject) for subject in upheld},
    )
    return Chance(_draw(asked, on), Past(counts, history))


def _draw(asked: dict[str, Any], on: date) -> Draw | None:
    """Return the draw as it is given, or as the seed gives it."""
    if "draw" not in asked:
        return None
    drawn = asked["draw"]
    refuse_unknown("draw", drawn, _DRAW_MEMBERS)
    number, value = whole_of(drawn, "number"), whole_of(drawn, "value")
    if number is None or (value is None) == ("seed" not in drawn):
        raise QuestionRefused("draw: a number, and a value or a seed with its gate, are expected")
    if value is None:
        try:
            seed = bytes.fromhex(_text(drawn, "seed"))
        except ValueError:
            seed = b""
        if len(seed) != SEED_BYTES:
            raise QuestionRefused(f"seed: {SEED_BYTES} bytes in hex are expected")
        value = draw_value(seed, _text(drawn, "gate"), on, number)
    if value >= DRAW_RANGE:
        raise QuestionRefused(f"value: less than {DRAW_RANGE} is expected")
    return Draw(_NO_COMMITMENT, number, value)


def selection_line(selection: Selection) -> dict[str, object]:
    """Return the line of the answer that says how the selection came about."""
    draw, counts, standing = selection.draw, selection.counts, selection.standing
    return {
        "line": "selection",
        "selected_by": selection.selected_by.value,
        "draw_number": draw.number if draw else None,
        "draw_value": draw.value if draw else None,
        "governed_ppm": selection.governed_ppm,
        "probability_ppm": selection.probability_ppm,
        "crossings": counts.crossings,
        "by_rule": counts.by_rule,
        "at_random": counts.at_random,
        "trust_category": standing.category.value,
        "trust_points": standing.points,
        "inspections": standing.inspections,
        "findings": standing.findings,
        "crossings_counted": selection.crossings_counted,
        "crossing_days": selection.crossing_days,
        "is_frequent": selection.is_frequent,
    }


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name, "")
    if not isinstance(value, str) or len(value) > 128:
        raise QuestionRefused(f"{name}: a text of at most 128 characters is expected")
    return value
