"""The part of the lane API's messages that is about stays; `lane_api_messages` says where they go."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict


class StayOrphanView(BaseModel):
    """A stay whose other end is missing, or whose last day is over; nothing in it names anybody. `mark` is the same for one holder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stay_id: uuid.UUID
    kind: Literal["exit_without_entry", "entry_without_exit", "past_last_day"]
    entered_on: date | None
    exited_on: date | None
    last_day: date | None
    source: str
    mark: str
