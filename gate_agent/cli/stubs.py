"""`egate stubs`: close the stubs of unaccompanied goods by the barcodes of the parcels that bring them.

A line is what a barcode reader types: the number under a CN 22 or CN 23 barcode (UPU S10), and behind a space the number of the stub
where it stands on the papers instead of having been announced.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gate_agent.cli.portal import open_book
from gate_agent.clock import Clock, SystemClock
from gate_agent.domain.parcel import is_postal_item
from gate_agent.settings import SITE_FILE, load
from gate_agent.web.portal.book import Book

SUMMARY = "close stubs of unaccompanied goods by parcel barcodes, one a line on standard input"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("--config", type=Path, default=SITE_FILE, metavar="FILE", help="site file of the portal")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")


def run(arguments: argparse.Namespace) -> int:
    """Answer every line. Returns 0."""
    settings = load(arguments.config)
    book, clock = open_book(settings), SystemClock()
    today = clock.now().astimezone(ZoneInfo(settings.gate.time_zone)).date()
    for answer in answers(sys.stdin, book, clock, today):
        text = " ".join(str(answer[name]) for name in ("parcel", "result", "stub_id") if answer[name])
        print(json.dumps(answer) if arguments.json else text, flush=True)
    return 0


def answers(lines: Iterable[str], book: Book, clock: Clock, today: date) -> Iterator[dict[str, Any]]:
    """Close the stub of each line and say so: `closed`, `unknown`, or `malformed` for a wrong check digit."""
    for line in lines:
        parcel, _space, stub_id = line.strip().upper().partition(" ")
        if not parcel:
            continue
        if not is_postal_item(parcel):
            yield {"parcel": parcel, "result": "malformed", "stub_id": ""}
            continue
        found = book.arrived(clock.now(), today, parcel, stub_id.strip())
        yield {
            "parcel": parcel,
            "result": "unknown" if found is None else found.state,
            "stub_id": "" if found is None else found.stub_id,
        }
