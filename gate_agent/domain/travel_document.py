"""The travel document as the gate knows it after the machine readable zone was parsed (ICAO Doc 9303-3, field names in snake case)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class MrzFormat(StrEnum):
    """Layouts of ICAO Doc 9303-4 (TD3), -5 (TD1), -6 (TD2) and -7 (visas)."""

    TD1 = "TD1"
    TD2 = "TD2"
    TD3 = "TD3"
    MRV_A = "MRVA"
    MRV_B = "MRVB"


@dataclass(frozen=True, slots=True)
class TravelDocument:
    """Fields of a parsed machine readable zone. Text is as printed with fillers removed; `None` dates could not be read.

    `date_of_birth_text` keeps the six characters because parts of a birth date may legally be unknown (`<`).
    """

    format: MrzFormat
    document_code: str
    issuing_state: str
    document_number: str
    nationality: str
    primary_identifier: str
    secondary_identifier: str
    name_may_be_truncated: bool
    date_of_birth: date | None
    date_of_birth_text: str
    sex: str
    date_of_expiry: date | None
    optional_data: str
    optional_data_2: str
    lines: tuple[str, ...]
