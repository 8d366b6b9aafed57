"""Parts and records of the customs corridor's random selection: what was drawn, with which seed, from which inputs, and appeals.

Read through `central_sync.messages`, whose conventions hold here: frozen, additive within a major version, unknown members kept.
"""

from __future__ import annotations

import uuid
from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

_Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9_.:-]+$")]
_HashHex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class SelectionPart(_Part):
    """What decided on a random inspection; probabilities in parts per million, `draw_value` in parts of 10**9.

    `crossings`, `by_rule` and `at_random` are what the governor counted. The standing is counted for a holder whom the gate knows by a
    keyed mark alone; nothing here names one.
    """

    commitment_id: uuid.UUID | None = None
    draw_number: int | None = Field(None, ge=0)
    draw_value: int | None = Field(None, ge=0, lt=1_000_000_000)
    governed_ppm: int = Field(ge=0, le=1_000_000)
    probability_ppm: int = Field(ge=0, le=1_000_000)
    crossings: int = Field(ge=0)
    by_rule: int = Field(ge=0)
    at_random: int = Field(ge=0)
    trust_category: _Code
    trust_points: int
    inspections: int = Field(ge=0)
    findings: int = Field(ge=0)
    crossings_counted: int = Field(ge=0)
    crossing_days: int = Field(ge=0)
    is_frequent: bool
    selected_by: Literal["rule", "random", ""]


class SealStatePart(_Part):
    """What was known of one seal when the corridor was decided."""

    seal_id: str = Field(max_length=64)
    state: Literal["intact", "tampered", "unknown"]
    event: str = Field("", max_length=64)
    doubt: str = Field("", max_length=32)


class CorridorInputsPart(_Part):
    """What the corridor was decided from beside the declaration, so that the decision can be computed again."""

    mode: _Code
    seals: list[SealStatePart] = []
    screening: str = Field("", max_length=16)
    scan_id: str = Field("", max_length=128)
    is_declared: bool = False
    vehicles: int = Field(0, ge=0)
    phones: int = Field(0, ge=0)
    travellers: int = Field(1, ge=1)


class DrawSeedV1(_Part):
    """The seed of a gate's random selection for one local day: its hash before the day, the seed and the number of draws after it.

    `told_on` is the gate's local date of the record: a hash told on the day itself or later proves less, and an audit says so.
    """

    kind: ClassVar[str] = "draw_seed"
    commitment_id: uuid.UUID
    local_date: date
    action: Literal["committed", "revealed"]
    told_on: date
    commitment: _HashHex
    seed: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    draws: int | None = Field(None, ge=0)


class AppealV1(_Part):
    """A traveller contested an earned category or a pattern of crossings; an officer noted it and decided. `sealed` holds the note."""

    kind: ClassVar[str] = "appeal"
    transaction_id: uuid.UUID
    subject: Literal["trust_category", "frequent_crosser"]
    upheld: bool
    decided_at: AwareDatetime
    local_date: date
    officer_id: str = Field(max_length=64)
    sealed: str | None = Field(None, max_length=32_768)
