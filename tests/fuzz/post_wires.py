"""What the gates of a border post tell each other, and what a gate sends and asks: facts, pages, directories."""

from __future__ import annotations

import sqlite3
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync import signed
from central_sync.errors import FactRefused, OrderRefused, PostFault
from central_sync.post.facts import (
    PURPOSE,
    AppealUpheld,
    DeskStop,
    Fact,
    FallbackAnswered,
    FallbackOrdered,
    HolderInspected,
    StayClosed,
    StayCorrected,
    StayOpened,
    TokenUsed,
    fact_body,
    open_fact,
    sign_fact,
)
from central_sync.post.messages import FactPage, as_text
from central_sync.post.unlocks import (
    ANSWER_PURPOSE,
    MAX_PAYLOAD,
    ORDER_PURPOSE,
    OfficerAuthorisation,
    OfficerSignature,
    UnlockAnswer,
    UnlockEnd,
    UnlockOrder,
    open_answer,
    open_order,
    order_body,
    sign_answer,
    sign_order,
)
from gate_agent.app.unlock_authority import authority_of
from gate_agent.lane.authorisation import OfficerRecord, OfficerRole
from gate_agent.store import facts, schema
from gate_agent.store.lookups import HolderKey
from tests.fuzz.target import Target, layers

_HERE, _THERE = "UTO/demo/gate-1", "UTO/demo/gate-2"
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_GATES = {_THERE: _KEY.public_key()}
_LIFE = uuid.UUID(int=1)
_SEAL = "990000000007"
_NOW = datetime(2026, 5, 1, tzinfo=UTC)
_INSPECTOR = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
_OFFICERS = {
    "customs-1": OfficerRecord(_INSPECTOR.public_key().public_bytes_raw(), OfficerRole.CUSTOMS_INSPECTOR, "customs-1")
}
_WORDS = (
    '{"authorisation_id":"00000000-0000-0000-0000-000000000001","source":"UTO/demo/gate-2","lane_id":1,"action":"unlock_seal",'
    '"seal_id":"990000000007","reason_code":"customs_inspection","session_id":"session-1","nonce":"0123456789abcdef",'
    '"issued_at":"2026-05-01T00:00:00Z","expires_at":"2026-05-01T00:00:30Z"}'
)


def _authorised(words: str) -> OfficerAuthorisation:
    one = OfficerSignature(officer_id="customs-1", signature_hex=_INSPECTOR.sign(words.encode()).hex())
    return OfficerAuthorisation(payload=words, signatures=(one,))


def fact() -> Target:
    """Any wire, and any content that a listed gate signed: what is accepted is that gate's, and has its effect once."""
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    common = {"fact_id": uuid.UUID(int=2), "source": _THERE, "occurred_at": moment, "expires_at": moment}
    holder: dict[str, object] = {"holder": "ab" * 32}
    stay = {"stay_id": uuid.UUID(int=3), "entered_on": date(2026, 5, 1)}
    ended, told_on = {"exited_on": date(2026, 5, 2)}, {"local_date": date(2026, 5, 2)}
    order = {"order_id": uuid.UUID(int=6), "number": 1, "stands": True}
    every: list[tuple[type[Fact], dict[str, object]]] = [
        (TokenUsed, {"usage": "cd" * 32}),
        (StayOpened, holder | stay),
        (StayClosed, holder | stay | ended),
        (StayCorrected, stay | ended | {"is_void": False}),
        (DeskStop, holder | {"stop_id": uuid.UUID(int=4), "state": "opened"}),
        (HolderInspected, holder | told_on | {"task_id": uuid.UUID(int=5), "finding": "found"}),
        (AppealUpheld, holder | told_on | {"subject": "trust_category"}),
        (FallbackOrdered, order | {"authorisation": _authorised(_WORDS)}),
        (FallbackAnswered, order | {"refusal": "EG-FBK-001"}),
    ]
    assert {kind for kind, _ in every} == set(get_args(Fact)), "a kind of fact without a seed"
    bodies = [fact_body(kind.model_validate(common | members)) for kind, members in every]

    def wire(content: bytes) -> bool:
        try:
            found = open_fact(content, _GATES)
        except FactRefused:
            return False
        assert signed.content_of(PURPOSE, content, (_KEY.public_key(),)) is not None, "a fact that nobody signed"
        assert found.source == _THERE
        return True

    gate = sqlite3.connect(":memory:", isolation_level=None)
    gate.row_factory = sqlite3.Row
    schema.prepare(gate)

    def body(content: bytes) -> bool:
        made = sign_fact(content, _KEY)
        accepted = wire(made)
        gate.execute("BEGIN")
        for after in (0, 1):
            page = FactPage(generation=_LIFE, after=after, through=after + 1, facts=as_text([made]))
            taken = facts.take_page(
                gate, page, facts.Post(bytes(32), _GATES), HolderKey(bytes(range(32)), bytes(32)), _HERE
            )
            assert taken is not None
            assert (taken.new, taken.refused) == (int(accepted and not after), int(not accepted))
        gate.execute("ROLLBACK")  # a gate made anew would take a third of the run
        return accepted

    return layers((wire, [sign_fact(one, _KEY) for one in bodies]), (body, bodies), limit_bytes=2600)


def unlock() -> Target:
    """Any wire, and any content that a listed gate, the post or an officer signed.

    An order has one spelling and the name of its gate; an officer's words are good for one seal of one gate, and for a minute.
    """
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    life = uuid.UUID(int=2)
    bodies = [
        order_body(
            UnlockOrder(
                order_id=life, source=source, seal_id=_SEAL, expires_at=moment, authorisation=_authorised(_WORDS)
            )
        )
        for source in (_THERE, _HERE)
    ]
    answers = [UnlockAnswer(order_id=life, end=end, why="not connected") for end in UnlockEnd]

    def order(wire: bytes) -> bool:
        try:
            found = open_order(wire, _GATES)
        except OrderRefused:
            return False
        content = signed.content_of(ORDER_PURPOSE, wire, (_KEY.public_key(),))
        assert content == order_body(found), "an order that nobody signed, or in another spelling"
        assert found.source == _THERE
        assert found.seal_id
        return True

    def body(content: bytes) -> bool:
        return order(sign_order(content, _KEY))

    def answer(wire: bytes) -> bool:
        try:
            found = open_answer(wire, _KEY.public_key())
        except PostFault:
            return False
        assert signed.content_of(ANSWER_PURPOSE, wire, (_KEY.public_key(),)) is not None, "an answer that nobody signed"
        assert open_answer(sign_answer(found, _KEY), _KEY.public_key()) == found
        return True

    def answer_body(content: bytes) -> bool:
        return answer(signed.sign(ANSWER_PURPOSE, content, _KEY))

    def words(content: bytes) -> bool:
        """What an inspector signed, whatever it is, in an order that is good otherwise."""
        text = content.decode("utf-8", "replace")
        if not 2 <= len(text) <= MAX_PAYLOAD:
            return False
        made = UnlockOrder(
            order_id=life, source=_THERE, seal_id=_SEAL, expires_at=moment, authorisation=_authorised(text)
        )
        try:
            said = authority_of(open_order(sign_order(order_body(made), _KEY), _GATES), _OFFICERS, _NOW).authorisation
        except OrderRefused:
            return False
        assert (said.action, said.seal_id, said.source) == ("unlock_seal", _SEAL, _THERE)
        assert _NOW < said.expires_at <= _NOW + timedelta(seconds=62)
        return True

    def signature(content: bytes) -> bool:
        """Good words under any signature: only the inspector's own is one."""
        one = OfficerSignature(officer_id="customs-1", signature_hex=content[:64].ljust(64, b"\0").hex())
        said = OfficerAuthorisation(payload=_WORDS, signatures=(one,))
        made = UnlockOrder(order_id=life, source=_THERE, seal_id=_SEAL, expires_at=moment, authorisation=said)
        try:
            authority_of(made, _OFFICERS, _NOW)
        except OrderRefused:
            return False
        assert said == _authorised(_WORDS), "an authorisation that nobody signed"
        return True

    return layers(
        (words, [_WORDS.encode()]),
        (signature, [_INSPECTOR.sign(_WORDS.encode()), bytes(64)]),
        (order, [sign_order(one, _KEY) for one in bodies]),
        (body, bodies),
        (answer, [sign_answer(one, _KEY) for one in answers]),
        (answer_body, [one.model_dump_json().encode() for one in answers]),
        limit_bytes=2600,
    )
