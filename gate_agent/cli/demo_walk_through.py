"""`egate demo walk-through`: recognition on the move on synthetic video. A demonstration: the shipped model proves no rate for it."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys

SUMMARY = "show walk-through recognition on synthetic video (demonstration only; the shipped model may not do it)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the demonstration's options."""
    parser.add_argument(
        "--scenario", type=int, action="append", metavar="N", help="play this scenario only (may be repeated)"
    )
    parser.add_argument("--text", action="store_true", help="one readable line per traveller instead of JSON")


def run(arguments: argparse.Namespace) -> int:
    """Play the scenarios; return 0 only when everybody ended as expected, 1 otherwise."""
    logging.disable(logging.WARNING)
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    from gate_agent.cache import cache_folder
    from gate_agent.clock import SystemClock
    from gate_agent.demo.walk_through import opened_hall
    from gate_agent.demo.walk_through_play import LABEL, WalkerLine
    from gate_agent.demo.walk_through_scripts import SCENARIOS

    wanted = set(arguments.scenario or [scenario.number for scenario in SCENARIOS])
    unknown = wanted - {scenario.number for scenario in SCENARIOS}
    if unknown:
        print(f"egate demo walk-through: scenario {min(unknown)} is none of 1 to {len(SCENARIOS)}", file=sys.stderr)
        return 2
    if arguments.text:
        print(LABEL, flush=True)
    lines: list[WalkerLine] = []
    async with opened_hall(SystemClock(), cache_folder()) as hall:
        for scenario in SCENARIOS:
            if scenario.number not in wanted:
                continue
            for line in await hall.play(scenario):
                lines.append(line)
                print(_sentence(line) if arguments.text else json.dumps(line.fields()), flush=True)
        summary = hall.summary(lines, len(await hall.store.undecided_releases()))
    if arguments.text:
        print(f"{summary['as_expected']} of {summary['travellers']} as expected; {LABEL}")
    else:
        print(json.dumps({"summary": summary}), flush=True)
    return 0 if summary["ok"] else 1


def _sentence(line: object) -> str:
    from gate_agent.demo.walk_through_play import WalkerLine

    assert isinstance(line, WalkerLine), "a line of the demonstration"
    mark = " " if line.as_expected else "!"
    reasons = f" ({', '.join(line.reasons)})" if line.reasons else ""
    return f"{mark}{line.scenario:>2}  {line.title:<46} {line.traveller:<14} {line.outcome}{reasons}"
