"""The customs corridor: green, yellow or red with at most five reasons. It never changes who is admitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from gate_agent.domain.crossing import Corridor, RuleUse
from gate_agent.domain.declaration import Declaration, Direction, TravelMode
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.seal import SealDoubt, SealReport, SealState
from gate_agent.policy.cash import cash
from gate_agent.policy.duty import duty
from gate_agent.policy.rulebook import Rule, Rulebook

MOST_REASONS = 5
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
        parameters = {"total": _uzs(answer.total.amount_minor), "threshold": _uzs(answer.limit.value)}
        found.append((Corridor.RED, Reason(ReasonCode.CASH_OVER_THRESHOLD, parameters)))
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
    foreign = dict.fromkeys(line.value.currency for line in declaration.goods if line.value.currency != "USD")
    found = [(Corridor.YELLOW, Reason(ReasonCode.CASH_RATE_MISSING, {"currency": currency})) for currency in foreign]
    in_usd = [line for line in declaration.goods if line.value.currency == "USD"]
    answer = duty(rulebook, direction, mode, on, in_usd, days_abroad)
    without_allowance = [rule for rule in answer.missing if rule.subject == "value_allowance"]
    if without_allowance:
        return [*found, (Corridor.YELLOW, Reason(ReasonCode.RULE_NOT_FOUND, {"rule": "value_allowance"}))]
    rules += [rule for rule in answer.rules if rule.subject in {"value_allowance", "minimum_absence"}]
    if answer.excess.amount_minor > 0:
        parameters = {"value": _usd(answer.value.amount_minor), "allowance": _usd(answer.allowance.amount_minor)}
        found.append((Corridor.RED, Reason(ReasonCode.VALUE_OVER_ALLOWANCE, parameters)))
    return found


def _usd(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d} USD"


def _uzs(tiyin: int) -> str:
    return f"{tiyin // 100}.{tiyin % 100:02d} UZS" if tiyin % 100 else f"{tiyin // 100} UZS"
