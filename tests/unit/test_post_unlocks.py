"""Orders to unlock a seal: signed by their gate on an officer's authority, short-lived, carried out once, written down first; what nobody
knows stays undetermined.
"""

import asyncio
import base64
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from central_sync import signed
from central_sync.errors import OrderRefused, PostFault, SyncError
from central_sync.post.messages import UnlockCarried
from central_sync.post.unlocks import (
    ANSWER_PURPOSE,
    LONGEST_VALID,
    MAX_ORDER_BYTES,
    ORDER_PURPOSE,
    ORDER_VALID,
    UnlockAnswer,
    UnlockEnd,
    UnlockOrder,
    open_answer,
    open_order,
    order_body,
    refuse_untimely,
    sign_answer,
    sign_order,
)
from drivers.contracts import Unsupported
from drivers.errors import NotReady
from drivers.seal_commands import UnlockOutcome
from gate_agent.app import post_unlocks, unlock_orders
from gate_agent.app.post_unlocks import PostUnlocks
from gate_agent.app.unlock_orders import UnlockOrders
from gate_agent.errors import StoreFault
from gate_agent.store.kept_unlocks import Begun
from gate_agent.store.post_ledger import PostLedger
from gate_agent.web.guard.lane_link import ANSWER_TIMEOUT_S
from tests.unit.hand_clock import NOW, HandClock
from tests.unit.unlock_authority import OFFICERS, payload, verified
from tests.unit.unlock_authority import signed as signed_by
from tests.waiting import until

HERE, THERE = "UTO/demo/gate-1", "UTO/demo/gate-2"
KEYS = {HERE: Ed25519PrivateKey.generate(), THERE: Ed25519PrivateKey.generate()}
GATES = {source: key.public_key() for source, key in KEYS.items()}
POST = Ed25519PrivateKey.generate()
SEAL = "990000000007"
PATIENCE_S = 60


def order(number: int = 1, **changes) -> UnlockOrder:
    values = {"order_id": uuid.UUID(int=number), "source": HERE, "seal_id": SEAL, "expires_at": NOW + ORDER_VALID}
    if "authorisation" not in changes:
        values["authorisation"] = signed_by(payload(changes.get("seal_id", SEAL), NOW, reason_text=str(number)))
    return UnlockOrder(**(values | changes))


def wire_of(one: UnlockOrder, key: Ed25519PrivateKey = KEYS[HERE]) -> bytes:
    return sign_order(order_body(one), key)


# ---- the wire ----


def test_an_order_comes_back_as_it_was_with_what_the_officer_signed_byte_for_byte():
    long = signed_by(payload(SEAL, NOW, reason_text='\u043f"' * 250))
    for one in (order(), order(authorisation=long)):
        assert open_order(wire_of(one), GATES) == one


def test_every_changed_byte_is_refused():
    wire = wire_of(order())
    for place in range(len(wire)):
        changed = wire[:place] + bytes([wire[place] ^ 1]) + wire[place + 1 :]
        with pytest.raises(OrderRefused):
            open_order(changed, GATES)


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"", "CS-ULK-001"),
        (wire_of(order()) + b" " * MAX_ORDER_BYTES, "CS-ULK-001"),
        (signed.sign("egate-fact-1", order_body(order()), KEYS[HERE]), "CS-ULK-001"),
        (sign_order(order_body(order()) + b" ", KEYS[HERE]), "CS-ULK-001"),
        (sign_order(order_body(order())[:-1] + b',"until":1}', KEYS[HERE]), "CS-ULK-001"),
        (sign_order(b"{}", KEYS[HERE]), "CS-ULK-001"),
        (sign_order(order_body(order()).replace(SEAL.encode(), b""), KEYS[HERE]), "CS-ULK-001"),
        (wire_of(order(), Ed25519PrivateKey.generate()), "CS-ULK-002"),
        (wire_of(order(), KEYS[THERE]), "CS-ULK-003"),
    ],
    ids=["empty", "long", "a-fact", "space", "more-fields", "no-fields", "no-seal", "stranger", "other-name"],
)
def test_what_is_no_order_of_its_gate_is_refused_with_its_reason(wire: bytes, code: str):
    with pytest.raises(OrderRefused) as refusal:
        open_order(wire, GATES)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "left", [timedelta(0), -timedelta(days=400), LONGEST_VALID + timedelta(milliseconds=1)], ids=str
)
def test_an_order_is_for_now_and_not_for_long(left: timedelta):
    with pytest.raises(OrderRefused) as refusal:
        refuse_untimely(order(expires_at=NOW + left), NOW)
    assert refusal.value.code == "CS-ULK-004"
    refuse_untimely(order(), NOW)


CONTENT = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda seal, ahead_s, extra: (
            order_body(order(seal_id=seal, expires_at=NOW + timedelta(seconds=ahead_s))) + extra
        ),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64),
        st.integers(-10_000, 10_000),
        st.sampled_from([b"", b"", b"\n"]),
    ),
)


@given(CONTENT, st.booleans())
def test_whatever_is_signed_is_read_in_one_spelling_or_refused(content: bytes, by_the_post: bool):
    if by_the_post:
        try:
            open_answer(signed.sign(ANSWER_PURPOSE, content, POST), POST.public_key())
        except PostFault:
            return
        pytest.fail("an answer of random bytes")
    try:
        found = open_order(sign_order(content, KEYS[HERE]), GATES)
    except OrderRefused:
        return
    assert order_body(found) == content
    assert found.source == HERE


@given(st.binary(max_size=400))
def test_nothing_unsigned_is_an_order_or_an_answer(wire: bytes):
    for prefix in (b"", f"{ORDER_PURPOSE} ".encode(), f"{ANSWER_PURPOSE} ".encode()):
        with pytest.raises(OrderRefused):
            open_order(prefix + wire, GATES)
        with pytest.raises(PostFault):
            open_answer(prefix + wire, POST.public_key())


# ---- the post ----


class Server:
    """A seal server that counts what it sends."""

    name = "seals"

    def __init__(self, outcome: UnlockOutcome | Exception = UnlockOutcome.CONFIRMED) -> None:
        self.outcome = outcome
        self.sent: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def unlock(self, seal_id: str) -> UnlockOutcome:
        self.sent.append(seal_id)
        await self.gate.wait()
        if isinstance(self.outcome, Exception):
            self.sent.pop()
            raise self.outcome
        return self.outcome


class AtPost:
    def __init__(self, folder: Path) -> None:
        self.clock, self.server = HandClock(), Server()
        self.officers = dict(OFFICERS)
        self.ledger = PostLedger(folder, tuple(GATES), self.clock, kept_days=30)
        self.begin()

    def begin(self) -> None:
        """Start as a new process on the same disk does."""
        self.unlocks = PostUnlocks(self.ledger, GATES, lambda: self.officers, POST, self.clock)
        self.unlocks.servers = (self.server,)

    async def end_of(self, wire: bytes, gate: str = HERE) -> UnlockEnd:
        return open_answer(await self.unlocks.answer(gate, wire), POST.public_key()).end

    async def code_of(self, wire: bytes, gate: str = HERE) -> str:
        with pytest.raises(SyncError) as refusal:
            await self.unlocks.answer(gate, wire)
        return refusal.value.code


@pytest.fixture
async def post(tmp_path: Path):
    scene = AtPost(tmp_path / "post")
    await scene.ledger.open()
    yield scene
    await scene.ledger.close()


@pytest.mark.parametrize("outcome", list(UnlockOutcome))
async def test_the_same_order_twice_is_sent_once_and_gets_the_first_answer(post: AtPost, outcome: UnlockOutcome):
    post.server.outcome = outcome
    assert await post.end_of(wire_of(order())) == outcome.value
    post.server.outcome = UnlockOutcome.CONFIRMED
    post.begin()
    post.clock.turn(hours=1)
    assert await post.end_of(wire_of(order())) == outcome.value
    assert post.server.sent == [SEAL]


async def test_the_same_order_twice_at_once_is_sent_once(post: AtPost):
    post.server.gate.clear()
    both = [asyncio.create_task(post.end_of(wire_of(order()))) for _ in range(2)]
    await until(lambda: post.server.sent)
    post.server.gate.set()
    assert await asyncio.gather(*both) == [UnlockEnd.CONFIRMED] * 2
    assert post.server.sent == [SEAL]


async def test_an_order_is_on_the_disk_before_it_is_sent_and_undetermined_when_the_process_dies(post: AtPost):
    post.server.gate.clear()
    asked = asyncio.create_task(post.end_of(wire_of(order())))
    await until(lambda: post.server.sent)
    kept = await post.ledger.unlock(order().order_id)
    assert kept is not None
    assert kept.answer == ""
    post.begin()  # what the old process would have answered is lost
    assert await post.end_of(wire_of(order())) is UnlockEnd.UNDETERMINED
    assert post.server.sent == [SEAL]
    post.server.gate.set()
    await asked


async def test_a_gate_that_hangs_up_changes_nothing(post: AtPost):
    post.server.gate.clear()
    asked = asyncio.create_task(post.end_of(wire_of(order())))
    await until(lambda: post.server.sent)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    post.server.gate.set()
    assert await post.end_of(wire_of(order())) is UnlockEnd.CONFIRMED
    assert post.server.sent == [SEAL]


async def test_what_must_not_be_carried_out_reaches_no_server(post: AtPost, monkeypatch):
    assert await post.code_of(wire_of(order(), KEYS[THERE])) == "CS-ULK-002"
    assert await post.code_of(wire_of(order()), THERE) == "CS-ULK-002"  # brought by another gate
    assert await post.code_of(wire_of(order(source=THERE))) == "CS-ULK-003"
    assert await post.code_of(wire_of(order(expires_at=NOW))) == "CS-ULK-004"
    assert await post.code_of(wire_of(order(expires_at=NOW + timedelta(days=1)))) == "CS-ULK-004"
    assert post.server.sent == []
    assert await post.end_of(wire_of(order())) is UnlockEnd.CONFIRMED
    assert await post.code_of(wire_of(order(seal_id="99"))) == "CS-ULK-005"
    monkeypatch.setattr(post_unlocks, "MOST_AT_ONCE", 0)
    assert await post.code_of(wire_of(order(2))) == "CS-ULK-006"
    assert post.server.sent == [SEAL]


@pytest.mark.parametrize(
    ("authorisation", "code"),
    [
        (signed_by(payload(SEAL, NOW), key=Ed25519PrivateKey.generate()), "CS-ULK-007"),
        (signed_by(payload(SEAL, NOW), "guard-1"), "CS-ULK-007"),
        (signed_by(payload(SEAL, NOW), "nobody", KEYS[HERE]), "CS-ULK-007"),
        (signed_by(payload(SEAL, NOW, source=THERE)), "CS-ULK-007"),
        (signed_by(payload(SEAL, NOW, source="UTO/elsewhere/gate-1")), "CS-ULK-007"),
        (signed_by(payload(SEAL, NOW, source="gate-1")), "CS-ULK-007"),
        (signed_by(payload(SEAL, NOW - timedelta(seconds=30))), "CS-ULK-007"),
        (signed_by(payload(SEAL, NOW + timedelta(seconds=3))), "CS-ULK-007"),
        (signed_by(payload(SEAL, NOW, expires_at=str(NOW + timedelta(days=1)))), "CS-ULK-007"),
        (signed_by("{}"), "CS-ULK-007"),
        (signed_by(payload("990000000008", NOW)), "CS-ULK-008"),
        (
            signed_by(payload("", NOW, action="note_appeal", subject_id=str(uuid.UUID(int=1)))),
            "CS-ULK-008",
        ),
    ],
    ids=[
        "forged",
        "guard",
        "stranger",
        "gate",
        "site",
        "bare",
        "expired",
        "future",
        "long",
        "empty",
        "other-seal",
        "other-deed",
    ],
)
async def test_a_gate_alone_unlocks_nothing(post: AtPost, authorisation, code: str, capsys):
    assert await post.code_of(wire_of(order(authorisation=authorisation))) == code
    assert post.server.sent == []
    assert "unlock_not_authorised" in capsys.readouterr().out
    assert await post.end_of(wire_of(order())) is UnlockEnd.CONFIRMED, "a refused order uses nothing up"


async def test_an_authorisation_is_for_one_order_also_after_a_restart(post: AtPost):
    once = order().authorisation
    assert await post.end_of(wire_of(order())) is UnlockEnd.CONFIRMED
    post.begin()
    assert await post.code_of(wire_of(order(2, authorisation=once))) == "CS-ULK-009"
    assert post.server.sent == [SEAL]
    assert await post.end_of(wire_of(order(3))) is UnlockEnd.CONFIRMED


async def test_an_authorisation_used_at_two_orders_at_once_is_used_by_one(post: AtPost):
    post.server.gate.clear()
    once = order().authorisation
    both = [
        asyncio.create_task(post.unlocks.answer(HERE, wire_of(order(number, authorisation=once)))) for number in (1, 2)
    ]
    await until(lambda: any(one.done() for one in both))
    post.server.gate.set()
    ended = await asyncio.gather(*both, return_exceptions=True)
    assert [one.code for one in ended if isinstance(one, OrderRefused)] == ["CS-ULK-009"]
    assert post.server.sent == [SEAL]


async def test_an_officer_who_left_unlocks_nothing(post: AtPost):
    post.officers.clear()
    assert await post.code_of(wire_of(order())) == "CS-ULK-007"
    assert post.server.sent == []


async def test_an_authorisation_that_expires_while_the_disk_writes_is_not_carried_out(post: AtPost, monkeypatch):
    begin = post.ledger.begin_unlock

    async def slow(new) -> Begun:
        begun = await begin(new)
        post.clock.turn(seconds=15)
        return begun

    monkeypatch.setattr(post.ledger, "begin_unlock", slow)
    old = signed_by(payload(SEAL, NOW - timedelta(seconds=20)))
    assert await post.end_of(wire_of(order(authorisation=old))) is UnlockEnd.NOT_SENT
    assert post.server.sent == []


@pytest.mark.parametrize(
    "why", [Unsupported("not allowed"), NotReady("not connected"), None], ids=["no", "away", "none"]
)
async def test_what_no_server_sent_is_not_sent_and_stays_so(post: AtPost, why: Exception | None):
    if why is None:
        post.unlocks.servers = ()
    else:
        post.server.outcome = why
    assert await post.end_of(wire_of(order())) is UnlockEnd.NOT_SENT
    post.server.outcome = UnlockOutcome.CONFIRMED
    post.begin()
    assert await post.end_of(wire_of(order())) is UnlockEnd.NOT_SENT
    assert post.server.sent == []


async def test_without_a_record_nothing_is_sent_and_a_lost_answer_is_undetermined_later(post: AtPost, monkeypatch):
    async def full(*_values: object) -> None:
        raise StoreFault("full", code="EG-STO-002")

    with monkeypatch.context() as disk:
        disk.setattr(post.ledger, "begin_unlock", full)
        with pytest.raises(StoreFault):
            await post.unlocks.answer(HERE, wire_of(order()))
        assert post.server.sent == []
    monkeypatch.setattr(post.ledger, "end_unlock", full)
    assert await post.end_of(wire_of(order())) is UnlockEnd.CONFIRMED
    assert await post.end_of(wire_of(order())) is UnlockEnd.UNDETERMINED
    assert post.server.sent == [SEAL]


async def test_an_order_that_expires_while_the_disk_writes_is_not_sent(post: AtPost, monkeypatch):
    begin = post.ledger.begin_unlock

    async def slow(new) -> Begun:
        begun = await begin(new)
        post.clock.turn(seconds=30)
        return begun

    monkeypatch.setattr(post.ledger, "begin_unlock", slow)
    assert await post.end_of(wire_of(order())) is UnlockEnd.NOT_SENT
    assert post.server.sent == []


async def test_orders_are_forgotten_after_their_time_and_not_by_a_clock_that_jumps(post: AtPost):
    await post.end_of(wire_of(order()))
    post.clock.time += timedelta(days=40)
    await post.ledger.forget()
    assert await post.ledger.unlock(order().order_id) is not None
    post.clock.turn(hours=1)
    await post.ledger.forget()
    assert await post.ledger.unlock(order().order_id) is None


# ---- the gate ----


class AtGate:
    def __init__(self) -> None:
        self.changes = 0
        self.orders = UnlockOrders(HERE, POST.public_key(), HandClock(), self._changed)

    def _changed(self) -> None:
        self.changes += 1

    async def claimed(self) -> uuid.UUID:
        async with asyncio.timeout(PATIENCE_S):
            assert (await self.orders.waiting(PATIENCE_S)).count == 1
        claimed = self.orders.claim()
        body = base64.b64decode(claimed.body_base64)
        assert open_order(sign_order(body, KEYS[HERE]), GATES).order_id == claimed.order_id
        assert self.orders.claim().order_id is None, "given away once"
        return claimed.order_id


@pytest.fixture
def gate(monkeypatch) -> AtGate:
    monkeypatch.setattr(unlock_orders, "CLAIMED_WITHIN_S", PATIENCE_S)
    monkeypatch.setattr(unlock_orders, "ANSWERED_WITHIN_S", 2 * PATIENCE_S)
    return AtGate()


async def ordered(gate: AtGate) -> UnlockOutcome:
    return await gate.orders.on_authority(verified(SEAL, NOW)).unlock(SEAL)


def answer(
    order_id: uuid.UUID, end: UnlockEnd, key: Ed25519PrivateKey = POST, about: int | None = None
) -> UnlockCarried:
    named = order_id if about is None else uuid.UUID(int=about)
    wire = sign_answer(UnlockAnswer(order_id=named, end=end), key)
    return UnlockCarried(order_id=order_id, answer_base64=base64.b64encode(wire).decode())


@pytest.mark.parametrize("outcome", list(UnlockOutcome))
async def test_the_posts_signed_answer_is_the_outcome(gate: AtGate, outcome: UnlockOutcome):
    asked = asyncio.create_task(ordered(gate))
    order_id = await gate.claimed()
    gate.orders.carried(answer(order_id, UnlockEnd(outcome.value)))
    assert await asked is outcome
    gate.orders.carried(answer(order_id, UnlockEnd.REFUSED))  # late and twice: nobody waits


async def test_what_certainly_was_not_sent_is_said_so(gate: AtGate):
    for by_the_post in (True, False):
        asked = asyncio.create_task(ordered(gate))
        order_id = await gate.claimed()
        own = UnlockCarried(order_id=order_id, not_sent="CS-PST-001")
        gate.orders.carried(answer(order_id, UnlockEnd.NOT_SENT) if by_the_post else own)
        with pytest.raises(NotReady):
            await asked


async def test_an_answer_that_the_post_did_not_sign_for_this_order_leaves_it_undetermined(gate: AtGate):
    wrong = [
        lambda order_id: answer(order_id, UnlockEnd.CONFIRMED, KEYS[HERE]),
        lambda order_id: answer(order_id, UnlockEnd.NOT_SENT, about=9),
        lambda order_id: UnlockCarried(order_id=order_id, answer_base64="?"),
    ]
    for make in wrong:
        asked = asyncio.create_task(ordered(gate))
        order_id = await gate.claimed()
        with pytest.raises(PostFault):
            gate.orders.carried(make(order_id))
        assert await asked is UnlockOutcome.UNDETERMINED
    asked = asyncio.create_task(ordered(gate))
    gate.orders.carried(UnlockCarried(order_id=await gate.claimed()))
    assert await asked is UnlockOutcome.UNDETERMINED


async def test_an_order_that_nobody_claims_is_taken_back_and_one_without_an_answer_is_undetermined(gate, monkeypatch):
    monkeypatch.setattr(unlock_orders, "CLAIMED_WITHIN_S", 0.05)
    with pytest.raises(NotReady):
        await ordered(gate)
    assert gate.orders.claim().order_id is None
    monkeypatch.setattr(unlock_orders, "CLAIMED_WITHIN_S", PATIENCE_S)
    monkeypatch.setattr(unlock_orders, "ANSWERED_WITHIN_S", 0.05)
    asked = asyncio.create_task(ordered(gate))
    await gate.claimed()
    assert await asked is UnlockOutcome.UNDETERMINED


async def test_an_order_whose_officer_is_gone_cannot_be_claimed(gate: AtGate):
    asked = asyncio.create_task(ordered(gate))
    await gate.orders.waiting(PATIENCE_S)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert gate.orders.claim().order_id is None


def test_the_longest_wait_is_shorter_than_the_consoles():
    assert unlock_orders.CLAIMED_WITHIN_S < unlock_orders.ANSWERED_WITHIN_S < ANSWER_TIMEOUT_S
    assert ORDER_VALID.total_seconds() > unlock_orders.ANSWERED_WITHIN_S


def test_the_console_is_told_when_the_post_may_unlock(gate: AtGate):
    for is_possible in (False, True, True, False):
        gate.orders.post_says(is_possible=is_possible)
        assert gate.orders.is_possible is is_possible
    assert gate.changes == 2
