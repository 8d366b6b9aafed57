"""What a closing must hold before a task of the desk counts as closed: the page asks it beforehand, the agent before it believes."""

from __future__ import annotations

from enum import StrEnum

from gate_agent.domain.agency import Agency
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.money import Money


class ClosingFault(StrEnum):
    """What is missing or contradicts itself."""

    ACT_NUMBER_NEEDED = "act_number_needed"
    LINES_NEEDED = "lines_needed"
    LINES_CONTRADICT = "lines_contradict"
    NOT_FOR_CUSTOMS = "not_for_customs"
    DUTY_NEEDED = "duty_needed"
    DUTY_CURRENCY = "duty_currency"
    DUTY_REASON_NEEDED = "duty_reason_needed"


def closing_faults(
    agency: Agency,
    finding: InspectionFinding,
    *,
    is_amended: bool,
    act_number: str,
    duty: Money | None,
    computed: Money | None,
    duty_reason: str,
    valuation_currency: str,
) -> tuple[ClosingFault, ...]:
    """Return what is wrong with a closing, in the order in which a page asks; empty: nothing.

    `is_amended`: other lines than the declared ones are given. `computed` is what the rules say is due on them, None where they cannot say:
    then the officer says it, and why. A task without goods has a computed duty of zero, and needs no `duty`.
    """
    found: list[ClosingFault] = []
    if agency is not Agency.CUSTOMS and (is_amended or duty is not None):
        found.append(ClosingFault.NOT_FOR_CUSTOMS)
    if finding is InspectionFinding.AMENDED and agency is Agency.CUSTOMS and not is_amended:
        found.append(ClosingFault.LINES_NEEDED)
    if finding is InspectionFinding.NOTHING_FOUND and is_amended:
        found.append(ClosingFault.LINES_CONTRADICT)
    if finding is not InspectionFinding.NOTHING_FOUND and not act_number.strip():
        found.append(ClosingFault.ACT_NUMBER_NEEDED)
    if agency is not Agency.CUSTOMS:
        return tuple(found)
    if duty is None:
        if computed is None or computed.amount_minor:
            found.append(ClosingFault.DUTY_NEEDED)
    elif duty.currency != valuation_currency:
        found.append(ClosingFault.DUTY_CURRENCY)
    elif duty != computed and not duty_reason.strip():
        found.append(ClosingFault.DUTY_REASON_NEEDED)
    return tuple(found)
