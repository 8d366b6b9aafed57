"""The question to policy: everything the lane knows about this traveller, put into one input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from gate_agent.clock import Clock
from gate_agent.domain.check import CheckName, CheckResult
from gate_agent.domain.crossing import Admission, PolicyAnswer
from gate_agent.domain.reasons import Reason
from gate_agent.domain.seal import SealReport, SealState
from gate_agent.domain.transaction_state import MANDATORY_CHECKS
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.ports import KnowledgeSource
from gate_agent.policy.admission import PolicyInput, decide
from gate_agent.settings import LaneSettings, Settings

_MOST_REASONS = 5


def ask_policy(
    settings: Settings,
    lane: LaneSettings,
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
    seals = tuple(
        knowledge.seal(seal_id) or SealReport(seal_id, SealState.UNKNOWN, "", now)
        for seal_id in (declaration.seal_ids if declaration else ())
    )
    answer = decide(
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
            mandatory=MANDATORY_CHECKS,
        )
    )
    if not referral:
        return answer
    named = {reason.code for reason in referral}
    others = tuple(
        reason
        for reason in (answer.admission_reasons if answer.admission is Admission.REFER else ())
        if reason.code not in named
    )
    return replace(answer, admission=Admission.REFER, admission_reasons=(referral + others)[:_MOST_REASONS])
