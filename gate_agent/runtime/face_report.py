"""From counts to what a supervisor sees: rates with bounds per lane and group, the verdict on the limit, worst to best group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gate_agent.runtime.face_counts import WHOLE, FaceCounts
from models.field_evaluation import (
    OTHERS,
    FalseMatchVerdict,
    FieldCounts,
    FieldRate,
    GroupRatio,
    failure_to_acquire_rate,
    false_match_rate,
    false_non_match_rate,
    group_ratio,
    needed_comparisons,
    pooled,
    verdict,
)

DIMENSIONS = ("age_band", "sex", "nationality", "issuing_state")
SMALLEST_GROUP = 10
"""Travellers below which no site may show a group."""
FALSE_MATCH_LIMIT = 1e-3
"""The highest false match rate of a gate (TR-03121, ABC)."""


def point_name(calibration_id: str, false_match_rate: float) -> str:
    """Return the name of an operating point: rates of one record and stated rate say nothing about another's."""
    return f"{calibration_id}@{false_match_rate:g}"


_NO_PROBES = dict.fromkeys(
    ("probes", "probes_matched", "non_mated", "false_matches", "squares_by_probe", "squares_by_reference"), 0
)


@dataclass(frozen=True, slots=True)
class ReportRules:
    """How counts are summed up. `dimensions` are the groups that the site counts by, none unless it says so.

    `least_design_effect` is by how much comparisons are discounted at least for sharing probes and references: 3 was measured
    on LFW fold 1 with the shipped models (217 probes against 200 references at a false match rate of 1e-3: 2.9; at 1e-4: 2.1).
    `smallest_group` is how many travellers a group must have to be shown.
    """

    window: timedelta = timedelta(days=30)
    false_match_limit: float = FALSE_MATCH_LIMIT
    least_design_effect: float = 3.0
    smallest_group: int = 100
    dimensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = set(self.dimensions) - set(DIMENSIONS)
        if unknown:
            raise ValueError(f"there are no groups by {', '.join(sorted(unknown))}")
        if not timedelta(hours=1) <= self.window <= timedelta(days=400):
            raise ValueError("error rates are counted over one hour to 400 days")
        if not (
            0 < self.false_match_limit < 1 and self.least_design_effect >= 1 and self.smallest_group >= SMALLEST_GROUP
        ):
            raise ValueError(
                f"a limit between 0 and 1, a design effect of 1 or more, groups of {SMALLEST_GROUP} or more"
            )


@dataclass(frozen=True, slots=True)
class RateReport:
    """The rates of one lane, or of one group in it (`dimension` and `label`), over the window; None: nothing counted."""

    lane_id: int
    point: str
    dimension: str
    label: str
    counts: FieldCounts
    false_non_match: FieldRate | None
    false_match: FieldRate | None
    failure_to_acquire: FieldRate | None
    verdict: FalseMatchVerdict
    needed_comparisons: int


@dataclass(frozen=True, slots=True)
class GroupComparison:
    """Worst to best group of a dimension in one lane, for one rate (`false_non_match` or `false_match`)."""

    lane_id: int
    point: str
    dimension: str
    rate: str
    ratio: GroupRatio


def face_report(
    counts: FaceCounts, rules: ReportRules, now: datetime, points: Sequence[str], *, groups: bool = True
) -> list[RateReport]:
    """Return the rates of the window at the named operating points, by lane, whole traffic first, groups after it."""
    sums: dict[tuple[int, str, str], dict[str, FieldCounts]] = defaultdict(lambda: defaultdict(FieldCounts))
    for cell, numbers in counts.within(now, rules.window):
        is_wanted = cell.dimension == WHOLE or (groups and cell.dimension in rules.dimensions)
        if is_wanted and cell.point in points:
            sums[cell.lane_id, cell.point, cell.dimension][cell.label] += numbers
    order = {name: place for place, name in enumerate((WHOLE, *rules.dimensions))}
    reports = []
    for lane_id, point, dimension in sorted(sums, key=lambda key: (key[0], points.index(key[1]), order[key[2]])):
        cells: Mapping[str, FieldCounts] = sums[lane_id, point, dimension]
        shown = pooled(cells, rules.smallest_group) if dimension else cells
        reports += [_row(lane_id, point, dimension, label, numbers, rules) for label, numbers in shown.items()]
    return reports


def _row(lane_id: int, point: str, dimension: str, label: str, counts: FieldCounts, rules: ReportRules) -> RateReport:
    if dimension and counts.probes < rules.smallest_group:
        counts = replace(counts, **_NO_PROBES)
    false_match = false_match_rate(counts, rules.least_design_effect)
    return RateReport(
        lane_id,
        point,
        dimension,
        label,
        counts,
        false_non_match_rate(counts),
        false_match,
        failure_to_acquire_rate(counts),
        verdict(false_match, rules.false_match_limit, rules.least_design_effect),
        needed_comparisons(rules.false_match_limit, rules.least_design_effect),
    )


def group_comparisons(reports: Sequence[RateReport]) -> list[GroupComparison]:
    """Return worst to best group for each lane, dimension and rate in which one shows an error; small groups are not compared."""
    rates: dict[tuple[int, str, str, str], dict[str, FieldRate]] = defaultdict(dict)
    for report in reports:
        if report.dimension and report.label != OTHERS:
            for name, rate in (("false_non_match", report.false_non_match), ("false_match", report.false_match)):
                if rate is not None:
                    rates[report.lane_id, report.point, report.dimension, name][report.label] = rate
    compared = [(key, group_ratio(by_label)) for key, by_label in rates.items()]
    return [GroupComparison(*key, ratio) for key, ratio in compared if ratio is not None]
