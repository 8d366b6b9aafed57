"""Makes the signed receipt of somebody who is released: deadlines, duty and what goes back, from the same rules as the decision."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_agent.domain.declaration import Declaration, Direction, TravelMode
from gate_agent.domain.money import Money
from gate_agent.domain.receipt import DutyState, Receipt, SignedReceipt, TemporaryItem
from gate_agent.inspection.receipt_format import MAXIMUM_ITEMS, RECEIPT_ID_BYTES, encode
from gate_agent.inspection.token_format import document_binding
from gate_agent.lane.borrowed import Borrowed
from gate_agent.policy.duty import duty
from gate_agent.policy.rulebook import Rulebook

log = structlog.get_logger()


class ReceiptIssuer:
    """Signs receipts of one gate. `issuer` is country/site/gate, `random_bytes` gives their identifiers."""

    def __init__(self, key: Ed25519PrivateKey, issuer: str, random_bytes: Callable[[int], bytes]) -> None:
        self._key = key
        self._issuer = issuer
        self._random_bytes = random_bytes

    def issue(
        self, borrowed: Borrowed, direction: Direction, mode: TravelMode, now: datetime, today: date, rulebook: Rulebook
    ) -> SignedReceipt | None:
        """Return the receipt of somebody who is released; None without a document, or for what fits no code (it is logged)."""
        document, declaration = borrowed.document, borrowed.declaration
        if document is None:
            return None
        receipt_id = self._random_bytes(RECEIPT_ID_BYTES)
        state, due = DutyState.NONE, None
        answers_for = (
            declaration if borrowed.linked_to is None else None
        )  # a child's goods are the adult's to answer for
        if answers_for is not None:
            state, due = _duty(rulebook, direction, mode, today, answers_for)
        receipt = Receipt(
            receipt_id=receipt_id,
            issuer=self._issuer,
            direction=direction,
            issued_at=now.replace(microsecond=0),
            local_date=today,
            binding=document_binding(receipt_id, document.issuing_state, document.document_number),
            stay_deadline=borrowed.terms.last_day,
            registration_deadline=borrowed.terms.register_by,
            duty_state=state,
            duty=due,
            declaration_reference=declaration.reference if declaration else "",
            declaration_id=declaration.token_id if declaration else b"",
            temporary=temporary_items(answers_for) if answers_for else (),
        )
        try:
            return SignedReceipt(receipt, encode(receipt, self._key))
        except ValueError as refusal:
            log.error("receipt_not_signed", reason=str(refusal))
            return None


def temporary_items(declaration: Declaration) -> tuple[TemporaryItem, ...]:
    """Return what a declaration says goes back where it came from."""
    items = [TemporaryItem(line.description, line.mark) for line in declaration.goods if line.is_temporary]
    return tuple(items[:MAXIMUM_ITEMS])


def _duty(
    rulebook: Rulebook, direction: Direction, mode: TravelMode, today: date, declaration: Declaration
) -> tuple[DutyState, Money | None]:
    """Return what is due; where it depends on whether goods go back, and no rule says what that means, an officer has to say."""
    if not declaration.goods:
        return DutyState.NONE, None
    staying = tuple(line for line in declaration.goods if not line.is_temporary)
    asked = [declaration.goods] if len(staying) == len(declaration.goods) else [declaration.goods, staying]
    answers = [duty(rulebook, direction, mode, today, lines, travellers=declaration.travellers) for lines in asked]
    if any(answer.is_for_an_officer for answer in answers) or len({answer.due for answer in answers}) > 1:
        return DutyState.OFFICER, None
    due = answers[0].due
    return (DutyState.DUE, due) if due.amount_minor else (DutyState.NONE, None)
