"""The part of the lane API's messages that is about stops at the desks.

    GET  /v1/stops/{stop_id}          -> StopView, 404 when it is not open
    POST /v1/stops/{stop_id}/duty  DutyQuestion -> DutyView: what would be due; nothing is kept
    GET  /v1/inspections?days=N       -> InspectionsView: what was counted, today included

What a page may show of them is another matter: `web.desk.rights`.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gate_agent.closing_order import MOST_LINES, Amount, GoodsLine
from gate_agent.web.device_messages import SealTagView, XrayView

AgencyName = Literal["border", "customs", "health", "quarantine"]
CorridorName = Literal["green", "yellow", "red"]


class DeskMessage(BaseModel):
    """A frozen message; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ReasonView(DeskMessage):
    """A reason code (`domain.reasons.ReasonCode`) with its parameters; the page turns it into a sentence."""

    code: str
    parameters: dict[str, str] = {}


class CustomsTaskView(DeskMessage):
    """What one agency is asked of a traveller who was released; closed tasks are told while another one of the stop is open."""

    task_id: uuid.UUID
    transaction_id: uuid.UUID
    lane_id: int
    created_at: datetime
    declaration_reference: str
    reasons: list[ReasonView]
    agency: AgencyName = "customs"
    corridor: CorridorName = "red"
    closed_by: str = ""
    finding: Literal["", "nothing_found", "found", "amended"] = ""
    is_overdue: bool = False
    seen_by: str = Field("", description="the gate at whose exit the traveller was seen meanwhile")
    xray: list[XrayView] = []
    seals: list[SealTagView] = []


class RuleView(DeskMessage):
    """A rule of the rulebook that took part."""

    rule_id: str
    effective_from: date
    certainty: str


class DutyLineView(DeskMessage):
    """One line of the calculation (`policy.duty.DutyLine`); `place` is the line of goods that it speaks of, from 0."""

    name: str
    amount: int
    unit: str
    rule: RuleView | None = None
    place: int | None = None


class RateUsedView(DeskMessage):
    """A rate that was used: minor units of the national currency for one unit of another."""

    currency: str
    on: date
    national_minor_per_unit: int
    national_currency: str


class DutyView(DeskMessage):
    """What is due and why. `due` None: an officer decides, for the reasons that `missing`, `without_rate` and `without_quantity` name."""

    value: Amount
    allowance: Amount
    excess: Amount
    due: Amount | None
    lines: list[DutyLineView]
    missing: list[str] = []
    without_rate: list[str] = []
    without_quantity: list[str] = []
    rates: list[RateUsedView] = []
    rulebook_version: int


class DutyQuestion(DeskMessage):
    """Other lines than the declared ones, and days abroad where the officer knows them."""

    goods: list[GoodsLine] | None = Field(None, max_length=MOST_LINES)
    days_abroad: int | None = Field(None, ge=0, le=36_600)


class IdentityView(DeskMessage):
    """Who it is, from the document."""

    primary_identifier: str
    secondary_identifier: str
    document_number: str
    date_of_birth: str
    sex: str
    issuing_state: str
    nationality: str
    document_code: str


class StopView(DeskMessage):
    """Everything about one open stop."""

    stop_id: uuid.UUID
    lane_id: int
    direction: Literal["entry", "exit"]
    mode: str
    local_date: date
    opened_at: datetime
    corridor: CorridorName
    reference: str
    rules: list[RuleView]
    rulebook_version: int
    identity: IdentityView | None
    has_declaration: bool
    goods: list[GoodsLine]
    cash: list[Amount]
    seal_ids: list[str]
    unlockable: list[str] = Field([], description="seals that customs may have unlocked now; the agent asks again")
    small_children: int
    marks: list[str] = Field([], description="what tells a line from others of its kind, line by line; empty: nothing")
    vehicles: list[str] = []
    phone_imeis: list[str] = []
    unaccompanied: list[str] = Field([], description="the stub of goods that follow, then what they are")
    duty: DutyView | None = Field(description="None only where a page may not show it")
    goods_kinds: dict[str, str] = Field(
        {}, description="kinds of goods that rules name, with the unit of their quantity"
    )
    tasks: list[CustomsTaskView]


class InspectionCountView(DeskMessage):
    """Closed tasks of one agency and corridor: how many, with which finding, and seconds from opening to closing in all."""

    agency: AgencyName
    corridor: CorridorName
    closed: int
    found: int
    amended: int
    seconds: int


class InspectionsView(DeskMessage):
    """What was counted in the last `days` local days, summed up over them."""

    days: int
    since: date
    counts: list[InspectionCountView]
