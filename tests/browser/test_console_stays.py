"""Stays that a guard has to look at: listed on the console, corrected in two steps and signed, in the console's languages and on a phone."""

import uuid
from datetime import date

import pytest

from gate_agent.web.guard import view
from gate_agent.web.i18n import GUARD_LANGUAGES, load_catalogues
from gate_agent.web.stay_messages import StayOrphanView
from tests.browser.page_checks import DESK, PHONE, axe, new_page, overflows, shot
from tests.browser.test_console_and_screens import (  # noqa: F401 - fixtures are found by name
    fresh,
    open_console,
    signed_in,
    site,
    until,
)

pytestmark = pytest.mark.chromium

EXIT_ALONE, ENTRY_ALONE, LATE = (uuid.UUID(int=number) for number in (1, 2, 3))


def orphans() -> list[StayOrphanView]:
    common = {"source": "UTO/demo/gate-1", "mark": "a1b2c3"}
    found = (
        (ENTRY_ALONE, "entry_without_exit", date(2026, 5, 2), None, None),
        (LATE, "past_last_day", date(2026, 9, 1), None, date(2026, 9, 30)),
        (EXIT_ALONE, "exit_without_entry", None, date(2026, 11, 20), None),
    )
    return [
        StayOrphanView(stay_id=stay_id, kind=kind, entered_on=entered, exited_on=left, last_day=last, **common)
        for stay_id, kind, entered, left, last in found
    ]


@pytest.mark.parametrize("language", GUARD_LANGUAGES)
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_stay_is_corrected_in_two_steps(site, browser, problems, signed_in, language, size):  # noqa: F811
    words = load_catalogues("guard", GUARD_LANGUAGES)[language]
    page = new_page(browser, problems, size)
    open_console(page, site, signed_in, language=language)
    assert page.locator("#orphans-title").is_hidden()
    site.change(stay_orphans=orphans())
    until(page, "document.querySelectorAll('#orphans li').length === 3")
    shown = page.inner_text("#orphans")
    for kind in ("entry_without_exit", "past_last_day", "exit_without_entry"):
        assert words.text(f"stay_orphan.{kind}") in shown
    assert overflows(page)[0] <= 0
    page.locator("#orphans li:last-child button").scroll_into_view_if_needed()
    shot(page, f"stays-{language}-{size['width']}")
    assert axe(page) == []
    page.locator("#orphans li:last-child button").click()
    page.wait_for_selector("#action-dialog[open] #stay-day")
    assert page.evaluate("document.activeElement.id") == "stay-day"
    page.locator("input[value=stamp_seen]").check()
    page.keyboard.press("Enter")
    page.wait_for_selector("#action-dialog .problem:not([hidden])")  # a day is missing
    assert axe(page) == []
    page.fill("#stay-day", "2026-11-10")
    shot(page, f"stays-{language}-{size['width']}-first")
    page.locator("#action-dialog button[type=submit]").click()
    page.wait_for_selector("#action-dialog .summary")
    assert "2026-11-10" in page.inner_text("#action-dialog .summary")
    assert axe(page) == []
    shot(page, f"stays-{language}-{size['width']}-confirm")
    assert site.gate.received == []
    page.keyboard.press("Enter")
    page.wait_for_selector("#action-dialog", state="hidden")
    (order,) = site.gate.received
    assert (order.action.value, order.subject_id, order.stay_correction, order.stay_day) == (
        "correct_stay",
        EXIT_ALONE,
        "add_entry",
        date(2026, 11, 10),
    )


def test_a_record_of_nobody_is_made_void_and_has_no_day(site, browser, problems, signed_in):  # noqa: F811
    page = new_page(browser, problems)
    open_console(page, site, signed_in)
    site.change(stay_orphans=orphans()[:1])
    until(page, "document.querySelectorAll('#orphans li').length === 1")
    page.click("#orphans button")
    page.wait_for_selector("#action-dialog[open] #stay-day")
    page.locator("input[value=record_of_nobody]").check()
    page.keyboard.press("Enter")
    page.wait_for_selector("#action-dialog .summary")
    page.keyboard.press("Enter")
    page.wait_for_selector("#action-dialog", state="hidden")
    (order,) = site.gate.received
    assert (order.stay_correction, order.stay_day) == ("void", None)


def test_who_may_not_correct_finds_no_button(site, browser, problems, signed_in, monkeypatch):  # noqa: F811
    told = view.orphans
    monkeypatch.setattr(view, "orphans", lambda *stays, can_correct: told(*stays, can_correct=False))
    page = new_page(browser, problems)
    open_console(page, site, signed_in)
    site.change(stay_orphans=orphans())
    until(page, "document.querySelectorAll('#orphans li').length === 3")
    assert page.locator("#orphans button:visible").count() == 0
