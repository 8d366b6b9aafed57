"""The International Mobile Equipment Identity of a phone: 14 digits and a check digit (3GPP TS 23.003 annex B, ISO/IEC 7812-1 annex B)."""

from __future__ import annotations

_DIGITS = 15


def is_imei(text: str) -> bool:
    """Return whether `text` is 15 digits of which the last is the Luhn check digit of the others; all zeros is no phone's."""
    if len(text) != _DIGITS or not (text.isascii() and text.isdecimal()) or not text.strip("0"):
        return False
    return luhn_check_digit(text[:-1]) == text[-1]


def luhn_check_digit(digits: str) -> str:
    """Return the check digit that goes behind `digits`: every second one from the right counts double, as the sum of its digits."""
    doubled = (2 * int(digit) for digit in digits[::-2])
    single = sum(int(digit) for digit in digits[-2::-2])
    return str(-(sum(value // 10 + value % 10 for value in doubled) + single) % 10)
