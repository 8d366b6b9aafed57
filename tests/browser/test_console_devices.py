"""The console's devices: every one with state, last event, fault and remedy; faults first; history on demand; by keyboard and on a phone."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from gate_agent.web.device_messages import DeviceChange, DeviceHistory, DeviceView, PowerView, XrayView
from gate_agent.web.i18n import GUARD_LANGUAGES, PSEUDO_LANGUAGE, load_catalogues
from gate_agent.web.lane_api_messages import Instruction
from tests.browser.page_checks import DESK, PHONE, axe, new_page, overflows, shot
from tests.browser.swept import GUARD_SWEPT
from tests.browser.test_console_and_screens import (  # noqa: F401 - fixtures are found by name
    fresh,
    open_console,
    signed_in,
    site,
    until,
)

pytestmark = pytest.mark.chromium

NOW = datetime.now(UTC)
ROWS = "#devices-groups .device"


def around(**changes):
    """The devices of a whole gate, the printer out of paper and the supply away."""
    kinds = {
        "seals": ("seal_tracker", "seal_reported"),
        "tags": ("rfid_reader", "tag_read"),
        "aircraft": ("uav", "uav_reported"),
        "supply": ("power", "ups_on_mains"),
        "xray": ("xray_inbox", "xray_alarm"),
        "printer": ("printer", "printer_reported"),
    }
    faults = {
        "supply": {
            "state": "absent",
            "fault": "DRV-LNK-001",
            "remedy": "Plug the device in and check its power, cable and configured path or address.",
        },
        "printer": {
            "fault": "DRV-PRN-001",
            "remedy": "Put a new paper roll in; until then receipts are on the screen.",
        },
        "tags": {"last_fault": "DRV-LNK-003", "last_remedy": "Check it", "last_fault_at": NOW - timedelta(days=2)},
    }
    faults |= changes
    return [
        DeviceView(
            **{
                "name": name, "device_class": device_class, "state": "ready", "since": NOW - timedelta(hours=5),
                "last_event": event, "last_event_at": NOW - timedelta(seconds=30), "change_count": 2,
                **faults.get(name, {}),
            }
        )
        for name, (device_class, event) in kinds.items()
    ]  # fmt: skip


@pytest.mark.parametrize("language", [*GUARD_SWEPT, PSEUDO_LANGUAGE])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_every_device_is_told_faults_first_and_axe_finds_nothing(site, browser, problems, signed_in, language, size):  # noqa: F811
    page = new_page(browser, problems, size)
    open_console(page, site, signed_in, language=language)
    site.change(devices=around())
    until(page, "document.querySelector('#devices-count').textContent === '3'")
    page.click("#show-devices")
    names = page.locator(f"{ROWS} .device-what span span:last-child").all_inner_texts()
    assert names[:3] == ["supply", "printer", "seals"], "of the whole gate, what needs somebody first"
    assert names.count("camera-6") == 1
    assert set(names) >= {"seals", "tags", "aircraft", "supply", "xray", "printer", "reader-1", "camera-1", "barrier-1"}
    groups = page.locator("#devices-groups h3").all_inner_texts()
    if language != PSEUDO_LANGUAGE:
        words = load_catalogues("guard", GUARD_LANGUAGES)[language]
        assert groups[0] == words.text("ui.whole_gate")
        assert groups[1].startswith(words.text("ui.lane", lane="6")), "the lane with a fault comes before those without"
        shown = page.inner_text("#devices-groups")
        assert words.text("remedy.DRV-PRN-001") in shown
        assert words.text("remedy.DRV-LNK-001") in shown
        assert words.text("device_event.xray_alarm") in shown
        assert words.text("remedy.DRV-LNK-003") in shown, (
            "a fault that is over is told with what helps when it comes back"
        )
    assert axe(page) == []
    shot(page, f"devices-{language}-{size['width']}")
    assert overflows(page)[0] <= 0
    if size is DESK:
        assert overflows(page)[1] <= 0
    assert page.evaluate(f"[...document.querySelectorAll('{ROWS}')].every(n => n.scrollWidth <= n.clientWidth + 1)")


def test_by_keyboard_history_follows_live_and_focus_stays(site, browser, problems, signed_in):  # noqa: F811
    page = new_page(browser, problems)
    site.gate.histories["printer"] = DeviceHistory(
        name="printer",
        changes=[
            DeviceChange(state="ready", at=NOW, fault="DRV-PRN-001", remedy="Put paper in"),
            DeviceChange(state="ready", at=NOW - timedelta(hours=5)),
        ],
    )
    open_console(page, site, signed_in)
    site.change(devices=around())
    until(page, "document.querySelector('#devices-count').textContent === '3'")
    page.keyboard.press("d")
    assert page.evaluate("document.activeElement.id") == "devices-title"
    assert page.locator("#referral").is_hidden()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#devices-attention").get_attribute("aria-pressed") == "true"
    assert page.locator(ROWS).count() == 3
    printer = page.locator(ROWS).nth(1)
    printer.locator("button").focus()
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('.device-history:not([hidden]) li').length === 2")
    assert "DRV-PRN-001" in printer.locator(".device-history").inner_text()
    assert "Put a new paper roll in" in printer.locator(".device-history").inner_text()
    assert axe(page) == []
    shot(page, "devices-history")
    # Paper is put in: the device is well, leaves the filtered list, and its history has one more when all are shown.
    site.gate.histories["printer"] = DeviceHistory(
        name="printer",
        changes=[DeviceChange(state="ready", at=NOW + timedelta(seconds=9)), *site.gate.histories["printer"].changes],
    )
    site.change(devices=around(printer={"change_count": 3, "last_fault": "DRV-PRN-001", "last_fault_at": NOW}))
    until(page, f"document.querySelectorAll('{ROWS}').length === 2")
    page.click("#devices-every")
    until(page, "document.querySelectorAll('.device-history:not([hidden]) li').length === 3")
    assert site.gate.history_asked == ["printer", "printer"], "once when unfolded, once when it changed"
    fold = page.locator(f"{ROWS} button[aria-expanded=true]")
    fold.focus()
    site.change(devices=around(printer={"change_count": 3}, supply={}))
    until(page, "document.querySelector('#devices-count').textContent === '1'")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true", "the button is the same one"
    page.keyboard.press("Escape")
    assert page.locator("#devices-open").is_hidden()
    assert page.locator("#referral").is_visible()
    assert page.evaluate("document.activeElement.id") == "show-devices"


def test_a_new_fault_is_announced_and_a_gate_that_does_not_answer_is_told(site, browser, problems, signed_in):  # noqa: F811
    page = new_page(browser, problems)
    site.change(devices=around(printer={}, supply={}))
    open_console(page, site, signed_in)
    site.change(devices=around(supply={}))
    until(page, "document.querySelector('#news').textContent.includes('Receipt printer printer')")
    page.click("#show-devices")
    page.locator(ROWS).nth(1).locator("button").click()  # nobody kept a history of this one
    until(page, "document.querySelector('.device-history:not([hidden])').textContent === 'The gate does not answer'")
    assert "404" in problems.pop()


def test_a_referral_takes_the_place_of_the_devices(site, browser, problems, signed_in):  # noqa: F811
    page = new_page(browser, problems)
    open_console(page, site, signed_in)
    site.change(devices=around())
    page.keyboard.press("d")
    page.locator("#queue button").first.click()
    assert page.locator("#devices-open").is_hidden()
    assert page.locator("#referral").is_visible()
    assert page.locator("#show-devices").get_attribute("aria-expanded") == "false"


def test_what_a_device_is_called_is_shown_as_text(site, browser, problems, signed_in):  # noqa: F811
    page = new_page(browser, problems)
    open_console(page, site, signed_in)
    told = "<img src=x onerror=alert(1)>" + "W" * 400
    site.change(devices=around(printer={"fault": "DRV-XYZ-001", "remedy": told}))
    page.keyboard.press("d")
    until(page, "document.querySelector('#devices-groups').textContent.includes('<img src=x')")
    assert page.evaluate(f"[...document.querySelectorAll('{ROWS}')].every(n => n.scrollWidth <= n.clientWidth + 1)")
    assert overflows(page)[0] <= 0


@pytest.mark.parametrize("language", [*GUARD_SWEPT, PSEUDO_LANGUAGE])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_scans_and_power_are_told_where_they_matter(site, browser, problems, signed_in, language, size):  # noqa: F811
    page = new_page(browser, problems, size)
    open_console(page, site, signed_in, "guard-1", language)
    site.change(
        devices=around(supply={"figures": {"kind": "power", "charge": "43", "minutes": "12"}}),
        xray=[XrayView(scan_id="UTO-000115", decision="alarm", reported_at=NOW)],
        power=PowerView(state="battery", since=NOW, charge_percent=43, runtime_min=12),
    )
    until(page, "!document.querySelector('#power').hidden")
    assert page.locator("#xray .xray").count() == 1
    if language != PSEUDO_LANGUAGE:
        words = load_catalogues("guard", GUARD_LANGUAGES)[language]
        assert words.text("ui.power_works") in page.inner_text("#power")
        assert "43 %" in page.inner_text("#power")
    assert axe(page) == []
    shot(page, f"around-{language}-{size['width']}")
    assert overflows(page)[0] <= 0
    if size is DESK:
        assert overflows(page)[1] <= 0
    site.change(power=PowerView(state="stopping", since=NOW, charge_percent=12, runtime_min=2))
    until(page, "document.querySelector('#power').classList.contains('urgent')")
    assert axe(page) == []
    site.change(power=PowerView(state="mains", since=NOW))
    until(page, "document.querySelector('#power').hidden")
    if size is DESK:
        page.click("#show-devices")
        until(page, "document.querySelector('.device-figures:not([hidden])') !== null")
        assert "43" in page.inner_text(".device-figures:not([hidden])")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_traveller_asks_for_paper_and_is_told_what_became_of_it(site, browser, problems, size):  # noqa: F811
    page = new_page(browser, problems, size)
    site.change(
        instruction=Instruction.WALK_THROUGH,
        step=4,
        receipt={"stay_deadline": "2026-08-14", "reference": "7K2M-94QX"},
        printing="offered",
    )
    page.goto(f"{site.address}/lane/1/screen")
    assert axe(page) == []
    page.locator("#print button").click()
    until(page, "true")
    page.wait_for_timeout(300)
    assert [pressed.kind for pressed in site.gate.inputs] == ["print"]
    for printing, words in (
        ("printing", "being printed"),
        ("printed", "Take your receipt"),
        ("unavailable", "photograph this screen"),
    ):
        site.change(printing=printing)
        until(page, "text => document.querySelector('#paper').textContent.includes(text)", words)
        assert page.locator("#print").is_hidden()
        assert axe(page) == []
        assert overflows(page)[0] <= 0
    shot(page, f"paper-{size['width']}")
    site.change(instruction=Instruction.PRESENT_DOCUMENT, step=1, receipt={}, printing="")
    until(page, "document.querySelector('#paper').hidden")
    assert "photograph" not in httpx.get(f"{site.address}/lane/1/screen").text
