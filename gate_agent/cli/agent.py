"""`egate agent`: run one gate."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from gate_agent import logs, settings
from gate_agent.clock import SystemClock

SUMMARY = "run one gate: devices, decision, store, lane API and sync API"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the site file."""
    parser.add_argument("--config", type=Path, default=settings.SITE_FILE, help="site file (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    from gate_agent.app.agent import Agent

    logs.configure("agent")
    asyncio.run(Agent(settings.load(arguments.config), SystemClock()).run())
    return 0
