"""Cash: the sum of national and foreign money against the limit above which it must be declared ("more than", not "from")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from gate_agent.domain.declaration import Direction
from gate_agent.domain.money import Money
from gate_agent.policy.rulebook import Rate, Rule, Rulebook, RuleNotFound


@dataclass(frozen=True, slots=True)
class CashAnswer:
    """The sum in the national currency, the limit, and whether it is passed; currencies without a rate are named, never guessed."""

    total: Money
    limit: Rule | RuleNotFound
    is_over: bool
    rates: tuple[Rate, ...]
    currencies_without_rate: tuple[str, ...]


def cash(rulebook: Rulebook, direction: Direction, on: date, amounts: Sequence[Money]) -> CashAnswer:
    """Add the amounts at the newest rates not after `on` and compare with the limit of that day."""
    total, rates, unknown = Money(0, rulebook.national_currency), [], []
    for amount in amounts:
        converted = rulebook.in_national(amount, on)
        if converted is None:
            unknown.append(amount.currency)
            continue
        total += converted[0]
        if converted[1] is not None:
            rates.append(converted[1])
    limit = rulebook.find("cash_declaration", on, direction=direction.value)
    is_over = isinstance(limit, Rule) and total.amount_minor > limit.value
    return CashAnswer(total, limit, is_over, tuple(rates), tuple(dict.fromkeys(unknown)))
