"""On whose authority the post unlocks a seal: the officer's own signed authorisation, judged by the officers whom the post knows.

The gate judged it before, and a gate that is no longer ours would say so, too. So the post believes the gate nothing but where the order
comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import structlog

from central_sync.errors import OrderRefused
from central_sync.post.unlocks import NOT_AUTHORISED, OTHER_DEED, UnlockOrder
from gate_agent.errors import AuthorityRefused
from gate_agent.lane.authorisation import AuthorisedAction, OfficerRecord, VerifiedAuthorisation, judge

log = structlog.get_logger()


def authority_of(order: UnlockOrder, officers: Mapping[str, OfficerRecord], now: datetime) -> VerifiedAuthorisation:
    """Return the authorisation of an order, valid at `now`, for this gate and this seal. Raises `OrderRefused`; whether it is new is not judged."""
    said = order.authorisation
    signatures = [(one.officer_id, one.signature_hex) for one in said.signatures]
    try:
        verified = judge(said.payload, signatures, order.source, officers, now)
    except AuthorityRefused as refusal:
        log.error("unlock_not_authorised", gate=order.source, reason=refusal.code)
        raise OrderRefused(f"no officer's authorisation that holds: {refusal.code}", code=NOT_AUTHORISED) from refusal
    authorised = verified.authorisation
    if authorised.action is not AuthorisedAction.UNLOCK_SEAL or authorised.seal_id != order.seal_id:
        log.error("unlock_not_authorised", gate=order.source, reason=OTHER_DEED)
        raise OrderRefused("the officer authorised something else", code=OTHER_DEED)
    return verified
