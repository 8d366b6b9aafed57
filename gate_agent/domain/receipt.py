"""The receipt of a crossing: what a traveller has to know and may have to prove later, as a signed code that needs no network to be read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from gate_agent.domain.declaration import Direction
from gate_agent.domain.money import Money


class DutyState(StrEnum):
    """What is known of the duty when somebody is released: nothing is due, so much is, or an officer has to say."""

    NONE = "none"
    DUE = "due"
    OFFICER = "officer"


@dataclass(frozen=True, slots=True)
class TemporaryItem:
    """Goods that go back where they came from; `mark` tells them from others of their kind, empty where none was declared."""

    description: str
    mark: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says. `binding` ties it to the holder's document, whose number stands nowhere in it.

    `issuer` is the gate (country/site/gate). Deadlines are the last days, None where there is none or no rule says one. `duty` as the
    gate worked it out; what was paid is the customs desk's to say. `declaration_id` is that of the declaration's token.
    """

    receipt_id: bytes
    issuer: str
    direction: Direction
    issued_at: datetime
    local_date: date
    binding: bytes
    stay_deadline: date | None = None
    registration_deadline: date | None = None
    duty_state: DutyState = DutyState.NONE
    duty: Money | None = None
    declaration_reference: str = ""
    declaration_id: bytes = b""
    temporary: tuple[TemporaryItem, ...] = ()


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt and its code."""

    receipt: Receipt
    text: str
