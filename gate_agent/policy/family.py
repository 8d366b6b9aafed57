"""Who crosses together with an adult: the under-age travellers on his declaration, or why a guard has to look at the family.

Younger travellers stand on the accompanying adult's declaration (rule `own_declaration_age`). The machine links a declared child of the
declarant, and nobody else: whether a ward, a grandchild or somebody's friend may be taken across is a question of papers and of people.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from gate_agent.domain.declaration import Companion, Declaration, Relation
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.policy.eligibility import age_years, latest_birth
from gate_agent.policy.rulebook import Rulebook, RuleNotFound


@dataclass(frozen=True, slots=True)
class Party:
    """`places` of the linked travellers on the declaration, from 1; `refused` says why a guard is needed instead."""

    places: tuple[int, ...] = ()
    refused: tuple[Reason, ...] = ()


def party_of(
    declaration: Declaration, adult: TravelDocument, today: date, rulebook: Rulebook, persons_limit: int
) -> Party:
    """Return who crosses with the declarant, of whom `adult` is the document. `persons_limit`: for how many this lane has room.

    An adult who is younger than the rule, or whose age nobody can read, links nobody. A lane without room for the whole party
    refers it, so that its screen can name another one before the entrance opens.
    """
    rule = rulebook.find("own_declaration_age", today)
    if isinstance(rule, RuleNotFound):
        missing = (Reason(ReasonCode.RULE_NOT_FOUND, {"rule": rule.subject}),)
        return Party(refused=missing) if declaration.companions else Party()
    minors = [
        (place, one)
        for place, one in enumerate(declaration.companions, start=1)
        if age_years(one.date_of_birth, today) < rule.value
    ]
    born = latest_birth(adult, today)
    if not minors or born is None or age_years(born, today) < rule.value:
        return Party()
    if any(not _is_child_of(one, born, rule.value) for _, one in minors):
        return Party(refused=(Reason(ReasonCode.CUSTODY_UNCLEAR),))
    if 1 + len(minors) > persons_limit:
        return Party(refused=(Reason(ReasonCode.FAMILY_WITH_SMALL_CHILDREN),))
    return Party(tuple(place for place, _ in minors))


def _is_child_of(one: Companion, born: date, years: int) -> bool:
    """Return whether a declared child may be the declarant's: nobody is a parent before the age from which one declares."""
    return one.relation is Relation.CHILD and age_years(born, one.date_of_birth) >= years
