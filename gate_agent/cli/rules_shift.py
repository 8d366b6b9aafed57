"""`egate rules shift`: how recorded decisions, or sample cases, come out under a newer rulebook."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from gate_agent.cli.journal_source import STANDARD_INPUT, read_journal
from gate_agent.cli.rules_reading import LARGEST_BUNDLE_BYTES, QuestionRefused, read
from gate_agent.cli.shift_of_cases import decided_cases
from gate_agent.cli.shift_of_records import decided_records, transactions
from gate_agent.cli.shift_tally import tallied
from gate_agent.policy.rulebook_comparison import RulebookComparison

_MOST_EXAMPLES = 1_000


def shift(arguments: argparse.Namespace, compared: RulebookComparison) -> list[dict[str, object]]:
    """Return a line about the two rulebooks and what was asked, and one for each kind of decision. Raises `QuestionRefused`."""
    if (arguments.journal is None) == (arguments.cases is None):
        raise QuestionRefused("shift needs --journal or --cases")
    if not 0 <= arguments.examples <= _MOST_EXAMPLES:
        raise QuestionRefused(f"--examples: 0 to {_MOST_EXAMPLES} are expected")
    head: dict[str, object] = {
        "about": "rulebooks",
        "older": compared.older.version,
        "newer": compared.newer.version,
        "on": arguments.on.isoformat() if arguments.on else None,
    }
    if arguments.cases is not None:
        found = list(decided_cases(_lines(arguments.cases), compared, arguments.on))
        return [head | {"cases": len(found)}, *tallied(found, arguments.examples)]
    since, until = (arguments.day, arguments.day) if arguments.day else (arguments.since, arguments.until)
    known = transactions(read_journal(str(arguments.journal)), gate=arguments.gate, since=since, until=until)
    decisions = [one.decision for one in known if one.decision is not None]
    days = [decision.local_date for decision in decisions]
    made_by = Counter(str(decision.rulebook_version) for decision in decisions)
    asked = {
        "decisions": len(decisions),
        "first_day": min(days).isoformat() if days else None,
        "last_day": max(days).isoformat() if days else None,
        "made_by_version": dict(sorted(made_by.items())),
        "begins_later": list(_later(compared, arguments.on, days)),
    }
    return [head | asked, *tallied(decided_records(known, compared, arguments.on), arguments.examples)]


def _later(compared: RulebookComparison, on: date | None, days: Iterable[date]) -> tuple[str, ...]:
    """Return the new rules that begin after every day that was asked about: they can have moved nothing, and `--on` asks about them."""
    asked = [on] if on else list(days)
    return compared.begins_after(max(asked)) if asked else ()


def _lines(source: str) -> list[bytes]:
    if source == STANDARD_INPUT:
        return sys.stdin.buffer.read(LARGEST_BUNDLE_BYTES).splitlines()
    return read(Path(source), LARGEST_BUNDLE_BYTES).splitlines()
