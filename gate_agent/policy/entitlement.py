"""On what somebody enters: without limit, visa-free days, or a permit; whichever of them gives the most days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from gate_agent.domain.declaration import TravelMode
from gate_agent.domain.permit import Permit
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.stay import Stay, StayTerms
from gate_agent.policy.permits import permit_problem, permitted_stay
from gate_agent.policy.registration import RegistrationDeadline, registration_deadline
from gate_agent.policy.rulebook import Rule, Rulebook, RuleNotFound
from gate_agent.policy.stay_rules import EVERY_PAPER, AllowedStay, Paper, allowed_stay, entry_rule


@dataclass(frozen=True, slots=True)
class Entry:
    """Everything that the question is about: who enters when and how, and what is known of him. `stays` are those of the holder."""

    nationality: str
    entered_on: date
    mode: TravelMode = TravelMode.ROAD
    paper: Paper = EVERY_PAPER
    stays: Sequence[Stay] = ()
    permits: Sequence[Permit] = ()


@dataclass(frozen=True, slots=True)
class Entitlement:
    """The answer.

    `rule` says how this nationality enters; `RuleNotFound`: nobody knows. `allowed` is the longest stay that was found, by that rule
    or on `permit`; None: unlimited, or none at all. `problems` say why permits that are there let nobody in.
    """

    rule: Rule | RuleNotFound
    allowed: AllowedStay | None = None
    permit: Permit | None = None
    problems: tuple[Reason, ...] = ()

    @property
    def is_unlimited(self) -> bool:
        """Whether the stay has no limit."""
        return isinstance(self.rule, Rule) and self.rule.subject == "unlimited_stay"

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return the rules that took part."""
        found = [self.rule] if isinstance(self.rule, Rule) else []
        return tuple(dict.fromkeys([*found, *([self.allowed.rule] if self.allowed else [])]))


def entitlement(rulebook: Rulebook, entry: Entry) -> Entitlement:
    """Return on what somebody enters. Nothing that is missing becomes a stay."""
    rule = entry_rule(rulebook, entry.nationality, entry.entered_on, entry.paper)
    if isinstance(rule, Rule) and rule.subject == "unlimited_stay":
        return Entitlement(rule)
    best: AllowedStay | None = None
    if isinstance(rule, Rule) and rule.subject != "visa_required":
        best = allowed_stay(rulebook, rule, entry.entered_on, entry.stays)
    chosen: Permit | None = None
    problems: list[Reason] = []
    for permit in entry.permits:
        problem = permit_problem(rulebook, permit, entry.nationality, entry.stays, entry.entered_on, entry.mode)
        allowed = permitted_stay(rulebook, permit, entry.nationality, entry.entered_on, entry.mode)
        if problem is None and isinstance(allowed, RuleNotFound):  # nobody can say how long it lets him stay
            problem = Reason(ReasonCode.RULE_NOT_FOUND, {"rule": allowed.subject})
        if problem is not None:
            problems += [problem] if problem not in problems else []
        elif isinstance(allowed, AllowedStay) and allowed.days > (best.days if best else 0):
            best, chosen = allowed, permit
    return Entitlement(rule, best, chosen, tuple(problems))


def terms_of(rulebook: Rulebook, entry: Entry, found: Entitlement) -> StayTerms:
    """Return what is kept with a stay that begins so, and what the receipt says."""
    registration = registration_deadline(rulebook, entry.nationality, entry.entered_on, entry.paper)
    is_visitor = not found.is_unlimited
    return StayTerms(
        permit_kind=found.permit.kind.value if found.permit else "",
        last_day=found.allowed.last_day if found.allowed and found.allowed.days else None,
        register_by=registration.last_day if is_visitor and isinstance(registration, RegistrationDeadline) else None,
    )
