"""What a gate and its post say to each other, and what `egate sync` and the agent say about it on `sync.sock`.

The post, over TLS (`source` is whoever the certificate belongs to):
    POST /v1/facts   FactBatch                              -> FactsKept
    GET  /v1/facts?generation=&after=0&limit=100&wait_s=0   -> FactPage    facts of the other gates
    GET  /v1/seals?generation=&after=0&limit=200&wait_s=0   -> signed SealPage
    GET  /v1/state                                          -> PostState
    POST /v1/unlocks signed UnlockOrder                     -> signed UnlockAnswer    see `central_sync.post.unlocks`
    PUT  /v1/officers officers' bundle                      -> OfficersHeld           the newest that the centre signed counts
    GET  /blobs/{sha256}                                    -> the file, ranges allowed
The agent, on `sync.sock`:
    GET  /v1/post/own-facts?limit=&wait_s=   -> OwnFacts    not yet at the post
    POST /v1/post/sent       FactsSent       -> 204
    GET  /v1/post/place                      -> PostPlace   where this gate stands
    POST /v1/post/facts      FactPage        -> FactsTaken
    POST /v1/post/seals      signed SealPage -> PostPlace
    POST /v1/post/report     PostReport      -> 204
    GET  /v1/post/unlocks?wait_s=            -> UnlocksWaiting    whether orders to unlock a seal wait to be carried
    POST /v1/post/unlocks/claim              -> UnlockClaimed     the oldest; from here on it may have been sent
    POST /v1/post/unlocks/carried            UnlockCarried -> 204

`generation` names one life of the post's database: when it changed, everything is asked for and told again, and nothing happens twice.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

SEALS_PURPOSE = "egate-post-seals-1"
MAX_FACTS = 100
MAX_SEALS = 200
LONGEST_WAIT_S = 20.0


class PostMessage(BaseModel):
    """A frozen message; fields of a later version are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def as_text(wires: Sequence[bytes]) -> list[str]:
    """Return signed facts in base64."""
    return [base64.b64encode(wire).decode() for wire in wires]


class FactBatch(PostMessage):
    """Signed facts of the caller, base64."""

    facts: list[str] = Field(max_length=MAX_FACTS)

    def wires(self) -> list[bytes]:
        """Return the facts. Raises `ValueError`."""
        return [base64.b64decode(fact, validate=True) for fact in self.facts]


class FactsKept(PostMessage):
    """The facts are on the post's disk but `refused` ones, which this gate did not sign so; `new` of them were not there before."""

    generation: uuid.UUID
    new: int
    refused: int = 0


class FactPage(FactBatch):
    """Facts of the other gates with a place above `after`, up to `through`. `gap`: some between are gone for good."""

    generation: uuid.UUID
    after: int = Field(ge=0)
    through: int = Field(ge=0)
    gap: bool = False


class SealNotice(PostMessage):
    """One report of a seal. `report` is what the driver of `device` said; `age_s` is its age when the page was made."""

    seq: int = Field(ge=1)
    device: str = Field(max_length=64)
    age_s: float = Field(ge=0)
    report: dict[str, JsonValue]


class SealPage(PostMessage):
    """Reports with a place above `after`, up to `through`. `gap`: of some between, only the newest of each kind and seal are left."""

    generation: uuid.UUID
    after: int = Field(ge=0)
    through: int = Field(ge=0)
    gap: bool = False
    notices: list[SealNotice] = Field(max_length=MAX_SEALS)


class PostDevice(PostMessage):
    """One device of the post."""

    name: str = Field(max_length=64)
    device_class: str = Field(max_length=32)
    state: str = Field(max_length=16)
    since: AwareDatetime
    fault: str = Field("", max_length=32)
    remedy: str = Field("", max_length=400)
    may_unlock: bool = False


class PostState(PostMessage):
    """How the post is."""

    generation: uuid.UUID
    now: AwareDatetime
    devices: list[PostDevice] = Field(max_length=64)
    officers_version: int = Field(
        -1, ge=-1, description="of the officers' bundle that it goes by; 0: it has none, -1: it takes none"
    )


class OfficersHeld(PostMessage):
    """The version of the officers' bundle that the post goes by now."""

    version: int = Field(ge=0)


class OwnFact(PostMessage):
    """One fact of this gate, unsigned: `egate sync` signs it."""

    seq: int
    body_base64: str


class OwnFacts(PostMessage):
    """Facts of this gate that the post has not got yet."""

    facts: list[OwnFact]


class FactsSent(PostMessage):
    """The post of this generation keeps these."""

    generation: uuid.UUID
    seqs: list[int] = Field(max_length=MAX_FACTS)


class PostPlace(PostMessage):
    """Where this gate stands with its post; generations are None before the first page."""

    facts_generation: uuid.UUID | None = None
    facts_after: int = 0
    seals_generation: uuid.UUID | None = None
    seals_after: int = 0


class FactsTaken(PostMessage):
    """What became of a page: `new` facts took effect, `refused` ones were not signed by their gate."""

    place: PostPlace
    new: int = 0
    refused: int = 0


class PostReport(PostMessage):
    """How `egate sync` finds the post; `fault` is a stable code when it does not answer."""

    online: bool
    fault: str = Field("", max_length=32)
    devices: list[PostDevice] = Field([], max_length=64)


class UnlocksWaiting(PostMessage):
    """How many orders of this gate wait to be carried to the post."""

    count: int = Field(ge=0)


class UnlockClaimed(PostMessage):
    """An order, unsigned, that only the caller will ever get: `egate sync` signs it. None: another caller got it, or it was taken back."""

    order_id: uuid.UUID | None = None
    body_base64: str = ""


class UnlockCarried(PostMessage):
    """What became of an order on its way: the post's signed answer, or a code when it certainly reached no seal; neither: nobody knows."""

    order_id: uuid.UUID
    answer_base64: str = Field("", max_length=4_096)
    not_sent: str = Field("", max_length=32)
