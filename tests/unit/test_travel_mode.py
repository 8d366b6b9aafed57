"""How somebody travels is the gate's to say: a declaration does not choose the allowance that it is judged by."""

from __future__ import annotations

import pytest

from gate_agent.domain.crossing import Corridor
from gate_agent.domain.declaration import DeclaredGoods, TravelMode
from gate_agent.domain.money import Money
from gate_agent.domain.reasons import ReasonCode
from gate_agent.settings import GateSettings
from tests.unit.test_family_lane import ADULT, Family
from tests.unit.test_lane_controller import lane

CARPET = (DeclaredGoods("carpet", Money(90_000, "USD"), 1_000),)
ROAD, AIR, RAIL = TravelMode.ROAD, TravelMode.AIR, TravelMode.RAIL


async def decided(gate: dict[str, object], goods: tuple[DeclaredGoods, ...], mode: TravelMode):
    async with lane(gate=gate) as walk:
        family = Family(walk)
        await family.show(goods=goods, mode=mode)
        await family.lay(ADULT, 40)
        await walk.inputs(1)
        await walk.look()
        return walk.house.decisions[-1].answer


@pytest.mark.parametrize(
    ("served", "goods", "mode", "corridor", "codes", "used"),
    [
        ((), CARPET, ROAD, Corridor.RED, {ReasonCode.VALUE_OVER_ALLOWANCE}, ROAD),
        ((), CARPET, AIR, Corridor.RED, {ReasonCode.VALUE_OVER_ALLOWANCE, ReasonCode.TRAVEL_MODE_NOT_SERVED}, ROAD),
        ((), (), AIR, Corridor.YELLOW, {ReasonCode.TRAVEL_MODE_NOT_SERVED}, ROAD),
        (("air",), CARPET, AIR, Corridor.GREEN, {ReasonCode.DECLARED_WITHIN_ALLOWANCE}, AIR),
        (("rail",), CARPET, AIR, Corridor.RED, {ReasonCode.VALUE_OVER_ALLOWANCE, ReasonCode.TRAVEL_MODE_NOT_SERVED}, ROAD),
    ],
)  # fmt: skip
async def test_the_gates_way_of_travelling_sets_the_allowance(served, goods, mode, corridor, codes, used) -> None:
    answer = await decided({"travel_mode": "road", "served_modes": served}, goods, mode)
    assert answer.corridor is corridor
    assert codes <= {reason.code for reason in answer.corridor_reasons}
    assert answer.inputs.mode is used, "an audit decides by the same way of travelling"
    if ReasonCode.TRAVEL_MODE_NOT_SERVED not in codes:
        assert ReasonCode.TRAVEL_MODE_NOT_SERVED not in {reason.code for reason in answer.corridor_reasons}


def test_a_way_of_travelling_counts_where_the_gate_names_it() -> None:
    gate = GateSettings(travel_mode=ROAD, served_modes=(RAIL,))
    assert [gate.mode_for(one) for one in (None, ROAD, RAIL, AIR)] == [ROAD, ROAD, RAIL, ROAD]
