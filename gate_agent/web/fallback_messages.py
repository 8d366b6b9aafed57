"""The part of the lane API's messages that is about the post's fallback; `lane_api_messages` says where they go."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class FallbackMessage(BaseModel):
    """A frozen message; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FallbackGateView(FallbackMessage):
    """Another gate of the post, and what it said to the order in force."""

    gate: str = Field(description="country, site and gate")
    state: Literal["acknowledged", "waiting", "refused"]
    at: datetime | None = None
    refusal: str = Field("", description="a stable code")


class FallbackView(FallbackMessage):
    """The order in force about the post's fallback, on or off, and who of the post does as it says."""

    number: int
    stands: bool
    since: datetime
    gate: str = Field(description="where it was ordered: country, site and gate")
    officers: list[str]
    reason_code: str
    reason_text: str = ""
    gates: list[FallbackGateView] = []
    post_answers: bool = Field(
        default=True, description="whether the post, over which the other gates hear of it, answers"
    )
