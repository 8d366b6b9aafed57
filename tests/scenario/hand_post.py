"""Gates of a post with a lane and officers each, behind the agent's own verifier and switch: what a console orders, and what lanes do."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync.post.directory import FILE_NAME, read_directory
from drivers import contracts as dc
from gate_agent.app.fallback import Fallback
from gate_agent.app.views import instruction
from gate_agent.domain.reasons import Reason
from gate_agent.domain.transaction_state import Phase
from gate_agent.lane.authorisation import ROLE_ACTIONS, AuthorisationVerifier, OfficerRecord, OfficerRole
from gate_agent.web.auth import offered_actions
from gate_agent.web.fallback_messages import FallbackView
from gate_agent.web.guard.view import Viewer, console_view
from gate_agent.web.i18n import GUARD_LANGUAGES, load_catalogues
from gate_agent.web.lane_api_messages import (
    ActionAnswer,
    Authorisation,
    GuardAction,
    Instruction,
    OfficerSignature,
    SignedAuthorisation,
)
from tests.scenario.border_post import Gate, PostProcess
from tests.unit.test_help_points import gate_source
from tests.unit.test_lane_controller import Lane, lane

GATES = ("gate-1", "gate-2", "gate-3")
KEYS = {role.value: Ed25519PrivateKey.generate() for role in OfficerRole}
OFFICERS = {role: OfficerRecord(key.public_key().public_bytes_raw(), OfficerRole(role)) for role, key in KEYS.items()}


class HandGate:
    """One gate: store, link to the post, one lane on fakes. `stop` and `start` are the end of its agent and of its sync, and the next ones."""

    def __init__(self, folder: Path, post: PostProcess, gate_id: str, officers: dict[str, OfficerRecord]) -> None:
        self.gate = Gate(folder, post.keys, gate_id, post.port)
        self.gate.report_s = 2.0  # as `egate sync` has it
        self.source_name = f"UTO/demo/{gate_id}"
        self.officers = officers
        self.alarms: list[tuple[Reason, bool]] = []
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        self._stack = AsyncExitStack()
        self.walk: Lane = await self._stack.enter_async_context(lane())
        heard = asyncio.Event()

        async def told() -> None:
            await heard.wait()
            await self.fallback.look()

        self.gate.told_of_fallback = told
        await self.gate.start()
        self._stack.push_async_callback(self.gate.stop)
        gates = read_directory(self.gate.keys / FILE_NAME).gates
        self.fallback = Fallback(
            self.source_name, self.gate.store.fallback, {1: self.walk.controller}, self.officers, tuple(gates),
            self.walk.clock, tell=lambda _subject, reason, stands: self.alarms.append((reason, stands)),
            changed=self.walk.house.changed,
            post_answers=lambda: self.gate.statuses["post"].state == dc.DeviceState.READY,
        )  # fmt: skip
        await self.fallback.restore()
        heard.set()
        task = asyncio.create_task(self.fallback.run())
        self._stack.callback(task.cancel)
        settings = self.walk.controller._settings
        paths = settings.paths.model_copy(update={"state": self.gate.folder / "state"})
        verifier = AuthorisationVerifier(
            self.source_name, self.officers, self.walk.clock, self.gate.store.remember_nonce
        )
        self.source = gate_source(
            self.walk, settings.model_copy(update={"paths": paths}), self.walk.clock, verifier=verifier,
            fallback=self.fallback,
        )  # fmt: skip
        await self.walk.settle()

    async def stop(self) -> None:
        await self._stack.aclose()

    def signed(self, action: str, role: str = "supervisor", key_of: str = "", **changes: Any) -> SignedAuthorisation:
        """Sign as a console would: an order about the fallback has the number after the one that is shown."""
        now = self.walk.clock.now()
        said = {
            "authorisation_id": uuid.uuid4(), "source": self.source_name, "lane_id": 0, "action": GuardAction(action),
            "reason_code": "system_fault", "session_id": "session-1", "nonce": uuid.uuid4().hex, "issued_at": now,
            "expires_at": now + timedelta(seconds=30),
        }  # fmt: skip
        if action.endswith("_fallback"):
            said["fallback_number"] = 1 + (self.view.number if self.view is not None else 0)
        payload = Authorisation(**(said | changes)).model_dump_json()
        signature = KEYS[key_of or role].sign(payload.encode()).hex()
        return SignedAuthorisation(
            payload=payload, authorisers=[OfficerSignature(officer_id=role, signature_hex=signature)]
        )

    async def orders(self, action: str, role: str = "supervisor", **changes: Any) -> ActionAnswer:
        return await self.source.act(self.signed(action, role, **changes))

    @property
    def view(self) -> FallbackView | None:
        return self.fallback.view()

    @property
    def is_by_hand(self) -> bool:
        return self.walk.phase is Phase.SUSPENDED and instruction(self.walk.controller) is Instruction.OFFICER_CONTROL

    def states(self) -> dict[str, str]:
        """Return what each other gate said to the order that is in force here."""
        assert self.view is not None
        return {gate.gate.rpartition("/")[2]: gate.state for gate in self.view.gates}

    async def is_acknowledged(self) -> bool:
        return set(self.states().values()) == {"acknowledged"}

    def page(self, role: str = "supervisor", language: str = "en") -> dict[str, Any]:
        """Return what the console of an officer shows."""
        viewer = Viewer(offered_actions(role, ROLE_ACTIONS), {}, sees_people=role != "technician")
        return console_view(self.source.snapshot(), load_catalogues("guard", GUARD_LANGUAGES)[language], viewer)


@contextlib.asynccontextmanager
async def hand_gates(folder: Path, post: PostProcess, gates: Sequence[str] = GATES) -> AsyncIterator[list[HandGate]]:
    """Run gates whose officers are known everywhere."""
    running = [HandGate(folder, post, gate_id, dict(OFFICERS)) for gate_id in gates]
    try:
        for gate in running:
            await gate.start()
        yield running
    finally:
        for gate in running:
            await gate.stop()
