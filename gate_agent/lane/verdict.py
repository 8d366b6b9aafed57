"""The question to policy: everything the lane knows about this traveller, put into one input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from gate_agent.clock import Clock
from gate_agent.domain.check import AnyCheck, CheckResult
from gate_agent.domain.crossing import PolicyAnswer
from gate_agent.domain.demands import Demands
from gate_agent.domain.reasons import Reason
from gate_agent.domain.selection import Chance
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.party import together
from gate_agent.lane.ports import KnowledgeSource
from gate_agent.policy.admission import PolicyInput, decide
from gate_agent.settings import LaneSettings, Settings


def ask_policy(
    settings: Settings,
    lane: LaneSettings,
    demands: Demands,
    people: Sequence[tuple[Borrowed, Mapping[AnyCheck, CheckResult]]],
    referral: tuple[Reason, ...],
    knowledge: KnowledgeSource,
    clock: Clock,
    today: date,
) -> PolicyAnswer:
    """Return admission and corridor. With `referral` the admission is to refer, for these reasons before all others.

    `people` are those who cross together, with their results; each has an answer of his own, and all of them together this one.
    """
    answers = []
    for borrowed, results in people:
        answer = _ask(settings, lane, demands, results, referral, borrowed, knowledge, clock, today)
        borrowed.own_answer = answer if len(people) > 1 else None
        answers.append(answer)
    found = [not all(map(demands.is_clear, results.values())) for _, results in people]
    return together(answers, found) if len(answers) > 1 else answers[0]


def _ask(
    settings: Settings,
    lane: LaneSettings,
    demands: Demands,
    results: Mapping[AnyCheck, CheckResult],
    referral: tuple[Reason, ...],
    borrowed: Borrowed,
    knowledge: KnowledgeSource,
    clock: Clock,
    today: date,
) -> PolicyAnswer:
    now, known = clock.now(), knowledge.current()
    declaration = borrowed.declaration
    seals = knowledge.seals(declaration) if declaration else ()
    return decide(
        PolicyInput(
            direction=lane.direction,
            mode=settings.gate.mode_for(declaration.mode if declaration else None),
            local_date=today,
            now=now,
            checks=tuple(results.values()),
            document=borrowed.document,
            declaration=declaration,
            seals=seals,
            rulebook=known.rulebook,
            watchlist_age_h=(now - known.watchlist_valid_from).total_seconds() / 3600,
            watchlist_age_limit_h=settings.policy.watchlist_age_limit_h,
            demands=demands,
            referral=referral,
            rules=borrowed.right.rules if borrowed.right else (),
            is_linked=borrowed.linked_to is not None,
            screening=knowledge.screening(declaration) if declaration else None,
            chance=Chance(knowledge.draw(borrowed.linked_to or borrowed.transaction_id, today), borrowed.past),
        )
    )
