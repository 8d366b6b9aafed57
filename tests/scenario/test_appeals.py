"""Earned categories at the customs desk (A7): shown with what they come from, contested by the traveller, decided by an inspector."""

from __future__ import annotations

import asyncio
import os
import re
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from gate_agent.closing_order import Amount, ClosingOrder
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.selection import TrustCategory
from gate_agent.policy.trust_category import standing_of
from gate_agent.web import lane_api_messages as m
from tests.scenario.desk_gate import DeskClock, DeskGate, declaration, goods, person, sign_in

CAMERA = goods("camera", 1500, 2)
SHOTS = os.environ.get("EGATE_SHOTS", "")


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[DeskGate]:
    running = await DeskGate(tmp_path, DeskClock()).open()
    await running.serve()
    yield running
    await running.close()


async def inspected(gate: DeskGate, number: int, finding: InspectionFinding) -> uuid.UUID:
    """Let a traveller with goods over the allowance through, and let the desk close the task."""
    gate.clock.turn(minutes=10)
    stop = await gate.pass_through(declaration(f"UTO-{uuid.uuid4().hex[:8]}", CAMERA), person(number))
    due = (await gate.desk.stop(stop)).duty.due
    task = gate.tasks(stop)["customs"].task_id
    order = ClosingOrder(
        finding=finding, duty=Amount(amount_minor=due.amount_minor, currency=due.currency),
        act_number="A-1" if finding is InspectionFinding.FOUND else "",
    )  # fmt: skip
    answer = await gate.close_task(task, order, "customs-1")
    assert answer.accepted, answer
    return stop


async def category(gate: DeskGate, number: int) -> TrustCategory:
    holder, today = person(number), gate.clock.now().date()
    past = await gate.store.past_of(holder.issuing_state, holder.document_number, today - timedelta(days=30), 10)
    return standing_of(gate.rulebook, today, past.history).category


def page_of(client: httpx.Client, stop: uuid.UUID) -> str:
    answer = client.get(f"/desk/stops/{stop}")
    assert answer.status_code == 200, answer.text
    return answer.text


def appeal(client: httpx.Client, stop: uuid.UUID, reason: str, words: str = "the goods were a gift") -> httpx.Response:
    content = {
        "csrf": client.headers["x-csrf-token"],
        "action_id": str(uuid.uuid4()),
        "reason_code": reason,
        "words": words,
    }
    return client.post(f"/desk/stops/{stop}/appeal", data=content, follow_redirects=False)


async def test_what_the_desk_found_makes_the_category_and_a_granted_appeal_mends_it(gate: DeskGate) -> None:
    for _ in range(2):
        await inspected(gate, 1, InspectionFinding.FOUND)
        await inspected(gate, 2, InspectionFinding.NOTHING_FOUND)
    assert await category(gate, 1) is TrustCategory.ATTENTION
    assert await category(gate, 2) is TrustCategory.ORDINARY  # two clean ones are not three
    await inspected(gate, 2, InspectionFinding.NOTHING_FOUND)
    assert await category(gate, 2) is TrustCategory.TRUSTED

    stop = await gate.pass_through(declaration("UTO-9", CAMERA), person(1))
    client = await asyncio.to_thread(sign_in, gate.address, "customs-1")
    shown = await asyncio.to_thread(page_of, client, stop)
    assert "Customs category: attention" in shown
    assert "2 inspections count, 2 of them with a finding" in shown

    refused = await asyncio.to_thread(appeal, client, stop, "category_upheld", " ")
    assert refused.status_code == 403
    assert "needs the traveller&#39;s words" in refused.text
    noted = await asyncio.to_thread(appeal, client, stop, "category_noted")
    assert noted.status_code == 303
    assert await category(gate, 1) is TrustCategory.ATTENTION
    granted = await asyncio.to_thread(appeal, client, stop, "category_upheld")
    assert granted.status_code == 303
    assert await category(gate, 1) is TrustCategory.ORDINARY
    shown = await asyncio.to_thread(page_of, client, stop)
    assert "Customs category: ordinary" in shown
    assert "An appeal was granted (category) on 2026-06-15" in shown
    told = await gate.records("appeal")
    assert [(one.subject, one.upheld, one.officer_id) for one in told] == [
        ("trust_category", False, "customs-1"),
        ("trust_category", True, "customs-1"),
    ]
    assert all("gift" not in one.model_dump_json() for one in told)


async def test_only_customs_sees_the_category_and_decides_on_it(gate: DeskGate) -> None:
    for _ in range(2):
        await inspected(gate, 1, InspectionFinding.FOUND)
    lynx = goods("stuffed lynx", 900, 6, "wild_flora_fauna", 1)
    stop = await gate.pass_through(declaration("UTO-9", lynx), person(1))
    other = await asyncio.to_thread(sign_in, gate.address, "quarantine-1")
    assert "Customs category" not in await asyncio.to_thread(page_of, other, stop)
    answer = await asyncio.to_thread(appeal, other, stop, "category_upheld")
    assert answer.headers["location"] == "/desk?note=gone"
    now = gate.clock.now()
    for officer in ("quarantine-1", "guard-1", "technician-1"):
        payload = m.Authorisation(
            authorisation_id=uuid.uuid4(), source=gate.gate.source, lane_id=1, action=m.GuardAction.NOTE_APPEAL,
            subject_id=stop, reason_code="category_upheld", reason_text="words", session_id="session-1234",
            nonce=uuid.uuid4().hex, issued_at=now, expires_at=now + timedelta(seconds=30),
        ).model_dump_json()  # fmt: skip
        signature = m.OfficerSignature(
            officer_id=officer, signature_hex=gate.keys[officer].sign(payload.encode()).hex()
        )
        taken = await gate.source.act(m.SignedAuthorisation(payload=payload, authorisers=[signature]))
        assert not taken.accepted
    assert await category(gate, 1) is TrustCategory.ATTENTION
    assert await gate.records("appeal") == []


@pytest.mark.chromium
async def test_the_section_in_a_browser(gate: DeskGate) -> None:
    playwright = pytest.importorskip("playwright.async_api")
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        pytest.skip("chromium is not installed")
    for _ in range(2):
        await inspected(gate, 1, InspectionFinding.FOUND)
    stop = await gate.pass_through(declaration("UTO-9", CAMERA), person(1))
    client = await asyncio.to_thread(sign_in, gate.address, "customs-1")
    cookie = next(iter(client.cookies.jar))
    arguments = ["--disable-gpu"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
    async with playwright.async_playwright() as engine:
        browser = await engine.chromium.launch(executable_path=str(chromium), args=arguments)
        context = await browser.new_context(viewport={"width": 1366, "height": 768})
        await context.add_cookies([{"name": cookie.name, "value": cookie.value, "url": gate.address}])
        page = await context.new_page()
        await page.goto(f"{gate.address}/desk/stops/{stop}")
        await page.get_by_text("Note an appeal").click()
        for width in (1366, 390):
            await page.set_viewport_size({"width": width, "height": 844})
            room = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            assert room[0] <= room[1], width
            if SHOTS:
                await page.screenshot(path=f"{SHOTS}/desk-appeal-{width}.png", full_page=True)
        await page.get_by_label("The traveller's words").fill("a gift")
        await page.get_by_role("button", name="Sign and record").click()
        await page.get_by_text(re.compile("The appeal is recorded")).wait_for(timeout=20_000)
        await browser.close()
    assert len(await gate.records("appeal")) == 1
