"""`egate rules`: ask the rulebook by hand, and lint, compare, sign or verify one."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import timedelta
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

SUMMARY = "ask a rulebook (duty, stay, corridor) or lint, compare, sign and verify one"

_HELP = """questions are JSON on standard input, one object:
  duty      {"direction": "entry", "mode": "air", "date": "2025-05-01", "days_abroad": 5, "travellers": 1,
             "goods": [{"description": "clothes", "value_usd": "1200.00", "mass_kg": "10"},
                       {"kind": "alcohol", "quantity": 1500, "value": "60", "currency": "EUR", "owner": 0}]}
  stay      {"nationality": "UTO", "entered_on": "2026-11-01", "exit_on": "2026-11-20",
             "stays": [{"entered_on": "2026-01-01", "exited_on": "2026-01-30"}]}
  corridor  as duty, and "cash": [{"amount": "15000", "currency": "USD"}]
"""


_LONGEST_VALIDITY_DAYS = 3660


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the kinds of question."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _HELP
    parser.add_argument("kind", choices=("duty", "stay", "corridor", "lint", "diff", "sign", "verify"))
    parser.add_argument("file", nargs="?", type=Path, help="rulebook for lint, diff and sign, bundle for verify")
    parser.add_argument("new_file", nargs="?", type=Path, help="the newer rulebook, for diff")
    parser.add_argument("--rulebook", type=Path, help="plain JSON rulebook to ask (default: the one that ships)")
    parser.add_argument("--key", type=Path, help="rulebook key: private to sign, public to verify (PEM)")
    parser.add_argument("--days", type=int, default=366, help="validity of a signed bundle (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line (the default output is the same)")


def run(arguments: argparse.Namespace) -> int:
    """Answer one question, or work on a rulebook file."""
    from gate_agent.policy.errors import RulebookRefused

    work = {"lint": _lint, "diff": _diff, "sign": _sign, "verify": _verify}.get(arguments.kind)
    if work is not None:
        return work(arguments)
    from gate_agent.cli.rules_questions import answer

    try:
        rulebook = _rulebook(arguments.rulebook)
        lines = answer(arguments.kind, rulebook, sys.stdin.buffer.read(LARGEST_QUESTION_BYTES + 1))
    except RulebookRefused as error:
        raise QuestionRefused(str(error), code=error.code) from error
    for line in lines:
        print(json.dumps(line, ensure_ascii=False))
    return 0


def _rulebook(path: Path | None) -> Rulebook:
    from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook

    return parse_rulebook(load(packaged_rulebook_bytes() if path is None else read(path, LARGEST_RULEBOOK_BYTES)))


def _lint(arguments: argparse.Namespace) -> int:
    from gate_agent.policy.errors import RulebookRefused

    try:
        rulebook = _rulebook(arguments.file or arguments.rulebook)
    except (RulebookRefused, QuestionRefused) as error:
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
        key = (rule.subject, rule.direction, rule.mode, rule.person_kind, rule.goods_kind)
        if key not in newest or newest[key].effective_from < rule.effective_from:
            newest[key] = rule
    found = [
        f"{rule.rule_id}: ended on {rule.effective_to} and has no successor"
        for rule in newest.values()
        if rule.effective_to
    ]
    valuation = rulebook.valuation_currency
    if valuation != rulebook.national_currency and not any(rate.currency == valuation for rate in rulebook.rates):
        found.append(f"rates: no rate for {valuation}, in which goods are valued")
    return found


def _diff(arguments: argparse.Namespace) -> int:
    from gate_agent.policy.errors import RulebookRefused
    from gate_agent.policy.rulebook_changes import changes

    if arguments.file is None or arguments.new_file is None:
        raise QuestionRefused("diff needs the older and the newer rulebook")
    try:
        found = changes(_rulebook(arguments.file), _rulebook(arguments.new_file))
    except RulebookRefused as error:
        raise QuestionRefused(str(error), code=error.code) from error
    for change in found:
        print(json.dumps(asdict(change), ensure_ascii=False))
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
