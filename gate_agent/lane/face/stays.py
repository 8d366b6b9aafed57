"""Short-term references as a lane uses them (off by default): kept after a passed entry, used only where a portrait cannot be read, gone after the exit.

Kept is the picture of the document's portrait, of travellers whose stay is limited, and of nobody else. At the exit the document's own
portrait is always tried first.
"""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import date

from gate_agent.domain import events as ev
from gate_agent.domain.crossing import PassageOutcome
from gate_agent.domain.declaration import Direction
from gate_agent.domain.reasons import ReasonCode
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.ports import FaceMatcher, KnowledgeSource, StayReferences
from gate_agent.lane.presented import is_right
from gate_agent.lane.reference import take_reference
from gate_agent.policy.stay_rules import is_unlimited

_NO_PORTRAIT = frozenset({ReasonCode.REFERENCE_PORTRAIT_MISSING, ReasonCode.REFERENCE_PORTRAIT_REFUSED})


class ShortStays:
    """The short-term references of one lane."""

    def __init__(self, direction: Direction, references: StayReferences, knowledge: KnowledgeSource) -> None:
        self._direction = direction
        self._references = references
        self._knowledge = knowledge

    async def instead(self, matcher: FaceMatcher, borrowed: Borrowed, found: ev.Event | None) -> ev.Event | None:
        """Return what came of the reference kept at entry where the document's portrait cannot be read at the exit; else `found`.

        Only for a document whose check digits are right: from then on it is the only one of this transaction.
        """
        document = borrowed.document
        is_missing = isinstance(found, ev.StepAborted) and found.reason.code in _NO_PORTRAIT
        if self._direction is not Direction.EXIT or not is_missing or document is None:
            return found
        if borrowed.reading is None or not is_right(borrowed.reading):
            return found
        content = await self._references.reference_of(document.issuing_state, document.document_number)
        if content is None:
            return found
        try:
            kept = await take_reference(matcher, borrowed, content)
        finally:
            content[:] = bytes(len(content))
        if not isinstance(kept, ev.ReferenceReady):
            return found
        borrowed.is_short_term_reference = True
        return kept

    def ended(self, borrowed: Borrowed, today: date) -> Coroutine[object, object, None] | None:
        """Return the work after a transaction that ends now, its facts already taken from `borrowed`; None: there is none."""
        document = borrowed.document
        if borrowed.passage is not PassageOutcome.PASSED or document is None:
            return None
        holder = (document.issuing_state, document.document_number)
        if self._direction is Direction.EXIT:
            return self._references.left(*holder)
        if not borrowed.reference_jpeg or is_unlimited(self._knowledge.current().rulebook, document.nationality, today):
            return None
        return self._entered(holder, bytearray(borrowed.reference_jpeg))

    async def _entered(self, holder: tuple[str, str], content: bytearray) -> None:
        try:
            await self._references.entered(*holder, content)
        finally:
            content[:] = bytes(len(content))
