"""Who cannot be served by this gate; told before the entrance opens, held against nobody."""

from __future__ import annotations

from datetime import date

from gate_agent.domain.declaration import Declaration
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.travel_document import TravelDocument

OWN_DECLARATION_AGE_YEARS = 16
"""Younger travellers stand on an adult's declaration (border-rules B3)."""


def not_served(document: TravelDocument | None, declaration: Declaration | None, today: date) -> tuple[Reason, ...]:
    """Return why somebody needs a staffed lane; empty when the gate can serve."""
    found = []
    if declaration is not None and declaration.small_children > 0:
        found.append(Reason(ReasonCode.FAMILY_WITH_SMALL_CHILDREN))
    born = document.date_of_birth if document is not None else None
    if born is not None and _age_years(born, today) < OWN_DECLARATION_AGE_YEARS:
        found.append(Reason(ReasonCode.MINOR_WITHOUT_ADULT))
    return tuple(found)


def _age_years(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
