"""A family on twins, with a real agent: adult and child in one session, one release for both, records and receipts for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from central_sync.identity import read_signing_key
from drivers.contracts import Door
from gate_agent.clock import SystemClock
from gate_agent.demo.site import DemoSite
from gate_agent.demo.specimens import Specimen, specimen
from gate_agent.demo.stage import ENTRY, Stage
from gate_agent.domain.declaration import Direction, Relation, TravelMode
from gate_agent.web.portal.issue import CompanionFields, DeclarationFields, issue
from tests.scenario.lone_agent import agent_over, twins_at
from tests.scenario.officer import lane_api, release

pytestmark = [pytest.mark.portraits, pytest.mark.weights]

FAMILIES = "is_family = true\nfamily_sessions = true\npersons_limit = 4\n"


class FamilyGate:
    """A gate with a lane for families, and what its screen says."""

    def __init__(self, stage: Stage, site: DemoSite) -> None:
        self.stage, self.site = stage, site
        self.adult = specimen(5, site.today)
        born = site.today - timedelta(days=round(12.5 * 365.25))
        self.child = replace(specimen(6, site.today), portrait="biden", date_of_birth=born)

    def code(self, *children: Specimen, relation: Relation = Relation.CHILD) -> str:
        companions = tuple(
            CompanionFields("SPECIMEN CHILD", relation, one.date_of_birth, one.issuing_state, one.document_number)
            for one in children
        )
        fields = DeclarationFields(
            Direction.ENTRY, TravelMode.AIR, self.adult.issuing_state, self.adult.document_number, companions=companions
        )
        key = read_signing_key(self.site.provisioned.keys / "token_issuer.key")
        return issue(fields, key, SystemClock().now(), timedelta(hours=1)).text

    async def screen(self, *expected: str, seconds: float = 40.0) -> str:
        """Wait until the traveller's screen says one of these things."""
        async with lane_api(self.site) as client:
            shown = ""
            try:
                async with asyncio.timeout(seconds):
                    while shown not in expected:
                        shown = (await client.get(f"/v1/lanes/{ENTRY}/screen")).json()["instruction"]
                        await asyncio.sleep(0.03)
            except TimeoutError as error:
                referral = self.stage.view.lane(ENTRY).referral
                why = [reason.code for reason in referral.reasons] if referral else []
                raise AssertionError(f"the screen says {shown}, not {expected}: {why}") from error
        return shown

    async def documents(self) -> None:
        """Code, adult's document, child's document: the guard is asked once all of them are there."""
        twins = self.stage.twins(ENTRY)
        await self.stage.scan(ENTRY, self.code(self.child))
        await self.stage.present(ENTRY, self.adult)
        await self.screen("next_document")
        assert not twins.barrier.is_released(Door.ENTRANCE), "the child's document comes first"
        twins.take_away()
        await self.stage.present(ENTRY, self.child)


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[FamilyGate]:
    async with (
        twins_at(tmp_path) as (twins, ports),
        agent_over(twins, ports, tmp_path, lane=FAMILIES) as (stage, site),
    ):
        yield FamilyGate(stage, site)


async def one_by_one(walk: Callable[[], bool]) -> None:
    """Two people go through a door, each as soon as the board lets the next one pass."""
    async with asyncio.timeout(20):
        for _ in range(2):
            while not walk():
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)


async def test_a_child_crosses_with_the_adult_in_one_session(gate: FamilyGate) -> None:
    """The shipped calibration covers nobody under 18, so a guard looks at the child; his one release is for both."""
    stage = gate.stage
    twins = stage.twins(ENTRY)
    await gate.documents()
    referral = await release(stage, gate.site, ENTRY, "identity_confirmed")
    assert [reason.code for reason in referral.reasons] == ["face_age_not_covered", "party_together"]
    assert referral.document is not None
    assert referral.document.document_number == gate.child.document_number, "it is the child that he has to look at"
    await gate.screen("enter_together")
    await stage.door(ENTRY, Door.ENTRANCE)
    await one_by_one(twins.barrier.walk_in)
    twins.take_away()
    await stage.door(ENTRY, Door.EXIT)
    await one_by_one(twins.barrier.walk_out)
    ended = await stage.view.until(lambda gate: gate.recent[0] if gate.recent else None, 20.0, "the end")
    assert (ended.outcome, ended.decided_by) == ("released", "guard")
    assert not [
        one for one in (stage.view.snapshot.alarms if stage.view.snapshot else []) if "tailgating" in one.reason.code
    ]
    papers = stage.around.printer.receipts
    async with asyncio.timeout(20):
        while len(papers) < 2:
            await asyncio.sleep(0.05)
    assert len({paper.qr for paper in papers}) == 2, "a receipt for each"
    async with lane_api(gate.site) as client:
        for person in (gate.adult, gate.child):
            asked = {"issuing_state": "UTO", "document_number": person.document_number}
            found = (await client.post("/v1/receipts", json=asked)).json()["receipts"]
            assert len(found) == 1, "each has passed, and is found again"


async def test_a_third_person_is_a_stranger(gate: FamilyGate) -> None:
    stage = gate.stage
    await gate.documents()
    await release(stage, gate.site, ENTRY, "identity_confirmed")
    await stage.door(ENTRY, Door.ENTRANCE)
    stage.twins(ENTRY).barrier.walk_in(3)
    referral = await stage.view.referral(ENTRY)
    assert "second_person" in [reason.code for reason in referral.reasons]
    assert not stage.twins(ENTRY).barrier.is_released(Door.EXIT)


async def test_a_ward_is_the_guards_before_anybody_enters(gate: FamilyGate) -> None:
    await gate.stage.scan(ENTRY, gate.code(gate.child, relation=Relation.WARD))
    await gate.stage.present(ENTRY, gate.adult)
    referral = await gate.stage.view.referral(ENTRY)
    assert [reason.code for reason in referral.reasons] == ["custody_unclear"]
    assert not gate.stage.twins(ENTRY).barrier.is_released(Door.ENTRANCE)
