"""Declaration tokens in the lane: verified offline, bound to the document, refused when a passed traveller used them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from gate_agent.clock import Clock
from gate_agent.domain import events as ev
from gate_agent.domain import party_events as pe
from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.inspection.declaration_token import TokenReading, bind, place_of, verify_token
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.party import Party
from gate_agent.lane.ports import Knowledge, LaneStore
from gate_agent.policy.eligibility import not_served
from gate_agent.policy.family import Party as Together
from gate_agent.policy.family import party_of
from gate_agent.policy.rulebook import Rulebook
from gate_agent.settings import LaneSettings

_NOT_LINKED = Reason(ReasonCode.TOKEN_OTHER_DOCUMENT)
"""Somebody who is not among those whom the adult takes along, or who laid down his document already."""


class Declarations:
    """Reads and binds the tokens of one lane."""

    def __init__(self, store: LaneStore, clock: Clock, lane: LaneSettings) -> None:
        self._store = store
        self._clock = clock
        self._room = lane.persons_limit if lane.family_sessions else 1

    def read(self, payload: bytes, knowledge: Knowledge) -> TokenReading:
        """Verify a token by itself."""
        return verify_token(payload, knowledge.token_keys, self._clock.now())

    async def bind(self, borrowed: Borrowed, party: Party, today: date, rulebook: Rulebook) -> tuple[ev.Event, ...]:
        """Answer with events as soon as token and document allow it; raises `StoreFault`.

        The declarant's document tells who crosses with him; each of these is bound to the same token by the own document.
        """
        reading = borrowed.token
        if reading is None:
            return ()
        if reading.result.outcome is not CheckOutcome.SUCCESSFUL or reading.declaration is None:
            return (ev.CheckCompleted(reading.result),)
        document = borrowed.document
        if document is None or borrowed.token_place is not None:
            return ()
        declaration = reading.declaration
        used = await self._store.token_used(declaration.token_id, document.issuing_state, document.document_number)
        if borrowed.document is not document or borrowed.token_place is not None:
            return ()  # another document is bound, or this one was, while the store was asked
        result = bind(reading, document, already_used=used)
        place = place_of(reading, document)
        if borrowed.linked_to is not None:
            if not party.admits(place):
                result = replace(result, outcome=CheckOutcome.FAILED, reasons=(_NOT_LINKED,))
            if result.outcome is CheckOutcome.SUCCESSFUL:
                borrowed.token_place = place
            return (ev.CheckCompleted(result),)
        was_declared = bool(party.links)
        refused: tuple[Reason, ...] = ()
        party.links = ()
        if result.outcome is CheckOutcome.SUCCESSFUL:
            borrowed.token_place = place
            together = party_of(declaration, document, today, rulebook, self._room) if place == 0 else Together()
            refused = (*not_served(document, declaration, today, rulebook), *together.refused)
            party.links = () if refused else together.places
        answer: ev.Event = ev.NotServed(refused) if refused else ev.CheckCompleted(result)
        if party.links or was_declared:  # who belongs together may have been told from a read that was wrong
            return (pe.PartyDeclared(1 + len(party.links)), answer)
        return (answer,)
