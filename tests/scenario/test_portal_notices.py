"""Notices: told once and in order, to whoever wished it and to nobody else; and the portal's errands, none of which ends another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from gate_agent.web.portal import notices
from gate_agent.web.portal.book import FILE_NAME, MOST_PER_ADDRESS, Book, BookFault, Contact
from gate_agent.web.portal.housekeeping import Housekeeping
from gate_agent.web.portal.journeys import CentreRecord
from gate_agent.web.portal.notices import Change, Notice
from gate_agent.web.portal.notifiers import MOST_REFUSED, SmsNotifier, TelegramNotifier, tell
from tests.scenario.portal_visit import (
    CATALOGUES,
    DAY,
    NOW,
    OTHER_PARCEL,
    PARCEL,
    STUB,
    HandClock,
    changes_of,
    later,
    open_book,
    portal,
    stub,
    visiting,
)


class Gateway:
    """A local service that takes messages as Telegram's Bot API or an SMS gateway would; `answers` are its next status codes."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], dict[str, object]]] = []
        self.answers: list[int] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = gateway.answers.pop(0) if gateway.answers else 200
                gateway.requests.append((self.path, dict(self.headers), body))
                text = json.dumps({"ok": status == 200, "result": {"message_id": 1}}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    one = Gateway()
    yield one
    one.server.shutdown()
    one.thread.join()
    one.server.server_close()


def happened(book: Book, *names: str) -> None:
    """A declaration is issued, its seal is heard of, it is used, another traveller's is issued."""
    for name in names:
        book.issued(NOW, name, None, "L898902C3", seal_ids=(f"S{name[0]}",), declared_on=DAY)


def record(kind: str, number: int = 0, **content: object) -> CentreRecord:
    return CentreRecord(f"{kind}-{number}", kind, content)


USED = record("declaration", reference="7K3M-92QF")
INSPECTED = record("inspection", declaration_reference="7K3M-92QF", is_last=True)


def test_what_the_centre_records_tell_is_told_once_and_only_of_our_declarations(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    happened(book, "7K3M-92QF")
    seals = [
        record("seal", n, seal_id="S7", state=state)
        for n, state in enumerate(["intact", "intact", "unknown", "tampered"])
    ]
    others = [
        record("declaration", 9, reference="2222-2222"), record("seal", 9, seal_id="S2", state="tampered"),
        record("inspection", 9, declaration_reference="", is_last=True),
        record("inspection", 8, declaration_reference="7K3M-92QF", is_last=False),
    ]  # fmt: skip
    assert book.follow(NOW, [*others, seals[0], USED, *seals[1:]]) == 3
    book.close()
    book = open_book(tmp_path)
    assert book.follow(NOW, [USED, *seals, INSPECTED]) == 1
    assert changes_of(book) == [
        ("declaration", "issued"), ("seal", "intact"), ("declaration", "used"), ("seal", "tampered"), ("declaration", "inspected"),
    ]  # fmt: skip
    book.tidy(NOW + timedelta(days=31), DAY)
    assert book.follow(NOW, [record("declaration", 7, reference="7K3M-92QF")]) == 0


async def test_telegram_is_told_in_order_and_goes_on_where_it_stopped(tmp_path: Path, gateway: Gateway) -> None:
    book = open_book(tmp_path)
    book.want_notices(NOW, "7K3M-92QF", Contact("telegram", "12345", "ru"))
    assert book.untold("telegram", NOW) == []
    happened(book, "7K3M-92QF", "2222-2222")
    book.follow(NOW, [record("seal", seal_id="S7", state="intact"), USED])
    gateway.answers = [200, 503]
    async with httpx.AsyncClient() as client:
        bot = TelegramNotifier(client, gateway.url, "1:SECRET")
        assert await tell(book, bot, CATALOGUES, NOW) == 1
        book.close()
        book = open_book(tmp_path)
        assert await tell(book, bot, CATALOGUES, NOW + timedelta(seconds=29)) == 0
        assert await tell(book, bot, CATALOGUES, NOW + timedelta(seconds=30)) == 2
        assert await tell(book, bot, CATALOGUES, NOW + timedelta(days=1)) == 0
    assert {path for path, _headers, _body in gateway.requests} == {"/bot1:SECRET/sendMessage"}
    assert {body["chat_id"] for *_more, body in gateway.requests} == {12345}
    numbers = [re.search(r"\((\d+)\)$", str(body["text"])) for *_more, body in gateway.requests]
    assert [found.group(1) for found in numbers if found] == ["1", "3", "3", "4"]
    assert "Декларация 7K3M-92QF" in str(gateway.requests[0][2]["text"])


async def test_text_messages_name_their_number_and_a_final_refusal_does_not_stop_the_rest(
    tmp_path: Path, gateway: Gateway
) -> None:
    book = open_book(tmp_path)
    book.want_notices(NOW, "7K3M-92QF", Contact("sms", "+998900000000", "uz-Latn"))
    book.untold("sms", NOW)
    happened(book, "7K3M-92QF")
    book.follow(NOW, [USED])
    gateway.answers = [400]
    async with httpx.AsyncClient() as client:
        assert await tell(book, SmsNotifier(client, f"{gateway.url}/send", "SECRET", "eGate"), CATALOGUES, NOW) == 1
    path, headers, body = gateway.requests[-1]
    assert path == "/send"
    assert headers["Authorization"] == "Bearer SECRET"
    assert (body["to"], body["from"], body["id"]) == ("+998900000000", "eGate", "2")


async def test_a_silent_gateway_keeps_everything_and_leaks_no_token(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    book.want_notices(NOW, "7K3M-92QF", Contact("telegram", "12345", "en"))
    book.untold("telegram", NOW)
    happened(book, "7K3M-92QF")
    async with httpx.AsyncClient() as client:
        bot = TelegramNotifier(client, "http://127.0.0.1:9", "1:SECRET")
        assert await tell(book, bot, CATALOGUES, NOW) == 0
        with pytest.raises(Exception) as caught:
            await bot.send("12345", "x", 1)
    assert "SECRET" not in repr(caught.value)
    assert len(book.untold("telegram", NOW + timedelta(hours=1))) == 1


async def test_the_traveller_says_where_to_tell_and_it_lies_sealed(tmp_path: Path) -> None:
    clock, book = HandClock(), open_book(tmp_path)
    async with visiting(portal(clock, book, channels=("sms",))) as visit:
        await visit.begin()
        made = await visit.send()
        assert (await visit.post("declare/notices", channel="sms", address="90 000")).status_code == 422
        assert (await visit.post("declare/notices", channel="telegram", address="12345")).status_code == 400
        done = await visit.post("declare/notices", channel="sms", address="+998 (90) 000-00-00")
        assert done.status_code == 200
        abroad = await visit.post("declare/notices", channel="sms", address="+1 900 555 0100")
        assert abroad.status_code == 422
        assert "This site sends no messages to numbers of this country" in abroad.text
    assert book.hearer(later(book, f"{made.reference}-U")) == Contact("sms", "+998900000000", "en")
    assert b"998900000000" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    book.tidy(NOW + timedelta(days=31), DAY)
    assert book.hearer(later(book, made.reference)) is None


async def test_by_default_nobody_is_told(tmp_path: Path) -> None:
    async with visiting(portal(HandClock(), open_book(tmp_path))) as visit:
        await visit.begin()
        await visit.send()
        assert "declare/notices" not in (await visit.get("declare/receipt")).text
        assert (await visit.post("declare/notices", channel="sms", address="+998900000000")).status_code == 400
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


def test_one_address_hears_of_few_declarations_and_nothing_of_before(tmp_path: Path) -> None:
    """Whoever types a stranger's number into declaration after declaration cannot have him flooded."""
    book, victim = open_book(tmp_path), Contact("sms", "+998900000000", "en")
    names = [f"2222-222{number}" for number in range(2, 4 + MOST_PER_ADDRESS)]
    happened(book, *names)
    assert [book.want_notices(NOW, name, victim) for name in names] == [True] * MOST_PER_ADDRESS + [False] * 2
    assert book.want_notices(NOW, names[0], Contact("sms", "+998900000000", "ru")), "the same wish again is no other"
    assert book.want_notices(NOW, names[-1], Contact("telegram", "+998900000000", "en")), (
        "another channel is another address"
    )
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"998900000000" not in on_disk
    book.untold("sms", NOW)
    issued = Notice(1, NOW.isoformat(), Change("declaration", names[0], "issued"))
    assert book.hearer(issued) is None, "what was before the wish is not told"
    book.want_notices(NOW, names[0], Contact("sms", "+998900000001", "en"))
    assert book.hearer(later(book, names[0])) == Contact("sms", "+998900000001", "en")
    book.tidy(NOW + timedelta(days=31), DAY)
    assert book.want_notices(NOW, names[-1], victim), "it hears no more of the others"


def test_a_parcel_is_announced_once_however_often_its_number_changes(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    stub(book)
    for parcel in (PARCEL, OTHER_PARCEL, PARCEL, OTHER_PARCEL):
        assert book.announce(NOW, STUB, parcel)
    assert changes_of(book).count(("stub", "announced")) == 1
    assert book.arrived(NOW, DAY, PARCEL) is None
    assert book.arrived(NOW, DAY, OTHER_PARCEL) is not None


async def test_one_refused_number_waits_and_the_others_are_told(tmp_path: Path, gateway: Gateway) -> None:
    book = open_book(tmp_path)
    book.untold("sms", NOW)
    for digit in "23":
        book.want_notices(NOW, f"{digit * 4}-{digit * 4}", Contact("sms", f"+99890000000{digit}", "en"))
    happened(book, "2222-2222", "3333-3333")
    book.follow(NOW, [record("declaration", reference="2222-2222")])
    gateway.answers = [503, 200]

    def told() -> list[tuple[object, object]]:
        return [(body["to"], body["id"]) for *_more, body in gateway.requests]

    async with httpx.AsyncClient() as client:
        sms = SmsNotifier(client, gateway.url, "SECRET", "eGate")
        assert await tell(book, sms, CATALOGUES, NOW) == 1
        assert told() == [("+998900000002", "1"), ("+998900000003", "2")], "nothing overtakes for the one who waits"
        assert await tell(book, sms, CATALOGUES, NOW + timedelta(seconds=30)) == 2
    assert told()[2:] == [("+998900000002", "1"), ("+998900000002", "3")]


async def test_a_wrong_token_loses_nobody_and_rests_the_channel(tmp_path: Path, gateway: Gateway) -> None:
    book = open_book(tmp_path)
    book.untold("sms", NOW)
    names = [f"{digit * 4}-2222" for digit in "23456789"]
    for digit, name in zip("23456789", names, strict=True):
        book.want_notices(NOW, name, Contact("sms", f"+99890000000{digit}", "en"))
    happened(book, *names)
    gateway.answers = [401, 404] * len(names)
    async with httpx.AsyncClient() as client:
        sms = SmsNotifier(client, gateway.url, "SECRET", "eGate")
        assert await tell(book, sms, CATALOGUES, NOW) == 0
        assert len(gateway.requests) == MOST_REFUSED
        gateway.answers = []
        assert await tell(book, sms, CATALOGUES, NOW + timedelta(minutes=1)) == len(names)
    assert [body["id"] for *_more, body in gateway.requests[MOST_REFUSED:]] == [str(n + 1) for n in range(len(names))]


async def test_what_nobody_takes_is_given_up_after_days(tmp_path: Path, gateway: Gateway) -> None:
    book, clock = open_book(tmp_path), HandClock()
    book.untold("sms", NOW)
    book.want_notices(NOW, "7K3M-92QF", Contact("sms", "+998900000000", "en"))
    happened(book, "7K3M-92QF")
    gateway.answers = [500] * (notices.MOST_TRIES + 1)
    async with httpx.AsyncClient() as client:
        sms = SmsNotifier(client, gateway.url, "SECRET", "eGate")
        while book._connection.execute("SELECT 1 FROM untaken").fetchone() or clock.seconds == 0:
            await tell(book, sms, CATALOGUES, clock.now())
            clock.seconds += 1800
    assert len(gateway.requests) == notices.MOST_TRIES
    assert clock.now() - NOW > timedelta(days=2)


async def test_an_address_that_is_none_is_a_refusal_and_not_the_end(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    book.untold("sms", NOW)
    book.want_notices(NOW, "7K3M-92QF", Contact("sms", "+998900000000", "en"))
    happened(book, "7K3M-92QF")
    async with httpx.AsyncClient() as client:
        assert await tell(book, SmsNotifier(client, "https://[::1", "SECRET", "eGate"), CATALOGUES, NOW) == 0
    assert len(book.untold("sms", NOW + timedelta(minutes=1))) == 1


# housekeeping


async def test_an_errand_that_fails_ends_no_other_and_loses_no_count(tmp_path: Path, gateway: Gateway) -> None:
    clock, book = HandClock(), open_book(tmp_path)
    pages = portal(clock, book)
    pages.times.add("trip", 4)
    book.untold("sms", NOW)
    book.want_notices(NOW, "7K3M-92QF", Contact("sms", "+998900000000", "en"))
    book.untold("telegram", NOW)
    book.want_notices(NOW, "2222-2222", Contact("telegram", "12345", "en"))
    happened(book, "7K3M-92QF", "2222-2222")
    async with httpx.AsyncClient() as client:
        broken = SmsNotifier(client, None, "SECRET", "eGate", channel="telegram")  # type: ignore[arg-type]
        sms = SmsNotifier(client, gateway.url, "SECRET", "eGate")
        housekeeping = Housekeeping(pages, book, [broken, sms])
        book._connection.execute("ALTER TABLE page_times RENAME TO away")
        book._connection.execute("ALTER TABLE journeys RENAME TO journeys_away")
        await housekeeping.once()
        assert housekeeping.failed == {"keep_times": 1, "tidy": 1, "tell_telegram": 1}
        assert [body["id"] for *_more, body in gateway.requests] == ["1"], "the message went out all the same"
        book._connection.execute("ALTER TABLE away RENAME TO page_times")
        book._connection.execute("ALTER TABLE journeys_away RENAME TO journeys")
        pages.times.add("trip", 4)
        await housekeeping.once()
    assert housekeeping.failed == {"tell_telegram": 2}
    assert book.times() == [("trip", 4, 2)]


def test_a_book_that_fails_says_so_in_one_way(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    stub(book)
    for table in ("contacts", "stubs", "page_times"):
        book._connection.execute(f"DROP TABLE {table}")
    for call in (
        lambda: book.hearer(later(book, "7K3M-92QF")),
        lambda: book.stub(NOW, STUB, "L898902C3"),
        book.times,
    ):
        with pytest.raises(BookFault):
            call()
    assert not book._connection.in_transaction
    assert book.untold("sms", NOW) == [], "and goes on with what it has"


def test_a_file_of_an_earlier_release_is_brought_up_to_date(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    stub(book)
    for table, column in (("stubs", "failures"), ("stubs", "locked_until"), ("contacts", "since")):
        book._connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    book._connection.execute("DROP INDEX contacts_mark")
    book._connection.execute("ALTER TABLE contacts DROP COLUMN mark")
    book.close()
    book = open_book(tmp_path)
    assert book.stub(NOW, STUB, "L898902C3") is not None
    assert book.want_notices(NOW, "7K3M-92QF", Contact("sms", "+998900000000", "en"))
