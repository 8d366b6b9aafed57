"""The application acknowledgement: the centre's signed word that its database committed, or refused, certain records of a gate."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from central_sync import signed, strict_json
from central_sync.errors import AckRefused, StrictJsonError
from central_sync.messages import HashHex

PURPOSE = "egate-ack-1"
MALFORMED, SIGNATURE, OTHER_GATE, OTHER_EPOCH, HEAD_DIFFERS = (f"CS-ACK-{number:03d}" for number in range(1, 6))

_LIMIT_BYTES = 65_536


class Ack(BaseModel):
    """Ranges (both ends included, ascending) and what became of them; `head` is the chain hash at the end of the last range.

    `quarantined` is the refusal: the centre keeps the bytes aside and `reason` says why; the gate keeps the row and alarms.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    source: str
    epoch: uuid.UUID
    ranges: list[tuple[int, int]] = Field(min_length=1, max_length=1000)
    status: Literal["stored", "quarantined"]
    head: HashHex
    centre_time: AwareDatetime
    reason: str = Field("", max_length=64)

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Ack:
        before = 0
        for first, last in self.ranges:
            if not before < first <= last:
                raise ValueError("ranges ascend and do not touch each other's places")
            before = last
        return self

    @property
    def last(self) -> int:
        """The place at which `head` stands."""
        return self.ranges[-1][1]


class AckApplied(BaseModel):
    """What the gate's store made of an acknowledgement."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    epoch: uuid.UUID
    ranges: list[tuple[int, int]]
    status: Literal["stored", "quarantined"]
    changed: int
    centre_time: datetime


def sign_ack(ack: Ack, centre_key: Ed25519PrivateKey) -> bytes:
    """Return the wire bytes of an acknowledgement."""
    return signed.sign(PURPOSE, strict_json.dumps(ack.model_dump(mode="json")), centre_key)


def open_ack(wire: bytes, centre_key: Ed25519PublicKey, source: str) -> Ack:
    """Return the acknowledgement that the centre signed for `source`.

    Raises `AckRefused`. The gate's store still has to compare epoch and head with its own chain.
    """
    if len(wire) > _LIMIT_BYTES or not signed.is_for(PURPOSE, wire):
        raise AckRefused("not an acknowledgement", code=MALFORMED)
    content = signed.content_of(PURPOSE, wire, (centre_key,))
    if content is None:
        raise AckRefused("the centre did not sign this acknowledgement", code=SIGNATURE)
    try:
        ack = Ack.model_validate(strict_json.loads(content, max_bytes=_LIMIT_BYTES))
    except (StrictJsonError, ValidationError) as error:
        raise AckRefused("the acknowledgement cannot be read", code=MALFORMED) from error
    if ack.source != source:
        raise AckRefused(f"an acknowledgement for {ack.source}", code=OTHER_GATE)
    return ack
