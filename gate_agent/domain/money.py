"""Money as integer minor units with an ISO 4217 code; no floats anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WITHOUT_MINOR_UNIT = frozenset({"JPY", "KRW"})
_PLAIN = re.compile(r"([0-9]{1,15})(?:\.([0-9]{2}))? ([A-Z]{3})")


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units (cent, tiyin). Amounts of different currencies never add."""

    amount_minor: int
    currency: str

    def __add__(self, other: Money) -> Money:
        """Add two amounts of one currency; raise `ValueError` otherwise."""
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(self.amount_minor + other.amount_minor, self.currency)


def minor_digits(currency: str) -> int:
    """Return how many decimal digits the minor unit of a currency that people may choose has (ISO 4217)."""
    return 0 if currency in _WITHOUT_MINOR_UNIT else 2


def plain_text(amount: Money) -> str:
    """Return an amount as reasons and receipts carry it: ungrouped, with every digit of its minor unit, `15000.00 USD`."""
    digits = minor_digits(amount.currency)
    whole, fraction = divmod(amount.amount_minor, 10**digits)
    return f"{whole}.{fraction:0{digits}d} {amount.currency}" if digits else f"{whole} {amount.currency}"


def read_plain(text: str) -> Money | None:
    """Return the amount that `plain_text` wrote, also one whose zeros behind the point were left away; None for any other text."""
    found = _PLAIN.fullmatch(text)
    if found is None:
        return None
    whole, fraction, currency = found.groups()
    digits = minor_digits(currency)
    if fraction is not None and not digits:
        return None
    return Money(int(whole) * 10**digits + int(fraction or 0), currency)
