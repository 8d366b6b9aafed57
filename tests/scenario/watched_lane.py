"""A lane of the controller's tests with the agent's parts around it: its own verifier and officers, its screen, and everything it asked."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers import contracts as dc
from gate_agent.app import views
from gate_agent.app.lane_source import GateSource
from gate_agent.clock import Clock
from gate_agent.demo.specimens import specimen
from gate_agent.domain.transaction_state import Phase
from gate_agent.inspection.signed_code import key_identifier
from gate_agent.lane.authorisation import AuthorisationVerifier, OfficerRecord, OfficerRole
from gate_agent.store import Store
from gate_agent.web.lane_api_messages import (
    ActionAnswer,
    Authorisation,
    GuardAction,
    Instruction,
    OfficerSignature,
    SignedAuthorisation,
)
from tests.unit.test_help_points import gate_source
from tests.unit.test_lane_controller import Lane

OFFICERS = {
    "guard-1": "guard",
    "guard-2": "guard",
    "supervisor-1": "supervisor",
    "technician-1": "technician",
}
KEYS = {officer_id: Ed25519PrivateKey.generate() for officer_id in OFFICERS}


def trust(walk: Lane, key: Ed25519PrivateKey) -> None:
    """Let a lane believe the codes of an issuer."""
    known, keys = walk.house.current, {key_identifier(key.public_key()): key.public_key()}
    walk.house.current = lambda: replace(known(), token_keys=keys)  # type: ignore[method-assign] # the test's own house


async def walk_through(walk: Lane, code: str = "") -> None:
    """Lay down a document, show a code if there is one, be looked at, and leave."""
    await walk.present()
    if code:
        walk.event("barcode-1", dc.BarcodeRead(code.encode()))
        await walk.settle()
    await walk.inputs(1)
    await walk.look()
    await walk.inputs(0, passed=True)


async def be_referred(walk: Lane) -> None:
    """Lay down a document whose check digit is wrong, also when it is read again."""
    await walk.present(wrong_digit=True)
    walk.event("reader-1", dc.MrzRead(specimen(1, walk.controller.today).lines(wrong_digit=True)))
    await walk.settle()
    assert walk.phase is Phase.REFERRED


@contextlib.asynccontextmanager
async def watching(walk: Lane) -> AsyncIterator[list[Instruction]]:
    """Note what the screen asks of the traveller, each time that it changes."""
    asked: list[Instruction] = []

    async def watch() -> None:
        while True:
            now = views.instruction(walk.controller)
            if asked[-1:] != [now]:
                asked.append(now)
            await asyncio.sleep(0)

    task = asyncio.create_task(watch())
    try:
        yield asked
        await walk.settle()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass
class Desks:
    """The consoles at which officers sit, and the agent's side of the lane API that they all lead to."""

    walk: Lane
    source: GateSource

    def order(self, action: str, officer_id: str, **changes: Any) -> SignedAuthorisation:
        """Return an order as an officer's console signs it."""
        now = datetime.now(UTC)
        values: dict[str, Any] = {
            "authorisation_id": uuid.uuid4(), "source": "UTO/demo/gate-1", "lane_id": 1, "action": GuardAction(action),
            "reason_code": "document_examined", "session_id": f"session-of-{officer_id}", "nonce": uuid.uuid4().hex,
            "issued_at": now, "expires_at": now + timedelta(seconds=30),
        }  # fmt: skip
        payload = Authorisation(**(values | changes)).model_dump_json()
        signature = KEYS[officer_id].sign(payload.encode()).hex()
        signed = OfficerSignature(officer_id=officer_id, signature_hex=signature)
        return SignedAuthorisation(payload=payload, authorisers=[signed])

    async def act(self, order: SignedAuthorisation) -> ActionAnswer:
        """Hand an order to the agent."""
        answer = await self.source.act(order)
        await self.walk.settle()
        return answer


def desks(walk: Lane, folder: Path, store: Store, clock: Clock) -> Desks:
    """Put the agent's own verifier, over a real store, before a lane."""
    settings = walk.controller._settings
    settings = settings.model_copy(update={"paths": settings.paths.model_copy(update={"state": folder})})
    officers = {
        officer_id: OfficerRecord(KEYS[officer_id].public_key().public_bytes_raw(), OfficerRole(role))
        for officer_id, role in OFFICERS.items()
    }
    verifier = AuthorisationVerifier("UTO/demo/gate-1", officers, clock, store.remember_nonce)
    return Desks(walk, gate_source(walk, settings, clock, verifier=verifier))
