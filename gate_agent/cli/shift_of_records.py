"""Recorded decisions under two rulebooks: corridor and duty decided again, each on its own date and with its own draw.

What a record does not hold is never guessed: a decision that hangs on it is counted as undecided, with what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from central_sync.messages import DecisionV1, DeclarationV1, InspectionV1
from gate_agent.cli.corridor_replay import NotReplayable, decided_again, recorded_facts, recorded_goods
from gate_agent.cli.shift_of_rights import admission, eligibility, is_told
from gate_agent.cli.shift_tally import ADMISSION, AMOUNT, CORRIDOR, DUTY, ELIGIBILITY, OFFICER, Decided, Undecided
from gate_agent.domain.declaration import Direction, TravelMode
from gate_agent.domain.selection import DRAW_RANGE, TrustCategory
from gate_agent.policy.duty import DutyAnswer, duty
from gate_agent.policy.frequent_crossing import SUBJECT as FREQUENT
from gate_agent.policy.rulebook import Rulebook
from gate_agent.policy.rulebook_comparison import RulebookComparison
from gate_agent.policy.selection import selection_reach
from gate_agent.policy.trust_category import ATTENTION, FACTOR, MEMORY, TRUSTED, WEIGHTS

if TYPE_CHECKING:
    from central_sync.messages import GoodsPart, Record
    from central_sync.selection_parts import SelectionPart

_STANDING = (MEMORY, *WEIGHTS.values(), TRUSTED, ATTENTION, FREQUENT)
"""Subjects that a recorded standing was made from; the factor of a category moves a probability, not the standing."""


@dataclass(slots=True)
class Transaction:
    """What the records say of one traveller: the machine's decision (else a guard's), the declaration, customs' inspection."""

    decision: DecisionV1 | None = None
    declared: DeclarationV1 | None = None
    inspection: InspectionV1 | None = None

    def take(self, content: object) -> None:
        """Keep what a record says."""
        if isinstance(content, DecisionV1) and (self.decision is None or content.decided_by == "machine"):
            self.decision = content
        elif isinstance(content, DeclarationV1):
            self.declared = content
        elif isinstance(content, InspectionV1) and content.agency == "customs":
            self.inspection = content


def transactions(
    records: Iterable[Record], *, gate: str | None, since: date | None, until: date | None
) -> list[Transaction]:
    """Return the transactions with a decision of a gate in a span of local days, both ends included."""
    found: dict[tuple[str, str], Transaction] = {}
    for record in records:
        content = record.content()
        if gate in {None, record.source} and isinstance(content, DecisionV1 | DeclarationV1 | InspectionV1):
            found.setdefault((record.source, str(content.transaction_id)), Transaction()).take(content)
    return [
        one
        for one in found.values()
        if one.decision is not None
        and (since is None or since <= one.decision.local_date)
        and (until is None or one.decision.local_date <= until)
    ]


def decided_records(
    known: Iterable[Transaction], compared: RulebookComparison, on: date | None = None
) -> Iterator[Decided | Undecided]:
    """Yield what both rulebooks say of each transaction. `on`: as though all of them had crossed on that local day."""
    for transaction in known:
        decision = transaction.decision
        if decision is None:
            continue
        day = on or decision.local_date
        asked: dict[str, Callable[[], Decided | None]] = {
            CORRIDOR: partial(_corridor, transaction, decision, compared, day),
            DUTY: partial(_duty, transaction, decision, compared, day),
            ELIGIBILITY: partial(eligibility, decision, compared, day),
            ADMISSION: partial(admission, decision, compared, day),
        }
        for about, ask in asked.items():
            try:
                found: Decided | Undecided | None = ask()
            except NotReplayable as refusal:
                found = Undecided(about, refusal.missing)
            except ValueError:  # words of a later release, by which this one cannot decide
                found = Undecided(about, "words_unknown")
            if found is not None:
                yield found


def _corridor(transaction: Transaction, decision: DecisionV1, compared: RulebookComparison, day: date) -> Decided:
    if decision.linked_to is not None:
        raise NotReplayable("stands_with_adult", "there is one draw for a family, and it is the adult's")
    _, recorded = recorded_facts(decision)
    answers = [
        [
            decided_again(decision, transaction.declared, book, day, known)
            for known in _possible(recorded, decision, compared, book, day)
        ]
        for book in (compared.older, compared.newer)
    ]
    if any(len({answer.corridor for answer in possible}) > 1 for possible in answers):
        raise NotReplayable("past_not_recorded", "it hangs on a past that other rules count otherwise")
    before, after = (possible[0] for possible in answers)
    used = [rule.rule_id for possible in answers for answer in possible for rule in answer.rules]
    return Decided(
        CORRIDOR,
        str(decision.decision_id),
        before.corridor.value,
        after.corridor.value,
        compared.differing(used, day) if before.corridor is not after.corridor else (),
        is_as_recorded=before.corridor.value == decision.corridor if is_told(decision, compared, day) else None,
    )


def _possible(
    recorded: SelectionPart, decision: DecisionV1, compared: RulebookComparison, book: Rulebook, day: date
) -> list[SelectionPart]:
    """Return every past that the record leaves open: one, unless a rulebook counts trust or the window by other rules."""
    then = decision.local_date
    pasts: list[dict[str, object]] = [{}]
    if not compared.says_the_same(_STANDING, then, book, day, besides=(FACTOR,)):
        pasts = [
            {"trust_category": category.value, "is_frequent": frequent}
            for category, frequent in product(TrustCategory, (False, True))
        ]
    if recorded.draw_value is not None and selection_reach(compared.older, then)[1] != selection_reach(book, day)[1]:
        pasts = [past | {"draw_value": value} for past in pasts for value in (0, DRAW_RANGE - 1)]
    return [recorded.model_copy(update=past) for past in pasts]


def _duty(transaction: Transaction, decision: DecisionV1, compared: RulebookComparison, day: date) -> Decided | None:
    """Decide duty again: on the goods as customs found them, else as they were declared. None: there are no goods."""
    if decision.linked_to is not None:
        return None  # his goods stand on the adult's declaration
    inspection, inputs = transaction.inspection, decision.corridor_inputs
    lines = _goods(transaction)
    if lines is None and inputs is not None and inputs.is_declared:
        raise NotReplayable("declaration_not_recorded", "its declaration was never used for a passage")
    if not lines:
        return None
    if inputs is None:
        raise NotReplayable("inputs_not_recorded", "its record keeps no inputs")
    goods = recorded_goods(lines)
    direction, mode = Direction(decision.direction), TravelMode(inputs.mode)
    days_abroad = None if inspection is None else inspection.days_abroad
    before, after = (
        duty(book, direction, mode, day, goods, days_abroad, travellers=inputs.travellers)
        for book in (compared.older, compared.newer)
    )
    amounts = (before.due, after.due)
    shifts = _word(before) != _word(after) or before.due != after.due
    used = [rule.rule_id for rule in (*before.rules, *after.rules)]
    return Decided(
        DUTY,
        str(decision.decision_id),
        _word(before),
        _word(after),
        compared.differing(used, day) if shifts else (),
        amounts,
        _is_as_charged(inspection, before) if is_told(decision, compared, day) else None,
    )


def _is_as_charged(inspection: InspectionV1 | None, before: DutyAnswer) -> bool | None:
    """Tell whether the desk came to the same by the rules; None: it did not ask them by this rulebook."""
    if inspection is None:
        return None
    computed = inspection.duty_computed
    if computed is None or before.is_for_an_officer:
        return (computed is None) == before.is_for_an_officer
    return (computed.amount_minor, computed.currency) == (before.due.amount_minor, before.due.currency)


def _goods(transaction: Transaction) -> list[GoodsPart] | None:
    if transaction.inspection is not None and transaction.inspection.goods is not None:
        return transaction.inspection.goods
    return None if transaction.declared is None else transaction.declared.goods


def _word(answer: DutyAnswer) -> str:
    return OFFICER if answer.is_for_an_officer else AMOUNT
