"""`egate counts`: statistics of passages per gate, corridor and hour, as they are kept; and the same counted again from the journal."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from central_sync.passage_counts.rows import Group

SUMMARY = "statistics of passages: times per step, shares and reasons per gate, corridor and hour; counted again from the journal"

_HELP = """kinds:
  show      one line for each group: counts, share, untouched share, percentiles of each step, reasons
  verify    counts the journal's records again and prints each sum that differs; exit code 1 when one does
  mend      throws the centre's sums away and counts every record again
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare kinds and options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _HELP
    parser.add_argument("kind", choices=("show", "verify", "mend"))
    parser.add_argument(
        "--journal", required=True, help="the folder of a gate's store, or the URL of the centre's database"
    )
    parser.add_argument("--since", type=date.fromisoformat, default=date.min, help="only from this local day on")
    parser.add_argument("--until", type=date.fromisoformat, default=date.max, help="only up to this local day")
    parser.add_argument("--gate", help="only this gate of the centre, as country/post/gate")
    parser.add_argument("--corridor", choices=("green", "yellow", "red"), default="", help="only this corridor")
    parser.add_argument(
        "--by",
        default="gate,hour,corridor",
        help="what makes a group: gate, day, hour, hour_of_day, corridor, with commas between; empty: one line (default: %(default)s)",
    )
    parser.add_argument("--csv", action="store_true", help="a table with commas instead of JSON lines")
    parser.add_argument("--json", action="store_true", help="one JSON object per line (the default output is the same)")


def run(arguments: argparse.Namespace) -> int:
    """Show, compare or mend."""
    from gate_agent.cli import counts_source

    if arguments.kind == "mend":
        print(json.dumps({"mended": counts_source.mend(arguments.journal)}))
        return 0
    if arguments.kind == "verify":
        findings, summary = counts_source.compared(arguments.journal)
        for line in [*findings, summary]:
            print(json.dumps(line))
        return 1 if findings else 0
    from central_sync.passage_counts.rows import GROUPS, grouped
    from gate_agent.cli.rules_reading import QuestionRefused

    by = [name for name in arguments.by.split(",") if name]
    if not set(by) <= set(GROUPS):
        raise QuestionRefused(f"--by: {', '.join(GROUPS)} are known")
    cells = counts_source.cells(arguments.journal, arguments.since, arguments.until, arguments.gate)
    groups = grouped(cells, by, arguments.corridor)
    if arguments.csv:
        _write_table(groups, by)
    else:
        for group in groups:
            print(json.dumps(group.line()))
    return 0


def _write_table(groups: Iterable[Group], by: list[str]) -> None:
    """Write RFC 4180: steps that nobody took are columns too, so that two tables fit under each other."""
    from central_sync.passage_counts.cells import COUNTS, WHOLE
    from central_sync.passage_counts.rows import STEPS

    steps = [f"{name}_{what}" for name in (*STEPS, WHOLE) for what in ("timed", "p50_s", "p95_s")]
    columns = [*by, *COUNTS, "share_percent", "untouched_percent", *steps, "reasons"]
    writer = csv.DictWriter(sys.stdout, columns, restval="", extrasaction="ignore")
    writer.writeheader()
    for group in groups:
        line = group.line()
        for name, one in group.steps().items():
            line |= {f"{name}_timed": one.timed, f"{name}_p50_s": one.p50_s, f"{name}_p95_s": one.p95_s}
        line["reasons"] = " ".join(f"{code}={number}" for code, number in group.reasons().items())
        writer.writerow({name: "" if value is None else value for name, value in line.items()})
