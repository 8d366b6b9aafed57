"""The watch over a stream: does it live, does it change, does it show anything. Pure; the caller brings the time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

_RATE_WINDOW_S = 1.6


class Verdict(StrEnum):
    """What the stream is worth now."""

    WAITING = "waiting"
    GOOD = "good"
    STALE = "stale"
    FROZEN = "frozen"
    BLACK = "black"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """Seconds without a new frame, with an unchanged picture, with a black one; 0 switches a watch off. `minimum_fps` counts arrivals."""

    stale_s: float = 2.0
    frozen_s: float = 2.0
    black_s: float = 2.0
    black_luma: float = 10.0
    minimum_fps: float = 2.5


class FrameWatch:
    """Watches one camera over all its reopenings: a picture that was frozen stays under suspicion until another one comes."""

    def __init__(self, limits: WatchLimits) -> None:
        self._limits = limits
        self._digest = ""
        self._frozen_digest = ""
        self._opened_s = self._frame_s = self._changed_s = 0.0
        self._black_since_s: float | None = None
        self._has_frame = self._is_slow = False
        self._arrivals: deque[tuple[float, int]] = deque(maxlen=512)

    def reopened(self, now_s: float) -> None:
        """Begin anew: the source was opened, nothing was seen of it yet."""
        self._opened_s = self._frame_s = self._changed_s = now_s
        self._has_frame = False
        self._black_since_s = None
        self._digest = ""
        self._is_slow = False
        self._arrivals.clear()

    def saw(self, now_s: float, *, digest: str, luma: float, spread: float, arrived: int) -> bool:
        """Take one frame's marks; return whether the picture differs from the one before."""
        is_new = digest != self._digest
        if is_new:
            self._digest, self._changed_s = digest, now_s
        if digest != self._frozen_digest:
            self._frozen_digest = ""
        self._frame_s, self._has_frame = now_s, True
        is_black = luma < self._limits.black_luma and spread < self._limits.black_luma
        self._black_since_s = (self._black_since_s or now_s) if is_black else None
        self._is_slow = self._rate_is_low(now_s, arrived)
        return is_new

    def verdict(self, now_s: float) -> Verdict:
        """Return what the stream is worth at this moment."""
        limits = self._limits
        if limits.stale_s and now_s - self._frame_s >= limits.stale_s:
            return Verdict.STALE
        if not self._has_frame:
            return Verdict.WAITING
        if limits.frozen_s and (self._frozen_digest or now_s - self._changed_s >= limits.frozen_s):
            self._frozen_digest = self._digest
            return Verdict.FROZEN
        if limits.black_s and self._black_since_s is not None and now_s - self._black_since_s >= limits.black_s:
            return Verdict.BLACK
        if self._is_slow:
            return Verdict.SLOW
        return Verdict.GOOD

    def _rate_is_low(self, now_s: float, arrived: int) -> bool:
        self._arrivals.append((now_s, arrived))
        while len(self._arrivals) > 1 and self._arrivals[1][0] <= now_s - _RATE_WINDOW_S:
            self._arrivals.popleft()
        first_s, first_arrived = self._arrivals[0]
        span_s = now_s - first_s
        return span_s >= _RATE_WINDOW_S and (arrived - first_arrived) / span_s < self._limits.minimum_fps
