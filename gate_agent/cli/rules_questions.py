"""Questions to a rulebook as `egate rules` takes them: one JSON object, its members checked, and the answer line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from gate_agent.cli.rules_reading import LARGEST_QUESTION_BYTES, QuestionRefused, load
from gate_agent.domain.declaration import Declaration, DeclaredGoods, Direction, TravelMode
from gate_agent.domain.money import Money
from gate_agent.domain.stay import Stay
from gate_agent.policy.cash import cash as sum_of_cash
from gate_agent.policy.corridor import corridor
from gate_agent.policy.duty import duty
from gate_agent.policy.registration import RegistrationDeadline, registration_deadline
from gate_agent.policy.rulebook import Rate, Rule, Rulebook, RuleNotFound
from gate_agent.policy.stay_rules import allowed_stay, check_stay, is_unlimited, stay_rule

_MEMBERS = {
    "duty": {"direction", "mode", "date", "days_abroad", "goods", "travellers"},
    "stay": {"nationality", "entered_on", "exit_on", "stays"},
    "corridor": {"direction", "mode", "date", "days_abroad", "goods", "cash"},
}
_GOODS_MEMBERS = {"description", "value_usd", "value", "currency", "mass_kg", "kind", "quantity", "owner"}
_STAY_MEMBERS = {"entered_on", "exited_on"}
_CASH_MEMBERS = {"amount", "currency"}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AMOUNT = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,9})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_NATIONALITY = re.compile(r"[A-Z]{1,3}")


def answer(kind: str, rulebook: Rulebook, asked: bytes) -> list[dict[str, object]]:
    """Return the answer to a question of a kind (`duty`, `stay`, `corridor`). Raises `QuestionRefused`."""
    question = load(asked, LARGEST_QUESTION_BYTES)
    _refuse_unknown(kind, question, _MEMBERS[kind])
    return {"duty": _duty, "stay": _stay, "corridor": _corridor}[kind](rulebook, question)


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
    return _whole(question, "days_abroad")


def _whole(members: dict[str, Any], name: str, least: int = 0) -> int | None:
    """Return a whole number, None when it is not there."""
    value = members.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not least <= value < 10**12):
        raise QuestionRefused(f"{name}: a whole number from {least} on is expected")
    return value


def _currency(line: dict[str, Any]) -> str:
    written = line["currency"]
    if not isinstance(written, str) or not _CURRENCY.fullmatch(written):
        raise QuestionRefused("currency: an ISO 4217 code is expected")
    return written


def _goods(line: dict[str, Any]) -> DeclaredGoods:
    """Return one line of goods; its value is `value_usd`, or `value` in a `currency`."""
    if "value_usd" not in line and "value" not in line:
        raise QuestionRefused("value_usd: is missing, or value with its currency")
    if "value_usd" in line and "value" in line:
        raise QuestionRefused("value_usd and value: a line of goods has one of them")
    name, currency = ("value_usd", "USD") if "value_usd" in line else ("value", _currency(line))
    kind = line.get("kind", "")
    if not isinstance(kind, str):
        raise QuestionRefused("kind: the name of a kind of goods of the rulebook is expected")
    return DeclaredGoods(
        str(line.get("description", "")),
        Money(_minor(line[name], 100, name), currency),
        _minor(line.get("mass_kg", "0"), 1000, "mass_kg"),
        kind,
        _whole(line, "quantity"),
        _whole(line, "owner") or 0,
    )


def _known_kinds(rulebook: Rulebook, goods: list[DeclaredGoods]) -> None:
    """Refuse a kind that the rulebook does not name: a slip would take the goods out of every rule about their kind."""
    for line in goods:
        if line.kind and line.kind not in rulebook.goods_kinds:
            raise QuestionRefused(
                f"kind: {line.kind!r} is none of {', '.join(rulebook.goods_kinds) or 'this rulebook'}"
            )


def _used(rule: Rule | None) -> dict[str, object]:
    if rule is None:
        return {"rule_id": None, "effective_from": None}
    return {"rule_id": rule.rule_id, "effective_from": rule.effective_from.isoformat(), "certainty": rule.certainty}


def _declared(question: dict[str, Any]) -> tuple[Any, Any, date, list[Any], list[Any]]:
    try:
        direction, mode = Direction(question.get("direction", "entry")), TravelMode(question["mode"])
        goods = [_goods(line) for line in _lines(question, "goods", _GOODS_MEMBERS)]
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
    direction, mode, on, goods, _ = _declared(question)
    _known_kinds(rulebook, goods)
    travellers = _whole(question, "travellers", 1) or 1
    if any(line.owner >= travellers for line in goods):
        raise QuestionRefused(f"owner: one of the {travellers} travellers, counted from 0, is expected")
    answer = duty(rulebook, direction, mode, on, goods, _days_abroad(question), travellers=travellers)
    lines: list[dict[str, object]] = [
        {
            "line": line.name,
            "amount": line.amount,
            "unit": line.unit,
            **({} if line.goods is None else {"goods": line.goods}),
            **_used(line.rule),
        }
        for line in answer.lines
    ]
    lines += _rate_lines(answer.rates)
    officer: dict[str, object] = {"line": "result", "officer": True}
    if answer.missing:
        return [*lines, officer | {"reason": "rule_not_found", "rules": [rule.subject for rule in answer.missing]}]
    if answer.without_rate:
        return [*lines, officer | {"reason": "cash_rate_missing", "currencies": list(answer.without_rate)}]
    if answer.without_quantity:
        return [*lines, officer | {"reason": "goods_quantity_missing", "kinds": list(answer.without_quantity)}]
    currency = rulebook.valuation_currency.lower()
    sums = {"value": answer.value, "allowance": answer.allowance, "excess": answer.excess, "due": answer.due}
    amounts = {f"{name}_{currency}": _decimal(amount.amount_minor) for name, amount in sums.items()}
    return [*lines, {"line": "result", **amounts, "rulebook_version": rulebook.version}]


def _rate_lines(rates: Iterable[Rate]) -> list[dict[str, object]]:
    """Say by which rates, and of which day; the age of a rate is shown."""
    return [
        {
            "line": "rate",
            "currency": rate.currency,
            "date": rate.on.isoformat(),
            "national_minor_per_unit": rate.national_minor_per_unit,
        }
        for rate in dict.fromkeys(rates)
    ]


def _stay(rulebook: Rulebook, question: dict[str, Any]) -> list[dict[str, object]]:
    nationality, entered_on = question.get("nationality"), _day(question, "entered_on")
    if not isinstance(nationality, str) or not _NATIONALITY.fullmatch(nationality):
        raise QuestionRefused("nationality: the one to three capital letters of a machine readable zone are expected")
    if is_unlimited(rulebook, nationality, entered_on):
        unlimited = rulebook.find("unlimited_stay", entered_on, person_kind=nationality)
        return [
            {"line": "result", "unlimited": True, **_used(None if isinstance(unlimited, RuleNotFound) else unlimited)}
        ]
    rule = stay_rule(rulebook, nationality, entered_on)
    if isinstance(rule, RuleNotFound):
        return [{"line": "result", "officer": True, "reason": "stay_no_rule", "nationality": nationality}]
    stays = [
        Stay(_day(line, "entered_on"), _day(line, "exited_on") if "exited_on" in line else None, "question")
        for line in _lines(question, "stays", _STAY_MEMBERS)
    ]
    allowed = allowed_stay(rulebook, rule, entered_on, stays)
    answer: dict[str, object] = {
        "line": "result",
        "last_day": allowed.last_day.isoformat() if allowed.days else None,
        "days": allowed.days,
        **_used(rule),
    }
    registration = registration_deadline(rulebook, nationality, entered_on)
    if isinstance(registration, RegistrationDeadline):
        answer["registration_deadline"] = registration.last_day.isoformat()
        answer["registration_rule_id"] = registration.rule.rule_id
    if "exit_on" in question:
        exit_on = _day(question, "exit_on")
        result = check_stay(
            Direction.EXIT, nationality, [*stays, Stay(entered_on, None, "question")], exit_on, rulebook
        )
        answer["result"] = result.outcome.value
        answer["reasons"] = [{"code": reason.code.value, **reason.parameters} for reason in result.reasons]
    return [answer]


def _corridor(rulebook: Rulebook, question: dict[str, Any]) -> list[dict[str, object]]:
    direction, mode, on, goods, cash = _declared(question)
    _known_kinds(rulebook, goods)
    moment = datetime(on.year, on.month, on.day, tzinfo=UTC)
    declaration = Declaration(b"", "", moment, moment, direction, mode, tuple(goods), tuple(cash))
    answer = corridor(rulebook, direction, mode, on, declaration, days_abroad=_days_abroad(question))
    lines: list[dict[str, object]] = [
        {"line": "rule", "rule_id": rule.rule_id, "effective_from": rule.effective_from.isoformat()}
        for rule in answer.rules
    ]
    lines += _rate_lines(sum_of_cash(rulebook, direction, on, cash).rates)
    result: dict[str, object] = {
        "line": "result",
        "corridor": answer.corridor.value,
        "reasons": [{"code": reason.code.value, **reason.parameters} for reason in answer.reasons],
        "rulebook_version": rulebook.version,
    }
    return [*lines, result]


def _decimal(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"
