"""The customs corridor: green, yellow or red with at most five reasons, hard hits first. It never changes who is admitted.

Findings come from the declaration, its seals and its screening; what colour each of them means is the rulebook's word. A random inspection
comes after them and never takes the place of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from gate_agent.domain.crossing import Corridor, RuleUse
from gate_agent.domain.declaration import Declaration, Direction, TravelMode
from gate_agent.domain.money import Money, plain_text
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.screening import Screening, ScreeningVerdict
from gate_agent.domain.seal import SealDoubt, SealReport, SealState
from gate_agent.domain.selection import Chance, Selection
from gate_agent.policy.cash import cash
from gate_agent.policy.corridor_findings import coloured
from gate_agent.policy.duty import duty
from gate_agent.policy.rulebook import Rule, Rulebook
from gate_agent.policy.selection import SelectionInputs, inputs_of, select

MOST_REASONS = 5
VEHICLE, PHONE = "vehicle", "phone"
"""Goods kinds of which a declaration names each piece apart: by plate, by IMEI."""

_BY_KIND = {
    "prohibited": ReasonCode.GOODS_PROHIBITED,
    "permit_required": ReasonCode.GOODS_PERMIT_REQUIRED,
    "quantity_allowance": ReasonCode.QUANTITY_OVER_ALLOWANCE,
    "declaration_quantity": ReasonCode.GOODS_TO_BE_DECLARED,
}


@dataclass(frozen=True, slots=True)
class CorridorAnswer:
    """The corridor, why, by which rules, and what decided on a random inspection (None: that was not asked).

    `reasons` are the five that are shown; `found` is every reason, because each may be another agency's to look at.
    """

    corridor: Corridor
    reasons: tuple[Reason, ...]
    rules: tuple[RuleUse, ...]
    selection: Selection | None = None
    found: tuple[Reason, ...] = ()


def corridor(
    rulebook: Rulebook,
    direction: Direction,
    mode: TravelMode,
    on: date,
    declaration: Declaration | None,
    seals: Sequence[SealReport] = (),
    days_abroad: int | None = None,
    screening: Screening | None = None,
    chance: Chance | SelectionInputs | None = None,
) -> CorridorAnswer:
    """Return the corridor for a declaration; None means that the traveller walked in without one, so declares nothing.

    `mode` is the gate's: a declaration that names another is judged by it all the same, and an officer is asked.
    `days_abroad` None: the minimum absence is not judged. `chance` None: the question is about the rules alone, and nobody is drawn;
    an audit hands in what the record kept instead.
    """
    rules: list[Rule] = []
    used: list[Rule] = []
    findings = [_seal(report) for report in seals if report.state is not SealState.INTACT]
    if screening is not None and screening.verdict is not ScreeningVerdict.CLEAR:
        findings.append(Reason(_VERDICTS[screening.verdict], {"scan": screening.scan_id}))
    if declaration is not None:
        if declaration.mode is not mode:  # his word does not choose the allowance
            findings.append(Reason(ReasonCode.TRAVEL_MODE_NOT_SERVED))
        findings += _cash(rulebook, direction, on, declaration, rules)
        findings += _named_goods(rulebook, direction, mode, on, declaration, rules)
        findings += _value(rulebook, direction, mode, on, declaration, rules, days_abroad)
        findings += _unaccompanied(rulebook, direction, on, declaration, rules)
    findings += [
        Reason(ReasonCode.RULE_CERTAINTY_LOW, {"rule": rule.rule_id})
        for rule in dict.fromkeys(rules)
        if rule.certainty != "high"
    ]
    found = coloured(rulebook, on, findings, used)
    selection = None
    if chance is not None:
        is_red = bool(found) and found[0][0] is Corridor.RED
        known = inputs_of(rulebook, on, chance) if isinstance(chance, Chance) else chance
        drawn = select(rulebook, on, known, is_red=is_red)
        selection = drawn.selection
        used += drawn.rules
        if drawn.finding is not None:
            weighed = coloured(rulebook, on, [drawn.finding], used)
            found += weighed + [(weighed[0][0], reason) for reason in drawn.because if weighed]
            found.sort(key=lambda entry: entry[0] is not Corridor.RED)
    uses = tuple(dict.fromkeys(rule.use for rule in (*rules, *used)))
    if not found:
        plain = declaration is None or declaration.nothing_to_declare
        code = ReasonCode.NOTHING_DECLARED if plain else ReasonCode.DECLARED_WITHIN_ALLOWANCE
        return CorridorAnswer(Corridor.GREEN, (Reason(code),), uses, selection)
    reasons = tuple(reason for _, reason in found)
    return CorridorAnswer(found[0][0], reasons[:MOST_REASONS], uses, selection, reasons)


_VERDICTS = {
    ScreeningVerdict.ALARM: ReasonCode.XRAY_ALARM,
    ScreeningVerdict.UNDETERMINED: ReasonCode.XRAY_UNDETERMINED,
}


def _seal(report: SealReport) -> Reason:
    if report.state is SealState.TAMPERED:
        return Reason(ReasonCode.SEAL_TAMPERED, {"seal": report.seal_id, "event": report.event})
    code = _DOUBTS[report.doubt or SealDoubt.SILENT]
    told = {"event": report.event} if code in _TOLD_WITH_EVENT else {}
    return Reason(code, {"seal": report.seal_id, **told})


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
) -> list[Reason]:
    if not declaration.cash:
        return []
    answer = cash(rulebook, direction, on, declaration.cash)
    found = [
        Reason(ReasonCode.CASH_RATE_MISSING, {"currency": currency}) for currency in answer.currencies_without_rate
    ]
    found += [
        Reason(ReasonCode.CASH_RATE_OLD, {"currency": rate.currency, "date": rate.on.isoformat()})
        for rate in answer.rates
        if rate.on < on
    ]
    if not isinstance(answer.limit, Rule):
        return [*found, Reason(ReasonCode.RULE_NOT_FOUND, {"rule": answer.limit.subject})]
    rules.append(answer.limit)
    if answer.is_over:
        threshold = Money(answer.limit.value, answer.total.currency)
        parameters = {"total": _short(answer.total), "threshold": _short(threshold)}
        found.append(Reason(ReasonCode.CASH_OVER_THRESHOLD, parameters))
    return found


def _named_goods(
    rulebook: Rulebook, direction: Direction, mode: TravelMode, on: date, declaration: Declaration, rules: list[Rule]
) -> list[Reason]:
    """Judge goods by their kind: what may not cross, what needs a permit, what is over its quantity, what the desk wants to see."""
    quantities: dict[str, int] = {}
    owned: dict[tuple[str, int], int] = {}
    declared = [
        (VEHICLE, 0, len(declaration.vehicles)),
        (PHONE, 0, len(declaration.phone_imeis)),
        *(
            (line.kind, line.owner, 1 if line.quantity is None else line.quantity)
            for line in declaration.goods
            if line.kind
        ),
    ]
    for kind, owner, count in declared:
        if count or kind not in {VEHICLE, PHONE}:
            quantities[kind] = quantities.get(kind, 0) + count
            owned[kind, owner] = owned.get((kind, owner), 0) + count
    found = []
    for subject, code in _BY_KIND.items():
        where = {"direction": direction.value, "mode": mode.value}
        for kind, rule in rulebook.about_goods(subject, on, **where).items():
            is_flag = rule.unit == "flag"
            if kind not in quantities or (is_flag and not rule.value):
                continue
            rules.append(rule)
            parameters = {"goods": kind}
            if (
                not is_flag
            ):  # each person has the quantity for what is his, or the family together where the rulebook pools
                most = max(count for (name, _), count in owned.items() if name == kind)
                is_pooled = subject == "quantity_allowance" and bool(rulebook.options["family_pooling"])
                judged = (quantities[kind], rule.value * declaration.travellers) if is_pooled else (most, rule.value)
                if judged[0] <= judged[1]:
                    continue
                parameters |= {"quantity": str(judged[0]), "allowance": str(judged[1]), "unit": rule.unit}
            found.append(Reason(code, parameters))
    return found


def _unaccompanied(
    rulebook: Rulebook, direction: Direction, on: date, declaration: Declaration, rules: list[Rule]
) -> list[Reason]:
    """Goods that come later are entered at the desk; where no rule says by when, an officer does."""
    if declaration.unaccompanied is None:
        return []
    found = rulebook.find("unaccompanied_deadline", on, direction=direction.value)
    if not isinstance(found, Rule):
        return [Reason(ReasonCode.RULE_NOT_FOUND, {"rule": found.subject})]
    rules.append(found)
    return [Reason(ReasonCode.GOODS_UNACCOMPANIED, {"stub": declaration.unaccompanied.stub_id})]


def _value(
    rulebook: Rulebook,
    direction: Direction,
    mode: TravelMode,
    on: date,
    declaration: Declaration,
    rules: list[Rule],
    days_abroad: int | None,
) -> list[Reason]:
    """Judge the value against the allowance. What is due on the excess is the customs desk's question, not the corridor's."""
    if not declaration.goods:
        return []
    answer = duty(rulebook, direction, mode, on, declaration.goods, days_abroad, travellers=declaration.travellers)
    found = [Reason(ReasonCode.CASH_RATE_MISSING, {"currency": currency}) for currency in answer.without_rate]
    found += [Reason(ReasonCode.GOODS_QUANTITY_MISSING, {"goods": kind}) for kind in answer.without_quantity]
    without_allowance = [rule for rule in answer.missing if rule.subject == "value_allowance"]
    if without_allowance:
        return [*found, Reason(ReasonCode.RULE_NOT_FOUND, {"rule": "value_allowance"})]
    rules += [
        rule
        for rule in answer.rules
        if rule.subject in {"value_allowance", "minimum_absence", "quantity_allowance", "goods_exempt"}
    ]
    if answer.is_over_value:
        parameters = {"value": plain_text(answer.value), "allowance": plain_text(answer.allowance)}
        found.append(Reason(ReasonCode.VALUE_OVER_ALLOWANCE, parameters))
    return found


def _short(amount: Money) -> str:
    """Return an amount without the decimals that say nothing."""
    return plain_text(amount).replace(".00 ", " ")
