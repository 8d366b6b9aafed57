"""The declaration pages in a real browser, script switched off: usable, accessible, whole on a small telephone."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.async_api import Browser, Page, async_playwright

from central_sync import strict_json
from gate_agent.domain.declaration import Direction, TravelMode
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.web.i18n import load_catalogues, pseudo_catalogue
from gate_agent.web.pages import serving
from gate_agent.web.portal.application import LANGUAGES, LOCALE_FOLDER, Kiosk, Portal, portal_app
from gate_agent.web.portal.book import Book
from gate_agent.web.portal.draft import CARRIED, Drafts, RequestAllowance

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [pytest.mark.chromium, pytest.mark.skipif(not CHROMIUM.exists(), reason="chromium is not installed")]

NOW = datetime(2026, 3, 5, 9, 0, tzinfo=UTC)
SHOTS = os.environ.get("EGATE_SHOTS", "")
LONG_WORD = "Ў" * 40
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class StandingClock:
    def now(self) -> datetime:
        return NOW

    def monotonic_s(self) -> float:
        return 0.0


@dataclass
class Stage:
    browser: Browser
    address: str
    axe: str


def portal(folder: Path, *, pseudo: bool = False, kiosk: bool = False) -> Portal:
    clock = StandingClock()
    catalogues = dict(load_catalogues("portal", LANGUAGES.values(), LOCALE_FOLDER))
    if pseudo:
        catalogues["en"] = pseudo_catalogue(catalogues["en"])
    book = parse_rulebook(strict_json.load_object(packaged_rulebook_bytes()))
    return Portal(
        Ed25519PrivateKey.from_private_bytes(bytes(range(32))), timedelta(hours=72), lambda: book, clock,
        ZoneInfo("Asia/Tashkent"), catalogues, Drafts(clock.monotonic_s), RequestAllowance(clock.monotonic_s, burst=10_000),
        None if kiosk else Book.open(folder, bytes(range(100, 132)), 14, 180),
        channels=() if kiosk else ("sms",), sms_prefixes=("+998",),
        kiosk=Kiosk(Direction.ENTRY, TravelMode.AIR) if kiosk else None,
    )  # fmt: skip


@pytest.fixture
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    axe_core = pytest.importorskip("axe_playwright_python")
    axe = (Path(axe_core.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    arguments = ["--disable-gpu"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
    wanted = getattr(request, "param", "")
    async with (
        serving(portal_app(portal(tmp_path, pseudo=wanted == "pseudo", kiosk=wanted == "kiosk"))) as address,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        try:
            yield Stage(browser, address, axe)
        finally:
            await browser.close()


async def opened(stage: Stage, *, width: int = 1366, height: int = 768, script: bool = False) -> Page:
    context = await stage.browser.new_context(
        viewport={"width": width, "height": height}, java_script_enabled=script, locale="en-GB", reduced_motion="reduce"
    )
    return await context.new_page()


async def pressed(page: Page, button: str) -> None:
    async with page.expect_navigation():
        await page.locator(button).click()


async def go_on(page: Page) -> None:
    await pressed(page, "form .actions button[value='continue'], form .actions button[value='send']")


async def whole_journey(page: Page, address: str, slug: str) -> AsyncIterator[str]:
    """Walk through every page; yields its name while it is on screen."""
    await page.goto(f"{address}/{slug}/")
    yield "start"
    await page.goto(f"{address}/{slug}/limit")
    yield "limit"
    await page.check("#direction")
    await page.check("#mode")
    await page.select_option("#kind_1", "alcohol")
    await page.fill("#quantity_1", "2,5")
    await page.fill("#value_1", "1200")
    await page.fill("#mass_1", "10")
    await page.fill("#on_day", "31")
    await page.fill("#on_month", "2")
    await page.fill("#on_year", "2026")
    await go_on(page)
    yield "limit-errors"
    await page.fill("#on_day", "28")
    await go_on(page)
    yield "limit-result"
    await page.goto(f"{address}/{slug}/need")
    yield "need"
    await page.check("#direction")
    await page.check("#mode")
    await go_on(page)
    yield "need-exceptions"
    await go_on(page)
    yield "need-errors"
    await page.check("#applies-goods")
    await go_on(page)
    yield "need-yes"
    await page.goto(f"{address}/{slug}/return")
    yield "return"
    await page.fill("#code", "7K3M-92QF")
    await page.fill("#document_number", "L898902C3")
    await go_on(page)
    yield "return-errors"
    await page.goto(f"{address}/{slug}/stub")
    yield "stub"
    await page.goto(f"{address}/{slug}/cannot/under_16")
    yield "cannot"
    await page.goto(f"{address}/{slug}/declare/eligibility")
    yield "eligibility"
    await page.check("#who")
    await go_on(page)
    yield "trip"
    await page.check("#direction")
    await page.check("#mode")
    await go_on(page)
    yield "document"
    await page.fill("#issuing_state", "1")
    await go_on(page)
    yield "document-errors"
    await page.fill("#issuing_state", "UTO")
    await page.fill("#document_number", "L898902C3")
    await go_on(page)
    yield "companions"
    await page.check("#companions-others")
    await go_on(page)
    yield "persons"
    await page.fill("#name", "Ali")
    await go_on(page)
    yield "persons-errors"
    await page.select_option("#relation", "child")
    for part, text in (("day", "3"), ("month", "9"), ("year", "2019")):
        await page.fill(f"#born_{part}", text)
    await page.fill("#companion_state", "UTO")
    await page.fill("#companion_number", "C00000001")
    await pressed(page, "button[value='add']")
    yield "persons-added"
    await go_on(page)
    yield "carry"
    for kind in CARRIED:
        await page.check(f"#carry-{kind}")
    await go_on(page)
    yield "goods"
    await page.fill("#description_1", LONG_WORD)
    await page.fill("#value_1", "1 200,50")
    await page.fill("#mass", "10")
    await pressed(page, "button[value='add']")
    yield "goods-added"
    await page.fill("#description_2", "<b>gilam</b>")
    await page.fill("#value_2", "1,200")
    await go_on(page)
    yield "goods-errors"
    await page.fill("#value_2", "50")
    await go_on(page)
    yield "limited"
    await page.fill("#quantity_alcohol", "2,5")
    await go_on(page)
    yield "limited-errors"
    await page.fill("#value_alcohol", "40")
    await go_on(page)
    yield "cash"
    await page.select_option("#currency", "USD")
    await page.fill("#amount", "15000")
    await pressed(page, "button[value='add']")
    yield "cash-added"
    await go_on(page)
    yield "restricted"
    await page.check("#restricted")
    await go_on(page)
    yield "vehicles"
    await page.fill("#plate", "01 A 777 AA")
    await page.fill("#country", "UTO")
    await page.fill("#make", "Lada")
    await pressed(page, "button[value='add']")
    yield "vehicles-added"
    await go_on(page)
    yield "phones"
    await page.fill("#imei", "490154203237517")
    await go_on(page)
    yield "phones-errors"
    await page.fill("#imei", "490154203237518")
    await go_on(page)
    yield "temporary"
    await page.fill("#description", "kamera")
    await page.fill("#mark", "SN 4711")
    await page.fill("#value", "900")
    await go_on(page)
    yield "unaccompanied"
    await page.fill("#item", LONG_WORD)
    await go_on(page)
    yield "seals"
    await page.fill("#seal", "7201110001")
    await go_on(page)
    yield "check"
    await page.goto(f"{address}/{slug}/declare/save")
    yield "save"
    await pressed(page, "main form button")
    yield "saved"
    await page.goto(f"{address}/{slug}/declare/check")
    await go_on(page)
    yield "receipt"
    stub = await page.locator(".stub .number").inner_text()
    await page.goto(f"{address}/{slug}/declare/notices")
    yield "notices"
    await page.fill("#address", "+998900000000")
    await go_on(page)
    yield "notices-done"
    await page.goto(f"{address}/{slug}/stub")
    await page.fill("#stub_id", stub)
    await page.fill("#document_number", "L898902C3")
    await page.fill("#parcel", "RA473124829UT")
    await go_on(page)
    yield "stub-announced"
    await page.goto(f"{address}/{slug}/declare/receipt")
    await pressed(page, ".aside button")
    yield "deleted"
    await page.goto(f"{address}/{slug}/declare/receipt")
    yield "gone"
    await page.goto(f"{address}/{slug}/nowhere/")
    yield "missing"


@pytest.mark.parametrize("stage", ["pseudo"], indirect=True)
async def test_the_whole_declaration_works_without_script_and_with_longer_words(stage: Stage) -> None:
    page = await opened(stage, width=320, height=640)
    seen = []
    async for name in whole_journey(page, stage.address, "en"):
        seen.append(name)
        await assert_whole(page, name)
        if name == "receipt":
            assert await page.locator("img").evaluate_all("all => all.every(one => one.naturalWidth > 200)")
            assert await page.locator(".reference").inner_text()
        if name == "goods-added":
            assert await page.input_value("#description_1") == LONG_WORD
        if name == "check":
            assert "<b>gilam</b>" in await page.locator("main").inner_text()
    assert seen[-1] == "missing"
    assert len(seen) == 46


@pytest.mark.parametrize(("slug", "width"), [("kk", 320), ("en", 1366), ("fa", 390)])
async def test_no_accessibility_violation_on_any_page(stage: Stage, slug: str, width: int) -> None:
    page = await opened(stage, width=width, script=True)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    async for name in whole_journey(page, stage.address, slug):
        await assert_whole(page, name)
        assert await violations(page, stage) == [], (slug, name)
        if SHOTS:
            await page.screenshot(path=f"{SHOTS}/portal-{slug}-{name}-{width}.png", full_page=True)
        if name == "receipt":
            await page.emulate_media(color_scheme="dark")
            assert await violations(page, stage, ["wcag2aa"]) == [], (slug, "dark")
            await page.emulate_media(color_scheme="light")
    # Answers other than 2xx are reported by the browser itself; anything else would be a breach of the page's policy.
    assert [text for text in complaints if "status of 4" not in text] == []


async def violations(page: Page, stage: Stage, rules: Sequence[str] = AXE_RULES) -> list[tuple[str, list[str]]]:
    """What axe finds: which rule is broken, and where."""
    await page.evaluate(stage.axe)
    found = await page.evaluate("rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", rules)
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]


async def assert_whole(page: Page, name: str) -> None:
    """No sideways scrolling, and nothing to touch that is too small (links inside a sentence excepted)."""
    room = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert room[0] <= room[1], name
    small = await page.evaluate(
        """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select")]
             .filter(one => !one.closest(".visually-hidden, .skip-link, .error-summary") && one.getClientRects().length)
             .filter(one => one.getBoundingClientRect().height < 24).map(one => one.outerHTML)"""
    )
    assert small == [], name


async def test_keyboard_reaches_everything_and_focus_is_seen(stage: Stage) -> None:
    page = await opened(stage, script=True)
    await page.goto(f"{stage.address}/en/declare/eligibility")
    reached = []
    for _ in range(6):
        await page.keyboard.press("Tab")
        reached.append(await page.evaluate("document.activeElement.textContent.trim() || document.activeElement.value"))
        shown = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert shown == "solid"
    assert reached[:1] == ["Skip to main content"]
    assert reached[-2:] == ["private", "Continue"]
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Space")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/declare/trip")


async def test_errors_are_linked_to_their_fields(stage: Stage) -> None:
    page = await opened(stage)
    async for name in whole_journey(page, stage.address, "en"):
        if name == "document-errors":
            await page.locator(".error-summary a").first.click()
            assert page.url.endswith("#issuing_state")
            assert (await page.title()).startswith("Error: ")
            break


class Taps:
    """A thumb: each field filled, box ticked, choice made or button pressed is one interaction."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.count = 0
        self.page_s = 0.0

    async def fill(self, field: str, text: str) -> None:
        self.count += 1
        await self.page.fill(field, text)

    async def check(self, box: str) -> None:
        self.count += 1
        await self.page.check(box)

    async def press(
        self, button: str = "form .actions button[value='continue'], form .actions button[value='send']"
    ) -> None:
        """Press and wait for the next page; what passes until it stands there whole is page time."""
        self.count += 1
        started_s = time.monotonic()
        await pressed(self.page, button)
        self.page_s += time.monotonic() - started_s


async def declared(taps: Taps, address: str, *items: tuple[str, str]) -> None:
    await taps.page.goto(f"{address}/en/declare/eligibility")
    await taps.check("#who")
    await taps.press()
    await taps.check("#direction")
    await taps.check("#mode")
    await taps.press()
    await taps.fill("#issuing_state", "UTO")
    await taps.fill("#document_number", "L898902C3")
    await taps.press()
    await taps.check("#companions")
    await taps.press()
    await taps.check("#carry-goods" if items else "#carry")
    await taps.press()
    for number, (what, value) in enumerate(items, start=1):
        await taps.fill(f"#description_{number}", what)
        await taps.fill(f"#value_{number}", value)
    if items:
        await taps.fill("#mass", "12")
        await taps.press()
    await taps.press()
    assert await taps.page.locator(".reference").inner_text()


@pytest.mark.parametrize("script", [True, False])
async def test_a_declaration_takes_few_taps_and_little_time(stage: Stage, script: bool) -> None:
    """Nothing to declare within 20 s, five items within 60 s of page time and 25 interactions, at the size of a telephone."""
    page = await opened(stage, width=390, height=844, script=script)
    nothing = Taps(page)
    await declared(nothing, stage.address)
    assert nothing.page_s <= 20
    assert nothing.count <= 13
    await page.context.clear_cookies()
    five = Taps(page)
    await declared(
        five, stage.address, ("carpet", "900"), ("tea", "20"), ("books", "40"), ("lamp", "150"), ("toys", "60")
    )
    assert five.page_s <= 60
    assert five.count <= 25
    print(
        f"script {script}: nothing {nothing.count} taps {nothing.page_s:.2f} s, five {five.count} taps {five.page_s:.2f} s"
    )


@pytest.mark.parametrize("stage", ["kiosk"], indirect=True)
async def test_the_kiosk_has_targets_for_a_finger_and_no_violation(stage: Stage) -> None:
    page = await opened(stage, width=1080, height=1920, script=True)
    await page.goto(f"{stage.address}/uz/")
    shown = ["start"]
    await page.goto(f"{stage.address}/uz/declare/eligibility")
    steps = {
        "eligibility": ("#who",), "document": (), "companions": ("#companions",), "carry": ("#carry",), "check": (), "receipt": (),
    }  # fmt: skip
    for name, boxes in steps.items():
        assert name in page.url
        shown.append(name)
        await assert_whole(page, name)
        small = await page.evaluate(
            """() => [...document.querySelectorAll("main button, main .button, main input[type=text], .choice")]
                 .filter(one => one.getClientRects().length && !one.closest(".visually-hidden") && !one.matches(".visually-hidden"))
                 .filter(one => one.getBoundingClientRect().height < 60).map(one => one.outerHTML)"""
        )
        assert small == [], name
        assert await violations(page, stage) == [], name
        if SHOTS:
            await page.screenshot(path=f"{SHOTS}/kiosk-{name}.png", full_page=True)
        if name == "receipt":
            break
        if name == "document":
            await page.fill("#issuing_state", "UTO")
            await page.fill("#document_number", "L898902C3")
        for box in boxes:
            await page.check(box)
        await go_on(page)
    assert shown[-1] == "receipt"
