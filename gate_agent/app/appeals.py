"""What customs counts of somebody at the desk, shown to the inspector, and appeals against it, noted under a signed authorisation."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import date
from zoneinfo import ZoneInfo

import structlog

from gate_agent.clock import Clock
from gate_agent.domain.selection import AppealSubject
from gate_agent.lane.authorisation import VerifiedAuthorisation
from gate_agent.policy.frequent_crossing import frequency_of, window_start
from gate_agent.policy.rulebook import Rulebook
from gate_agent.policy.trust_category import standing_of
from gate_agent.store.selection_book import SelectionBook
from gate_agent.web.appeal_messages import StandingView
from gate_agent.web.lane_api_messages import ActionAnswer

log = structlog.get_logger()

NOT_KNOWN, NO_APPEAL, NO_WORDS = "EG-LAN-010", "EG-LAN-011", "EG-LAN-012"
DECISIONS = {
    "category_noted": (AppealSubject.TRUST_CATEGORY, False),
    "category_upheld": (AppealSubject.TRUST_CATEGORY, True),
    "frequency_noted": (AppealSubject.FREQUENT_CROSSER, False),
    "frequency_upheld": (AppealSubject.FREQUENT_CROSSER, True),
}
"""The reason codes of an appeal: what it is against, and whether it is granted."""


class Appeals:
    """`web.appeal_api.AppealSource` of one agent."""

    def __init__(self, book: SelectionBook, rulebook: Callable[[], Rulebook], clock: Clock, time_zone: str) -> None:
        self._book = book
        self._rulebook = rulebook
        self._clock = clock
        self._zone = ZoneInfo(time_zone)

    def _today(self) -> date:
        return self._clock.now().astimezone(self._zone).date()

    async def standing(self, transaction_id: uuid.UUID) -> StandingView | None:
        """Return what is counted of whoever made a crossing, None when nobody knows any more who that was."""
        rulebook, today = self._rulebook(), self._today()
        history = await self._book.past_at_desk(transaction_id, window_start(rulebook, today))
        if history is None:
            return None
        standing, frequency = standing_of(rulebook, today, history), frequency_of(rulebook, today, history)
        return StandingView(
            category=standing.category.value,
            inspections=standing.inspections,
            findings=standing.findings,
            crossings=frequency.crossings,
            crossing_days=frequency.days,
            is_frequent=frequency.is_frequent,
            category_upheld_on=history.upheld.get(AppealSubject.TRUST_CATEGORY),
            frequency_upheld_on=history.upheld.get(AppealSubject.FREQUENT_CROSSER),
        )

    async def note(self, verified: VerifiedAuthorisation) -> ActionAnswer:
        """Record an appeal as an officer signed it; a granted one counts from the next decision on."""
        order = verified.authorisation
        decision = DECISIONS.get(order.reason_code)
        if decision is None or order.subject_id is None:
            return ActionAnswer.refused(NO_APPEAL, "this is no decision on an appeal")
        if not order.reason_text.strip():
            return ActionAnswer.refused(NO_WORDS, "an appeal needs the traveller's words")
        subject, upheld = decision
        officer = verified.officers[0].officer_id
        taken = await self._book.appeal(
            order.subject_id, subject, officer, self._today(), order.reason_text, upheld=upheld
        )
        if not taken:
            return ActionAnswer.refused(NOT_KNOWN, "nobody knows any more whose crossing this was")
        log.info("appeal_noted", subject=subject.value, upheld=upheld)
        return ActionAnswer.done()
