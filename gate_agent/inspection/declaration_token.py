"""What a presented declaration token is worth: genuine, in time, for this document, not used before.

Two steps, because a token may be shown before the document is read: `verify_token` judges the token by itself, `bind` then ties it
to the document. Nothing here knows a device or a clock, and nothing waits for a network: the issuers' keys lie on the gate.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.declaration import Declaration
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.inspection.signed_code import TokenRefused
from gate_agent.inspection.token_format import TokenClaims, decode, document_binding

CLOCK_SKEW = timedelta(minutes=10)
"""How far the portal's clock and the gate's may differ."""


@dataclass(frozen=True, slots=True)
class TokenReading:
    """A judged token. `declaration` is there only when `result` is successful; `binding` ties it to one document; `signed`: as presented."""

    result: CheckResult
    declaration: Declaration | None
    binding: bytes
    signed: bytes = b""


def verify_token(payload: bytes, trusted: Mapping[bytes, Ed25519PublicKey], now: datetime) -> TokenReading:
    """Judge the bytes of a barcode as a declaration token at `now` (aware).

    `trusted` holds the issuers' keys by `token_format.key_identifier`. Malformed bytes and unknown issuers are undetermined (they
    say nothing about the traveller); a wrong signature and a token outside its time, by more than `CLOCK_SKEW`, have failed.
    """
    started_s = time.perf_counter()
    try:
        claims = decode(payload, trusted)
    except TokenRefused as refused:
        reading = TokenReading(_refused(refused.reason), None, b"")
    else:
        reading = _in_time(claims, now)
    duration_ms = (time.perf_counter() - started_s) * 1000
    signed = payload if reading.declaration is not None else b""
    return replace(reading, result=replace(reading.result, duration_ms=duration_ms), signed=signed)


def bind(reading: TokenReading, document: TravelDocument, already_used: bool) -> CheckResult:
    """Return the declaration check for the traveller who shows `document`, the declarant or somebody who travels with him.

    `already_used` says that the store knows this token as consumed with this document. An unsuccessful reading stays what it is.
    """
    if reading.declaration is None:
        return reading.result
    if place_of(reading, document) is None:
        return replace(_refused(ReasonCode.TOKEN_OTHER_DOCUMENT), duration_ms=reading.result.duration_ms)
    if already_used:
        return replace(_refused(ReasonCode.TOKEN_ALREADY_USED), duration_ms=reading.result.duration_ms)
    return reading.result


def place_of(reading: TokenReading, document: TravelDocument) -> int | None:
    """Return whose document it is: 0 the declarant's, then the companions' in their order; None when it is nobody's on this token.

    A companion's birth date has to be that of the document, where both are known: relation and age were declared of that person.
    """
    if reading.declaration is None:
        return None
    token_id = reading.declaration.token_id
    expected = document_binding(token_id, document.issuing_state, document.document_number)
    if hmac.compare_digest(expected, reading.binding):
        return 0
    for place, one in enumerate(reading.declaration.companions, start=1):
        if hmac.compare_digest(expected, one.binding):
            return place if document.date_of_birth in {None, one.date_of_birth} else None
    return None


def _in_time(claims: TokenClaims, now: datetime) -> TokenReading:
    declaration = claims.declaration
    starts = max(claims.not_before, declaration.issued_at)
    if now < starts - CLOCK_SKEW:
        compared = Compared("not_before", now.isoformat(), starts.isoformat())
        return TokenReading(_refused(ReasonCode.TOKEN_NOT_YET_VALID, compared), None, b"")
    if now > declaration.expires_at + CLOCK_SKEW:
        compared = Compared("expires_at", now.isoformat(), declaration.expires_at.isoformat())
        return TokenReading(_refused(ReasonCode.TOKEN_EXPIRED, compared), None, b"")
    genuine = CheckResult(CheckName.DECLARATION_TOKEN, CheckOutcome.SUCCESSFUL)
    return TokenReading(genuine, declaration, claims.binding)


_SAYS_NOTHING = frozenset({ReasonCode.TOKEN_MALFORMED, ReasonCode.TOKEN_ISSUER_UNKNOWN})


def _refused(reason: ReasonCode, *compared: Compared) -> CheckResult:
    outcome = CheckOutcome.UNDETERMINED if reason in _SAYS_NOTHING else CheckOutcome.FAILED
    return CheckResult(CheckName.DECLARATION_TOKEN, outcome, (Reason(reason),), compared)
