"""The machine readable zone, read to ICAO Doc 9303-3 to -7: TD1, TD2, TD3, MRV-A, MRV-B, each check digit by itself.

Nothing is repaired: a character that cannot stand in a zone makes it unreadable, a wrong digit is reported with what was expected,
an unknown day of birth stays unknown. Two-digit years follow TR-03135-1 §5.7.1 (expiry) and the latest century that is not in the
future (birth).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.mrz_digits import FILLER_COUNTED, CheckDigit, check_digit, compare, long_number
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.travel_document import MrzFormat, TravelDocument

__all__ = ["CheckDigit", "MrzReading", "check_digit", "read_mrz"]

EXPIRY_WINDOW_YEARS = 15
"""Years ahead in which a two-digit year of expiry is looked for (TR-03135-1 §5.7.1); documents of longer validity override it."""

_MOST_LINES = 3
_ZONE = re.compile(r"[A-Z0-9<]+")
_SHAPES = {(3, 30): MrzFormat.TD1, (2, 36): MrzFormat.TD2, (2, 44): MrzFormat.TD3}
_VISAS = {MrzFormat.TD2: MrzFormat.MRV_B, MrzFormat.TD3: MrzFormat.MRV_A}


@dataclass(frozen=True, slots=True)
class MrzReading:
    """One read: the format, the document where the zone could be parsed, every check digit, and what was wrong or unusual."""

    format: MrzFormat | None
    document: TravelDocument | None
    digits: tuple[CheckDigit, ...]
    problems: tuple[Reason, ...]


def read_mrz(lines: Sequence[str], today: date) -> MrzReading:
    """Read the lines of one zone (line ends and surrounding blanks are ignored). Never raises."""
    if len(lines) > _MOST_LINES or any(len(line) > 64 for line in lines):
        return _unreadable(ReasonCode.MRZ_FORMAT_UNKNOWN)
    clean = tuple(line.strip(" \r\n\t") for line in lines)
    mrz_format = _SHAPES.get((len(clean), len(clean[0]))) if clean and len({len(line) for line in clean}) == 1 else None
    if mrz_format is None:
        return _unreadable(ReasonCode.MRZ_FORMAT_UNKNOWN)
    if not all(_ZONE.fullmatch(line) for line in clean):
        return MrzReading(mrz_format, None, (), (Reason(ReasonCode.MRZ_UNREADABLE),))
    if clean[0][0] == "V":
        mrz_format = _VISAS.get(mrz_format, mrz_format)
    if mrz_format is MrzFormat.TD1:
        return _read_td1(clean, today)
    return _read_two_lines(mrz_format, clean, today)


def _unreadable(code: ReasonCode) -> MrzReading:
    return MrzReading(None, None, (), (Reason(code),))


def _read_td1(lines: tuple[str, ...], today: date) -> MrzReading:
    first, second, names = lines
    number, digit, optional = _number(first[5:14], first[14], first[15:30])
    digits = (
        digit,
        compare("date_of_birth", second[0:6], second[6]),
        compare("date_of_expiry", second[8:14], second[14]),
        compare("composite", first[5:30] + second[0:7] + second[8:15] + second[18:29], second[29]),
    )
    document = _document(
        MrzFormat.TD1, lines, first[0:2], first[2:5], number, second[15:18], names, second[0:6], second[7], second[8:14],
        (optional, second[18:29]), today,
    )  # fmt: skip
    return _reading(document, digits)


def _read_two_lines(mrz_format: MrzFormat, lines: tuple[str, ...], today: date) -> MrzReading:
    first, second = lines
    number, digit, optional = _number(second[0:9], second[9], second[28:35]) if mrz_format is MrzFormat.TD2 else (
        second[0:9].rstrip("<"), compare("document_number", second[0:9], second[9]), second[28:]
    )  # fmt: skip
    digits = [
        digit,
        compare("date_of_birth", second[13:19], second[19]),
        compare("date_of_expiry", second[21:27], second[27]),
    ]
    if mrz_format is MrzFormat.TD3:
        optional = second[28:42]
        digits.append(compare("optional_data", optional, second[42], empty_may_be_filler=True))
        digits.append(compare("composite", second[0:10] + second[13:20] + second[21:43], second[43]))
    elif mrz_format is MrzFormat.TD2:
        digits.append(compare("composite", second[0:10] + second[13:20] + second[21:35], second[35]))
    document = _document(
        mrz_format, lines, first[0:2], first[2:5], number, second[10:13], first[5:], second[13:19], second[20],
        second[21:27], (optional, ""), today,
    )  # fmt: skip
    return _reading(document, tuple(digits))


def _number(field: str, found: str, optional: str) -> tuple[str, CheckDigit, str]:
    """Return document number, its digit and what remains of the optional data; long numbers run on there."""
    if found == "<" and "<" not in field:
        continued = long_number(field, optional)
        if continued is not None:
            number, remaining, digit = continued
            return number, digit, remaining
    return field.rstrip("<"), compare("document_number", field, found), optional


def _reading(document: TravelDocument, digits: tuple[CheckDigit, ...]) -> MrzReading:
    problems = [
        Reason(ReasonCode.MRZ_CHECK_DIGIT_WRONG, {"field": d.field, "found": d.found, "expected": d.expected})
        for d in digits
        if d.outcome is not CheckOutcome.SUCCESSFUL
    ]
    if any(digit.convention == FILLER_COUNTED for digit in digits):
        problems.append(Reason(ReasonCode.MRZ_LONG_NUMBER_CONVENTION, {"convention": FILLER_COUNTED}))
    if document.name_may_be_truncated:
        problems.append(Reason(ReasonCode.MRZ_NAME_TRUNCATED))
    return MrzReading(document.format, document, digits, tuple(problems))


def _document(
    mrz_format: MrzFormat,
    lines: tuple[str, ...],
    code: str,
    issuing_state: str,
    number: str,
    nationality: str,
    names: str,
    birth: str,
    sex: str,
    expiry: str,
    optional: tuple[str, str],
    today: date,
) -> TravelDocument:
    primary, _, secondary = names.partition("<<")
    return TravelDocument(
        format=mrz_format,
        document_code=code.rstrip("<"),
        issuing_state=issuing_state.rstrip("<"),
        document_number=number,
        nationality=nationality.rstrip("<"),
        primary_identifier=primary.replace("<", " ").strip(),
        secondary_identifier=secondary.replace("<", " ").strip(),
        name_may_be_truncated=not names.endswith("<"),
        date_of_birth=_birth(birth, today),
        date_of_birth_text=birth,
        sex="" if sex == "<" else sex,
        date_of_expiry=_expiry(expiry, today),
        optional_data=optional[0].strip("<").replace("<", " "),
        optional_data_2=optional[1].strip("<").replace("<", " "),
        lines=lines,
    )


def _day(year: int, text: str) -> date | None:
    try:
        return date(year, int(text[2:4]), int(text[4:6]))
    except ValueError:
        return None


def _birth(text: str, today: date) -> date | None:
    """Return the day of birth in the latest century that is not in the future; None when any part is unknown."""
    if not (text.isascii() and text.isdigit()):
        return None
    this_century = today.year // 100 * 100 + int(text[0:2])
    for year in (this_century, this_century - 100):  # 29 February may exist in one of them only
        found = _day(year, text)
        if found is not None and found <= today:
            return found
    return None


def _expiry(text: str, today: date) -> date | None:
    """Return the day of expiry: the year within the window from this year on that ends so, else the latest past one."""
    if not (text.isascii() and text.isdigit()):
        return None
    year = today.year + (int(text[0:2]) - today.year) % 100
    return _day(year if year <= today.year + EXPIRY_WINDOW_YEARS else year - 100, text)
