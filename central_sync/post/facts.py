"""What the gates of a post tell each other: tokens consumed, stays opened, closed and corrected, stops at desks, inspections, orders for the post.

Each fact is signed by the gate that saw it.

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
from central_sync.post.unlocks import OfficerAuthorisation

PURPOSE = "egate-fact-1"
MAX_FACT_BYTES = 2_048
MAX_ORDER_BYTES = 7_000
"""Of an order with what its officers signed, and of nothing else. A hundred of them still fit into one request to the post."""
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
    permit_kind: str = Field("", max_length=32)
    last_day: date | None = None


class StayClosed(_Fact):
    """A traveller left. `entered_on` is None when the gate knew of no entry: the gate that does pairs the two by their holder."""

    kind: Literal["stay_closed"] = "stay_closed"
    stay_id: uuid.UUID
    holder: Mark
    entered_on: date | None
    exited_on: date


class StayCorrected(_Fact):
    """An officer named a day of a stay that no gate had recorded, or found that the record is of nobody."""

    kind: Literal["stay_corrected"] = "stay_corrected"
    stay_id: uuid.UUID
    entered_on: date | None
    exited_on: date | None
    is_void: bool


class DeskStop(_Fact):
    """The agencies of a gate expect a traveller (`opened`, with the mark), are done (`closed`), or another gate sees him at its exit (`seen`)."""

    kind: Literal["desk_stop"] = "desk_stop"
    stop_id: uuid.UUID
    state: Literal["opened", "closed", "seen"]
    holder: Mark | None = None


class HolderInspected(_Fact):
    """Customs finished an inspection of this holder; what it came to counts for the category that a rulebook lets travellers earn."""

    kind: Literal["holder_inspected"] = "holder_inspected"
    task_id: uuid.UUID
    holder: Mark
    local_date: date
    finding: Literal["nothing_found", "found", "amended"]


class AppealUpheld(_Fact):
    """An inspector granted an appeal of this holder."""

    kind: Literal["appeal_upheld"] = "appeal_upheld"
    holder: Mark
    local_date: date
    subject: Literal["trust_category", "frequent_crosser"]


class FallbackOrdered(_Fact):
    """An officer ordered that the whole post works by hand from now on, or that it does so no longer.

    The officer's signed authorisation travels with it, as it was signed: a gate alone can order nothing. `number` is signed, too.
    """

    kind: Literal["fallback_ordered"] = "fallback_ordered"
    order_id: uuid.UUID
    number: int = Field(ge=1, le=2**53)
    stands: bool
    authorisation: OfficerAuthorisation


class FallbackAnswered(_Fact):
    """The gate does as the order says, durably; with `refusal`, a stable code, it does not."""

    kind: Literal["fallback_answered"] = "fallback_answered"
    order_id: uuid.UUID
    number: int = Field(ge=1, le=2**53)
    stands: bool
    refusal: str = Field("", max_length=32)


Fact: TypeAlias = (
    TokenUsed
    | StayOpened
    | StayClosed
    | StayCorrected
    | HolderInspected
    | AppealUpheld
    | DeskStop
    | FallbackOrdered
    | FallbackAnswered
)
_FACT: TypeAdapter[Fact] = TypeAdapter(Annotated[Fact, Field(discriminator="kind")])


def fact_body(fact: Fact) -> bytes:
    """Return the bytes that are kept and signed."""
    return strict_json.dumps(fact.model_dump(mode="json"))


def sign_fact(body: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the wire form of a fact."""
    return signed.sign(PURPOSE, body, key)


def open_fact(wire: bytes, gates: Mapping[str, Ed25519PublicKey]) -> Fact:
    """Return a fact that one of the gates signed under its own name. Raises `FactRefused`."""
    if len(wire) > MAX_ORDER_BYTES or not signed.is_for(PURPOSE, wire):
        raise FactRefused("not a fact", code=MALFORMED)
    found = signed.signer_of(PURPOSE, wire, gates)
    if found is None:
        raise FactRefused("no gate of this post signed this fact", code=SIGNATURE)
    source, content = found
    try:
        fact = _FACT.validate_python(strict_json.load_object(content, max_bytes=MAX_ORDER_BYTES))
    except (StrictJsonError, ValidationError) as error:
        raise FactRefused(f"a fact of {source} cannot be read", code=MALFORMED) from error
    if len(wire) > MAX_FACT_BYTES and not isinstance(fact, FallbackOrdered):
        raise FactRefused(f"a fact of {source} is too long", code=MALFORMED)
    if fact.source != source:
        raise FactRefused(f"{source} signed a fact under the name of another gate", code=OTHER_GATE)
    return fact
