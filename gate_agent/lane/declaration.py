"""Declaration tokens in the lane: verified offline, bound to the document, refused when a passed traveller used them."""

from __future__ import annotations

from datetime import date

from gate_agent.clock import Clock
from gate_agent.domain import events as ev
from gate_agent.domain.check import CheckOutcome
from gate_agent.inspection.declaration_token import TokenReading, bind, verify_token
from gate_agent.inspection.token_format import PREFIX
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.ports import Knowledge, LaneStore
from gate_agent.policy.eligibility import not_served
from gate_agent.policy.rulebook import Rulebook
from gate_agent.settings import PolicySettings


class Declarations:
    """Reads and binds the tokens of one lane."""

    def __init__(self, store: LaneStore, clock: Clock, settings: PolicySettings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings

    @staticmethod
    def looks_like_token(payload: bytes) -> bool:
        """Tell a token from any other symbol that a camera may see."""
        return payload.startswith(PREFIX.encode("ascii"))

    def read(self, payload: bytes, knowledge: Knowledge) -> TokenReading:
        """Verify a token by itself."""
        return verify_token(payload, knowledge.token_keys, self._clock.now())

    async def bind(self, borrowed: Borrowed, today: date, rulebook: Rulebook) -> tuple[ev.Event, ...]:
        """Answer with events as soon as token and document allow it; raises `StoreFault`."""
        reading = borrowed.token
        if reading is None:
            return ()
        if reading.result.outcome is not CheckOutcome.SUCCESSFUL or reading.declaration is None:
            return (ev.CheckCompleted(reading.result),)
        document = borrowed.document
        if document is None or borrowed.token_accepted:
            return ()
        declaration = reading.declaration
        used = await self._store.token_used(declaration.token_id, document.issuing_state, document.document_number)
        result = bind(reading, document, already_used=used)
        borrowed.token_accepted = result.outcome is CheckOutcome.SUCCESSFUL
        refused = not_served(document, declaration, today, rulebook)
        if refused and borrowed.token_accepted:
            return (ev.NotServed(refused),)
        return (ev.CheckCompleted(result),)
