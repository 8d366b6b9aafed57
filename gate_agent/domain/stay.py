"""A stay: an entry and, once it happened, its exit. Day rules live in `policy.stay_rules`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay of one document holder; `exited_on` is None while open. Both days count (border local dates).

    `permit_kind` names the permit (`domain.permit.PermitKind`) that the traveller entered on, `last_day` the last legal day that it gave
    him; both are empty for a stay without a permit, whose last day the rules of its day of entry say.
    """

    entered_on: date
    exited_on: date | None
    source: str
    permit_kind: str = ""
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class StayTerms:
    """On what somebody enters, as it is kept with the stay: the permit's kind, the last legal day, until when to register (None: unknown)."""

    permit_kind: str = ""
    last_day: date | None = None
    register_by: date | None = None


NO_TERMS = StayTerms()
"""Nothing is known of the terms."""
