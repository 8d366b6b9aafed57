"""The officer's page of lost receipts: what it asks, what it shows, and that it answers nobody who is not signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from gate_agent.closing_order import Amount
from gate_agent.web.guard.receipts import add_receipts
from gate_agent.web.guard.requests import NotSignedIn, session_of
from gate_agent.web.i18n import load_catalogues
from gate_agent.web.receipt_messages import ReceiptQuery, ReceiptsFound, ReceiptView
from tests.unit.test_receipts import CODE

WORDS = load_catalogues("guard", ("en", "ru", "uz-Latn"))
FOUND = ReceiptView(
    local_date=date(2026, 3, 1), code=CODE, direction="entry", stay_deadline=date(2026, 3, 30),
    registration_deadline=date(2026, 3, 5), duty_state="due", duty=Amount(amount_minor=19_390_755_000, currency="UZS"),
    declaration_reference="7K3M-92QF", temporary_items=["<b>camera</b> SN 4711"],
)  # fmt: skip


class Link:
    def __init__(self) -> None:
        self.asked: list[ReceiptQuery] = []

    async def receipts(self, query: ReceiptQuery) -> ReceiptsFound:
        self.asked.append(query)
        is_his = query.document_number == "L898902C3" and query.local_date in {None, FOUND.local_date}
        return ReceiptsFound(receipts=[FOUND] if is_his else [])


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
async def client(link: Link) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    desk: Any = SimpleNamespace(
        link=link, catalogue=lambda language: WORDS[language], sessions=SimpleNamespace(touch=lambda _session: None)
    )
    app.state.guard_desk = desk
    add_receipts(app, desk)
    officer = SimpleNamespace(role="guard", officer_id="guard-1", display_name="guard-1")
    session = SimpleNamespace(language="en", officer=officer, csrf="right", holds_csrf=lambda token: token == "right")
    app.dependency_overrides[session_of] = lambda: session
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as client:
        yield client


async def find(client: httpx.AsyncClient, **typed: str) -> httpx.Response:
    headers = {"origin": "http://console", "sec-fetch-site": "same-origin"}
    return await client.post("/guard/receipts", data={"csrf": "right", **typed}, headers=headers)


async def test_the_proof_is_found_by_document_and_day(client: httpx.AsyncClient, link: Link) -> None:
    page = (await client.get("/guard/receipts")).text
    assert "Find a receipt" in page
    shown = (await find(client, issuing_state="uto", document_number="l898902 c3", day="2026-03-01")).text
    assert link.asked == [ReceiptQuery(issuing_state="UTO", document_number="L898902C3", local_date=date(2026, 3, 1))]
    for text in ("Entry, ", "193,907,550\u00a0UZS", "7K3M-92QF", "Goods that go back", "data:image/svg+xml"):
        assert text in shown
    assert "&lt;b&gt;camera&lt;/b&gt; SN 4711" in shown, "what somebody declared is text"


async def test_nothing_is_found_of_others_and_half_a_document_is_no_question(
    client: httpx.AsyncClient, link: Link
) -> None:
    assert "keeps no such receipt" in (await find(client, issuing_state="UTO", document_number="L898902C4")).text
    for typed in (
        {"issuing_state": "UTO"},
        {"document_number": "%"},
        {"issuing_state": "UTO", "document_number": "A", "day": "X"},
    ):
        answer = await find(client, **typed)
        assert answer.status_code == 422
        assert "as the document prints them" in answer.text
    assert len(link.asked) == 1


async def test_no_page_of_another_site_and_nobody_without_a_session_asks(client: httpx.AsyncClient, link: Link) -> None:
    with pytest.raises(Exception, match="too old"):
        await client.post("/guard/receipts", data={"csrf": "wrong", "issuing_state": "UTO", "document_number": "A"})
    app = client._transport.app  # type: ignore[attr-defined]

    def nobody() -> None:
        raise NotSignedIn

    app.dependency_overrides[session_of] = nobody
    with pytest.raises(NotSignedIn):
        await client.get("/guard/receipts")
    assert link.asked == []
