"""`egate face monitor`: the error rates that a gate counts of its own traffic, read from its counts file beside the running agent."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from gate_agent.clock import SystemClock
from gate_agent.errors import EgateError
from gate_agent.runtime.face_counts import FILE_NAME, FaceCounts
from gate_agent.runtime.face_report import DIMENSIONS, SMALLEST_GROUP, RateReport, ReportRules, face_report
from gate_agent.runtime.face_report import group_comparisons as compared
from gate_agent.settings import SITE_FILE, load
from models.field_evaluation import FieldRate

SUMMARY = "show the error rates that this gate counts of its own traffic"


class CountsFault(EgateError):
    """The counts file is none, or cannot be read."""

    code = "EG-MON-001"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config", type=Path, default=SITE_FILE, metavar="FILE", help=f"site file ({SITE_FILE})")
    parser.add_argument("--state", type=Path, metavar="FOLDER", help="state folder of the gate (from the site file)")
    parser.add_argument("--window-days", type=_days, default=timedelta(days=30), help="days counted (30)")
    parser.add_argument("--smallest-group", type=_size, default=100, help="travellers a group needs to be shown (100)")
    parser.add_argument("--json", action="store_true", help="one JSON object per row")


def _days(text: str) -> timedelta:
    window = timedelta(days=float(text))
    if not timedelta(hours=1) <= window <= timedelta(days=400):
        raise argparse.ArgumentTypeError("one hour to 400 days")
    return window


def _size(text: str) -> int:
    if int(text) < SMALLEST_GROUP:
        raise argparse.ArgumentTypeError(f"{SMALLEST_GROUP} or more")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Print one row per lane, operating point and group; return 0. Raises `SettingsFault` and `CountsFault`."""
    folder: Path = arguments.state or load(arguments.config).paths.state
    counts = _counts(folder / FILE_NAME)
    rules = ReportRules(arguments.window_days, smallest_group=arguments.smallest_group, dimensions=DIMENSIONS)
    reports = face_report(counts, rules, SystemClock().now(), counts.points())
    if not reports:
        print(json.dumps({"rows": 0}) if arguments.json else "nothing was counted in this window")
    for line in _json_lines(reports) if arguments.json else _lines(reports, rules):
        print(line)
    return 0


def _counts(path: Path) -> FaceCounts:
    try:
        return FaceCounts.decoded(path.read_bytes())
    except FileNotFoundError:
        return FaceCounts()
    except (OSError, ValueError) as error:
        raise CountsFault(f"{path}: {error}") from error


def _json_lines(reports: list[RateReport]) -> Iterator[str]:
    for report in reports:
        yield json.dumps(asdict(report))
    for comparison in compared(reports):
        yield json.dumps(asdict(comparison) | asdict(comparison.ratio))


def _lines(reports: list[RateReport], rules: ReportRules) -> Iterator[str]:
    for report in reports:
        group = f" {report.dimension} {report.label}" if report.dimension else ""
        yield f"lane {report.lane_id}, {report.point}{group}"
        yield f"  false non-match rate  {_rate(report.false_non_match)}"
        yield f"  false match rate      {_rate(report.false_match)}; limit {rules.false_match_limit:.2%}: {_verdict(report)}"
        yield f"  failure to acquire    {_rate(report.failure_to_acquire)}"
    for row in compared(reports):
        share = "best without any error" if row.ratio.ratio is None else f"{row.ratio.ratio:.1f} times"
        proven = f"at least {row.ratio.at_least:.1f} times" if row.ratio.at_least > 1 else "no difference proven"
        yield (
            f"lane {row.lane_id}, {row.point}, {row.rate} by {row.dimension}: {row.ratio.worst} to {row.ratio.best}"
            f": {share} ({proven})"
        )


def _verdict(report: RateReport) -> str:
    if report.verdict == "not_enough":
        return f"not enough comparisons ({report.counts.non_mated} of {report.needed_comparisons})"
    return str(report.verdict)


def _rate(rate: FieldRate | None) -> str:
    if rate is None:
        return "not counted"
    return (
        f"{rate.rate:.3%} ({rate.errors} of {rate.trials}; 95 %: {rate.lower_bound:.3%} to {rate.upper_bound:.3%}"
        + (f"; design effect {rate.design_effect:.1f})" if rate.design_effect > 1 else ")")
    )
