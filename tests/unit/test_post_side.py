"""The agent's side of the post: only what the post signed, in its order, each once; silence is a fault with a remedy."""

import asyncio
import uuid
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync import signed
from central_sync.errors import PostFault
from central_sync.post.messages import SEALS_PURPOSE, FactPage, PostDevice, PostReport, SealNotice, SealPage
from gate_agent.app import post_side
from gate_agent.app.post_side import PostSide
from gate_agent.app.unlock_orders import UnlockOrders
from gate_agent.domain.reasons import ReasonCode
from gate_agent.errors import StoreFault
from gate_agent.store.facts import Taken
from tests.unit.hand_clock import NOW, HandClock

KEY, STRANGER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
LIFE = uuid.UUID(int=5)
REPORT = {
    "seal_id": "99",
    "kind": "rope_cut",
    "is_alarm": True,
    "device_time": None,
    "latitude": 1.0,
    "longitude": None,
}


class Exchange:
    def __init__(self) -> None:
        self.taken: Taken | None = Taken()
        self.forgotten = 0
        self.seal_place = (None, 0)

    async def take_page(self, _page) -> Taken | None:
        return self.taken

    async def place(self, what="facts"):
        return self.seal_place if what == "seals" else (None, 0)

    async def keep_seal_place(self, generation, through):
        self.seal_place = (generation, through)

    async def forget_expired(self) -> int:
        self.forgotten += 1
        raise StoreFault("full")


class Alarms:
    def __init__(self) -> None:
        self.raised = []

    async def raise_(self, reason) -> bool:
        self.raised.append(reason)
        return True


class Scene:
    def __init__(self) -> None:
        self.clock, self.exchange, self.alarms = HandClock(), Exchange(), Alarms()
        self.statuses, self.events, self.changes, self.heard_of_fallback = {}, [], [], 0
        self.orders = UnlockOrders("UTO/demo/gate-1", KEY.public_key(), self.clock, lambda: self.changes.append(2))
        self.side = PostSide(
            self.exchange, KEY.public_key(), self.statuses, {3: Alarms(), 2: self.alarms}, self.clock,
            report=self.events.append, changed=lambda: self.changes.append(1), orders=self.orders,
            told_of_fallback=self.hear_of_fallback,
        )  # fmt: skip

    async def hear_of_fallback(self) -> None:
        self.heard_of_fallback += 1

    @property
    def post(self):
        return self.statuses["post"]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def page(after=0, *reports, generation=LIFE, key=KEY, age_s=0.0) -> bytes:
    notices = [
        SealNotice(seq=after + number, device="seals", age_s=age_s, report=report)
        for number, report in enumerate(reports, 1)
    ]
    content = SealPage(generation=generation, after=after, through=after + len(reports), notices=notices)
    return signed.sign(SEALS_PURPOSE, content.model_dump_json().encode(), key)


async def test_reports_become_events_with_their_age(scene):
    place = await scene.side.take_seals(page(0, REPORT, age_s=3600.0))
    (event,) = scene.events
    assert (event.device, event.data.kind, event.t_wall) == ("post/seals", "rope_cut", NOW - timedelta(hours=1))
    assert (place.seals_generation, place.seals_after) == (LIFE, 1)


async def test_a_page_is_taken_once_and_only_where_the_gate_stands(scene):
    await scene.side.take_seals(page(0, REPORT, REPORT))
    await scene.side.take_seals(page(0, REPORT, REPORT))
    await scene.side.take_seals(page(7, REPORT))
    assert len(scene.events) == 2
    await scene.side.take_seals(page(2, REPORT))
    assert [event.seq for event in scene.events] == [1, 2, 3]
    await scene.side.take_seals(page(0, REPORT, generation=uuid.UUID(int=6)))
    assert len(scene.events) == 4


@pytest.mark.parametrize(
    "wire",
    [page(0, REPORT, key=STRANGER), b"", page(0, REPORT)[:-1], signed.sign("egate-fact-1", b"{}", KEY)],
    ids=["stranger", "empty", "cut", "other-purpose"],
)
async def test_what_the_post_did_not_sign_changes_nothing(scene, wire):
    with pytest.raises(PostFault):
        await scene.side.take_seals(wire)
    assert scene.events == []


async def test_a_page_that_cannot_be_read_is_refused_and_one_bad_report_skipped(scene):
    with pytest.raises(PostFault):
        await scene.side.take_seals(signed.sign(SEALS_PURPOSE, b'{"after":', KEY))
    await scene.side.take_seals(page(0, {"seal_id": "99"}, REPORT))
    assert len(scene.events) == 1


async def test_a_silent_post_is_a_fault_until_it_speaks(scene, monkeypatch):
    monkeypatch.setattr(post_side, "_LOOK_S", 0.001)
    assert scene.post.state == "starting"
    watching = asyncio.create_task(scene.side.run())
    scene.clock.turn(seconds=11)
    async with asyncio.timeout(30):
        while scene.post.state != "fault":
            await asyncio.sleep(0.001)
    assert (scene.post.fault, bool(scene.post.remedy)) == ("EG-PST-001", True)
    device = PostDevice(name="seals", device_class="seal_tracker", state="ready", since=NOW)
    await scene.side.report_post(PostReport(online=True, devices=[device]))
    assert (scene.post.state, scene.post.fault) == ("ready", "")
    assert scene.statuses["post/seals"].state == "ready"
    watching.cancel()
    assert scene.exchange.forgotten  # a disk that refuses does not end the watch


async def test_an_agent_that_starts_again_goes_on_where_its_knowledge_was_durable(scene, monkeypatch):
    monkeypatch.setattr(post_side, "_LOOK_S", 0.001)
    watching = asyncio.create_task(scene.side.run())
    await scene.side.take_seals(page(0, REPORT, REPORT))
    scene.clock.turn(seconds=9)
    await scene.side.take_seals(page(2, REPORT))
    scene.clock.turn(seconds=2)
    async with asyncio.timeout(30):
        while scene.exchange.seal_place == (None, 0):
            await asyncio.sleep(0.001)
    watching.cancel()
    assert scene.exchange.seal_place == (LIFE, 2)  # the third is too young
    again = Scene()
    again.exchange.seal_place = scene.exchange.seal_place
    assert (await again.side.place()).seals_after == 2
    await again.side.take_seals(page(2, REPORT))
    assert len(again.events) == 1


async def test_why_the_post_is_away_is_said(scene):
    await scene.side.report_post(PostReport(online=False, fault="CS-PST-002"))
    assert (scene.post.state, scene.post.fault) == ("fault", "CS-PST-002")
    assert "certificate" in scene.post.remedy
    await scene.side.report_post(PostReport(online=False, fault="CS-PST-001"))
    assert scene.post.fault == "EG-PST-001"
    await scene.side.report_post(PostReport(online=True, fault="CS-PST-005"))
    assert (scene.post.state, scene.post.fault, bool(scene.post.remedy)) == ("ready", "CS-PST-005", True)


async def test_conflicts_alarm_the_first_lane_and_foreign_facts_stay_visible(scene):
    empty = FactPage(generation=LIFE, after=0, through=0, facts=[])
    scene.exchange.taken = Taken(new=1, conflicts=((uuid.uuid4(), "UTO/demo/gate-2"),))
    await scene.side.take_facts(empty)
    (reason,) = scene.alarms.raised
    assert (reason.code, reason.parameters) == (ReasonCode.TOKEN_USED_AT_TWO_GATES, {"gate": "UTO/demo/gate-2"})
    scene.exchange.taken = Taken(refused=1)
    await scene.side.take_facts(empty)
    await scene.side.report_post(PostReport(online=True))
    assert (scene.post.state, scene.post.fault) == ("ready", "EG-PST-003")
    scene.exchange.taken = None
    assert (await scene.side.take_facts(empty)).new == 0


async def test_seals_can_be_unlocked_while_the_post_says_so_and_is_heard(scene, monkeypatch):
    monkeypatch.setattr(post_side, "_LOOK_S", 0.001)
    values = {"device_class": "seal_tracker", "state": "ready", "since": NOW}
    devices = [PostDevice(name="seals", may_unlock=True, **values), PostDevice(name="others", **values)]
    await scene.side.report_post(PostReport(online=True, devices=devices[1:]))
    assert not scene.orders.is_possible
    await scene.side.report_post(PostReport(online=True, devices=devices))
    assert scene.orders.is_possible
    await scene.side.report_post(PostReport(online=False, fault="CS-PST-001"))
    assert not scene.orders.is_possible
    await scene.side.report_post(PostReport(online=True, devices=devices))
    watching = asyncio.create_task(scene.side.run())
    scene.clock.turn(seconds=11)
    async with asyncio.timeout(30):
        while scene.orders.is_possible:
            await asyncio.sleep(0.001)
    watching.cancel()
