"""Who may cross with what: kind of document, issuer, nationality and direction; who cannot be served here at all. Held against nobody."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import date

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.declaration import Declaration, Direction
from gate_agent.domain.permit import Permit
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.policy.entitlement import Entitlement
from gate_agent.policy.rulebook import Rule, Rulebook, RuleNotFound
from gate_agent.policy.stay_rules import Paper

_FINDINGS = frozenset(
    {
        ReasonCode.DOCUMENT_KIND_NOT_ACCEPTED,
        ReasonCode.VISA_NOT_YET_VALID,
        ReasonCode.VISA_EXPIRED,
        ReasonCode.VISA_ENTRIES_USED,
        ReasonCode.VISA_OTHER_HOLDER,
        ReasonCode.VISA_OTHER_STATE,
        ReasonCode.VISA_KIND_NOT_ACCEPTED,
    }
)
"""What a document or a permit itself says; everything else is something that the gate lacks."""


def not_served(
    document: TravelDocument | None,
    declaration: Declaration | None,
    today: date,
    rulebook: Rulebook,
    *,
    is_linked: bool = False,
) -> tuple[Reason, ...]:
    """Return why somebody needs a staffed lane; empty when the gate can serve. `is_linked`: to an adult who crosses with him."""
    found = []
    if declaration is not None and declaration.small_children > 0:
        found.append(Reason(ReasonCode.FAMILY_WITH_SMALL_CHILDREN))
    if document is not None:
        born = latest_birth(document, today)
        if born is None:
            found.append(Reason(ReasonCode.MRZ_UNREADABLE, {"field": "date_of_birth"}))
        elif not is_linked:
            found += _minor(age_years(born, today), today, rulebook)
    return tuple(found)


def document_rule(
    rulebook: Rulebook, direction: Direction, nationality: str, paper: Paper, today: date
) -> Rule | RuleNotFound:
    """Return the rule that says whether a kind of document is accepted of its holder in this direction."""
    return rulebook.find(
        "document_accepted",
        today,
        direction=direction.value,
        person_kind=nationality,
        document_kind=paper.kind,
        issuing_state=paper.issuing_state,
    )


def check_eligibility(
    direction: Direction,
    nationality: str,
    paper: Paper,
    today: date,
    rulebook: Rulebook,
    entitled: Entitlement,
    shown: Sequence[Reason] = (),
    permits: Sequence[Permit] = (),
) -> CheckResult:
    """Judge whether somebody may cross with what he has: document, and on entry days without a visa or a permit.

    `shown` are reasons why what was presented, or listed, as a permit is none. A traveller without a rule, and one without the visa that
    his rule demands, goes to an officer.
    """
    reasons = [*_document_reasons(document_rule(rulebook, direction, nationality, paper, today), paper)]
    compared = [Compared("document_kind", paper.kind, "accepted")]
    if direction is Direction.ENTRY and not entitled.is_unlimited and entitled.allowed is None:
        if isinstance(entitled.rule, RuleNotFound):
            reasons.append(Reason(ReasonCode.STAY_NO_RULE, {"nationality": nationality}))
        elif not permits and not shown:
            reasons.append(Reason(ReasonCode.VISA_MISSING, {"nationality": nationality}))
        reasons += [*shown, *entitled.problems]
    if entitled.permit is not None and entitled.permit.number:
        compared.append(Compared("permit", entitled.permit.number, entitled.permit.kind.value))
    outcome = CheckOutcome.SUCCESSFUL
    if reasons:
        found = any(reason.code in _FINDINGS for reason in reasons)
        outcome = CheckOutcome.FAILED if found else CheckOutcome.UNDETERMINED
    return CheckResult(CheckName.ELIGIBILITY, outcome, tuple(reasons), tuple(compared))


def _document_reasons(rule: Rule | RuleNotFound, paper: Paper) -> tuple[Reason, ...]:
    if isinstance(rule, RuleNotFound):
        return (Reason(ReasonCode.RULE_NOT_FOUND, {"rule": rule.subject}),)
    if rule.value:
        return ()
    told = {"document_kind": paper.kind, "country": paper.issuing_state}
    return (Reason(ReasonCode.DOCUMENT_KIND_NOT_ACCEPTED, told),)


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
