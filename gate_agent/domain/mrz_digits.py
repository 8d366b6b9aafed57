"""Check digits of machine readable zones (ICAO Doc 9303-3 §4.9): weights 7-3-1, and both conventions for long document numbers."""

from __future__ import annotations

from dataclasses import dataclass

from gate_agent.domain.check import CheckOutcome

_WEIGHTS = (7, 3, 1)
_VALUES = {"<": 0} | {str(digit): digit for digit in range(10)} | {chr(65 + i): 10 + i for i in range(26)}

STANDARD, FILLER_COUNTED = "standard", "filler_counted"


@dataclass(frozen=True, slots=True)
class CheckDigit:
    """One check digit: the field it protects, the character found, the one expected, and the convention that fits."""

    field: str
    found: str
    expected: str
    outcome: CheckOutcome
    convention: str = STANDARD


def check_digit(text: str) -> str:
    """Return the check digit of `text`. Characters outside A-Z, 0-9 and `<` raise `ValueError`."""
    try:
        return str(sum(_VALUES[character] * _WEIGHTS[i % 3] for i, character in enumerate(text)) % 10)
    except KeyError as error:
        raise ValueError(f"{error.args[0]!r} cannot stand in a machine readable zone") from None


def compare(field: str, text: str, found: str, *, empty_may_be_filler: bool = False) -> CheckDigit:
    """Compare a digit with the text it protects; a filler may stand for the digit of an empty optional field (9303-4)."""
    expected = check_digit(text)
    right = found == expected or (empty_may_be_filler and found == "<" and not text.strip("<"))
    return CheckDigit(field, found, expected, CheckOutcome.SUCCESSFUL if right else CheckOutcome.FAILED)


def long_number(start: str, optional: str) -> tuple[str, str, CheckDigit] | None:
    """Read a document number of more than nine characters (9303-5, note j); None when the optional data holds none.

    `start` is the nine characters of the number field, whose digit position is `<`; `optional` begins with the rest of the number and
    its digit. Two conventions are in circulation: the digit over number and rest, or with the filler between them counted.
    """
    rest, _, remaining = optional.partition("<")
    if len(rest) < 2 or not rest[-1].isdigit():
        return None
    tail, found = rest[:-1], rest[-1]
    for convention, text in ((STANDARD, start + tail), (FILLER_COUNTED, start + "<" + tail)):
        digit = compare("document_number", text, found)
        if digit.outcome is CheckOutcome.SUCCESSFUL:
            return start + tail, remaining, CheckDigit(digit.field, found, digit.expected, digit.outcome, convention)
    return start + tail, remaining, compare("document_number", start + tail, found)
