"""Specimen documents of Utopia (ICAO's specimen state UTO): fictitious holders, correct machine readable zones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from gate_agent.domain.mrz import check_digit


@dataclass(frozen=True, slots=True)
class Specimen:
    """One fictitious document and the portrait (a public official's photograph) that stands for its holder.

    `chip` names the kind of its chip among `drivers.chip.twin.variants.VARIANTS`.
    """

    document_number: str
    primary_identifier: str
    secondary_identifier: str
    portrait: Literal["obama", "biden"]
    date_of_birth: date
    date_of_expiry: date
    format: Literal["TD3", "TD1"] = "TD3"
    issuing_state: str = "UTO"
    nationality: str = "UTO"
    sex: str = "<"
    chip: str = "modern"

    def lines(self, *, wrong_digit: bool = False) -> tuple[str, ...]:
        """Return the machine readable zone; with `wrong_digit` the document number's check digit is wrong."""
        names = f"{self.primary_identifier}<<{self.secondary_identifier}".replace(" ", "<")
        birth, expiry = self.date_of_birth.strftime("%y%m%d"), self.date_of_expiry.strftime("%y%m%d")
        number = self.document_number.ljust(9, "<")
        number_digit = check_digit(number)
        if wrong_digit:
            number_digit = str((int(number_digit) + 1) % 10)
        number += number_digit
        birth += check_digit(birth)
        expiry += check_digit(expiry)
        if self.format == "TD1":
            first = f"I<{self.issuing_state}{number}".ljust(30, "<")
            second = f"{birth}{self.sex}{expiry}{self.nationality}".ljust(29, "<")
            composite = check_digit(first[5:30] + second[0:7] + second[8:15] + second[18:29])
            return first, second + composite, names[:30].ljust(30, "<")
        first = f"P<{self.issuing_state}{names}"[:44].ljust(44, "<")
        optional = "<" * 14
        second = f"{number}{self.nationality}{birth}{self.sex}{expiry}{optional}<"
        composite = check_digit(second[0:10] + second[13:20] + second[21:43])
        return first, second + composite


def specimen(number: int, today: date, **changes: object) -> Specimen:
    """Return the specimen document of demo traveller `number`."""
    plain = Specimen(
        document_number=f"U{number:02d}SPECIM",
        primary_identifier="SPECIMEN",
        secondary_identifier=f"TRAVELLER {_WORDS[number % len(_WORDS)]}",
        portrait="obama",
        date_of_birth=date(1980, 1, 1) + timedelta(days=37 * number),
        date_of_expiry=date(today.year + 4, 6, 15),
        chip=_CHIPS[number % len(_CHIPS)],
    )
    return replace(plain, **changes)  # type: ignore[arg-type] # names of the dataclass above


_CHIPS = ("modern", "pace cam", "ca only", "short le only", "bac only", "modern", "aa ecdsa", "face 39794")
"""Sound chips of several makes, in turn."""

_WORDS = (
    "ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE", "TEN",
    "ELEVEN", "TWELVE", "THIRTEEN", "FOURTEEN", "FIFTEEN", "SIXTEEN", "SEVENTEEN", "EIGHTEEN", "NINETEEN", "TWENTY",
    "TWENTY ONE", "TWENTY TWO", "TWENTY THREE", "TWENTY FOUR",
)  # fmt: skip
