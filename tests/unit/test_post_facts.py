"""Facts between gates: signed by their gate, taken once, and the same in effect in whatever order they come."""

import asyncio
import itertools
import random
import sqlite3
import uuid
from datetime import date, datetime, timedelta
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from central_sync.errors import FactRefused
from central_sync.post.facts import Fact, StayClosed, StayOpened, TokenUsed, fact_body, open_fact, sign_fact
from central_sync.post.messages import FactPage, as_text
from gate_agent.policy.stay_rules import open_stay
from gate_agent.store import facts, lookups
from gate_agent.store.facts import Post
from gate_agent.store.lookups import HolderKey
from gate_agent.store.post_ledger import PostLedger
from tests.unit.hand_clock import NOW, HandClock

KEYS = {f"UTO/demo/gate-{number}": Ed25519PrivateKey.generate() for number in range(1, 5)}
PUBLIC = {source: key.public_key() for source, key in KEYS.items()}
HERE, THERE, FURTHER, LAST = KEYS
SHARED = bytes(range(32))
HOLDERS = HolderKey(bytes(range(1, 33)), SHARED)
GENERATION = uuid.UUID(int=7)


def used(token: bytes = b"t", number: str = "X1", source: str = THERE, **changes) -> TokenUsed:
    values = {
        "fact_id": uuid.uuid4(),
        "source": source,
        "occurred_at": NOW,
        "expires_at": NOW + timedelta(days=4),
        "usage": HOLDERS.usage(token, "UTO", number).told.hex(),
    }
    return TokenUsed(**(values | changes))


def signed(fact: Fact) -> bytes:
    return sign_fact(fact_body(fact), KEYS[fact.source])


# ---- the wire ----


def test_a_fact_comes_back_as_it_was():
    for fact in (used(), opened(1, 0), closed(1, 5), closed(1, 5, knows_entry=False)):
        assert open_fact(signed(fact), PUBLIC) == fact


def test_nothing_personal_is_in_a_fact():
    wire = signed(used(number="X7654321"))
    assert b"X7654321" not in wire
    assert (
        HOLDERS.usage(b"t", "UTO", "X7654321").kept.hex().encode() not in wire
    )  # nor what stands on the gate's own disk


def test_every_flipped_bit_is_refused():
    wire = bytearray(signed(used()))
    for place, bit in itertools.product(range(0, len(wire), 7), (1, 128)):
        wire[place] ^= bit
        with pytest.raises(FactRefused):
            open_fact(bytes(wire), PUBLIC)
        wire[place] ^= bit
    assert open_fact(bytes(wire), PUBLIC)


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"", "CS-FCT-001"),
        (b"x" * 5000, "CS-FCT-001"),
        (sign_fact(b"{}", KEYS[THERE]), "CS-FCT-001"),
        (sign_fact(b'{"kind":"token_used","kind":"stay_opened"}', KEYS[THERE]), "CS-FCT-001"),
        (sign_fact(fact_body(used()), Ed25519PrivateKey.generate()), "CS-FCT-002"),
        (sign_fact(fact_body(used(source=HERE)), KEYS[THERE]), "CS-FCT-003"),
    ],
    ids=["empty", "long", "no-fact", "key-twice", "stranger", "other-gates-name"],
)
def test_what_is_no_fact_of_its_gate_is_refused(wire, code):
    with pytest.raises(FactRefused) as refused:
        open_fact(wire, PUBLIC)
    assert refused.value.code == code


# ---- one gate ----


def opened(stay: int, hour: int, source: str = THERE, number: str = "X1") -> StayOpened:
    at = NOW + timedelta(hours=hour)
    return StayOpened(
        fact_id=uuid.uuid4(),
        source=source,
        occurred_at=at,
        expires_at=at + timedelta(days=400),
        stay_id=uuid.UUID(int=stay),
        holder=HOLDERS.holder("UTO", number).told.hex(),
        entered_on=at.date(),
    )


def closed(stay: int, hour: int, source: str = THERE, number: str = "X1", knows_entry: bool = True) -> StayClosed:
    at = NOW + timedelta(hours=hour)
    return StayClosed(
        fact_id=uuid.uuid4(),
        source=source,
        occurred_at=at,
        expires_at=at + timedelta(days=30),
        stay_id=uuid.UUID(int=stay),
        holder=HOLDERS.holder("UTO", number).told.hex(),
        entered_on=NOW.date() if knows_entry else None,
        exited_on=at.date(),
    )


def database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.executescript(lookups.SCHEMA + facts.SCHEMA)
    lookups.add_columns(connection)
    return connection


def take(connection, wires, after=0, through=None, generation=GENERATION):
    through = through or after + len(wires)
    page = FactPage(generation=generation, after=after, through=through, facts=as_text(wires))
    return facts.take_page(connection, page, Post(SHARED, PUBLIC), HOLDERS, HERE)


def is_used(connection, token=b"t", number="X1") -> bool:
    return lookups.is_token_used(connection, HOLDERS.usage(token, "UTO", number))


def test_a_used_token_is_known_here_and_only_with_its_document():
    gate = database()
    assert take(gate, [signed(used())]).new == 1
    assert is_used(gate)
    assert not is_used(gate, number="X2")
    assert not is_used(gate, token=b"u")


def test_a_page_is_applied_once_and_only_where_the_gate_stands():
    gate = database()
    wire = signed(used())
    assert take(gate, [wire]).new == 1
    assert take(gate, [wire]) is None  # begins at 0, the gate stands at 1
    assert take(gate, [wire], after=1).new == 0  # the same fact again, at another place
    assert facts.place(gate) == (GENERATION, 2)
    assert take(gate, [], after=9) is None


def test_a_new_life_of_the_post_begins_at_its_start_and_own_facts_are_told_again():
    gate = database()
    facts.keep_own(gate, used(source=HERE))
    assert take(gate, [signed(used(b"u"))]).new == 1
    facts.mark_sent(gate, facts.FactsSent(generation=GENERATION, seqs=[1]))
    assert facts.waiting(gate, 10).facts == []
    other = uuid.UUID(int=8)
    assert take(gate, [signed(used(b"v"))], after=5, generation=other) is None
    assert take(gate, [signed(used(b"v"))], generation=other).new == 1
    assert [fact.seq for fact in facts.waiting(gate, 10).facts] == [1]
    facts.mark_sent(gate, facts.FactsSent(generation=GENERATION, seqs=[1]))  # late word about the old life
    assert len(facts.waiting(gate, 10).facts) == 1


def test_a_refused_fact_does_not_keep_the_others_back():
    gate = database()
    forged = sign_fact(fact_body(used(b"f")), Ed25519PrivateKey.generate())
    taken = take(gate, [forged, signed(used(b"g"))])
    assert (taken.new, taken.refused) == (1, 1)
    assert not is_used(gate, b"f")
    assert is_used(gate, b"g")


def test_a_token_used_here_and_there_is_a_conflict_told_once():
    gate = database()
    lookups.consume_token(gate, HOLDERS.usage(b"t", "UTO", "X1"), NOW, HERE, NOW + timedelta(days=4))
    fact = used()
    assert take(gate, [signed(fact)]).conflicts == ((fact.fact_id, THERE),)
    assert take(gate, [signed(fact)], after=1).conflicts == ()
    assert take(gate, [signed(used(b"other"))], after=2).conflicts == ()


def test_what_is_past_its_time_is_gone():
    gate = database()
    lookups.consume_token(gate, HOLDERS.usage(b"own", "UTO", "X1"), NOW, HERE, NOW + timedelta(days=4))
    facts.keep_own(gate, used(source=HERE))
    take(gate, [signed(used()), signed(opened(1, 0)), signed(closed(1, 24)), signed(opened(2, 30))])
    assert facts.forget_expired(gate, NOW + timedelta(days=3)) == 0
    facts.forget_expired(gate, NOW + timedelta(days=40))
    left = {
        table: gate.execute(f"SELECT count(*) AS n FROM {table}").fetchone()["n"]
        for table in ("tokens_used", "facts_out", "stays", "facts_in")
    }
    assert left == {"tokens_used": 0, "facts_out": 0, "stays": 1, "facts_in": 2}  # who entered is still here
    facts.forget_expired(gate, NOW + timedelta(days=500))
    assert gate.execute("SELECT count(*) AS n FROM stays").fetchone()["n"] == 0


def test_what_the_store_knew_before_the_gate_had_a_post_still_counts():
    gate = database()
    before = HolderKey(bytes(range(1, 33)))
    lookups.consume_token(gate, before.usage(b"t", "UTO", "X1"), NOW, "", NOW + timedelta(days=4))
    lookups.enter(gate, uuid.UUID(int=1), before.holder("UTO", "X1"), NOW.date(), NOW, HERE)
    assert is_used(gate)
    assert open_stay(lookups.find_stays(gate, HOLDERS.holder("UTO", "X1")), date.max).entered_on == NOW.date()
    take(gate, [signed(closed(2, 5, knows_entry=False))])
    assert open_stay(lookups.find_stays(gate, HOLDERS.holder("UTO", "X1")), date.max) is None


def test_a_store_of_an_earlier_release_is_brought_up_to_date():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.executescript(
        "CREATE TABLE tokens_used (usage BLOB PRIMARY KEY, used_at TEXT NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE stays (stay_id TEXT PRIMARY KEY, holder BLOB NOT NULL, entered_on TEXT, exited_on TEXT,"
        " source TEXT NOT NULL, bundle_version INTEGER NOT NULL DEFAULT 0);" + facts.SCHEMA
    )
    lookups.add_columns(connection)
    lookups.add_columns(connection)
    assert take(connection, [signed(used()), signed(opened(1, 0))]).new == 2
    assert is_used(connection)


# ---- order ----

JOURNEYS = st.lists(st.sampled_from(["pair", "orphan", "split"]), min_size=1, max_size=4)


def journey(kinds: list[str], last_is_open: bool) -> list[Fact]:
    """Entries and exits of one holder, as gates told them: a pair known to one gate, or an exit that knew of no entry."""
    told: list[Fact] = []
    for number, kind in enumerate(kinds):
        hour = number * 10
        entry = opened(number + 1, hour, THERE)
        told.append(entry)
        if last_is_open and number == len(kinds) - 1:
            break
        if kind == "orphan":
            told.append(closed(100 + number, hour + 5, FURTHER, knows_entry=False))
        elif kind == "split":
            told += [closed(number + 1, hour + 5, FURTHER), closed(number + 1, hour + 6, LAST)]
        else:
            told.append(closed(number + 1, hour + 5, THERE))
        told[1:] = [
            fact.model_copy(update={"entered_on": entry.entered_on})
            if isinstance(fact, StayClosed) and fact.stay_id == entry.stay_id
            else fact
            for fact in told[1:]
        ]
    return told


def in_effect(connection) -> list[tuple]:
    rows = connection.execute(
        "SELECT stay_id, entered_on, exited_on, entered_at, exited_at FROM stays ORDER BY stay_id"
    )
    return [tuple(row) for row in rows]


@given(JOURNEYS, st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_order_of_facts_and_their_repetition_change_nothing(kinds, last_is_open, chance: random.Random):
    told = [signed(fact) for fact in journey(kinds, last_is_open)]
    plain, shuffled = database(), database()
    take(plain, told)
    mixed = told * 2
    chance.shuffle(mixed)
    after = 0
    while mixed:
        length = chance.randint(1, 3)
        page, mixed = mixed[:length], mixed[length:]
        take(shuffled, page, after)
        after += len(page)
    assert in_effect(plain) == in_effect(shuffled)
    for connection in (plain, shuffled):
        stay = open_stay(lookups.find_stays(connection, HOLDERS.holder("UTO", "X1")), date.max)
        assert (stay is not None) == last_is_open


# ---- the post's ledger ----


async def opened_ledger(folder, clock=None, **options) -> PostLedger:
    ledger = PostLedger(folder, (THERE, FURTHER), clock or HandClock(), **({"kept_days": 30.0} | options))
    await ledger.open()
    return ledger


def received(fact: Fact) -> tuple[uuid.UUID, bytes, datetime]:
    return fact.fact_id, signed(fact), fact.expires_at


async def test_the_ledger_keeps_each_fact_once_and_hands_it_to_the_others_only(tmp_path):
    ledger = await opened_ledger(tmp_path)
    fact = received(used())
    assert (await ledger.keep(THERE, [fact])).new == 1
    assert (await ledger.keep(THERE, [fact])).new == 0
    page = await ledger.page(FURTHER, None, 0, 10, 0.0)
    assert page.wires() == [fact[1]]
    assert (await ledger.page(THERE, page.generation, 0, 10, 0.0)).facts == []
    assert (await ledger.page(FURTHER, page.generation, page.through, 10, 0.0)).facts == []
    await ledger.close()


async def test_the_ledger_deletes_what_every_gate_has_and_says_what_is_gone(tmp_path):
    clock = HandClock()
    ledger = await opened_ledger(tmp_path, clock)
    await ledger.keep(THERE, [received(opened(number, 0)) for number in range(1, 4)])
    page = await ledger.page(FURTHER, None, 0, 2, 0.0)
    assert page.through == 2
    clock.turn(hours=2)
    assert await ledger.forget() == 0  # nobody said that he has them
    await ledger.page(FURTHER, page.generation, 2, 2, 0.0)
    await ledger.page(THERE, page.generation, 3, 2, 0.0)
    assert await ledger.forget() == 2
    clock.turn(days=31)
    assert await ledger.forget() == 1  # given up for its age: the gate that stands before it is told
    assert (await ledger.page(FURTHER, page.generation, 2, 2, 0.0)).gap
    assert not (await ledger.page(FURTHER, page.generation, 3, 2, 0.0)).gap
    await ledger.close()


async def test_a_jump_of_the_clock_deletes_nothing_that_waits(tmp_path):
    clock = HandClock()
    ledger = await opened_ledger(tmp_path, clock)
    await ledger.keep(THERE, [received(opened(1, 0))])
    clock.time += timedelta(days=400)
    assert await ledger.forget() == 0
    assert len((await ledger.page(FURTHER, None, 0, 10, 0.0)).facts) == 1
    await ledger.close()


async def test_the_ledger_is_bounded(tmp_path):
    ledger = await opened_ledger(tmp_path, limit_rows=5)
    await ledger.keep(THERE, [received(opened(number, 0)) for number in range(1, 13)])
    assert await ledger.forget() == 7
    generation = await ledger.generation()
    page = await ledger.page(FURTHER, generation, 1, 10, 0.0)
    assert page.gap
    assert len(page.facts) == 5
    await ledger.close()


async def test_a_ledger_that_went_back_in_time_begins_a_new_life(tmp_path):
    ledger = await opened_ledger(tmp_path)
    await ledger.keep(THERE, [received(used())])
    before = await ledger.generation()
    page = await ledger.page(FURTHER, before, 99, 10, 0.0)
    assert page.generation != before
    assert (page.after, len(page.facts)) == (0, 1)
    assert await ledger.generation() == page.generation
    await ledger.close()


async def test_whoever_waits_is_woken_by_a_fact(tmp_path):
    ledger = await opened_ledger(tmp_path, SimpleNamespace(now=lambda: NOW, monotonic_s=lambda: 0.0))
    generation = await ledger.generation()
    waiting = asyncio.create_task(ledger.page(FURTHER, generation, 0, 10, 20.0))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await ledger.keep(THERE, [received(used())])
    assert len((await waiting).facts) == 1
    await ledger.close()
