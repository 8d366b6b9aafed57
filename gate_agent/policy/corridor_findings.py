"""Which findings are red and which are yellow: data of the rulebook, one dated rule for each finding.

`RULE_NOT_FOUND` has no rule: that an officer is asked where the rulebook says nothing is what a rulebook means, in every country.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from gate_agent.domain.crossing import Corridor
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.policy.rulebook import Rule, Rulebook

UNIT = "corridor"
COLOURS = (Corridor.GREEN, Corridor.YELLOW, Corridor.RED)
"""What the values 0, 1 and 2 of a rule stand for."""

LEAST_VALUE: Mapping[ReasonCode, int] = {
    ReasonCode.CASH_OVER_THRESHOLD: 1,
    ReasonCode.CASH_RATE_MISSING: 1,
    ReasonCode.CASH_RATE_OLD: 0,
    ReasonCode.VALUE_OVER_ALLOWANCE: 1,
    ReasonCode.QUANTITY_OVER_ALLOWANCE: 1,
    ReasonCode.GOODS_QUANTITY_MISSING: 1,
    ReasonCode.GOODS_PROHIBITED: 1,
    ReasonCode.GOODS_PERMIT_REQUIRED: 1,
    ReasonCode.GOODS_TO_BE_DECLARED: 1,
    ReasonCode.GOODS_UNACCOMPANIED: 1,
    ReasonCode.TRAVEL_MODE_NOT_SERVED: 1,
    ReasonCode.RULE_CERTAINTY_LOW: 0,
    ReasonCode.SEAL_TAMPERED: 1,
    ReasonCode.SEAL_SILENT: 1,
    ReasonCode.SEAL_NEVER_HEARD: 1,
    ReasonCode.SEAL_NOT_CLOSED: 1,
    ReasonCode.SEAL_FOUND_OPEN: 1,
    ReasonCode.SEAL_EVENT_UNDATED: 1,
    ReasonCode.XRAY_ALARM: 1,
    ReasonCode.XRAY_UNDETERMINED: 1,
    ReasonCode.RANDOM_SELECTION: 1,
    ReasonCode.SELECTION_IMPOSSIBLE: 1,
}
"""The findings, and the least that a rulebook may make of each: what is missing or unclear never becomes green."""


def subject_of(code: ReasonCode) -> str:
    """Return the rulebook's subject for a finding."""
    return f"corridor_{code.value}"


SUBJECTS = tuple(subject_of(code) for code in LEAST_VALUE)
_CODES = {subject_of(code): code for code in LEAST_VALUE}


def least_value(subject: str) -> int | None:
    """Return the least value of a subject of this page, None for every other subject."""
    code = _CODES.get(subject)
    return None if code is None else LEAST_VALUE[code]


def coloured(rulebook: Rulebook, on: date, found: list[Reason], used: list[Rule]) -> list[tuple[Corridor, Reason]]:
    """Give each finding its colour, red before yellow, otherwise in the order found; add the rules to `used`.

    A finding that the rulebook makes green leaves no reason; one without a rule is yellow, and the missing rule is named.
    """
    answer: list[tuple[Corridor, Reason]] = []
    for reason in found:
        if reason.code is ReasonCode.RULE_NOT_FOUND:
            answer.append((Corridor.YELLOW, reason))
            continue
        rule = rulebook.find(subject_of(reason.code), on)
        if isinstance(rule, Rule):
            used.append(rule)
            if rule.value:
                answer.append((COLOURS[rule.value], reason))
        else:
            answer += [
                (Corridor.YELLOW, reason),
                (Corridor.YELLOW, Reason(ReasonCode.RULE_NOT_FOUND, {"rule": rule.subject})),
            ]
    answer.sort(key=lambda entry: -COLOURS.index(entry[0]))
    return answer
