"""What the gates of a post tell each other: a token was consumed, a stay was opened, a stay was closed. Signed by the gate that saw it.

No name and no number of a document is in a fact. `usage` and `holder` are HMAC-SHA-256 under a key that the gates of the post share and the post
itself does not hold.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from central_sync import signed, strict_json
from central_sync.errors import FactRefused, StrictJsonError

PURPOSE = "egate-fact-1"
MAX_FACT_BYTES = 2_048
MALFORMED, SIGNATURE, OTHER_GATE = (f"CS-FCT-{number:03d}" for number in range(1, 4))

Mark = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    fact_id: uuid.UUID
    source: str = Field(max_length=128)
    occurred_at: AwareDatetime
    expires_at: AwareDatetime


class TokenUsed(_Fact):
    """A traveller passed with this token and this document."""

    kind: Literal["token_used"] = "token_used"
    usage: Mark


class StayOpened(_Fact):
    """A traveller entered."""

    kind: Literal["stay_opened"] = "stay_opened"
    stay_id: uuid.UUID
    holder: Mark
    entered_on: date


class StayClosed(_Fact):
    """A traveller left. `entered_on` is None when the gate knew of no entry: the gate that does pairs the two by their holder."""

    kind: Literal["stay_closed"] = "stay_closed"
    stay_id: uuid.UUID
    holder: Mark
    entered_on: date | None
    exited_on: date


Fact: TypeAlias = TokenUsed | StayOpened | StayClosed
_FACT: TypeAdapter[Fact] = TypeAdapter(Annotated[Fact, Field(discriminator="kind")])


def fact_body(fact: Fact) -> bytes:
    """Return the bytes that are kept and signed."""
    return strict_json.dumps(fact.model_dump(mode="json"))


def sign_fact(body: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the wire form of a fact."""
    return signed.sign(PURPOSE, body, key)


def open_fact(wire: bytes, gates: Mapping[str, Ed25519PublicKey]) -> Fact:
    """Return a fact that one of the gates signed under its own name. Raises `FactRefused`."""
    if len(wire) > MAX_FACT_BYTES or not signed.is_for(PURPOSE, wire):
        raise FactRefused("not a fact", code=MALFORMED)
    found = signed.signer_of(PURPOSE, wire, gates)
    if found is None:
        raise FactRefused("no gate of this post signed this fact", code=SIGNATURE)
    source, content = found
    try:
        fact = _FACT.validate_python(strict_json.load_object(content, max_bytes=MAX_FACT_BYTES))
    except (StrictJsonError, ValidationError) as error:
        raise FactRefused(f"a fact of {source} cannot be read", code=MALFORMED) from error
    if fact.source != source:
        raise FactRefused(f"{source} signed a fact under the name of another gate", code=OTHER_GATE)
    return fact
