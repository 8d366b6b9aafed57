"""A browser without script at the declaration pages, for tests: the application in this process, a clock turned by hand."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync import strict_json
from gate_agent.clock import Clock
from gate_agent.domain.declaration import Declaration, UnaccompaniedGoods
from gate_agent.inspection.declaration_token import verify_token
from gate_agent.inspection.signed_code import key_identifier
from gate_agent.policy.rulebook import Rulebook
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.web.i18n import load_catalogues
from gate_agent.web.portal.application import LANGUAGES, LOCALE_FOLDER, Kiosk, Portal, portal_app
from gate_agent.web.portal.book import Book
from gate_agent.web.portal.draft import Drafts, RequestAllowance
from gate_agent.web.portal.notices import Change, Notice

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TRUSTED = {key_identifier(KEY.public_key()): KEY.public_key()}
NOW = datetime(2026, 3, 5, 9, 0, tzinfo=UTC)
DAY = date(2026, 3, 5)
STUB, PARCEL, OTHER_PARCEL = "7K3M-92QF-U", "RA473124829UT", "CP000000005UT"
SITE_KEY = bytes(range(100, 132))
CATALOGUES = load_catalogues("portal", LANGUAGES.values(), LOCALE_FOLDER)
IMEI = "490154203237518"
_FORM_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]+)"')


class HandClock:
    """Turned by hand; both readings move together."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def monotonic_s(self) -> float:
        return self.seconds


def rulebook(name: str = "uzbekistan") -> Rulebook:
    """Return a rulebook that ships with the software."""
    return parse_rulebook(strict_json.load_object(packaged_rulebook_bytes(name)))


def portal(
    clock: HandClock,
    book: Book | None = None,
    *,
    rules: str = "uzbekistan",
    channels: tuple[str, ...] = (),
    guesses: float = 1000,
    prefix: str = "",
    kiosk: Kiosk | None = None,
) -> Portal:
    """Return a portal of the test's clock and book."""
    rules_in_force = rulebook(rules)
    return Portal(
        issuer_key=KEY,
        validity=timedelta(hours=72),
        rulebook=lambda: rules_in_force,
        clock=clock,
        time_zone=ZoneInfo("Asia/Tashkent"),
        catalogues=CATALOGUES,
        drafts=Drafts(clock.monotonic_s),
        allowance=RequestAllowance(clock.monotonic_s, burst=10_000),
        book=book,
        guesses=RequestAllowance(clock.monotonic_s, burst=guesses, per_second=1 / 30),
        channels=channels,
        sms_prefixes=("+998",),
        prefix=prefix,
        kiosk=kiosk,
    )


def open_book(folder: Path, saved_days: int = 14, stub_days: int = 180) -> Book:
    """Open the book in a folder."""
    return Book.open(folder, SITE_KEY, saved_days, stub_days)


def changes_of(book: Book) -> list[tuple[str, str]]:
    """Return every change that the book knows, in order."""
    return book._connection.execute("SELECT about, state FROM notices ORDER BY number").fetchall()


def stub(book: Book, name: str = "7K3M-92QF", deadline: date | None = None, document_number: str = "L898902C3") -> None:
    """Issue a declaration of goods that follow."""
    goods = UnaccompaniedGoods(f"{name}-U", ("kitob",), deadline)
    book.issued(NOW, name, goods, document_number, declared_on=DAY)


def later(book: Book, name: str) -> Notice:
    """A notice as the next change of a name would be."""
    (number,) = book._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'notices'").fetchone()
    return Notice(number + 1, NOW.isoformat(), Change("stub", name, "closed"))


class Visit:
    """One traveller's browser; counts the pages that were posted."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock, language: str = "en") -> None:
        self.client = client
        self.clock = clock
        self.language = language
        self.posts = 0

    async def get(self, page: str) -> httpx.Response:
        return await self.client.get(f"/{self.language}/{page}")

    async def post(self, page: str, **fields: str | list[str]) -> httpx.Response:
        """Load a page, take its form token, post the answer."""
        token = _FORM_TOKEN.search((await self.get(page)).text)
        self.posts += 1
        data = {"form_token": token.group(1) if token else "", "action": "continue", **fields}
        return await self.client.post(f"/{self.language}/{page}", data=data)

    async def begin(self, *carry: str, direction: str = "entry", mode: str = "air") -> None:
        """Answer everything up to what is carried."""
        await self.post("declare/eligibility", who="private")
        await self.post("declare/trip", direction=direction, mode=mode)
        await self.post("declare/document", issuing_state="UTO", document_number="L898902C3")
        await self.post("declare/companions", companions="alone")
        await self.post("declare/carry", carry=list(carry) or ["nothing"])

    async def send(self) -> Declaration:
        """Send the declaration and return what the code says."""
        answer = await self.post("declare/check")
        assert answer.status_code == 303, answer.text
        text = (await self.get("declare/code.txt")).text
        declaration = verify_token(text.encode(), TRUSTED, self.clock.now()).declaration
        assert declaration is not None
        return declaration


@contextlib.asynccontextmanager
async def visiting(of: Portal, language: str = "en") -> AsyncIterator[Visit]:
    """Open a browser at a portal."""
    transport = httpx.ASGITransport(portal_app(of))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8445") as client:
        yield Visit(client, of.clock, language)
