"""What carries commands to a chip and answers back; nothing here knows what they mean."""

from __future__ import annotations

from typing import Protocol


class Transport(Protocol):
    """One connection to one chip, from its presentation to its end."""

    @property
    def atr(self) -> bytes:
        """The chip's answer to reset."""
        ...

    def transmit(self, command: bytes) -> bytes:
        """Send one command and return its answer with the status word. Raises `ChipGone` or `ChipSilent`."""
        ...

    def close(self) -> None:
        """Let go of the chip; never raises."""
        ...
