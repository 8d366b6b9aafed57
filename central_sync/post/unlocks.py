"""An order of a gate to unlock one seal whose tracker speaks at the post, and the post's answer. Either is signed by whoever says it.

An order is short-lived, has one spelling only, and is carried out at most once: its id is remembered, and the same order again gets the
first answer. The officer's own signed authorisation travels in it, as it was signed: a gate alone can order nothing. This module does not
judge that authorisation; whoever carries the order out does, by the officers that it knows itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from central_sync import signed, strict_json
from central_sync.errors import OrderRefused, PostFault, StrictJsonError

ORDER_PURPOSE, ANSWER_PURPOSE = "egate-unlock-2", "egate-unlock-answer-1"
MAX_ORDER_BYTES, MAX_ANSWER_BYTES = 20_480, 2_048
MAX_PAYLOAD = 8_192
MALFORMED, SIGNATURE, OTHER_GATE, UNTIMELY, OTHER_ORDER, BUSY = (f"CS-ULK-{number:03d}" for number in range(1, 7))
NOT_AUTHORISED, OTHER_DEED, AUTHORISATION_USED = (f"CS-ULK-{number:03d}" for number in range(7, 10))

ORDER_VALID = timedelta(seconds=20)
LONGEST_VALID = timedelta(seconds=60)
"""An order that is valid for longer, by the post's clock, is refused: either clock is wrong, or somebody wants to keep it."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Said(_Part):
    order_id: uuid.UUID


class OfficerSignature(_Part):
    """One officer's Ed25519 signature over the UTF-8 bytes of the payload."""

    officer_id: str = Field(min_length=1, max_length=64)
    signature_hex: str = Field(pattern=r"^[0-9a-f]{128}$")


class OfficerAuthorisation(_Part):
    """What one or more officers signed at the gate's console, byte for byte."""

    payload: str = Field(min_length=2, max_length=MAX_PAYLOAD, repr=False)
    signatures: tuple[OfficerSignature, ...] = Field(min_length=1, max_length=4)


class UnlockOrder(_Said):
    """One seal, once, until `expires_at`, on the authority of an officer."""

    source: str = Field(min_length=1, max_length=128)
    seal_id: str = Field(min_length=1, max_length=64)
    expires_at: AwareDatetime
    authorisation: OfficerAuthorisation


class UnlockEnd(StrEnum):
    """What became of an order. UNDETERMINED: it may have reached the seal. NOT_SENT: it certainly did not."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNDETERMINED = "undetermined"
    NOT_SENT = "not_sent"


class UnlockAnswer(_Said):
    """The post's answer to one order."""

    end: UnlockEnd
    why: str = Field("", max_length=200)


def order_body(order: UnlockOrder) -> bytes:
    """Return the bytes that are signed."""
    return strict_json.dumps(order.model_dump(mode="json"))


def sign_order(body: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the wire form of an order."""
    return signed.sign(ORDER_PURPOSE, body, key)


def open_order(wire: bytes, gates: Mapping[str, Ed25519PublicKey]) -> UnlockOrder:
    """Return an order that one of the gates signed under its own name. Raises `OrderRefused`; the time is not judged here."""
    if len(wire) > MAX_ORDER_BYTES or not signed.is_for(ORDER_PURPOSE, wire):
        raise OrderRefused("not an order to unlock a seal", code=MALFORMED)
    found = signed.signer_of(ORDER_PURPOSE, wire, gates)
    if found is None:
        raise OrderRefused("no gate of this post signed this order", code=SIGNATURE)
    source, content = found
    try:
        order = UnlockOrder.model_validate(strict_json.load_object(content, max_bytes=MAX_ORDER_BYTES))
        is_plain = order_body(order) == content
    except (StrictJsonError, ValidationError) as error:
        raise OrderRefused(f"an order of {source} cannot be read", code=MALFORMED) from error
    if not is_plain:
        raise OrderRefused(f"an order of {source} is not in its one spelling", code=MALFORMED)
    if order.source != source:
        raise OrderRefused(f"{source} signed an order under the name of another gate", code=OTHER_GATE)
    return order


def refuse_untimely(order: UnlockOrder, now: datetime) -> None:
    """Raise `OrderRefused` unless the order is valid at `now`, and not for long."""
    if not now < order.expires_at <= now + LONGEST_VALID:
        raise OrderRefused("the order has expired, or is valid for too long", code=UNTIMELY)


def sign_answer(answer: UnlockAnswer, key: Ed25519PrivateKey) -> bytes:
    """Return the wire form of an answer."""
    return signed.sign(ANSWER_PURPOSE, strict_json.dumps(answer.model_dump(mode="json")), key)


def open_answer(wire: bytes, post: Ed25519PublicKey) -> UnlockAnswer:
    """Return what the post answered. Raises `PostFault`."""
    content = signed.content_of(ANSWER_PURPOSE, wire, (post,)) if len(wire) <= MAX_ANSWER_BYTES else None
    if content is None:
        raise PostFault("the post did not sign this answer", code="CS-PST-002")
    try:
        return UnlockAnswer.model_validate(strict_json.load_object(content, max_bytes=MAX_ANSWER_BYTES))
    except (StrictJsonError, ValidationError) as error:
        raise PostFault("the post's answer cannot be read", code="CS-PST-003") from error
