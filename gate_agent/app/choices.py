"""What a traveller chose on the screen of a lane: it holds for his transaction, and the next traveller starts afresh."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Choices(Generic[Value]):
    """One choice a lane. What is chosen before a document lies there belongs to the transaction that begins next."""

    def __init__(self, monotonic_s: Callable[[], float], waits_s: float | None = None) -> None:
        """`waits_s`: how long a choice waits for a transaction to begin; None: as long as it takes."""
        self._monotonic_s = monotonic_s
        self._waits_s = waits_s
        self._chosen: dict[int, tuple[uuid.UUID | None, float, Value]] = {}

    def choose(self, lane_id: int, transaction_id: uuid.UUID | None, value: Value) -> None:
        """Take a choice."""
        self._chosen[lane_id] = (transaction_id, self._monotonic_s(), value)

    def of(self, lane_id: int, transaction_id: uuid.UUID | None) -> Value | None:
        """Return what was chosen for this transaction, None for nothing."""
        chosen = self._chosen.get(lane_id)
        if chosen is None:
            return None
        chosen_for, at_s, value = chosen
        if chosen_for is None and self._waits_s is not None and self._monotonic_s() - at_s > self._waits_s:
            return None
        if chosen_for is None and transaction_id is not None:
            self._chosen[lane_id] = (transaction_id, at_s, value)
            return value
        return value if chosen_for == transaction_id else None
