"""Stays in the store: orphans that are held and not lost, corrections beside the records, reminders once each."""

from __future__ import annotations

import json
import sqlite3
import uuid
from contextlib import closing, contextmanager
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central_sync.messages import read_record
from central_sync.sealing import unseal
from gate_agent.domain.crossing import PassageOutcome
from gate_agent.domain.declaration import Direction
from gate_agent.domain.stay import Stay, StayTerms
from gate_agent.store.schema import prepare
from gate_agent.store.stay_book import _DUE, _ORPHANS, CorrectionAnswer, CorrectionKind, OrphanKind, StayCorrection
from tests.unit.test_store import NOW, SEALING, crossed, decided, open_store, rows_of
from tests.unit.utopian_documents import document

TODAY = NOW.date()
ENTRY, EXIT = Direction.ENTRY, Direction.EXIT
HOLDER = document(12345678)


@pytest.fixture
async def store(tmp_path):
    one = await open_store(tmp_path)
    yield one
    await one.close()


async def passes(store, direction, day, *, number=12345678, passage=PassageOutcome.PASSED, terms=StayTerms()):  # noqa: B008 - frozen
    decision = decided(direction=direction, document=document(number), declaration=None)
    at = NOW + (day - TODAY)
    await store.commit_crossing(crossed(decision, passage, occurred_at=at, local_date=day, stay_terms=terms))


def ago(days):
    return TODAY - timedelta(days=days)


def known(store, number=12345678):
    return store.stays_of("UTO", f"X{number:08d}")


def correction(stay_id, kind, day=None):
    return StayCorrection(uuid.uuid4(), stay_id, CorrectionKind(kind), day, ("guard-1",), "stamp_seen")


async def contents(store, kind):
    return [json.loads(row.body)["data"] for row in await rows_of(store) if read_record(row.body).kind == kind]


async def test_only_a_confirmed_passage_opens_and_closes_a_stay(store):
    for passage in (PassageOutcome.NOT_PASSED, PassageOutcome.UNDETERMINED):
        await passes(store, ENTRY, ago(9), passage=passage)
    assert await known(store) == ()
    await passes(store, ENTRY, ago(8), terms=StayTerms("electronic_visa", TODAY, ago(5)))
    for passage in (PassageOutcome.NOT_PASSED, PassageOutcome.UNDETERMINED):
        await passes(store, EXIT, ago(2), passage=passage)
    (stay,) = await known(store)
    assert (stay.exited_on, stay.permit_kind, stay.last_day) == (None, "electronic_visa", TODAY)
    await passes(store, EXIT, ago(1))
    assert await known(store) == (Stay(ago(8), ago(1), store.source, "electronic_visa", TODAY),)
    opened, _closed = await contents(store, "stay")
    assert (opened["permit_kind"], opened["last_day"], opened["register_by"]) == (
        "electronic_visa",
        TODAY.isoformat(),
        ago(5).isoformat(),
    )


async def test_an_exit_without_an_entry_is_held_and_mended(store):
    await passes(store, EXIT, ago(3))
    (orphan,) = await store.stays.orphans(TODAY)
    assert (orphan.kind, orphan.entered_on, orphan.exited_on) == (OrphanKind.EXIT_WITHOUT_ENTRY, None, ago(3))
    assert await known(store) == ()
    for day, answer in ((ago(2), "day_wrong"), (ago(3), "done")):
        assert await store.stays.correct(correction(orphan.stay_id, "add_entry", day), TODAY) == answer
    assert [(stay.entered_on, stay.exited_on) for stay in await known(store)] == [(ago(3), ago(3))]
    assert await store.stays.orphans(TODAY) == []
    (record,) = await contents(store, "correction")
    assert (record["corrects"], record["reason"], record["officer_id"]) == (
        str(orphan.stay_id),
        "stamp_seen",
        "guard-1",
    )
    assert record["stay"] == {"entered_on": ago(3).isoformat(), "exited_on": None, "is_void": False}
    stays = await contents(store, "stay")
    assert [(stay["entered_on"], stay["exited_on"]) for stay in stays] == [(None, ago(3).isoformat())], "as it was"


async def test_the_words_of_a_correction_reach_the_centre_alone_and_both_officers_everybody(store):
    await passes(store, EXIT, ago(3))
    (orphan,) = await store.stays.orphans(TODAY)
    kind, officers = CorrectionKind.ADD_ENTRY, ("guard-1", "supervisor-1")
    order = StayCorrection(uuid.uuid4(), orphan.stay_id, kind, ago(4), officers, "other", "the stamp of Anna Specimen")
    assert await store.stays.correct(order, TODAY) == CorrectionAnswer.DONE
    (record,) = [one for one in (read_record(row.body) for row in await rows_of(store)) if one.kind == "correction"]
    content = record.content()
    assert (content.officer_id, content.officer_ids, content.reason) == ("guard-1", list(officers), "other")
    assert "Specimen" not in content.model_dump_json()
    assert unseal(content.sealed, SEALING, record.id) == {"reason_text": "the stamp of Anna Specimen"}


async def test_an_entry_without_an_exit_shows_when_the_holder_enters_again(store):
    await passes(store, ENTRY, ago(20))
    assert await store.stays.orphans(TODAY) == [], "somebody who is here is no orphan"
    await passes(store, ENTRY, ago(2))
    (orphan,) = await store.stays.orphans(TODAY)
    assert (orphan.kind, orphan.entered_on, orphan.exited_on) == (OrphanKind.ENTRY_WITHOUT_EXIT, ago(20), None)
    for day, answer in ((ago(21), "day_wrong"), (TODAY + timedelta(days=1), "day_wrong"), (ago(4), "done")):
        assert await store.stays.correct(correction(orphan.stay_id, "add_exit", day), TODAY) == answer
    assert [(stay.entered_on, stay.exited_on) for stay in await known(store)] == [(ago(20), ago(4)), (ago(2), None)]
    assert await store.stays.orphans(TODAY) == []


async def test_who_is_past_his_last_day_is_on_the_list_from_the_day_after(store):
    await passes(store, ENTRY, ago(30), terms=StayTerms("", ago(1), ago(27)))
    await passes(store, ENTRY, ago(30), number=2, terms=StayTerms("", TODAY, ago(27)))
    (orphan,) = await store.stays.orphans(TODAY)
    assert (orphan.kind, orphan.last_day) == (OrphanKind.PAST_LAST_DAY, ago(1))
    assert len(await store.stays.orphans(TODAY + timedelta(days=1))) == 2
    await passes(store, EXIT, TODAY)
    assert await store.stays.orphans(TODAY) == []


async def test_a_record_of_nobody_counts_no_more_and_stays_on_disk(store):
    await passes(store, EXIT, ago(3))
    (orphan,) = await store.stays.orphans(TODAY)
    void = correction(orphan.stay_id, "void")
    assert await store.stays.correct(void, TODAY) == CorrectionAnswer.DONE
    assert await store.stays.correct(void, TODAY) == CorrectionAnswer.DONE, "the same order again"
    assert await store.stays.orphans(TODAY) == []
    assert len(await contents(store, "correction")) == 1
    again = correction(orphan.stay_id, "add_entry", ago(5))
    assert await store.stays.correct(again, TODAY) == CorrectionAnswer.NO_SUCH_STAY
    assert await store.stays.correct(correction(uuid.uuid4(), "void"), TODAY) == CorrectionAnswer.NO_SUCH_STAY


async def test_corrections_outlive_a_restart_and_marks_pair_the_records_of_one_holder(tmp_path):
    store = await open_store(tmp_path)
    await passes(store, EXIT, ago(3))
    await passes(store, EXIT, ago(1))
    await passes(store, EXIT, ago(1), number=3)
    one, other, third = sorted(await store.stays.orphans(TODAY), key=lambda orphan: (orphan.exited_on, orphan.mark))
    assert one.mark in {other.mark, third.mark}
    assert other.mark != third.mark
    await store.stays.correct(correction(one.stay_id, "add_entry", ago(9)), TODAY)
    await store.close()
    store = await open_store(tmp_path)
    try:
        assert [stay.entered_on for stay in await known(store)] == [ago(9)]
        assert len(await store.stays.orphans(TODAY)) == 2
    finally:
        await store.close()


async def test_a_reminder_is_written_once_on_the_day_before_and_for_nobody_who_left(store):
    tomorrow = TODAY + timedelta(days=1)
    await passes(store, ENTRY, ago(2), terms=StayTerms("", TODAY + timedelta(days=27), tomorrow))
    await passes(store, ENTRY, ago(2), number=2, terms=StayTerms("", tomorrow, TODAY + timedelta(days=2)))
    await passes(store, ENTRY, ago(2), number=3, terms=StayTerms("", tomorrow, tomorrow))
    await passes(store, EXIT, ago(1), number=3)
    assert await store.stays.remind(ago(1)) == 0
    assert await store.stays.remind(TODAY) == 2
    assert await store.stays.remind(TODAY) == 0
    notices = await contents(store, "stay_notice")
    assert sorted((notice["notice"], notice["due_on"]) for notice in notices) == [
        ("registration_due", tomorrow.isoformat()),
        ("stay_ending", tomorrow.isoformat()),
    ]
    assert {notice["stay_id"] for notice in notices} <= {stay["stay_id"] for stay in await contents(store, "stay")}


async def test_days_near_midnight_are_the_posts_own(store):
    decision = decided(direction=ENTRY, document=HOLDER, declaration=None)
    late = NOW.replace(hour=19, minute=30)  # 00:30 of the next day in Tashkent
    await store.commit_crossing(crossed(decision, occurred_at=late, local_date=date(2026, 5, 2)))
    (stay,) = await known(store)
    assert stay.entered_on == date(2026, 5, 2)


_DUE_WITHOUT_INDEXES = """
SELECT stay_id, 'registration_due' AS notice, register_by AS due_on FROM known_stays
  WHERE exited_on IS NULL AND source = :own AND register_by BETWEEN :today AND :due
UNION ALL SELECT stay_id, 'stay_ending', last_day FROM known_stays
  WHERE exited_on IS NULL AND source = :own AND last_day BETWEEN :today AND :due
"""
_ORPHANS_WITHOUT_INDEXES = """
SELECT * FROM (
  SELECT 'exit_without_entry' AS kind, leaving.* FROM known_stays AS leaving WHERE entered_on IS NULL AND NOT EXISTS (
    SELECT 1 FROM known_stays AS entry WHERE entry.holder = leaving.holder AND entry.exited_on IS NULL
    AND coalesce(entry.entered_at, entry.entered_on) <= coalesce(leaving.exited_at, leaving.exited_on)
  )
  UNION ALL
  SELECT CASE WHEN is_followed THEN 'entry_without_exit' ELSE 'past_last_day' END, entry.* FROM known_stays AS entry
  WHERE exited_on IS NULL AND (is_followed OR last_day < :today) AND NOT EXISTS (
    SELECT 1 FROM known_stays AS leaving WHERE leaving.holder = entry.holder AND leaving.entered_on IS NULL
    AND coalesce(leaving.exited_at, leaving.exited_on) >= coalesce(entry.entered_at, entry.entered_on)
  )
) ORDER BY coalesce(entered_on, exited_on), stay_id LIMIT :most
"""
ASKED = {"own": "here", "today": TODAY.isoformat(), "due": ago(-1).isoformat(), "most": 200}
some_day = st.integers(-2, 4).map(lambda days: ago(days).isoformat())
a_stay = st.tuples(
    st.integers(1, 3), st.none() | some_day, st.none() | some_day, st.sampled_from(("here", "there")),
    st.none() | some_day, st.none() | some_day, st.booleans(),
).filter(lambda stay: stay[1] is not None or stay[2] is not None)  # fmt: skip
a_correction = st.tuples(st.integers(0, 7), st.none() | some_day, st.none() | some_day, st.booleans())


@contextmanager
def tables(stays, corrections=()):
    """A store's tables with these rows alone."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        prepare(connection)
        connection.executemany(
            "INSERT INTO stays (stay_id, holder, entered_on, exited_on, source, last_day, register_by, is_followed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            ((f"{number:08d}", bytes([stay[0]]), *stay[1:]) for number, stay in enumerate(stays)),
        )
        connection.executemany(
            "INSERT INTO stay_corrections VALUES (?, ?, ?, ?, ?, ?, 'here')",
            (
                (f"c{number}", f"{stay:08d}", entered_on, exited_on, is_void, f"2026-01-01T{number:02d}")
                for number, (stay, entered_on, exited_on, is_void) in enumerate(corrections)
            ),
        )
        yield connection


@pytest.mark.parametrize(("question", "plain"), [(_DUE, _DUE_WITHOUT_INDEXES), (_ORPHANS, _ORPHANS_WITHOUT_INDEXES)])
@given(stays=st.lists(a_stay, max_size=8), corrections=st.lists(a_correction, max_size=4))
def test_what_is_asked_by_the_indexes_is_what_looking_at_every_stay_finds(question, plain, stays, corrections):
    with tables(stays, corrections) as connection:
        found, expected = (sorted(map(tuple, connection.execute(one, ASKED)), key=str) for one in (question, plain))
    assert found == expected
