"""`egate training list|run`: exercises for staff at the real pages, with twins and fictitious travellers; nothing is kept afterwards."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gate_agent.demo.performance import DemoRun
    from gate_agent.demo.training import ExerciseResult

SUMMARY = "train staff: scripted travellers at the real pages, and what the trainee made of each"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|run")
    listing = actions.add_parser("list", help="the exercises by name, and what is right in each")
    listing.add_argument("--json", action="store_true", help="one JSON object per exercise")
    running = actions.add_parser("run", help="start a training gate and bring exercises to it, one after another")
    running.add_argument("names", nargs="*", metavar="NAME", help="exercises (default: all of them)")
    running.add_argument(
        "--patience", type=float, default=600.0, metavar="S", help="seconds that a trainee has (default: 600)"
    )
    running.add_argument("--json", action="store_true", help="one JSON object per line")


def run(arguments: argparse.Namespace) -> int:
    """List the exercises, or hold them. Returns 0, or 2 for a name that is none."""
    from gate_agent.demo.exercises import EXERCISES

    if arguments.action == "list":
        for one in EXERCISES.values():
            fields = {"exercise": one.name, "told": one.told, "expected": one.expected, "why": one.why}
            _print(json.dumps(fields) if arguments.json else f"{one.name:<16} {one.told}")
        return 0
    unknown = [name for name in arguments.names if name not in EXERCISES]
    if unknown:
        known = ", ".join(EXERCISES)
        print(f"egate training: there is no exercise {', '.join(unknown)}; there are {known}", file=sys.stderr)
        return 2
    logging.disable(logging.WARNING)
    try:
        return asyncio.run(_run(arguments))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


async def _run(arguments: argparse.Namespace) -> int:
    from gate_agent.cache import cache_folder
    from gate_agent.clock import SystemClock
    from gate_agent.demo.exercises import EXERCISES
    from gate_agent.demo.performance import running
    from gate_agent.demo.training import hold

    this = asyncio.current_task()
    assert this is not None, "runs as the main task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)  # ends its processes, too
    results = []
    async with running(SystemClock(), cache_folder(), is_training=True) as session:
        _open(session, as_json=arguments.json)
        for name in arguments.names or EXERCISES:
            exercise = EXERCISES[name]
            if not arguments.json:
                _print(f"\n  {exercise.name}: {exercise.told}")
            result = await hold(session, exercise, arguments.patience)
            results.append(result)
            _print(json.dumps(result.fields()) if arguments.json else f"  {_line(result)}. {exercise.why}")
    right = sum(result.is_right for result in results)
    if arguments.json:
        _print(json.dumps({"summary": {"exercises": len(results), "as_expected": right}}))
    else:
        _print(f"\n  {right} of {len(results)} as expected; nothing of this session was kept")
        for result in results:
            _print(f"  {_line(result)}")
    return 0


def _open(session: DemoRun, *, as_json: bool) -> None:
    """Tell where the pages are, and with which one-time passwords."""
    ports, passwords = session.site.ports, session.site.provisioned.passwords
    console = f"http://127.0.0.1:{ports.console}"
    pages = {
        "guard_console": f"{console}/guard",
        "customs_desk": f"{console}/desk",
        "traveller_screen": f"{console}/lane/1/screen",
        "portal": f"http://127.0.0.1:{ports.portal}/",
    }
    officers = {officer_id: passwords[officer_id] for officer_id in ("guard-1", "customs-1")}
    if as_json:
        _print(json.dumps({"training": pages, "passwords": officers}))
        return
    _print("eGate training: no real travellers, no real devices, and no record leaves this machine.\n")
    for name, place in (pages | officers).items():
        _print(f"  {name.replace('_', ' '):<17} {place}")


def _line(result: ExerciseResult) -> str:
    mark = "ok  " if result.is_right else "look"
    took = "" if result.seconds is None else f" after {result.seconds:.0f} s"
    return f"{mark} {result.exercise:<16} expected {result.expected}, decided {result.decided}{took}"


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
