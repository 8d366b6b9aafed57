"""Short-term crossing for tourists (border-rules A7): entry and exit pair across the gates of a post, with the centre dark throughout."""

import json
import uuid
from datetime import UTC, date, datetime, timedelta

import pytest

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.crossing import PassageOutcome
from gate_agent.domain.declaration import Direction
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.stay import StayTerms
from gate_agent.policy.entitlement import Entry, entitlement, terms_of
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.policy.stay_check import check_stay
from gate_agent.store.stay_book import CorrectionAnswer, CorrectionKind, OrphanKind, StayCorrection
from tests.scenario.border_post import Gate, cross, running_post, two_gates, until

BOOK = parse_rulebook(json.loads(packaged_rulebook_bytes()))
NOW = datetime.now(UTC)
TODAY = NOW.date()


@pytest.fixture
async def gates(tmp_path):
    async with running_post(tmp_path) as post, two_gates(tmp_path, post) as both:
        yield both


async def enter(gate: Gate, number: int, days_ago: int, passage=PassageOutcome.PASSED) -> StayTerms:
    """Let a visitor of Utopia in, on the terms that the rulebook gives him on that day."""
    at = NOW - timedelta(days=days_ago)
    entry = Entry("UTO", at.date())
    terms = terms_of(BOOK, entry, entitlement(BOOK, entry))
    await cross(gate.store, number, passage=passage, at=at, terms=terms)
    return terms


async def stays(gate: Gate, number: int):
    return await gate.store.stays_of("UTO", f"X{number:08d}")


async def at_exit(gate: Gate, number: int, on: date = TODAY):
    return check_stay(Direction.EXIT, "UTO", await stays(gate, number), on, BOOK)


async def knows(gate: Gate, number: int, count: int = 1) -> bool:
    return len(await stays(gate, number)) == count


async def test_entry_at_one_gate_and_exit_at_another_show_the_remaining_stay_and_the_overstay(gates):
    first, second = gates
    terms = await enter(first, 1, days_ago=29)
    await enter(first, 2, days_ago=30)
    await enter(first, 3, days_ago=5, passage=PassageOutcome.NOT_PASSED)
    await until(lambda: knows(second, 2))
    (stay,) = await stays(second, 1)
    assert stay.last_day == terms.last_day == TODAY
    in_time, late = await at_exit(second, 1), await at_exit(second, 2)
    assert (in_time.outcome, in_time.compared[0].expected) == (CheckOutcome.SUCCESSFUL, f"<= {TODAY.isoformat()}")
    assert (late.outcome, late.reasons[0].code, late.reasons[0].parameters) == (
        CheckOutcome.FAILED,
        ReasonCode.STAY_OVERSTAYED,
        {"days": "1"},
    )
    assert await stays(first, 3) == await stays(second, 3) == (), "nobody who did not pass has a stay"
    await cross(second.store, 1, Direction.EXIT, at=NOW)

    async def has_left() -> bool:
        return (await stays(first, 1))[0].exited_on is not None

    await until(has_left)


async def test_orphans_are_held_shown_and_mended_at_any_gate_of_the_post(gates):
    first, second = gates
    await enter(first, 7, days_ago=20)
    await until(lambda: knows(second, 7))
    await enter(second, 7, days_ago=3)  # nobody saw him leave
    await cross(first.store, 8, Direction.EXIT, at=NOW)  # nobody saw him enter
    assert (await at_exit(first, 8)).outcome is CheckOutcome.UNDETERMINED

    async def both_are_known() -> bool:
        kinds = {orphan.kind for orphan in await second.store.stays.orphans(TODAY)}
        return kinds == {OrphanKind.ENTRY_WITHOUT_EXIT, OrphanKind.EXIT_WITHOUT_ENTRY}

    await until(both_are_known)
    for orphan in await second.store.stays.orphans(TODAY):
        is_exit = orphan.kind is OrphanKind.EXIT_WITHOUT_ENTRY
        kind = CorrectionKind.ADD_ENTRY if is_exit else CorrectionKind.ADD_EXIT
        day = TODAY - timedelta(days=9 if is_exit else 5)
        order = StayCorrection(uuid.uuid4(), orphan.stay_id, kind, day, ("guard-1",), "stamp_seen")
        assert await second.store.stays.correct(order, TODAY) is CorrectionAnswer.DONE

    async def mended() -> bool:
        return not await first.store.stays.orphans(TODAY)

    await until(mended)
    assert [(stay.entered_on, stay.exited_on) for stay in await stays(first, 8)] == [(TODAY - timedelta(days=9), TODAY)]
    assert (await stays(first, 7))[0].exited_on == TODAY - timedelta(days=5)


async def test_with_the_post_cut_off_too_each_gate_is_right_about_what_it_saw_and_learns_the_rest_later(gates):
    first, second = gates
    await second.disconnect()
    await enter(first, 4, days_ago=31)
    assert (await at_exit(first, 4)).outcome is CheckOutcome.FAILED
    alone = await at_exit(second, 4)
    assert (alone.outcome, alone.reasons[0].code) == (CheckOutcome.UNDETERMINED, ReasonCode.STAY_NO_ENTRY_RECORD)
    await cross(second.store, 4, Direction.EXIT, at=NOW)
    assert [orphan.kind for orphan in await second.store.stays.orphans(TODAY)] == [OrphanKind.EXIT_WITHOUT_ENTRY]
    second.connect()

    async def paired() -> bool:
        known = [*await stays(first, 4), *await stays(second, 4)]
        return len(known) == 2 and all(stay.exited_on == TODAY for stay in known)

    await until(paired)
    assert await first.store.stays.orphans(TODAY) == await second.store.stays.orphans(TODAY) == []


async def test_the_registration_reminder_goes_out_once_from_the_gate_of_entry(gates):
    first, second = gates
    terms = await enter(first, 5, days_ago=0)
    await until(lambda: knows(second, 5))
    assert terms.register_by is not None
    day_before = terms.register_by - timedelta(days=1)
    assert await second.store.stays.remind(day_before) == 0
    assert await first.store.stays.remind(day_before) == 1
    assert await first.store.stays.remind(day_before) == 0
