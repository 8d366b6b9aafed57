"""What each role may ask of the guard's console: every route, every role; and what the console sends to whoever keeps the machine only."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from gate_agent.domain.reasons import ReasonCode
from gate_agent.lane.authorisation import ROLE_ACTIONS, OfficerRole
from gate_agent.web.auth import OfficerProfile, offered_actions
from gate_agent.web.desk_messages import CustomsTaskView
from gate_agent.web.device_messages import DeviceView, XrayView
from gate_agent.web.events import Broadcaster
from gate_agent.web.guard.acting import Assessments
from gate_agent.web.guard.application import add_guard_console
from gate_agent.web.guard.receipts import add_receipts
from gate_agent.web.guard.requests import GuardDesk, session_of
from gate_agent.web.guard.rights import MACHINE_ALARMS, PARTS, Part, may_see
from gate_agent.web.i18n import load_catalogues
from gate_agent.web.lane_api_messages import (
    AlarmView,
    CheckView,
    DocumentView,
    GateSnapshot,
    LaneView,
    LinkView,
    ReasonView,
    ReferralView,
    TransactionView,
)
from gate_agent.web.receipt_messages import ReceiptQuery, ReceiptsFound
from gate_agent.web.stay_messages import StayOrphanView

NOW = datetime(2026, 6, 15, 9, tzinfo=UTC)
WORDS = load_catalogues("guard", ("en",))
REFERRED = uuid.UUID(int=7)
G, S, C, H, Q, T = "guard", "supervisor", "customs_inspector", "health_officer", "quarantine_officer", "technician"
MARKS = ("SPECIMEN", "X12345678", "SCAN-77", "987654", "WL-44", "camera sold", str(REFERRED))

ASKED: dict[tuple[str, str], tuple[dict[str, str], dict[str, int]]] = {
    ("GET", "/guard"): ({}, {G: 200, S: 200, T: 200, C: 303, H: 303, Q: 303}),
    ("GET", "/guard/state"): ({}, {G: 200, S: 200, T: 200}),
    ("GET", "/guard/events"): ({}, {G: 200, S: 200, T: 200}),
    ("GET", "/guard/devices/{name}/history"): ({}, {G: 404, S: 404, T: 404}),
    ("GET", "/guard/images/{transaction_id}/{kind}"): ({}, {G: 200, S: 200}),
    ("POST", "/guard/referrals/{transaction_id}/assessment"): ({"answer": "same"}, {G: 200, S: 200}),
    ("GET", "/guard/receipts"): ({}, {G: 200, S: 200, C: 200}),
    ("POST", "/guard/receipts"): ({"issuing_state": "UTO", "document_number": "X1"}, {G: 200, S: 200, C: 200}),
    # An action is signed: the agent refuses it by the signature's role, and this one is none.
    ("POST", "/guard/actions"): ({}, dict.fromkeys((G, S, C, H, Q, T), 422)),
    ("POST", "/guard/activity"): ({}, dict.fromkeys((G, S, C, H, Q, T), 204)),
    ("POST", "/guard/language"): ({"language": "en"}, dict.fromkeys((G, S, C, H, Q, T), 303)),
    ("POST", "/guard/lock"): ({}, dict.fromkeys((G, S, C, H, Q, T), 303)),
    ("POST", "/guard/logout"): ({}, dict.fromkeys((G, S, C, H, Q, T), 303)),
}
"""The table of docs/desk.md: what is posted, and the answer by role; a role that is not named is refused with 403."""

OPEN = {("GET", "/guard/login"), ("POST", "/guard/login")}
"""For whoever is not signed in yet."""


def snapshot() -> GateSnapshot:
    reason = ReasonView(code="all_checks_successful", parameters={})
    device = DeviceView(name="reader-1", device_class="document_reader", state="ready", since=NOW)
    document = DocumentView(
        format="TD3", document_code="P", issuing_state="UTO", document_number="X12345678", nationality="UTO",
        primary_identifier="SPECIMEN", secondary_identifier="ANNA", date_of_birth="1990-01-01", sex="F",
        date_of_expiry="2030-01-01", lines=["P<UTOSPECIMEN<<ANNA"],
    )  # fmt: skip
    referral = ReferralView(
        transaction_id=REFERRED, waiting_since=NOW, reasons=[reason], checks=[], document=document, has_probe=False,
        has_reference=True, corridor="red", person_inside=True,
    )  # fmt: skip
    lanes = [
        LaneView(
            lane_id=1, direction="entry", mode="mantrap", state="referred", state_since=NOW, transaction_id=REFERRED,
            corridor="red", referral=referral, devices=[device],
        ),
        LaneView(
            lane_id=2, direction="exit", mode="mantrap", state="inspecting", state_since=NOW, transaction_id=REFERRED,
            checks=[CheckView(check="watchlist", outcome="failed", reasons=[reason])], awaited=["stay"], chip="running",
        ),
    ]  # fmt: skip
    told = {"list": "WL-44", "entry": "7", "lane": "1", "at": "2026-06-14"}
    alarms = [
        AlarmView(alarm_id=uuid.uuid4(), lane_id=1, priority="high", raised_at=NOW, reason=ReasonView(code=code, parameters=told))
        for code in ("barrier_fault", "watchlist_rescreened_inside")
    ]  # fmt: skip
    task = CustomsTaskView(
        task_id=uuid.uuid4(), transaction_id=REFERRED, lane_id=1, created_at=NOW, declaration_reference="camera sold",
        reasons=[], agency="border", corridor="red",
    )  # fmt: skip
    orphan = StayOrphanView(
        stay_id=uuid.uuid4(), kind="exit_without_entry", entered_on=None, exited_on=date(2026, 6, 1), last_day=None,
        source="UTO/demo/gate-1", mark="987654",
    )  # fmt: skip
    recent = TransactionView(
        transaction_id=REFERRED, lane_id=1, outcome="referred", decided_by="machine", corridor="red", reasons=[reason],
        begun_at=NOW, closed_at=NOW, software_ms=None,
    )  # fmt: skip
    scan = XrayView(scan_id="SCAN-77", decision="alarm", file_reference="SCAN-77", reported_at=NOW)
    return GateSnapshot(
        sequence=1, source="UTO/demo/gate-1", gate_id="gate-1", site="demo", now=NOW, software_version="1",
        rulebook_version=1, watchlist_version=1, lanes=lanes, alarms=alarms, customs_tasks=[task], stay_orphans=[orphan],
        link=LinkView(centre_online=True, since=NOW, backlog_records=0, oldest_age_s=0.0, last_ack_at=None),
        recent=[recent], devices=[device], xray=[scan],
    )  # fmt: skip


class Link:
    """A gate that has somebody to look at."""

    def __init__(self) -> None:
        self.snapshot = snapshot()
        self.changes: Broadcaster[int] = Broadcaster(limit=8)
        self.asked: list[ReceiptQuery] = []

    def snapshot_now(self) -> GateSnapshot:
        return self.snapshot

    async def device_history(self, _name: str) -> None:
        return None

    async def image(self, _transaction: uuid.UUID, _kind: str) -> bytes:
        return b"jpeg"

    async def receipts(self, query: ReceiptQuery) -> ReceiptsFound:
        self.asked.append(query)
        return ReceiptsFound(receipts=[])


class Console:
    """The console's application, and whoever is signed in."""

    def __init__(self) -> None:
        self.link, self.app = Link(), FastAPI()
        sessions: Any = SimpleNamespace(touch=lambda _one: None, end=lambda _one: None, find=self._find)
        link: Any = self.link
        desk = GuardDesk(link, SimpleNamespace(), sessions, Assessments(), WORDS, SimpleNamespace())  # type: ignore[arg-type]
        add_guard_console(self.app, desk)
        add_receipts(self.app, desk)
        self.app.dependency_overrides[session_of] = lambda: self.session
        self.sign_in(G)

    def _find(self, _cookie: str) -> Any:
        """Return the session once: a stream tells the first state, and at its next look the console is locked."""
        self.looks += 1
        self.link.changes.publish(1)
        return self.session if self.looks == 1 else None

    def sign_in(self, role: str) -> None:
        officer = OfficerProfile(f"{role}-1", role, role, offered_actions(role, ROLE_ACTIONS))
        self.session = SimpleNamespace(
            language="en", officer=officer, csrf="right", cookie="", holds_csrf=lambda token: token == "right"
        )

    async def ask(self, method: str, path: str, posted: dict[str, str]) -> httpx.Response:
        self.looks = 0
        address = path.format(name="reader-1", transaction_id=REFERRED, kind="reference")
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://console") as client:
            data = {"csrf": "right", **posted} if method == "POST" else None
            return await client.request(method, address, data=data, headers={"origin": "http://console"})


@pytest.fixture
def console() -> Console:
    return Console()


def test_every_route_of_the_console_stands_in_the_table(console: Console) -> None:
    paths = console.app.openapi()["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert routes == ASKED.keys() | OPEN
    assert {role.value for role in OfficerRole} == PARTS.keys()


@pytest.mark.parametrize("role", [role.value for role in OfficerRole])
@pytest.mark.parametrize(("method", "path"), ASKED)
async def test_every_role_over_every_route(console: Console, role: str, method: str, path: str) -> None:
    posted, expected = ASKED[method, path]
    console.sign_in(role)
    answer = await console.ask(method, path, posted)
    assert answer.status_code == expected.get(role, 403), answer.text
    if answer.status_code == 303 and path == "/guard":
        assert answer.headers["location"] == "/desk"
    if not may_see(role, Part.PEOPLE):
        assert [mark for mark in MARKS if mark in answer.text] == []
    if role not in {G, S, C}:
        assert console.link.asked == []


@pytest.mark.parametrize("path", ["/guard/state", "/guard/events"])
async def test_the_technician_is_sent_the_machine_and_the_guard_everything(console: Console, path: str) -> None:
    def content(answer: httpx.Response) -> dict[str, Any]:
        lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
        found: dict[str, Any] = json.loads(lines[0] if path.endswith("events") else answer.text)
        return found

    shown = content(await console.ask("GET", path, {}))
    assert [mark for mark in MARKS if mark not in json.dumps(shown)] == [], "the marks are what a guard does see"
    console.sign_in(T)
    shown = content(await console.ask("GET", path, {}))
    assert [(lane["lane_id"], lane["state"], lane["action"]) for lane in shown["lanes"]] == [
        (1, "referred", "suspend_lane"),
        (2, "inspecting", "suspend_lane"),
    ]
    assert [device["name"] for lane in shown["lanes"] for device in lane["devices"]] == ["reader-1"]
    assert [device["name"] for device in shown["devices"]] == ["reader-1"]
    assert len(shown["alarms"]) == 1
    assert not any(lane[name] for lane in shown["lanes"] for name in ("referral", "inspection", "corridor"))
    assert not any(shown[name] for name in ("referrals", "tasks", "orphans", "recent", "xray", "rates"))


@pytest.mark.parametrize("role", [G, S])
async def test_a_stay_is_offered_for_correction_to_who_may_correct_it(console: Console, role: str) -> None:
    for actions, offered in ((offered_actions(role, ROLE_ACTIONS), "add_entry"), (frozenset(), "")):
        console.sign_in(role)
        console.session.officer = OfficerProfile("x", role, "x", actions)
        (orphan,) = (await console.ask("GET", "/guard/state", {})).json()["orphans"]
        assert orphan["adds"] == offered


def test_alarms_of_the_machine_are_causes_that_exist() -> None:
    assert {code.value for code in ReasonCode} >= MACHINE_ALARMS


async def test_an_unknown_role_sees_nothing(console: Console) -> None:
    console.sign_in("customs_inspector")
    console.session.officer = OfficerProfile("x", "somebody", "x", frozenset())
    for method, path in (
        ("GET", "/guard/state"),
        ("GET", "/guard/receipts"),
        ("GET", "/guard/images/{transaction_id}/{kind}"),
    ):
        assert (await console.ask(method, path, {})).status_code == 403


async def test_who_looked_for_a_receipt_is_in_the_log_and_for_whom_is_not(console: Console) -> None:
    console.sign_in(C)
    with capture_logs() as logs:
        await console.ask("POST", "/guard/receipts", {"issuing_state": "UTO", "document_number": "X12345678"})
    (line,) = [line for line in logs if line["event"] == "receipts_asked"]
    assert (line["officer"], line["found"]) == ("customs_inspector-1", 0)
    assert "X12345678" not in json.dumps(line)
