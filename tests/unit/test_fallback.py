"""Which order about a post's fallback is in force, whatever a gate hears, how often and in which order; and who may give one."""

import asyncio
import base64
import itertools
import uuid
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from central_sync.errors import FactRefused
from central_sync.post.facts import MAX_FACT_BYTES, FallbackAnswered, FallbackOrdered, fact_body, open_fact, sign_fact
from central_sync.post.messages import FactPage, as_text
from central_sync.post.unlocks import OfficerAuthorisation, OfficerSignature
from gate_agent.app.fallback import Fallback
from gate_agent.domain import events as ev
from gate_agent.domain.fallback import OrderRank, is_later
from gate_agent.domain.reasons import ReasonCode
from gate_agent.errors import StoreFault
from gate_agent.lane.authorisation import OfficerRecord, OfficerRole
from gate_agent.store import Store
from gate_agent.store.facts import Post
from gate_agent.web.lane_api_messages import Authorisation, GuardAction
from tests.unit.hand_clock import NOW, HandClock
from tests.unit.test_post_facts import used

KEYS = {f"UTO/demo/gate-{number}": Ed25519PrivateKey.generate() for number in range(1, 4)}
HERE, THERE, FURTHER = KEYS
OFFICERS = {role.value: Ed25519PrivateKey.generate() for role in OfficerRole}
KNOWN = {role: OfficerRecord(key.public_key().public_bytes_raw(), OfficerRole(role)) for role, key in OFFICERS.items()}
LIMITS = SimpleNamespace(keep_acknowledged_days=30, keep_receipts_days=1096, ballast_bytes=0)
LIFE = uuid.UUID(int=7)


class Lane:
    state = None

    def __init__(self) -> None:
        self.holds: set[ReasonCode] = set()

    def feed(self, event: ev.Event) -> None:
        assert isinstance(event, ev.Hold | ev.Unhold)
        (self.holds.add if isinstance(event, ev.Hold) else self.holds.discard)(event.cause)

    @property
    def is_by_hand(self) -> bool:
        return self.holds == {ReasonCode.POST_FALLBACK}


def order(
    number: int,
    stands: bool = True,
    source: str = THERE,
    role: str = "supervisor",
    signer: str = "",
    at=NOW,
    **changes: Any,
) -> FallbackOrdered:
    """Return an order as another gate tells it; `changes` are of what its officer signed."""
    said = {
        "authorisation_id": uuid.uuid5(LIFE, f"{number} {stands} {source}"), "source": source, "lane_id": 0,
        "action": GuardAction.BEGIN_FALLBACK if stands else GuardAction.END_FALLBACK, "reason_code": "system_fault",
        "session_id": "session-1", "nonce": uuid.uuid4().hex, "issued_at": at, "expires_at": at + timedelta(seconds=30),
        "fallback_number": number,
    }  # fmt: skip
    payload = Authorisation(**(said | changes)).model_dump_json()
    signature = OFFICERS[signer or role].sign(payload.encode()).hex()
    return FallbackOrdered(
        fact_id=uuid.uuid4(), source=source, occurred_at=at + timedelta(seconds=1), expires_at=at + timedelta(days=30),
        order_id=said["authorisation_id"], number=number, stands=stands,
        authorisation=OfficerAuthorisation(
            payload=payload, signatures=(OfficerSignature(officer_id=role, signature_hex=signature),)
        ),
    )  # fmt: skip


class Gate:
    """A gate's switch over its real store; what the post would bring is handed in."""

    def __init__(self, folder: Path, officers: dict[str, OfficerRecord] | None = None) -> None:
        self.folder, self.clock, self.lane = folder, HandClock(), Lane()
        self.officers = dict(KNOWN) if officers is None else officers
        self.through, self.alarms = 0, []

    async def start(self) -> "Gate":
        self.store = await Store.open(
            self.folder, self.clock, SimpleNamespace(country="UTO", site="demo", gate_id="gate-1"),
            X25519PrivateKey.generate().public_key(), LIMITS, centre_public_key=Ed25519PrivateKey.generate().public_key(),
            post=Post(bytes(32), {source: key.public_key() for source, key in KEYS.items()}),
        )  # fmt: skip
        self.lane = Lane()
        self.fallback = Fallback(
            HERE, self.store.fallback, {1: self.lane}, self.officers, tuple(KEYS), self.clock,
            tell=lambda *told: self.alarms.append(told), changed=lambda: None,
        )  # fmt: skip
        await self.fallback.restore()
        _, self.through = await self.store.exchange.place()
        return self

    async def again(self) -> "Gate":
        await self.store.close()
        return await self.start()

    async def hear(self, *facts: FallbackOrdered | FallbackAnswered) -> None:
        wires = [sign_fact(fact_body(fact), KEYS[fact.source]) for fact in facts]
        page = FactPage(generation=LIFE, after=self.through, through=self.through + len(wires), facts=as_text(wires))
        taken = await self.store.exchange.take_page(page)
        assert taken is not None
        assert not taken.refused
        self.through += len(wires)
        if taken.about_fallback:
            await self.fallback.look()

    async def told(self) -> list[FallbackOrdered | FallbackAnswered]:
        """Return what this gate has told so far."""
        page = await self.store.exchange.own_facts(100, 0)
        key = KEYS[HERE]
        wires = (sign_fact(base64.b64decode(fact.body_base64), key) for fact in page.facts)
        return [open_fact(wire, {HERE: key.public_key()}) for wire in wires]


@pytest.fixture
async def gate(tmp_path: Path):
    gate = await Gate(tmp_path / "state").start()
    yield gate
    await gate.store.close()


# ---- the rule ----

RANKS = st.builds(
    OrderRank, st.integers(1, 4), st.booleans(), st.integers(0, 3).map(lambda number: uuid.UUID(int=number))
)


@given(st.lists(RANKS, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_any_gate_ends_with_the_same_order_whatever_it_hears_when_and_how_often(heard, chance) -> None:
    def last(orders) -> OrderRank:
        known = None
        for one in orders:
            known = one if is_later(one, known) else known
        return known

    mixed = [*heard, *chance.choices(heard, k=len(heard))]
    chance.shuffle(mixed)
    assert last(mixed) == last(heard) == max(heard)
    assert not is_later(last(heard), last(heard)), "a repeated order changes nothing"


def test_the_number_decides_then_the_safe_side_then_the_id() -> None:
    low, high = uuid.UUID(int=1), uuid.UUID(int=2)
    ranks = [OrderRank(1, False, low), OrderRank(1, False, high), OrderRank(1, True, low), OrderRank(2, False, low)]
    assert sorted([ranks[2], ranks[0], ranks[3], ranks[1]]) == ranks
    assert all(is_later(after, before) for before, after in itertools.pairwise(ranks))
    assert is_later(ranks[0], None)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    orders=st.lists(
        st.tuples(st.integers(1, 4), st.booleans(), st.sampled_from((THERE, FURTHER))), min_size=1, max_size=5
    ),
    chance=st.randoms(use_true_random=False),
    skew_h=st.integers(-48, 48),
)
async def test_a_gate_obeys_the_highest_order_in_any_order_of_hearing_with_any_clock(
    tmp_path_factory, orders, chance, skew_h
) -> None:
    gate = await Gate(tmp_path_factory.mktemp("gate")).start()
    try:
        facts = [
            order(number, stands, source, at=NOW + timedelta(hours=skew_h * (number % 2)))
            for number, stands, source in orders
        ]
        heard = [*facts, *(fact.model_copy(update={"fact_id": uuid.uuid4()}) for fact in facts)]  # each told twice
        chance.shuffle(heard)
        for fact in heard:
            await gate.hear(fact)
        highest = max(facts, key=lambda fact: OrderRank(fact.number, fact.stands, fact.order_id))
        assert gate.fallback.view().number == highest.number
        assert gate.lane.is_by_hand is highest.stands
        await gate.again()
        assert gate.lane.is_by_hand is highest.stands
    finally:
        await gate.store.close()


# ---- what comes from other gates ----


async def test_an_order_of_another_gate_is_obeyed_answered_and_outlives_the_agent(gate: Gate) -> None:
    await gate.hear(order(1))
    assert gate.lane.is_by_hand
    (answer,) = await gate.told()
    assert (answer.number, answer.refusal, answer.order_id) == (1, "", order(1).order_id)
    view = gate.fallback.view()
    assert (view.gate, view.officers, view.reason_code) == (THERE, ["supervisor"], "system_fault")
    assert {one.gate: one.state for one in view.gates} == {THERE: "acknowledged", FURTHER: "waiting"}
    await gate.again()
    assert gate.lane.is_by_hand
    await gate.hear(order(2, False, FURTHER))
    assert not gate.lane.holds
    assert [stands for _, _, stands in gate.alarms] == [True, True, False]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (order(1, role="guard"), "EG-AUT-018"),
        (order(1, role="technician"), "EG-AUT-018"),
        (order(1, signer="guard"), "EG-AUT-011"),
        (order(1, source=THERE, expires_at=NOW + timedelta(seconds=1)), "EG-AUT-014"),
        (order(1, expires_at=NOW + timedelta(minutes=10)), "EG-AUT-015"),
        (order(1).model_copy(update={"number": 2}), "EG-AUT-019"),
        (order(1).model_copy(update={"stands": False}), "EG-AUT-019"),
        (order(1).model_copy(update={"order_id": uuid.UUID(int=1)}), "EG-AUT-019"),
        (order(1).model_copy(update={"source": FURTHER}), "EG-AUT-013"),
    ],
)
async def test_an_order_that_its_officer_did_not_give_so_is_refused_logged_and_answered(
    gate: Gate, capsys: pytest.CaptureFixture[str], bad: FallbackOrdered, code: str
) -> None:
    await gate.hear(bad)
    assert not gate.lane.holds
    assert gate.fallback.view() is None
    (answer,) = await gate.told()
    assert (answer.refusal, answer.order_id) == (code, bad.order_id)
    assert "fallback_order_refused" in capsys.readouterr().out
    await gate.fallback.look()
    assert len(await gate.told()) == 1, "once"
    await gate.hear(order(3, source=FURTHER))
    assert gate.lane.is_by_hand, "and the next good one is obeyed"


async def test_an_officer_who_is_not_known_yet_is_obeyed_once_he_is(gate: Gate) -> None:
    known = gate.officers.pop("supervisor")
    await gate.hear(order(1))
    await gate.fallback.look()
    assert [answer.refusal for answer in await gate.told()] == ["EG-AUT-012"]
    assert not gate.lane.holds
    gate.officers["supervisor"] = known
    await gate.again()
    assert gate.lane.is_by_hand
    assert [answer.refusal for answer in await gate.told()] == ["EG-AUT-012", ""]


async def test_an_order_that_is_told_again_is_answered_again_and_changes_nothing(gate: Gate) -> None:
    for _ in range(3):
        await gate.hear(order(1))
    assert [answer.refusal for answer in await gate.told()] == ["", "", ""]
    assert len(gate.alarms) == 1


def answer(
    number: int, refusal: str = "", stands: bool = True, source: str = FURTHER, of: str = THERE
) -> FallbackAnswered:
    return FallbackAnswered(
        fact_id=uuid.uuid4(), source=source, occurred_at=NOW, expires_at=NOW + timedelta(days=1),
        order_id=order(number, stands, of).order_id, number=number, stands=stands, refusal=refusal,
    )  # fmt: skip


@pytest.mark.parametrize("shuffled", list(itertools.permutations(range(3))))
async def test_the_latest_answer_of_a_gate_counts_in_whatever_order_it_is_heard(gate: Gate, shuffled) -> None:
    await gate.hear(order(2))
    facts = [answer(1), answer(2, "EG-AUT-012"), answer(2)]
    for place in shuffled:
        await gate.hear(facts[place])
    (shown,) = [one for one in gate.fallback.view().gates if one.gate == FURTHER]
    assert (shown.state, shown.refusal) == ("acknowledged", "")


async def test_a_refusal_is_shown_with_its_code(gate: Gate) -> None:
    await gate.hear(order(1), answer(1, "EG-AUT-012"))
    (shown,) = [one for one in gate.fallback.view().gates if one.gate == FURTHER]
    assert (shown.state, shown.refusal) == ("refused", "EG-AUT-012")


async def test_a_disk_that_refuses_stops_no_fallback_and_is_tried_again(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep = gate.store.fallback.keep

    async def refuse(_order: FallbackOrdered) -> None:
        raise StoreFault("full")

    monkeypatch.setattr(gate.store.fallback, "keep", refuse)
    await gate.hear(order(1))
    assert gate.lane.is_by_hand
    assert "fallback_not_kept" in capsys.readouterr().out
    assert await gate.told() == []
    monkeypatch.setattr(gate.store.fallback, "keep", keep)
    monkeypatch.setattr("gate_agent.app.fallback._LOOK_S", 0.01)
    task = asyncio.create_task(gate.fallback.run())
    async with asyncio.timeout(20):
        while not await gate.told():
            await asyncio.sleep(0.01)
    task.cancel()
    await gate.again()
    assert gate.lane.is_by_hand


@pytest.mark.parametrize("later", [1, 2])
async def test_what_the_disk_could_not_keep_yet_is_still_there_after_a_kill(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, later: int
) -> None:
    async def refuse(_order: FallbackOrdered) -> None:
        raise StoreFault("full")

    with monkeypatch.context() as patched:
        patched.setattr(gate.store.fallback, "keep", refuse)
        await gate.hear(order(1))
        await gate.hear(order(later, source=FURTHER))
        await gate.fallback.look()
    await gate.again()
    assert gate.lane.is_by_hand
    assert gate.fallback.view().number == later


# ---- the wire ----


def test_only_an_order_may_be_as_long_as_what_its_officers_signed() -> None:
    long = order(1, reason_text="ў" * 500)
    assert len(fact_body(long)) > MAX_FACT_BYTES / 2
    longest = long.model_copy(
        update={
            "authorisation": long.authorisation.model_copy(update={"signatures": long.authorisation.signatures * 4})
        }
    )
    assert len(fact_body(longest)) > MAX_FACT_BYTES
    keys = {source: key.public_key() for source, key in KEYS.items()}
    assert open_fact(sign_fact(fact_body(longest), KEYS[THERE]), keys) == longest
    body = fact_body(used(source=THERE))[:-1] + b',"padding":"' + b"x" * MAX_FACT_BYTES + b'"}'
    with pytest.raises(FactRefused):
        open_fact(sign_fact(body, KEYS[THERE]), keys)


async def test_a_gate_that_comes_back_does_not_go_through_what_was_undone_meanwhile(gate: Gate) -> None:
    await gate.hear(order(1), order(2, False), order(3), order(4, False), order(5))
    assert gate.lane.is_by_hand
    assert [stands for _, _, stands in gate.alarms] == [True], "once, and not on and off and on"
    assert [one.number for one in await gate.told()] == [5]
