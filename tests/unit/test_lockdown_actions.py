"""A lockdown by signed actions, from the lane API's answer to the barrier: whoever may order it, who may end it, and what ends it not."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from drivers import contracts as dc
from gate_agent.app.lane_source import GateSource
from gate_agent.domain.transaction_state import Phase
from gate_agent.lane.authorisation import ROLE_ACTIONS, AuthorisationVerifier, OfficerRecord, OfficerRole
from gate_agent.web.auth import offered_actions
from gate_agent.web.guard.view import Viewer, console_view
from gate_agent.web.i18n import GUARD_LANGUAGES, load_catalogues
from gate_agent.web.lane_api_messages import (
    ActionAnswer,
    Authorisation,
    GuardAction,
    OfficerSignature,
    SignedAuthorisation,
)
from tests.unit.test_help_points import gate_source
from tests.unit.test_lane_controller import Lane, lane

ROLES = {role.value: Ed25519PrivateKey.generate() for role in OfficerRole}


@dataclass
class Desk:
    """A lane behind the agent's own verifier, and officers of every role."""

    walk: Lane
    source: GateSource

    async def orders(self, action: str, role: str = "supervisor", **changes: Any) -> ActionAnswer:
        now = self.walk.clock.now()
        payload = Authorisation(
            authorisation_id=uuid.uuid4(), source="UTO/demo/gate-1", lane_id=1, action=GuardAction(action),
            reason_code="safety", session_id="session-1", nonce=uuid.uuid4().hex, issued_at=now,
            expires_at=now + timedelta(seconds=30), **changes,
        ).model_dump_json()  # fmt: skip
        signature = OfficerSignature(officer_id=role, signature_hex=ROLES[role].sign(payload.encode()).hex())
        answer = await self.source.act(SignedAuthorisation(payload=payload, authorisers=[signature]))
        await self.walk.settle()
        return answer

    def tile(self, role: str = "supervisor", language: str = "en") -> dict[str, Any]:
        """Return the lane as the console of an officer shows it."""
        viewer = Viewer(offered_actions(role, ROLE_ACTIONS), {})
        catalogue = load_catalogues("guard", GUARD_LANGUAGES)[language]
        (shown,) = console_view(self.source.snapshot(), catalogue, viewer)["lanes"]
        return shown


@pytest.fixture
async def desk(tmp_path: Path):
    async with lane() as walk:
        settings = walk.controller._settings
        settings = settings.model_copy(update={"paths": settings.paths.model_copy(update={"state": tmp_path})})
        nonces: set[str] = set()

        async def remember(nonce: str, _until: datetime) -> bool:
            is_new = nonce not in nonces
            nonces.add(nonce)
            return is_new

        officers = {
            role: OfficerRecord(key.public_key().public_bytes_raw(), OfficerRole(role)) for role, key in ROLES.items()
        }
        verifier = AuthorisationVerifier("UTO/demo/gate-1", officers, walk.clock, remember)
        yield Desk(walk, gate_source(walk, settings, walk.clock, verifier=verifier))


@pytest.mark.parametrize("role", ["guard", "supervisor"])
async def test_a_lockdown_is_ordered_shown_and_ended_by_a_supervisor(desk: Desk, role: str) -> None:
    assert (desk.tile()["lockdown"], desk.tile()["lockdown_action"]) == (False, "lockdown_lane")
    assert (await desk.orders("lockdown_lane", role)).accepted
    assert desk.walk.house.lockdowns == [True]
    assert desk.walk.phase is Phase.SUSPENDED
    tile = desk.tile()
    assert (tile["lockdown"], tile["lockdown_action"], tile["action"]) == (True, "end_lockdown", None)
    assert tile["state_text"] == "Lockdown: no door is released"
    assert desk.tile(language="ru")["state_text"].startswith("Блокировка")
    assert desk.tile("guard")["lockdown_action"] is None, "a guard does not end it"
    await desk.walk.present()
    assert desk.walk.house.releases == []
    assert (await desk.orders("end_lockdown")).accepted
    assert desk.walk.house.lockdowns == [True, False]
    assert not desk.tile()["lockdown"]
    await desk.walk.present()
    assert desk.walk.house.releases == [dc.Door.ENTRANCE]


@pytest.mark.parametrize("role", ["guard", "technician", "customs_inspector"])
async def test_nobody_else_ends_a_lockdown(desk: Desk, role: str) -> None:
    await desk.orders("lockdown_lane")
    assert (await desk.orders("end_lockdown", role)).code == "EG-AUT-018"
    assert desk.walk.controller.state.lockdown


@pytest.mark.parametrize("role", ["technician", "customs_inspector"])
async def test_who_does_not_guard_orders_none(desk: Desk, role: str) -> None:
    assert (await desk.orders("lockdown_lane", role)).code == "EG-AUT-018"
    assert desk.walk.house.lockdowns == []


@pytest.mark.parametrize("role", ["technician", "supervisor"])
async def test_resuming_a_lane_ends_no_lockdown(desk: Desk, role: str) -> None:
    await desk.orders("suspend_lane")
    await desk.orders("lockdown_lane")
    assert (await desk.orders("resume_lane", role)).accepted
    assert desk.walk.controller.state.lockdown
    assert desk.walk.phase is Phase.SUSPENDED
    assert desk.walk.house.lockdowns == [True]


async def test_ending_a_lockdown_leaves_a_suspended_lane_suspended(desk: Desk) -> None:
    await desk.orders("suspend_lane")
    await desk.orders("lockdown_lane")
    await desk.orders("end_lockdown")
    assert desk.walk.phase is Phase.SUSPENDED
    assert desk.tile()["action"] == "resume_lane"


async def test_a_lane_without_a_lockdown_has_none_to_end(desk: Desk) -> None:
    assert (await desk.orders("end_lockdown")).code == "EG-LAN-002"


@pytest.mark.parametrize("action", ["lockdown_lane", "suspend_lane", "resume_lane"])
async def test_the_log_says_which_lane_why_and_who(desk: Desk, action: str) -> None:
    with capture_logs() as logs:
        await desk.orders(action)
    (line,) = [line for line in logs if line["event"] == "authorisation_used"]
    assert (line["action"], line["lane_id"], line["reason"], line["officers"]) == (action, 1, "safety", ["supervisor"])
