"""The agencies that may have to look at a traveller after the gate, and what each of them is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from gate_agent.domain.reasons import Reason


class Agency(StrEnum):
    """Who works at the desks of a border post."""

    BORDER = "border"
    CUSTOMS = "customs"
    HEALTH = "health"
    QUARANTINE = "quarantine"


AGENCY_OF_ROLE: Mapping[str, Agency] = MappingProxyType(
    {
        "guard": Agency.BORDER,
        "supervisor": Agency.BORDER,
        "customs_inspector": Agency.CUSTOMS,
        "health_officer": Agency.HEALTH,
        "quarantine_officer": Agency.QUARANTINE,
    }
)
"""Whose officer somebody is, by the role of the officers' bundle; a technician is of none."""


@dataclass(frozen=True, slots=True)
class AgencyTask:
    """What one agency is asked to look at: the corridor reasons that are its own."""

    agency: Agency
    reasons: tuple[Reason, ...]
