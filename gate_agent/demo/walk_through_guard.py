"""The demonstration's guard: signs with an officer's own key, and acts only on what the gate's verifier accepted."""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_agent.clock import Clock
from gate_agent.domain import walk_through_events as ev
from gate_agent.domain.crossing import Admission, Officer
from gate_agent.lane.authorisation import AuthorisationVerifier, AuthorisedAction, VerifiedAuthorisation
from gate_agent.lane.walk_through import Called, WalkThroughLane
from gate_agent.provisioning import Provisioned
from gate_agent.web.officer_keys import unlock_officer_key

OFFICER = "guard-1"
_VALIDITY = timedelta(seconds=30)
_ALARM_TIMEOUT_S = 30.0


class WalkThroughGuard:
    """One officer who leads people away: hands travellers over to the second line, and notes strangers as dealt with."""

    def __init__(self, provisioned: Provisioned, verifier: AuthorisationVerifier, clock: Clock) -> None:
        content = (provisioned.keys / "officers" / f"{OFFICER}.json").read_bytes()
        self._key: Ed25519PrivateKey = unlock_officer_key(content, provisioned.passwords[OFFICER])
        self._verifier = verifier
        self._clock = clock

    async def deal_with(self, lane: WalkThroughLane, call: Called) -> None:
        """Answer one call. Raises `AuthorityRefused` when the gate does not accept the signature."""
        if call.transaction_id is None:
            await self._note_stranger(lane, call)
            return
        verified = await self._signed(lane, AuthorisedAction.HAND_OVER, transaction_id=call.transaction_id)
        order = verified.authorisation
        officers = tuple(
            Officer(officer.officer_id, officer.role.value, order.authorisation_id) for officer in verified.officers
        )
        decided = ev.GuardDecided(
            call.transaction_id, Admission.HAND_OVER, officers, order.reason_code, order.reason_text
        )
        await lane.guard(decided)

    async def _note_stranger(self, lane: WalkThroughLane, call: Called) -> None:
        code = call.reasons[0].code
        async with asyncio.timeout(_ALARM_TIMEOUT_S):
            while code not in lane.alarms.open:  # noqa: ASYNC110 - the alarm is raised by a job of the lane
                await asyncio.sleep(0.005)
        alarm_id = lane.alarms.open[code].alarm_id
        verified = await self._signed(lane, AuthorisedAction.ACKNOWLEDGE_ALARM, subject_id=alarm_id)
        await lane.alarms.acknowledge(alarm_id, verified.officers[0].officer_id)
        await lane.guard(ev.GuardCleared())

    async def _signed(
        self, lane: WalkThroughLane, action: AuthorisedAction, **subject: uuid.UUID
    ) -> VerifiedAuthorisation:
        now = self._clock.now()
        payload = json.dumps(
            {
                "authorisation_id": str(lane.kiosk.new_id()),
                "source": self._verifier.source,
                "lane_id": lane.lane.lane_id,
                "action": action.value,
                "reason_code": "identity_unclear",
                "session_id": "demonstration",
                "nonce": secrets.token_hex(16),
                "issued_at": now.isoformat(),
                "expires_at": (now + _VALIDITY).isoformat(),
                **{name: str(value) for name, value in subject.items()},
            }
        )
        return await self._verifier.verify(payload, [(OFFICER, self._key.sign(payload.encode()).hex())])
