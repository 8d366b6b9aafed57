"""What the gates of a border post tell each other, and what a gate sends and asks: facts, pages, directories."""

from __future__ import annotations

import sqlite3
import uuid
from datetime import UTC, date, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync import signed
from central_sync.errors import FactRefused, OrderRefused, PostFault
from central_sync.post.facts import PURPOSE, StayClosed, StayOpened, TokenUsed, fact_body, open_fact, sign_fact
from central_sync.post.messages import FactPage, as_text
from central_sync.post.unlocks import (
    ANSWER_PURPOSE,
    ORDER_PURPOSE,
    UnlockAnswer,
    UnlockEnd,
    UnlockOrder,
    open_answer,
    open_order,
    order_body,
    sign_answer,
    sign_order,
)
from gate_agent.store import facts, lookups
from gate_agent.store.lookups import HolderKey
from tests.fuzz.target import Target, layers

_HERE, _THERE = "UTO/demo/gate-1", "UTO/demo/gate-2"
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_GATES = {_THERE: _KEY.public_key()}
_LIFE = uuid.UUID(int=1)


def fact() -> Target:
    """Any wire, and any content that a listed gate signed: what is accepted is that gate's, and has its effect once."""
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    common = {"fact_id": uuid.UUID(int=2), "source": _THERE, "occurred_at": moment, "expires_at": moment}
    stay = {"stay_id": uuid.UUID(int=3), "holder": "ab" * 32, "entered_on": date(2026, 5, 1)}
    bodies = [
        fact_body(TokenUsed.model_validate(common | {"usage": "cd" * 32})),
        fact_body(StayOpened.model_validate(common | stay)),
        fact_body(StayClosed.model_validate(common | stay | {"exited_on": date(2026, 5, 2)})),
    ]

    def wire(content: bytes) -> bool:
        try:
            found = open_fact(content, _GATES)
        except FactRefused:
            return False
        assert signed.content_of(PURPOSE, content, (_KEY.public_key(),)) is not None, "a fact that nobody signed"
        assert found.source == _THERE
        return True

    def body(content: bytes) -> bool:
        made = sign_fact(content, _KEY)
        accepted = wire(made)
        gate = sqlite3.connect(":memory:", isolation_level=None)
        gate.row_factory = sqlite3.Row
        gate.executescript(lookups.SCHEMA + facts.SCHEMA)
        for after in (0, 1):
            page = FactPage(generation=_LIFE, after=after, through=after + 1, facts=as_text([made]))
            taken = facts.take_page(
                gate, page, facts.Post(bytes(32), _GATES), HolderKey(bytes(range(32)), bytes(32)), _HERE
            )
            assert taken is not None
            assert (taken.new, taken.refused) == (int(accepted and not after), int(not accepted))
        gate.close()
        return accepted

    return layers((wire, [sign_fact(one, _KEY) for one in bodies]), (body, bodies), limit_bytes=2600)


def unlock() -> Target:
    """Any wire, and any content that a listed gate or the post signed: an order has one spelling and the name of its gate."""
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    life = uuid.UUID(int=2)
    bodies = [
        order_body(UnlockOrder(order_id=life, source=source, seal_id="990000000007", expires_at=moment))
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

    return layers(
        (order, [sign_order(one, _KEY) for one in bodies]),
        (body, bodies),
        (answer, [sign_answer(one, _KEY) for one in answers]),
        (answer_body, [one.model_dump_json().encode() for one in answers]),
        limit_bytes=2600,
    )
