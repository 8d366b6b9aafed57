"""The customs corridor: green, yellow or red with at most five reasons. It never changes who is admitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from gate_agent.domain.crossing import Corridor, RuleUse
from gate_agent.domain.declaration import Declaration, Direction, TravelMode
from gate_agent.domain.money import Money
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.seal import SealDoubt, SealReport, SealState
from gate_agent.policy.cash import cash
from gate_agent.policy.duty import duty
from gate_agent.policy.rulebook import Rule, Rulebook

MOST_REASONS = 5
_BY_KIND = {
    "prohibited": ReasonCode.GOODS_PROHIBITED,
    "permit_required": ReasonCode.GOODS_PERMIT_REQUIRED,
    "quantity_allowance": ReasonCode.QUANTITY_OVER_ALLOWANCE,
    "declaration_quantity": ReasonCode.GOODS_TO_BE_DECLARED,
}
_RANK = {Corridor.GREEN: 0, Corridor.YELLOW: 1, Corridor.RED: 2}


@dataclass(frozen=True, slots=True)
class CorridorAnswer:
    """The corridor, why, and by which rules."""

    corridor: Corridor
    reasons: tuple[Reason, ...]
    rules: tuple[RuleUse, ...]


def corridor(
    rulebook: Rulebook,
    direction: Direction,
    mode: TravelMode,
    on: date,
    declaration: Declaration | None,
    seals: Sequence[SealReport] = (),
    days_abroad: int | None = None,
) -> CorridorAnswer:
    """Return the corridor for a declaration; None means that the traveller walked in without one, so declares nothing.

    `days_abroad` None: the minimum absence is not judged.
    """
    found: list[tuple[Corridor, Reason]] = [_seal(report) for report in seals if report.state is not SealState.INTACT]
    rules: list[Rule] = []
    if declaration is not None:
        found += _cash(rulebook, direction, on, declaration, rules)
        found += _named_goods(rulebook, direction, mode, on, declaration, rules)
        found += _value(rulebook, direction, mode, on, declaration, rules, days_abroad)
    found += [
        (Corridor.YELLOW, Reason(ReasonCode.RULE_CERTAINTY_LOW, {"rule": rule.rule_id}))
        for rule in dict.fromkeys(rules)
        if rule.certainty != "high"
    ]
    used = tuple(dict.fromkeys(rule.use for rule in rules))
    if not found:
        plain = declaration is None or declaration.nothing_to_declare
        code = ReasonCode.NOTHING_DECLARED if plain else ReasonCode.DECLARED_WITHIN_ALLOWANCE
        return CorridorAnswer(Corridor.GREEN, (Reason(code),), used)
    found.sort(key=lambda entry: -_RANK[entry[0]])
    return CorridorAnswer(found[0][0], tuple(reason for _, reason in found[:MOST_REASONS]), used)


def _seal(report: SealReport) -> tuple[Corridor, Reason]:
    if report.state is SealState.TAMPERED:
        return Corridor.RED, Reason(ReasonCode.SEAL_TAMPERED, {"seal": report.seal_id, "event": report.event})
    code = _DOUBTS[report.doubt or SealDoubt.SILENT]
    told = {"event": report.event} if code in _TOLD_WITH_EVENT else {}
    return Corridor.YELLOW, Reason(code, {"seal": report.seal_id, **told})


_DOUBTS = {
    SealDoubt.NEVER_HEARD: ReasonCode.SEAL_NEVER_HEARD,
    SealDoubt.SILENT: ReasonCode.SEAL_SILENT,
    SealDoubt.NEVER_CLOSED: ReasonCode.SEAL_NOT_CLOSED,
    SealDoubt.FOUND_OPEN: ReasonCode.SEAL_FOUND_OPEN,
    SealDoubt.UNDATED: ReasonCode.SEAL_EVENT_UNDATED,
}
_TOLD_WITH_EVENT = {ReasonCode.SEAL_EVENT_UNDATED}


def _cash(
    rulebook: Rulebook, direction: Direction, on: date, declaration: Declaration, rules: list[Rule]
) -> list[tuple[Corridor, Reason]]:
    if not declaration.cash:
        return []
    answer = cash(rulebook, direction, on, declaration.cash)
    found = [
        (Corridor.YELLOW, Reason(ReasonCode.CASH_RATE_MISSING, {"currency": currency}))
        for currency in answer.currencies_without_rate
    ]
    found += [
        (Corridor.YELLOW, Reason(ReasonCode.CASH_RATE_OLD, {"currency": rate.currency, "date": rate.on.isoformat()}))
        for rate in answer.rates
        if rate.on < on
    ]
    if not isinstance(answer.limit, Rule):
        return [*found, (Corridor.YELLOW, Reason(ReasonCode.RULE_NOT_FOUND, {"rule": answer.limit.subject}))]
    rules.append(answer.limit)
    if answer.is_over:
        threshold = Money(answer.limit.value, answer.total.currency)
        parameters = {"total": _short(answer.total), "threshold": _short(threshold)}
        found.append((Corridor.RED, Reason(ReasonCode.CASH_OVER_THRESHOLD, parameters)))
    return found


def _named_goods(
    rulebook: Rulebook, direction: Direction, mode: TravelMode, on: date, declaration: Declaration, rules: list[Rule]
) -> list[tuple[Corridor, Reason]]:
    """Judge goods by their kind: what may not cross, what needs a permit, what is over its quantity, what the desk wants to see."""
    quantities: dict[str, int] = {}
    for line in declaration.goods:
        if line.kind:
            quantities[line.kind] = quantities.get(line.kind, 0) + (1 if line.quantity is None else line.quantity)
    found = []
    for subject, code in _BY_KIND.items():
        where = {"direction": direction.value, "mode": mode.value}
        for kind, rule in rulebook.about_goods(subject, on, **where).items():
            is_flag = rule.unit == "flag"
            if kind not in quantities or (is_flag and not rule.value):
                continue
            rules.append(rule)
            if not is_flag and quantities[kind] <= rule.value:
                continue
            parameters = {"goods": kind}
            if not is_flag:
                parameters |= {"quantity": str(quantities[kind]), "allowance": str(rule.value), "unit": rule.unit}
            found.append((Corridor.RED, Reason(code, parameters)))
    return found


def _value(
    rulebook: Rulebook,
    direction: Direction,
    mode: TravelMode,
    on: date,
    declaration: Declaration,
    rules: list[Rule],
    days_abroad: int | None,
) -> list[tuple[Corridor, Reason]]:
    """Judge the value against the allowance. What is due on the excess is the customs desk's question, not the corridor's."""
    if not declaration.goods:
        return []
    answer = duty(rulebook, direction, mode, on, declaration.goods, days_abroad)
    found = [
        (Corridor.YELLOW, Reason(ReasonCode.CASH_RATE_MISSING, {"currency": currency}))
        for currency in answer.without_rate
    ]
    found += [
        (Corridor.YELLOW, Reason(ReasonCode.GOODS_QUANTITY_MISSING, {"goods": kind}))
        for kind in answer.without_quantity
    ]
    without_allowance = [rule for rule in answer.missing if rule.subject == "value_allowance"]
    if without_allowance:
        return [*found, (Corridor.YELLOW, Reason(ReasonCode.RULE_NOT_FOUND, {"rule": "value_allowance"}))]
    rules += [
        rule
        for rule in answer.rules
        if rule.subject in {"value_allowance", "minimum_absence", "quantity_allowance", "goods_exempt"}
    ]
    if answer.is_over_value:
        parameters = {"value": _money(answer.value), "allowance": _money(answer.allowance)}
        found.append((Corridor.RED, Reason(ReasonCode.VALUE_OVER_ALLOWANCE, parameters)))
    return found


def _money(amount: Money) -> str:
    return f"{amount.amount_minor // 100}.{amount.amount_minor % 100:02d} {amount.currency}"


def _short(amount: Money) -> str:
    """Return an amount without the decimals that say nothing."""
    return _money(amount) if amount.amount_minor % 100 else f"{amount.amount_minor // 100} {amount.currency}"
