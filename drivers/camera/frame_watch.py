"""The watch over a stream: does it live, does it change, does it show anything, is it still the same stream. Pure; the caller brings the time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

_RATE_WINDOW_S = 1.6
_REORDERED_S = 0.5  # stream times of reordered frames may step back by less


class Verdict(StrEnum):
    """What the stream is worth now."""

    WAITING = "waiting"
    GOOD = "good"
    STALE = "stale"
    FROZEN = "frozen"
    BLACK = "black"
    WHITE = "white"
    SLOW = "slow"
    RESIZED = "resized"
    BACKWARDS = "backwards"


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """Seconds without a new frame, with an unchanged picture, with one that shows nothing; 0 switches a watch off.

    `minimum_fps` counts arrivals. `size_px`: width and height that the source must deliver; None: those of its first frame.

    An idle camera is looked at twice a second, so that these limits find everything within 2 s of its beginning.
    """

    stale_s: float = 1.8
    frozen_s: float = 1.4
    black_s: float = 1.4
    minimum_fps: float = 2.5
    size_px: tuple[int, int] | None = None
    black_luma: float = 10.0
    flat_luma: float = 40.0
    flat_spread: float = 4.0
    white_ratio: float = 0.85


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame as the watch sees it.

    `digest` is equal only for equal pictures; `luma` and `spread` 0-255; `white_ratio` 0-1; `arrived` counts the frames of the source;
    `size_px` as it delivered them; `stream_s` is its own time, None where it has none.
    """

    digest: str
    luma: float
    spread: float
    white_ratio: float
    arrived: int
    size_px: tuple[int, int]
    stream_s: float | None = None


class FrameWatch:
    """Watches one camera over all its reopenings: a picture that was frozen stays under suspicion until another one comes."""

    def __init__(self, limits: WatchLimits) -> None:
        self._limits = limits
        self._frozen_digest = ""
        self.reopened(0.0)

    def reopened(self, now_s: float) -> None:
        """Begin anew: the source was opened, nothing was seen of it yet."""
        self._frame_s = self._changed_s = now_s
        self._last: Seen | None = None
        self._black_since_s: float | None = None
        self._white_since_s: float | None = None
        self._size_px = self._limits.size_px
        self._is_slow = self._is_resized = self._is_backwards = False
        self._arrivals: deque[tuple[float, int]] = deque(maxlen=512)

    def saw(self, now_s: float, seen: Seen) -> bool:
        """Take one frame's marks; return whether the picture differs from the one before."""
        last, self._last = self._last, seen
        is_new = last is None or seen.digest != last.digest
        if is_new:
            self._changed_s = now_s
        if seen.digest != self._frozen_digest:
            self._frozen_digest = ""
        self._frame_s = now_s
        self._black_since_s = _since(self._black_since_s, now_s, is_so=self._is_black(seen))
        self._white_since_s = _since(self._white_since_s, now_s, is_so=seen.white_ratio >= self._limits.white_ratio)
        self._size_px = self._size_px or seen.size_px
        self._is_resized = self._is_resized or seen.size_px != self._size_px
        if last is not None and last.stream_s is not None and seen.stream_s is not None:
            self._is_backwards = self._is_backwards or seen.stream_s < last.stream_s - _REORDERED_S
        self._is_slow = self._rate_is_low(now_s, seen.arrived)
        return is_new

    def verdict(self, now_s: float) -> Verdict:
        """Return what the stream is worth at this moment."""
        limits = self._limits
        if limits.stale_s and now_s - self._frame_s >= limits.stale_s:
            return Verdict.STALE
        if self._last is None:
            return Verdict.WAITING
        if self._is_resized:
            return Verdict.RESIZED
        if self._is_backwards:
            return Verdict.BACKWARDS
        if limits.frozen_s and self._stands_still(now_s):
            self._frozen_digest = self._last.digest
            return Verdict.FROZEN
        if self._frozen_digest:
            return (
                Verdict.WAITING
            )  # the picture that was frozen, seen again: another one is given as long to come as before
        if limits.black_s and self._black_since_s is not None and now_s - self._black_since_s >= limits.black_s:
            return Verdict.BLACK
        if limits.black_s and self._white_since_s is not None and now_s - self._white_since_s >= limits.black_s:
            return Verdict.WHITE
        if self._is_slow:
            return Verdict.SLOW
        return Verdict.GOOD

    def _stands_still(self, now_s: float) -> bool:
        """Return whether the picture is old although frames come: without any, nobody knows whether it would change."""
        limit_s = self._limits.frozen_s
        return now_s - self._changed_s >= limit_s and self._frame_s - self._changed_s >= limit_s / 2

    def _is_black(self, seen: Seen) -> bool:
        """Return whether a frame shows nothing: black, or so dark and flat that something covers the lens."""
        limits = self._limits
        is_dark = seen.luma < limits.black_luma and seen.spread < limits.black_luma
        return is_dark or (seen.luma < limits.flat_luma and seen.spread < limits.flat_spread)

    def _rate_is_low(self, now_s: float, arrived: int) -> bool:
        """Return whether too few frames came of late; once too few did, a tenth more than the least must come."""
        self._arrivals.append((now_s, arrived))
        while len(self._arrivals) > 1 and self._arrivals[1][0] <= now_s - _RATE_WINDOW_S:
            self._arrivals.popleft()
        first_s, first_arrived = self._arrivals[0]
        span_s = now_s - first_s
        least = self._limits.minimum_fps * (1.1 if self._is_slow else 1.0)
        return span_s >= _RATE_WINDOW_S and (arrived - first_arrived) / span_s < least


def _since(since_s: float | None, now_s: float, *, is_so: bool) -> float | None:
    if not is_so:
        return None
    return now_s if since_s is None else since_s
