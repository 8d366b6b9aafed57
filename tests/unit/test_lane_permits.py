"""Visas and bans through a real lane: read at the gate before or after the passport, listed, missing, and what nobody on the lane is told."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from drivers import contracts as dc
from gate_agent.app import views
from gate_agent.demo.specimens import specimen
from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.mrz import check_digit
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.stay import Stay
from gate_agent.domain.transaction_state import Phase
from gate_agent.inspection.permit_list import PermitList
from gate_agent.inspection.travel_bans import TravelBans
from gate_agent.web.lane_api_messages import Instruction
from tests.unit.test_lane_controller import lane

TODAY = datetime.now(ZoneInfo("Asia/Tashkent")).date()
STATELESS = {"nationality": "XXA"}


def visa(of=None, *, state="UZB", until=None, wrong_digit=False, **changes):
    """Return a machine readable visa of format A for a specimen document's holder."""
    holder = specimen(1, TODAY, **STATELESS, **changes) if of is None else of
    until = (until or TODAY + timedelta(days=20)).strftime("%y%m%d")
    names = f"{holder.primary_identifier}<<{holder.secondary_identifier}".replace(" ", "<")
    birth = holder.date_of_birth.strftime("%y%m%d")
    number = "V1234567<"
    digit = check_digit(number) if not wrong_digit else str((int(check_digit(number)) + 1) % 10)
    second = f"{number}{digit}{holder.nationality}{birth}{check_digit(birth)}{holder.sex}{until}{check_digit(until)}"
    return f"V<{state}{names}"[:44].ljust(44, "<"), second.ljust(44, "<")


def listed(number="U01SPECIM", **members):
    entry = {
        "kind": "electronic_visa", "number": "E1", "issued_by": "UZB", "document_number": number, "issuing_state": "UTO",
        "valid_from": (TODAY - timedelta(days=3)).isoformat(),
    }  # fmt: skip
    return PermitList.from_bundle({"permits": [entry | members]})


def outcome(walk, check):
    return walk.controller.state.results[check].outcome


async def lay_visa(walk, lines):
    walk.event("reader-1", dc.DocumentRemoved())
    walk.event("reader-1", dc.DocumentPresented())
    walk.event("reader-1", dc.MrzRead(lines))
    await walk.settle()


def codes(walk):
    return [reason.code for reason in walk.house.decisions[-1].answer.admission_reasons]


async def test_a_listed_visa_opens_the_entrance_and_stands_in_the_receipt_and_the_record() -> None:
    async with lane() as walk:
        walk.house.permits = listed()
        await walk.present(**STATELESS)
        assert walk.house.releases == [dc.Door.ENTRANCE]
        await walk.inputs(1)
        await walk.look()
        last = (TODAY + timedelta(days=29)).isoformat()
        assert views.receipt(walk.controller)["stay_deadline"] == last
        await walk.inputs(0, passed=True)
        terms = walk.house.crossings[-1].stay_terms
        assert (terms.permit_kind, terms.last_day.isoformat()) == ("electronic_visa", last)
        assert terms.register_by is not None
        assert {"uz.document.passport", "uz.stay.evisa"} <= {
            use.rule_id for use in walk.house.decisions[-1].answer.rules
        }


async def test_without_a_visa_the_screen_asks_for_one_and_then_the_guard_is_called() -> None:
    async with lane(policy={"permit_wait_s": 0.2}) as walk:
        await walk.present(**STATELESS)
        assert walk.phase is Phase.INSPECTING
        assert views.instruction(walk.controller) is Instruction.SHOW_VISA
        assert walk.house.releases == []
        async with asyncio.timeout(20):
            while walk.phase is not Phase.REFERRED:
                await asyncio.sleep(0.02)
        await walk.settle()
        assert codes(walk) == [ReasonCode.VISA_MISSING]
        assert views.instruction(walk.controller) is Instruction.SEE_OFFICER


async def test_a_lane_that_waits_for_no_visa_calls_the_guard_at_once() -> None:
    async with lane(policy={"permit_wait_s": 0}) as walk:
        await walk.present(**STATELESS)
        assert (walk.phase, codes(walk)) == (Phase.REFERRED, [ReasonCode.VISA_MISSING])


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (visa(state="UTO"), ReasonCode.VISA_OTHER_STATE),
        (visa(until=TODAY - timedelta(days=1)), ReasonCode.VISA_EXPIRED),
        (visa(of=specimen(2, TODAY, nationality="XXA")), ReasonCode.VISA_OTHER_HOLDER),
        (visa(), ReasonCode.RULE_NOT_FOUND),  # a sticker's zone names no days, and no rule of Uzbekistan does
    ],
    ids=["another state", "expired", "another holder", "no rule for its days"],
)
async def test_a_visa_that_does_not_let_its_holder_in_is_for_the_guard(
    lines: tuple[str, ...], code: ReasonCode
) -> None:
    async with lane() as walk:
        await walk.present(**STATELESS)
        await lay_visa(walk, lines)
        assert walk.phase is Phase.REFERRED
        assert codes(walk)[0] is code
        assert walk.house.releases == []


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_sticker_is_taken_before_or_after_the_passport(*, is_first: bool) -> None:
    async with lane(book="atlantis") as walk:
        good = visa(state="XAT")
        if is_first:
            walk.event("reader-1", dc.DocumentPresented())
            walk.event("reader-1", dc.MrzRead(good))
            await walk.settle()
            walk.event("reader-1", dc.DocumentRemoved())
            await walk.settle()
            assert walk.controller.state.results == {}
            await walk.present(**STATELESS)
        else:
            await walk.present(**STATELESS)
            await lay_visa(walk, visa(state="XAT", wrong_digit=True))
            assert views.instruction(walk.controller) is Instruction.SHOW_VISA, "it may be laid there once more"
            await lay_visa(walk, good)
        assert walk.house.releases == [dc.Door.ENTRANCE]
        assert outcome(walk, CheckName.ELIGIBILITY) is CheckOutcome.SUCCESSFUL
        await walk.inputs(1)
        await walk.look()
        await walk.inputs(0, passed=True)
        assert walk.house.crossings[-1].stay_terms.permit_kind == "visa"
        assert walk.house.crossings[-1].stay_terms.last_day == TODAY + timedelta(days=20)


async def test_a_sticker_that_was_entered_on_before_is_for_the_guard() -> None:
    async with lane(book="atlantis") as walk:
        walk.house.stay = Stay(TODAY - timedelta(days=9), TODAY - timedelta(days=5), "gate", "visa")
        await walk.present(**STATELESS)
        await lay_visa(walk, visa(state="XAT"))
        assert (walk.phase, walk.house.releases) == (Phase.REFERRED, [])
        assert outcome(walk, CheckName.ELIGIBILITY) is CheckOutcome.UNDETERMINED
        assert ReasonCode.VISA_ENTRIES_UNKNOWN in codes(walk)


async def test_a_permit_list_past_its_age_finds_no_permit_and_stops_nobody_else() -> None:
    async with lane(policy={"permit_list_age_limit_h": 1e-9, "permit_wait_s": 0}) as walk:
        walk.house.permits = listed()
        walk.house.permits_age_s = 10
        await walk.present(**STATELESS)
        assert ReasonCode.PERMIT_LIST_STALE in codes(walk)
    async with lane(policy={"permit_list_age_limit_h": 1e-9}) as walk:
        walk.house.permits_age_s = 10
        await walk.present()
        assert walk.house.releases == [dc.Door.ENTRANCE]


@pytest.mark.parametrize(("direction", "phase"), [("entry", Phase.REFERRED), ("exit", Phase.REFERRED)])
async def test_a_ban_refers_and_the_screen_says_what_it_says_to_everybody(direction: str, phase: Phase) -> None:
    async with lane(direction=direction) as walk:
        entry = {"entry_id": "7", "document_number": "U01SPECIM", "issuing_state": "UTO"}
        walk.house.bans = TravelBans.from_bundle(
            {"lists": [{"name": "court orders", "directions": [direction], "entries": [entry]}]}
        )
        await walk.present()
        assert walk.phase is phase
        banned = next(
            one for one in walk.house.decisions[-1].answer.admission_reasons if one.code is ReasonCode.TRAVEL_BAN
        )
        assert banned.parameters == {"list": "court orders", "entry": "7"}
        assert views.instruction(walk.controller) is Instruction.SEE_OFFICER
        assert views.receipt(walk.controller) == {}


async def test_without_ban_lists_or_with_old_ones_nobody_is_released() -> None:
    async with lane() as walk:
        walk.house.bans = None
        await walk.present()
        assert (walk.phase, codes(walk)) == (Phase.REFERRED, [ReasonCode.BAN_LIST_STALE])
        assert walk.house.releases == []


async def test_a_document_of_a_kind_without_a_rule_is_referred() -> None:
    async with lane() as walk:
        await walk.present(format="TD1", issuing_state="D<<", nationality="D<<")
        assert walk.phase is Phase.REFERRED
        assert ReasonCode.RULE_NOT_FOUND in codes(walk)


async def test_a_misread_is_no_right_to_enter_for_whoever_needs_a_visa() -> None:
    async with lane() as walk:
        await walk.present(wrong_digit=True)
        assert walk.house.read_again_calls == 1
        assert views.instruction(walk.controller) is not Instruction.SHOW_VISA
        await walk.present(**STATELESS)
        assert walk.house.releases == []
        assert walk.phase is Phase.INSPECTING
        assert views.instruction(walk.controller) is Instruction.SHOW_VISA
        await lay_visa(walk, visa(of=specimen(2, TODAY, nationality="XXA")))
        assert walk.phase is Phase.REFERRED
        assert codes(walk)[0] is ReasonCode.VISA_OTHER_HOLDER


async def test_nobody_is_asked_for_a_visa_because_of_a_misread() -> None:
    async with lane(policy={"permit_wait_s": 0.1}) as walk:
        await walk.present(wrong_digit=True, **STATELESS)
        assert views.instruction(walk.controller) is not Instruction.SHOW_VISA
        await walk.present()
        assert walk.house.releases == [dc.Door.ENTRANCE]
        await asyncio.sleep(0.2)
        await walk.settle()
        assert walk.phase is Phase.INSPECTING, "what the misread lacked is not missed later"
