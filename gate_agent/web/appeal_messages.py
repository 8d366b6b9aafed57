"""What the lane API tells of a traveller's standing with customs.

GET /v1/standings/{transaction_id} -> StandingView, 404 when nobody knows any more whose crossing that was
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict


class StandingView(BaseModel):
    """The earned category and the pattern of crossings, counted without a name; the days on which appeals were granted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    category: Literal["trusted", "ordinary", "attention"]
    inspections: int
    findings: int
    crossings: int
    crossing_days: int
    is_frequent: bool
    category_upheld_on: date | None = None
    frequency_upheld_on: date | None = None
