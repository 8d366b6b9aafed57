"""`egate rules eligibility`: who may cross with what, and on entry how long."""

from __future__ import annotations

import re
from typing import Any

from gate_agent.cli.rules_reading import QuestionRefused, day_of, lines_of, named, whole_of
from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.declaration import Direction, TravelMode
from gate_agent.domain.permit import Permit, PermitKind, PermitOrigin
from gate_agent.domain.stay import Stay
from gate_agent.policy.document_words import DOCUMENT_KINDS
from gate_agent.policy.eligibility import check_eligibility, document_rule
from gate_agent.policy.entitlement import Entry, entitlement, terms_of
from gate_agent.policy.rulebook import Rule, Rulebook
from gate_agent.policy.stay_rules import Paper

MEMBERS = {"direction", "mode", "date", "nationality", "issuing_state", "document_kind", "permits", "stays"}
_STAY_MEMBERS = {"entered_on", "exited_on", "permit_kind"}
_PERMIT_MEMBERS = {"kind", "origin", "number", "issued_by", "valid_from", "valid_until", "stay_days", "entries"}
_STATE = re.compile(r"[A-Z]{1,3}")


def state_of(question: dict[str, Any], name: str) -> str:
    """Return a state or nationality as machine readable zones name it. Raises `QuestionRefused`."""
    written = question.get(name)
    if not isinstance(written, str) or not _STATE.fullmatch(written):
        raise QuestionRefused(f"{name}: the one to three capital letters of a machine readable zone are expected")
    return written


def stays_of(question: dict[str, Any]) -> list[Stay]:
    """Return the earlier stays of a question; one without `exited_on` is open. Raises `QuestionRefused`."""
    return [
        Stay(
            day_of(line, "entered_on"),
            day_of(line, "exited_on") if "exited_on" in line else None,
            "question",
            named(PermitKind, line, "permit_kind").value if "permit_kind" in line else "",
        )
        for line in lines_of(question, "stays", _STAY_MEMBERS)
    ]


def eligibility_lines(rulebook: Rulebook, question: dict[str, Any]) -> list[dict[str, object]]:
    """Return one line for each rule that took part, and the result. Raises `QuestionRefused`."""
    direction = named(Direction, question, "direction")
    mode = named(TravelMode, {"mode": "road", **question}, "mode")
    nationality, on = state_of(question, "nationality"), day_of(question, "date")
    kind = question.get("document_kind", "passport")
    if kind not in DOCUMENT_KINDS:
        raise QuestionRefused(f"document_kind: one of {', '.join(DOCUMENT_KINDS)} is expected")
    paper = Paper(kind, state_of({"issuing_state": nationality, **question}, "issuing_state"))
    permits = [_permit(line) for line in lines_of(question, "permits", _PERMIT_MEMBERS)]
    entry = Entry(nationality, on, mode, paper, stays_of(question), permits)
    entitled = entitlement(rulebook, entry)
    result = check_eligibility(direction, nationality, paper, on, rulebook, entitled, permits=permits)
    accepted = document_rule(rulebook, direction, nationality, paper, on)
    is_entry = direction is Direction.ENTRY
    rules = [*([accepted] if isinstance(accepted, Rule) else []), *(entitled.rules if is_entry else ())]
    answer: dict[str, object] = {
        "line": "result",
        "result": result.outcome.value,
        "served": result.outcome is CheckOutcome.SUCCESSFUL,
        "reasons": [{"code": reason.code.value, **reason.parameters} for reason in result.reasons],
        "rulebook_version": rulebook.version,
    }
    if is_entry and result.outcome is CheckOutcome.SUCCESSFUL:
        terms = terms_of(rulebook, entry, entitled)
        days = entitled.allowed.days if entitled.allowed else None
        answer |= {"unlimited": entitled.is_unlimited, "days": days, "permit_kind": terms.permit_kind or None}
        answer |= {
            name: day.isoformat() if day else None
            for name, day in (("last_day", terms.last_day), ("registration_deadline", terms.register_by))
        }
    return [*({"line": "rule", "subject": rule.subject, **_used(rule)} for rule in rules), answer]


def _used(rule: Rule) -> dict[str, object]:
    return {"rule_id": rule.rule_id, "effective_from": rule.effective_from.isoformat(), "certainty": rule.certainty}


def _permit(line: dict[str, Any]) -> Permit:
    first, last = (day_of(line, name) if line.get(name) is not None else None for name in ("valid_from", "valid_until"))
    if first is None and last is None:
        raise QuestionRefused("valid_until: is missing, or valid_from where a rule says how long a permit is good")
    return Permit(
        named(PermitKind, line, "kind"),
        named(PermitOrigin, {"origin": "signed_list", **line}, "origin"),
        str(line.get("number", "")),
        state_of(line, "issued_by"),
        first,
        last,
        whole_of(line, "stay_days", 1),
        whole_of(line, "entries", 1),
    )
