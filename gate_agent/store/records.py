"""From what the gate knows (`domain`) to what leaves it (`central_sync.messages`). Personal fields leave sealed only."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from central_sync.messages import (
    AlarmV1,
    CheckPart,
    CrossingV1,
    DecisionV1,
    DeclarationV1,
    DocumentPart,
    GoodsPart,
    InspectionV1,
    MoneyPart,
    OfficerPart,
    ReasonPart,
    RulePart,
    SealV1,
    StayV1,
    UnaccompaniedPart,
)
from central_sync.plugin_part import PluginPart
from central_sync.screening_part import ScreeningPart
from central_sync.sealing import seal
from central_sync.strict_json import JsonInput
from gate_agent.domain.alarm import Alarm
from gate_agent.domain.check import CheckResult, PluginSource
from gate_agent.domain.crossing import Crossing, Decision, Officer
from gate_agent.domain.declaration import Declaration, DeclaredGoods
from gate_agent.domain.money import Money
from gate_agent.domain.reasons import Reason
from gate_agent.domain.seal import SealReport
from gate_agent.domain.task_closing import TaskClosing
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.store.selection_records import inputs_part, selection_part
from gate_agent.store.stops import Closed


def decision_content(
    decision: Decision, key: X25519PublicKey, record_id: uuid.UUID, utc_offset_min: int | None = None
) -> DecisionV1:
    """Return the decision record. Sealed: the holder, what checks compared, a guard's free text."""
    answer = decision.answer
    sealed: dict[str, JsonInput] = dict(_holder(decision.document))
    compared = [_compared(check) for check in decision.checks if check.compared]
    if compared:
        sealed["compared"] = compared
    if decision.reason_text:
        sealed["reason_text"] = decision.reason_text
    return DecisionV1(
        decision_id=decision.decision_id,
        transaction_id=decision.transaction_id,
        lane_id=decision.lane_id,
        direction=decision.direction.value,
        decided_at=decision.decided_at,
        local_date=decision.local_date,
        decided_by=decision.decided_by.value,
        admission=answer.admission.value,
        admission_reasons=[reason_part(reason) for reason in answer.admission_reasons],
        corridor=answer.corridor.value,
        corridor_reasons=[reason_part(reason) for reason in answer.corridor_reasons],
        rules=[
            RulePart(rule_id=rule.rule_id, effective_from=rule.effective_from, certainty=rule.certainty)
            for rule in answer.rules
        ],
        rulebook_version=answer.rulebook_version,
        checks=[
            CheckPart(
                check=check.check.value,
                outcome=check.outcome.value,
                reasons=[reason_part(reason) for reason in check.reasons],
                duration_ms=max(0.0, check.duration_ms),
                plugin=None if check.plugin is None else _plugin(check.plugin),
            )
            for check in decision.checks
        ],
        document=document_part(decision.document) if decision.document else None,
        declaration_reference=decision.declaration.reference if decision.declaration else "",
        officers=_officers(decision.officers),
        software_ms=decision.software_ms,
        step_ms=dict(decision.step_ms),
        source_states=dict(decision.source_states),
        linked_to=decision.linked_to,
        selection=selection_part(answer.selection) if answer.selection else None,
        corridor_inputs=inputs_part(answer.inputs) if answer.inputs else None,
        sealed=seal(sealed, key, record_id) if sealed else None,
        utc_offset_min=utc_offset_min,
    )


def crossing_content(
    crossing: Crossing, key: X25519PublicKey, record_id: uuid.UUID, utc_offset_min: int | None = None
) -> CrossingV1:
    """Return the crossing record."""
    return CrossingV1(
        crossing_id=crossing.crossing_id,
        transaction_id=crossing.transaction_id,
        decision_id=crossing.decision_id,
        lane_id=crossing.lane_id,
        direction=crossing.direction.value,
        occurred_at=crossing.occurred_at,
        local_date=crossing.local_date,
        passage=crossing.passage.value,
        corridor=crossing.corridor.value,
        document=document_part(crossing.document) if crossing.document else None,
        linked_to=crossing.linked_to,
        sealed=seal(_holder(crossing.document), key, record_id) if crossing.document else None,
        utc_offset_min=utc_offset_min,
    )


def stay_content(
    crossing: Crossing,
    document: TravelDocument,
    stay: tuple[uuid.UUID, date | None, date | None],
    key: X25519PublicKey,
    record_id: uuid.UUID,
) -> StayV1:
    """Return the stay record of a confirmed passage; `stay` is its id, entry day and exit day."""
    stay_id, entered_on, exited_on = stay
    return StayV1(
        stay_id=stay_id,
        transaction_id=crossing.transaction_id,
        action="opened" if exited_on is None else "closed",
        permit_kind=crossing.stay_terms.permit_kind,
        last_day=crossing.stay_terms.last_day,
        register_by=crossing.stay_terms.register_by,
        entered_on=entered_on,
        exited_on=exited_on,
        document=document_part(document),
        sealed=seal(_holder(document), key, record_id),
    )


def declaration_content(
    crossing: Crossing, declaration: Declaration, key: X25519PublicKey, record_id: uuid.UUID
) -> DeclarationV1:
    """Return the declaration record of a confirmed passage. Sealed: number plates, IMEI, marks of goods (one per line, in their order), companions."""
    named = _named_things(declaration)
    away = declaration.unaccompanied
    return DeclarationV1(
        transaction_id=crossing.transaction_id,
        token_id=declaration.token_id.hex(),
        reference=declaration.reference,
        direction=declaration.direction.value,
        mode=declaration.mode.value,
        goods=[_goods(line) for line in declaration.goods],
        cash=[_money(amount) for amount in declaration.cash],
        small_children=declaration.small_children,
        seal_ids=list(declaration.seal_ids),
        companions=[one.relation.value for one in declaration.companions],
        unaccompanied=None
        if away is None
        else UnaccompaniedPart(stub_id=away.stub_id, items=list(away.items), deadline=away.deadline),
        filled_in_s=declaration.filled_in_s,
        sealed=seal(named, key, record_id) if named else None,
    )


def _named_things(declaration: Declaration) -> dict[str, JsonInput]:
    """Return the things of a declaration that tell whose they are; kinds that were not declared are left out."""
    named: dict[str, JsonInput] = {
        "vehicles": [{"plate": one.plate, "country": one.country, "make": one.make} for one in declaration.vehicles],
        "phone_imeis": list(declaration.phone_imeis),
        "marks": [line.mark for line in declaration.goods] if any(line.mark for line in declaration.goods) else [],
        "companions": [
            {"name": one.name, "relation": one.relation.value, "date_of_birth": one.date_of_birth.isoformat()}
            for one in declaration.companions
        ],
    }
    return {name: listed for name, listed in named.items() if listed}


def alarm_content(alarm: Alarm) -> AlarmV1:
    """Return the alarm record."""
    return AlarmV1(
        alarm_id=alarm.alarm_id,
        lane_id=alarm.lane_id,
        priority=alarm.priority.value,
        reason=reason_part(alarm.reason),
        raised_at=alarm.raised_at,
        cleared_at=alarm.cleared_at,
        acknowledged_by=alarm.acknowledged_by,
    )


def seal_content(report: SealReport) -> SealV1:
    """Return the seal record."""
    return SealV1(
        seal_id=report.seal_id,
        state=report.state.value,
        event=report.event,
        received_at=report.received_at,
        officer_id=report.officer_id,
        officer_ids=list(report.officer_ids),
        reason=report.reason,
    )


def inspection_content(
    closed: Closed,
    closing: TaskClosing,
    screening: Sequence[ScreeningPart],
    now: datetime,
    key: X25519PublicKey,
    record_id: uuid.UUID,
) -> InspectionV1:
    """Return the record of a closed task. Sealed: the officer's remark, and why another duty is charged than the rules say."""
    task = closed.task
    words = {"remark": closing.remark, "duty_reason": closing.duty_reason}
    sealed: dict[str, JsonInput] = {name: text for name, text in words.items() if text}
    return InspectionV1(
        task_id=task.task_id,
        transaction_id=task.transaction_id,
        lane_id=task.lane_id,
        opened_at=task.created_at,
        closed_at=now,
        officer_id=closing.officers[0].officer_id,
        declaration_reference=task.declaration_reference,
        screening=list(screening),
        agency=task.agency.value,
        corridor=task.corridor.value,
        reasons=[reason_part(reason) for reason in task.reasons],
        finding=closing.finding.value,
        goods=None if closing.goods is None else [_goods(line) for line in closing.goods],
        days_abroad=closing.days_abroad,
        duty=_money(closing.duty) if closing.duty else None,
        duty_computed=_money(closing.computed) if closing.computed else None,
        rulebook_version=closing.rulebook_version,
        act_number=closing.act_number,
        officers=_officers(closing.officers),
        is_last=closed.is_last,
        sealed=seal(sealed, key, record_id) if sealed else None,
    )


def reason_part(reason: Reason) -> ReasonPart:
    """Return a reason as it stands in records."""
    return ReasonPart(code=reason.code.value, parameters=dict(reason.parameters))


def document_part(document: TravelDocument) -> DocumentPart:
    """Return what may be known of a document without knowing its holder."""
    return DocumentPart(
        format=document.format.value,
        document_code=document.document_code,
        issuing_state=document.issuing_state,
        nationality=document.nationality,
    )


def _holder(document: TravelDocument | None) -> Mapping[str, JsonInput]:
    if document is None:
        return {}
    return {
        "document_number": document.document_number,
        "primary_identifier": document.primary_identifier,
        "secondary_identifier": document.secondary_identifier,
        "date_of_birth": document.date_of_birth_text,
        "sex": document.sex,
        "date_of_expiry": document.date_of_expiry.isoformat() if document.date_of_expiry else None,
    }


def _plugin(plugin: PluginSource) -> PluginPart:
    return PluginPart(package=plugin.package[:128], version=plugin.version[:64], family=plugin.family)


def _compared(check: CheckResult) -> JsonInput:
    return {
        "check": check.check.value,
        "values": [{"name": pair.name, "found": pair.found, "expected": pair.expected} for pair in check.compared],
    }


def _officers(officers: Sequence[Officer]) -> list[OfficerPart]:
    return [
        OfficerPart(officer_id=one.officer_id, role=one.role, authorisation_id=one.authorisation_id) for one in officers
    ]


def _money(money: Money) -> MoneyPart:
    return MoneyPart(amount_minor=money.amount_minor, currency=money.currency)


def _goods(line: DeclaredGoods) -> GoodsPart:
    return GoodsPart(
        description=line.description,
        value=_money(line.value),
        mass_g=line.mass_g,
        kind=line.kind,
        quantity=line.quantity,
        owner=line.owner,
        is_temporary=line.is_temporary,
    )
