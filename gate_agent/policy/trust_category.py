"""The earned trust category: what past inspections of a holder say about the probability of the next random one.

Clean inspections earn points, findings cost some; each counts fully on its day and less every day after, until the rulebook's memory ends.
A category never overrides a finding, and one finding alone never lowers anybody: `attention` needs several.
"""

from __future__ import annotations

from datetime import date

from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.selection import AppealSubject, HolderHistory, InspectionOutcome, Standing, TrustCategory
from gate_agent.policy.rulebook import Rule, Rulebook

MEMORY, TRUSTED, ATTENTION = "trust_memory", "trust_trusted", "trust_attention"
WEIGHTS = {
    InspectionFinding.NOTHING_FOUND: "trust_weight_clean",
    InspectionFinding.AMENDED: "trust_weight_amended",
    InspectionFinding.FOUND: "trust_weight_found",
}
FACTOR = "factor_basis_points"
UNCHANGED = 10_000
LEAST_FINDINGS = 2
"""A rulebook cannot ask for fewer findings than this: single events never punish."""


def standing_of(rulebook: Rulebook, on: date, history: HolderHistory) -> Standing:
    """Return the standing on a local date. The rule of its category says by which factor the random probability moves.

    Where the rulebook has no rules of trust, everybody is `ordinary`: nobody has earned or lost anything.
    """
    memory = rulebook.find(MEMORY, on)
    if not isinstance(memory, Rule) or memory.value == 0:
        return Standing()
    counted = [one for one in history.inspections if _counts(one, on, memory.value, history)]
    points = 0
    for finding, subject in WEIGHTS.items():
        weight = rulebook.find(subject, on)
        if isinstance(weight, Rule):
            remaining = sum(memory.value - (on - one.on).days for one in counted if one.finding is finding)
            sign = -1 if finding is InspectionFinding.FOUND else 1
            points += sign * weight.value * remaining
    points = points // memory.value if points >= 0 else -(-points // memory.value)
    findings = sum(one.finding is InspectionFinding.FOUND for one in counted)
    category = TrustCategory.ORDINARY
    trusted, attention = rulebook.find(TRUSTED, on), rulebook.find(ATTENTION, on)
    clean = sum(one.finding is InspectionFinding.NOTHING_FOUND for one in counted)
    if isinstance(trusted, Rule) and points >= trusted.value and clean >= trusted.parameter("least_inspections"):
        category = TrustCategory.TRUSTED
    elif isinstance(attention, Rule) and points <= -attention.value and findings >= _least_findings(attention):
        category = TrustCategory.ATTENTION
    return Standing(category, points, len(counted), findings)


def _least_findings(rule: Rule) -> int:
    return max(LEAST_FINDINGS, rule.parameter("least_findings"))


def _counts(one: InspectionOutcome, on: date, memory_days: int, history: HolderHistory) -> bool:
    """Tell whether an inspection still says something: within the memory, and not set aside by an appeal."""
    if not 0 <= (on - one.on).days < memory_days:
        return False
    upheld = history.upheld.get(AppealSubject.TRUST_CATEGORY)
    return one.finding is not InspectionFinding.FOUND or upheld is None or one.on > upheld
