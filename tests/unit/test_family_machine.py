"""The machine with a party: guided walks over the same model of a lane, with the same faults, for an adult and the children linked to him."""

from __future__ import annotations

import uuid
from collections import Counter

import pytest

from gate_agent.domain import events as ev
from gate_agent.domain import party_events as pe
from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.crossing import Admission, Outcome, PassageOutcome
from gate_agent.domain.demands import DOCUMENT_AND_FACE, Demands
from gate_agent.domain.door_effects import DoorName
from gate_agent.domain.events import Timer
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.transaction_state import Permit, Phase
from tests.unit.test_transaction_machine import (
    FAULTS,
    OF_THE_CHIP,
    PRE,
    STOPS,
    WITH_CHIP,
    Lane,
    inject,
    quiet,
    recover,
    result,
)


def family_path(lane: Lane, people: int) -> list[object]:
    """What a family does: the code, each document, everybody in, each face, everybody out."""
    actions: list[object] = [
        lambda: lane.feed(ev.TokenPresented(uuid.uuid4())),
        lambda: lane.feed(pe.PartyDeclared(people)),
    ]
    for person in range(people):
        actions += [
            lambda: lane.feed(ev.DocumentPresented(uuid.uuid4())),
            lambda: lane.feed(ev.CheckCompleted(result(CheckName.DECLARATION_TOKEN))),
            lambda: lane.feed(ev.ChecksCompleted(tuple(result(check) for check in PRE))),
            lambda: lane.feed(ev.ReferenceReady()),
            lambda person=person: lane.feed(ev.MrzChecked(f"lines-{person}", result(CheckName.MRZ_CHECK_DIGITS))),
            *([lane.chip] if lane.state.demands.reads_chip else []),
        ]
    actions += [lane.walk_in] * people
    actions += [lambda: lane.feed(ev.CheckCompleted(result(CheckName.FACE_COMPARISON)))] * people
    return [*actions, *[lane.walk_out] * people]


def walk_family(lane: Lane, people: int, *, until: Permit | None = None) -> None:
    for action in family_path(lane, people):
        action()  # type: ignore[operator]
        if until is not None and lane.state.permit is until:
            return


@pytest.mark.parametrize("demands", [DOCUMENT_AND_FACE, WITH_CHIP], ids=["plain", "chip"])
def test_guided_walks_of_families_hold_every_invariant(demands: Demands) -> None:
    seen: Counter[str] = Counter()
    outcomes: Counter[Outcome] = Counter()
    for seed in range(240):
        lane = Lane(seed, demands)
        fault_rate = (0.0, 0.02, 0.15)[seed % 3]
        lane.defer_rate = (0.0, 0.1, 0.3)[seed % 3]
        faults = (*FAULTS, *(OF_THE_CHIP if demands.reads_chip else ()), *(STOPS if seed % 2 else ()))
        for _ in range(4):
            lane.disk_broken = lane.barrier_broken = False
            for action in family_path(lane, 2 + seed % 2):
                action()  # type: ignore[operator]
                if lane.random.random() < 0.5:
                    lane.deliver()
                while lane.random.random() < fault_rate:
                    inject(lane, lane.random.choice(faults))
            recover(lane)
        seen += lane.seen
        outcomes.update(closed.outcome for closed in lane.closed)
    assert outcomes[Outcome.RELEASED] > 150, outcomes
    for outcome in (Outcome.HANDED_OVER, Outcome.ABANDONED, Outcome.SUSPENDED, Outcome.FAULTED):
        assert outcomes[outcome] >= 3, outcomes
    assert seen["turned to 1"] > 300
    assert seen["turned to 2"] > 100


def test_a_family_enters_and_leaves_together() -> None:
    lane = quiet()
    walk_family(lane, 3)
    assert [closed.outcome for closed in lane.closed] == [Outcome.RELEASED]
    assert lane.crossings == [PassageOutcome.PASSED]
    assert lane.exit_releases == 1
    assert lane.state.party == 1, "the next one comes alone"


def test_nobody_of_a_family_enters_before_everybodys_document() -> None:
    lane = quiet()
    documents = family_path(lane, 2)[:12]
    for action in documents[:7]:
        action()  # type: ignore[operator]
    assert lane.state.person == 1
    assert lane.state.token_pending, "the child is linked by what the code says of its document"
    for action in documents[7:]:
        assert not lane.open
        action()  # type: ignore[operator]
    assert lane.open == {DoorName.ENTRANCE}


@pytest.mark.parametrize("person", [0, 1])
@pytest.mark.parametrize("check", sorted(DOCUMENT_AND_FACE.before_entry))
def test_what_is_found_of_one_keeps_everybody_outside(person: int, check: CheckName) -> None:
    lane = quiet()
    lane.feed(ev.TokenPresented(uuid.uuid4()))
    lane.feed(pe.PartyDeclared(2))
    for number in range(2):
        lane.feed(ev.CheckCompleted(result(CheckName.DECLARATION_TOKEN)))
        wrong = CheckOutcome.FAILED if number == person else CheckOutcome.SUCCESSFUL
        lane.feed(
            ev.ChecksCompleted(tuple(result(one, wrong if one is check else CheckOutcome.SUCCESSFUL) for one in PRE))
        )
        lane.feed(ev.ReferenceReady())
        digits = wrong if check is CheckName.MRZ_CHECK_DIGITS else CheckOutcome.SUCCESSFUL
        for _ in range(2):
            if lane.state.person == number and lane.state.phase is Phase.INSPECTING:
                lane.feed(ev.MrzChecked(f"lines-{number}", result(CheckName.MRZ_CHECK_DIGITS, digits)))
    assert lane.state.phase is Phase.REFERRED, lane.story()
    assert lane.state.party == 2, "a guard decides about both"
    assert lane.state.person == person, "and sees the one it is about"
    assert not lane.open


def test_two_of_two_are_no_tailgating_and_three_are() -> None:
    lane = quiet()
    walk_family(lane, 2, until=Permit.GRANTED)
    lane.walk_in(2)
    assert lane.state.permit is Permit.USED
    assert lane.alarms == Counter()
    inject(lane, "second_person")
    assert lane.state.phase is Phase.REFERRED
    assert ReasonCode.SECOND_PERSON in {reason.code for reason in lane.state.referral}
    lane.guard(Admission.RELEASE)
    assert lane.exit_releases == 0, "no guard releases three of two"


def test_a_family_of_which_one_stays_outside_is_the_guards() -> None:
    lane = quiet()
    walk_family(lane, 2, until=Permit.GRANTED)
    lane.walk_in()
    assert lane.state.phase is Phase.INSPECTING
    lane.expire(Timer.ENTRY)
    assert lane.state.phase is Phase.REFERRED
    assert {reason.code for reason in lane.state.referral} == {ReasonCode.PARTY_INCOMPLETE}
    lane.guard(Admission.RELEASE)
    assert lane.exit_releases == 0, "one of two is not let through as two"
    lane.guard(Admission.HAND_OVER)
    lane.walk_out()
    assert [closed.outcome for closed in lane.closed] == [Outcome.HANDED_OVER]


def test_the_rest_of_a_family_is_released_by_a_guard_and_all_have_passed() -> None:
    lane = quiet()
    for action in family_path(lane, 2)[:-1]:
        action()  # type: ignore[operator]
    assert lane.bodies == 1
    lane.expire(Timer.PASSAGE)
    assert lane.state.phase is Phase.REFERRED
    lane.guard(Admission.RELEASE)
    assert DoorName.EXIT in lane.open
    lane.walk_out()
    assert lane.crossings == [PassageOutcome.PASSED]


def test_a_family_of_which_one_went_through_and_one_back_is_undetermined() -> None:
    lane = quiet()
    for action in family_path(lane, 2)[:-1]:
        action()  # type: ignore[operator]
    lane.expire(Timer.PASSAGE)
    lane.guard(Admission.HAND_OVER)
    lane.walk_out()
    assert lane.crossings == [PassageOutcome.UNDETERMINED]


def test_more_people_than_the_family_leave_and_nobody_calls_it_a_passage() -> None:
    lane = quiet()
    for action in family_path(lane, 2)[:-2]:
        action()  # type: ignore[operator]
    lane.bodies, lane.exit_count = 0, lane.exit_count + 3
    lane.feed(lane.inputs())
    assert lane.state.phase is Phase.PASSAGE_OPEN
    lane.expire(Timer.PASSAGE)
    assert lane.crossings == [PassageOutcome.UNDETERMINED]
    assert lane.alarms[ReasonCode.PASSAGE_UNDETERMINED] == 1


def test_a_party_is_declared_once_and_before_the_permit() -> None:
    lane = quiet()
    walk_family(lane, 2, until=Permit.GRANTED)
    lane.feed(pe.PartyDeclared(5))
    assert lane.state.party == 2


@pytest.mark.parametrize("until", [Permit.NONE, Permit.GRANTED, Permit.USED])
@pytest.mark.parametrize("outcome", [CheckOutcome.FAILED, CheckOutcome.UNDETERMINED, CheckOutcome.SUCCESSFUL])
def test_what_is_found_late_of_another_one_keeps_everybody_from_being_released(
    until: Permit, outcome: CheckOutcome
) -> None:
    lane = quiet()
    actions = family_path(lane, 2)
    for action in actions[: {Permit.NONE: 8, Permit.GRANTED: 12, Permit.USED: 15}[until]]:
        action()  # type: ignore[operator]
    assert lane.state.permit is until
    other = 1 - lane.state.person
    lane.feed(pe.OtherChecked(other, (result(CheckName.PORTRAIT_AGAINST_DG2, outcome),)))
    if outcome is CheckOutcome.SUCCESSFUL:
        assert lane.state.phase is Phase.INSPECTING
        assert lane.state.others[other][CheckName.PORTRAIT_AGAINST_DG2].outcome is outcome
        return
    assert lane.state.phase is Phase.REFERRED
    assert lane.state.person == other, "the guard sees whom it is about"
    assert not lane.open
    lane.feed(pe.OtherChecked(other, (result(CheckName.PORTRAIT_AGAINST_DG2),)))
    assert lane.state.results[CheckName.PORTRAIT_AGAINST_DG2].outcome is outcome, "it is not taken back"


def test_a_party_grows_and_shrinks_with_the_reads_of_the_adults_document_and_not_later() -> None:
    lane = quiet()
    lane.feed(ev.TokenPresented(uuid.uuid4()))
    for size in (3, 1, 2):
        lane.feed(pe.PartyDeclared(size))
        assert lane.state.party == size
    for action in family_path(lane, 2)[2:7]:
        action()  # type: ignore[operator]
    assert lane.state.person == 1
    lane.feed(pe.PartyDeclared(1))
    assert lane.state.party == 2
