"""The records of a transaction, built from what the lane knows at the moment of deciding or passing."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from gate_agent.clock import Clock
from gate_agent.domain import events as ev
from gate_agent.domain.check import AnyCheck, CheckResult
from gate_agent.domain.crossing import Crossing, DecidedBy, Decision, PassageOutcome
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.party import own_answer
from gate_agent.lane.ports import Knowledge
from gate_agent.settings import LaneSettings


def decision_of(
    lane: LaneSettings,
    borrowed: Borrowed,
    decision_id: uuid.UUID,
    effect: ev.CommitDecision,
    results: Mapping[AnyCheck, CheckResult],
    knowledge: Knowledge,
    clock: Clock,
    today: date,
    trust_version: int | None = None,
) -> Decision:
    """Return the decision; `software_ms` counts from the last byte or frame that it used, for the machine's own decisions."""
    answer = own_answer(borrowed.own_answer, effect.answer, effect.decided_by)
    if borrowed.linked_to is not None:
        answer = replace(answer, selection=None)  # one draw for a family, and it is the adult's
    by_machine = effect.decided_by is DecidedBy.MACHINE
    return Decision(
        decision_id=decision_id,
        transaction_id=borrowed.transaction_id,
        lane_id=lane.lane_id,
        direction=lane.direction,
        decided_at=clock.now(),
        local_date=today,
        decided_by=effect.decided_by,
        answer=answer,
        checks=tuple(results.values()),
        document=borrowed.document,
        declaration=borrowed.declaration,
        officers=effect.officers,
        reason_text=effect.reason_text,
        software_ms=(borrowed.decided_mono_s - borrowed.last_input_mono_s) * 1000 if by_machine else None,
        step_ms=dict(borrowed.step_ms),
        source_states={
            "rulebook": f"local:{knowledge.rulebook.version}",
            "watchlist": f"local:{knowledge.watchlist_version}",
            **({"watchlist_root": knowledge.watchlist_root} if knowledge.watchlist_root else {}),
            **({} if trust_version is None else {"trust": f"local:{trust_version}" if trust_version else "absent"}),
        },
        linked_to=borrowed.linked_to,
    )


def crossing_of(
    lane: LaneSettings,
    borrowed: Borrowed,
    crossing_id: uuid.UUID,
    passage: PassageOutcome,
    clock: Clock,
    today: date,
) -> Crossing:
    """Return the crossing that settles the last decision."""
    assert borrowed.decision_id is not None, "a crossing follows a decision"
    assert borrowed.answer is not None, "a crossing follows an answer"
    return Crossing(
        crossing_id=crossing_id,
        transaction_id=borrowed.transaction_id,
        decision_id=borrowed.decision_id,
        lane_id=lane.lane_id,
        direction=lane.direction,
        occurred_at=clock.now(),
        local_date=today,
        passage=passage,
        document=borrowed.document,
        declaration=borrowed.declaration,
        corridor=(borrowed.own_answer or borrowed.answer).corridor,
        watchlist_version=borrowed.listed.version if borrowed.listed else 0,
        watchlist_seen=borrowed.listed.seen if borrowed.listed else (),
        linked_to=borrowed.linked_to,
        receipt=borrowed.receipt.text if borrowed.receipt is not None else "",
        stay_terms=borrowed.terms,
    )
