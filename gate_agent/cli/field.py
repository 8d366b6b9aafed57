"""`egate field`: host this gate's network devices for its agent."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from gate_agent import logs, settings
from gate_agent.clock import SystemClock

SUMMARY = "host the network devices of one gate, for its agent, behind an allow-list"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the site file."""
    parser.add_argument("--config", type=Path, default=settings.SITE_FILE, help="site file (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    from gate_agent.app.field import serve

    logs.configure("field")
    asyncio.run(serve(settings.load(arguments.config), SystemClock()))
    return 0
