"""The identifier of a postal item as its barcode and its form CN 22 or CN 23 carry it: UPU standard S10, 13 characters.

Two letters for the service, eight digits, a check digit, two letters for the country of origin (ISO 3166-1 alpha-2), for example
`RA473124829UT`. Parcels have C_ and E_ services, letters R_, U_ and others; which one does not matter here.
"""

from __future__ import annotations

import re

_ITEM = re.compile(r"[A-Z]{2}[0-9]{9}[A-Z]{2}")
_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)
_INSTEAD = {10: 0, 11: 5}


def is_postal_item(text: str) -> bool:
    """Return whether `text` is an S10 identifier whose check digit is right."""
    return _ITEM.fullmatch(text) is not None and s10_check_digit(text[2:10]) == text[10]


def s10_check_digit(serial: str) -> str:
    """Return the check digit of eight digits: 11 minus their weighted sum modulo 11; 10 stands as 0 and 11 as 5."""
    rest = 11 - sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, serial, strict=True)) % 11
    return str(_INSTEAD.get(rest, rest))
