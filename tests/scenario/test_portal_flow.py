"""The declaration pages as a client without script sees them: from the first question to a code that the gate accepts."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import cv2
import httpx
import numpy as np
import pytest
import structlog
import zxingcpp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.declaration import Declaration
from gate_agent.domain.money import Money
from gate_agent.domain.travel_document import MrzFormat, TravelDocument
from gate_agent.inspection.declaration_token import bind, place_of, verify_token
from gate_agent.inspection.signed_code import key_identifier
from gate_agent.policy.rulebook import Rulebook
from gate_agent.web.i18n import load_catalogues
from gate_agent.web.portal.application import LANGUAGES, LOCALE_FOLDER, Portal, portal_app
from gate_agent.web.portal.draft import COOKIE, Drafts, RequestAllowance
from tests.scenario.portal_visit import NOW, HandClock, rulebook

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TRUSTED = {key_identifier(KEY.public_key()): KEY.public_key()}


def portal_of(clock: HandClock, *, burst: float = 1000, book: Rulebook | None = None) -> Portal:
    return Portal(
        issuer_key=KEY,
        validity=timedelta(hours=72),
        rulebook=lambda: book,
        clock=clock,
        time_zone=ZoneInfo("Asia/Tashkent"),
        catalogues=load_catalogues("portal", LANGUAGES.values(), LOCALE_FOLDER),
        drafts=Drafts(clock.monotonic_s),
        allowance=RequestAllowance(clock.monotonic_s, burst=burst, per_second=1),
    )


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def portal(clock: HandClock) -> Portal:
    return portal_of(clock, book=rulebook())


@pytest.fixture
async def client(portal: Portal) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(portal_app(portal))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8445") as one:
        yield one


def form_token(page: str) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', page)
    assert found is not None
    return found.group(1)


async def begin(client: httpx.AsyncClient, language: str = "en") -> str:
    """Open a draft and return its form token, the way any client does: read it off the first page of the draft."""
    answer = await client.post(f"/{language}/declare/eligibility", data={"who": "private"}, follow_redirects=True)
    assert answer.url.path == f"/{language}/declare/trip"
    return form_token(answer.text)


async def post(
    client: httpx.AsyncClient, page: str, token: str, language: str = "en", **fields: object
) -> httpx.Response:
    data = {"form_token": token, "action": "continue", **fields}
    return await client.post(f"/{language}/declare/{page}", data=data)


async def fill(client: httpx.AsyncClient, token: str, *carry: str, language: str = "en") -> None:
    for page, fields in (
        ("trip", {"direction": "entry", "mode": "air"}),
        ("document", {"issuing_state": "uto", "document_number": "L898902C3"}),
        ("companions", {"companions": "alone"}),
        ("carry", {"carry": list(carry) or ["nothing"]}),
    ):
        answer = await post(client, page, token, language, **fields)
        assert answer.status_code == 303, answer.text


async def declared(client: httpx.AsyncClient) -> Declaration:
    text = (await client.get("/en/declare/code.txt")).text
    reading = verify_token(text.encode(), TRUSTED, NOW)
    assert reading.declaration is not None
    assert bind(reading, specimen(), already_used=False).outcome is CheckOutcome.SUCCESSFUL
    return reading.declaration


def specimen() -> TravelDocument:
    return TravelDocument(
        MrzFormat.TD3,
        "P",
        "UTO",
        "L898902C3",
        "UTO",
        "SPECIMEN",
        "ANNA",
        False,
        None,
        "740812",
        "F",
        date(2030, 4, 15),
        "",
        "",
        (),
    )


async def test_nothing_to_declare_takes_six_posts(client: httpx.AsyncClient) -> None:
    token = await begin(client)
    await fill(client, token)
    page = await client.get("/en/declare/check")
    assert "UTO L898902C3" in page.text
    sent = await post(client, "check", token)
    assert sent.headers["location"] == "/en/declare/receipt"
    receipt = await client.get("/en/declare/receipt")
    made = await declared(client)
    assert made.nothing_to_declare
    assert made.reference in receipt.text
    picture = (await client.get("/en/declare/code.png")).content
    gray = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert [code.text for code in zxingcpp.read_barcodes(gray)] == [(await client.get("/en/declare/code.txt")).text]


async def test_everything_to_declare(client: httpx.AsyncClient) -> None:
    token = await begin(client, "uz")
    await fill(client, token, "goods", "cash", "seals", language="uz")
    steps = [
        (
            "goods",
            {
                "description_1": "gilam",
                "value_1": "1 200",
                "description_2": "xato",
                "value_2": "5",
                "mass": "10",
                "action": "add",
            },
            "goods",
        ),
        ("goods", {"description_1": "gilam", "value_1": "1200", "mass": "10"}, "cash"),
        ("cash", {"currency": "EUR", "amount": "5", "action": "add"}, "cash"),
        ("cash", {"remove": "0"}, "cash"),
        ("cash", {"currency": "USD", "amount": "15 000,00"}, "seals"),
        ("seals", {"seal": "7201110001", "action": "add"}, "seals"),
        ("seals", {"seal": "7201110009", "action": "add"}, "seals"),
        ("seals", {"remove": "1"}, "seals"),
        ("seals", {}, "check"),
    ]
    for page, fields, onward in steps:
        answer = await post(client, page, token, "uz", **fields)
        assert answer.headers.get("location") == f"/uz/declare/{onward}", answer.text
    check = html.unescape((await client.get("/uz/declare/check")).text)
    assert "60\u00a0USD" in check  # 30 % of the 200 USD above the allowance of 1000 USD by air
    assert "100\u00a0000\u00a0000\u00a0so\u02bbm" in check
    assert "1-versiyasi" in check
    assert "25-aprel, 2025" in check
    await post(client, "check", token, "uz")
    made = await declared(client)
    assert [(line.description, line.value, line.mass_g) for line in made.goods] == [
        ("gilam", Money(120_000, "USD"), 10_000)
    ]
    assert made.cash == (Money(1_500_000, "USD"),)
    assert made.seal_ids == ("7201110001",)


async def test_answers_are_forgotten_once_the_code_is_made(client: httpx.AsyncClient, portal: Portal) -> None:
    token = await begin(client)
    await fill(client, token)
    await post(client, "check", token)
    draft = portal.drafts.draft(client.cookies[COOKIE])
    assert draft is not None
    assert draft.document_number == draft.issuing_state == ""
    for page in ("trip", "document", "check"):
        answer = await client.get(f"/en/declare/{page}")
        assert answer.headers["location"] == "/en/declare/receipt"
    ended = await client.post("/en/declare/end", data={"form_token": token}, follow_redirects=True)
    assert "were deleted" in ended.text
    assert len(portal.drafts) == 0
    assert (await client.get("/en/declare/receipt")).status_code == 410


@pytest.mark.parametrize(
    ("page", "fields", "expected"),
    [
        ("trip", {"direction": "sideways"}, ["#direction", "#mode"]),
        ("document", {"issuing_state": "1", "document_number": "x"}, ["#issuing_state", "#document_number"]),
        ("companions", {}, ["#companions"]),
        ("persons", {"name": "ALI"}, ["#relation", "#born_day", "#companion_state", "#companion_number"]),
        (
            "persons",
            {
                "name": "A" * 41,
                "relation": "child",
                "born_day": "30",
                "born_month": "2",
                "born_year": "2019",
                "companion_state": "UTO",
                "companion_number": "C00000001",
            },
            ["#name", "#born_day"],
        ),
        ("carry", {}, ["#carry"]),
        ("carry", {"carry": ["nothing", "goods"]}, ["#carry"]),
        ("carry", {"carry": ["gold"]}, ["#carry"]),
        ("goods", {"description_2": "", "value_2": "1,200", "mass": "0"}, ["#description_2", "#value_2", "#mass"]),
        ("goods", {}, ["#description_1"]),
        ("vehicles", {"plate": "?", "country": "1"}, ["#plate", "#country", "#make"]),
        ("phones", {"imei": "490154203237517"}, ["#imei"]),
        ("temporary", {"value": "x"}, ["#description", "#mark", "#value"]),
        ("unaccompanied", {}, ["#item"]),
        ("cash", {"currency": "USD", "amount": "much"}, ["#amount"]),
        ("cash", {}, ["#currency"]),
        ("seals", {"seal": "??"}, ["#seal"]),
    ],
)
async def test_errors_are_summed_up_and_stand_at_the_field(
    client: httpx.AsyncClient, page: str, fields: dict[str, object], expected: list[str]
) -> None:
    token = await begin(client)
    answer = await post(client, page, token, **fields)
    assert answer.status_code == 422
    links = re.findall(r'<li><a href="(#[a-z_0-9]+)">([^<]+)</a>', answer.text)
    assert [link for link, _message in links] == expected
    for link, message in links:
        assert f'id="{link[1:]}"' in answer.text
        assert answer.text.count(message) >= 2  # the same words in the summary and at the field
        assert re.search(rf'aria-describedby="[^"]*\b{link[1:]}-error"', answer.text), link  # and read with the field
    assert "<title>Error: " in answer.text


async def test_who_cannot_use_the_pages_is_told(client: httpx.AsyncClient) -> None:
    for who in ("under_16", "official"):
        answer = await client.post("/ru/declare/eligibility", data={"who": who}, follow_redirects=True)
        assert answer.url.path == f"/ru/cannot/{who}"
        assert answer.status_code == 200
        assert COOKIE not in client.cookies


async def test_limit_stores_nothing(client: httpx.AsyncClient, portal: Portal) -> None:
    fields = {
        "direction": "entry", "mode": "air", "days": "5", "value_1": "1200", "mass_1": "10", "currency_1": "UZS", "amount_1": "100000000",
        "currency_2": "KZT", "amount_2": "5",
    }  # fmt: skip
    answer = await client.post("/en/limit", data=fields)
    text = html.unescape(answer.text)
    assert "above your allowance of 1,000\u00a0USD by 200\u00a0USD" in text
    assert "60\u00a0USD" in text
    assert "For KZT no exchange rate" in text
    short = await client.post("/en/limit", data={**fields, "days": "1"})
    assert "allowance of 0\u00a0USD" in html.unescape(short.text)
    assert len(portal.drafts) == 0
    assert "set-cookie" not in answer.headers


async def test_without_a_rulebook_nothing_is_invented(clock: HandClock) -> None:
    transport = httpx.ASGITransport(portal_app(portal_of(clock)))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.post(
            "/en/limit", data={"direction": "entry", "mode": "air", "value_1": "5", "mass_1": "1"}
        )
    assert "An officer will tell you" in answer.text
    assert "0\u00a0USD" not in html.unescape(answer.text)


async def test_forged_forms_are_refused(client: httpx.AsyncClient, portal: Portal) -> None:
    token = await begin(client)
    for wrong in ("", "0" * 32, token[:-1] + "x", "\u00ff"):
        assert (await post(client, "trip", wrong, direction="entry", mode="air")).status_code == 403
    answer = await client.post(
        "/en/declare/trip",
        data={"form_token": token, "direction": "entry", "mode": "air"},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403
    cookie = client.cookies[COOKIE]
    assert portal.drafts.draft(cookie[:-1] + ("0" if cookie[-1] != "0" else "1")) is None
    assert portal.drafts.draft("." + "0" * 32) is None
    header = (await client.post("/en/declare/eligibility", data={"who": "private"}, headers={"Cookie": ""})).headers[
        "set-cookie"
    ]
    assert "HttpOnly" in header
    assert "SameSite=strict" in header


async def test_drafts_end_after_an_hour(client: httpx.AsyncClient, clock: HandClock) -> None:
    token = await begin(client)
    clock.seconds = 3599
    assert (await client.get("/en/declare/trip")).status_code == 200
    clock.seconds += 3601
    answer = await post(client, "trip", token, direction="entry", mode="air")
    assert answer.status_code == 410
    assert "Please start again" in answer.text


async def test_too_many_requests_are_told_to_wait(clock: HandClock) -> None:
    transport = httpx.ASGITransport(portal_app(portal_of(clock, burst=5)))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answers = [await client.post("/en/declare/eligibility", data={"who": "official"}) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [303] * 5 + [429]
        assert answers[-1].headers["retry-after"] == "60"
        clock.seconds += 1
        assert (await client.post("/en/declare/eligibility", data={"who": "official"})).status_code == 303


HOSTILE = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "\x1b[31mred\x1b[0m", "\u202eevil\u202c", "' OR '1'='1", "x" * 4000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_is_only_text(client: httpx.AsyncClient, text: str) -> None:
    token = await begin(client)
    await fill(client, token, "goods")
    answer = await post(client, "goods", token, description_1=text, value_1=text, mass="1")
    assert answer.status_code == 422
    await post(client, "goods", token, description_1=text[:40], value_1="10", mass="1", action="add")
    for page in (answer, await client.get("/en/declare/goods"), await client.get("/en/declare/check")):
        assert "<script" not in page.text
        assert "<img src=x" not in page.text
        assert "49" not in re.findall(r"<bdi>(.*?)</bdi>", page.text)
    shown = (await client.get("/en/declare/check")).text
    assert "\x1b" not in shown
    assert "\u202e" not in shown


async def test_malformed_requests(client: httpx.AsyncClient) -> None:
    wanted = {"content-type": "application/x-www-form-urlencoded"}
    assert (await client.post("/en/declare/eligibility", json={"who": "private"})).status_code == 415
    assert (
        await client.post("/en/declare/eligibility", content=b"&".join(b"a=1" for _ in range(150)), headers=wanted)
    ).status_code == 400
    assert (
        await client.post("/en/declare/eligibility", content=b"a=" + b"x" * 20_000, headers=wanted)
    ).status_code == 413
    assert (await client.post("/en/declare/eligibility", content=b"who=%ff%fe&%", headers=wanted)).status_code == 422
    for path in (
        "/xx/",
        "/en/declare/nothing",
        "/xx/need",
        "/xx/return",
        "/xx/stub",
        "/en/cannot/else",
        "/docs",
        "/openapi.json",
        "/static/../pages.py",
        "/en/%00",
    ):
        assert (await client.get(path, follow_redirects=True)).status_code == 404, path
    assert (await client.get("/", headers={"Host": "evil.example"})).status_code == 400
    assert (await client.put("/en/")).status_code == 405


async def test_every_answer_carries_the_policy(client: httpx.AsyncClient) -> None:
    for path in ("/", "/en/", "/en/limit", "/en/nothing", "/static/base.css"):
        headers = (await client.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")


async def test_language_follows_the_browser(client: httpx.AsyncClient) -> None:
    for asked, slug in (("ru-RU,ru;q=0.9", "ru"), ("fr, en", "en"), ("uz", "uz"), ("xx", "uz"), ("", "uz")):
        answer = await client.get("/", headers={"Accept-Language": asked})
        assert answer.headers["location"] == f"/{slug}/"


async def test_pages_stay_small(client: httpx.AsyncClient) -> None:
    for slug in LANGUAGES:
        for path in ("", "need", "declare/eligibility"):
            assert len((await client.get(f"/{slug}/{path}")).content) < 5000
        assert len((await client.get(f"/{slug}/limit")).content) < 22_000  # ten rows, each with all kinds of goods
    styles = [await client.get(f"/static/{name}") for name in ("base.css", "portal/portal.css")]
    assert sum(len(style.content) for style in styles) < 16_000


async def test_nothing_personal_is_logged(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as events:
        token = await begin(client)
        await fill(client, token)
        await post(client, "check", token)
        await post(client, "end", "")
    assert [event["event"] for event in events] == ["declaration_issued", "form_refused"]
    assert events[0].keys() == {"event", "log_level", "goods_lines", "cash_lines", "filled_in_s"}
    assert "898902" not in str(events)


async def test_ten_people_travel_on_one_code_and_each_is_bound_by_the_own_document(
    client: httpx.AsyncClient, portal: Portal
) -> None:
    token = await begin(client)
    await post(client, "trip", token, direction="entry", mode="air")
    await post(client, "document", token, issuing_state="UTO", document_number="L898902C3")
    await post(client, "companions", token, companions="others")
    for number in range(9):
        answer = await post(
            client, "persons", token, action="add", name=f"Child {number}", relation="child",
            born_day="27", born_month="3", born_year=str(2012 + number), companion_state="uto",
            companion_number=f"C0000000{number}",
        )  # fmt: skip
        assert answer.headers["location"] == "/en/declare/persons", answer.text
    again = await post(
        client, "persons", token, name="Tenth", relation="child", born_day="1", born_month="1", born_year="2020",
        companion_state="UTO", companion_number="C99999999",
    )  # fmt: skip
    assert "No more than nine people" in again.text
    await post(client, "persons", token)
    await post(client, "carry", token, carry=["nothing"])
    checked = (await client.get("/en/declare/check")).text
    assert "CHILD 0" in checked
    assert "My own child" in checked
    await post(client, "check", token)
    family = await declared(client)
    assert [one.name for one in family.companions] == [f"CHILD {number}" for number in range(9)]
    text = (await client.get("/en/declare/code.txt")).text
    reading = verify_token(text.encode(), TRUSTED, NOW)
    for place, one in enumerate(family.companions, start=1):
        child = replace(specimen(), document_number=f"C0000000{place - 1}", date_of_birth=one.date_of_birth)
        assert place_of(reading, child) == place
    assert "C00000000" not in text


async def test_a_companion_has_a_document_of_his_own(client: httpx.AsyncClient) -> None:
    token = await begin(client)
    await post(client, "trip", token, direction="entry", mode="air")
    await post(client, "document", token, issuing_state="UTO", document_number="L898902C3")
    child = {"name": "Ali", "relation": "child", "born_day": "1", "born_month": "1", "born_year": "2019"}
    same = await post(client, "persons", token, companion_state="UTO", companion_number="L898902C3", **child)
    assert "Another person has this document already" in same.text
    assert "#companion_number" in same.text
