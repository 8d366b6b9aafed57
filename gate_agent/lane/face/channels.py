"""Frames of the lane's other channels, near infrared and depth, that go with a frame of visible light: the nearest in time, or none."""

from __future__ import annotations

from collections import deque

from drivers.channels import Channel
from drivers.contracts import FrameCaptured

CHANNELS = (Channel.NEAR_INFRARED, Channel.DEPTH)
KEPT_FRAMES = 2
"""A driver has four slots: two wait here, one is looked at, one is being filled."""


class ChannelFrames:
    """Keeps the newest frames of each channel; every frame goes back to its camera once."""

    def __init__(self, skew_s: float) -> None:
        """Begin with none. A frame goes with another one when their times differ by at most `skew_s`."""
        self._skew_s = skew_s
        self._kept: dict[Channel, deque[tuple[FrameCaptured, float]]] = {channel: deque() for channel in CHANNELS}

    def offer(self, frame: FrameCaptured, t_mono_s: float) -> None:
        """Hand in a frame of a channel; the oldest above the number goes back."""
        kept = self._kept.get(frame.channel)
        if kept is None:
            frame.release()
            return
        kept.append((frame, t_mono_s))
        if len(kept) > KEPT_FRAMES:
            kept.popleft()[0].release()

    def take(self, t_mono_s: float) -> tuple[FrameCaptured, ...]:
        """Return at most one frame of each channel that goes with a moment; they are the caller's to release."""
        taken = []
        for kept in self._kept.values():
            nearest = min(kept, key=lambda one: abs(one[1] - t_mono_s), default=None)
            if nearest is not None and abs(nearest[1] - t_mono_s) <= self._skew_s:
                kept.remove(nearest)
                taken.append(nearest[0])
        return tuple(taken)

    def drop(self) -> None:
        """Give every frame back."""
        for kept in self._kept.values():
            while kept:
                kept.popleft()[0].release()
