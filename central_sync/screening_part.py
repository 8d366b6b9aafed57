"""The part of an inspection record that X-ray screening fills; read through `central_sync.messages`, whose conventions hold here."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class ScreeningPart(BaseModel):
    """The result of X-ray screening of a declaration's goods; the file itself is passed on unopened, by other ways."""

    model_config = ConfigDict(frozen=True, extra="allow")

    scan_id: str = Field(min_length=1, max_length=128)
    decision: Literal["clear", "alarm", "undetermined"]
    reported_at: AwareDatetime
    file_reference: str = Field("", max_length=512)
