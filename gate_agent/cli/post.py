"""`egate post`: what the gates of one border post share: seal trackers, facts between the gates, large downloads."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from gate_agent import logs
from gate_agent.clock import SystemClock
from gate_agent.errors import SettingsFault
from gate_agent.settings import SITE_FILE, load_post

SUMMARY = "run a border post: seal trackers, facts between its gates, cache of large downloads"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument(
        "--config", type=Path, default=SITE_FILE, metavar="FILE", help="site file; its gates may stand in it"
    )
    parser.add_argument("--json", action="store_true", help="print the address as a JSON line once it listens")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    from gate_agent.app.post import Post

    settings = load_post(arguments.config)
    logs.configure("post")

    def listening(address: str) -> None:
        print(json.dumps({"address": address}) if arguments.json else f"post on {address}", flush=True)

    try:
        asyncio.run(Post(settings, SystemClock()).run(listening))
    except OSError as error:
        raise SettingsFault(f"{settings.post.listen}:{settings.post.port}: {error.strerror}") from error
    return 0
