"""`egate rules`: ask the rulebook by hand, and lint, sign or verify one."""

from __future__ import annotations

import argparse
import json
import re
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate_agent.clock import SystemClock
from gate_agent.errors import EgateError

if TYPE_CHECKING:
    from gate_agent.policy.rulebook import Rule, Rulebook

SUMMARY = "ask a rulebook (duty, stay, corridor) or lint, sign and verify one"

_HELP = """questions are JSON on standard input, one object:
  duty      {"direction": "entry", "mode": "air", "date": "2025-05-01", "days_abroad": 5,
             "goods": [{"description": "clothes", "value_usd": "1200.00", "mass_kg": "10"}]}
  stay      {"nationality": "UTO", "entered_on": "2026-11-01", "exit_on": "2026-11-20"}
  corridor  as duty, and "cash": [{"amount": "15000", "currency": "USD"}]
"""


_MEMBERS = {
    "duty": {"direction", "mode", "date", "days_abroad", "goods"},
    "stay": {"nationality", "entered_on", "exit_on"},
    "corridor": {"direction", "mode", "date", "days_abroad", "goods", "cash"},
}
_GOODS_MEMBERS = {"description", "value_usd", "mass_kg"}
_CASH_MEMBERS = {"amount", "currency"}
_LARGEST_QUESTION_BYTES = 1_000_000
_LARGEST_RULEBOOK_BYTES = 4_000_000
_LARGEST_BUNDLE_BYTES = 8_000_000
_LONGEST_VALIDITY_DAYS = 3660
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AMOUNT = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,9})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_NATIONALITY = re.compile(r"[A-Z]{1,3}")


class QuestionRefused(EgateError):
    """The question on standard input is not one."""

    code = "EG-RUL-001"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the kinds of question."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _HELP
    parser.add_argument("kind", choices=("duty", "stay", "corridor", "lint", "sign", "verify"))
    parser.add_argument("file", nargs="?", type=Path, help="rulebook for lint and sign, bundle for verify")
    parser.add_argument("--rulebook", type=Path, help="plain JSON rulebook to ask (default: the one that ships)")
    parser.add_argument("--key", type=Path, help="rulebook key: private to sign, public to verify (PEM)")
    parser.add_argument("--days", type=int, default=366, help="validity of a signed bundle (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line (the default output is the same)")


def run(arguments: argparse.Namespace) -> int:
    """Answer one question, or work on a rulebook file."""
    from gate_agent.policy.errors import RulebookRefused

    work = {"lint": _lint, "sign": _sign, "verify": _verify}.get(arguments.kind)
    if work is not None:
        return work(arguments)
    try:
        rulebook = _rulebook(arguments.rulebook)
        question = _question(arguments.kind)
        lines = {"duty": _duty, "stay": _stay, "corridor": _corridor}[arguments.kind](rulebook, question)
    except RulebookRefused as error:
        raise QuestionRefused(str(error), code=error.code) from error
    for line in lines:
        print(json.dumps(line, ensure_ascii=False))
    return 0


def _load(content: bytes, max_bytes: int = _LARGEST_RULEBOOK_BYTES) -> dict[str, Any]:
    from central_sync import strict_json
    from central_sync.errors import StrictJsonError

    try:
        return dict(strict_json.load_object(content, max_bytes=max_bytes))
    except StrictJsonError as error:
        raise QuestionRefused(f"not usable JSON: {error}") from error


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(max_bytes + 1)
    except OSError as error:
        raise QuestionRefused(f"{path}: {error.strerror}") from error
    if len(content) > max_bytes:
        raise QuestionRefused(f"{path}: longer than {max_bytes} bytes")
    return content


def _question(kind: str) -> dict[str, Any]:
    question = _load(sys.stdin.buffer.read(_LARGEST_QUESTION_BYTES + 1), _LARGEST_QUESTION_BYTES)
    _refuse_unknown(kind, question, _MEMBERS[kind])
    return question


def _refuse_unknown(where: str, members: Any, known: set[str]) -> None:
    """Refuse a member that nobody reads: a misspelled `goods` must not become an answer about no goods."""
    if not isinstance(members, dict):
        raise QuestionRefused(f"{where}: an object is expected")
    unknown = sorted(set(members) - known)
    if unknown:
        raise QuestionRefused(f"{where}: not known: {', '.join(unknown)[:200]}")


def _lines(question: dict[str, Any], name: str, known: set[str]) -> list[dict[str, Any]]:
    lines = question.get(name, [])
    if not isinstance(lines, list):
        raise QuestionRefused(f"{name}: a list is expected")
    for line in lines:
        _refuse_unknown(name, line, known)
    return lines


def _rulebook(path: Path | None) -> Rulebook:
    from gate_agent.policy.rulebook import packaged_rulebook_bytes, parse_rulebook

    return parse_rulebook(_load(packaged_rulebook_bytes() if path is None else _read(path, _LARGEST_RULEBOOK_BYTES)))


def _minor(text: object, scale: int, name: str) -> int:
    """Return a decimal text as an integer of `scale` parts; no rounding is done for the asker."""
    written = str(text)
    value = Decimal(written) * scale if _AMOUNT.fullmatch(written) and not isinstance(text, bool) else None
    if value is None or value != value.to_integral_value():
        raise QuestionRefused(f"{name}: a number from 0 on with at most {len(str(scale)) - 1} decimals is expected")
    return int(value)


def _day(question: dict[str, Any], name: str) -> date:
    written = question.get(name)
    try:
        day = date.fromisoformat(written) if isinstance(written, str) and _DAY.fullmatch(written) else None
    except ValueError:
        day = None
    if day is None or not 1900 <= day.year < 2200:
        raise QuestionRefused(f"{name}: a date YYYY-MM-DD from 1900 to 2199 is expected")
    return day


def _days_abroad(question: dict[str, Any]) -> int | None:
    days = question.get("days_abroad")
    if days is not None and (not isinstance(days, int) or isinstance(days, bool) or days < 0):
        raise QuestionRefused("days_abroad: a whole number from 0 on is expected")
    return days


def _currency(line: dict[str, Any]) -> str:
    written = line["currency"]
    if not isinstance(written, str) or not _CURRENCY.fullmatch(written):
        raise QuestionRefused("currency: an ISO 4217 code is expected")
    return written


def _used(rule: Rule | None) -> dict[str, object]:
    if rule is None:
        return {"rule_id": None, "effective_from": None}
    return {"rule_id": rule.rule_id, "effective_from": rule.effective_from.isoformat(), "certainty": rule.certainty}


def _declared(question: dict[str, Any]) -> tuple[Any, Any, date, list[Any], list[Any]]:
    from gate_agent.domain.declaration import DeclaredGoods, Direction, TravelMode
    from gate_agent.domain.money import Money

    try:
        direction, mode = Direction(question.get("direction", "entry")), TravelMode(question["mode"])
        goods = [
            DeclaredGoods(
                str(line.get("description", "")),
                Money(_minor(line["value_usd"], 100, "value_usd"), "USD"),
                _minor(line.get("mass_kg", "0"), 1000, "mass_kg"),
            )
            for line in _lines(question, "goods", _GOODS_MEMBERS)
        ]
        cash = [
            Money(_minor(line["amount"], 100, "amount"), _currency(line))
            for line in _lines(question, "cash", _CASH_MEMBERS)
        ]
    except KeyError as error:
        raise QuestionRefused(f"{error.args[0]}: is missing") from error
    except (TypeError, ValueError) as error:
        raise QuestionRefused(f"direction or mode: {error}") from error
    return direction, mode, _day(question, "date"), goods, cash


def _duty(rulebook: Rulebook, question: dict[str, Any]) -> list[dict[str, object]]:
    from gate_agent.policy.duty import duty

    direction, mode, on, goods, _ = _declared(question)
    answer = duty(rulebook, direction, mode, on, goods, _days_abroad(question))
    lines: list[dict[str, object]] = [
        {"line": line.name, "amount": line.amount, "unit": line.unit, **_used(line.rule)} for line in answer.lines
    ]
    if answer.missing:
        names = [rule.subject for rule in answer.missing]
        return [*lines, {"line": "result", "officer": True, "reason": "rule_not_found", "rules": names}]
    result = {
        "line": "result",
        "value_usd": _usd(answer.value.amount_minor),
        "allowance_usd": _usd(answer.allowance.amount_minor),
        "excess_usd": _usd(answer.excess.amount_minor),
        "due_usd": _usd(answer.due.amount_minor),
        "rulebook_version": rulebook.version,
    }
    return [*lines, result]


def _stay(rulebook: Rulebook, question: dict[str, Any]) -> list[dict[str, object]]:
    from gate_agent.domain.declaration import Direction
    from gate_agent.domain.stay import Stay
    from gate_agent.policy.rulebook import RuleNotFound
    from gate_agent.policy.stay_rules import check_stay, last_day, stay_rule

    nationality, entered_on = question.get("nationality"), _day(question, "entered_on")
    if not isinstance(nationality, str) or not _NATIONALITY.fullmatch(nationality):
        raise QuestionRefused("nationality: the one to three capital letters of a machine readable zone are expected")
    rule = stay_rule(rulebook, nationality, entered_on)
    if isinstance(rule, RuleNotFound):
        return [{"line": "result", "officer": True, "reason": "stay_no_rule", "nationality": nationality}]
    deadline = last_day(rulebook, rule, entered_on)
    answer: dict[str, object] = {"line": "result", "last_day": deadline.isoformat(), "days": rule.value, **_used(rule)}
    if "exit_on" in question:
        exit_on = _day(question, "exit_on")
        result = check_stay(Direction.EXIT, nationality, Stay(entered_on, None, "question"), exit_on, rulebook)
        answer["result"] = result.outcome.value
        answer["reasons"] = [{"code": reason.code.value, **reason.parameters} for reason in result.reasons]
    return [answer]


def _corridor(rulebook: Rulebook, question: dict[str, Any]) -> list[dict[str, object]]:
    from gate_agent.domain.declaration import Declaration
    from gate_agent.policy.cash import cash as sum_of_cash
    from gate_agent.policy.corridor import corridor

    direction, mode, on, goods, cash = _declared(question)
    moment = datetime(on.year, on.month, on.day, tzinfo=UTC)
    declaration = Declaration(b"", "", moment, moment, direction, mode, tuple(goods), tuple(cash))
    answer = corridor(rulebook, direction, mode, on, declaration, days_abroad=_days_abroad(question))
    lines: list[dict[str, object]] = [
        {"line": "rule", "rule_id": rule.rule_id, "effective_from": rule.effective_from.isoformat()}
        for rule in answer.rules
    ]
    lines += [  # the age of a rate is shown
        {
            "line": "rate",
            "currency": rate.currency,
            "date": rate.on.isoformat(),
            "uzs_tiyin_per_unit": rate.uzs_tiyin_per_unit,
        }
        for rate in dict.fromkeys(sum_of_cash(rulebook, direction, on, cash).rates)
    ]
    result: dict[str, object] = {
        "line": "result",
        "corridor": answer.corridor.value,
        "reasons": [{"code": reason.code.value, **reason.parameters} for reason in answer.reasons],
        "rulebook_version": rulebook.version,
    }
    return [*lines, result]


def _usd(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


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
    newest: dict[tuple[str, str, str, str], Rule] = {}
    for rule in rulebook.rules:
        key = (rule.subject, rule.direction, rule.mode, rule.person_kind)
        if key not in newest or newest[key].effective_from < rule.effective_from:
            newest[key] = rule
    found = [
        f"{rule.rule_id}: ended on {rule.effective_to} and has no successor"
        for rule in newest.values()
        if rule.effective_to
    ]
    if not any(rate.currency == "USD" for rate in rulebook.rates):
        found.append("rates: no rate for USD")
    return found


def _sign(arguments: argparse.Namespace) -> int:
    from central_sync.bundles import sign_bundle
    from central_sync.errors import IdentityFault
    from central_sync.identity import read_signing_key
    from gate_agent.policy.errors import RulebookRefused
    from gate_agent.policy.rulebook import parse_rulebook

    if arguments.file is None or arguments.key is None:
        raise QuestionRefused("sign needs a rulebook file and --key")
    if not 1 <= arguments.days <= _LONGEST_VALIDITY_DAYS:
        raise QuestionRefused(f"--days: 1 to {_LONGEST_VALIDITY_DAYS} are expected")
    body = _load(_read(arguments.file, _LARGEST_RULEBOOK_BYTES))
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
    from gate_agent.policy.rulebook import parse_rulebook

    if arguments.file is None or arguments.key is None:
        raise QuestionRefused("verify needs a bundle file and --key")
    content = _read(arguments.file, _LARGEST_BUNDLE_BYTES)
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
