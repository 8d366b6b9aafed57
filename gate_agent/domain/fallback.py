"""Which order about a post's fallback is in force: the one of the highest rank, in whatever order and however often they are heard.

In fallback the post works by hand: no lane takes a new traveller by itself. Every order, on or off, has the number after the last one that
its officer saw, and the officer signs that number. So no clock decides; where two officers of gates that did not hear each other gave the
same number, "on" is the safe side, and the id settles what is left.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class OrderRank:
    """What orders are compared by, first to last. The higher one is in force for good; equal ones are the same order."""

    number: int
    stands: bool
    order_id: uuid.UUID


def is_later(came: OrderRank, known: OrderRank | None) -> bool:
    """Tell whether an order takes the place of the one that is known; None: none was ever given."""
    return known is None or came > known
