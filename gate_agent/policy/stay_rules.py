"""Short stays by rule: days per entry, days in a moving window, or no limit, by nationality, document and local date (border-rules B4, C)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from gate_agent.domain.document_kinds import document_kind
from gate_agent.domain.stay import Stay
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.policy.rulebook import ANY, Rule, Rulebook, RuleNotFound
from gate_agent.policy.stay_counting import days_from

_LIMITS = ("visa_free_stay", "stay_in_window")


@dataclass(frozen=True, slots=True)
class Paper:
    """The document that rules are asked about; `any` is what only rules for every document answer."""

    kind: str = ANY
    issuing_state: str = ANY

    @classmethod
    def of(cls, document: TravelDocument) -> Paper:
        """Return what rules tell apart of a travel document."""
        return cls(document_kind(document).value, document.issuing_state)


EVERY_PAPER = Paper()


@dataclass(frozen=True, slots=True)
class AllowedStay:
    """How long somebody may stay who enters now: `days` of them, the last of which is `last_day`; 0 days: he has used them up."""

    days: int
    last_day: date
    rule: Rule


def entry_rule(
    rulebook: Rulebook, nationality: str, entered_on: date, paper: Paper = EVERY_PAPER
) -> Rule | RuleNotFound:
    """Return what says how somebody enters: no limit, days without a visa, or that a visa is required.

    The narrower rule goes first, then the newer one; of two that are as narrow and as new, the one that demands a visa.
    """
    subjects = ("unlimited_stay", *_LIMITS, "visa_required")
    found = [_found(rulebook, subject, nationality, entered_on, paper) for subject in subjects]
    rules = [rule for rule in found if rule is not None and (rule.subject != "visa_required" or rule.value)]
    if not rules:
        return RuleNotFound(_LIMITS[0])
    return max(rules, key=lambda rule: (*rule.precision, rule.effective_from, rule.subject == "visa_required"))


def stay_rule(
    rulebook: Rulebook, nationality: str, entered_on: date, paper: Paper = EVERY_PAPER
) -> Rule | RuleNotFound:
    """Return the rule that limits a stay without a visa at its day of entry; a visa that is required is no such rule."""
    rule = entry_rule(rulebook, nationality, entered_on, paper)
    return rule if isinstance(rule, Rule) and rule.subject in _LIMITS else RuleNotFound(_LIMITS[0])


def is_unlimited(rulebook: Rulebook, nationality: str, on: date, paper: Paper = EVERY_PAPER) -> bool:
    """Tell whether holders of a nationality may stay as long as they like: own citizens and those of agreements."""
    rule = entry_rule(rulebook, nationality, on, paper)
    return isinstance(rule, Rule) and rule.subject == "unlimited_stay"


def allowed_stay(rulebook: Rulebook, rule: Rule, entered_on: date, history: Iterable[Stay] = ()) -> AllowedStay:
    """Return how long a stay may last that begins on `entered_on`; `history` are the holder's stays, which only a window looks at."""
    if rule.subject == "stay_in_window":
        earlier = [stay for stay in counted(rulebook, history) if stay.entered_on < entered_on]
        days = days_from(earlier, entered_on, rule.value, rule.parameter("window_days"))
    else:
        days = rule.value if rulebook.options["entry_day_counts"] else rule.value + 1
    return AllowedStay(days, entered_on + timedelta(days=days - 1), rule)


def counted(rulebook: Rulebook, history: Iterable[Stay]) -> list[Stay]:
    """Return the stays that a window counts: those on a residence permit and the like are left out where a rule says so."""
    return [stay for stay in history if not _is_left_out(rulebook, stay)]


def _is_left_out(rulebook: Rulebook, stay: Stay) -> bool:
    if not stay.permit_kind:
        return False
    rule = rulebook.find("permit_not_counted", stay.entered_on, document_kind=stay.permit_kind)
    return isinstance(rule, Rule) and rule.value == 1


def last_day(rulebook: Rulebook, rule: Rule, entered_on: date, history: Iterable[Stay] = ()) -> date:
    """Return the last legal day of a stay that begins on `entered_on`; the day before it when there is none."""
    return allowed_stay(rulebook, rule, entered_on, history).last_day


def open_stay(stays: Iterable[Stay], today: date) -> Stay | None:
    """Return the latest stay that has begun and not ended, None when there is none."""
    begun = [stay for stay in stays if stay.exited_on is None and stay.entered_on <= today]
    return max(begun, key=lambda stay: stay.entered_on, default=None)


def _found(rulebook: Rulebook, subject: str, nationality: str, on: date, paper: Paper) -> Rule | None:
    rule = rulebook.find(
        subject,
        on,
        direction="entry",
        person_kind=nationality,
        document_kind=paper.kind,
        issuing_state=paper.issuing_state,
    )
    return rule if isinstance(rule, Rule) else None
