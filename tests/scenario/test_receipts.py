"""A7 and A8 number 6 and "receipt QR" of part F: whole crossings on twins, with a real agent, a real disk and the paper lost.

* A7: the registration deadline is on the receipt, beside the last day of the stay.
* A8, 6 (e-return of goods): proof for temporarily imported items is found by document and date; the re-export succeeds with the paper lost.
* F, "receipt QR": it verifies offline, with the public key only, and replaces the lost paper.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from central_sync.identity import read_signing_key
from drivers.printer.twin import Receipt as Paper
from gate_agent.clock import SystemClock
from gate_agent.demo.site import DemoSite, local_day
from gate_agent.demo.specimens import Specimen, specimen
from gate_agent.demo.stage import EXIT, Stage
from gate_agent.domain.declaration import DeclaredGoods, Direction, TravelMode
from gate_agent.domain.money import Money
from gate_agent.policy.registration import RegistrationDeadline, registration_deadline
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.web.guard.lane_link import LaneLink
from gate_agent.web.portal.issue import DeclarationFields, issue
from gate_agent.web.receipt_messages import ReceiptQuery, ReceiptView
from tests.scenario.lone_agent import agent_over, twins_at

pytestmark = [pytest.mark.portraits, pytest.mark.weights]

CAMERA = DeclaredGoods("film camera", Money(45_000, "USD"), 2_400, is_temporary=True, mark="SN 4711")


class Post:
    """A gate with an entry and an exit, and the traveller who lost his paper."""

    def __init__(self, stage: Stage, site: DemoSite, link: LaneLink) -> None:
        self.stage, self.site, self.link = stage, site, link

    def declare(self, person: Specimen, *goods: DeclaredGoods) -> str:
        fields = DeclarationFields(
            Direction.ENTRY, TravelMode.AIR, person.issuing_state, person.document_number, goods=goods
        )
        key = read_signing_key(self.site.provisioned.keys / "token_issuer.key")
        return issue(fields, key, SystemClock().now(), timedelta(hours=1)).text

    async def paper(self, before: int) -> Paper:
        return await self.stage.around.receipt(before)

    async def found(self, person: Specimen, *, on_its_day: bool = True) -> list[ReceiptView]:
        """What a guard finds who asks with the document in his hand."""
        day = self.site.today if on_its_day else self.site.today - timedelta(days=1)
        query = ReceiptQuery(issuing_state=person.issuing_state, document_number=person.document_number, local_date=day)
        return (await self.link.receipts(query)).receipts

    async def inspect(self, code: str, *options: str) -> dict[str, object]:
        """What anybody finds who has the code and the public key, in a folder with nothing else."""
        alone = self.site.folder / "offline"
        alone.mkdir(exist_ok=True)
        public = next(self.site.provisioned.keys.rglob("receipt.pub"))
        (alone / "receipt.pub").write_bytes(public.read_bytes())
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gate_agent", "inspect", "receipt", "--keys", str(alone), "--json", *options,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate(code.encode() + b"\n")
        answer: dict[str, object] = json.loads(out)
        return answer


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    async with twins_at(tmp_path) as (twins, ports), agent_over(twins, ports, tmp_path) as (stage, site):
        link = LaneLink(tmp_path / "run" / "lane.sock")
        yield Post(stage, site, link)
        await link.close()


async def test_a7_a8_6_and_f_the_receipt_is_signed_found_again_and_the_re_export_succeeds_with_the_paper_lost(
    post: Post,
) -> None:
    stage = post.stage
    person = specimen(5, local_day(SystemClock().now()))
    entered = await stage.cross(person, token=post.declare(person, CAMERA))
    assert entered.outcome == "released", entered
    paper = await post.paper(0)

    # F: offline, with the public key only
    answer = await post.inspect(paper.qr.decode())
    assert answer["result"] == "successful", answer
    told = answer["fields"]
    assert isinstance(told, dict)
    assert told["issuer"] == "UTO/demo/gate-1"
    assert told["temporary_items"] == [{"description": "film camera", "mark": "SN 4711"}]

    # A7: the registration deadline, as the calendar of the rulebook has it, and the last day of the stay
    book = parse_rulebook(json.loads(packaged_rulebook_bytes()))
    expected = registration_deadline(book, "UTO", post.site.today)
    assert isinstance(expected, RegistrationDeadline)
    assert told["registration_deadline"] == expected.last_day.isoformat()
    assert told["stay_deadline"] == (post.site.today + timedelta(days=29)).isoformat()

    # A8, 6: the paper is lost; document and date find the proof, and nothing else does
    del paper
    (again,) = await post.found(person)
    assert again.temporary_items == ["film camera SN 4711"]
    assert (again.stay_deadline, again.registration_deadline) == (
        post.site.today + timedelta(days=29),
        expected.last_day,
    )
    proof = await post.inspect(again.code, "--issuing-state", "UTO", "--document-number", person.document_number)
    assert proof["result"] == "successful", "what the gate finds is the very receipt, and this traveller's"
    assert await post.found(person, on_its_day=False) == []
    assert await post.found(specimen(6, post.site.today)) == []

    # and the way out asks for no paper
    printed = len(stage.around.printer.receipts)
    left = await stage.cross(person, lane_id=EXIT)
    assert left.outcome == "released", left
    farewell = await post.inspect((await post.paper(printed)).qr.decode())
    assert farewell["result"] == "successful"
    assert farewell["fields"]["direction"] == "exit"  # type: ignore[index]
    out, entry = await post.found(person)
    assert (out.direction, entry.code) == ("exit", again.code)


async def test_nobody_finds_receipts_by_anything_but_a_whole_document(post: Post) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(post.site.folder / "run" / "lane.sock"))
    async with httpx.AsyncClient(transport=transport, base_url="http://lane.sock") as client:
        for question in ({}, {"issuing_state": "UTO"}, {"issuing_state": "UTO", "document_number": "%"}):
            assert (await client.post("/v1/receipts", json=question)).status_code == 422
