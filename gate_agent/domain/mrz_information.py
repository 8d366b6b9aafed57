"""The key to a chip: what the standard calls MRZ information (ICAO Doc 9303-11 §4.3.2 and appendix D.2)."""

from __future__ import annotations

from gate_agent.domain.mrz_digits import check_digit
from gate_agent.domain.travel_document import MrzFormat, TravelDocument

_SHORTEST_NUMBER = 9
_EXPIRY = {MrzFormat.TD1: (1, 8, 14), MrzFormat.TD2: (1, 21, 27), MrzFormat.TD3: (1, 21, 27)}


def mrz_information(document: TravelDocument) -> str:
    """Return document number, birth and expiry, each with its check digit; the whole number, where it is a long one.

    Empty for a visa: no chip goes with it. The digits are computed, not copied: they are right by definition.
    """
    return _information(document, check_digit(_number(document)))


def alternative_mrz_information(document: TravelDocument) -> str:
    """Return the same for a long number whose digit counts the filler between its parts; empty where there is no such doubt."""
    number = _number(document)
    if len(number) == _SHORTEST_NUMBER:
        return ""
    digit = check_digit(number[:_SHORTEST_NUMBER] + "<" + number[_SHORTEST_NUMBER:])
    return "" if digit == check_digit(number) else _information(document, digit)


def _number(document: TravelDocument) -> str:
    return document.document_number.ljust(_SHORTEST_NUMBER, "<")


def _information(document: TravelDocument, number_digit: str) -> str:
    place = _EXPIRY.get(document.format)
    if place is None:
        return ""
    line, start, end = place
    birth, expiry = document.date_of_birth_text, document.lines[line][start:end]
    return "".join((_number(document), number_digit, birth, check_digit(birth), expiry, check_digit(expiry)))
