"""Save and return, and goods that follow: kept across a restart, sealed, gone on time, guessed by nobody."""

from __future__ import annotations

import html
import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from gate_agent.domain.declaration import UnaccompaniedGoods
from gate_agent.web.formats import day_text
from gate_agent.web.portal.book import Contact
from gate_agent.web.portal.housekeeping import Housekeeping
from gate_agent.web.portal.tries import LOCK, MOST_FAILURES
from tests.scenario.portal_visit import (
    DAY,
    IMEI,
    NOW,
    OTHER_PARCEL,
    PARCEL,
    STUB,
    HandClock,
    Visit,
    changes_of,
    later,
    open_book,
    portal,
    stub,
    visiting,
)

FULL = {
    "goods": {"description_1": "gilam", "value_1": "1 200", "mass": "10"},
    "limited": {"quantity_alcohol": "2,5", "value_alcohol": "40", "quantity_tobacco": "12", "value_tobacco": "60", "mass_tobacco": "0.3"},
    "cash": {"currency": "USD", "amount": "15 000"},
    "restricted": {"restricted": ["uav"]},
    "vehicles": {"plate": "01 a 777-aa", "country": "uto", "make": "Lada"},
    "phones": {"imei": "49-015420-323751-8"},
    "temporary": {"description": "kamera", "mark": "SN 4711", "value": "900"},
    "unaccompanied": {"item": "kitob"},
    "seals": {"seal": "7201110001"},
}  # fmt: skip


async def fill_all(visit: Visit) -> None:
    await visit.begin(*FULL)
    for page, fields in FULL.items():
        answer = await visit.post(f"declare/{page}", **fields)
        assert answer.status_code == 303, answer.text


async def save(visit: Visit) -> str:
    answer = await visit.post("declare/save")
    assert answer.headers["location"] == "/en/declare/saved"
    found = re.search(r'class="reference" dir="ltr">([^<]+)<', (await visit.get("declare/saved")).text)
    assert found is not None
    return found.group(1)


async def test_a_saved_draft_outlives_a_restart_and_says_the_same(tmp_path: Path) -> None:
    clock = HandClock()
    first = open_book(tmp_path)
    async with visiting(portal(clock, first)) as visit:
        await fill_all(visit)
        code = await save(visit)
    first.close()
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for personal in (b"L898902C3", b"gilam", b"01A777AA", IMEI.encode(), code.encode()):
        assert personal not in on_disk
    clock.seconds += 13 * 86_400
    second = open_book(tmp_path)
    async with visiting(portal(clock, second)) as visit:
        answer = await visit.post("return", code=code.lower().replace("-", " "), document_number="l898 902c3")
        assert answer.headers["location"] == "/en/declare/check"
        made = await visit.send()
        again = await visit.post("return", code=code, document_number="L898902C3")
        assert again.status_code == 422, "a sent declaration leaves nothing behind"
    assert [(one.description, one.kind, one.quantity) for one in made.goods] == [
        ("gilam", "", None), ("alcohol", "alcohol", 2500), ("tobacco", "tobacco", 12), ("uav", "uav", 1), ("kamera", "", None),
    ]  # fmt: skip
    assert [(one.mass_g, one.is_temporary, one.mark) for one in made.goods] == [
        (10_000, False, ""), (2500, False, ""), (300, False, ""), (0, False, ""), (0, True, "SN 4711"),
    ]  # fmt: skip
    assert [(one.plate, one.country, one.make) for one in made.vehicles] == [("01A777AA", "UTO", "Lada")]
    assert made.phone_imeis == (IMEI,)
    assert made.unaccompanied == UnaccompaniedGoods(f"{made.reference}-U", ("kitob",), None)
    assert made.filled_in_s is not None


async def test_a_saved_draft_is_gone_after_its_days(tmp_path: Path) -> None:
    clock = HandClock()
    book = open_book(tmp_path, saved_days=3)
    pages = portal(clock, book)
    async with visiting(pages) as visit:
        await visit.begin()
        code = await save(visit)
        sealed = book._connection.execute("SELECT sealed FROM saved").fetchone()[0]
        clock.seconds = 3 * 86_400 + 1
        assert (await visit.post("return", code=code, document_number="L898902C3")).status_code == 422
        await Housekeeping(pages, book).keep()
    assert book._connection.execute("SELECT count(*) FROM saved").fetchone() == (0,)
    book.close()
    assert sealed not in b"".join(path.read_bytes() for path in tmp_path.iterdir()), "deleted means overwritten"


async def test_nobody_guesses(tmp_path: Path) -> None:
    """Wrong number, wrong code and an unknown one get one answer; one address gets few tries, one code ten wrong numbers."""
    clock = HandClock()
    book = open_book(tmp_path)
    async with visiting(portal(clock, book)) as visit:
        await visit.begin()
        code = await save(visit)
        texts = set()
        for other, number in ((code, "L898902C4"), ("22222222", "L898902C3")):
            answer = await visit.post("return", code=other, document_number=number)
            assert answer.status_code == 422
            texts.add(re.sub(r'value="[^"]*"', "", answer.text))
        assert len(texts) == 1
    async with visiting(portal(clock, book, guesses=3)) as visit:
        tries = [
            (await visit.post("return", code="33333333", document_number="AA1234567")).status_code for _ in range(5)
        ]
        assert tries == [422, 422, 422, 429, 429]
    for _ in range(MOST_FAILURES):
        assert book.saved(NOW, code, "WRONG1") is None
    assert book.saved(NOW, code, "L898902C3") is None, "it rests"
    assert book.saved(NOW + LOCK, code, "L898902C3") is not None


async def test_without_a_book_or_days_nothing_is_offered_or_saved(tmp_path: Path) -> None:
    clock = HandClock()
    for pages in (portal(clock), portal(clock, open_book(tmp_path, saved_days=0))):
        async with visiting(pages) as visit:
            await visit.begin()
            assert "declare/save" not in (await visit.get("declare/check")).text
            assert (await visit.post("declare/save")).status_code == 404
            assert (await visit.get("return")).status_code == 404
    async with visiting(portal(clock)) as visit:
        assert (await visit.get("stub")).status_code == 404


# goods that follow


async def test_a_stub_stays_open_until_its_parcel_comes(tmp_path: Path) -> None:
    clock, book = HandClock(), open_book(tmp_path)
    async with visiting(portal(clock, book, rules="atlantis")) as visit:
        await visit.begin("unaccompanied")
        await visit.post("declare/unaccompanied", item="kitob")
        made = await visit.send()
        away = made.unaccompanied
        assert away is not None
        assert away.deadline == DAY + timedelta(days=90)
        assert day_text(away.deadline, "en") in html.unescape((await visit.get("declare/receipt")).text)
        who = {"stub_id": away.stub_id, "document_number": "L898902C3"}
        assert "Waiting for the number" in (await visit.post("stub", **who)).text
        wrong = await visit.post("stub", **who, parcel="RA473124828UT")
        assert wrong.status_code == 422
        assert "Waiting for the parcel" in (await visit.post("stub", **who, parcel="ra 4731 2482 9 ut")).text
        other = await visit.post("stub", stub_id=away.stub_id, document_number="L898902C4")
        assert other.status_code == 422
        assert "kitob" not in other.text
    assert book.arrived(NOW, DAY, "CP000000005UT") is None, "a parcel of nobody's"
    assert book.arrived(NOW, DAY, PARCEL).state == "closed"
    assert book.arrived(NOW, DAY, PARCEL).state == "closed"
    assert changes_of(book) == [
        ("declaration", "issued"), ("stub", "opened"), ("stub", "announced"), ("goods", "arrived"), ("stub", "closed"),
    ]  # fmt: skip
    assert book.tidy(NOW, away.deadline + timedelta(days=1)) == 0, "closed in time"


def test_a_stub_rests_after_many_wrong_numbers(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    stub(book)
    for _ in range(MOST_FAILURES - 1):
        assert book.stub(NOW, STUB, "WRONG1") is None
    assert book.stub(NOW, STUB, "L898902C3") is not None, "whoever knows it begins anew"
    for _ in range(MOST_FAILURES):
        assert book.stub(NOW, STUB, "WRONG1") is None
    assert book.stub(NOW, STUB, "L898902C3") is None, "it rests"
    assert book.stub(NOW + LOCK, STUB, "L898902C3") is not None


def test_the_papers_of_a_parcel_go_before_whoever_announced_it(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    stub(book)
    stub(book, "2222-2222", document_number="AA1234567")
    assert book.announce(NOW, "2222-2222-U", PARCEL)
    assert not book.announce(NOW, STUB, PARCEL), "somebody was quicker"
    assert book.announce(NOW, STUB, OTHER_PARCEL), "a slip, which the papers mend"
    assert book.arrived(NOW, DAY, PARCEL, "3333-3333-U") is None, "papers of nobody's change nothing"
    found = book.arrived(NOW, DAY, PARCEL, STUB)
    assert found is not None
    assert (found.stub_id, found.state) == (STUB, "closed")
    other = book.stub(NOW, "2222-2222-U", "AA1234567")
    assert other is not None
    assert other.state == "open", "a parcel that was never his closes nothing of his"
    assert book.arrived(NOW, DAY, PARCEL, "2222-2222-U") is None, "one parcel closes one stub"
    assert book.arrived(NOW, DAY, PARCEL) == found


@pytest.mark.parametrize("deadline", [DAY + timedelta(days=90), None])
def test_a_stub_whose_goods_never_come_ends_and_its_address_with_it(tmp_path: Path, deadline: date | None) -> None:
    book = open_book(tmp_path, stub_days=60)
    stub(book, deadline=deadline)
    book.want_notices(NOW, "7K3M-92QF", Contact("sms", "+998900000000", "en"))
    last = (deadline or DAY) + timedelta(days=60)
    book.tidy(NOW + (last - DAY), last)
    assert book.stub(NOW, STUB, "L898902C3") is not None
    assert book.hearer(later(book, STUB)) is not None
    book.tidy(NOW + (last - DAY) + timedelta(days=1), last + timedelta(days=1))
    assert book.stub(NOW, STUB, "L898902C3") is None
    assert book.hearer(later(book, STUB)) is None


def test_an_overdue_stub_is_told_once_also_after_a_crash(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    goods = UnaccompaniedGoods("7K3M-92QF-U", ("kitob",), DAY)
    book.issued(NOW, "7K3M-92QF", goods, "L898902C3", declared_on=DAY)
    assert book.tidy(NOW, DAY) == 0, "the last day is still in time"
    assert book.tidy(NOW, DAY + timedelta(days=1)) == 1
    book.close()
    book = open_book(tmp_path)
    assert book.tidy(NOW, DAY + timedelta(days=2)) == 0
    assert changes_of(book).count(("stub", "overdue")) == 1
    late = book.arrived(NOW, DAY, PARCEL, "7K3M-92QF-U")
    assert late is not None
    assert late.state == "closed", "the barcode beside the number on the papers closes it, announced or not"


def test_what_fails_in_the_middle_left_nothing_behind(tmp_path: Path) -> None:
    """A stub that exists already makes the whole issue fail: its change is not told either."""
    book = open_book(tmp_path)
    goods = UnaccompaniedGoods("7K3M-92QF-U", ("kitob",), DAY)
    book.issued(NOW, "7K3M-92QF", goods, "L898902C3", declared_on=DAY)
    with pytest.raises(Exception, match="UNIQUE"):
        book.issued(NOW, "7K3M-92QF", goods, "L898902C3", declared_on=DAY)
    assert changes_of(book) == [("declaration", "issued"), ("stub", "opened")]
