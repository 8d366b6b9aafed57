"""`egate demo`: the whole house on one machine, with fictitious travellers."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from pathlib import Path

SUMMARY = "run everything on this machine with twins of the devices and fictitious travellers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the demo's options."""
    parser.add_argument("--travellers", type=int, default=24, metavar="N", help="how many travellers (default: 24)")
    parser.add_argument(
        "--exit", action="store_true", help="end after the last traveller; exit 0 only if all is as expected"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the pauses between steps")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument(
        "--state", type=Path, metavar="FOLDER", help="keep the demo's site in this folder (default: thrown away)"
    )
    parser.add_argument(
        "--mosquitto", default="", metavar="PATH", help="run this mosquitto instead of the embedded broker"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    logging.disable(logging.WARNING)  # the embedded broker's chatter
    try:
        return asyncio.run(_run(arguments))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130 if arguments.exit else 0  # somebody ended it: with --exit that proves nothing


async def _run(arguments: argparse.Namespace) -> int:
    from gate_agent.cache import cache_folder
    from gate_agent.clock import SystemClock
    from gate_agent.demo.performance import chosen, running
    from gate_agent.demo.report import Reporter

    this = asyncio.current_task()
    assert this is not None, "runs as the main task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)  # ends its processes, too
    report = Reporter(as_json=arguments.json)
    folder = arguments.state.resolve() if arguments.state else None
    async with running(SystemClock(), cache_folder(), folder, arguments.mosquitto, seed=arguments.seed) as demo:
        report.opening(demo)
        for traveller in chosen(arguments.travellers):
            report.line(await demo.send(traveller))
        delivery = await demo.delivered()
        good = report.closing(demo.lines, delivery, demo.ready_classes(), has_agent_network=demo.has_agent_network)
        if not arguments.exit:
            report.stays_open()
            await asyncio.Event().wait()
    return 0 if good else 1
