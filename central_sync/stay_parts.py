"""Parts of records about stays: what an officer mended, and what a visitor has to do by a day. `messages` says where they go."""

from __future__ import annotations

import uuid
from datetime import date
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class CorrectedStayPart(BaseModel):
    """What an officer says of a stay: a day that no gate recorded, or that the record is of nobody."""

    model_config = ConfigDict(frozen=True, extra="allow")

    entered_on: date | None = None
    exited_on: date | None = None
    is_void: bool = False


class CorrectionV1(BaseModel):
    """A mistake in an earlier record is mended; the earlier record stays as it is. With `stay`, `corrects` is the id of a stay."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: ClassVar[str] = "correction"
    corrects: uuid.UUID
    reason: str = Field(min_length=1, max_length=64, pattern=r"^[a-z0-9_.:-]+$")
    officer_id: str = Field(max_length=64)
    officer_ids: list[str] = Field(
        [], max_length=8, description="all who signed, the first of them in `officer_id`, too"
    )
    sealed: str | None = Field(None, max_length=32_768, description="HPKE ciphertext, base64")
    stay: CorrectedStayPart | None = None


class StayNoticeV1(BaseModel):
    """A visitor has something to do by a day; the record of the stay names whom."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: ClassVar[str] = "stay_notice"
    stay_id: uuid.UUID
    notice: Literal["registration_due", "stay_ending"]
    due_on: date
