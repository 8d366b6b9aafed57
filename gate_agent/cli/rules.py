"""`egate rules`: ask the rulebook by hand, and lint, compare, sign or verify one."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gate_agent.cli.rules_reading import (
    LARGEST_BUNDLE_BYTES,
    LARGEST_QUESTION_BYTES,
    LARGEST_RULEBOOK_BYTES,
    QuestionRefused,
    load,
    read,
)
from gate_agent.clock import SystemClock

if TYPE_CHECKING:
    from gate_agent.policy.rulebook import Rule, Rulebook

SUMMARY = "ask a rulebook (duty, stay, corridor, eligibility); lint, compare, sign and verify one; audit draws, count corridors, tell what shifts"

_HELP = """questions are JSON on standard input, one object:
  duty      {"direction": "entry", "mode": "air", "date": "2025-05-01", "days_abroad": 5, "travellers": 1,
             "goods": [{"description": "clothes", "value_usd": "1200.00", "mass_kg": "10"},
                       {"kind": "alcohol", "quantity": 1500, "value": "60", "currency": "EUR", "owner": 0}]}
  stay      {"nationality": "UTO", "entered_on": "2026-11-01", "exit_on": "2026-11-20",
             "stays": [{"entered_on": "2026-01-01", "exited_on": "2026-01-30"}]}
  eligibility  {"direction": "entry", "mode": "air", "date": "2026-06-01", "nationality": "XXA", "document_kind": "passport",
                "permits": [{"kind": "electronic_visa", "issued_by": "UZB", "valid_from": "2026-05-20"}]}
  corridor  as duty, and "cash": [{"amount": "15000", "currency": "USD"}], "screening": "alarm",
             "seals": [{"seal_id": "S-1", "state": "unknown", "doubt": "silent"}],
             "selection": {"draw": {"number": 7, "value": 512345678}, "crossings": 1000, "by_rule": 30, "at_random": 118,
                           "inspections": [{"date": "2025-04-01", "finding": "nothing_found"}],
                           "crossing_days": ["2025-04-28"], "upheld": {"trust_category": "2025-04-02"}}
"""


_LONGEST_VALIDITY_DAYS = 3660


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the kinds of question."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _HELP
    parser.add_argument("kind", choices=(*_QUESTIONS, *_WORK))
    parser.add_argument("file", nargs="?", type=Path, help="rulebook for lint, diff, shift and sign, bundle for verify")
    parser.add_argument("new_file", nargs="?", type=Path, help="the newer rulebook, for diff and shift")
    parser.add_argument("--rulebook", type=Path, help="plain JSON rulebook to ask (default: the one that ships)")
    parser.add_argument(
        "--journal",
        help="records for audit-draws, corridor-report and shift: a file of one record per line, - for standard input,"
        " the folder of a gate's store, or the URL of the centre's database",
    )
    parser.add_argument(
        "--day", type=date.fromisoformat, help="only this local day (audit-draws, corridor-report, shift)"
    )
    parser.add_argument("--gate", help="only this gate, as country/post/gate (audit-draws, corridor-report, shift)")
    shift = parser.add_argument_group("shift")
    shift.add_argument(
        "--cases", help="sample cases instead of a journal: questions as above, one per line; - for standard input"
    )
    shift.add_argument("--since", type=date.fromisoformat, help="only from this local day on")
    shift.add_argument("--until", type=date.fromisoformat, help="only up to this local day")
    shift.add_argument("--on", type=date.fromisoformat, help="as though everybody had crossed on this local day")
    shift.add_argument("--examples", type=int, default=5, help="ids to name of each direction (default: %(default)s)")
    parser.add_argument("--key", type=Path, help="rulebook key: private to sign, public to verify (PEM)")
    parser.add_argument("--days", type=int, default=366, help="validity of a signed bundle (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line (the default output is the same)")


def run(arguments: argparse.Namespace) -> int:
    """Answer one question, or work on a rulebook file."""
    if arguments.kind in _WORK:
        return _WORK[arguments.kind](arguments)
    from gate_agent.cli.rules_questions import answer

    rulebook = _rulebook(arguments.rulebook)
    for line in answer(arguments.kind, rulebook, sys.stdin.buffer.read(LARGEST_QUESTION_BYTES + 1)):
        print(json.dumps(line, ensure_ascii=False))
    return 0


def _rulebook(path: Path | None) -> Rulebook:
    from gate_agent.policy.errors import RulebookRefused
    from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook

    body = load(packaged_rulebook_bytes() if path is None else read(path, LARGEST_RULEBOOK_BYTES))
    try:
        return parse_rulebook(body)
    except RulebookRefused as error:
        raise QuestionRefused(str(error), code=error.code) from error


def _lint(arguments: argparse.Namespace) -> int:
    try:
        rulebook = _rulebook(arguments.file or arguments.rulebook)
    except QuestionRefused as error:
        print(json.dumps({"finding": str(error), "code": error.code}))
        return 1
    findings = _gaps(rulebook)
    for finding in findings:
        print(json.dumps({"finding": finding}))
    return 1 if findings else 0


def _gaps(rulebook: Rulebook) -> list[str]:
    """Return what a careful reader would ask about: a rule that ended without a successor, a rate that is missing."""
    newest: dict[tuple[str, ...], Rule] = {}
    for rule in rulebook.rules:
        key = (
            rule.subject, rule.direction, rule.mode, rule.person_kind, rule.goods_kind, rule.document_kind, rule.issuing_state,
        )  # fmt: skip
        if key not in newest or newest[key].effective_from < rule.effective_from:
            newest[key] = rule
    found = [
        f"{rule.rule_id}: ended on {rule.effective_to} and has no successor"
        for rule in newest.values()
        if rule.effective_to
    ]
    found += _years_without_holidays(rulebook, SystemClock().now().year)
    valuation = rulebook.valuation_currency
    if valuation != rulebook.national_currency and not any(rate.currency == valuation for rate in rulebook.rates):
        found.append(f"rates: no rate for {valuation}, in which goods are valued")
    return found


def _years_without_holidays(rulebook: Rulebook, year: int) -> list[str]:
    """Return this year and the next where working days are counted and no decree of holidays was entered."""
    counting = [rule for rule in rulebook.rules if rule.unit == "working_days"]
    known = {holiday.year for holiday in rulebook.holidays}
    return [
        f"holidays: none in {one}, although {rule.rule_id} counts working days then"
        for one in (year, year + 1)
        if one not in known
        for rule in counting
        if rule.effective_from.year <= one and (rule.effective_to is None or one <= rule.effective_to.year)
    ]


def _diff(arguments: argparse.Namespace) -> int:
    from gate_agent.policy.rulebook_changes import changes

    for change in changes(*_both(arguments)):
        print(json.dumps(asdict(change), ensure_ascii=False))
    return 0


def _both(arguments: argparse.Namespace) -> tuple[Rulebook, Rulebook]:
    if arguments.file is None or arguments.new_file is None:
        raise QuestionRefused(f"{arguments.kind} needs the older and the newer rulebook")
    return _rulebook(arguments.file), _rulebook(arguments.new_file)


def _shift(arguments: argparse.Namespace) -> int:
    from gate_agent.cli.rules_shift import shift
    from gate_agent.policy.rulebook_comparison import RulebookComparison

    for line in shift(arguments, RulebookComparison(*_both(arguments))):
        print(json.dumps(line, ensure_ascii=False))
    return 0


def _sign(arguments: argparse.Namespace) -> int:
    from central_sync.bundles import sign_bundle
    from central_sync.errors import IdentityFault
    from central_sync.identity import read_signing_key
    from gate_agent.policy.errors import RulebookRefused
    from gate_agent.policy.rulebook_format import parse_rulebook

    if arguments.file is None or arguments.key is None:
        raise QuestionRefused("sign needs a rulebook file and --key")
    if not 1 <= arguments.days <= _LONGEST_VALIDITY_DAYS:
        raise QuestionRefused(f"--days: 1 to {_LONGEST_VALIDITY_DAYS} are expected")
    body = load(read(arguments.file, LARGEST_RULEBOOK_BYTES))
    try:
        rulebook = parse_rulebook(body)
        key = read_signing_key(arguments.key)
    except (RulebookRefused, IdentityFault) as error:
        raise QuestionRefused(str(error), code=error.code) from error
    now = SystemClock().now()
    signed = sign_bundle("rulebook", rulebook.version, now, now + timedelta(days=arguments.days), body, key)
    sys.stdout.buffer.write(signed)
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from central_sync.bundles import verify_bundle
    from central_sync.errors import BundleRefused, IdentityFault
    from central_sync.identity import read_verification_key
    from gate_agent.policy.errors import RulebookRefused
    from gate_agent.policy.rulebook_format import parse_rulebook

    if arguments.file is None or arguments.key is None:
        raise QuestionRefused("verify needs a bundle file and --key")
    content = read(arguments.file, LARGEST_BUNDLE_BYTES)
    try:
        key = read_verification_key(arguments.key)
    except IdentityFault as error:
        raise QuestionRefused(str(error), code=error.code) from error
    try:
        bundle = verify_bundle(content, [key], SystemClock().now(), "rulebook")
        rulebook = parse_rulebook(bundle.body)
    except (BundleRefused, RulebookRefused) as error:
        print(json.dumps({"result": "failed", "code": error.code, "reason": str(error)}))
        return 1
    print(
        json.dumps(
            {
                "result": "successful",
                "version": rulebook.version,
                "valid_from": bundle.valid_from.isoformat(),
                "expires": bundle.expires.isoformat(),
                "rules": len(rulebook.rules),
            }
        )
    )
    return 0


def _journal(arguments: argparse.Namespace) -> str:
    if arguments.journal is None:
        raise QuestionRefused(f"{arguments.kind} needs --journal")
    return str(arguments.journal)


def _audit_draws(arguments: argparse.Namespace) -> int:
    from gate_agent.cli.draw_audit import audit
    from gate_agent.cli.journal_source import read_journal

    rulebook = _rulebook(arguments.rulebook)
    lines = audit(read_journal(_journal(arguments)), rulebook, day=arguments.day, gate=arguments.gate)
    for line in lines:
        print(json.dumps(line))
    return 1 if any(line["result"] == "failed" for line in lines) else 0


def _corridor_report(arguments: argparse.Namespace) -> int:
    from gate_agent.cli.corridor_report import report
    from gate_agent.cli.journal_source import read_journal

    for line in report(read_journal(_journal(arguments)), day=arguments.day, gate=arguments.gate):
        print(json.dumps(line))
    return 0


_QUESTIONS = ("duty", "stay", "corridor", "eligibility")
_WORK: dict[str, Callable[[argparse.Namespace], int]] = {
    "lint": _lint,
    "diff": _diff,
    "shift": _shift,
    "sign": _sign,
    "verify": _verify,
    "audit-draws": _audit_draws,
    "corridor-report": _corridor_report,
}
