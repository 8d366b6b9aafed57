"""The right to cross, from everything that the lane knows: document, bans, permits that were shown, listed or declared, earlier stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from gate_agent.domain.check import CheckResult
from gate_agent.domain.crossing import RuleUse
from gate_agent.domain.declaration import Direction, TravelMode
from gate_agent.domain.mrz import MrzReading
from gate_agent.domain.permit import Permit
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.shown_permit import shown_permit
from gate_agent.domain.stay import NO_TERMS, Stay, StayTerms
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.inspection.travel_bans import unknown_bans
from gate_agent.lane.ports import Knowledge
from gate_agent.policy.admission import CLOCK_SKEW_H
from gate_agent.policy.eligibility import check_eligibility, document_rule
from gate_agent.policy.entitlement import Entry, entitlement, terms_of
from gate_agent.policy.rulebook import Rule
from gate_agent.policy.stay_check import check_stay
from gate_agent.policy.stay_rules import Paper
from gate_agent.settings import PolicySettings

_CLOCK_ALLOWANCE = timedelta(hours=CLOCK_SKEW_H)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where and when somebody crosses."""

    direction: Direction
    mode: TravelMode
    today: date
    now: datetime


@dataclass(frozen=True, slots=True)
class EntryRight:
    """What was found. `terms` are kept with the stay; `lacks_permit`: a visa that is shown now would change the answer."""

    results: tuple[CheckResult, ...]
    terms: StayTerms
    rules: tuple[RuleUse, ...]
    lacks_permit: bool


def entry_right(
    document: TravelDocument,
    where: Circumstances,
    knowledge: Knowledge,
    stays: Sequence[Stay],
    settings: PolicySettings,
    shown: MrzReading | None = None,
    declared: Permit | None = None,
) -> EntryRight:
    """Judge document kind, bans, permits and stay. `shown`: a visa or residence permit that was read; `declared`: what a token says."""
    book, today = knowledge.rulebook, where.today
    permits, doubts = _permits(document, where, knowledge, settings, shown, declared)
    entry = Entry(document.nationality, today, where.mode, Paper.of(document), stays, permits)
    entitled = entitlement(book, entry)
    eligibility = check_eligibility(
        where.direction, document.nationality, entry.paper, today, book, entitled, doubts, permits
    )
    stay = check_stay(where.direction, document.nationality, stays, today, book, paper=entry.paper, entitled=entitled)
    accepted = document_rule(book, where.direction, document.nationality, entry.paper, today)
    rules = [accepted] if isinstance(accepted, Rule) else []
    is_entry = where.direction is Direction.ENTRY
    return EntryRight(
        results=(eligibility, stay, _bans(document, where, knowledge, settings)),
        terms=terms_of(book, entry, entitled) if is_entry else NO_TERMS,
        rules=tuple(rule.use for rule in (*rules, *(entitled.rules if is_entry else ()))),
        lacks_permit=is_entry and not entitled.is_unlimited and entitled.allowed is None and shown is None,
    )


def _permits(
    document: TravelDocument,
    where: Circumstances,
    knowledge: Knowledge,
    settings: PolicySettings,
    shown: MrzReading | None,
    declared: Permit | None,
) -> tuple[list[Permit], list[Reason]]:
    """Return the permits that are known, and why others that were shown or listed do not count."""
    permits: list[Permit] = []
    doubts: list[Reason] = []
    if shown is not None:
        found = shown_permit(shown, document)
        if isinstance(found, Permit):
            permits.append(found)
        else:
            doubts.append(found)
    listed = knowledge.permits.of(document.document_number, document.issuing_state) if knowledge.permits else ()
    if listed and _is_fresh(knowledge.permits_valid_from, where.now, settings.permit_list_age_limit_h):
        permits += listed
    elif listed:
        doubts.append(Reason(ReasonCode.PERMIT_LIST_STALE))
    if declared is not None:
        permits.append(declared)
    return permits, doubts


def _bans(
    document: TravelDocument, where: Circumstances, knowledge: Knowledge, settings: PolicySettings
) -> CheckResult:
    if knowledge.bans is None or knowledge.bans_valid_from is None:
        return unknown_bans()
    return knowledge.bans.check(
        document,
        where.direction,
        where.today,
        age=where.now - knowledge.bans_valid_from,
        age_limit=timedelta(hours=settings.ban_list_age_limit_h),
    )


def _is_fresh(valid_from: datetime | None, now: datetime, limit_h: float) -> bool:
    return valid_from is not None and -_CLOCK_ALLOWANCE <= now - valid_from <= timedelta(hours=limit_h)
