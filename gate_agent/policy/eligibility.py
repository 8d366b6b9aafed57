"""Who cannot be served by this gate; told before the entrance opens, held against nobody."""

from __future__ import annotations

from calendar import monthrange
from datetime import date

from gate_agent.domain.declaration import Declaration
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.policy.rulebook import Rulebook, RuleNotFound


def not_served(
    document: TravelDocument | None, declaration: Declaration | None, today: date, rulebook: Rulebook
) -> tuple[Reason, ...]:
    """Return why somebody needs a staffed lane; empty when the gate can serve."""
    found = []
    if declaration is not None and declaration.small_children > 0:
        found.append(Reason(ReasonCode.FAMILY_WITH_SMALL_CHILDREN))
    if document is not None:
        born = latest_birth(document, today)
        if born is None:
            found.append(Reason(ReasonCode.MRZ_UNREADABLE, {"field": "date_of_birth"}))
        else:
            found += _minor(age_years(born, today), today, rulebook)
    return tuple(found)


def not_covered(document: TravelDocument, covered_states: frozenset[str] | None) -> tuple[Reason, ...]:
    """Return why the chip of this document cannot be proven here, whatever stands on it; None: there is no trust bundle at all."""
    if covered_states is None:
        return (Reason(ReasonCode.TRUST_BUNDLE_MISSING),)
    if document.issuing_state in covered_states:
        return ()
    return (Reason(ReasonCode.ISSUER_NOT_COVERED, {"country": document.issuing_state}),)


def _minor(age_years: int, today: date, rulebook: Rulebook) -> list[Reason]:
    """Younger travellers stand on an adult's declaration; without a rule nobody's age is good enough."""
    rule = rulebook.find("own_declaration_age", today)
    if isinstance(rule, RuleNotFound):
        return [Reason(ReasonCode.RULE_NOT_FOUND, {"rule": rule.subject})]
    return [Reason(ReasonCode.MINOR_WITHOUT_ADULT)] if age_years < rule.value else []


def latest_birth(document: TravelDocument, today: date) -> date | None:
    """Return the latest day on which the holder can be born; unknown months and days make nobody older. None without a year."""
    if document.date_of_birth is not None:
        return document.date_of_birth
    text = document.date_of_birth_text
    if len(text) != 6 or not _is_number(text[0:2]):
        return None
    month = int(text[2:4]) if _is_number(text[2:4]) and 1 <= int(text[2:4]) <= 12 else 12
    year = today.year // 100 * 100 + int(text[0:2])
    if (year, month if _is_number(text[2:4]) else 1) > (today.year, today.month):
        year -= 100
    return date(year, month, monthrange(year, month)[1])


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def age_years(born: date, today: date) -> int:
    """Return the completed years of age."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
