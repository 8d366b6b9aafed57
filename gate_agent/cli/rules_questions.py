"""Questions to a rulebook as `egate rules` takes them: one JSON object, its members checked, and the answer line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from gate_agent.cli.eligibility_question import MEMBERS as ELIGIBILITY_MEMBERS
from gate_agent.cli.eligibility_question import eligibility_lines, state_of, stays_of
from gate_agent.cli.rules_reading import (
    LARGEST_QUESTION_BYTES,
    QuestionRefused,
    day_of,
    lines_of,
    load,
    refuse_unknown,
    whole_of,
)
from gate_agent.cli.selection_question import MEMBERS as SELECTION_MEMBERS
from gate_agent.cli.selection_question import chance_of, screening_of, seals_of, selection_line
from gate_agent.domain.declaration import Declaration, DeclaredGoods, Direction, TravelMode
from gate_agent.domain.money import Money, minor_digits, plain_text
from gate_agent.domain.stay import Stay
from gate_agent.policy.cash import cash as sum_of_cash
from gate_agent.policy.corridor import corridor
from gate_agent.policy.duty import duty
from gate_agent.policy.registration import RegistrationDeadline, registration_deadline
from gate_agent.policy.rulebook import Rate, Rule, Rulebook, RuleNotFound
from gate_agent.policy.stay_check import check_stay
from gate_agent.policy.stay_rules import allowed_stay, is_unlimited, stay_rule

_MEMBERS = {
    "duty": {"direction", "mode", "date", "days_abroad", "goods", "travellers"},
    "stay": {"nationality", "entered_on", "exit_on", "stays"},
    "eligibility": ELIGIBILITY_MEMBERS,
    "corridor": {"direction", "mode", "date", "days_abroad", "goods", "cash", *SELECTION_MEMBERS},
}
_GOODS_MEMBERS = {"description", "value_usd", "value", "currency", "mass_kg", "kind", "quantity", "owner"}
_CASH_MEMBERS = {"amount", "currency"}
_AMOUNT = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,9})?")
_CURRENCY = re.compile(r"[A-Z]{3}")


class GoodsKindUnknown(QuestionRefused):
    """A line of goods names a kind that this rulebook does not; another one may."""


def answer(kind: str, rulebook: Rulebook, asked: bytes) -> list[dict[str, object]]:
    """Return the answer to a question of a kind (`duty`, `stay`, `corridor`, `eligibility`). Raises `QuestionRefused`."""
    return answered(kind, rulebook, load(asked, LARGEST_QUESTION_BYTES))


def answered(kind: str, rulebook: Rulebook, question: dict[str, Any]) -> list[dict[str, object]]:
    """Return the answer to a question that was read; the last line is the result. Raises `QuestionRefused`."""
    refuse_unknown(kind, question, _MEMBERS[kind])
    kinds = {"duty": _duty, "stay": _stay, "corridor": _corridor, "eligibility": eligibility_lines}
    return kinds[kind](rulebook, question)


def _minor(text: object, scale: int, name: str) -> int:
    """Return a decimal text as an integer of `scale` parts; no rounding is done for the asker."""
    written = str(text)
    value = Decimal(written) * scale if _AMOUNT.fullmatch(written) and not isinstance(text, bool) else None
    if value is None or value != value.to_integral_value():
        raise QuestionRefused(f"{name}: a number from 0 on with at most {len(str(scale)) - 1} decimals is expected")
    return int(value)


def _money(text: object, currency: str, name: str) -> Money:
    return Money(_minor(text, 10 ** minor_digits(currency), name), currency)


def _days_abroad(question: dict[str, Any]) -> int | None:
    return whole_of(question, "days_abroad")


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
        _money(line[name], currency, name),
        _minor(line.get("mass_kg", "0"), 1000, "mass_kg"),
        kind,
        whole_of(line, "quantity"),
        whole_of(line, "owner") or 0,
    )


def _known_kinds(rulebook: Rulebook, goods: list[DeclaredGoods]) -> None:
    """Refuse a kind that the rulebook does not name: a slip would take the goods out of every rule about their kind."""
    for line in goods:
        if line.kind and line.kind not in rulebook.goods_kinds:
            raise GoodsKindUnknown(
                f"kind: {line.kind!r} is none of {', '.join(rulebook.goods_kinds) or 'this rulebook'}"
            )


def _used(rule: Rule | None) -> dict[str, object]:
    if rule is None:
        return {"rule_id": None, "effective_from": None}
    return {"rule_id": rule.rule_id, "effective_from": rule.effective_from.isoformat(), "certainty": rule.certainty}


def _declared(question: dict[str, Any]) -> tuple[Any, Any, date, list[Any], list[Any]]:
    try:
        direction, mode = Direction(question.get("direction", "entry")), TravelMode(question["mode"])
        goods = [_goods(line) for line in lines_of(question, "goods", _GOODS_MEMBERS)]
        cash = [_money(line["amount"], _currency(line), "amount") for line in lines_of(question, "cash", _CASH_MEMBERS)]
    except KeyError as error:
        raise QuestionRefused(f"{error.args[0]}: is missing") from error
    except (TypeError, ValueError) as error:
        raise QuestionRefused(f"direction or mode: {error}") from error
    return direction, mode, day_of(question, "date"), goods, cash


def _duty(rulebook: Rulebook, question: dict[str, Any]) -> list[dict[str, object]]:
    direction, mode, on, goods, _ = _declared(question)
    _known_kinds(rulebook, goods)
    travellers = whole_of(question, "travellers", 1) or 1
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
    amounts = {f"{name}_{currency}": plain_text(amount).partition(" ")[0] for name, amount in sums.items()}
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
    nationality, entered_on = state_of(question, "nationality"), day_of(question, "entered_on")
    if is_unlimited(rulebook, nationality, entered_on):
        unlimited = rulebook.find("unlimited_stay", entered_on, person_kind=nationality)
        return [
            {"line": "result", "unlimited": True, **_used(None if isinstance(unlimited, RuleNotFound) else unlimited)}
        ]
    rule = stay_rule(rulebook, nationality, entered_on)
    if isinstance(rule, RuleNotFound):
        return [{"line": "result", "officer": True, "reason": "stay_no_rule", "nationality": nationality}]
    stays = stays_of(question)
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
        exit_on = day_of(question, "exit_on")
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
    answer = corridor(
        rulebook,
        direction,
        mode,
        on,
        declaration,
        seals_of(question, moment),
        _days_abroad(question),
        screening_of(question),
        chance_of(question, on),
    )
    lines: list[dict[str, object]] = [
        {"line": "rule", "rule_id": rule.rule_id, "effective_from": rule.effective_from.isoformat()}
        for rule in answer.rules
    ]
    lines += _rate_lines(sum_of_cash(rulebook, direction, on, cash).rates)
    lines += [selection_line(answer.selection)] if answer.selection is not None else []
    result: dict[str, object] = {
        "line": "result",
        "corridor": answer.corridor.value,
        "reasons": [{"code": reason.code.value, **reason.parameters} for reason in answer.reasons],
        "rulebook_version": rulebook.version,
    }
    return [*lines, result]
