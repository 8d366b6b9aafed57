"""An adult and the children on his declaration at one lane: one session, everybody's document and face, a decision for each."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from datetime import date, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers import contracts as dc
from gate_agent.app import views
from gate_agent.clock import SystemClock
from gate_agent.demo.specimens import specimen
from gate_agent.domain import events as ev
from gate_agent.domain import party_events as pe
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.crossing import Admission, Officer, Outcome, PassageOutcome
from gate_agent.domain.declaration import Companion, Declaration, Direction, Relation, TravelMode
from gate_agent.domain.events import GuardDecided
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.transaction_state import Phase
from gate_agent.inspection.signed_code import key_identifier
from gate_agent.inspection.token_format import TokenClaims, document_binding, encode
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.party import Party
from gate_agent.lane.ports import Knowledge
from gate_agent.lane.reported import Reported
from gate_agent.web.lane_api_messages import Instruction
from models.results import ComparisonDecision
from tests.unit.test_lane_controller import Lane, lane

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TOKEN_ID = bytes(range(16))
ADULT, CHILD, SECOND_CHILD, SPOUSE, STRANGER = 1, 2, 3, 4, 5
ROOM: dict[str, object] = {"persons_limit": 4, "family_sessions": True}


class Family:
    """A lane with a family before it, and what its people do."""

    def __init__(self, walk: Lane) -> None:
        self.walk = walk
        self.today = walk.controller.today
        house, current = walk.house, walk.house.current
        keys = {key_identifier(KEY.public_key()): KEY.public_key()}
        self.used: set[str] = set()

        def known() -> Knowledge:
            return dataclasses.replace(current(), token_keys=keys)

        async def token_used(token_id: bytes, issuing_state: str, document_number: str) -> bool:
            return document_number in self.used

        house.current = known  # type: ignore[method-assign]
        house.token_used = token_used  # type: ignore[method-assign]

    def born(self, years: int) -> date:
        return self.today - timedelta(days=round(years * 365.25) + 30)

    def passport(self, person: int, years: int) -> Any:
        return dataclasses.replace(specimen(person, self.today), date_of_birth=self.born(years))

    def companion(self, person: int, years: int, relation: Relation = Relation.CHILD) -> Companion:
        number = self.passport(person, years).document_number
        return Companion(f"PERSON {person}", relation, self.born(years), document_binding(TOKEN_ID, "UTO", number))

    async def show(self, *companions: Companion, **changes: Any) -> None:
        now = self.walk.clock.now().replace(microsecond=0)
        number = self.passport(ADULT, 40).document_number
        declared = Declaration(
            TOKEN_ID,
            "7K3M-92QF",
            now,
            now + timedelta(hours=72),
            Direction.ENTRY,
            TravelMode.AIR,
            companions=companions,
        )
        declared = dataclasses.replace(declared, **changes)
        text = encode(TokenClaims("egate-portal", now, document_binding(TOKEN_ID, "UTO", number), declared), KEY)
        self.walk.event("reader-1", dc.BarcodeRead(text.encode()))
        await self.walk.settle()

    async def lay(
        self, person: int, years: int, *, takes_away: bool = True, wrong_digit: bool = False, **changes: Any
    ) -> None:
        walk = self.walk
        passport = dataclasses.replace(self.passport(person, years), **changes)
        walk.event("reader-1", dc.DocumentPresented())
        walk.event("reader-1", dc.MrzRead(passport.lines(wrong_digit=wrong_digit)))
        walk.event("reader-1", dc.DocumentImage("portrait", "image/jpeg", f"portrait {person}".encode()))
        await walk.settle()
        if takes_away:
            walk.event("reader-1", dc.DocumentRemoved())
            await walk.settle()

    @property
    def state(self) -> Any:
        return self.walk.controller.state

    @property
    def screen(self) -> Instruction:
        return views.instruction(self.walk.controller)

    @property
    def referral(self) -> list[ReasonCode]:
        return [reason.code for reason in self.state.answer.admission_reasons] if self.state.answer else []


async def inside(family: Family, *children: tuple[int, int]) -> None:
    """Adult and children laid down their documents and went in."""
    await family.show(*(family.companion(*child) for child in children))
    await family.lay(ADULT, 40)
    for child in children:
        assert family.screen is Instruction.NEXT_DOCUMENT
        assert family.walk.house.releases == [], "nobody enters before everybody's document is inspected"
        await family.lay(*child)
    assert family.screen is Instruction.ENTER_TOGETHER
    await family.walk.inputs(1)
    assert family.state.phase is Phase.INSPECTING, "the others are on their way"
    await family.walk.inputs(1 + len(children))


async def test_a_family_of_three_crosses_in_one_session_with_a_decision_for_each() -> None:
    async with lane(lane_times=ROOM) as walk:
        family, house = Family(walk), walk.house
        await inside(family, (CHILD, 9), (SECOND_CHILD, 12))
        screens = []
        for _ in range(3):
            screens.append(family.screen)
            await walk.look()
        assert screens == [Instruction.LOOK_AT_CAMERA, Instruction.NEXT_FACE, Instruction.NEXT_FACE]
        assert house.portraits == [b"portrait 1", b"portrait 2", b"portrait 3"], "each face has a reference of its own"
        assert house.releases == [dc.Door.ENTRANCE, dc.Door.EXIT]
        assert [one.answer.admission for one in house.decisions] == [Admission.RELEASE] * 3
        adult, *children = house.decisions
        assert adult.linked_to is None
        assert {one.linked_to for one in children} == {adult.transaction_id}
        assert len({one.transaction_id for one in house.decisions}) == 3
        assert all(len(one.checks) == len(adult.checks) for one in children), "nothing of a child is left out"
        await walk.inputs(2, passed=True)
        await walk.inputs(1, passed=True)
        assert house.crossings == [], "one of three is still inside"
        await walk.inputs(0, passed=True)
        assert [one.passage for one in house.crossings] == [PassageOutcome.PASSED] * 3
        assert {one.document.document_number for one in house.crossings} == {
            family.passport(*one).document_number for one in ((ADULT, 40), (CHILD, 9), (SECOND_CHILD, 12))
        }
        assert all(one.declaration is not None for one in house.crossings), "each has used the code"
        assert [one.outcome for one in walk.controller.recent] == [Outcome.RELEASED]
        await walk.settle()
        assert house.kept == set(), "no face stays"


async def test_two_who_were_declared_are_no_tailgating_and_a_third_is() -> None:
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        await inside(family, (CHILD, 9))
        assert family.state.phase is Phase.INSPECTING
        await walk.inputs(3)
        assert family.state.phase is Phase.REFERRED
        assert ReasonCode.SECOND_PERSON in family.referral
        assert walk.house.releases == [dc.Door.ENTRANCE]


async def test_a_childs_face_that_differs_keeps_the_whole_family_from_being_released() -> None:
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        await inside(family, (CHILD, 9))
        await walk.look()
        walk.house.decision = ComparisonDecision.NON_MATCH
        async with asyncio.timeout(20):
            while family.state.phase is not Phase.REFERRED:
                await walk.look()
                await asyncio.sleep(0.02)
        assert walk.house.releases == [dc.Door.ENTRANCE]
        adult, child = walk.house.decisions
        assert [one.code for one in adult.answer.admission_reasons] == [ReasonCode.PARTY_REFERRED]
        found = {one.code for one in child.answer.admission_reasons}
        assert found & {ReasonCode.FACE_DIFFERENT, ReasonCode.FACE_UNDETERMINED}
        shown = views.referral(walk.controller, walk.controller.borrowed)
        assert shown is not None
        assert shown.transaction_id == family.state.transaction_id, "the guard decides about the family"
        assert (shown.reasons[-1].code, shown.reasons[-1].parameters) == ("party_together", {"persons": "2"})
        assert shown.document.document_number == family.passport(CHILD, 9).document_number


async def test_a_childs_document_alone_calls_the_guard() -> None:
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        await family.show(family.companion(CHILD, 9))
        await family.lay(CHILD, 9)
        assert ReasonCode.MINOR_WITHOUT_ADULT in family.referral
        assert walk.house.releases == []


@pytest.mark.parametrize("relation", [one for one in Relation if one is not Relation.CHILD])
async def test_whoever_is_not_the_adults_own_child_is_a_question_for_a_guard(relation: Relation) -> None:
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        await family.show(family.companion(CHILD, 9, relation))
        await family.lay(ADULT, 40)
        assert family.referral == [ReasonCode.CUSTODY_UNCLEAR]
        assert family.screen is Instruction.SEE_OFFICER


async def test_a_parent_younger_than_a_parent_can_be_is_a_question_for_a_guard() -> None:
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        await family.show(family.companion(CHILD, 30 - 16))
        await family.lay(ADULT, 40)
        assert family.screen is Instruction.NEXT_DOCUMENT, "26 years between them"
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        await family.show(family.companion(CHILD, 15))
        await family.lay(ADULT, 30)
        assert ReasonCode.CUSTODY_UNCLEAR in family.referral, "fifteen years between them"


async def test_somebody_elses_document_and_one_that_was_laid_down_already_are_not_the_childs() -> None:
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        await family.show(family.companion(CHILD, 9))
        await family.lay(ADULT, 40, takes_away=False)
        await family.lay(ADULT, 40)
        assert family.screen is Instruction.NEXT_DOCUMENT, "the adult's own document, once more, says nothing"
        await family.lay(STRANGER, 9)
        assert family.state.phase is Phase.REFERRED
        assert ReasonCode.TOKEN_OTHER_DOCUMENT in family.referral
        assert walk.house.releases == []


async def test_a_lane_without_family_sessions_names_another_before_its_entrance_opens() -> None:
    async with lane(lane_times={"persons_limit": 4}) as walk:
        family = Family(walk)
        await family.show(family.companion(CHILD, 9))
        await family.lay(ADULT, 40)
        assert family.referral == [ReasonCode.FAMILY_WITH_SMALL_CHILDREN]
        assert family.screen is Instruction.FAMILY_LANE
        assert walk.house.releases == []


async def test_more_than_the_lane_has_room_for_go_to_another_one() -> None:
    async with lane(lane_times={**ROOM, "persons_limit": 2}) as walk:
        family = Family(walk)
        await family.show(family.companion(CHILD, 9), family.companion(SECOND_CHILD, 12))
        await family.lay(ADULT, 40)
        assert family.screen is Instruction.FAMILY_LANE


async def test_grown_up_companions_cross_by_themselves_with_the_same_code() -> None:
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        await family.show(family.companion(SPOUSE, 38, Relation.SPOUSE))
        await family.lay(SPOUSE, 38)
        assert family.state.party == 1
        assert family.screen is Instruction.ENTER
        await walk.inputs(1)
        await walk.look()
        await walk.inputs(0, passed=True)
        (crossing,) = walk.house.crossings
        assert crossing.passage is PassageOutcome.PASSED
        assert crossing.declaration is not None
        assert crossing.linked_to is None


async def test_a_code_is_used_up_for_each_person_apart() -> None:
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        family.used = {family.passport(CHILD, 9).document_number}
        await family.show(family.companion(CHILD, 9))
        await family.lay(ADULT, 40)
        assert family.screen is Instruction.NEXT_DOCUMENT, "the adult has not used it"
        await family.lay(CHILD, 9)
        assert ReasonCode.TOKEN_ALREADY_USED in family.referral


async def test_a_child_whose_face_nobody_may_compare_is_the_guards_and_the_family_goes_by_his_release() -> None:
    async with lane(lane_times=ROOM) as walk:
        family, house = Family(walk), walk.house
        house.minimum_age_years = 8
        await family.show(family.companion(CHILD, 5), family.companion(SECOND_CHILD, 12))
        await family.lay(ADULT, 40)
        await family.lay(CHILD, 5)
        assert family.screen is Instruction.NEXT_DOCUMENT, "everybody's document is there before a guard is asked"
        await family.lay(SECOND_CHILD, 12)
        assert ReasonCode.FACE_AGE_NOT_COVERED in family.referral
        assert family.state.party == 3
        await release(family)
        assert house.releases == [dc.Door.ENTRANCE]
        for bodies in (1, 3):
            await walk.inputs(bodies)
        assert house.releases == [dc.Door.ENTRANCE, dc.Door.EXIT]
        for bodies in (2, 1, 0):
            await walk.inputs(bodies, passed=True)
        assert [one.passage for one in house.crossings] == [PassageOutcome.PASSED] * 3


async def release(family: Family) -> None:
    officer = Officer("officer-1", "guard", uuid.uuid4())
    decided = GuardDecided(family.state.transaction_id, Admission.RELEASE, (officer,), "identity_confirmed", "")
    assert await family.walk.controller.guard(decided)
    await family.walk.settle()


async def test_a_child_who_stays_outside_calls_the_guard() -> None:
    async with lane(lane_times={**ROOM, "idle_timeout_s": 0.3}, policy={"permit_wait_s": 0}) as walk:
        family = Family(walk)
        await family.show(family.companion(CHILD, 9))
        await family.lay(ADULT, 40)
        async with asyncio.timeout(20):
            while family.state.phase is not Phase.REFERRED:
                await asyncio.sleep(0.02)
        await walk.settle()
        assert ReasonCode.PARTY_INCOMPLETE in family.referral
        assert family.state.party == 1, "a guard decides about the adult, whose document is there"
        assert family.screen in {Instruction.HELP_IS_COMING, Instruction.SEE_OFFICER}


async def test_one_of_two_who_left_is_not_taken_for_both() -> None:
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        await inside(family, (CHILD, 9))
        await walk.look()
        await walk.look()
        await walk.inputs(1, passed=True)
        assert family.state.phase is Phase.PASSAGE_OPEN
        assert walk.house.crossings == []
        assert family.state.still_inside == 1


async def test_a_declaration_is_not_bound_to_a_misread_and_used_for_another_document() -> None:
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        await family.show(family.companion(SPOUSE, 38, Relation.SPOUSE))
        await family.lay(SPOUSE, 38, wrong_digit=True)
        assert family.state.phase is Phase.INSPECTING, "the document is read again"
        await family.lay(STRANGER, 38)
        assert walk.house.releases == []
        assert ReasonCode.TOKEN_OTHER_DOCUMENT in family.referral
        (decision,) = walk.house.decisions
        assert decision.declaration is None, "nobody is recorded with somebody else's declaration"


async def test_an_undeclared_child_is_not_linked_by_a_copy_of_the_declared_ones_lines() -> None:
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        await family.show(family.companion(CHILD, 9))
        await family.lay(ADULT, 40)
        await family.lay(CHILD, 9, wrong_digit=True)
        await family.lay(STRANGER, 9)
        assert walk.house.releases == []
        assert ReasonCode.TOKEN_OTHER_DOCUMENT in family.referral


async def test_a_misread_links_nobody_to_whoever_lays_down_the_next_document() -> None:
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        await family.show(family.companion(CHILD, 9))
        await family.lay(ADULT, 40, wrong_digit=True)
        assert family.state.party == 2
        await family.lay(STRANGER, 40)
        assert family.state.party == 1, "the child is nobody's here"
        assert family.referral[0] is ReasonCode.TOKEN_OTHER_DOCUMENT
        assert walk.house.releases == []


async def test_a_parents_age_is_that_of_the_read_that_counts() -> None:
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        await family.show(family.companion(CHILD, 15))
        await family.lay(ADULT, 30, wrong_digit=True, date_of_birth=family.born(45))
        assert family.state.party == 2
        await family.lay(ADULT, 30)
        assert family.referral == [ReasonCode.CUSTODY_UNCLEAR]


async def test_an_honest_family_whose_documents_are_misread_once_goes_on() -> None:
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        await family.show(family.companion(CHILD, 9), family.companion(SECOND_CHILD, 12))
        for person, years in ((ADULT, 40), (SECOND_CHILD, 12), (CHILD, 9)):
            await family.lay(person, years, wrong_digit=True)
            assert walk.house.releases == []
            await family.lay(person, years)
        assert family.screen is Instruction.ENTER_TOGETHER
        assert [one.token_place for one in walk.controller.party or ()] == [0, 2, 1]


async def test_a_code_and_a_document_at_the_same_time_bind_once() -> None:
    async with lane(lane_times=ROOM) as walk:
        family = Family(walk)
        asked, answered = [], asyncio.Event()

        async def token_used(token_id: bytes, issuing_state: str, document_number: str) -> bool:
            asked.append(document_number)
            await answered.wait()
            return False

        walk.house.token_used = token_used  # type: ignore[method-assign]
        walk.event("reader-1", dc.DocumentPresented())
        walk.event("reader-1", dc.MrzRead(family.passport(ADULT, 40).lines()))
        await family.show(family.companion(CHILD, 9))
        assert len(asked) == 2, "both ask the store"
        answered.set()
        await walk.settle()
        walk.event("reader-1", dc.DocumentImage("portrait", "image/jpeg", b"portrait 1"))
        await walk.settle()
        assert family.screen is Instruction.NEXT_DOCUMENT
        await family.lay(CHILD, 9)
        assert family.screen is Instruction.ENTER_TOGETHER


async def test_what_is_found_late_of_the_adult_refers_the_family() -> None:
    async with lane(lane_times=ROOM) as walk:
        family, house = Family(walk), walk.house
        await family.show(family.companion(CHILD, 9))
        await family.lay(ADULT, 40)
        await family.lay(CHILD, 9, wrong_digit=True)
        assert walk.controller.party is not None
        adult, _ = walk.controller.party
        assert walk.controller.borrowed is not adult, "it is the child's turn"
        house.printed = ComparisonDecision.NON_MATCH
        adult.keep_printed(b"somebody else")
        walk.controller.face.compare_printed(adult)
        await walk.settle()
        assert family.state.phase is Phase.REFERRED
        assert ReasonCode.PORTRAIT_DIFFERS in family.referral
        assert house.releases == []
        first, second = house.decisions
        assert CheckName.PORTRAIT_AGAINST_DG2 in {one.check for one in first.checks}
        assert CheckName.PORTRAIT_AGAINST_DG2 not in {one.check for one in second.checks}, "it is the adult's"
        assert walk.controller.borrowed is adult, "the guard sees whom it is about"


def test_whose_a_report_is_shows_when_its_turn_comes() -> None:
    now = SystemClock().now()
    adult = Borrowed(uuid.uuid4(), now, 0.0)
    party = Party(adult)
    child = party.turn(1, uuid.uuid4(), 0.0)
    differs = CheckResult(CheckName.PORTRAIT_AGAINST_DG2, CheckOutcome.FAILED, (Reason(ReasonCode.PORTRAIT_DIFFERS),))
    found = Reported(adult, ev.CheckCompleted(differs))
    assert found.heard(party, adult) == ev.CheckCompleted(differs)
    assert found.heard(party, child) == pe.OtherChecked(0, (differs,))
    assert found.heard(Party(Borrowed(adult.transaction_id, now, 0.0)), None) is None, "another transaction's"
    assert found.heard(None, None) is None
    for event in (ev.ReferenceReady(), ev.StepAborted(ev.Step.REFERENCE, Reason(ReasonCode.FACE_ENGINE_FAULT))):
        assert Reported(adult, event).heard(party, child) is None, "it leads nobody else's inspection on"
    assert Reported(adult, ev.EntranceCommitted()).heard(party, child) == ev.EntranceCommitted()
    of_read = Reported(adult, ev.CheckCompleted(differs), adult.reads)
    assert of_read.heard(party, adult) is not None
    adult.doubt_reading()
    assert of_read.heard(party, adult) is None, "of a read that was set aside"
