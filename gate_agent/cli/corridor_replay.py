"""A recorded corridor decided again from its record: the same rulebook and the same facts have to give the same answer."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from gate_agent.domain.declaration import (
    Companion,
    Declaration,
    DeclaredGoods,
    Direction,
    Relation,
    TravelMode,
    UnaccompaniedGoods,
    Vehicle,
)
from gate_agent.domain.money import Money
from gate_agent.domain.screening import Screening, ScreeningVerdict
from gate_agent.domain.seal import SealDoubt, SealReport, SealState
from gate_agent.domain.selection import Draw, Standing, TrustCategory, WindowCounts
from gate_agent.policy.corridor import CorridorAnswer, corridor
from gate_agent.policy.frequent_crossing import Frequency
from gate_agent.policy.selection import SelectionInputs

if TYPE_CHECKING:
    from central_sync.messages import DecisionV1, DeclarationV1, GoodsPart, MoneyPart
    from central_sync.selection_parts import CorridorInputsPart, SelectionPart
    from gate_agent.policy.rulebook import Rulebook

_NO_DRAW = uuid.UUID(int=0)


class NotReplayable(Exception):
    """The records do not hold everything that this decision was made from; the message says what is missing, `missing` names it."""

    def __init__(self, missing: str, message: str) -> None:
        super().__init__(message)
        self.missing = missing


def replayed(decision: DecisionV1, declared: DeclarationV1 | None, rulebook: Rulebook) -> str:
    """Return what differs when a decision is made again, empty when nothing does. Raises `NotReplayable`."""
    _, selection = recorded_facts(decision)
    if decision.rulebook_version != rulebook.version:
        raise NotReplayable("other_rulebook", f"it was made by version {decision.rulebook_version} of the rulebook")
    return _difference(decision, selection, decided_again(decision, declared, rulebook, decision.local_date))


def recorded_facts(decision: DecisionV1) -> tuple[CorridorInputsPart, SelectionPart]:
    """Return what a record keeps of how its corridor came about. Raises `NotReplayable`."""
    if decision.corridor_inputs is None or decision.selection is None:
        raise NotReplayable("inputs_not_recorded", "its record keeps no inputs")
    return decision.corridor_inputs, decision.selection


def decided_again(
    decision: DecisionV1,
    declared: DeclarationV1 | None,
    rulebook: Rulebook,
    on: date,
    selection: SelectionPart | None = None,
) -> CorridorAnswer:
    """Return the corridor by a rulebook and a local date, from the recorded facts and the recorded draw. Raises `NotReplayable`.

    `selection`: what is known of the draw instead of what the record says.
    """
    inputs, recorded = recorded_facts(decision)
    if inputs.is_declared and declared is None:
        raise NotReplayable("declaration_not_recorded", "its declaration was never used for a passage")
    return corridor(
        rulebook,
        Direction(decision.direction),
        TravelMode(inputs.mode),
        on,
        _declaration(decision, declared, inputs) if declared is not None and inputs.is_declared else None,
        tuple(
            SealReport(
                one.seal_id,
                SealState(one.state),
                one.event,
                decision.decided_at,
                SealDoubt(one.doubt) if one.doubt else None,
            )
            for one in inputs.seals
        ),
        screening=Screening(inputs.scan_id, ScreeningVerdict(inputs.screening)) if inputs.screening else None,
        chance=_inputs(selection or recorded),
    )


def _difference(decision: DecisionV1, selection: SelectionPart, answer: CorridorAnswer) -> str:
    found = []
    if answer.corridor.value != decision.corridor:
        found.append(f"{answer.corridor.value} instead of {decision.corridor}")
    recorded = [(reason.code, reason.parameters) for reason in decision.corridor_reasons]
    again = [(reason.code.value, dict(reason.parameters)) for reason in answer.reasons]
    if again != recorded:
        found.append("other reasons")
    if [rule.rule_id for rule in answer.rules] != [rule.rule_id for rule in decision.rules]:
        found.append("other rules")
    made = answer.selection
    if made is not None and (made.probability_ppm, made.selected_by.value) != (
        selection.probability_ppm,
        selection.selected_by,
    ):
        found.append(f"probability {made.probability_ppm} instead of {selection.probability_ppm}")
    return ", ".join(found)


def _inputs(selection: SelectionPart) -> SelectionInputs:
    draw = None
    if selection.draw_number is not None and selection.draw_value is not None:
        draw = Draw(selection.commitment_id or _NO_DRAW, selection.draw_number, selection.draw_value)
    return SelectionInputs(
        draw,
        WindowCounts(selection.crossings, selection.by_rule, selection.at_random),
        Standing(
            TrustCategory(selection.trust_category), selection.trust_points, selection.inspections, selection.findings
        ),
        Frequency(selection.crossings_counted, selection.crossing_days, selection.is_frequent),
    )


def _declaration(decision: DecisionV1, declared: DeclarationV1, inputs: CorridorInputsPart) -> Declaration:
    """Return the declaration as far as a corridor depends on it; what points to a person is sealed, and only counted."""
    away = declared.unaccompanied
    nobody = Companion("", Relation.OTHER, date.min, b"")
    return Declaration(
        bytes.fromhex(declared.token_id),
        declared.reference,
        decision.decided_at,
        decision.decided_at,
        Direction(declared.direction),
        TravelMode(declared.mode),
        recorded_goods(declared.goods),
        tuple(_money(amount) for amount in declared.cash),
        declared.small_children,
        tuple(declared.seal_ids),
        companions=(nobody,) * (inputs.travellers - 1),
        vehicles=(Vehicle("", "", ""),) * inputs.vehicles,
        phone_imeis=("",) * inputs.phones,
        unaccompanied=None if away is None else UnaccompaniedGoods(away.stub_id, tuple(away.items), away.deadline),
    )


def recorded_goods(lines: Iterable[GoodsPart]) -> tuple[DeclaredGoods, ...]:
    """Return lines of goods as the rules look at them."""
    return tuple(
        DeclaredGoods(line.description, _money(line.value), line.mass_g, line.kind, line.quantity, line.owner)
        for line in lines
    )


def _money(amount: MoneyPart) -> Money:
    return Money(amount.amount_minor, amount.currency)
