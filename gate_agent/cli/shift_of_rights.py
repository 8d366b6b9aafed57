"""Recorded decisions under two rulebooks: who may cross with what, and whether the machine releases.

A record names the kind of document, issuing state and nationality. Permits, earlier stays and ages are sealed: where an answer hangs on one of
them, it is as recorded if both rulebooks say the same of it, and is not replayable otherwise. Each traveller is decided for himself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from gate_agent.cli.corridor_replay import NotReplayable
from gate_agent.cli.shift_tally import ADMISSION, ELIGIBILITY, Decided
from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.crossing import Admission, DecidedBy
from gate_agent.domain.declaration import Direction, TravelMode
from gate_agent.domain.document_kinds import kind_named
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.travel_document import MrzFormat
from gate_agent.policy.corridor import MOST_REASONS
from gate_agent.policy.eligibility import check_eligibility, document_rule
from gate_agent.policy.entitlement import Entry, entitlement
from gate_agent.policy.rulebook import Rule, Rulebook
from gate_agent.policy.rulebook_comparison import RulebookComparison
from gate_agent.policy.stay_rules import Paper

if TYPE_CHECKING:
    from central_sync.messages import CheckPart, DecisionV1, DocumentPart

_AGE = "own_declaration_age"
_STAYS = (
    "unlimited_stay", "visa_free_stay", "stay_in_window", "visa_required",
    "permit_accepted", "permit_stay", "permit_validity", "permit_not_counted",
)  # fmt: skip
_WINDOW = "stay_in_window"
_RIGHTS = ("document_accepted", *_STAYS)


@dataclass(frozen=True, slots=True)
class _Right:
    """What a rulebook says of somebody's right to cross: `outcome` None: that hangs on his permits. `stay_is_free`: no earlier stay can matter."""

    outcome: CheckOutcome | None
    stay_is_free: bool
    rules: tuple[Rule, ...]


class _Side:
    """One of the two rulebooks on a day, asked about one decision."""

    def __init__(self, decision: DecisionV1, compared: RulebookComparison, book: Rulebook, day: date) -> None:
        self._decision, self._compared, self._book, self._day = decision, compared, book, day
        checks = {check.check: check for check in decision.checks}
        self._eligibility, self._stay = checks.get(CheckName.ELIGIBILITY), checks.get(CheckName.STAY)

    def right(self) -> _Right:
        """Return what this rulebook says; what hangs on permits is as recorded where nothing else is said of them."""
        document, recorded = self._decision.document, self._eligibility
        if document is None or recorded is None:
            raise NotReplayable("eligibility_not_asked", "nobody asked for a right to cross")
        right = self._right_by(self._book, self._day, document, recorded)
        if right.outcome is None and self._is_unchanged(_RIGHTS):
            right = _Right(CheckOutcome(recorded.outcome), right.stay_is_free, right.rules)
        if right.outcome is None:
            raise NotReplayable("permits_not_recorded", "it hangs on permits, which are sealed")
        return right

    def admission(self) -> Admission:
        """Return what the machine does by this rulebook. Raises `NotReplayable`."""
        reasons = self._decision.admission_reasons
        if any(reason.code == ReasonCode.PARTY_REFERRED for reason in reasons):
            raise NotReplayable("stands_with_party", "somebody else of the party was referred")
        if any(not self._is_by_rule(reason.code) for reason in reasons):
            return Admission.REFER  # whatever the rules of entry say
        if len(reasons) >= MOST_REASONS:
            raise NotReplayable("reasons_cut", "there may be reasons that the record does not hold")
        right = self.right()
        if right.outcome is not CheckOutcome.SUCCESSFUL:
            return self._referred(self._eligibility, str(right.outcome))
        if not self._is_unchanged((_AGE,)):
            raise NotReplayable("age_not_recorded", "it hangs on an age, which is sealed")
        if any(self._is_about_age(reason.code, reason.parameters) for reason in reasons):
            return Admission.REFER
        if right.stay_is_free:
            return Admission.RELEASE
        if self._stay is None or not self._is_unchanged(_STAYS):
            raise NotReplayable("stays_not_recorded", "it hangs on earlier stays, which are sealed")
        if self._stay.outcome == CheckOutcome.SUCCESSFUL.value:
            return Admission.RELEASE
        return self._referred(self._stay, self._stay.outcome)

    def _referred(self, check: CheckPart | None, outcome: str) -> Admission:
        """Return that a check refers, unless the record shows that the site lets this outcome of it pass."""
        is_tolerated = self._decision.admission == Admission.RELEASE.value
        if is_tolerated and check is not None and check.outcome == outcome:
            raise NotReplayable("tolerated_by_site", "the site tolerates an outcome of this check")
        return Admission.REFER

    def _is_unchanged(self, subjects: tuple[str, ...]) -> bool:
        """Tell whether the record was made by a rulebook that says the same: then what it says holds on this side, too."""
        then = self._decision.local_date
        is_by_older = self._decision.rulebook_version == self._compared.older.version
        return is_by_older and self._compared.says_the_same(subjects, then, self._book, self._day)

    def _is_by_rule(self, code: str) -> bool:
        """Tell whether another rulebook may take this reason away."""
        asked = [check for check in (self._eligibility, self._stay) if check is not None]
        said = {reason.code for check in asked for reason in check.reasons}
        return code in said | {
            ReasonCode.MINOR_WITHOUT_ADULT, ReasonCode.RULE_NOT_FOUND, ReasonCode.ALL_CHECKS_SUCCESSFUL,
        }  # fmt: skip

    @staticmethod
    def _is_about_age(code: str, parameters: dict[str, str]) -> bool:
        is_missing = code == ReasonCode.RULE_NOT_FOUND and parameters.get("rule") == _AGE
        return is_missing or code == ReasonCode.MINOR_WITHOUT_ADULT

    def _right_by(self, book: Rulebook, day: date, document: DocumentPart, recorded: CheckPart) -> _Right:
        """Return what is known without permits, unless the record says that there are none."""
        decision, nationality = self._decision, document.nationality
        direction = Direction(decision.direction)
        kind = kind_named(MrzFormat(document.format), document.document_code)
        paper = Paper(kind.value, document.issuing_state)
        mode = TravelMode(decision.corridor_inputs.mode) if decision.corridor_inputs else TravelMode.ROAD
        entitled = entitlement(book, Entry(nationality, day, mode, paper))
        accepted = document_rule(book, direction, nationality, paper, day)
        result = check_eligibility(direction, nationality, paper, day, book, entitled)
        rules = (accepted,) if isinstance(accepted, Rule) else ()
        if direction is Direction.EXIT:
            return _Right(result.outcome, entitled.is_unlimited, rules)
        is_known = entitled.is_unlimited or entitled.allowed is not None
        has_none = any(reason.code == ReasonCode.VISA_MISSING for reason in recorded.reasons)
        is_free = entitled.is_unlimited or (entitled.allowed is not None and entitled.allowed.rule.subject != _WINDOW)
        return _Right(result.outcome if is_known or has_none else None, is_free, (*rules, *entitled.rules))


def eligibility(decision: DecisionV1, compared: RulebookComparison, day: date) -> Decided | None:
    """Return who may cross with what, by both rulebooks; None: nobody was asked. Raises `NotReplayable`."""
    recorded = next((check for check in decision.checks if check.check == CheckName.ELIGIBILITY), None)
    if decision.document is None or recorded is None:
        return None
    rights = [_Side(decision, compared, book, day).right() for book in (compared.older, compared.newer)]
    before, after = (str(right.outcome) for right in rights)
    used = [rule.rule_id for right in rights for rule in right.rules]
    return Decided(
        ELIGIBILITY,
        str(decision.decision_id),
        before,
        after,
        compared.differing(used, day) if before != after else (),
        is_as_recorded=before == recorded.outcome if is_told(decision, compared, day) else None,
    )


def admission(decision: DecisionV1, compared: RulebookComparison, day: date) -> Decided | None:
    """Return what the machine does, by both rulebooks; None: a guard decided. Raises `NotReplayable`."""
    if decision.decided_by != DecidedBy.MACHINE.value:
        return None
    sides = [_Side(decision, compared, book, day) for book in (compared.older, compared.newer)]
    before, after = (side.admission() for side in sides)
    used = [rule.rule_id for side in sides for rule in side.right().rules] if before is not after else []
    return Decided(
        ADMISSION,
        str(decision.decision_id),
        before.value,
        after.value,
        compared.differing(used, day) if before is not after else (),
        is_as_recorded=before == decision.admission if is_told(decision, compared, day) else None,
    )


def is_told(decision: DecisionV1, compared: RulebookComparison, day: date) -> bool:
    """Tell whether the older rulebook has to come to what the record says."""
    return decision.rulebook_version == compared.older.version and day == decision.local_date
