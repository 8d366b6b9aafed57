"""Guard console and traveller screens in a real Chromium, over a gate that stands behind a real Unix socket."""

import asyncio
import json
import math
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import cv2
import httpx
import numpy as np
import pytest

from gate_agent.cli.console import console_app
from gate_agent.clock import SystemClock
from gate_agent.errors import AuthorityRefused
from gate_agent.lane.authorisation import ROLE_ACTIONS, AuthorisationVerifier, OfficerRecord, OfficerRole
from gate_agent.settings import ConsoleSettings, PathSettings, Settings
from gate_agent.web import lane_api_messages as m
from gate_agent.web.auth import OfficerProfile, offered_actions
from gate_agent.web.device_messages import DeviceHistory
from gate_agent.web.events import Broadcaster
from gate_agent.web.face_rates_messages import FaceRatesView, GroupRatioView, RateView
from gate_agent.web.fallback_messages import FallbackGateView, FallbackView
from gate_agent.web.formats import digits_text
from gate_agent.web.i18n import GUARD_LANGUAGES, PSEUDO_LANGUAGE, TRAVELLER_LANGUAGES, load_catalogues, pseudo_catalogue
from gate_agent.web.lane_api import UnknownLane, create_app
from gate_agent.web.officer_keys import create_officer_key, unlock_officer_key
from gate_agent.web.pages import serving
from gate_agent.web.stay_messages import StayOrphanView
from tests.browser.page_checks import DESK, PHONE, axe, new_page, overflows, shot
from tests.browser.swept import GUARD_SWEPT, TRAVELLER_SWEPT

pytestmark = pytest.mark.chromium

PASSWORD = "correct horse battery"
IDLE_LOCK_MIN = 5
ROLES = {
    "guard-1": "guard",
    "supervisor-1": "supervisor",
    "inspector-1": "customs_inspector",
    "technician-1": "technician",
}
HOSTILE = "<img src=x onerror=alert(1)>\u202egnp\u2028" + "W" * 4000


DEMANDED = (
    "mrz_check_digits", "expiry", "watchlist", "stay", "chip_access", "sod_signature", "certificate_chain",
    "certificate_revocation", "issuing_state", "chip_content", "chip_genuineness", "mrz_against_dg1", "face_comparison",
)  # fmt: skip


def drawn_portrait(tone: int, *, smile: bool) -> bytes:
    """A drawn stand-in for a portrait, never a photograph."""
    picture = np.full((480, 360, 3), (196, 186, 176), np.uint8)
    cv2.ellipse(picture, (180, 500), (170, 150), 0, 0, 360, (92, 78, 60), -1)
    cv2.rectangle(picture, (145, 300), (215, 380), (tone, tone + 20, tone + 55), -1)
    cv2.ellipse(picture, (180, 215), (95, 125), 0, 0, 360, (tone, tone + 24, tone + 60), -1)
    cv2.ellipse(picture, (180, 150), (100, 75), 0, 180, 360, (40, 44, 52), -1)
    for x in (143, 217):
        cv2.circle(picture, (x, 205), 9, (48, 40, 36), -1)
        cv2.line(picture, (x - 18, 182), (x + 18, 180), (40, 44, 52), 5)
    cv2.line(picture, (180, 210), (172, 252), (tone - 30, tone - 8, tone + 28), 4)
    cv2.ellipse(picture, (180, 285), (34, 14 if smile else 3), 0, 0, 180, (72, 62, 140), 4)
    return cv2.imencode(".jpg", cv2.GaussianBlur(picture, (5, 5), 0))[1].tobytes()


def check(name: str, outcome: str, code: str = "", ms: float = 12.0, **parameters: str) -> m.CheckView:
    reasons = [m.ReasonView(code=code, parameters=parameters)] if code else []
    return m.CheckView(check=name, outcome=outcome, reasons=reasons, duration_ms=ms)


def document(primary: str = "MUSTERPERSON", secondary: str = "ERIKA") -> m.DocumentView:
    lines = ["P<UTOMUSTERPERSON<<ERIKA<<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F3204159ZE184226B<<<<<10"]
    return m.DocumentView(
        format="TD3", document_code="P", issuing_state="UTO", document_number="L898902C3", nationality="UTO",
        primary_identifier=primary, secondary_identifier=secondary, date_of_birth="1974-08-12", sex="F",
        date_of_expiry="2032-04-15", lines=lines,
    )  # fmt: skip


def rate(errors: int, trials: int) -> RateView:
    share = errors / trials
    return RateView(
        errors=errors, trials=trials, rate=share, lower_bound=0.8 * share, upper_bound=1.3 * share or 3 / trials
    )


class Gate:
    """A gate of eight lanes in realistic states; answers the lane API and believes only signed authorisations."""

    def __init__(self, officers: dict[str, OfficerRecord]) -> None:
        self.changes: Broadcaster[int] = Broadcaster()
        self.sequence = 1
        self.received: list[m.Authorisation] = []
        self.inputs: list[m.TravellerInput] = []
        self.instruction, self.step, self.language = m.Instruction.PRESENT_DOCUMENT, 1, "en"
        self.remaining_s: float | None = None
        self.receipt: dict[str, str] = {}
        self.cue: m.CaptureCue | None = None
        self.read_percent: int | None = None
        self.speech = "none"
        self.other_lane: int | None = None
        self.minimum_officers: dict[Any, int] = {}
        self._nonces: set[str] = set()
        self.verifier = AuthorisationVerifier(
            "UTO/utopia-north/gate-1", officers, SystemClock(), self._remember, minimum_officers=self.minimum_officers
        )
        self.reset()

    def reset(self) -> None:
        now = datetime.now(UTC)
        ready = [("reader-1", "document_reader"), ("camera-1", "camera"), ("barrier-1", "barrier")]
        devices = [m.DeviceView(name=n, device_class=c, state="ready", since=now) for n, c in ready]
        faulty = [
            devices[0],
            m.DeviceView(
                name="camera-6", device_class="camera", state="fault", since=now, fault="DRV-CAM-002",
                remedy="Check the cable of the camera",
            ),
        ]  # fmt: skip
        states = ["idle", "inspecting", "referred", "passage_open", "referred", "faulted", "suspended", "idle"]
        self.transactions = [uuid.uuid4() for _ in states]
        self.devices: list[m.DeviceView] = []
        self.xray: list[m.XrayView] = []
        self.power: m.PowerView | None = None
        self.fallback: FallbackView | None = None
        self.printing = ""
        self.histories: dict[str, DeviceHistory] = {}
        self.history_asked: list[str] = []
        self.lanes = [
            m.LaneView(
                lane_id=number, direction="entry" if number <= 5 else "exit", mode="mantrap", state=state,
                state_since=now - timedelta(seconds=7 * number), transaction_id=self.transactions[number - 1],
                devices=faulty if state == "faulted" else devices, occupancy=1 if number in {2, 3, 5} else 0,
                corridor="green" if number == 4 else None,
            )
            for number, state in enumerate(states, 1)
        ]  # fmt: skip
        self.refer(3, waiting_s=21, document=document())
        self.refer(5, waiting_s=74, document=document("MUSTERMANN", "ERIK"), pictures=False)
        self.alarms = [
            m.AlarmView(
                alarm_id=uuid.uuid4(), lane_id=6, priority="medium", reason=m.ReasonView(code="camera_fault"),
                raised_at=now - timedelta(seconds=130),
            ),
        ]  # fmt: skip
        self.can_unlock_seals = False
        self.stay_orphans: list[StayOrphanView] = []
        self.tasks = [
            m.CustomsTaskView(
                task_id=uuid.uuid4(), transaction_id=uuid.uuid4(), lane_id=4, created_at=now - timedelta(seconds=40),
                declaration_reference="UTO-7K2M-94",
                reasons=[
                    m.ReasonView(
                        code="cash_over_threshold", parameters={"total": "12 400 USD", "threshold": "10 000 USD"}
                    )
                ],
            ),
        ]  # fmt: skip
        self.recent = [
            m.TransactionView(
                transaction_id=uuid.uuid4(), lane_id=number, outcome=outcome, decided_by=who, corridor=corridor,
                reasons=[m.ReasonView(code=code)], begun_at=now - timedelta(seconds=60 * number + 9),
                closed_at=now - timedelta(seconds=60 * number), software_ms=210.0,
            )
            for number, (outcome, who, corridor, code) in enumerate(
                [
                    ("released", "machine", "green", "all_checks_successful"),
                    ("handed_over", "guard", "yellow", "guard_decision"),
                    ("faulted", "machine", None, "document_reader_fault"),
                ],
                1,
            )
        ]  # fmt: skip
        self.rates = [
            FaceRatesView(
                lane_id=number, window_days=30, false_match_limit=0.001, verdict=verdict, comparisons=comparisons,
                needed_comparisons=9000, failure_to_acquire=rate(17, 2817),
                false_non_match=rate(34, 2800), false_match=rate(errors, comparisons) if comparisons else None,
                groups=[
                    GroupRatioView(
                        dimension="sex", rate="false_non_match", worst="F", best="M", ratio=2.4, at_least=1.3
                    ),
                    GroupRatioView(
                        dimension="nationality", rate="false_match", worst="UTO", best="XXK", ratio=None, at_least=0.2
                    ),
                ] if number == 1 else [],
            )
            for number, (verdict, comparisons, errors) in enumerate(
                [("within", 412_800, 38), ("not_enough", 320, 0), ("above", 96_000, 171), ("not_enough", 0, 0)], 1
            )
        ]  # fmt: skip
        self.link = m.LinkView(
            centre_online=True, since=now, backlog_records=0, oldest_age_s=0.0, last_ack_at=now - timedelta(seconds=3)
        )

    def refer(
        self, lane_id: int, *, waiting_s: float, document: m.DocumentView | None, pictures: bool = True
    ) -> uuid.UUID:
        transaction = self.transactions[lane_id - 1]
        face = check("face_comparison", "failed", "face_different", 212.0)
        reasons = [m.ReasonView(code="face_different"), m.ReasonView(code="token_expired")]
        if not pictures:
            face = check("face_comparison", "undetermined", "face_timeout", 10_000.0)
            reasons = [m.ReasonView(code="stay_overstayed", parameters={"days": "4"})]
        referral = m.ReferralView(
            transaction_id=transaction, waiting_since=datetime.now(UTC) - timedelta(seconds=waiting_s), reasons=reasons,
            checks=[
                check("mrz_check_digits", "successful"), check("expiry", "successful"), face,
                check("declaration_token", "undetermined", "token_expired"), check("watchlist", "successful"),
                check("stay", "failed", "stay_overstayed", days="4") if not pictures else check("stay", "successful"),
                check("seal", "not_supported"), check("passage", "aborted", "step_timeout", step="face"),
            ],
            document=document, has_probe=pictures, has_reference=True,
            comparison=m.ComparisonView(
                score=0.412, threshold=0.55, false_match_rate=1e-4, calibration_id="record-7", model_id="embedder-2",
                cohort_id="cohort-3", frames=5,
            ) if pictures else None, corridor="yellow",
            corridor_reasons=[m.ReasonView(code="rule_certainty_low", parameters={"rule": "uz.cash.3"})],
            declaration_reference="UTO-3F8Q-11", person_inside=True,
        )  # fmt: skip
        lane = self.lanes[lane_id - 1].model_copy(update={"state": "referred", "referral": referral})
        self.lanes[lane_id - 1] = lane
        return transaction

    def inspect(self, lane_id: int, checks: list[m.CheckView], chip: str = "running") -> None:
        """Let the inspection of a lane be as far as these checks; the other demanded ones are awaited."""
        done = {one.check for one in checks}
        awaited = [name for name in DEMANDED if name not in done]
        update = {"state": "inspecting", "checks": checks, "awaited": awaited, "chip": chip, "referral": None}
        self.lanes[lane_id - 1] = self.lanes[lane_id - 1].model_copy(update=update)

    def alarm_frames(
        self, lane_id: int, *, score: float | None = 0.91, suspected: bool = True, frames: int = 8
    ) -> None:
        """Let the referral of a lane be one that attack detection called for."""
        lane = self.lanes[lane_id - 1]
        referral = lane.referral
        assert referral is not None
        code = "presentation_attack_suspected" if suspected else "presentation_attack_no_result"
        found = m.CheckView(
            check="face_presentation", outcome="undetermined",
            reasons=[m.ReasonView(code=code), m.ReasonView(code="presentation_attack_unrated")],
            compared=[m.ComparedView(name="attack_score", found="0.91", expected="< 0.80")] if score else [],
        )  # fmt: skip
        update = {
            "checks": [*referral.checks, found], "frames": frames, "reasons": found.reasons,
            "attack": m.AttackView(score=score, alarm_score=0.8, mode="required", is_suspected=suspected),
        }  # fmt: skip
        changed = referral.model_copy(update=update)
        self.lanes[lane_id - 1] = lane.model_copy(update={"referral": changed})

    async def _remember(self, nonce: str, _until: datetime) -> bool:
        is_new = nonce not in self._nonces
        self._nonces.add(nonce)
        return is_new

    def changed(self) -> None:
        self.sequence += 1
        self.changes.publish(self.sequence)

    def snapshot(self) -> m.GateSnapshot:
        return m.GateSnapshot(
            sequence=self.sequence, source="UTO/utopia-north/gate-1", gate_id="gate-1", site="utopia-north", now=datetime.now(UTC),
            software_version="0.1.0", rulebook_version=12, watchlist_version=318, lanes=self.lanes, alarms=self.alarms,
            customs_tasks=self.tasks, can_unlock_seals=self.can_unlock_seals, stay_orphans=self.stay_orphans,
            link=self.link, recent=self.recent, face_rates=self.rates, devices=self.devices,
            xray=self.xray, power=self.power, fallback=self.fallback,
        )  # fmt: skip

    def screen(self, lane_id: int) -> m.ScreenState:
        if not 1 <= lane_id <= len(self.lanes):
            raise UnknownLane(lane_id)
        return m.ScreenState(
            lane_id=lane_id, sequence=self.sequence, instruction=self.instruction, step=self.step,
            language=self.language, remaining_s=self.remaining_s, receipt=self.receipt, cue=self.cue,
            read_percent=self.read_percent, printing=self.printing,
            speech=self.speech, other_lane=self.other_lane,
        )  # fmt: skip

    def device_history(self, name: str) -> DeviceHistory | None:
        self.history_asked.append(name)
        return self.histories.get(name)

    def image(self, transaction_id: uuid.UUID, kind: str) -> bytes | None:
        if transaction_id not in self.transactions:
            return None
        return drawn_portrait(150, smile=False) if kind == "reference" else drawn_portrait(138, smile=True)

    async def act(self, signed: m.SignedAuthorisation) -> m.ActionAnswer:
        try:
            verified = await self.verifier.verify(
                signed.payload, [(one.officer_id, one.signature_hex) for one in signed.authorisers]
            )
        except AuthorityRefused as refused:
            return m.ActionAnswer(accepted=False, code=refused.code, message=str(refused))
        order = m.Authorisation.model_validate_json(signed.payload)
        self.received.append(order)
        if order.transaction_id is not None:
            lane = self.lanes[order.lane_id - 1]
            self.lanes[order.lane_id - 1] = lane.model_copy(update={"referral": None, "state": "released"})
        self.alarms = [
            alarm.model_copy(update={"acknowledged_by": verified.officers[0].officer_id})
            if alarm.alarm_id == order.subject_id
            else alarm
            for alarm in self.alarms
        ]
        self.tasks = [task for task in self.tasks if task.task_id != order.subject_id]
        if order.action in {m.GuardAction.LOCKDOWN_LANE, m.GuardAction.END_LOCKDOWN}:
            stands = order.action is m.GuardAction.LOCKDOWN_LANE
            update = {"lockdown": stands, "state": "suspended" if stands else "idle"}
            self.lanes[order.lane_id - 1] = self.lanes[order.lane_id - 1].model_copy(update=update)
        if order.fallback_number is not None:
            self.fall_back(order, verified.officers[0].officer_id)
        self.changed()
        return m.ActionAnswer(accepted=True, code="accepted", message="done")

    def fall_back(self, order: m.Authorisation, officer_id: str) -> None:
        """Do as an order for the whole post says; one other gate has answered, one refuses, and one is away."""
        now, stands = datetime.now(UTC), order.action is m.GuardAction.BEGIN_FALLBACK
        others = [("gate-2", "acknowledged", ""), ("gate-3", "waiting", ""), ("gate-4", "refused", "EG-AUT-012")]
        self.fallback = FallbackView(
            number=order.fallback_number, stands=stands, since=now, gate=order.source, officers=[officer_id],
            reason_code=order.reason_code, reason_text=order.reason_text, post_answers=not stands,
            gates=[
                FallbackGateView(
                    gate=f"UTO/utopia-north/{gate}", state=state, at=None if state == "waiting" else now, refusal=code
                )
                for gate, state, code in others
            ],
        )  # fmt: skip
        update = {"fallback": stands, "state": "suspended" if stands else "idle"}
        self.lanes = [lane if lane.referral or lane.lockdown else lane.model_copy(update=update) for lane in self.lanes]

    async def traveller_input(self, lane_id: int, pressed: m.TravellerInput) -> bool:
        self.screen(lane_id)
        self.inputs.append(pressed)
        if pressed.kind == "language" and pressed.language is not None:
            self.language = pressed.language
        if pressed.kind == "speech":
            self.speech = "on" if self.speech == "off" else "off"
        if pressed.kind == "help":
            self.instruction = m.Instruction.HELP_IS_COMING
        self.changed()
        return True


class Site:
    """Gate, lane socket and console on a loop of their own thread."""

    def __init__(self, folder: Path, *, is_training: bool = False) -> None:
        (folder / "keys" / "officers").mkdir(parents=True)
        records = {}
        for officer_id, role in ROLES.items():
            content, public_key = create_officer_key(officer_id, PASSWORD)
            (folder / "keys" / "officers" / f"{officer_id}.json").write_bytes(content)
            records[officer_id] = OfficerRecord(public_key, OfficerRole(role), officer_id)
        self.socket = folder / "lane.sock"
        settings = Settings(
            gate={"training": is_training},
            paths=PathSettings(run=folder, keys=folder / "keys"),
            console=ConsoleSettings(idle_lock_minutes=IDLE_LOCK_MIN),
        )
        guards, travellers = (
            load_catalogues("guard", GUARD_LANGUAGES),
            load_catalogues("traveller", TRAVELLER_LANGUAGES),
        )
        self.travellers = dict(travellers)
        pseudo = pseudo_catalogue(guards["en"])
        self.app = console_app(
            settings,
            profile=lambda officer_id: (
                OfficerProfile(
                    officer_id, ROLES[officer_id], officer_id, offered_actions(ROLES[officer_id], ROLE_ACTIONS)
                )
                if officer_id in ROLES
                else None
            ),
            unlock=unlock_officer_key,
            guard_catalogues={**guards, pseudo.language: pseudo},
            traveller_catalogues=self.travellers,
        )
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.gate = Gate(records)
        self.console = AsyncExitStack()
        self.agent = AsyncExitStack()
        self.start_agent()
        self.address = self.do(self.console.enter_async_context(serving(self.app)))

    def do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def start_agent(self) -> None:
        self.gate.changes = Broadcaster()
        self.do(self.agent.enter_async_context(serving(create_app(self.gate), uds=self.socket)))

    def stop_agent(self) -> None:
        async def stop() -> None:
            self.gate.changes.close()
            await self.agent.aclose()

        self.do(stop())

    def change(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self.gate, name, value)
        self.loop.call_soon_threadsafe(self.gate.changed)

    def close(self) -> None:
        self.stop_agent()
        self.do(self.console.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    running = Site(tmp_path_factory.mktemp("site"))
    yield running
    running.close()


@pytest.fixture(autouse=True)
def fresh(site: Site) -> None:
    site.gate.received.clear()
    site.gate.inputs.clear()
    site.gate.minimum_officers.clear()
    site.gate.reset()
    site.change(
        instruction=m.Instruction.PRESENT_DOCUMENT,
        step=1,
        language="en",
        remaining_s=None,
        receipt={},
        cue=None,
        read_percent=None,
        speech="none",
        other_lane=None,
    )


def cookie_of(site: Site, officer_id: str) -> dict[str, str]:
    """Sign in as a script does: one JSON post."""
    answer = httpx.post(
        f"{site.address}/guard/login",
        json={"officer_id": officer_id, "password": PASSWORD},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    return {"cookie": answer.cookies["egate_session"], "csrf": answer.json()["csrf"]}


class Sessions:
    """Each officer's session, signed in anew where no test used it for a time: after `IDLE_LOCK_MIN` the console ends it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._used: dict[str, tuple[float, dict[str, str]]] = {}

    def __getitem__(self, officer_id: str) -> dict[str, str]:
        now_s = time.monotonic()
        used_s, session = self._used.get(officer_id, (-math.inf, {}))
        if now_s - used_s > IDLE_LOCK_MIN * 60 / 2:
            session = cookie_of(self._site, officer_id)
        self._used[officer_id] = (now_s, session)
        return session


@pytest.fixture(scope="module")
def signed_in(site: Site) -> Sessions:
    return Sessions(site)


def open_console(page: Any, site: Site, signed_in: Sessions, officer: str = "guard-1", language: str = "en") -> None:
    cookie = {"name": "egate_session", "value": signed_in[officer]["cookie"], "url": site.address}
    page.context.add_cookies([cookie])
    httpx.post(
        f"{site.address}/guard/language", data={"language": language}, cookies={"egate_session": cookie["value"]}
    )
    page.goto(f"{site.address}/guard")
    page.wait_for_selector("#lanes .lane")


def until(page: Any, expression: str, argument: Any = None) -> None:
    """Wait until an expression is true. (`wait_for_function` uses eval, which the policy of the pages forbids.)"""
    deadline = time.monotonic() + 8
    while not page.evaluate(expression, argument):
        assert time.monotonic() < deadline, f"never true: {expression} {argument}"
        page.wait_for_timeout(30)


# Guard console --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", [*GUARD_SWEPT, PSEUDO_LANGUAGE])
def test_console_fits_and_has_no_axe_violation(site, browser, problems, signed_in, language):
    page = new_page(browser, problems)
    open_console(page, site, signed_in, "supervisor-1", language)
    assert page.locator("#lanes .lane").count() == 8
    assert max(overflows(page)) <= 0
    for tile in page.locator("#lanes .lane").all():
        assert tile.evaluate("node => node.scrollWidth <= node.clientWidth + 1"), tile.inner_text()
    assert axe(page) == []
    shot(page, f"console-{language}-overview")
    page.locator("#queue button").nth(1).click()
    page.wait_for_selector("[data-answer]")
    assert axe(page) == []
    shot(page, f"console-{language}-pair")
    page.locator("#queue button").first.click()
    page.wait_for_selector("[data-action=release]")
    assert axe(page) == []
    assert max(overflows(page)) <= 0
    page.locator("[data-action=release]").click()
    assert axe(page) == []
    shot(page, f"console-{language}-dialog")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.wait_for_selector("#shortcut-dialog[open]")
    assert axe(page) == []


def test_sign_in_by_form_lock_and_sign_out(site, browser, problems):
    page = new_page(browser, problems)
    page.goto(f"{site.address}/guard")
    page.wait_for_url("**/guard/login")
    assert axe(page) == []
    shot(page, "console-sign-in")
    page.fill("#officer_id", "guard-1")
    page.fill("#password", "wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector(".note-error")
    assert page.locator(".note-error").inner_text() == "Officer ID or password is wrong"
    assert axe(page) == []
    assert "401" in problems.pop()
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("#lanes .lane")
    cookie = next(one for one in page.context.cookies() if one["name"] == "egate_session")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    page.keyboard.press("l")
    page.wait_for_url("**/guard/login?note=locked")
    assert page.locator("[role=status]").inner_text() == "The console is locked. Sign in again to go on"


def test_whole_referral_by_keyboard_pair_first(site, browser, problems, signed_in):
    page = new_page(browser, problems)
    open_console(page, site, signed_in)
    transaction = site.gate.transactions[2]
    page.keyboard.press("j")
    assert "Lane 5" in page.evaluate("document.activeElement.textContent")  # the one who waits longest
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-answer=same]")
    sizes = page.locator("#referral-open .crop").evaluate_all("all => all.map(n => [n.offsetWidth, n.offsetHeight])")
    assert len(sizes) == 2
    assert sizes[0] == sizes[1]
    before = httpx.get(
        f"{site.address}/guard/state",
        headers={"Accept": "application/json"},
        cookies={"egate_session": signed_in["guard-1"]["cookie"]},
    ).text
    assert "0.412" not in before  # no verdict leaves the server before the answer
    assert "does not match" not in page.inner_text("body")
    page.keyboard.press("2")
    page.wait_for_selector("[data-action=release]")
    sizes = page.locator("#referral-open .crop").evaluate_all("all => all.map(n => [n.offsetWidth, n.offsetHeight])")
    assert sizes[0] == sizes[1]
    text = page.inner_text("#referral-open")
    assert "MUSTERPERSON, ERIKA" in text
    assert "0.412" in text
    assert "threshold 0.550" in text
    assert "The live face does not match the portrait" in text
    looks = {
        name: page.locator(f".checks .outcome.{name}").first.evaluate(
            "n => [getComputedStyle(n).borderStyle, n.querySelector('use').getAttribute('href'), n.textContent]"
        )
        for name in ("failed", "undetermined")
    }
    assert all(one != other for one, other in zip(*looks.values(), strict=True))
    assert max(overflows(page)) <= 0
    shot(page, "console-reveal")
    assert axe(page) == []
    page.keyboard.press("h")
    page.wait_for_selector("#action-dialog[open]")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")  # continue
    page.wait_for_selector("#action-dialog .summary")
    shot(page, "console-confirm")
    page.keyboard.press("Enter")  # confirm
    page.wait_for_selector("#action-dialog:not([open])", state="attached")
    until(page, "document.querySelectorAll('#queue li').length === 1")
    (order,) = site.gate.received
    assert (order.action, order.transaction_id, order.lane_id) == (m.GuardAction.HAND_OVER, transaction, 3)
    assert (order.reason_code, order.face_assessment) == ("face_doubt", "different")
    assert order.expires_at - order.issued_at == timedelta(seconds=30)


@pytest.mark.parametrize("language", GUARD_SWEPT)
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_running_inspection_is_followed_by_keyboard_as_its_results_come(
    site, browser, problems, signed_in, language, size
):
    words = load_catalogues("guard", GUARD_LANGUAGES)[language]
    page = new_page(browser, problems, size)
    open_console(page, site, signed_in, language=language)
    zone = [check(name, "successful") for name in ("mrz_check_digits", "expiry", "watchlist", "stay")]
    site.gate.inspect(2, zone)
    site.change()
    until(page, "document.querySelectorAll('#lanes .group-marks:not([hidden]) li').length > 0")
    page.keyboard.press("w")
    page.wait_for_selector("#inspection-open:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "referral-title"
    groups = page.locator("#inspection-open .group-name").all_inner_texts()
    assert groups == [words.text(f"check_group.{name}") for name in ("document", "chip", "lists", "face")]
    assert page.locator("#inspection-open .outcome.pending").count() == 9, "eight of the chip and their group"
    shot(page, f"inspection-{language}-{size['width']}-begun")
    signed = [check(name, "successful") for name in ("sod_signature", "certificate_chain")]
    revoked = check("certificate_revocation", "undetermined", "revocation_unknown", country="UTO")
    differs = m.CheckView(
        check="mrz_infrared", outcome="failed", reasons=[m.ReasonView(code="mrz_infrared_faint")],
        compared=[m.ComparedView(name="comparison_score", found="0.12", expected=">= 0.40")],
    )  # fmt: skip
    copied = check("chip_genuineness", "not_supported", "chip_authentication_absent")
    torn = check("chip_access", "aborted", "chip_aborted", fault="DRV-CHP-003")
    face = check("face_comparison", "successful")
    site.gate.inspect(2, [*zone, *signed, revoked, differs, copied, torn, face])
    site.change()
    until(page, "document.querySelectorAll('#inspection-open .checks .outcome.failed').length === 1")
    for outcome in ("successful", "failed", "undetermined", "not_supported", "aborted", "pending"):
        assert page.locator(f"#inspection-open .checks .outcome.{outcome}").count() >= 1, outcome
    text = page.inner_text("#inspection-open")
    assert "0.12" in text
    assert words.text("check.mrz_infrared") in page.inner_text("#inspection-open .gaps")
    assert words.text("ui.held_back_note") in text
    assert words.text("check.face_comparison") not in text, "what the machine thinks of the face is not told beforehand"
    assert page.evaluate("document.querySelectorAll('#inspection-open .checks:not([hidden])').length") == 4
    if size is DESK:
        assert max(overflows(page)) <= 0
    else:
        assert overflows(page)[0] <= 0
    for node in page.locator("#inspection-open .checks li").all():
        assert node.evaluate("node => node.scrollWidth <= node.clientWidth + 1"), node.inner_text()
    assert axe(page) == []
    if size is PHONE:
        page.locator("#inspection-open").scroll_into_view_if_needed()
    shot(page, f"inspection-{language}-{size['width']}-further")
    state = httpx.get(
        f"{site.address}/guard/state",
        headers={"Accept": "application/json"},
        cookies={"egate_session": signed_in["guard-1"]["cookie"]},
    ).json()
    assert "face" not in json.dumps(state["lanes"][1]["inspection"]["groups"][-1]["checks"])
    site.gate.refer(2, waiting_s=1, document=document())
    site.change()
    page.wait_for_selector("#referral-open [data-answer=same]")
    assert page.locator("#inspection-open").is_hidden(), "who was followed is before the guard at once"
    page.keyboard.press("Escape")
    site.gate.inspect(2, zone, chip="awaited")
    site.change()
    until(page, "document.querySelectorAll('#lanes .group-marks:not([hidden]) li').length > 0")
    page.keyboard.press("w")
    page.wait_for_selector("#inspection-open:not([hidden])")
    assert words.text("ui.chip_awaited") in page.inner_text("#inspection-open")
    page.keyboard.press("Escape")
    page.wait_for_selector("#referral-none:not([hidden])")


@pytest.mark.parametrize("language", GUARD_SWEPT)
def test_printed_lines_are_corrected_by_keyboard_and_signed(site, browser, problems, signed_in, language):
    words = load_catalogues("guard", GUARD_LANGUAGES)[language]
    page = new_page(browser, problems)
    open_console(page, site, signed_in, language=language)
    lane = site.gate.lanes[4]
    site.gate.lanes[4] = lane.model_copy(update={"referral": lane.referral.model_copy(update={"can_correct": True})})
    site.change()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-action=correct_reading]")
    assert max(overflows(page)) <= 0
    page.keyboard.press("c")
    page.wait_for_selector("#action-dialog[open] #printed-lines")
    assert page.evaluate("document.activeElement.id") == "printed-lines"
    assert page.input_value("#printed-lines").splitlines() == document().lines
    assert axe(page) == []
    shot(page, f"correct-{language}")
    corrected = [document().lines[0], document().lines[1].replace("L898902C3", "L898902C8")]
    page.fill("#printed-lines", "\n".join(corrected).lower())
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_selector("#action-dialog .summary")
    assert page.inner_text("#action-dialog .mrz").split() == corrected
    assert axe(page) == []
    shot(page, f"correct-{language}-confirm")
    page.keyboard.press("Enter")
    page.wait_for_selector("#action-dialog:not([open])", state="attached")
    (order,) = site.gate.received
    assert (order.action, order.lines) == (m.GuardAction.CORRECT_READING, tuple(corrected))
    assert order.reason_code == "zone_read_by_eye"
    assert words.text("action.correct_reading")


CHIP_CHECKS = (
    "chip_access", "sod_signature", "certificate_chain", "certificate_revocation", "issuing_state", "chip_content",
    "chip_genuineness", "mrz_against_dg1",
)  # fmt: skip
RAW_CODE = re.compile(r"[A-Za-z]+_[a-z_]+|\{\w+\}|\(\)")


def compared_check(name: str, outcome: str, code: str, *pairs: tuple[str, str, str], **parameters: str) -> m.CheckView:
    compared = [m.ComparedView(name=pair, found=found, expected=expected) for pair, found, expected in pairs]
    return check(name, outcome, code, **parameters).model_copy(update={"compared": compared})


def judged_chip() -> list[m.CheckView]:
    """What the judge of chips says of a copy whose printed lines were changed, value by value."""
    return [
        compared_check("chip_access", "successful", "", ("access", "PACE", "PACE-ECDH-GM-AES-128")),
        compared_check("certificate_chain", "successful", "", ("SOD signer", "UT eac77b9f22b70c3c", "UT 46874c09ed1de6c1")),
        compared_check("issuing_state", "successful", "", ("issuing_state", "UTO", "UT")),
        compared_check("chip_content", "failed", "data_group_changed", group="DG2"),
        compared_check(
            "chip_genuineness", "failed", "chip_authentication_failed",
            ("AA", "not_supported", "successful"), ("CA", "failed", "successful"), ("CAM", "not_supported", "successful"),
            protocol="CA",
        ),
        compared_check(
            "mrz_against_dg1", "failed", "dg1_differs",
            ("secondary_identifier", "TRAVELLER<TWO", "TRAVELLER<TWICE"), ("sex", "<", "F"), field="secondary_identifier",
        ),
        *(check(name, "successful") for name in ("sod_signature", "certificate_revocation")),
        compared_check(
            "mrz_check_digits", "failed", "mrz_check_digit_wrong", ("document_number", "0", "9"),
            field="document_number", found="0", expected="9",
        ),
    ]  # fmt: skip


def refer_for(site: Site, checks: list[m.CheckView]) -> None:
    """Let lane 5 wait for a guard because of these checks, whose reasons policy says once each."""
    lane = site.gate.lanes[4]
    reasons: list[m.ReasonView] = []
    for one in checks:
        reasons += [why for why in one.reasons if one.outcome != "successful" and why not in reasons]
    reasons = reasons[:3]
    referral = lane.referral.model_copy(update={"checks": checks, "reasons": reasons})
    site.gate.lanes[4] = lane.model_copy(update={"referral": referral})
    site.change()


@pytest.mark.parametrize("language", GUARD_SWEPT)
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_what_a_chip_said_is_told_in_words(site, browser, problems, signed_in, language, size):
    words = load_catalogues("guard", GUARD_LANGUAGES)[language]
    page = new_page(browser, problems, size)
    open_console(page, site, signed_in, language=language)
    refer_for(site, judged_chip())
    page.locator("#queue button").first.click()
    page.wait_for_selector("#referral-open .checks .outcome.failed")
    text = page.inner_text("#referral-open .right")
    assert RAW_CODE.findall(text) == []
    lines = text.splitlines()
    genuineness = f"{words.text('protocol.CA').capitalize()}: {words.text('outcome.failed').lower()}"
    assert genuineness in lines, "what the chip offers, and nothing of what it does not"
    assert words.text("protocol.CAM") not in text
    assert words.text("value.document_number") not in text, (
        "its digit is no document number, and the reason has said it"
    )
    differing = words.text(
        "compared.mrz_against_dg1",
        name=words.text("value.secondary_identifier"), found="TRAVELLER<TWO", expected="TRAVELLER<TWICE",
    )  # fmt: skip
    assert differing in lines, "each pair of values on a line of its own"
    assert words.text("compared.chip_access", expected="PACE-ECDH-GM-AES-128") in lines
    assert RAW_CODE.findall(page.inner_text("#queue")) == []
    assert (max(overflows(page)) if size is DESK else overflows(page)[0]) <= 0
    assert axe(page) == []
    shot(page, f"chip-words-{language}-{size['width']}")


@pytest.mark.parametrize("language", ["en", "uz-Latn"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_plug_ins_row_stands_among_ours_in_its_own_words_and_says_whose_it_is(
    site, browser, problems, signed_in, language, size
):
    titles = {"en": "Stolen blanks", "uz-Latn": "Oʻgʻirlangan blankalar"}
    sentences = {"en": "The number lies in a series of blanks that was reported stolen"}
    plugin = m.PluginView(package="egate-example-check", version="0.1.0", family="combined", titles=titles, findings=sentences)  # fmt: skip
    said = {"check": "plugin.example_series", "finding": "stolen", "plugin_title": titles["en"], "plugin_sentence": sentences["en"]}  # fmt: skip
    found = check("plugin.example_series", "failed", "plugin_finding", **said).model_copy(
        update={"plugin": plugin, "compared": [m.ComparedView(name="series", found="X7766552", expected="outside X7766550-X7766559")]}
    )  # fmt: skip
    hung = check("plugin.other", "aborted", "plugin_timed_out", check="plugin.other", plugin_title="Watchlist").model_copy(
        update={"plugin": plugin.model_copy(update={"titles": {"en": "Watchlist"}, "family": ""})}
    )  # fmt: skip
    page = new_page(browser, problems, size)
    open_console(page, site, signed_in, language=language)
    refer_for(site, [check("mrz_check_digits", "successful"), check("watchlist", "successful"), found, hung])
    page.locator("#queue button").first.click()
    page.wait_for_selector("#referral-open .checks .outcome.failed")
    words = load_catalogues("guard", GUARD_LANGUAGES)[language]
    names = page.locator("#referral-open .check-name").all_inner_texts()
    assert (
        words.text("ui.plugin_check", title=titles[language], package="egate-example-check", version="0.1.0") in names
    )
    assert words.text("check.watchlist") in names, "one that calls itself so stands beside ours, with its package"
    assert page.inner_text("#referral-open").count(sentences["en"]) == 2, "above the checks and beside its own"
    assert RAW_CODE.findall(page.inner_text("#referral-open .right")) == []
    assert (max(overflows(page)) if size is DESK else overflows(page)[0]) <= 0
    assert axe(page) == []
    shot(page, f"plug-in-{language}-{size['width']}")


@pytest.mark.parametrize("language", GUARD_SWEPT)
def test_one_broken_read_is_told_once(site, browser, problems, signed_in, language):
    words = load_catalogues("guard", GUARD_LANGUAGES)[language]
    page = new_page(browser, problems)
    open_console(page, site, signed_in, language=language)
    refer_for(site, [check(name, "aborted", "chip_aborted", fault="DRV-CHP-001") for name in CHIP_CHECKS])
    page.locator("#queue button").first.click()
    page.wait_for_selector("#referral-open .checks .outcome.aborted")
    why = words.reason("chip_aborted", {"fault": "DRV-CHP-001"})
    assert words.text("fault.DRV-CHP-001") in why
    assert page.inner_text("#referral-open").count(why) == 2, "why the guard was called, and above the checks"
    assert page.inner_text("#referral-open .groups").count(why) == 1
    assert page.locator("#referral-open .checks .outcome.aborted").count() == len(CHIP_CHECKS)
    shot(page, f"chip-broken-{language}")


def test_the_lines_to_correct_fit_a_phone(site, browser, problems, signed_in):
    page = new_page(browser, problems, PHONE)
    open_console(page, site, signed_in)
    lane = site.gate.lanes[4]
    site.gate.lanes[4] = lane.model_copy(update={"referral": lane.referral.model_copy(update={"can_correct": True})})
    site.change()
    page.locator("#queue button").first.click()
    page.locator("[data-action=correct_reading]").click()
    page.wait_for_selector("#action-dialog[open] #printed-lines")
    lines = page.locator("#printed-lines")
    assert lines.evaluate("node => node.scrollWidth <= node.clientWidth"), "the guard would see half a line"
    assert lines.evaluate("node => [node.selectionStart, node.scrollHeight <= node.clientHeight]") == [0, True]
    assert axe(page) == []
    shot(page, "correct-phone")
    page.locator("#action-dialog input[name=reason]").first.check()
    page.locator("#action-dialog button[type=submit]").click()
    written = page.locator("#action-dialog .summary .mrz")
    written.wait_for()
    assert written.evaluate("node => node.scrollWidth <= node.clientWidth"), "he would sign half a line"
    labels = page.locator("#action-dialog .summary dt").all()
    assert all(label.evaluate("node => node.getClientRects()[0].height") < 30 for label in labels), (
        "letter under letter"
    )
    assert axe(page) == []
    shot(page, "correct-phone-confirm")


def test_shortcuts_rest_while_typing_and_can_be_switched_off(site, browser, problems, signed_in):
    page = new_page(browser, problems)
    open_console(page, site, signed_in)
    page.locator("#queue button").first.click()
    page.locator("[data-action=release]").click()
    page.locator("#action-dialog input[value=other]").check()
    page.locator("#remark").focus()
    page.keyboard.type("mall rh?12")
    assert page.locator("#remark").input_value() == "mall rh?12"
    assert page.locator("#mute").inner_text() == "Mute 15 min"
    assert page.url.endswith("/guard")
    assert site.gate.alarms[0].acknowledged_by == ""
    page.keyboard.press("Escape")
    page.evaluate("localStorage.setItem('egate-shortcuts', 'off')")
    page.keyboard.press("m")
    page.wait_for_timeout(100)
    assert page.locator("#mute").inner_text() == "Mute 15 min"
    page.evaluate("localStorage.removeItem('egate-shortcuts')")
    page.keyboard.press("m")
    until(page, "document.getElementById('mute').textContent.startsWith('Muted until')")


def test_alarm_acknowledged_and_tasks_of_the_border_shown_without_a_way_to_close_them(
    site, browser, problems, signed_in
):
    site.change(
        tasks=[
            site.gate.tasks[0],
            site.gate.tasks[0].model_copy(update={"task_id": uuid.uuid4(), "agency": "border"}),
        ]
    )
    page = new_page(browser, problems)
    open_console(page, site, signed_in)
    page.wait_for_selector("#tasks li")
    assert page.locator("#tasks li").count() == 1  # those of customs are at the desk
    assert page.locator("#tasks button").count() == 0
    assert page.locator("#desk-link").get_attribute("href") == "/desk"
    page.keyboard.press("a")
    page.wait_for_selector("text=Acknowledged by guard-1")
    assert [order.action.value for order in site.gate.received] == ["acknowledge_alarm"]


def test_second_officer_is_asked_for_when_policy_wants_one(site, browser, problems, signed_in):
    site.gate.minimum_officers["release"] = 2
    page = new_page(browser, problems)
    open_console(page, site, signed_in)
    page.locator("#queue button").first.click()
    page.locator("[data-action=release]").click()
    page.locator("input[value=document_examined]").check()
    page.keyboard.press("Enter")
    page.wait_for_selector("#action-dialog .summary")
    page.keyboard.press("Enter")
    page.fill("#second-id", "supervisor-1")
    page.fill("#second-password", PASSWORD)
    assert axe(page) == []
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('#queue li').length === 1")
    assert [order.action.value for order in site.gate.received] == ["release"]
    assert all("403" in one for one in problems)
    problems.clear()


def test_pressed_button_survives_updates_and_is_counted_once(site, browser, problems, signed_in):
    page = new_page(browser, problems)
    open_console(page, site, signed_in, "supervisor-1")
    button = page.locator(".lane").first.locator("button:visible").first
    button.evaluate("node => { node.marked = true; node.focus(); }")
    for _ in range(8):
        site.change()
        time.sleep(0.05)
    assert page.evaluate("document.activeElement.marked") is True
    page.mouse.move(*[button.bounding_box()[side] + 8 for side in ("x", "y")])
    page.mouse.down()
    site.change()
    time.sleep(0.2)
    page.mouse.up()
    page.wait_for_selector("#action-dialog[open]")
    page.locator("input[value=maintenance]").check()
    page.keyboard.press("Enter")
    page.locator("#action-dialog button[type=submit]").dblclick()
    page.wait_for_selector("#action-dialog:not([open])", state="attached")
    assert [order.action.value for order in site.gate.received] == ["suspend_lane"]


@pytest.mark.parametrize("language", GUARD_LANGUAGES)
def test_a_supervisor_locks_a_lane_down_and_ends_it_by_keyboard_alone(site, browser, problems, signed_in, language):
    title, state, end = {
        "en": ("Lock down lane 3: no door is released", "Lockdown: no door is released", "End lockdown"),
        "ru": ("Заблокировать полосу 3: двери не отпираются", "Блокировка: двери не отпираются", "Снять блокировку"),
        "uz-Latn": ("3-yoʻlakni qulflash: eshiklar ochilmaydi", "Qulflangan: eshiklar ochilmaydi", "Qulfdan chiqarish"),
        "uz-Cyrl": ("3-йўлакни қулфлаш: эшиклар очилмайди", "Қулфланган: эшиклар очилмайди", "Қулфдан чиқариш"),
    }[language]
    page = new_page(browser, problems)
    open_console(page, site, signed_in, "supervisor-1", language)
    tile = page.locator(".lane").nth(2)
    page.locator("#queue button").last.focus()
    page.keyboard.press("j")
    page.locator("#queue button", has_text="3").first.focus()
    page.keyboard.press("Enter")  # its referral is opened
    page.keyboard.press("x")
    assert page.locator("#action-title").text_content() == title
    page.locator("input[value=danger]").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_selector("#action-dialog .summary")
    assert site.gate.received == [], "one step orders nothing"
    shot(page, f"lockdown-confirm-{language}")
    page.keyboard.press("Enter")
    page.wait_for_selector("#action-dialog:not([open])", state="attached")
    page.wait_for_selector(".lane.locked")
    assert tile.locator(".lane-state").inner_text() == state
    assert tile.locator(".lane-lockdown").inner_text() == end
    assert axe(page) == []
    shot(page, f"lockdown-{language}")
    page.set_viewport_size(PHONE)
    tile.scroll_into_view_if_needed()
    shot(page, f"lockdown-phone-{language}")
    page.set_viewport_size(DESK)
    page.keyboard.press("x")
    page.locator("input[value=danger_over]").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_selector("#action-dialog .summary")
    page.keyboard.press("Enter")
    page.wait_for_selector(".lane.locked", state="detached")
    assert [(order.action.value, order.lane_id) for order in site.gate.received] == [
        ("lockdown_lane", 3),
        ("end_lockdown", 3),
    ]


@pytest.mark.parametrize("language", GUARD_LANGUAGES)
def test_a_supervisor_switches_the_whole_post_to_fallback_and_back(site, browser, problems, signed_in, language):
    begin, text, end = {
        "en": ("Fallback now", "Fallback of the whole post since ", "End fallback"),
        "ru": ("Ручной режим", "Ручной режим всего пункта с ", "Снять ручной режим"),
        "uz-Latn": ("Qoʻl rejimi", "Butun punktda ", "Qoʻl rejimini tugatish"),
        "uz-Cyrl": ("Қўл режими", "Бутун пунктда ", "Қўл режимини тугатиш"),
    }[language]
    page = new_page(browser, problems)
    open_console(page, site, signed_in, "supervisor-1", language)
    assert not page.locator("#fallback").is_visible()
    button = page.locator("#fallback-begin")
    assert button.inner_text() == begin
    button.click()
    page.locator("input[value=doubtful_results]").check()
    page.locator("#remark").fill("two readers")
    page.locator("#action-dialog button[type=submit]").click()
    page.wait_for_selector("#action-dialog .summary")
    assert site.gate.received == [], "one step orders nothing"
    shot(page, f"fallback-confirm-{language}")
    page.keyboard.press("Enter")
    page.wait_for_selector("#action-dialog:not([open])", state="attached")
    page.wait_for_selector("#fallback:not([hidden])")
    assert page.locator("#fallback-text").inner_text().startswith(text)
    assert "supervisor-1" in page.locator("#fallback-by").inner_text()
    assert "two readers" in page.locator("#fallback-by").inner_text()
    assert page.locator("#fallback .gates-waiting").first.inner_text().endswith(": gate-3")
    assert page.locator("#fallback .gates-waiting").count() == 2, "the post does not answer"
    assert "gate-4" in page.locator("#fallback .gates-refused").inner_text()
    assert ": gate-2 " in page.locator("#fallback .gates-acknowledged").inner_text()
    assert not button.is_visible()
    assert page.locator("#fallback-end").inner_text() == end
    tile = page.locator(".lane.by-hand").first
    assert tile.locator("button:visible").count() == 1, "nothing to resume: the lockdown alone"
    assert axe(page) == []
    assert max(overflows(page)) <= 0
    shot(page, f"fallback-{language}")
    page.set_viewport_size(PHONE)
    assert overflows(page)[0] <= 0
    shot(page, f"fallback-phone-{language}")
    page.set_viewport_size(DESK)
    page.keyboard.press("f")
    page.locator("input[value=fault_mended]").check()
    page.keyboard.press("Enter")
    page.wait_for_selector("#action-dialog .summary")
    page.keyboard.press("Enter")
    page.wait_for_selector(".lane.by-hand", state="detached")
    assert page.locator("#fallback").is_visible(), "its end has not reached every gate"
    shot(page, f"fallback-ended-{language}")
    assert [(order.action.value, order.fallback_number) for order in site.gate.received] == [
        ("begin_fallback", 1),
        ("end_fallback", 2),
    ]


@pytest.mark.parametrize("officer", ["guard-1", "technician-1"])
def test_who_may_not_switch_the_post_sees_how_it_stands_and_no_button(site, browser, problems, signed_in, officer):
    now = datetime.now(UTC)
    site.gate.fallback = FallbackView(
        number=1, stands=True, since=now - timedelta(days=1), gate="UTO/utopia-north/gate-2",
        officers=["supervisor-1"], reason_code="network_fault",
    )  # fmt: skip
    site.change()
    page = new_page(browser, problems)
    open_console(page, site, signed_in, officer)
    page.wait_for_selector("#fallback:not([hidden])")
    assert f"{now - timedelta(days=1):%Y-%m-%d}" in page.locator("#fallback-text").inner_text()
    assert "gate-2" in page.locator("#fallback-by").inner_text()
    assert not page.locator("#fallback-end, #fallback-begin").first.is_visible()
    page.keyboard.press("f")
    assert not page.locator("#action-dialog").is_visible()


def test_a_guard_orders_a_lockdown_and_finds_no_button_to_end_it(site, browser, problems, signed_in):
    page = new_page(browser, problems)
    open_console(page, site, signed_in)
    tile = page.locator(".lane").first
    page.keyboard.press("x")  # no lane is on the page: the choice among the buttons
    assert tile.locator(".lane-lockdown").evaluate("node => node === document.activeElement")
    page.keyboard.press("x")
    assert page.locator(".lane").nth(1).locator(".lane-lockdown").evaluate("node => node === document.activeElement")
    tile.locator(".lane-lockdown").click()
    page.locator("input[value=forced_door]").check()
    page.keyboard.press("Enter")
    page.wait_for_selector("#action-dialog .summary")
    page.keyboard.press("Escape")  # a change of mind
    page.wait_for_selector("#action-dialog:not([open])", state="attached")
    assert site.gate.received == []
    tile.locator(".lane-lockdown").click()
    page.locator("input[value=forced_door]").check()
    page.keyboard.press("Enter")
    page.wait_for_selector("#action-dialog .summary")
    page.keyboard.press("Enter")
    page.wait_for_selector(".lane.locked")
    assert tile.locator("button:visible").count() == 0
    assert [order.action.value for order in site.gate.received] == ["lockdown_lane"]


def test_lost_stream_is_shown_within_five_seconds_and_comes_back_whole(site, browser, problems, signed_in):
    page = new_page(browser, problems)
    open_console(page, site, signed_in)
    screen = new_page(browser, problems)
    screen.goto(f"{site.address}/lane/1/screen")
    until(screen, "document.getElementById('title').textContent.startsWith('Place your')")
    page.wait_for_timeout(2500)
    assert page.locator("#stale").is_hidden()  # signs of life alone keep the page fresh
    cut_at = time.monotonic()
    site.stop_agent()
    try:
        page.wait_for_selector("#stale:visible", timeout=6000)
        stale_s = time.monotonic() - cut_at
        until(screen, "document.getElementById('title').textContent === 'This screen is not working'")
        shot(page, "console-stale")
        shot(screen, "screen-not-connected")
        assert axe(page) == []
        assert stale_s <= 5.0
        site.gate.alarms = [site.gate.alarms[0].model_copy(update={"alarm_id": uuid.uuid4(), "lane_id": 2})]
    finally:
        site.start_agent()  # the tests after this one use it
    page.wait_for_selector("#stale", state="hidden")
    page.wait_for_selector("#alarms >> text=Lane 2")  # the alarm that came while nobody listened
    until(screen, "document.getElementById('title').textContent.startsWith('Place your')")
    problems[:] = [one for one in problems if "503" not in one and "ERR_" not in one]


def test_offline_banner_and_hostile_names(site, browser, problems, signed_in):
    now = datetime.now(UTC)
    site.gate.refer(5, waiting_s=90, document=document(HOSTILE, "<b>&amp;\x1b[31m"), pictures=False)
    site.gate.alarms[0] = site.gate.alarms[0].model_copy(update={"priority": "high"})
    offline = m.LinkView(
        centre_online=False, since=now - timedelta(minutes=14), backlog_records=231, oldest_age_s=838, last_ack_at=None
    )
    site.change(link=offline)
    page = new_page(browser, problems)
    open_console(page, site, signed_in)
    assert "231 records wait, oldest 13:58" in page.inner_text("#offline")
    page.locator("#queue button").first.click()
    page.wait_for_selector(".document-name")
    name = page.locator(".document-name").evaluate("node => node.textContent")
    assert name == f"{HOSTILE}, <b>&amp;\x1b[31m"
    assert page.locator(".document-name img").count() == 0
    assert max(overflows(page)) <= 0
    shot(page, "console-offline")
    assert axe(page) == []


@pytest.mark.parametrize("language", GUARD_SWEPT)
def test_a_lane_whose_intercom_is_used_says_so(site, browser, problems, signed_in, language):
    page = new_page(browser, problems)
    open_console(page, site, signed_in, language=language)
    catalogue = load_catalogues("guard", [language])[language]
    lanes = list(site.gate.lanes)
    for intercom in ("calling", "speaking"):
        site.change(lanes=[lanes[0].model_copy(update={"intercom": intercom}), *lanes[1:]])
        until(
            page,
            "t => document.querySelector('.lane-intercom').textContent === t",
            catalogue.text(f"intercom.{intercom}"),
        )
        assert page.locator(".lane-intercom").first.is_visible()
        assert max(overflows(page)) <= 0
        shot(page, f"console-intercom-{intercom}-{language}")
    assert axe(page) == []
    site.change(lanes=lanes)
    until(page, "[...document.querySelectorAll('.lane-intercom')].every(one => one.hidden)")


def test_console_on_a_phone_and_in_the_dark(site, browser, problems, signed_in):
    page = new_page(browser, problems, PHONE)
    open_console(page, site, signed_in)
    assert overflows(page)[0] <= 0
    page.locator("#queue button").first.click()
    page.wait_for_selector("[data-action=release]")
    assert overflows(page)[0] <= 0
    shot(page, "console-phone")
    dark = new_page(browser, problems, color_scheme="dark")
    open_console(dark, site, signed_in)
    dark.locator("#queue button").first.click()
    dark.wait_for_selector("[data-action=release]")
    assert axe(dark) == []
    shot(dark, "console-dark")


@pytest.mark.parametrize("language", [*GUARD_SWEPT, PSEUDO_LANGUAGE])
def test_referral_shows_whole_check_names_and_the_whole_mrz(site, browser, problems, signed_in, language):
    page = new_page(browser, problems)
    open_console(page, site, signed_in, "supervisor-1", language)
    page.locator("#queue button").first.click()
    page.wait_for_selector("[data-action=release]")
    # Words are broken between letters only when they do not fit: a name is as wide as its longest word, and more.
    broken = page.locator(".check-name, .outcome, .reasons li, .right .lane-row, .decide button, .age").evaluate_all(
        """all => all.filter(node => { const range = document.createRange();
          const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
          for (let text = walker.nextNode(); text; text = walker.nextNode())
            for (const word of text.data.matchAll(/[^\\s-]+/g)) {
              range.setStart(text, word.index); range.setEnd(text, word.index + word[0].length);
              if (range.getClientRects().length > 1) return true; }
          return false; }).map(node => node.textContent)"""
    )
    assert broken == []
    hidden = page.evaluate(
        """['.mrz', '.who', '[data-action=release]', '.stage-two .pair'].filter(name => {
          const box = document.querySelector(name).getBoundingClientRect();
          const at = document.elementFromPoint(box.left + 8, box.bottom - 4);
          return at === null || at.closest(name) === null; })"""
    )
    assert hidden == []
    assert page.locator(".mrz").evaluate("node => node.scrollWidth <= node.clientWidth")
    outcomes = page.locator(".checks .outcome").evaluate_all("all => all.map(node => node.dataset.outcome)")
    assert outcomes[0] == "failed"
    assert outcomes[-1] == "successful"


def test_recently_ended_transactions_are_listed(site, browser, problems, signed_in):
    page = new_page(browser, problems)
    open_console(page, site, signed_in)
    rows = [row.inner_text().split("\t") for row in page.locator("#recent tr").all()]
    assert [[row[1], row[2].strip(), row[3]] for row in rows] == [
        ["1", "Released", "Machine"],
        ["2", "Handed over", "Officer"],
        ["3", "Broken off by a fault", "Machine"],
    ]
    assert [row[-1] for row in rows] == ["9.0"] * 3
    assert "Yellow" in rows[1][4]
    assert "The document reader has a fault" in rows[2][5]
    page.locator("#queue button").first.click()
    page.wait_for_selector("[data-action=release]")
    assert page.locator("#recent-table").is_hidden()
    page.keyboard.press("Escape")
    assert page.locator("#recent-table").is_visible()


@pytest.mark.parametrize("language", [*GUARD_SWEPT, PSEUDO_LANGUAGE])
def test_the_supervisor_sees_the_error_rates_of_each_lane(site, browser, problems, signed_in, language):
    page = new_page(browser, problems)
    open_console(page, site, signed_in, "supervisor-1", language)
    summary = page.locator("#rates-title")
    assert summary.is_visible()
    assert not page.locator("#rates-rows tr").first.is_visible(), "closed until it is asked for"
    summary.focus()
    page.keyboard.press("Enter")
    rows = page.locator("#rates-rows tr")
    assert rows.count() == 4
    assert [row.get_attribute("class") or "" for row in rows.all()] == ["", "", "above", ""]
    if language == "en":
        assert " ".join(rows.nth(0).inner_text().split()) == (
            "1 1.2% 0.971% to 1.6% · 34 of 2800 0.009% 0.007% to 0.012% · 38 of 412800 within 0.100%"
            " 0.603% 0.483% to 0.785% · 17 of 2817"
            " Holder not recognised, sex: women / men: 2.4 times (at least 1.3 times)"
            " Stranger accepted, nationality: UTO / XXK: best without any error (no difference proven)"
        )
        assert "not enough: 320 of 9000 comparisons" in rows.nth(1).inner_text()
        assert "above 0.100%" in rows.nth(2).inner_text()
        assert "not counted" in rows.nth(3).inner_text()
    assert max(overflows(page)) <= 0
    assert axe(page) == []
    shot(page, f"console-{language}-rates")
    site.change(rates=[])
    until(page, "() => document.getElementById('rates').hidden")


def test_nobody_but_a_supervisor_is_sent_error_rates(site, browser, problems, signed_in):
    for officer_id, role in ROLES.items():
        answer = httpx.get(f"{site.address}/guard/state", cookies={"egate_session": signed_in[officer_id]["cookie"]})
        sees = {"guard", "supervisor", "technician"}
        assert answer.status_code == (200 if role in sees else 403), role
        if role in sees:
            assert (answer.json().get("rates") is not None) is (role == "supervisor"), role
    page = new_page(browser, problems)
    open_console(page, site, signed_in)
    assert not page.locator("#rates").is_visible()


def test_a_page_opened_in_a_quiet_hour_shows_the_gates_time_of_now(site, browser, problems, signed_in):
    site.change()
    time.sleep(3.2)  # nothing changes meanwhile: the newest state is that old
    page = new_page(browser, problems)
    open_console(page, site, signed_in)
    shown = page.inner_text("#clock")
    now = datetime.now(UTC)
    assert shown in {(now - timedelta(seconds=late)).strftime("%H:%M:%S") for late in range(3)}


def test_shortcuts_work_under_a_cyrillic_layout(site, browser, problems, signed_in):
    page = new_page(browser, problems)
    open_console(page, site, signed_in, language="ru")
    page.evaluate("dispatchEvent(new KeyboardEvent('keydown', {key: 'ь', code: 'KeyM', bubbles: true}))")
    until(page, "document.getElementById('mute').textContent.startsWith('Без звука до')")


def test_a_script_can_be_the_guard(site, signed_in):
    me = signed_in["guard-1"]
    client = httpx.Client(
        base_url=site.address, cookies={"egate_session": me["cookie"]}, headers={"Accept": "application/json"}
    )
    token = {"X-CSRF-Token": me["csrf"]}
    referral = next(one for one in client.get("/guard/state").json()["referrals"] if not one["revealed"])
    action = {
        "action_id": str(uuid.uuid4()), "action": "release", "lane_id": referral["lane_id"],
        "transaction_id": referral["transaction_id"], "reason_code": "face_compared_by_eye",
    }  # fmt: skip
    assert client.post("/guard/actions", json=action).status_code == 403  # no token
    early = client.post("/guard/actions", json=action, headers=token)
    assert (early.status_code, early.json()["code"]) == (403, "face_first")
    path = f"/guard/referrals/{referral['transaction_id']}/assessment"
    assert client.post(path, json={"answer": "same"}, headers=token).json() == {"assessment": "same"}
    assert client.post(path, json={"answer": "different"}, headers=token).json() == {"assessment": "same"}
    for _ in range(3):  # a repeated post is answered as the first
        done = client.post("/guard/actions", data={**action, "csrf": me["csrf"]})
        assert done.json() == {"accepted": True, "code": "accepted", "message": "done"}
    assert len(site.gate.received) == 1
    suspend = {"action_id": str(uuid.uuid4()), "action": "suspend_lane", "lane_id": 1, "reason_code": "safety"}
    assert client.post("/guard/actions", json=suspend, headers=token).json()["code"] == "EG-AUT-018"
    assert client.post("/guard/actions", json={"action": 1}, headers=token).status_code == 422
    assert client.post("/guard/actions", json=action, headers={**token, "Origin": "http://evil"}).status_code == 403
    client.close()
    assert httpx.get(f"{site.address}/guard/state").status_code == 401


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_frames_of_an_alarm_are_shown_after_the_pair_and_called_unrated(site, browser, problems, signed_in, size):
    site.gate.alarm_frames(3)
    site.change()
    page = new_page(browser, problems, size)
    open_console(page, site, signed_in)
    page.locator("#queue button").nth(1).click()
    page.wait_for_selector("[data-answer=unsure]")
    assert page.locator(".frames").count() == 0, "the pair comes first"
    assert "attack" not in page.inner_text("#referral").lower()
    page.locator("[data-answer=unsure]").click()
    page.wait_for_selector(".frames img")
    assert page.locator(".frames img").count() == 8
    until(page, "[...document.querySelectorAll('.frames img')].every(i => i.complete && i.naturalWidth > 0)")
    words = page.inner_text(".stage-two")
    for said in ("unrated", "0.91", "alarm from 0.80", "record-7", "embedder-2", "cohort-3", "0.0001", "5 frames"):
        assert said in words, said
    assert axe(page) == []
    assert overflows(page)[0] <= 0
    if size is DESK:
        assert max(overflows(page)) <= 0
        lines = page.locator(".frames button").evaluate_all("all => new Set(all.map(n => n.offsetTop)).size")
        assert lines == 1, "all eight side by side"
    third = page.locator(".frames button").nth(2)
    third.click()
    assert third.get_attribute("aria-pressed") == "true"
    assert page.locator(".pair img").first.get_attribute("src").endswith("/frame-3")
    assert page.locator(".pair figcaption").first.inner_text() == "Frame 3"
    third.click()
    assert page.locator(".pair img").first.get_attribute("src").endswith("/probe")
    shot(page, f"console-alarm-{size['width']}")


def test_attack_detection_without_a_result_says_so(site, browser, problems, signed_in):
    site.gate.alarm_frames(3, score=None, suspected=False, frames=3)
    site.change()
    page = new_page(browser, problems)
    open_console(page, site, signed_in)
    page.locator("#queue button").nth(1).click()
    page.locator("[data-answer=same]").click()
    page.wait_for_selector(".frames img")
    assert page.inner_text(".attack").split("\n")[-1] == "no result"
    assert "Best frames" in page.inner_text(".frames")


# Traveller screen -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", TRAVELLER_SWEPT)
def test_every_instruction_in_every_language(site, browser, problems, language):
    page, phone = new_page(browser, problems), new_page(browser, problems, PHONE)
    titles = set()
    catalogue = load_catalogues("traveller", [language])[language]
    for step, instruction in enumerate(m.Instruction):
        receipt = {"stay_deadline": "2026-08-14", "reference": "UTO-3F8Q-11"} if step == 8 else {}
        site.change(instruction=instruction, step=step % 5, language=language, receipt=receipt,
                    remaining_s=25.0 if step in {3, 5} else None)  # fmt: skip
        for view in (page, phone):
            if step == 0:
                view.goto(f"{site.address}/lane/1/screen")
            wanted = catalogue.text(f"instruction.{instruction}")
            until(view, "t => document.getElementById('title').textContent === t", wanted)
        titles.add(page.inner_text("#title"))
        assert page.locator("#help").is_visible()
        assert page.locator("html").get_attribute("lang") == language
        assert max(overflows(page)) <= 0, instruction
        assert overflows(phone)[0] <= 0, instruction
        assert axe(page) == [], instruction
        buttons = "[...document.querySelectorAll('button')].filter(b => b.offsetParent)"
        smallest = page.evaluate(f"Math.min(...{buttons}.flatMap(b => [b.offsetHeight, b.offsetWidth]))")
        assert smallest >= 60
        if language == "en" or instruction is m.Instruction.SHOW_DECLARATION:
            shot(page, f"screen-{language}-{step:02d}-{instruction.value}")
        if step in {0, 3, 14}:
            shot(phone, f"screen-phone-{language}-{instruction.value}")
    assert len(titles) == len(m.Instruction)
    assert axe(phone) == []
    assert page.evaluate("[...document.querySelectorAll('symbol')].length") == 0


def test_every_instruction_has_its_own_pictogram():
    sprite = Path(__file__).parents[2] / "gate_agent/web/static/traveller/pictograms.svg"
    symbols = ET.parse(sprite).getroot()
    drawn = [symbol.get("id") for symbol in symbols]
    assert len({ET.tostring(symbol) for symbol in symbols}) == len(drawn)
    others = {"help", "speech", "lane_hint"}
    assert set(drawn) == {*(one.value for one in m.Instruction), *(f"cue_{one}" for one in m.CaptureCue)} | others


@pytest.mark.parametrize("language", TRAVELLER_SWEPT)
def test_every_cue_in_every_language_one_at_a_time(site, browser, problems, language):
    page, phone = new_page(browser, problems), new_page(browser, problems, PHONE)
    catalogue, titles = load_catalogues("traveller", [language])[language], set()
    for number, cue in enumerate(m.CaptureCue):
        site.change(
            instruction=m.Instruction.LOOK_AT_CAMERA, step=3, language=language, remaining_s=6.0, receipt={}, cue=cue
        )
        for view in (page, phone):
            if number == 0:
                view.goto(f"{site.address}/lane/1/screen")
            until(view, "t => document.getElementById('title').textContent === t", catalogue.text(f"cue.{cue}"))
            assert view.inner_text("#detail") == catalogue.text(f"cue_detail.{cue}")
            assert view.locator("#pictogram use").get_attribute("href").endswith(f"#cue_{cue}")
            assert view.locator("#skip").is_visible() is (cue in m.CHALLENGE_CUES)
            assert view.locator("#help").is_visible()
            assert view.locator("#title").count() == 1
        region = page.locator("[aria-live=assertive]")
        assert region.get_attribute("aria-atomic") == "true"
        assert catalogue.text(f"cue.{cue}") in region.inner_text()
        titles.add(page.inner_text("#title"))
        assert max(overflows(page)) <= 0, cue
        assert overflows(phone)[0] <= 0, cue
        assert axe(page) == [], cue
        if language == "en":
            shot(page, f"cue-{number:02d}-{cue}")
        if cue in {m.CaptureCue.TOO_FAR_LEFT, m.CaptureCue.TURN_RIGHT}:
            shot(phone, f"cue-phone-{language}-{cue}")
    assert len(titles) == len(m.CaptureCue)
    site.change(cue=None)
    until(page, "t => document.getElementById('title').textContent === t", catalogue.text("instruction.look_at_camera"))
    site.change(instruction=m.Instruction.SEE_OFFICER, cue=m.CaptureCue.TOO_NEAR)
    until(page, "t => document.getElementById('title').textContent === t", catalogue.text("instruction.see_officer"))


@pytest.mark.parametrize("size", [DESK, PHONE, {"width": 800, "height": 1280}], ids=["desk", "phone", "kiosk"])
@pytest.mark.parametrize("language", TRAVELLER_SWEPT)
def test_the_traveller_sees_how_far_his_chip_is_read(site, browser, problems, language, size):
    words = load_catalogues("traveller", TRAVELLER_LANGUAGES)[language]
    view = new_page(browser, problems, size)
    site.change(instruction=m.Instruction.READING_CHIP, step=1, language=language, read_percent=35)
    view.goto(f"{site.address}/lane/1/screen")
    view.wait_for_selector("#share:not([hidden])")
    assert view.inner_text("#title") == words.text("instruction.reading_chip")
    assert view.evaluate("document.getElementById('share').value") == 35
    site.change(read_percent=80)
    until(view, "document.getElementById('share').value === 80")
    assert max(overflows(view)[0], 0) == 0
    assert axe(view) == []
    shot(view, f"chip-{language}-{size['width']}")
    site.change(instruction=m.Instruction.STAFFED_LANE, read_percent=None)
    until(view, "t => document.getElementById('title').textContent === t", words.text("instruction.staffed_lane"))
    assert view.locator("#share").is_hidden()
    assert axe(view) == []
    shot(view, f"staffed-{language}-{size['width']}")


def test_the_traveller_says_that_he_cannot_do_it(site, browser, problems):
    page = new_page(browser, problems)
    site.change(instruction=m.Instruction.LOOK_AT_CAMERA, step=3, cue=m.CaptureCue.TURN_LEFT)
    page.goto(f"{site.address}/lane/1/screen")
    page.locator("#skip button").click()
    deadline = time.monotonic() + 8
    while not site.gate.inputs:
        assert time.monotonic() < deadline
        page.wait_for_timeout(30)
    assert [one.kind for one in site.gate.inputs] == ["skip"]


@pytest.mark.parametrize("language", TRAVELLER_SWEPT)
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_traveller_asks_to_be_read_to_and_sees_that_he_is(site, browser, problems, size, language):
    page = new_page(browser, problems, size)
    site.change(instruction=m.Instruction.LOOK_AT_CAMERA, step=3, language=language, speech="off")
    page.goto(f"{site.address}/lane/1/screen")
    button = page.get_by_role("button", name=load_catalogues("traveller", [language])[language].text("ui.speech"))
    button.wait_for()
    assert button.get_attribute("aria-pressed") == "false"
    assert max(overflows(page)) <= 0
    assert axe(page) == []
    shot(page, f"screen-speech-off-{language}-{size['width']}")
    button.click()
    until(page, "document.querySelector('#speech button').getAttribute('aria-pressed') === 'true'")
    assert [one.kind for one in site.gate.inputs] == ["speech"]
    assert axe(page) == []
    shot(page, f"screen-speech-on-{language}-{size['width']}")
    for nothing_to_switch in ("always", "none"):
        site.change(speech=nothing_to_switch)
        until(page, "document.getElementById('speech').hidden")
        site.change(speech="off")
        until(page, "!document.getElementById('speech').hidden")


@pytest.mark.parametrize("language", TRAVELLER_SWEPT)
@pytest.mark.parametrize("size", [DESK, PHONE, {"width": 1080, "height": 1350}], ids=["desk", "phone", "kiosk"])
def test_the_lane_with_room_is_named(site, browser, problems, size, language):
    page = new_page(browser, problems, size)
    site.change(instruction=m.Instruction.PRESENT_DOCUMENT, step=1, language=language, other_lane=3, speech="off")
    page.goto(f"{site.address}/lane/1/screen")
    until(page, "/[3\u06f3]/.test(document.getElementById('lane_hint').textContent)")
    assert page.locator("#lane_hint").is_visible()
    assert max(overflows(page)) <= 0
    assert page.locator("#help").is_visible()
    assert axe(page) == []
    shot(page, f"screen-hint-{language}-{size['width']}")
    site.change(instruction=m.Instruction.FAMILY_LANE)
    wanted = load_catalogues("traveller", [language])[language].text("ui.lane", lane=digits_text("3", language))
    until(page, "t => document.getElementById('lane_hint').textContent.trim() === t", wanted)
    assert max(overflows(page)) <= 0
    site.change(other_lane=None)
    until(page, "document.getElementById('lane_hint').hidden")


def test_nothing_of_attack_detection_or_scores_reaches_the_traveller(site, browser, problems):
    site.gate.alarm_frames(3)
    page = new_page(browser, problems)
    site.change(instruction=m.Instruction.SEE_OFFICER, step=3)
    page.goto(f"{site.address}/lane/3/screen")
    said = page.content() + json.dumps(httpx.get(f"{site.address}/lane/3/screen").text)
    assert not re.search(r"attack|alarm|0[.]412|0[.]91|record-7|cohort|embedder", said, re.IGNORECASE)
    assert httpx.get(f"{site.address}/guard/images/{site.gate.transactions[2]}/frame-1").status_code in {303, 401}


def test_traveller_presses_help_language_and_more_time(site, browser, problems):
    page = new_page(browser, problems)
    site.change(instruction=m.Instruction.SHOW_DECLARATION, remaining_s=30.0)
    page.goto(f"{site.address}/lane/2/screen")
    until(page, "document.getElementById('remaining').textContent.includes('Seconds left')")
    page.locator("#nothing button").click()
    page.locator("#more button").click()
    page.locator(".languages button[value=ru]").click()
    until(page, "document.documentElement.lang === 'ru'")
    page.locator("#help").click()
    until(page, "document.getElementById('title').textContent === 'Помощь уже идёт'")
    kinds = [(one.kind, one.language) for one in site.gate.inputs]
    assert kinds == [("nothing_to_declare", None), ("more_time", None), ("language", "ru"), ("help", None)]


@pytest.mark.parametrize("size", [DESK, PHONE, {"width": 1080, "height": 1350}, {"width": 1080, "height": 1920}])
def test_help_stays_on_screen_in_one_line_whatever_the_receipt_holds(site, browser, problems, size):
    receipt = {
        "stay_deadline": "2026-08-14", "registration_deadline": "2026-05-02", "duty": "193907550.00 UZS",
        "reference": "UTO-3F8Q-11",
    }  # fmt: skip
    page = new_page(browser, problems, size)
    for language, written in (
        ("en", "14 August 2026"),
        ("kk", "2026\u202fж. 14 тамыз"),
        ("uz-Latn", "14-avgust, 2026"),
    ):
        site.change(instruction=m.Instruction.CUSTOMS_DESK, step=4, language=language, receipt=receipt)
        page.goto(f"{site.address}/lane/1/screen")
        until(page, "language => document.documentElement.lang === language", language)
        assert written in page.inner_text("#receipt")
        box = page.locator("#help").bounding_box()
        assert box["y"] + box["height"] <= size["height"]
        assert page.locator("#help span").evaluate("node => node.getClientRects().length") == 1
        assert overflows(page)[0] <= 0
        if size != PHONE:  # a screen in a lane is never scrolled
            for instruction in m.Instruction:
                site.change(instruction=instruction, receipt=receipt, remaining_s=25.0)
                wanted = load_catalogues("traveller", [language])[language].text(f"instruction.{instruction}")
                until(page, "t => document.getElementById('title').textContent === t", wanted)
                assert max(overflows(page)) <= 0, instruction


def test_traveller_screen_works_without_script(site, browser, problems):
    page = new_page(browser, problems, java_script_enabled=False)
    page.goto(f"{site.address}/lane/1/screen")
    assert page.locator("noscript meta").count() == 1 or "refresh" in page.content()
    page.locator("#help").click()
    page.wait_for_selector("h1 >> text=Help is coming")
    assert [one.kind for one in site.gate.inputs] == ["help"]
    assert page.goto(f"{site.address}/lane/31/screen").status == 404
    problems.clear()


def test_main_instruction_has_seven_to_one_contrast(site, browser, problems):
    page = new_page(browser, problems)
    page.goto(f"{site.address}/lane/1/screen")
    script = """name => { document.documentElement.className = name;
      const lum = c => { const [r, g, b] = c.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126*r + 0.7152*g + 0.0722*b; };
      const back = lum(getComputedStyle(document.body).backgroundColor);
      return ['title', 'detail'].map(id => { const ink = lum(getComputedStyle(document.getElementById(id)).color);
        return (Math.max(ink, back) + 0.05) / (Math.min(ink, back) + 0.05); }); }"""
    for layout in ("step", "emergency", "closed"):
        assert min(page.evaluate(script, layout)) >= 7.0, layout
