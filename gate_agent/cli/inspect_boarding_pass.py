"""`egate inspect boarding-pass`: read boarding passes (IATA BCBP), one per line on standard input."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from typing import Any

from gate_agent.cli.input_lines import input_lines

SUMMARY = "read boarding passes, one per line on standard input"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--today",
        type=date.fromisoformat,
        metavar="DATE",
        help="the day that flight dates are near to (default: today)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per pass")


def run(arguments: argparse.Namespace) -> int:
    """Answer every line that is not blank. Returns 0."""
    from gate_agent.clock import SystemClock
    from gate_agent.inspection.boarding_pass_format import PASS_LIMIT_CHARACTERS

    today: date = arguments.today or SystemClock().now().date()
    for line in input_lines(sys.stdin.buffer, 2 * PASS_LIMIT_CHARACTERS):
        answer = inspect_line(line, today)
        print(json.dumps(answer, ensure_ascii=True) if arguments.json else _as_text(answer), flush=True)
    return 0


def inspect_line(payload: bytes, today: date) -> dict[str, Any]:
    """Return `result`, `fields`, `reasons`, `problem` (what is malformed and where; empty when nothing) and `ms` of one pass."""
    from gate_agent.inspection.boarding_pass import inspect_boarding_pass

    inspection = inspect_boarding_pass(payload, today)
    found = inspection.boarding_pass
    fields: dict[str, Any] = {
        "primary_identifier": found.primary_identifier,
        "secondary_identifier": found.secondary_identifier,
        "electronic_ticket": found.is_electronic_ticket,
        "version": found.version,
        "date_of_issue": found.date_of_issue.isoformat() if found.date_of_issue else None,
        **found.items,
        "bag_tags": list(found.bag_tags),
        "security_type": found.security_type,
        "security_characters": found.security_characters,
        "legs": [
            {
                "booking_reference": leg.booking_reference,
                "from_airport": leg.from_airport,
                "to_airport": leg.to_airport,
                "operating_carrier": leg.operating_carrier,
                "flight_number": leg.flight_number,
                "day_of_year": leg.day_of_year,
                "flight_date": leg.flight_date.isoformat() if leg.flight_date else None,
                "compartment": leg.compartment,
                "seat": leg.seat,
                "check_in_sequence": leg.check_in_sequence,
                "passenger_status": leg.passenger_status,
                **leg.items,
            }
            for leg in found.legs
        ],
    }
    return {
        "result": inspection.result.outcome.value,
        "fields": fields if found.primary_identifier else {},
        "reasons": [reason.code.value for reason in inspection.result.reasons],
        "problem": found.problem,
        "ms": round(inspection.result.duration_ms, 3),
    }


def _as_text(answer: dict[str, Any]) -> str:
    fields = answer["fields"]
    flights = [
        f"{leg['operating_carrier']}{leg['flight_number']} {leg['from_airport']}-{leg['to_airport']} {leg['flight_date']}"
        for leg in fields.get("legs", ())
    ]
    name = f"{fields['primary_identifier']}/{fields['secondary_identifier']}" if fields else ""
    words = [answer["result"], name, ", ".join(flights), answer["problem"]]
    return "  ".join(word for word in words if word)
