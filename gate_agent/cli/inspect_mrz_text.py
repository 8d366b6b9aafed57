"""`egate inspect mrz-text`: machine readable zones as text, one document per blank-line-separated block of standard input."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator
from datetime import date
from typing import TextIO

from gate_agent.clock import SystemClock

SUMMARY = "check machine readable zones given as text on standard input"

_LONGEST_LINE = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument(
        "--json", action="store_true", help="one JSON object per document (the default output is the same)"
    )
    parser.add_argument(
        "--today", type=date.fromisoformat, default=None, help="judge dates as of this day (YYYY-MM-DD)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Answer for each block."""
    today = arguments.today or SystemClock().now().date()
    if isinstance(sys.stdin, io.TextIOWrapper):  # bytes that are no text make one zone unreadable, not the command fail
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="replace")
    for block in blocks(sys.stdin):
        print(json.dumps(answer(block, today), ensure_ascii=False), flush=True)
    return 0


def blocks(stream: TextIO) -> Iterator[list[str]]:
    """Yield the lines of each document; over-long lines and blocks are cut, which makes them unreadable, never slow."""
    lines: list[str] = []
    while line := stream.readline(_LONGEST_LINE):
        text = line.strip("\r\n")
        is_cut = False
        while line and not line.endswith("\n"):  # the rest of an over-long line is no line of its own
            line = stream.readline(_LONGEST_LINE)
            is_cut = is_cut or line != ""
        if is_cut or text.strip():
            if len(lines) < 8:
                lines.append(text)
        elif lines:
            yield lines
            lines = []
    if lines:
        yield lines


def answer(lines: list[str], today: date) -> dict[str, object]:
    """Return the JSON answer for one document."""
    from gate_agent.domain.check import CheckOutcome
    from gate_agent.domain.mrz import read_mrz

    reading = read_mrz(lines, today)
    document = reading.document
    return {
        "valid": document is not None and all(digit.outcome is CheckOutcome.SUCCESSFUL for digit in reading.digits),
        "format": reading.format.value if reading.format else None,
        "fields": {
            "document_code": document.document_code,
            "issuing_state": document.issuing_state,
            "document_number": document.document_number,
            "nationality": document.nationality,
            "primary_identifier": document.primary_identifier,
            "secondary_identifier": document.secondary_identifier,
            "date_of_birth": document.date_of_birth.isoformat() if document.date_of_birth else None,
            "sex": document.sex,
            "date_of_expiry": document.date_of_expiry.isoformat() if document.date_of_expiry else None,
            "optional_data": document.optional_data,
            "optional_data_2": document.optional_data_2,
            "name_may_be_truncated": document.name_may_be_truncated,
        }
        if document
        else {},
        "checks": {digit.field: digit.outcome.value for digit in reading.digits},
        "reasons": [{"code": reason.code.value, **reason.parameters} for reason in reading.problems],
    }
