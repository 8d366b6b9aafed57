"""Who is inspected without a finding against him: the draw, what raised or lowered its probability, and what came of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from gate_agent.domain.inspection_finding import InspectionFinding

DRAW_RANGE = 1_000_000_000
"""A draw is a whole number from 0 up to, not including, this."""


class TrustCategory(StrEnum):
    """What a traveller earned with past inspections; it moves the probability of a random one and nothing else."""

    TRUSTED = "trusted"
    ORDINARY = "ordinary"
    ATTENTION = "attention"


class AppealSubject(StrEnum):
    """What a traveller may contest at the customs desk."""

    TRUST_CATEGORY = "trust_category"
    FREQUENT_CROSSER = "frequent_crosser"


class SelectedBy(StrEnum):
    """Why a traveller is inspected; `NOTHING`: he is not."""

    RULE = "rule"
    RANDOM = "random"
    NOTHING = ""


@dataclass(frozen=True, slots=True)
class Draw:
    """One number of a day's sequence; `value` is in parts of `DRAW_RANGE`. The seed behind it is secret until the day is over."""

    commitment_id: uuid.UUID
    number: int
    value: int


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """What came of the last confirmed crossings of a gate: how many, how many red by a rule, how many drawn at random."""

    crossings: int = 0
    by_rule: int = 0
    at_random: int = 0


@dataclass(frozen=True, slots=True)
class InspectionOutcome:
    """One inspection of a holder that the customs desk finished, by its local date."""

    on: date
    finding: InspectionFinding


@dataclass(frozen=True, slots=True)
class HolderHistory:
    """What a gate knows of a document's holder. `upheld`: appeals that were granted, by their newest date."""

    inspections: tuple[InspectionOutcome, ...] = ()
    crossing_days: tuple[date, ...] = ()
    upheld: Mapping[AppealSubject, date] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Past:
    """What the store remembers for a selection: the gate's window and the holder's history."""

    counts: WindowCounts = field(default_factory=WindowCounts)
    history: HolderHistory = field(default_factory=HolderHistory)


@dataclass(frozen=True, slots=True)
class Chance:
    """Everything that random selection may know. `draw` None: there is no seed, nobody can be drawn."""

    draw: Draw | None = None
    past: Past = field(default_factory=Past)


@dataclass(frozen=True, slots=True)
class Standing:
    """The trust category with what it was computed from; `points` is the balance after decay, never shown as a score of a person."""

    category: TrustCategory = TrustCategory.ORDINARY
    points: int = 0
    inspections: int = 0
    findings: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """What decided on a random inspection, as the decision's record keeps it; probabilities in parts per million.

    `governed_ppm` is the governor's probability for everybody, `probability_ppm` the one of this traveller.
    """

    draw: Draw | None
    counts: WindowCounts
    standing: Standing
    crossings_counted: int
    crossing_days: int
    is_frequent: bool
    governed_ppm: int
    probability_ppm: int
    selected_by: SelectedBy
