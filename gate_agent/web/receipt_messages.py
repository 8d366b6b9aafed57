"""Receipts that are found again when the paper is lost: the question of an officer, and what the gate has kept."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from gate_agent.closing_order import Amount


class ReceiptQuery(BaseModel):
    """Whose receipts: the document as it is printed, and the local day of the crossing; without a day all that are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuing_state: str = Field(min_length=1, max_length=3, pattern=r"^[A-Z]+$")
    document_number: str = Field(min_length=1, max_length=24, pattern=r"^[A-Z0-9]+$")
    local_date: date | None = None


class ReceiptView(BaseModel):
    """One receipt: the signed code, and what it says in words that need no decoding."""

    model_config = ConfigDict(frozen=True)

    local_date: date
    code: str
    direction: str
    stay_deadline: date | None = None
    registration_deadline: date | None = None
    duty_state: str = "none"
    duty: Amount | None = None
    declaration_reference: str = ""
    temporary_items: list[str] = []


class ReceiptsFound(BaseModel):
    """The receipts of one document, the newest first."""

    model_config = ConfigDict(frozen=True)

    receipts: list[ReceiptView] = []
