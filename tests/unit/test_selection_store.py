"""Seeds, draws and histories on the gate's disk: told before and after the day, counted once, found again after a restart."""

import hashlib
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from central_sync.messages import read_record
from gate_agent.app.draw_book import DrawBook
from gate_agent.domain.crossing import Admission, Corridor, PassageOutcome, PolicyAnswer
from gate_agent.domain.declaration import Direction
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.selection import (
    AppealSubject,
    Draw,
    InspectionOutcome,
    SelectedBy,
    Selection,
    Standing,
    WindowCounts,
)
from gate_agent.policy.random_selection import commitment_of, draw_value
from gate_agent.store import holder_history
from tests.unit.test_store import GATE, HandClock, crossed, decided, open_store, rows_of
from tests.unit.utopian_documents import document

TASHKENT = "Asia/Tashkent"
SOURCE = f"{GATE.country}/{GATE.site}/{GATE.gate_id}"
FAR_PAST = date(2000, 1, 1)


def seed_bytes(size: int, start: int = 0) -> bytes:
    return bytes((start + place) % 256 for place in range(size))


def selected(draw: Draw | None, by: SelectedBy) -> Selection:
    return Selection(draw, WindowCounts(), Standing(), 0, 0, False, 150_000, 150_000, by)


def answer(corridor: Corridor, draw: Draw | None, by: SelectedBy) -> PolicyAnswer:
    reasons = (Reason(ReasonCode.ALL_CHECKS_SUCCESSFUL),)
    return PolicyAnswer(Admission.RELEASE, reasons, corridor, reasons, selection=selected(draw, by))


async def records(store, kind):
    return [one for one in (read_record(row.body) for row in await rows_of(store)) if one.kind == kind]


async def pass_through(store, number, corridor=Corridor.GREEN, by=SelectedBy.NOTHING, draw=None, **changes):
    decision = decided(answer=answer(corridor, draw, by), document=document(number), declaration=None)
    await store.commit_decision(decision)
    await store.commit_crossing(crossed(decision, **changes))
    return decision


@pytest.fixture
async def clock():
    return HandClock()


@pytest.fixture
async def store(tmp_path, clock):
    one = await open_store(tmp_path, clock)
    yield one
    await one.close()


@pytest.fixture
async def book(store, clock):
    made = DrawBook(clock, TASHKENT, seed_bytes)
    await made.keep(store.selection)
    return made


async def test_the_hash_is_told_before_the_day_and_the_seed_only_after_it(store, clock, book):
    told = await records(store, "draw_seed")
    today = date(2026, 5, 1)
    assert [(one.data["action"], one.data["local_date"]) for one in told] == [
        ("committed", "2026-05-01"),
        ("committed", "2026-05-02"),
    ]
    assert told[1].data["commitment"] == commitment_of(seed_bytes(32), SOURCE, date(2026, 5, 2))
    assert all(one.data["seed"] == "" for one in told)
    clock.time = datetime(2026, 5, 1, 19, 29, tzinfo=UTC)  # 00:29 in Tashkent
    await book.keep(store.selection)
    assert not [one for one in await records(store, "draw_seed") if one.data["action"] == "revealed"]
    clock.turn(minutes=1)
    await book.keep(store.selection)
    (revealed,) = [one for one in await records(store, "draw_seed") if one.data["action"] == "revealed"]
    assert (revealed.data["local_date"], bytes.fromhex(revealed.data["seed"])) == ("2026-05-01", seed_bytes(32))
    assert revealed.data["draws"] == 0
    committed = await records(store, "draw_seed")
    assert {one.data["local_date"] for one in committed} == {"2026-05-01", "2026-05-02", "2026-05-03"}
    assert book.draw(uuid.uuid4(), today) is None


async def test_no_record_holds_a_seed_before_its_day_is_over(store, book):
    secret = seed_bytes(32)
    for row in await rows_of(store):
        assert secret.hex().encode() not in row.body
        assert secret not in row.body


async def test_a_transaction_has_one_draw_and_numbers_have_no_gap(store, book):
    day, first, second = date(2026, 5, 1), uuid.uuid4(), uuid.uuid4()
    drawn = [book.draw(first, day), book.draw(second, day), book.draw(first, day)]
    assert [one.number for one in drawn] == [1, 2, 1]
    assert drawn[0] == drawn[2]
    assert drawn[1].value == draw_value(seed_bytes(32), SOURCE, day, 2)


async def test_after_a_restart_the_numbers_go_on_and_the_seed_is_the_same(tmp_path, clock):
    store = await open_store(tmp_path, clock)
    book = DrawBook(clock, TASHKENT, seed_bytes)
    await book.keep(store.selection)
    day = date(2026, 5, 1)
    for number in range(3):
        await pass_through(store, number, draw=book.draw(uuid.uuid4(), day))
    lost = book.draw(uuid.uuid4(), day)  # no decision was made with it: the process ended first
    await store.close()
    store = await open_store(tmp_path, clock)
    again = DrawBook(clock, TASHKENT, lambda size: seed_bytes(size, 99))
    await again.keep(store.selection)
    assert again.draw(uuid.uuid4(), day) == lost
    await store.close()


async def test_a_clock_that_goes_back_draws_with_no_seed_that_was_told(store, clock, book):
    clock.turn(days=2)
    await book.keep(store.selection)
    clock.turn(days=-2)
    await book.keep(store.selection)
    assert book.draw(uuid.uuid4(), date(2026, 5, 1)) is None


async def test_the_window_counts_confirmed_crossings_over_a_restart(tmp_path, clock):
    store = await open_store(tmp_path, clock)
    for number in range(4):
        await pass_through(store, number, Corridor.RED, SelectedBy.RULE)
    for number in range(4, 7):
        await pass_through(store, number, Corridor.RED, SelectedBy.RANDOM)
    for number in range(7, 12):
        await pass_through(store, number)
    await pass_through(store, 13, Corridor.RED, SelectedBy.RANDOM, passage=PassageOutcome.NOT_PASSED)
    expected = WindowCounts(12, 4, 3)
    assert (await store.past_of("UTO", "none", FAR_PAST, 1_000)).counts == expected
    await store.close()
    store = await open_store(tmp_path, clock)
    assert (await store.past_of("UTO", "none", FAR_PAST, 1_000)).counts == expected
    assert (await store.past_of("UTO", "none", FAR_PAST, 8)).counts == WindowCounts(8, 0, 3)
    await store.close()


async def test_inspections_count_for_the_holder_and_no_name_is_kept(store, tmp_path, clock):
    decision = await pass_through(store, 1, Corridor.RED, SelectedBy.RULE)
    await pass_through(store, 2, Corridor.RED, SelectedBy.RULE)
    task, on = uuid.uuid4(), date(2026, 5, 1)

    def work(connection):
        for _ in range(2):  # told twice, counted once
            store.selection.inspected(connection, task, decision.transaction_id, on, InspectionFinding.FOUND)

    await store._write(work)
    mine, other = document(1), document(2)
    history = (await store.past_of(mine.issuing_state, mine.document_number, FAR_PAST, 10)).history
    assert history.inspections == (InspectionOutcome(on, InspectionFinding.FOUND),)
    assert history.crossing_days == (on,)
    assert (await store.past_of(other.issuing_state, other.document_number, FAR_PAST, 10)).history.inspections == ()
    on_disk = b"".join(path.read_bytes() for path in (tmp_path / "store").iterdir() if path.name.startswith("store.db"))
    assert mine.document_number.encode() not in on_disk
    assert hashlib.sha256(mine.document_number.encode()).digest() not in on_disk


async def test_passages_of_other_gates_count_too(store):
    mine = document(1)
    await pass_through(store, 1)
    holder = store.selection._holders.holder(mine.issuing_state, mine.document_number)
    await store._write(
        lambda connection: connection.execute(
            "INSERT INTO stays (stay_id, holder, entered_on, exited_on, source) VALUES ('x', ?, ?, ?, 'UTO/demo/gate-2')",
            (holder.kept, "2026-04-20", "2026-04-29"),
        )
    )
    past = await store.past_of(mine.issuing_state, mine.document_number, date(2026, 4, 25), 10)
    assert past.history.crossing_days == (date(2026, 4, 29), date(2026, 5, 1))


async def test_an_appeal_is_recorded_and_a_granted_one_holds(store):
    decision = await pass_through(store, 1, Corridor.RED, SelectedBy.RANDOM)
    on, mine = date(2026, 5, 1), document(1)
    ask = store.selection.appeal
    assert await ask(decision.transaction_id, AppealSubject.FREQUENT_CROSSER, "O-1", on, "drives a bus", upheld=False)
    assert (await store.past_of(mine.issuing_state, mine.document_number, FAR_PAST, 10)).history.upheld == {}
    assert await ask(decision.transaction_id, AppealSubject.FREQUENT_CROSSER, "O-1", on, "drives a bus", upheld=True)
    history = (await store.past_of(mine.issuing_state, mine.document_number, FAR_PAST, 10)).history
    assert history.upheld == {AppealSubject.FREQUENT_CROSSER: on}
    told = await records(store, "appeal")
    assert [one.data["upheld"] for one in told] == [False, True]
    assert all("drives a bus" not in str(one.data) for one in told)
    assert not await ask(uuid.uuid4(), AppealSubject.TRUST_CATEGORY, "O-1", on, "", upheld=True)
    assert await store.selection.past_at_desk(decision.transaction_id, FAR_PAST) == history
    assert await store.selection.past_at_desk(uuid.uuid4(), FAR_PAST) is None


async def test_what_is_too_old_is_forgotten(store):
    on = date(2026, 5, 1)
    first = await pass_through(store, 1, Corridor.RED, SelectedBy.RULE)

    def work(connection):
        task = uuid.uuid4()
        store.selection.inspected(connection, task, first.transaction_id, on, InspectionFinding.FOUND)
        later = on + holder_history.OUTCOMES_KEPT + timedelta(days=1)
        store.selection.inspected(connection, uuid.uuid4(), first.transaction_id, later, InspectionFinding.AMENDED)
        return [row["finding"] for row in connection.execute("SELECT finding FROM inspection_outcomes")]

    assert await store._write(work) == ["amended"]


async def test_a_decision_record_carries_what_an_auditor_needs(store, book):
    drawn = book.draw(uuid.uuid4(), date(2026, 5, 1))
    await pass_through(store, 1, Corridor.RED, SelectedBy.RANDOM, drawn)
    (told,) = await records(store, "decision")
    selection = told.data["selection"]
    assert selection["commitment_id"] == str(drawn.commitment_id)
    assert (selection["draw_number"], selection["draw_value"]) == (1, drawn.value)
    assert (selection["probability_ppm"], selection["selected_by"]) == (150_000, "random")


async def test_a_store_of_before_is_brought_up_to_date(tmp_path, clock):
    store = await open_store(tmp_path, clock)

    def older(connection):
        connection.execute("DROP INDEX decisions_draw")
        for column in ("selected_by", "draw_commitment", "draw_number"):
            connection.execute(f"ALTER TABLE decisions DROP COLUMN {column}")
        connection.execute("DROP TABLE draw_seeds")

    await store._write(older)
    await store.close()
    store = await open_store(tmp_path, clock)
    old = decided(corridor=Corridor.RED)
    await store.commit_decision(replace(old, direction=Direction.ENTRY))
    await store.commit_crossing(crossed(old))
    assert (await store.past_of("UTO", "none", FAR_PAST, 10)).counts == WindowCounts(1, 1, 0)
    await store.close()
