"""The question to policy: everything the lane knows about this traveller, put into one input."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from gate_agent.clock import Clock
from gate_agent.domain.check import CheckName, CheckResult
from gate_agent.domain.crossing import PolicyAnswer
from gate_agent.domain.demands import Demands
from gate_agent.domain.reasons import Reason
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.ports import KnowledgeSource
from gate_agent.policy.admission import PolicyInput, decide
from gate_agent.settings import LaneSettings, Settings


def ask_policy(
    settings: Settings,
    lane: LaneSettings,
    demands: Demands,
    results: Mapping[CheckName, CheckResult],
    referral: tuple[Reason, ...],
    borrowed: Borrowed,
    knowledge: KnowledgeSource,
    clock: Clock,
    today: date,
) -> PolicyAnswer:
    """Return admission and corridor. With `referral` the admission is to refer, for these reasons before all others."""
    now, known = clock.now(), knowledge.current()
    declaration = borrowed.declaration
    seals = knowledge.seals(declaration) if declaration else ()
    return decide(
        PolicyInput(
            direction=lane.direction,
            mode=declaration.mode if declaration else settings.gate.travel_mode,
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
        )
    )
