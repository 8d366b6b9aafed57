"""Which lane a screen names beside its own, and who is not sent away from the one he helps."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gate_agent.app import views
from gate_agent.domain.declaration import Direction
from gate_agent.settings import LaneSettings
from gate_agent.web.i18n import TRAVELLER_LANGUAGES, load_catalogues
from gate_agent.web.lane_api_messages import Instruction, ScreenState
from gate_agent.web.traveller.application import screen_view
from gate_agent.web.traveller.spoken import phrase_of
from tests.unit.test_lane_controller import lane

CATALOGUES = load_catalogues("traveller", TRAVELLER_LANGUAGES)
ENTRY, EXIT = Direction.ENTRY, Direction.EXIT
PRESENT, FAMILY = Instruction.PRESENT_DOCUMENT, Instruction.FAMILY_LANE


def a_lane(lane_id: int, direction: Direction = ENTRY, **given: Any) -> LaneSettings:
    names = {role: f"{role[0]}-{lane_id}" for role in ("document_reader", "camera", "barrier")}
    return LaneSettings(lane_id=lane_id, direction=direction, **names, **given)


def named(here: LaneSettings, others: list[LaneSettings], shown: Instruction, *, is_busy: bool = False) -> int | None:
    state = SimpleNamespace(transaction_id="t" if is_busy else None)
    return views.other_lane(SimpleNamespace(lane=here, state=state), [here, *others], shown)


@pytest.mark.parametrize(
    ("others", "shown", "lane_id"),
    [
        ([a_lane(2)], FAMILY, None),
        ([a_lane(2), a_lane(3, is_wide=True)], FAMILY, 3),
        ([a_lane(3, is_wide=True), a_lane(4, is_family=True)], FAMILY, 4),
        ([a_lane(3, EXIT, is_wide=True)], FAMILY, None),
        ([a_lane(3, is_wide=True)], PRESENT, 3),
        ([a_lane(3, is_family=True)], PRESENT, None),
        ([a_lane(3, is_wide=True)], Instruction.LOOK_AT_CAMERA, None),
        ([a_lane(3, is_wide=True)], Instruction.SEE_OFFICER, None),
    ],
    ids=["none", "wide", "family-first", "other-direction", "idle", "idle-family", "camera", "officer"],
)
def test_the_lane_that_is_named(others, shown, lane_id):
    assert named(a_lane(1), others, shown) == lane_id


def test_a_lane_with_room_sends_nobody_to_another_and_none_does_while_somebody_is_served():
    assert named(a_lane(1, is_wide=True), [a_lane(3, is_wide=True)], PRESENT) is None
    assert named(a_lane(1), [a_lane(3, is_wide=True)], PRESENT, is_busy=True) is None


@pytest.mark.parametrize("language", TRAVELLER_LANGUAGES)
def test_its_number_is_shown_and_said(language):
    for instruction in (PRESENT, FAMILY):
        state = ScreenState(lane_id=1, sequence=1, instruction=instruction, step=1, language=language, other_lane=3)
        view, phrase = screen_view(state, CATALOGUES[language]), phrase_of(state, CATALOGUES[language])
        assert {"3", "\u06f3"} & set(view["lane_hint"]), "in whatever digits the language has"
        assert view["lane_hint"] in phrase.text
        assert phrase.key == f"instruction.{instruction}"
        plain = phrase_of(state.model_copy(update={"other_lane": None}), CATALOGUES[language])
        assert not {"3", "\u06f3"} & set(plain.text)


@pytest.mark.parametrize(
    ("limit", "persons", "shown"),
    [(1, 2, Instruction.ONE_PERSON), (2, 2, Instruction.HELP_IS_COMING), (2, 3, Instruction.ONE_PERSON)],
)
async def test_an_assistant_is_not_sent_away_and_the_guard_is_called_all_the_same(limit, persons, shown):
    async with lane(lane_times={"persons_limit": limit}) as walk:
        await walk.present()
        await walk.inputs(persons)
        assert walk.phase.value == "referred"
        assert [reason.code.value for reason in walk.controller.state.referral] == ["second_person"]
        assert views.instruction(walk.controller) is shown
        assert len(walk.house.releases) == 1, "no door opens for two"
