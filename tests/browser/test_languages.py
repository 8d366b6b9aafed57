"""Every language on screen: nothing spills over, nothing is missing from the fonts, right to left is right to left, axe finds nothing.

The frames and pages with the most text, in all languages; `make languages` walks through everything.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gate_agent.domain.money import Money
from gate_agent.web import lane_api_messages as m
from gate_agent.web.catalogue_findings import AUDIENCES
from gate_agent.web.formats import money_text
from gate_agent.web.i18n import PSEUDO_LANGUAGE, load_catalogues, pseudo_catalogue
from gate_agent.web.languages import FACTS, SLUGS, direction_of
from tests.browser import test_portal_pages as portal_pages
from tests.browser.page_checks import DESK, PHONE, axe, new_page, overflows, shot
from tests.browser.swept import ALL
from tests.browser.test_console_and_screens import (  # noqa: F401 - fixtures are found by name
    site,
    until,
)

pytestmark = pytest.mark.chromium
stage = portal_pages.stage

RECEIPT = {
    "stay_deadline": "2026-09-14", "registration_deadline": "2026-09-02", "duty": "193907550.00 UZS", "reference": "UTO-3F8Q-11",
}  # fmt: skip
FULLEST: dict[str, dict[str, Any]] = {
    "document": {"instruction": m.Instruction.PRESENT_DOCUMENT, "step": 1, "other_lane": 3, "speech": "off"},
    "declaration": {"instruction": m.Instruction.SHOW_DECLARATION, "step": 2, "remaining_s": 30.0, "speech": "on"},
    "receipt": {"instruction": m.Instruction.CUSTOMS_DESK, "step": 4, "receipt": RECEIPT, "printing": "offered"},
}
PLAIN: dict[str, Any] = {
    "other_lane": None,
    "speech": "none",
    "remaining_s": None,
    "receipt": {},
    "printing": "",
    "cue": None,
}


@pytest.mark.parametrize("language", [*FACTS, PSEUDO_LANGUAGE])
def test_the_fullest_frames_hold_every_language(site, browser, problems, language):  # noqa: F811
    shown = "en" if language == PSEUDO_LANGUAGE else language
    words = load_catalogues("traveller", [shown])[shown]
    if language == PSEUDO_LANGUAGE:
        words = pseudo_catalogue(words)
    held = site.travellers[shown]
    site.travellers[shown] = words
    try:
        page = new_page(browser, problems)
        for name, state in FULLEST.items():
            site.change(language=shown, **(PLAIN | state))
            page.set_viewport_size(DESK)
            page.goto(f"{site.address}/lane/1/screen")
            until(
                page,
                "t => document.getElementById('title').textContent === t",
                words.text(f"instruction.{state['instruction']}"),
            )
            assert max(overflows(page)) <= 0, name
            assert page.locator("html").get_attribute("dir") == direction_of(language)
            assert page.evaluate("getComputedStyle(document.body).direction") == direction_of(language)
            assert page.locator(".languages button").count() == len(FACTS)
            assert axe(page) == [], name
            shot(page, f"languages-{language}-{name}")
            page.set_viewport_size(PHONE)
            assert overflows(page)[0] <= 0, name
            shot(page, f"languages-{language}-{name}-phone")
        assert page.locator("#receipt dd").last.inner_text() == "UTO-3F8Q-11"
    finally:
        site.travellers[shown] = held


def test_amounts_and_references_keep_their_order_between_words_from_right_to_left(site, browser, problems):  # noqa: F811
    page = new_page(browser, problems)
    site.change(language="fa-AF", **(PLAIN | FULLEST["receipt"]))
    page.goto(f"{site.address}/lane/1/screen")
    until(page, "document.documentElement.dir === 'rtl'")
    places = """text => { const cells = [...document.querySelectorAll('#receipt dd')];
        const node = cells.find(cell => cell.textContent === text).firstChild;
        return [...text].map((_, at) => { const range = document.createRange();
          range.setStart(node, at); range.setEnd(node, at + 1); return Math.round(range.getBoundingClientRect().left); }); }"""
    for text in ("UTO-3F8Q-11", money_text(Money(19_390_755_000, "UZS"), "fa-AF")):
        lefts = page.evaluate(places, text)
        assert lefts == sorted(lefts), text


@pytest.fixture(scope="module")
def portal_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The declaration pages on a loop of their own thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    running = portal_pages.serving(portal_pages.portal_app(portal_pages.portal(tmp_path_factory.mktemp("portal"))))
    yield asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result(20)
    asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.parametrize("slug", SLUGS)
def test_start_and_an_answered_page_hold_every_language(portal_address, browser, problems, slug):
    page = new_page(browser, problems, PHONE)
    page.goto(f"{portal_address}/{slug}/")
    assert page.locator("html").get_attribute("lang") == SLUGS[slug]
    assert page.evaluate("getComputedStyle(document.body).direction") == direction_of(SLUGS[slug])
    names = {link.inner_text() for link in page.locator(".languages a").all()}
    assert names == {facts.name for facts in FACTS.values() if facts.slug != slug}
    whole(page, f"languages-portal-{slug}-start")
    page.goto(f"{portal_address}/{slug}/limit")
    page.check("#direction")
    page.check("#mode")
    page.fill("#value_1", "1200")
    page.fill("#mass_1", "10")
    page.locator("form .actions button").first.click()
    page.wait_for_selector(".meter")
    whole(page, f"languages-portal-{slug}-limit")


def whole(page: Any, name: str) -> None:
    """No sideways scrolling on a small telephone, and nothing for axe to find."""
    shot(page, name)
    assert axe(page) == []
    page.set_viewport_size({"width": 320, "height": 640})
    assert overflows(page)[0] <= 0
    page.set_viewport_size(PHONE)


NOBODYS = "\ue123"
"""A letter for private use, which no font has: shows that the test finds what is missing."""
FONTS = {"fa-AF": "fa", "zh-Hans": "zh-cn"}
"""What fontconfig calls the languages for which a machine may have no font."""


def has_font(language: str) -> bool:
    if language not in FONTS:
        return True
    listed = subprocess.run(
        ["fc-list", f":lang={FONTS[language]}", "family"], capture_output=True, text=True, check=False
    )
    return bool(listed.stdout.strip())


@pytest.mark.parametrize("language", FACTS)
def test_no_letter_of_a_catalogue_is_missing_from_the_fonts(site, browser, problems, language):  # noqa: F811
    """A letter that no font has is drawn like a code point that is no character."""
    if not has_font(language):
        pytest.skip(f"no font for {language} is installed (Debian: fonts-noto-core, fonts-noto-cjk)")
    letters = {facts.name for facts in FACTS.values() if has_font(facts.tag)}
    for audience in AUDIENCES.values():
        if language in audience.languages:
            texts = load_catalogues(audience.name, [language], audience.folder)[language].texts
            letters |= {re.sub(r"\{\w*\}", "", text) for text in texts.values()}
    characters = sorted(
        {one for text in letters for one in text if not one.isspace() and one not in "\u200c\u200f\u2066\u2068\u2069"}
    )
    page = new_page(browser, problems)
    site.change(language=language, **(PLAIN | FULLEST["document"]))
    page.goto(f"{site.address}/lane/1/screen")
    until(page, "language => document.documentElement.lang === language", language)
    missing = page.evaluate(
        """([characters, nothing]) => {
          const canvas = document.createElement("canvas");
          canvas.width = canvas.height = 48;
          const pen = canvas.getContext("2d", {willReadFrequently: true});
          pen.font = `32px ${getComputedStyle(document.body).fontFamily}`;
          const drawn = (text) => {
            pen.clearRect(0, 0, 48, 48);
            pen.fillText(text, 8, 36);
            return pen.getImageData(0, 0, 48, 48).data.join();
          };
          const empty = new Set(nothing.map(drawn));
          return characters.filter((one) => empty.has(drawn(one)));
        }""",
        [[*characters, NOBODYS], ["\U0010fffe", " "]],
    )
    assert missing == [NOBODYS]
    assert len(characters) > 30


if ALL:

    @pytest.mark.parametrize("slug", SLUGS)
    async def test_the_whole_declaration_in_every_language(stage, slug):
        page = await portal_pages.opened(stage, width=390, height=844, script=True)
        async for name in portal_pages.whole_journey(page, stage.address, slug):
            await portal_pages.assert_whole(page, name)
            assert await portal_pages.violations(page, stage) == [], name
            if portal_pages.SHOTS:
                await page.screenshot(path=f"{portal_pages.SHOTS}/portal-{slug}-{name}.png", full_page=True)
