"""The declaration pages in a real browser, script switched off: usable, accessible, whole on a small telephone."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.async_api import Browser, Page, async_playwright

from central_sync import strict_json
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.web.i18n import load_catalogues, pseudo_catalogue
from gate_agent.web.pages import serving
from gate_agent.web.portal.application import LANGUAGES, LOCALE_FOLDER, Portal, portal_app
from gate_agent.web.portal.draft import Drafts, RequestAllowance

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [pytest.mark.chromium, pytest.mark.skipif(not CHROMIUM.exists(), reason="chromium is not installed")]

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
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


def portal(*, pseudo: bool = False) -> Portal:
    clock = StandingClock()
    catalogues = dict(load_catalogues("portal", LANGUAGES.values(), LOCALE_FOLDER))
    if pseudo:
        catalogues["en"] = pseudo_catalogue(catalogues["en"])
    book = parse_rulebook(strict_json.load_object(packaged_rulebook_bytes()))
    return Portal(
        Ed25519PrivateKey.from_private_bytes(bytes(range(32))), timedelta(hours=72), lambda: book, clock,
        ZoneInfo("Asia/Tashkent"), catalogues, Drafts(clock.monotonic_s), RequestAllowance(clock.monotonic_s, burst=10_000),
    )  # fmt: skip


@pytest.fixture
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    axe_core = pytest.importorskip("axe_playwright_python")
    axe = (Path(axe_core.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    arguments = ["--disable-gpu"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
    pseudo = getattr(request, "param", "") == "pseudo"
    async with serving(portal_app(portal(pseudo=pseudo))) as address, async_playwright() as playwright:
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
    await page.fill("#value", "1200")
    await page.fill("#mass", "10")
    await go_on(page)
    yield "limit-result"
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
    yield "children"
    await page.fill("#small_children", "0")
    await go_on(page)
    yield "carry"
    for box in ("#carry", "#carry-cash", "#carry-seals"):
        await page.check(box)
    await go_on(page)
    yield "goods"
    await page.fill("#description", LONG_WORD)
    await page.fill("#value", "1 200,50")
    await page.fill("#mass", "10")
    await pressed(page, "button[value='add']")
    yield "goods-added"
    await page.fill("#description", "<b>gilam</b>")
    await page.fill("#value", "1,200")
    await go_on(page)
    yield "goods-errors"
    await page.fill("#value", "50")
    await page.fill("#mass", "1")
    await go_on(page)
    yield "cash"
    await page.select_option("#currency", "USD")
    await page.fill("#amount", "15000")
    await pressed(page, "button[value='add']")
    yield "cash-added"
    await go_on(page)
    yield "seals"
    await page.fill("#seal", "7201110001")
    await go_on(page)
    yield "check"
    await go_on(page)
    yield "receipt"
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
            assert await page.locator(".lines bdi").inner_text() == LONG_WORD
        if name == "check":
            assert "<b>gilam</b>" in await page.locator("main").inner_text()
    assert seen[-1] == "missing"
    assert len(seen) == 21


@pytest.mark.parametrize(("slug", "width"), [("uz", 390), ("ru", 320), ("en", 1366)])
async def test_no_accessibility_violation_on_any_page(stage: Stage, slug: str, width: int) -> None:
    page = await opened(stage, width=width, script=True)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    async for name in whole_journey(page, stage.address, slug):
        await assert_whole(page, name)
        await page.evaluate(stage.axe)
        found = await page.evaluate(
            "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", AXE_RULES
        )
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == [], (slug, name)
        if SHOTS:
            await page.screenshot(path=f"{SHOTS}/portal-{slug}-{name}-{width}.png", full_page=True)
        if name == "receipt":
            await page.emulate_media(color_scheme="dark")
            dark = await page.evaluate(
                "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", ["wcag2aa"]
            )
            assert dark["violations"] == []
            await page.emulate_media(color_scheme="light")
    # Answers other than 2xx are reported by the browser itself; anything else would be a breach of the page's policy.
    assert [text for text in complaints if "status of 4" not in text] == []


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
    for _ in range(7):
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
