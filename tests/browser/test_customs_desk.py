"""The desks in a real Chromium, over a gate whose store, rulebook and signatures are real."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from drivers.contracts import DeviceClass, DeviceEvent, TagRead
from drivers.seal_commands import UnlockOutcome
from drivers.surroundings import XrayDecision, XrayReported
from gate_agent.clock import SystemClock
from gate_agent.web.i18n import GUARD_LANGUAGES, load_catalogues
from tests.browser.page_checks import DESK, PHONE, SHOTS, axe, new_page, overflows, shot
from tests.browser.swept import GUARD_SWEPT
from tests.scenario.desk_gate import DeskGate, declaration, goods, person, sign_in
from tests.unit.test_receipts import CODE

pytestmark = pytest.mark.chromium

NARROW = {"width": 320, "height": 700}
SIZES = [DESK, PHONE]
HOSTILE = "<img src=x onerror=alert(1)>\u202egnp" + "W" * 150
SEALS = ("9900000001", "9900000002")


class Desk:
    """A gate and its console on a loop of their own thread."""

    def __init__(self, folder: Path, *, is_training: bool = False) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.gate = DeskGate(folder, SystemClock())
        self.do(self.gate.open())
        if is_training:
            gate = self.gate.settings.gate.model_copy(update={"training": True})
            self.gate.settings = self.gate.settings.model_copy(update={"gate": gate})
        self.address = self.do(self.gate.serve())
        self.clients = {one: sign_in(self.address, one) for one in ("customs-1", "quarantine-1", "health-1", "guard-1")}

    def do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def red_with_lynx(self, reference: str, number: int, **changes: Any) -> Any:
        """A traveller who owes duty and needs a permit: customs and quarantine have a task each."""
        lines = (
            goods("camera", 1500, 2),
            goods("perfume set", 200, 1, "perfume", 2),
            goods("stuffed lynx", 900, 6, "wild_flora_fauna", 1),
        )
        return self.do(self.gate.pass_through(declaration(reference, *lines, **changes), person(number)))

    def close(self) -> None:
        for client in self.clients.values():
            client.close()
        self.do(self.gate.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    running = Desk(tmp_path_factory.mktemp("desk"))
    yield running
    running.close()


def signed_in(
    browser: Any, desk: Desk, problems: list[str], officer: str, size: dict[str, int] = DESK, **options: Any
) -> Any:
    page = new_page(browser, problems, size, **options)
    page.set_default_timeout(15_000)
    cookie = desk.clients[officer].cookies["egate_session"]
    page.context.add_cookies([{"name": "egate_session", "value": cookie, "url": desk.address}])
    return page


def speak(desk: Desk, officer: str, language: str) -> None:
    client = desk.clients[officer]
    assert client.post("/guard/language", data={"language": language}).status_code == httpx.codes.SEE_OTHER


@pytest.mark.parametrize("language", GUARD_LANGUAGES)
def test_queue_stop_and_both_steps_fit_and_have_no_axe_violation(desk, browser, problems, language):
    stop = desk.red_with_lynx(f"UTO-{language[:2].upper()}-01", 10_000_001)
    desk.do(desk.gate.pass_through(declaration("UTO-3F8Q-11", goods("coat", 1300, 2)), person(10_000_002)))
    speak(desk, "customs-1", language)
    page = signed_in(browser, desk, problems, "customs-1")
    page.goto(f"{desk.address}/desk")
    assert page.locator("#stops li").count() >= 2
    assert max(overflows(page)) <= 0
    assert axe(page) == []
    shot(page, f"desk-{language}-queue")
    page.goto(f"{desk.address}/desk/stops/{stop}")
    assert max(overflows(page)) <= 0
    assert axe(page) == []
    shot(page, f"desk-{language}-stop")
    page.locator("details.closing summary").first.click()
    assert axe(page) == []
    shot(page, f"desk-{language}-closing")
    page.locator("#nothing_found-customs").check()
    page.locator("details.closing[open] button").last.click()
    page.wait_for_selector(".review")
    assert axe(page) == []
    assert max(overflows(page)) <= 0
    shot(page, f"desk-{language}-review")
    speak(desk, "customs-1", "en")


@pytest.mark.parametrize("size", [PHONE, NARROW], ids=["phone", "narrow"])
def test_on_a_phone_everything_is_reached_without_scrolling_sideways(desk, browser, problems, size):
    stop = desk.red_with_lynx("UTO-PHONE-1", 10_000_003)
    page = signed_in(browser, desk, problems, "customs-1", size)
    for path in ("/desk", f"/desk/stops/{stop}"):
        page.goto(f"{desk.address}{path}")
        assert overflows(page)[0] <= 0, path
        assert axe(page) == []
    page.locator("details.closing summary").first.click()
    assert overflows(page)[0] <= 0
    page.locator("#nothing_found-customs").check()
    page.locator("details.closing[open] button").last.click()
    page.wait_for_selector(".review")
    assert overflows(page)[0] <= 0
    if SHOTS and size is PHONE:
        page.screenshot(path=f"{SHOTS}/desk-phone-review.png", full_page=True)
        page.goto(f"{desk.address}/desk/stops/{stop}")
        page.screenshot(path=f"{SHOTS}/desk-phone-stop.png", full_page=True)


def tab_to(page: Any, selector: str, *, most: int = 120) -> None:
    """Go forward with the Tab key until the element has the focus."""
    for _ in range(most):
        if page.evaluate("selector => document.activeElement?.matches(selector) ?? false", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached by keyboard")


def test_a_red_case_is_amended_and_closed_by_keyboard_alone(desk, browser, problems):
    stop = desk.red_with_lynx("UTO-KEYS-01", 10_000_004)
    page = signed_in(browser, desk, problems, "customs-1")
    page.goto(f"{desk.address}/desk")
    tab_to(page, f"#q-{stop}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/desk/stops/{stop}")
    tab_to(page, "details.closing summary")
    page.keyboard.press("Enter")
    tab_to(page, "[name=finding]")
    page.keyboard.press("ArrowDown")  # radio buttons: the arrow goes on and chooses
    page.keyboard.press("ArrowDown")
    assert page.locator("#amended-customs").is_checked()
    tab_to(page, "[name='amount-0']")
    page.keyboard.press("Control+a")
    page.keyboard.type("1 800,00")
    tab_to(page, "[name=act_number]")
    page.keyboard.type("A-17/26")
    page.keyboard.press("Enter")
    page.wait_for_selector(".review")
    assert "uz.charge.2020" in page.locator(".review").inner_text()
    due = page.locator("#duty").input_value()
    tab_to(page, "#duty")
    tab_to(page, ".review button")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/desk/stops/{stop}?note=task_closed")
    (record,) = [one for one in desk.do(desk.gate.inspections()) if one.transaction_id == stop]
    assert (record.finding, record.agency, record.act_number, record.is_last) == (
        "amended",
        "customs",
        "A-17/26",
        False,
    )
    assert record.goods[0].value.amount_minor == 180_000
    assert record.duty == record.duty_computed
    assert record.duty.amount_minor == round(float(due) * 100)
    assert axe(page) == []
    shot(page, "desk-one-task-closed")


def test_what_is_to_be_mended_stands_at_the_top_and_leads_to_its_field(desk, browser, problems):
    stop = desk.red_with_lynx("UTO-MEND-01", 10_000_005)
    page = signed_in(browser, desk, problems, "customs-1")
    page.goto(f"{desk.address}/desk/stops/{stop}")
    page.locator("details.closing summary").first.click()
    page.locator("#found-customs").check()
    page.locator("[name='amount-0']").fill("1,500")  # could be one and a half, or fifteen hundred
    page.locator("details.closing[open] button").last.click()
    page.wait_for_selector("[role=alert]")
    assert "422" in problems.pop()
    assert axe(page) == []
    shot(page, "desk-mend")
    page.locator("[role=alert] a[href^='#amount-0']").click()
    assert page.evaluate("document.activeElement.id").startswith("amount-0")
    assert page.locator("#found-customs").is_checked()
    assert page.locator("[name='amount-0']").input_value() == "1,500"


def test_the_screen_of_one_stop_closes_every_agencys_task(desk, browser, problems):
    """Customs closes its own; quarantine's officer comes to the same screen and signs there with his own key."""
    stop = desk.red_with_lynx("UTO-JOINT-1", 10_000_006)
    page = signed_in(browser, desk, problems, "customs-1")
    for agency in ("customs", "quarantine"):
        page.goto(f"{desk.address}/desk/stops/{stop}")
        page.locator("details.closing summary").first.click()
        page.locator(f"#nothing_found-{agency}").check()
        page.locator("details.closing[open] button").last.click()
        page.wait_for_selector(".review")
        if agency == "quarantine":
            page.locator("#second_officer_id").fill("quarantine-1")
            page.locator("#second_password").fill("correct horse battery")
            shot(page, "desk-other-officer")
        page.locator(".review button").first.click()
        page.wait_for_url("**?note=*_closed")
    assert page.url.endswith("/desk?note=stop_closed")
    shot(page, "desk-figures")
    assert axe(page) == []
    found = [one for one in desk.do(desk.gate.inspections()) if one.transaction_id == stop]
    assert [(one.agency, one.officer_id, one.is_last) for one in found] == [
        ("customs", "customs-1", False),
        ("quarantine", "quarantine-1", True),
    ]
    assert [officer.officer_id for officer in found[1].officers] == ["quarantine-1", "customs-1"]


@pytest.mark.parametrize("language", GUARD_SWEPT)
@pytest.mark.parametrize("size", SIZES, ids=["desk", "phone"])
def test_scans_and_seals_are_told_where_they_matter(desk, browser, problems, language, size):
    words, gate, now = load_catalogues("guard", GUARD_LANGUAGES)[language], desk.gate, desk.gate.clock.now()
    case = 2 * (len(SIZES) * GUARD_LANGUAGES.index(language) + SIZES.index(size))
    own, other = (f"UTO-XRAY-{case + place}" for place in range(2))
    first = desk.red_with_lynx(own, 10_000_020 + case, seal_ids=SEALS)
    second = desk.red_with_lynx(other, 10_000_021 + case)
    gate.around._seals.declared(first, SEALS)
    gate.around.take(DeviceEvent("tags", TagRead(bytes.fromhex(f"00{SEALS[0]}")), now, 0.0, 1))
    for scan_id, decision in ((own, XrayDecision.ALARM), ("UTO-000113", XrayDecision.UNDETERMINED), ("UTO-000114", XrayDecision.CLEAR)):  # fmt: skip
        gate.xray.take(XrayReported(scan_id, decision, f"images/{scan_id}.dcs"), now)
    speak(desk, "customs-1", language)
    page = signed_in(browser, desk, problems, "customs-1", size)
    page.goto(f"{desk.address}/desk/stops/{first}")
    (told, *_) = page.locator(".task .around").all()
    assert (told.locator("li").count(), told.locator(".xray.of-alarm").count()) == (3, 1)
    assert words.text("ui.xray_of_declaration") in told.inner_text()
    assert words.text("ui.xray_file", file=f"images/{own}.dcs") in told.inner_text()
    assert words.text("ui.seal_seen", seal=SEALS[0], time=f"{now:%H:%M}") in told.inner_text()
    assert words.text("ui.seal_not_seen", seal=SEALS[1]) in told.inner_text()
    assert overflows(page)[0] <= 0
    assert axe(page) == []
    shot(page, f"desk-{language}-around-{size['width']}")
    page.goto(f"{desk.address}/desk/stops/{second}")
    (told, *_) = page.locator(".task .around").all()
    assert (told.locator(".xray").count(), told.locator(".xray.of-alarm").count()) == (2, 0)
    assert told.inner_text().count(words.text("ui.xray_near")) == 2
    assert overflows(page)[0] <= 0
    assert axe(page) == []
    shot(page, f"desk-{language}-near-{size['width']}")
    speak(desk, "customs-1", "en")


class SealServer:
    """A server of seal trackers that tells every seal to open."""

    name, device_class, capabilities = "seals", DeviceClass.SEAL_TRACKER, frozenset({"seals", "unlock"})

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def unlock(self, seal_id: str) -> UnlockOutcome:
        self.asked.append(seal_id)
        return UnlockOutcome.CONFIRMED


@pytest.fixture
def seal_server(desk: Desk) -> Iterator[SealServer]:
    """A server at this gate from the moment that a test calls it in."""
    yield SealServer()
    desk.gate.seal_servers.clear()


def test_a_customs_inspector_unlocks_a_seal_where_the_gate_allows_it(desk, browser, problems, seal_server):
    stop = desk.red_with_lynx("UTO-SEAL-01", 10_000_011, seal_ids=SEALS[:1])
    page = signed_in(browser, desk, problems, "customs-1")
    page.goto(f"{desk.address}/desk/stops/{stop}")
    assert page.locator("details.closing").count() > 0
    assert page.locator("form.unlock").count() == 0
    desk.gate.seal_servers["seals"] = seal_server
    desk.loop.call_soon_threadsafe(desk.gate.source.changed)
    deadline_s = time.monotonic() + 8
    while not page.locator("form.unlock").count():
        assert time.monotonic() < deadline_s
        page.reload()
    assert SEALS[0] in page.locator("form.unlock").inner_text()
    assert axe(page) == []
    other = signed_in(browser, desk, problems, "quarantine-1")
    other.goto(f"{desk.address}/desk/stops/{stop}")
    assert other.locator("details.closing").count() > 0
    assert other.locator("form.unlock").count() == 0
    page.locator("form.unlock select").select_option("goods_to_inspect")
    page.locator("form.unlock button").click()
    page.wait_for_url(f"**/desk/stops/{stop}?note=unlocked")
    assert seal_server.asked == [SEALS[0]]
    said = [(one.event, one.officer_id) for one in desk.do(desk.gate.records("seal")) if one.seal_id == SEALS[0]]
    assert said == [("unlock_authorised", "customs-1")]


def test_a_new_traveller_appears_without_a_reload_and_the_focus_stays(desk, browser, problems):
    first = desk.red_with_lynx("UTO-LIVE-01", 10_000_007)
    page = signed_in(browser, desk, problems, "customs-1")
    page.goto(f"{desk.address}/desk")
    page.locator(f"#q-{first}").focus()
    time.sleep(0.3)
    second = desk.do(desk.gate.pass_through(declaration("UTO-LIVE-02", goods("watch", 4000)), person(10_000_008)))
    page.wait_for_selector(f"#q-{second}")
    assert page.evaluate("document.activeElement.id") == f"q-{first}"


def test_who_comes_while_the_page_loads_is_not_missed(desk, browser, problems):
    page = signed_in(browser, desk, problems, "customs-1")
    came: list[Any] = []

    def late(route: Any) -> None:
        """Let somebody pass after the page was made and before it listens."""
        line = goods("watch", 4000)
        came.append(desk.do(desk.gate.pass_through(declaration("UTO-LATE-01", line), person(10_000_011))))
        route.continue_()

    page.route("**/desk/changes", late)
    page.goto(f"{desk.address}/desk")
    page.locator("#stops").get_by_text("UTO-LATE-01").wait_for()
    assert page.locator(f"#q-{came[0]}").count() == 1


def test_hostile_words_are_text_and_the_layout_holds(desk, browser, problems):
    stop = desk.do(
        desk.gate.pass_through(
            declaration("UTO-HOSTILE", goods(HOSTILE, 2000)), person(10_000_009, primary_identifier=HOSTILE)
        )
    )
    page = signed_in(browser, desk, problems, "customs-1")
    page.goto(f"{desk.address}/desk/stops/{stop}")
    assert page.locator("main img").count() == 0
    assert max(overflows(page)) <= 0
    assert HOSTILE[:20] in page.locator("main").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_receipt_that_was_lost_is_found_and_read_by_day_and_by_night(desk, browser, problems, scheme):
    holder = person(10_000_012)
    desk.do(desk.gate.pass_through(holder=holder, receipt=CODE))
    page = signed_in(browser, desk, problems, "customs-1", color_scheme=scheme)
    page.goto(f"{desk.address}/guard/receipts")
    page.locator("[name=issuing_state]").fill(holder.issuing_state)
    page.locator("[name=document_number]").fill(holder.document_number)
    page.locator("form[action='/guard/receipts'] button").click()
    page.wait_for_selector("section.receipt")
    assert axe(page) == []
    assert overflows(page)[0] <= 0


def test_the_guard_console_leads_to_the_desk_and_shows_border_tasks_only(desk, browser, problems):
    weapon = desk.do(
        desk.gate.pass_through(declaration("UTO-GUN-001", goods("rifle", 900, 4, "weapon", 1)), person(10_000_010))
    )
    page = signed_in(browser, desk, problems, "guard-1")
    page.goto(f"{desk.address}/guard")
    page.wait_for_selector("#tasks li")
    assert page.locator("#tasks li").count() == 1
    assert "UTO-GUN-001" in page.locator("#tasks").inner_text()
    assert page.locator("#tasks button").count() == 0
    page.locator("#desk-link").click()
    page.wait_for_selector(f"#q-{weapon}")
    assert page.locator("#stops li").count() == 1
    assert axe(page) == []
