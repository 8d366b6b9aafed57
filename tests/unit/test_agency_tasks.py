"""Which agency is asked what, what a closing must hold, and rules about it that are refused."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from gate_agent.domain.agency import AGENCY_OF_ROLE, Agency, AgencyTask
from gate_agent.domain.crossing import Admission, Corridor, PolicyAnswer
from gate_agent.domain.declaration import Declaration, DeclaredGoods, Direction, TravelMode
from gate_agent.domain.demands import Demands
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.money import Money
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.seal import SealReport, SealState
from gate_agent.lane.authorisation import ROLE_ACTIONS, AuthorisedAction, OfficerRole
from gate_agent.policy.admission import PolicyInput, decide
from gate_agent.policy.agency_tasks import agency_tasks
from gate_agent.policy.closing_rules import ClosingFault, closing_faults
from gate_agent.policy.errors import RulebookRefused
from gate_agent.policy.rulebook_changes import changes
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook

ON = date(2026, 6, 15)
NOW = datetime(2026, 6, 15, 9, tzinfo=UTC)
PERMIT = Reason(ReasonCode.GOODS_PERMIT_REQUIRED, {"goods": "weapon"})
LYNX = Reason(ReasonCode.GOODS_PERMIT_REQUIRED, {"goods": "wild_flora_fauna"})
VALUE = Reason(ReasonCode.VALUE_OVER_ALLOWANCE, {"value": "2", "allowance": "1"})
RULE = {
    "id": "x.1", "reason": "value_over_allowance", "goods_kind": "any", "agencies": ["health"], "effective_from": "2020-01-01",
    "effective_to": None, "source": "test", "certainty": "high", "note": "",
}  # fmt: skip


def body() -> dict[str, Any]:
    return json.loads(packaged_rulebook_bytes())


def book(*rules: dict[str, Any]) -> Any:
    return parse_rulebook(body() | {"desk_rules": list(rules)})


def asked(rulebook: Any, *reasons: Reason, on: date = ON, corridor: Corridor = Corridor.RED) -> dict[str, list[Reason]]:
    return {task.agency.value: list(task.reasons) for task in agency_tasks(rulebook, on, corridor, reasons)}


def test_reasons_are_shared_out_by_kind_of_goods_and_the_rest_is_for_customs() -> None:
    rulebook = parse_rulebook(body())
    assert asked(rulebook, PERMIT, LYNX, VALUE) == {
        "border": [PERMIT],
        "customs": [PERMIT, LYNX, VALUE],
        "quarantine": [LYNX],
    }
    assert asked(rulebook, PERMIT, corridor=Corridor.GREEN) == {}
    assert asked(book(), PERMIT, VALUE) == {"customs": [PERMIT, VALUE]}, "without desk rules all of it is for customs"


def test_reasons_beyond_those_shown_keep_their_agency() -> None:
    goods = (DeclaredGoods("lynx", Money(100, "USD"), 1, "wild_flora_fauna", 1),)
    seals = [SealReport(f"S{number}", SealState.TAMPERED, "rope_cut", NOW) for number in range(6)]
    declared = Declaration(b"t", "R", NOW, NOW, Direction.ENTRY, TravelMode.AIR, goods, seal_ids=("S0",))
    answer = decide(
        PolicyInput(
            Direction.ENTRY, TravelMode.AIR, ON, NOW, (), None, declared, tuple(seals), parse_rulebook(body()), 1.0, 24.0,
            Demands(frozenset(), frozenset()),
        )
    )  # fmt: skip
    assert [reason.code for reason in answer.corridor_reasons] == [ReasonCode.SEAL_TAMPERED] * 5
    tasks = {task.agency: task.reasons for task in answer.desk_tasks}
    assert any(reason.parameters.get("goods") == "wild_flora_fauna" for reason in tasks[Agency.QUARANTINE])


def test_whoever_is_sent_to_a_desk_finds_a_task_even_where_all_reasons_are_nobodys() -> None:
    assert asked(book(RULE | {"agencies": []}), VALUE) == {"customs": [VALUE]}
    assert asked(book(RULE | {"agencies": []}), VALUE, PERMIT) == {"customs": [PERMIT]}


@pytest.mark.parametrize(
    ("on", "agency"),
    [
        (date(2026, 1, 1), "customs"),
        (date(2026, 1, 2), "health"),
        (date(2026, 2, 1), "border"),
        (date(2026, 3, 1), "health"),
    ],
)
def test_the_newest_rule_in_force_on_the_day_counts(on: date, agency: str) -> None:
    older = RULE | {"effective_from": "2026-01-02"}
    newer = RULE | {"id": "x.2", "agencies": ["border"], "effective_from": "2026-02-01", "effective_to": "2026-02-28"}
    assert list(asked(book(older, newer), VALUE, on=on)) == [agency]


def test_a_country_that_does_not_exist_shares_out_otherwise() -> None:
    atlantis = parse_rulebook(json.loads(packaged_rulebook_bytes("atlantis")))
    tridents = Reason(ReasonCode.GOODS_PERMIT_REQUIRED, {"goods": "tridents"})
    nectar = Reason(ReasonCode.QUANTITY_OVER_ALLOWANCE, {"goods": "nectar"})
    assert asked(atlantis, tridents, nectar) == {"border": [tridents], "customs": [nectar], "health": [nectar]}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"agencies": ["police"]}, "agencies"),
        ({"agencies": ["health", "health"]}, "given twice"),
        ({"agencies": "health"}, "list"),
        ({"reason": "bad_mood"}, "reason"),
        ({"goods_kind": "dragon"}, "goods_kind"),
        ({"effective_to": "2019-01-01"}, "effective_to"),
        ({"certainty": "sure"}, "certainty"),
        ({"more": 1}, "more"),
    ],
    ids=str,
)
def test_a_desk_rule_that_is_malformed_is_refused_by_its_place(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(RulebookRefused, match=rf"desk_rules\[0\].*{named}|desk_rules.*{named}"):
        book(RULE | changed)
    with pytest.raises(RulebookRefused, match="id used twice"):
        book(RULE, RULE)


def test_a_difference_between_two_rulebooks_names_the_desk_rule() -> None:
    (found,) = changes(book(RULE), book(RULE | {"agencies": ["health", "customs"]}))
    assert (found.what, found.about, found.name) == ("changed", "desk_rules", "x.1")


def test_a_corridor_that_policy_was_not_asked_about_is_for_customs() -> None:
    assert PolicyAnswer(Admission.RELEASE, (), Corridor.YELLOW, ()).desk_tasks == (AgencyTask(Agency.CUSTOMS, ()),)
    assert PolicyAnswer(Admission.RELEASE, (), Corridor.GREEN, ()).desk_tasks == ()
    assert PolicyAnswer(Admission.RELEASE, (), Corridor.RED, (VALUE,), tasks=()).desk_tasks == ()


def test_every_role_but_the_technicians_is_of_an_agency_and_may_close_tasks() -> None:
    assert set(AGENCY_OF_ROLE) == {role.value for role in OfficerRole} - {"technician"}
    for role in OfficerRole:
        assert (AuthorisedAction.CLOSE_CUSTOMS_TASK in ROLE_ACTIONS[role]) is (role.value in AGENCY_OF_ROLE)


DUE = Money(15_000, "USD")


@pytest.mark.parametrize(
    ("agency", "changed", "faults"),
    [
        (Agency.CUSTOMS, {}, []),
        (Agency.CUSTOMS, {"duty": None}, [ClosingFault.DUTY_NEEDED]),
        (Agency.CUSTOMS, {"duty": None, "computed": Money(0, "USD")}, []),
        (Agency.CUSTOMS, {"duty": None, "computed": None}, [ClosingFault.DUTY_NEEDED]),
        (Agency.CUSTOMS, {"computed": None}, [ClosingFault.DUTY_REASON_NEEDED]),
        (Agency.CUSTOMS, {"duty": Money(1, "USD")}, [ClosingFault.DUTY_REASON_NEEDED]),
        (Agency.CUSTOMS, {"duty": Money(1, "USD"), "duty_reason": " "}, [ClosingFault.DUTY_REASON_NEEDED]),
        (Agency.CUSTOMS, {"duty": Money(1, "USD"), "duty_reason": "spoilt"}, []),
        (Agency.CUSTOMS, {"duty": Money(15_000, "EUR")}, [ClosingFault.DUTY_CURRENCY]),
        (Agency.CUSTOMS, {"finding": InspectionFinding.FOUND}, [ClosingFault.ACT_NUMBER_NEEDED]),
        (Agency.CUSTOMS, {"finding": InspectionFinding.FOUND, "act_number": "A-1"}, []),
        (Agency.CUSTOMS, {"finding": InspectionFinding.AMENDED, "act_number": "A-1"}, [ClosingFault.LINES_NEEDED]),
        (Agency.CUSTOMS, {"finding": InspectionFinding.AMENDED, "act_number": "A-1", "is_amended": True}, []),
        (Agency.CUSTOMS, {"is_amended": True}, [ClosingFault.LINES_CONTRADICT]),
        (Agency.HEALTH, {"duty": None, "computed": None}, []),
        (Agency.HEALTH, {}, [ClosingFault.NOT_FOR_CUSTOMS]),
        (Agency.QUARANTINE, {"duty": None, "finding": InspectionFinding.AMENDED}, [ClosingFault.ACT_NUMBER_NEEDED]),
    ],
    ids=str,
)
def test_what_a_closing_must_hold(agency: Agency, changed: dict[str, Any], faults: list[ClosingFault]) -> None:
    given: dict[str, Any] = {
        "finding": InspectionFinding.NOTHING_FOUND, "is_amended": False, "act_number": "", "duty": DUE, "computed": DUE,
        "duty_reason": "", "valuation_currency": "USD",
    }  # fmt: skip
    given |= changed
    assert list(closing_faults(agency, given.pop("finding"), **given)) == faults
