"""The banner of a training gate on every kind of page of the console: seen, in the page's language, and over nothing that is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gate_agent.web import lane_api_messages as m
from gate_agent.web.i18n import TRAVELLER_LANGUAGES, load_catalogues
from tests.browser.page_checks import DESK, PHONE, axe, new_page, overflows, shot
from tests.browser.test_console_and_screens import Site, cookie_of, until
from tests.browser.test_customs_desk import Desk, signed_in

pytestmark = pytest.mark.chromium

WORDS = load_catalogues("traveller", TRAVELLER_LANGUAGES)
SHOWN = """() => { const banner = document.querySelector('.training-banner'); const box = banner.getBoundingClientRect();
  const shown = [...banner.children].filter(one => getComputedStyle(one).display !== 'none');
  const at = document.elementFromPoint(box.width / 2, box.height / 2);
  return {text: shown.map(one => one.textContent), wide: box.width >= innerWidth - 20, top: box.top, height: box.height,
          fits: shown.every(one => one.getBoundingClientRect().width <= innerWidth), seen: banner.contains(at)}; }"""
UNCOVERED = """() => { const bottom = document.querySelector('.training-banner').getBoundingClientRect().bottom;
  return [...document.querySelectorAll('header, h1, main')].every(one => one.getBoundingClientRect().height === 0
    || one.getBoundingClientRect().top >= bottom - 1); }"""


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    running = Site(tmp_path_factory.mktemp("training"), is_training=True)
    yield running
    running.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    running = Desk(tmp_path_factory.mktemp("desk"), is_training=True)
    yield running
    running.close()


def look(page: Any, language: str) -> None:
    shown = page.evaluate(SHOWN)
    assert shown["text"] == [WORDS[language].text("ui.training_banner")]
    assert shown["wide"]
    assert shown["fits"]
    assert shown["seen"]
    assert shown["top"] == 0
    assert shown["height"] >= 36
    assert page.evaluate(UNCOVERED), "it covers nothing"
    assert overflows(page)[0] <= 0


def check(page: Any, size: dict[str, int], name: str) -> None:
    look(page, "en")
    assert axe(page) == []
    if size is DESK:
        assert max(overflows(page)) <= 0, name
    else:
        cut = "[...document.querySelectorAll('main > section')].filter(one => one.scrollHeight > one.clientHeight + 2).map(one => one.id)"
        assert page.evaluate(cut) == [], "pages of a phone are as long as what stands in them"
    shot(page, f"training-{name}-{size['width']}")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_no_page_of_the_console_can_be_taken_for_a_real_gates(
    training: Site, browser: Any, problems: list[str], size: dict[str, int]
) -> None:
    page = new_page(browser, problems, size)
    page.goto(f"{training.address}/guard/login")
    check(page, size, "login")
    cookie = cookie_of(training, "guard-1")["cookie"]
    page.context.add_cookies([{"name": "egate_session", "value": cookie, "url": training.address}])
    page.goto(f"{training.address}/guard")
    page.wait_for_selector("#lanes .lane")
    check(page, size, "console")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_nor_can_the_customs_desk(desk: Desk, browser: Any, problems: list[str], size: dict[str, int]) -> None:
    stop = desk.red_with_lynx(f"UTO-TR-{size['width']}", size["width"])
    page = signed_in(browser, desk, problems, "customs-1", size)
    page.goto(f"{desk.address}/desk/stops/{stop}")
    check(page, size, "desk")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_travellers_screen_changes_the_banners_language_with_its_own(
    training: Site, browser: Any, problems: list[str], size: dict[str, int]
) -> None:
    page = new_page(browser, problems, size)
    page.goto(f"{training.address}/lane/1/screen")
    page.wait_for_selector("#title")
    for language in ("en", "ru", "uz-Latn", "fa-AF"):
        training.change(language=language, instruction=m.Instruction.PRESENT_DOCUMENT)
        until(page, f"document.documentElement.lang === '{language}'")
        look(page, language)
        shot(page, f"training-screen-{language}-{size['width']}")
