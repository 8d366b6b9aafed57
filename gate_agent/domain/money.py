"""Money as integer minor units with an ISO 4217 code; no floats anywhere."""

from __future__ import annotations

from dataclasses import dataclass


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
