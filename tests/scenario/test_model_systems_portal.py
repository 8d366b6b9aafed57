"""What the model systems show of a traveller's own pages: A1 Japan's e-Gate, A2 Korea's UNI-PASS, A5 Dubai's E-Mirsal, and asking first."""

from __future__ import annotations

import html
import pickle
import re
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.cli.stubs import answers
from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.crossing import Corridor
from gate_agent.domain.declaration import DeclaredGoods, Direction, TravelMode
from gate_agent.domain.money import Money
from gate_agent.domain.reasons import ReasonCode
from gate_agent.inspection.declaration_token import CLOCK_SKEW, bind, verify_token
from gate_agent.policy.corridor import corridor
from gate_agent.policy.duty import duty
from gate_agent.web.formats import day_text
from gate_agent.web.portal.application import Kiosk, portal_app
from gate_agent.web.portal.housekeeping import Housekeeping
from gate_agent.web.portal.page_times import percentiles
from tests.scenario.portal_visit import (
    NOW,
    TRUSTED,
    HandClock,
    Visit,
    changes_of,
    open_book,
    portal,
    rulebook,
    visiting,
)
from tests.unit.utopian_documents import document

DAY = date(2026, 3, 5)


# A1 Japan Customs e-Gate


async def test_a1_japan_one_code_is_made_once_and_read_with_no_network(tmp_path: Path) -> None:
    clock = HandClock()
    async with visiting(portal(clock, open_book(tmp_path))) as visit:
        await visit.begin("goods")
        await visit.post("declare/goods", description_1="camera", value_1="300", mass="1")
        made = await visit.send()
        code = (await visit.get("declare/code.txt")).text.encode()
    holder = replace(document(1), issuing_state="UTO", document_number="L898902C3")
    spent = []
    for _ in range(50):
        started_s = time.process_time()
        reading = verify_token(code, TRUSTED, NOW)
        assert bind(reading, holder, already_used=False).outcome is CheckOutcome.SUCCESSFUL
        spent.append(time.process_time() - started_s)
    assert sorted(spent)[25] < 0.020
    assert reading.declaration == made
    for skew in (-CLOCK_SKEW, CLOCK_SKEW):
        assert verify_token(code, TRUSTED, NOW + skew).result.outcome is CheckOutcome.SUCCESSFUL
    for place in (4, len(code) // 2, len(code) - 1):
        flipped = code[:place] + bytes([code[place] ^ 1]) + code[place + 1 :]
        assert verify_token(flipped, TRUSTED, NOW).declaration is None
    assert [one.code for one in bind(reading, holder, already_used=True).reasons] == [ReasonCode.TOKEN_ALREADY_USED]
    assert bind(reading, holder, already_used=False).outcome is CheckOutcome.SUCCESSFUL, "an abandoned try used nothing"


async def test_a1_japan_nothing_to_declare_in_at_most_seven_questions(tmp_path: Path) -> None:
    """Who, direction, mode, document, children, what: six, on five pages; then the answers are sent."""
    asked: list[str] = []
    async with visiting(portal(HandClock(), open_book(tmp_path))) as visit:
        for page, fields in (
            ("eligibility", {"who": "private"}),
            ("trip", {"direction": "entry", "mode": "air"}),
            ("document", {"issuing_state": "UTO", "document_number": "L898902C3"}),
            ("companions", {"companions": "alone"}),
            ("carry", {"carry": "nothing"}),
        ):
            shown = (await visit.get(f"declare/{page}")).text
            asked += sorted(set(re.findall(r'<(?:input|select)[^>]* name="([a-z_]+)"', shown)) - {"form_token"})
            await visit.post(f"declare/{page}", **fields)
        assert (await visit.send()).nothing_to_declare
    assert asked == [
        "who", "direction", "mode", "document_number", "issuing_state", "companions", "carry",
    ]  # fmt: skip
    assert len(asked) <= 7


async def test_a1_japan_need_to_declare_is_three_questions_with_the_rules_own_figures() -> None:
    async with visiting(portal(HandClock())) as visit:
        shown = html.unescape((await visit.post("need", direction="entry", mode="air")).text)
        assert "more than 1,000\u00a0USD in all" in shown
        assert "100,000,000\u00a0UZS" in shown
        assert "fewer than 3 days" in shown
        assert "alcohol 2\u00a0l" in shown
        trip = {"direction": "entry", "mode": "air", "step": "exceptions"}
        assert "you need not declare" in (await visit.post("need", **trip, applies=["none"])).text
        yes = html.unescape((await visit.post("need", **trip, applies=["vehicles", "cash"])).text)
        assert "my own vehicle" in yes
        assert f"Rulebook version 1, rules of {day_text(DAY, 'en')}" in yes
        assert (await visit.post("need", **trip, applies=["none", "cash"])).status_code == 422
        walking = html.unescape((await visit.post("need", direction="exit", mode="foot")).text)
        assert "5,000\u00a0USD" in walking
        assert "alcohol" not in walking


async def test_a1_japan_unaccompanied_articles_stay_open_until_the_goods_come(tmp_path: Path) -> None:
    clock, book = HandClock(), open_book(tmp_path)
    async with visiting(portal(clock, book, rules="atlantis")) as visit:
        await visit.begin("unaccompanied")
        await visit.post("declare/unaccompanied", item="books", action="add")
        await visit.post("declare/unaccompanied", item="dishes")
        away = (await visit.send()).unaccompanied
    assert away is not None
    assert away.items == ("books", "dishes")
    assert away.deadline == DAY + timedelta(days=90)
    late = NOW + timedelta(days=91)
    assert [book.tidy(late, away.deadline + timedelta(days=n)) for n in (0, 1, 2)] == [0, 1, 0]
    read = answers(["RA473124828UT", "", f"ra473124829ut {away.stub_id.lower()}", "RA473124829UT"], book, clock, DAY)
    assert [one["result"] for one in read] == ["malformed", "closed", "closed"]


# A2 Korea UNI-PASS


async def test_a2_korea_no_declaration_is_the_default() -> None:
    """Whoever declares nothing fills nothing: no code, no screen, green by the rules; "nothing" stands first where it is asked."""
    answer = corridor(rulebook(), Direction.ENTRY, TravelMode.AIR, DAY, None)
    assert answer.corridor is Corridor.GREEN
    assert [one.code for one in answer.reasons] == [ReasonCode.NOTHING_DECLARED]
    async with visiting(portal(HandClock())) as visit:
        await visit.begin()
        choices = re.findall(r'name="carry" value="([a-z]+)"', (await visit.get("declare/carry")).text)
        assert choices[0] == "nothing"
        assert (await visit.post("declare/carry", carry="nothing")).headers["location"] == "/en/declare/check"


baskets = st.lists(
    st.builds(
        DeclaredGoods,
        st.just("goods"),
        st.builds(Money, st.integers(1, 200_000), st.just("USD")),
        st.integers(1, 20_000),
    ),
    min_size=1,
    max_size=6,
)


@given(baskets, st.sampled_from(["excess", "whole_item", "whole_value"]), st.sampled_from(["to_total", "to_each_item"]))
def test_a2_korea_highest_first_never_costs_more_than_as_entered(
    goods: list[DeclaredGoods], basis: str, floor: str
) -> None:
    book = rulebook()
    options = {**book.options, "excess_basis": basis, "floor_applies": floor}

    def due(order: str) -> int:
        ordered = replace(book, options={**options, "allowance_order": order})
        answer = duty(ordered, Direction.ENTRY, TravelMode.AIR, DAY, goods, 9)
        assert all(line.rule is not None or line.name for line in answer.lines), "each line is explained"
        return answer.due.amount_minor

    assert due("highest_charge_first") <= due("as_entered")


async def test_a2_korea_a_bottle_over_the_limit_is_explained() -> None:
    async with visiting(portal(HandClock())) as visit:
        fields = {
            "direction": "entry",
            "mode": "air",
            "days": "5",
            "kind_1": "alcohol",
            "quantity_1": "3",
            "value_1": "90",
            "mass_1": "3",
        }
        shown = html.unescape((await visit.post("limit", **fields)).text)
        assert "of these 30\u00a0USD are above the quantity that is free" in shown
        assert "Calculated with rulebook version 1" in shown


# A5 Dubai E-Mirsal 2


async def test_a5_dubai_the_time_to_declare_is_measured_by_page_and_stands_in_the_record(tmp_path: Path) -> None:
    clock, book = HandClock(), open_book(tmp_path)
    pages = portal(clock, book)
    async with visiting(pages) as visit:
        for person in range(20):
            visit.client.cookies.clear()
            await visit.post("declare/eligibility", who="private")
            for page, fields in (
                ("trip", {"direction": "entry", "mode": "air"}),
                ("document", {"issuing_state": "UTO", "document_number": f"L8989{person:02d}C3"}),
                ("companions", {"companions": "alone"}),
                ("carry", {"carry": "nothing"}),
            ):
                await visit.get(f"declare/{page}")
                clock.seconds += 5 + person % 4
                await visit.post(f"declare/{page}", **fields)
            await visit.get("declare/check")
            clock.seconds += 3
            made = await visit.send()
            assert made.filled_in_s == 4 * (5 + person % 4) + 3
    await Housekeeping(pages, book).keep()
    times = {one.page: one for one in percentiles(book.times())}
    assert (times["document"].answers, times["document"].p50_s, times["document"].p95_s) == (20, 6, 8)
    assert times["whole"].p95_s < 120, "Dubai's mark"
    assert set(times) == {"trip", "document", "companions", "carry", "check", "whole"}


async def test_a5_dubai_each_change_of_state_is_one_notice_in_order_after_a_crash_too(tmp_path: Path) -> None:
    clock, book = HandClock(), open_book(tmp_path)
    async with visiting(portal(clock, book, rules="atlantis")) as visit:
        await visit.begin("unaccompanied", "seals")
        await visit.post("declare/unaccompanied", item="books")
        await visit.post("declare/seals", seal="7201110001")
        made = await visit.send()
    assert made.unaccompanied is not None
    book = open_book(tmp_path)  # the first was never closed: the process died
    book.announce(NOW, made.unaccompanied.stub_id, "RA473124829UT")
    book.announce(NOW, made.unaccompanied.stub_id, "RA473124829UT")
    book.arrived(NOW, DAY, "RA473124829UT")
    assert changes_of(book) == [
        ("declaration", "issued"), ("stub", "opened"), ("stub", "announced"), ("goods", "arrived"), ("stub", "closed"),
    ]  # fmt: skip


async def test_a5_dubai_the_receipt_prints_and_verifies_with_the_public_key_only(tmp_path: Path) -> None:
    async with visiting(portal(HandClock(), open_book(tmp_path))) as visit:
        await visit.begin()
        made = await visit.send()
        receipt = (await visit.get("declare/receipt")).text
        text = re.search(r'class="text-code" dir="ltr">([^<]+)<', receipt)
        assert text is not None
        assert made.reference in receipt
        assert 'src="data:image/png;base64,' in receipt
        assert verify_token(html.unescape(text.group(1)).encode(), TRUSTED, NOW).declaration == made


# ask first


async def test_asking_first_leaves_store_and_memory_byte_for_byte_as_they_were(tmp_path: Path) -> None:
    clock, book = HandClock(), open_book(tmp_path)
    pages = portal(clock, book)
    async with visiting(pages) as visit:
        await visit.begin("goods")
        await visit.post("declare/goods", description_1="camera", value_1="300", mass="1")
        before = _everything(pages, tmp_path)
        visit.client.cookies.clear()
        for days in ("1", "5"):
            answer = await visit.post(
                "limit", direction="entry", mode="air", days=days, on_day="4", on_month="12", on_year="2023",
                kind_1="alcohol", quantity_1="2,5", value_1="40", mass_1="2.5", value_2="1200", mass_2="10",
                currency_1="USD", amount_1="15 000", currency_2="EUR", amount_2="1",
            )  # fmt: skip
            assert answer.status_code == 200
            assert "set-cookie" not in answer.headers
        assert (await visit.post("limit", direction="up")).status_code == 422
        assert (
            await visit.post("need", direction="entry", mode="air", step="exceptions", applies=["cash"])
        ).status_code == 200
        assert _everything(pages, tmp_path) == before


def _everything(pages: object, folder: Path) -> tuple[bytes, dict[str, bytes]]:
    held = {name: one.draft for name, one in pages.drafts._held.items()}  # type: ignore[attr-defined]
    return pickle.dumps(held), {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(("day", "over"), [(("5", "12", "2023"), "70,000,000"), (("6", "12", "2023"), "100,000,000")])
async def test_asking_first_resolves_rules_by_the_day_of_crossing(day: tuple[str, str, str], over: str) -> None:
    async with visiting(portal(HandClock())) as visit:
        fields = {"direction": "entry", "mode": "air", "currency_1": "UZS", "amount_1": "100 000 001"}
        shown = await visit.post("limit", **fields, on_day=day[0], on_month=day[1], on_year=day[2])
        assert f"more than {over}\u00a0UZS" in html.unescape(shown.text)


# the kiosk


async def test_the_kiosk_knows_the_crossing_and_nothing_of_the_one_before(tmp_path: Path) -> None:
    pages = portal(HandClock(), prefix="/kiosk", kiosk=Kiosk(Direction.ENTRY, TravelMode.AIR))
    gate = FastAPI()
    gate.mount("/kiosk", portal_app(pages))
    async with AsyncClient(transport=ASGITransport(gate), base_url="http://127.0.0.1") as client:
        visit = Visit(client, pages.clock, "kiosk/en")
        opened = await visit.post("declare/eligibility", who="private")
        assert opened.headers["location"] == "/kiosk/en/declare/document", "direction and mode are the gate's"
        assert opened.headers["set-cookie"].endswith("Path=/kiosk; SameSite=strict")
        await visit.post("declare/document", issuing_state="UTO", document_number="L898902C3")
        await visit.post("declare/companions", companions="alone")
        await visit.post("declare/carry", carry="nothing")
        shown = await visit.get("declare/check")
        assert shown.headers["refresh"] == "180; url=/kiosk/"
        assert "declare/save" not in shown.text
        assert (await visit.send()).direction is Direction.ENTRY
        assert (await client.get("/kiosk/en/")).status_code == 200
        assert (await visit.get("declare/receipt")).status_code == 410
        assert len(pages.drafts) == 0
