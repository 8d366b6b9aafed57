"""Reports of seals at the post: numbered, kept within bounds, each once, and what is gone is said."""

import asyncio
import sqlite3
import uuid
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync import signed
from central_sync.post.messages import SEALS_PURPOSE, SealPage
from drivers import contracts as dc
from gate_agent.app.post_seals import SealPages
from gate_agent.errors import StoreFault
from gate_agent.store.seal_book import NewReport, SealBook
from tests.unit.hand_clock import NOW, HandClock

KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def opened(tmp_path, clock, limit_rows=1000) -> SealBook:
    book = SealBook(tmp_path / "seals.db", clock, kept_h=24.0, limit_rows=limit_rows)
    book.open()
    return book


def report(kind="position", seal_id="99", is_alarm=False, frame=b"", content=b"{}") -> NewReport:
    return NewReport(seal_id, kind, is_alarm, "seals", content, frame)


def seqs(found) -> list[int]:
    return [one.seq for one in found.reports]


def test_reports_come_in_order_and_survive_the_process(tmp_path, clock):
    book = opened(tmp_path, clock)
    generation = book.generation
    for kind in ("sealed_by_card", "position", "position"):
        assert book.keep(report(kind))
    book.close()
    again = opened(tmp_path, clock)
    assert (again.generation, again.last) == (generation, 3)
    assert seqs(again.after(1, 10)) == [2, 3]
    assert again.after(3, 10).through == 3
    assert again.after(1, 1).through == 2


def test_from_nothing_a_gate_gets_the_newest_of_each_kind_and_never_loses_an_attack(tmp_path, clock):
    book = opened(tmp_path, clock)
    for kind in ("sealed_by_card", "position", "rope_cut", "position", "position"):
        book.keep(report(kind, is_alarm=kind == "rope_cut"))
    book.keep(report("position", seal_id="98"))
    assert seqs(book.after(None, 10)) == [1, 3, 5, 6]
    assert not book.after(0, 10).is_thinned  # a gate that read the empty book has a place
    assert seqs(book.after(0, 10)) == [1, 2, 3, 4, 5, 6]


def test_old_reports_are_thinned_and_a_gate_that_was_away_is_told(tmp_path, clock):
    book = opened(tmp_path, clock)
    for _ in range(4):
        book.keep(report())
    book.keep(report("rope_cut", is_alarm=True))
    clock.turn(hours=25)
    book.keep(report())
    assert book.forget() == 5
    found = book.after(2, 10)
    assert found.is_thinned
    assert seqs(found) == [5, 6]
    assert seqs(book.after(5, 10)) == [6]
    assert not book.after(5, 10).is_thinned


def test_the_book_is_bounded_and_attacks_go_last(tmp_path, clock):
    book = opened(tmp_path, clock, limit_rows=10)
    book.keep(report("rope_cut", seal_id="victim", is_alarm=True))
    for number in range(50):
        book.keep(report(seal_id=str(number)))
    book.forget()
    found = book.after(None, 100)
    assert len(found.reports) == 10
    assert found.reports[0].seq == 1


def test_a_jump_of_the_clock_deletes_nothing(tmp_path, clock):
    book = opened(tmp_path, clock)
    book.keep(report())
    clock.time += timedelta(days=400)
    assert book.forget() == 0
    clock.turn(minutes=1)
    assert book.forget() == 2  # a day later by any clock it is old


def test_a_frame_that_comes_again_after_a_kill_is_one_report(tmp_path, clock):
    book = opened(tmp_path, clock)
    assert book.keep(report(frame=b"$9900"))
    assert not book.keep(report(frame=b"$9900"))
    assert book.keep(report(frame=b"$9900", content=b'{"other":1}'))  # another report of the same frame
    clock.turn(minutes=11)
    assert book.keep(report(frame=b"$9900"))  # much later the same bytes are news
    assert book.keep(report())
    assert book.keep(report())  # nothing is known of where these come from


def test_a_disk_that_refuses_is_a_fault(tmp_path, clock):
    book = opened(tmp_path, clock)
    book.close()
    with pytest.raises(StoreFault):
        book.keep(report())
    (tmp_path / "broken").mkdir()
    with pytest.raises(StoreFault):
        SealBook(tmp_path / "absent" / "seals.db", clock, kept_h=1, limit_rows=10).open()


# ---- pages ----


def reported(kind="rope_cut", seal_id="99") -> dc.SealReported:
    return dc.SealReported(seal_id, kind, kind == "rope_cut", NOW, 41.5, 69.25, (("battery", "90"),))


def event(data: dc.SealReported, raw=b"") -> dc.DeviceEvent:
    return dc.DeviceEvent("seals", data, NOW, 0.0, 1, raw)


def read(wire: bytes) -> SealPage:
    content = signed.content_of(SEALS_PURPOSE, wire, (KEY.public_key(),))
    assert content is not None
    return SealPage.model_validate_json(content)


async def test_a_page_says_what_the_driver_said_and_how_long_ago(tmp_path, clock):
    pages = SealPages(opened(tmp_path, clock), KEY, clock)
    pages.keep(event(reported()), reported())
    clock.turn(seconds=90)
    page = read(await pages.page(None, 0, 10, 0.0))
    (notice,) = page.notices
    assert (notice.device, notice.age_s, page.through, page.gap) == ("seals", 90.0, 1, False)
    assert notice.report["kind"] == "rope_cut"
    assert notice.report["attributes"] == [["battery", "90"]]


async def test_whoever_waits_is_woken_and_another_life_begins_at_its_start(tmp_path, clock):
    book = opened(tmp_path, clock)
    pages = SealPages(book, KEY, clock)
    waiting = asyncio.create_task(pages.page(book.generation, 0, 10, 20.0))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    pages.keep(event(reported()), reported())
    assert len(read(await waiting).notices) == 1
    assert read(await pages.page(uuid.uuid4(), 77, 10, 20.0)).after == 0
    assert read(await pages.page(book.generation, 77, 10, 20.0)).after == 0


async def test_what_the_disk_refuses_waits_and_is_shown(tmp_path, clock):
    book = opened(tmp_path, clock)
    pages = SealPages(book, KEY, clock)
    blocker = sqlite3.connect(tmp_path / "seals.db", isolation_level=None)
    book._connection.execute("PRAGMA busy_timeout=10")
    blocker.execute("BEGIN IMMEDIATE")
    pages.keep(event(reported()), reported())
    pages.keep(event(reported("position")), reported("position"))
    assert pages.disk_fault == "EG-STO-001"
    blocker.execute("ROLLBACK")
    pages.keep_waiting()
    assert pages.disk_fault == ""
    assert [one.report["kind"] for one in read(await pages.page(None, 0, 10, 0.0)).notices] == ["rope_cut", "position"]
