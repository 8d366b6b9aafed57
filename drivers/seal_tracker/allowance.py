"""How much one tracker may send: what is beyond is not refused but read later, so that the line itself holds the sender back."""

from __future__ import annotations

BURST_S = 4.0
"""A tracker that was quiet may send what it is allowed in so many seconds at once: what it kept while it had no network."""


class Allowance:
    """Bytes that fill up with time. Nothing here waits."""

    def __init__(self, bytes_per_s: float, now_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._left_bytes = self._most_bytes = bytes_per_s * BURST_S
        self._at_s = now_s

    def pause_s(self, received_bytes: int, now_s: float) -> float:
        """Take received bytes off; return for how long nothing more should be read. `now_s` only grows."""
        filled = self._left_bytes + (now_s - self._at_s) * self._bytes_per_s
        self._left_bytes = min(self._most_bytes, filled) - received_bytes
        self._at_s = now_s
        return max(0.0, -self._left_bytes / self._bytes_per_s)
