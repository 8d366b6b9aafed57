"""Unlocks as a customs inspector signs them at a console, and the officers who may."""

import json
import uuid
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync.post.unlocks import OfficerAuthorisation, OfficerSignature
from gate_agent.lane.authorisation import OfficerRecord, OfficerRole, VerifiedAuthorisation, judge

KEYS = {name: Ed25519PrivateKey.generate() for name in ("inspector-1", "guard-1")}
OFFICERS = {
    name: OfficerRecord(KEYS[name].public_key().public_bytes_raw(), role, name)
    for name, role in (("inspector-1", OfficerRole.CUSTOMS_INSPECTOR), ("guard-1", OfficerRole.GUARD))
}


def payload(seal_id: str, now: datetime, **changes: object) -> str:
    """Return what an officer signs; equal for equal seals and changes."""
    nonce = uuid.uuid5(uuid.NAMESPACE_OID, repr((seal_id, sorted(changes.items())))).hex
    fields = {
        "authorisation_id": str(uuid.UUID(hex=nonce)), "source": "UTO/demo/gate-1", "lane_id": 1, "action": "unlock_seal",
        "seal_id": seal_id, "reason_code": "customs_inspection", "session_id": "session-1", "nonce": nonce,
        "issued_at": now.isoformat(), "expires_at": (now + timedelta(seconds=30)).isoformat(), **changes,
    }  # fmt: skip
    return json.dumps(fields)


def signed(text: str, officer_id: str = "inspector-1", key: Ed25519PrivateKey | None = None) -> OfficerAuthorisation:
    """Return a payload with one officer's signature."""
    signature = (key or KEYS[officer_id]).sign(text.encode()).hex()
    return OfficerAuthorisation(
        payload=text, signatures=(OfficerSignature(officer_id=officer_id, signature_hex=signature),)
    )


def verified(seal_id: str, now: datetime, **changes: object) -> VerifiedAuthorisation:
    """Return an unlock as the agent has verified it."""
    said = signed(payload(seal_id, now, **changes))
    signatures = [(one.officer_id, one.signature_hex) for one in said.signatures]
    return judge(said.payload, signatures, "UTO/demo/gate-1", OFFICERS, now)
