"""Visas and residence permits at the reader: one may be laid there before the passport, or after it where the passport alone is not enough.

A traveller who needs one is given time to lay it down: until then nothing is said about his right to enter, and no guard is called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from gate_agent.domain import events as ev
from gate_agent.domain.demands import PERMIT_CHECKS
from gate_agent.domain.document_kinds import DocumentKind, document_kind
from gate_agent.domain.mrz import MrzReading
from gate_agent.domain.shown_permit import is_permit
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.document import Inspected
from gate_agent.lane.entry_right import Circumstances, EntryRight, entry_right
from gate_agent.lane.jobs import Job, Report
from gate_agent.lane.ports import Knowledge
from gate_agent.lane.presented import is_right
from gate_agent.settings import Settings

log = structlog.get_logger()


class PermitWork:
    """Takes the permits of one lane, and waits for those that are missing."""

    def __init__(
        self,
        settings: Settings,
        circumstances: Callable[[Borrowed], Circumstances],
        knowledge: Callable[[], Knowledge],
        *,
        job: Job,
        report: Report,
        changed: Callable[[], None],
    ) -> None:
        self._settings = settings.policy
        self._circumstances = circumstances
        self._knowledge = knowledge
        self._job = job
        self._report = report
        self._changed = changed

    def take(self, borrowed: Borrowed, reading: MrzReading) -> bool:
        """Keep what was read if it is a permit and no travel document; True when it was."""
        if not is_permit(reading) or reading.document is None:
            return False
        is_visa = document_kind(reading.document) is DocumentKind.VISA
        if not is_visa and not borrowed.awaits_permit:
            return False  # a residence permit may be all that somebody travels on
        if not is_right(reading):
            log.info("permit_misread")
            return True  # it may be laid there again while there is time
        borrowed.permit = reading
        self.judge_again(borrowed)
        return True

    def hold_back(self, borrowed: Borrowed, inspected: Inspected) -> tuple[ev.Event, ...]:
        """Keep what a read gave, and return what may be told of it at once: nothing that a permit would change, while there is time for one.

        Of a read with wrong check digits everything is told: it counts or it does not, and nobody is asked for a visa because of it.
        """
        borrowed.right = right = inspected.right
        may_wait = is_right(inspected.reading) and self._settings.permit_wait_s > 0
        borrowed.awaits_permit = may_wait and right is not None and right.lacks_permit
        if not borrowed.awaits_permit:
            return inspected.events
        log.info("permit_awaited")
        self._changed()
        self._job(self._wait(borrowed))
        return tuple(event for event in inspected.events if not _is_about_permits(event))

    def judge_again(self, borrowed: Borrowed) -> None:
        """Judge with what came meanwhile: a permit on the reader, or a declaration."""
        if not borrowed.awaits_permit:
            return
        right = self._judged(borrowed)
        if right is not None and not right.lacks_permit:
            self._answer(borrowed, right)

    def _judged(self, borrowed: Borrowed) -> EntryRight | None:
        """Return the right to cross as far as it is known now; None without a document."""
        if borrowed.document is None:
            return None
        return entry_right(
            borrowed.document,
            self._circumstances(borrowed),
            self._knowledge(),
            borrowed.stays,
            self._settings,
            borrowed.permit,
            borrowed.declaration.permit if borrowed.declaration else None,
        )

    async def _wait(self, borrowed: Borrowed) -> None:
        right = borrowed.right
        await asyncio.sleep(self._settings.permit_wait_s)
        if borrowed.awaits_permit and not borrowed.is_over and right is not None and borrowed.right is right:
            self._answer(borrowed, right)

    def _answer(self, borrowed: Borrowed, right: EntryRight) -> None:
        borrowed.awaits_permit = False
        borrowed.right = right
        told = [ev.CheckCompleted(result) for result in right.results if result.check in PERMIT_CHECKS]
        self._report(borrowed, *told, of_read=True)
        self._changed()


def _is_about_permits(event: ev.Event) -> bool:
    return isinstance(event, ev.CheckCompleted) and event.result.check in PERMIT_CHECKS
