"""Bans and permits as signed lists: whom they name, on which days, and what is no list at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.declaration import Direction
from gate_agent.domain.permit import Permit, PermitKind, PermitOrigin
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.inspection.permit_list import PermitList, PermitListRefused
from gate_agent.inspection.travel_bans import BanListRefused, TravelBans
from tests.unit.utopian_documents import document

TODAY = date(2026, 6, 15)
HOUR, LIMIT = timedelta(hours=1), timedelta(hours=72)
ENTRY, EXIT = Direction.ENTRY, Direction.EXIT
S, F, U = CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED
OF_DOCUMENT = {"entry_id": "d1", "document_number": "x0000-0001", "issuing_state": "UTO"}
OF_PERSON = {
    "entry_id": "p1", "primary_identifier": "Specimen", "secondary_identifier": "Utopia", "date_of_birth": "1990-01-01",
}  # fmt: skip


def bans(*entries, directions=("entry",), name="refused"):
    return TravelBans.from_bundle({"lists": [{"name": name, "directions": list(directions), "entries": list(entries)}]})


def outcome(listed, who=None, direction=ENTRY, on=TODAY, age=HOUR):
    return listed.check(document(1) if who is None else who, direction, on, age=age, age_limit=LIMIT)


def test_a_document_is_found_by_number_and_state_alone():
    listed = bans(OF_DOCUMENT)
    found = outcome(listed)
    assert (found.check, found.outcome) == (CheckName.TRAVEL_BAN, F)
    assert found.reasons == (Reason(ReasonCode.TRAVEL_BAN, {"list": "refused", "entry": "d1"}),)
    assert outcome(listed, document(2)).outcome is S
    assert outcome(listed, replace(document(1), issuing_state="D")).outcome is S
    assert len(listed) == 1


def test_a_ban_is_for_its_direction():
    assert outcome(bans(OF_DOCUMENT), direction=EXIT).outcome is S
    assert outcome(bans(OF_DOCUMENT, directions=("exit",)), direction=EXIT).outcome is F
    assert outcome(bans(OF_DOCUMENT, directions=("entry", "exit")), direction=EXIT).outcome is F


@pytest.mark.parametrize(
    ("on", "expected"), [("2026-05-31", S), ("2026-06-01", F), ("2026-06-30", F), ("2026-07-01", S)]
)
def test_a_ban_holds_from_its_first_day_to_its_last(on, expected):
    listed = bans(OF_DOCUMENT | {"first_day": "2026-06-01", "last_day": "2026-06-30"})
    assert outcome(listed, on=date.fromisoformat(on)).outcome is expected


def test_a_person_is_found_with_another_document_and_by_nothing_less_than_all_fields():
    listed = bans(OF_PERSON)
    assert outcome(listed, document(77)).outcome is F
    for other in (
        {"primary_identifier": "SPECIMAN"},
        {"secondary_identifier": ""},
        {"date_of_birth": date(1990, 1, 2), "date_of_birth_text": "900102"},
    ):
        assert outcome(listed, replace(document(77), **other)).outcome is S, other
    of_nationals = bans(OF_PERSON | {"nationality": "UTO"})
    assert outcome(of_nationals).outcome is F
    assert outcome(of_nationals, replace(document(1), nationality="D")).outcome is S


def test_what_a_zone_leaves_out_hides_nobody():
    listed = bans(OF_PERSON)
    assert outcome(listed, replace(document(1), date_of_birth=None, date_of_birth_text="90<<<<")).outcome is F
    assert outcome(listed, replace(document(1), date_of_birth=None, date_of_birth_text="91<<<<")).outcome is S
    cut = replace(document(1), secondary_identifier="UTO", name_may_be_truncated=True)
    assert outcome(listed, cut).outcome is F
    assert outcome(listed, replace(cut, name_may_be_truncated=False)).outcome is S


@pytest.mark.parametrize("age", [LIMIT + timedelta(seconds=1), -HOUR])
def test_an_old_list_clears_nobody_and_still_finds(age):
    found = outcome(bans(), age=age)
    assert (found.outcome, found.reasons) == (U, (Reason(ReasonCode.BAN_LIST_STALE),))
    assert outcome(bans(), age=LIMIT).outcome is S
    assert outcome(bans(OF_DOCUMENT), age=age).outcome is F


@pytest.mark.parametrize(
    "body",
    [
        {}, {"lists": {}}, {"lists": [{}]}, {"lists": [{"name": "a", "entries": []}]},
        {"lists": [{"name": "a", "directions": [], "entries": []}]},
        {"lists": [{"name": "a", "directions": ["in"], "entries": []}]},
        {"lists": [{"name": "", "directions": ["entry"], "entries": []}]},
        {"lists": [{"name": "a", "directions": ["entry"], "entries": [7]}]},
        {"lists": [{"name": "a", "directions": ["entry"], "entries": [{"entry_id": "1"}]}]},
        {"lists": [{"name": "a", "directions": ["entry"], "entries": [OF_DOCUMENT | {"issuing_state": ""}]}]},
        {"lists": [{"name": "a", "directions": ["entry"], "entries": [OF_DOCUMENT | {"document_number": "<<"}]}]},
        {"lists": [{"name": "a", "directions": ["entry"], "entries": [OF_DOCUMENT | {"last_day": "30.06.2026"}]}]},
        {"lists": [{"name": "a", "directions": ["entry"], "entries": [OF_PERSON | {"date_of_birth": None}]}]},
        {"lists": [{"name": "a", "directions": ["entry"], "entries": [OF_PERSON | {"secondary_identifier": 1}]}]},
    ],
)  # fmt: skip
def test_what_is_no_list_of_bans_is_refused(body):
    with pytest.raises(BanListRefused) as refused:
        TravelBans.from_bundle(body)
    assert refused.value.code == "EG-BAN-001"


ENTRY_OF_PERMIT = {
    "kind": "electronic_visa", "number": "E 1", "issued_by": "UZB", "document_number": "X00000001", "issuing_state": "UTO",
    "valid_from": "2026-06-01", "entries": 1,
}  # fmt: skip


def test_a_permit_is_found_by_the_document_it_was_issued_for():
    listed = PermitList.from_bundle({"permits": [ENTRY_OF_PERMIT, ENTRY_OF_PERMIT | {"number": "E 2", "stay_days": 9}]})
    first, second = listed.of("x-0000 0001", "UTO")
    assert first == Permit(
        PermitKind.ELECTRONIC_VISA, PermitOrigin.SIGNED_LIST, "E 1", "UZB", date(2026, 6, 1), None, None, 1
    )
    assert second.stay_days == 9
    assert (listed.of("X00000002", "UTO"), listed.of("X00000001", "D"), len(listed)) == ((), (), 2)


@pytest.mark.parametrize(
    "members",
    [
        {"kind": "visum"}, {"number": ""}, {"issued_by": None}, {"document_number": "<"}, {"valid_from": None},
        {"valid_from": "2026-6-1"}, {"valid_until": "2026-05-31"}, {"entries": 0}, {"entries": True}, {"stay_days": "30"},
    ],
)  # fmt: skip
def test_what_is_no_permit_is_refused(members):
    with pytest.raises(PermitListRefused, match=r"permits\[0\]"):
        PermitList.from_bundle({"permits": [ENTRY_OF_PERMIT | members]})
    with pytest.raises(PermitListRefused):
        PermitList.from_bundle({})
