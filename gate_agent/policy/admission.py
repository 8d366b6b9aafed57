"""Admission: the machine releases only on proof, and refers everything else with at most five reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from gate_agent.domain.check import AnyCheck, CheckName, CheckOutcome, CheckResult
from gate_agent.domain.crossing import Admission, CorridorInputs, PolicyAnswer, RuleUse
from gate_agent.domain.declaration import Declaration, Direction, TravelMode
from gate_agent.domain.demands import Demands
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.screening import Screening
from gate_agent.domain.seal import SealReport
from gate_agent.domain.selection import Chance
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.policy.agency_tasks import agency_tasks
from gate_agent.policy.corridor import MOST_REASONS, corridor
from gate_agent.policy.eligibility import not_served
from gate_agent.policy.rulebook import Rulebook

_SEVERITY = {
    CheckOutcome.FAILED: 0,
    CheckOutcome.ABORTED: 1,
    CheckOutcome.UNDETERMINED: 2,
    CheckOutcome.NOT_SUPPORTED: 3,
}


_LISTS = (CheckName.WATCHLIST, CheckName.TRAVEL_BAN)
"""Of what is as grave, a guard is told first on which list the traveller stands."""

CLOCK_SKEW_H = 0.1
"""How far a list may seem to come from the future before its age counts as unknown."""


@dataclass(frozen=True, slots=True)
class PolicyInput:
    """Everything policy may know. `demands`: what has to be there before the exit, and which outcomes stand in nobody's way.

    `referral` are reasons to refer that were found already; they come first. `chance` without a draw never passes for "not drawn".
    `is_linked`: the traveller crosses with his adult. `rules`: those that the checks already asked.
    """

    direction: Direction
    mode: TravelMode
    local_date: date
    now: datetime
    checks: tuple[CheckResult, ...]
    document: TravelDocument | None
    declaration: Declaration | None
    seals: tuple[SealReport, ...]
    rulebook: Rulebook
    watchlist_age_h: float
    watchlist_age_limit_h: float
    demands: Demands
    referral: tuple[Reason, ...] = ()
    screening: Screening | None = None
    chance: Chance = field(default_factory=Chance)
    is_linked: bool = False
    rules: tuple[RuleUse, ...] = ()


def decide(known: PolicyInput) -> PolicyAnswer:
    """Return admission and corridor, which are two questions."""
    customs = corridor(
        known.rulebook,
        known.direction,
        known.mode,
        known.local_date,
        known.declaration,
        known.seals,
        screening=known.screening,
        chance=known.chance,
    )
    refusals = _referral_reasons(known)
    return PolicyAnswer(
        admission=Admission.REFER if refusals else Admission.RELEASE,
        admission_reasons=refusals or (Reason(ReasonCode.ALL_CHECKS_SUCCESSFUL),),
        corridor=customs.corridor,
        corridor_reasons=customs.reasons,
        rules=tuple(dict.fromkeys((*known.rules, *customs.rules))),
        rulebook_version=known.rulebook.version,
        tasks=agency_tasks(known.rulebook, known.local_date, customs.corridor, customs.found),
        selection=customs.selection,
        inputs=_inputs(known),
    )


def _inputs(known: PolicyInput) -> CorridorInputs:
    declared = known.declaration
    if declared is None:
        return CorridorInputs(known.mode, known.seals, known.screening)
    return CorridorInputs(
        known.mode,
        known.seals,
        known.screening,
        is_declared=True,
        vehicles=len(declared.vehicles),
        phones=len(declared.phone_imeis),
        travellers=declared.travellers,
    )


def _list_first(check: AnyCheck) -> int:
    return _LISTS.index(check) if check in _LISTS else len(_LISTS)


def _referral_reasons(known: PolicyInput) -> tuple[Reason, ...]:
    """Return why a guard is needed, findings before faults before doubts; empty only when everything demanded is proven."""
    found: list[Reason] = list(known.referral)
    against = [result for result in known.checks if not known.demands.is_clear(result)]
    against.sort(key=lambda result: (_SEVERITY[result.outcome], _list_first(result.check)))
    reasons = [result.reasons or (Reason(ReasonCode.STEP_TIMEOUT, {"step": result.check.value}),) for result in against]
    # Each check speaks before one of them speaks twice: none is hidden by a long list.
    found += [one[0] for one in reasons]
    if not -CLOCK_SKEW_H <= known.watchlist_age_h <= known.watchlist_age_limit_h:  # a list from the future is no list
        found.append(Reason(ReasonCode.WATCHLIST_STALE))
    found += not_served(known.document, known.declaration, known.local_date, known.rulebook, is_linked=known.is_linked)
    found += [reason for one in reasons for reason in one[1:]]
    if known.document is None and not found:
        found.append(Reason(ReasonCode.MRZ_UNREADABLE))
    if not found:  # what is missing says something only where nothing else does
        done = {result.check for result in known.checks}
        demanded = known.demands.before_exit
        missing = demanded - done if demanded else frozenset({CheckName.FACE_COMPARISON})
        found += [Reason(ReasonCode.STEP_TIMEOUT, {"step": name.value}) for name in sorted(missing)]
    distinct: list[Reason] = []
    for reason in found:
        if reason not in distinct:
            distinct.append(reason)
    return tuple(distinct[:MOST_REASONS])
