"""A guard at the lane: releases with an officer's own signature, through the lane API, as a console would."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta

import httpx

from gate_agent.clock import SystemClock
from gate_agent.demo.site import DemoSite
from gate_agent.demo.stage import Stage
from gate_agent.domain.identifiers import uuid7
from gate_agent.web.lane_api_messages import ReferralView
from gate_agent.web.officer_keys import unlock_officer_key


def lane_api(site: DemoSite) -> httpx.AsyncClient:
    """Return a client of the gate's lane API."""
    transport = httpx.AsyncHTTPTransport(uds=str(site.folder / "run" / "lane.sock"))
    return httpx.AsyncClient(transport=transport, base_url="http://lane.sock")


async def release(stage: Stage, site: DemoSite, lane_id: int, reason_code: str) -> ReferralView:
    """Wait for the referral of a lane and release; returns what the guard saw."""
    referral = await stage.view.referral(lane_id)
    made, now = site.provisioned, SystemClock().now()
    key = unlock_officer_key((made.keys / "officers" / "guard-1.json").read_bytes(), made.passwords["guard-1"])
    payload = json.dumps(
        {
            "authorisation_id": str(uuid7(int(now.timestamp() * 1000))),
            "source": "UTO/demo/gate-1",
            "lane_id": lane_id,
            "action": "release",
            "reason_code": reason_code,
            "session_id": "scenario",
            "nonce": secrets.token_hex(16),
            "issued_at": now.isoformat(),
            "expires_at": (now + timedelta(seconds=20)).isoformat(),
            "transaction_id": str(referral.transaction_id),
        }
    )
    signed = {
        "payload": payload,
        "authorisers": [{"officer_id": "guard-1", "signature_hex": key.sign(payload.encode()).hex()}],
    }
    async with lane_api(site) as client:
        answer = await client.post("/v1/actions", json=signed)
    assert answer.json()["accepted"], answer.text
    return referral
