"""Random bytes that a seed decides, so that a virtual passport and its authority come out the same every time. No secret is safe with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

Entropy = Callable[[int], bytes]
"""Gives so many random bytes."""


class SeededEntropy:
    """An endless stream of bytes: SHA-256 over the seed and a counter."""

    def __init__(self, seed: str) -> None:
        """`seed` names the stream; the same name gives the same bytes."""
        self._seed = hashlib.sha256(seed.encode()).digest()
        self._counter = 0
        self._stock = b""

    def __call__(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        while len(self._stock) < size:
            self._stock += hashlib.sha256(self._seed + self._counter.to_bytes(8, "big")).digest()
            self._counter += 1
        drawn, self._stock = self._stock[:size], self._stock[size:]
        return drawn


def scalar(entropy: Entropy, order: int) -> int:
    """Return a number from 1 to `order` - 1; its bias is below 2^-64."""
    return int.from_bytes(entropy((order.bit_length() + 7) // 8 + 8), "big") % (order - 1) + 1
