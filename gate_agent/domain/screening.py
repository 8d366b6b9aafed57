"""What X-ray screening said about the goods of one declaration."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ScreeningVerdict(StrEnum):
    """The verdict of the machine or of its operator."""

    CLEAR = "clear"
    ALARM = "alarm"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class Screening:
    """A verdict and the scan it stands for; `scan_id` is the declaration's reference."""

    scan_id: str
    verdict: ScreeningVerdict
