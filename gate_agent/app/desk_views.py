"""From stops as the store keeps them to the messages of the lane API. Nothing is decided here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from gate_agent.app.views import reasons
from gate_agent.closing_order import Amount, GoodsLine
from gate_agent.domain.crossing import RuleUse
from gate_agent.domain.declaration import TravelMode
from gate_agent.policy.duty import DutyAnswer
from gate_agent.policy.rulebook import Rulebook
from gate_agent.store.stops import CustomsTask, InspectionCount, Stop
from gate_agent.web.desk_messages import (
    CustomsTaskView,
    DutyLineView,
    DutyView,
    IdentityView,
    InspectionCountView,
    InspectionsView,
    RateUsedView,
    RuleView,
    StopView,
)


def task(value: CustomsTask, stop: Stop, *, is_overdue: bool) -> CustomsTaskView:
    """Return one agency's task of a stop."""
    return CustomsTaskView(
        task_id=value.task_id,
        transaction_id=value.transaction_id,
        lane_id=value.lane_id,
        created_at=value.created_at,
        declaration_reference=value.declaration_reference,
        reasons=reasons(value.reasons),
        agency=value.agency.value,
        corridor=value.corridor.value,
        closed_by=value.closed_by,
        finding=value.finding.value if value.finding else "",
        is_overdue=is_overdue,
        seen_by=stop.seen_by,
    )


def stop(
    value: Stop,
    mode: TravelMode,
    answer: DutyAnswer,
    rulebook: Rulebook,
    tasks: Sequence[CustomsTaskView],
    unlockable: Sequence[str],
) -> StopView:
    """Return everything about a stop."""
    declared = value.declared
    return StopView(
        stop_id=value.stop_id,
        lane_id=value.lane_id,
        direction=value.direction.value,
        mode=mode.value,
        local_date=value.local_date,
        opened_at=value.opened_at,
        corridor=value.corridor.value,
        reference=value.reference,
        rules=[_rule(rule) for rule in value.rules],
        rulebook_version=value.rulebook_version,
        identity=IdentityView(**value.identity) if value.identity else None,
        has_declaration=declared.mode is not None,
        goods=[
            GoodsLine(
                description=line.description,
                value=Amount.of(line.value),
                mass_g=line.mass_g,
                kind=line.kind,
                quantity=line.quantity,
                owner=line.owner,
                is_temporary=line.is_temporary,
            )
            for line in declared.goods
        ],
        cash=[Amount.of(amount) for amount in declared.cash],
        seal_ids=list(declared.seal_ids),
        unlockable=list(unlockable),
        small_children=declared.small_children,
        marks=[line.mark for line in declared.goods],
        vehicles=list(declared.vehicles),
        phone_imeis=list(declared.phone_imeis),
        unaccompanied=list(declared.unaccompanied),
        duty=duty(answer, rulebook),
        goods_kinds={kind.kind: kind.unit for kind in rulebook.goods_kinds.values()},
        tasks=list(tasks),
    )


def duty(answer: DutyAnswer, rulebook: Rulebook) -> DutyView:
    """Return a calculation line by line."""
    return DutyView(
        value=Amount.of(answer.value),
        allowance=Amount.of(answer.allowance),
        excess=Amount.of(answer.excess),
        due=None if answer.is_for_an_officer else Amount.of(answer.due),
        lines=[
            DutyLineView(
                name=line.name,
                amount=line.amount,
                unit=line.unit,
                rule=_rule(line.rule.use) if line.rule else None,
                place=line.goods,
            )
            for line in answer.lines
        ],
        missing=[rule.subject for rule in answer.missing],
        without_rate=list(answer.without_rate),
        without_quantity=list(answer.without_quantity),
        rates=[
            RateUsedView(
                currency=rate.currency,
                on=rate.on,
                national_minor_per_unit=rate.national_minor_per_unit,
                national_currency=rulebook.national_currency,
            )
            for rate in answer.rates
        ],
        rulebook_version=rulebook.version,
    )


def inspections(days: int, since: date, counts: Iterable[InspectionCount]) -> InspectionsView:
    """Return counts summed up over their days."""
    summed: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for one in counts:
        total = summed[one.agency.value, one.corridor.value]
        for place, number in enumerate((one.closed, one.found, one.amended, one.seconds)):
            total[place] += number
    return InspectionsView(
        days=days,
        since=since,
        counts=[
            InspectionCountView.model_validate(
                {
                    "agency": agency,
                    "corridor": corridor,
                    "closed": closed,
                    "found": found,
                    "amended": amended,
                    "seconds": seconds,
                }
            )
            for (agency, corridor), (closed, found, amended, seconds) in sorted(summed.items())
        ],
    )


def _rule(rule: RuleUse) -> RuleView:
    return RuleView(rule_id=rule.rule_id, effective_from=rule.effective_from, certainty=rule.certainty)
