"""A stay: an entry and, once it happened, its exit. Day rules live in `policy.stay_rules`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay of one document holder; `exited_on` is None while open. Both days count (border local dates)."""

    entered_on: date
    exited_on: date | None
    source: str
