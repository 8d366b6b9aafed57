"""What the gates of a border post tell each other, and what a gate sends and asks: facts, pages, directories."""

from __future__ import annotations

import sqlite3
import uuid
from datetime import UTC, date, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync import signed
from central_sync.errors import FactRefused
from central_sync.post.facts import PURPOSE, StayClosed, StayOpened, TokenUsed, fact_body, open_fact, sign_fact
from central_sync.post.messages import FactPage, as_text
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
