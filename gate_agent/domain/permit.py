"""A permit: what lets somebody enter who may not without one, and how long he may stay on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class PermitKind(StrEnum):
    """Kinds that rules name. A transit permit stands for airport transit with an onward ticket."""

    VISA = "visa"
    ELECTRONIC_VISA = "electronic_visa"
    RESIDENCE_PERMIT = "residence_permit"
    OTHER_PERMIT = "other_permit"
    TRANSIT = "transit"


class PermitOrigin(StrEnum):
    """Whence the gate knows of a permit: a document laid on the reader, a list that the centre signed, the traveller's declaration."""

    READ_AT_GATE = "read_at_gate"
    SIGNED_LIST = "signed_list"
    DECLARED = "declared"


@dataclass(frozen=True, slots=True)
class Permit:
    """One permit of one holder.

    `valid_until` is the last day of its period; None: it names none, and a rule says how long it is good for. `stay_days`: days of each stay that it names;
    None: it names none. `entries`: how many; None: any number on a signed list, elsewhere it does not say.
    """

    kind: PermitKind
    origin: PermitOrigin
    number: str
    issuing_state: str
    valid_from: date | None
    valid_until: date | None
    stay_days: int | None = None
    entries: int | None = None
