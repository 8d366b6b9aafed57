"""Permits against the rules: which of them lets its holder enter today, and how long he may stay on it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from gate_agent.domain.declaration import TravelMode
from gate_agent.domain.permit import Permit, PermitKind, PermitOrigin
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.stay import Stay
from gate_agent.policy.document_words import DECLARED, UNTIL_EXPIRY
from gate_agent.policy.rulebook import ANY, Rule, Rulebook, RuleNotFound
from gate_agent.policy.stay_rules import AllowedStay

_WITHOUT_END = date.max
_COUNTED_BY_ENTRIES = frozenset({PermitKind.VISA, PermitKind.ELECTRONIC_VISA, PermitKind.OTHER_PERMIT})
"""Kinds that may be good for one entry only. A residence permit is not, and a transit goes by its own onward ticket."""


def permit_problem(
    rulebook: Rulebook, permit: Permit, nationality: str, stays: Iterable[Stay], today: date, mode: TravelMode
) -> Reason | None:
    """Return why nobody enters on a permit today, None when somebody does. Entries are counted from the stays that name its kind."""
    accepted = _acceptance(rulebook, permit, nationality, today, mode)
    if isinstance(accepted, RuleNotFound):
        if permit.issuing_state != rulebook.country:
            return Reason(ReasonCode.VISA_OTHER_STATE, {"country": permit.issuing_state})
        return Reason(ReasonCode.RULE_NOT_FOUND, {"rule": accepted.subject})
    if not accepted.value:
        return Reason(ReasonCode.VISA_KIND_NOT_ACCEPTED, {"permit_kind": permit.kind.value})
    if permit.valid_from is not None and today < permit.valid_from:
        return Reason(ReasonCode.VISA_NOT_YET_VALID, {"date": permit.valid_from.isoformat()})
    end = last_valid_day(rulebook, permit, nationality)
    if isinstance(end, RuleNotFound):
        return Reason(ReasonCode.RULE_NOT_FOUND, {"rule": end.subject})
    if today > end:
        return Reason(ReasonCode.VISA_EXPIRED, {"date": end.isoformat()})
    if permit.entries is not None and _entries(permit, stays) >= permit.entries:
        return Reason(ReasonCode.VISA_ENTRIES_USED, {"entries": str(permit.entries)})
    if _may_be_used_up(permit, stays):
        return Reason(ReasonCode.VISA_ENTRIES_UNKNOWN)
    return None


def last_valid_day(rulebook: Rulebook, permit: Permit, nationality: str) -> date | RuleNotFound:
    """Return the last day on which a permit is good: its own, or by rule from its first day on; that day is day one."""
    if permit.valid_until is not None:
        return permit.valid_until
    if permit.valid_from is None:
        return RuleNotFound("permit_validity")
    rule = rulebook.find("permit_validity", permit.valid_from, person_kind=nationality, document_kind=permit.kind.value)
    if isinstance(rule, RuleNotFound):
        return rule
    return permit.valid_from + timedelta(days=max(rule.value, 1) - 1)


def permitted_stay(
    rulebook: Rulebook, permit: Permit, nationality: str, entered_on: date, mode: TravelMode
) -> AllowedStay | RuleNotFound:
    """Return how long somebody may stay who enters on a permit: the days that it names, else the rule's, and never beyond its end.

    What only the traveller says about his days may shorten the rule's, never lengthen them.
    """
    rule = rulebook.find(
        "permit_stay", entered_on, mode=mode.value, person_kind=nationality, document_kind=permit.kind.value
    )
    end = last_valid_day(rulebook, permit, nationality)
    accepted = _acceptance(rulebook, permit, nationality, entered_on, mode)
    if isinstance(end, RuleNotFound) or isinstance(accepted, RuleNotFound):
        return RuleNotFound("permit_stay")
    days = permit.stay_days
    if isinstance(rule, RuleNotFound):
        if days is None or permit.origin is PermitOrigin.DECLARED:
            return rule
        rule = accepted  # the permit says its days itself
    elif rule.unit != UNTIL_EXPIRY and (days is None or permit.origin is PermitOrigin.DECLARED):
        days = rule.value if days is None else min(days, rule.value)
    last = _WITHOUT_END
    if days is not None:
        counted = days if rulebook.options["entry_day_counts"] else days + 1
        last = entered_on + timedelta(days=counted - 1)
    last = min(last, end)
    return AllowedStay(max(0, (last - entered_on).days + 1), last, rule)


def _acceptance(
    rulebook: Rulebook, permit: Permit, nationality: str, today: date, mode: TravelMode
) -> Rule | RuleNotFound:
    """Return the rule that lets a permit count. That of another state counts only where a rule names that very state."""
    said = permit.kind.value if permit.origin is not PermitOrigin.DECLARED else f"{DECLARED}{permit.kind.value}"
    is_own = permit.issuing_state == rulebook.country
    rule = rulebook.find(
        "permit_accepted",
        today,
        direction="entry",
        mode=mode.value,
        person_kind=nationality,
        document_kind=said,
        issuing_state=ANY if is_own else permit.issuing_state,
    )
    if isinstance(rule, Rule) and not is_own and rule.issuing_state == ANY:
        return RuleNotFound("permit_accepted")
    return rule


def _may_be_used_up(permit: Permit, stays: Iterable[Stay]) -> bool:
    """Say whether nobody knows that a permit is good for one more entry: it does not say for how many, and its kind was entered on before.

    A signed list that names no number means any number.
    """
    is_unsaid = permit.entries is None and permit.origin is not PermitOrigin.SIGNED_LIST
    return is_unsaid and permit.kind in _COUNTED_BY_ENTRIES and _entries(permit, stays) > 0


def _entries(permit: Permit, stays: Iterable[Stay]) -> int:
    return len(
        [
            stay
            for stay in stays
            if stay.permit_kind == permit.kind.value
            and (permit.valid_from is None or stay.entered_on >= permit.valid_from)
        ]
    )
